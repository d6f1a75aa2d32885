"""Checks of homework 0, which only tries the tools."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from dalib_edu.check.core import Answer, Case, Check, compare, plain_scalar, take

# --- accuracy -----------------------------------------------------------------------------------


def _accuracy(logits: Tensor, labels: Tensor) -> float:
    return (logits.argmax(1) == labels).float().mean().item()


def _accuracy_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    if seed == 0:
        logits = np.array(
            [[2.5, 1, 0], [0, 3, 1], [1, 0, 2.5], [4, 5, 0.5], [0.5, 2, 9]], np.float32
        )
        labels = np.array([0, 1, 2, 0, 0])
        return [{"name": "3 of 5 right", "logits": logits, "labels": labels}]
    sizes = [("many", 40, 7), ("one row, right", 1, 4), ("one row, wrong", 1, 4), ("two", 9, 2)]
    cases = []
    for name, rows, classes in sizes:
        logits = rng.normal(size=(rows, classes)).astype(rng.choice([np.float32, np.float64]))
        labels = logits.argmax(1)
        miss = rng.permutation(rows)[: rows // 3 if rows > 1 else int("wrong" in name)]
        labels[miss] = (labels[miss] + rng.integers(1, classes, len(miss))) % classes
        cases.append({"name": name, "logits": logits, "labels": labels})
    return cases


def _accuracy_probe(accuracy: Callable, case: Case) -> Answer:
    share = accuracy(torch.tensor(case["logits"]), torch.tensor(case["labels"]))
    return {"share": plain_scalar(share)}


def _accuracy_judge(case: Case, answer: Answer) -> None:
    share = take(answer, "share", (), "the share")
    logits, labels = case["logits"], case["labels"]
    right = sum(row.argmax() == label for row, label in zip(logits, labels, strict=True))
    expected = right / len(labels)
    lowest = np.mean(logits.argmin(1) == labels)
    compare(
        share,
        np.asarray(expected),
        "the share",
        [
            ("percent", 100 * expected, "this is a percentage: the share lies between 0 and 1"),
            ("error_rate", 1 - expected, "this is the share of wrong rows, not of right ones"),
            ("count", right, "this is the number of right rows: divide it by that of all rows"),
            ("argmin", lowest, "this looks at the smallest logit of each row, not the largest"),
            (
                "wrong_denominator",
                right / logits.shape[1],
                "this divides by the number of classes: divide by the number of rows",
            ),
            (
                "zero",
                0.0,
                "the share is 0 though some rows are right: is there an integer division, or are "
                "the logits themselves compared with the labels?",
            ),
        ],
    )


accuracy = Check("accuracy", _accuracy_cases, _accuracy_probe, _accuracy_judge, _accuracy)
