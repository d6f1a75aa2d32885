"""The check of homework 2 that takes a file: its table of wrong and honest files."""

import numpy as np
import pytest

from dalib_edu.check import CheckFailed, hw2
from dalib_edu.data import drawings

TRUTH = drawings.true_labels().tolist()


def with_accuracy(share: float) -> list[int]:
    """Return labels of which the first ``share`` are right and the rest wrong."""
    right = round(share * len(TRUTH))
    return [y if i < right else (y + 1) % 10 for i, y in enumerate(TRUTH)]


def lines(labels, first=0):
    return ["id,label", *(f"{i},{y}" for i, y in enumerate(labels, first))]


GOOD = with_accuracy(hw2.ENOUGH + 0.05)
WRONG = {
    "no header": (lines(GOOD)[1:], "malformed_file"),
    "another header": (["filename,class_name", *lines(GOOD)[1:]], "malformed_file"),
    "ids from one": (lines(GOOD, first=1), "malformed_file"),
    "an id twice": ([*lines(GOOD), "0,1"], "malformed_file"),
    "class names": (["id,label", *(f"{i},cat" for i in range(1000))], "malformed_file"),
    "probabilities": (["id,label", *(f"{i},0.93" for i in range(1000))], "malformed_file"),
    "empty": ([], "malformed_file"),
    "half of the pictures": (lines(GOOD[:500]), "wrong_number"),
    "the last batch left out": (lines(GOOD[:768]), "wrong_number"),
    "labels from one": (lines([y + 1 for y in GOOD]), "unknown_label"),
    "not adapted": (lines(with_accuracy(hw2.ENOUGH - 0.05)), "too_few_right"),
    "just below": (lines(with_accuracy(hw2.ENOUGH - 0.001)), "too_few_right"),
    "one class": (lines([3] * 1000), "too_few_right"),
    "sorted by label": (lines(sorted(TRUTH)), "too_few_right"),
    "the order of drawing": (lines([i % 10 for i in range(1000)]), "too_few_right"),
    "reversed": (lines(TRUTH[::-1]), "too_few_right"),
    "chance": (lines(np.random.default_rng(0).integers(0, 10, 1000).tolist()), "too_few_right"),
}
HONEST = {
    "all right": "\n".join(lines(TRUTH)),
    "enough": "\n".join(lines(GOOD)),
    "just enough": "\n".join(lines(with_accuracy(hw2.ENOUGH))),
    "rows in another order": "\n".join(["id,label", *reversed(lines(GOOD)[1:])]),
    "written on Windows": "\r\n".join(lines(GOOD)) + "\r\n",
    "spaces and an empty line": "id, label\n"
    + "\n".join(f" {r} " for r in lines(GOOD)[1:])
    + "\n\n",
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_files_fail_with_their_cause(tmp_path, name):
    rows, cause = WRONG[name]
    file = tmp_path / "submission.csv"
    file.write_text("\n".join(rows))
    with pytest.raises(CheckFailed) as failed:
        hw2.submission(file)
    assert failed.value.cause == cause


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckFailed, match="submission.csv"):
        hw2.submission(tmp_path / "submission.csv")


@pytest.mark.parametrize("name", HONEST)
def test_honest_files_pass(tmp_path, name):
    file = tmp_path / "submission.csv"
    file.write_bytes(HONEST[name].encode())
    hw2.submission(file)


@pytest.mark.parametrize("labels", [None, "x", np.array(["a"]), np.zeros((1000, 1)), np.array([])])
def test_hostile_answers_fail(labels):
    cases = hw2.submission.cases(0)
    with pytest.raises(CheckFailed):
        hw2.submission.verdict(cases, [{"labels": labels}])
    with pytest.raises(CheckFailed):
        hw2.submission.verdict(cases, [{}])
