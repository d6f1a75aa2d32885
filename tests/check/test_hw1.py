"""Homework 1's judges against outside authorities, and the course's own answers against them.

The tables of answers are in ``answers/hw1``, see ``test_answers.py``.
"""

import concurrent.futures
import inspect
import re
import runpy
import sys
import types

import numpy as np
import pytest
import table
import torch
from PIL import Image
from sklearn.metrics import accuracy_score, f1_score, precision_score
from torchvision.transforms import v2

from dalib_edu.check import hw1
from dalib_edu.check.core import CheckFailed

CHECKS, TABLE = table.checks(hw1), table.load("hw1")


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("seed", [0, 1, 2, 3101, 3110])
def test_the_courses_own_answer_is_right(name, seed):
    check = CHECKS[name]
    cases = check.cases(seed)
    check.verdict(cases, [check.probe(check.reference, case) for case in cases])


def judged(name, case, **values):
    """Judge a distance or a discrepancy alone, whatever its gradients."""
    answer = {key: np.array(value) for key, value in values.items()}
    with pytest.raises(CheckFailed) as failed:
        CHECKS[name].judge(case, answer)
    return failed.value.cause


@pytest.mark.parametrize(
    ("orders", "distance"), [((1,), 3.118034), ((1, 2), 12.063376), ((), 12.063376)]
)
def test_the_published_distances(orders, distance):
    # Mean 1: (1, 0), (1, 1), (3, 0); raw 2: (2, 0), (1, 1), (9, 0), by hand.
    domains = [torch.tensor(rows).double() for rows in hw1.ORACLE]
    assert hw1._distance(domains, orders or (1, 2)).item() == pytest.approx(distance, abs=1e-6)


def test_the_distance_with_central_moments_is_named():
    case = hw1._distance_case("", (1, 2), hw1.ORACLE, np.float64)
    given = {f"{name} afterwards": case[name] for name in ("source0", "source1", "target")}
    assert judged("moment_distance", case, distance=4.618034, **given) == "central"


def test_the_published_discrepancies():
    case = hw1.discrepancy.cases(0)[1]
    logits = [torch.tensor(case[f"logits{i}"]) for i in (1, 2)]
    assert hw1._discrepancy(*logits).item() == pytest.approx(2 / 3)
    assert judged("discrepancy", case, discrepancy=2.0) == "sum_not_mean"


@pytest.mark.parametrize("seed", range(5))
def test_cases_of_the_ensemble_tell_the_answers_apart(seed):
    for case in hw1.ensemble.cases(seed):
        one, two = (torch.tensor(case[f"logits{i}"]).double() for i in (1, 2))
        by_probability = (one.softmax(1) + two.softmax(1)).argmax(1)
        assert one.shape == two.shape == case["logits1"].shape
        if min(one.shape) > 2:
            assert (by_probability != (one + two).argmax(1)).any()
            assert (by_probability != one.argmax(1)).any()
            assert (by_probability != two.argmax(1)).any()


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_scikit_learn_and_cases_tell_them_apart(seed):
    for case in hw1.choose_classifier.cases(seed):
        labels, predictions = case["labels"], [case[name] for name in case["names"]]
        scores = hw1._scores(labels, predictions)
        kinds = {"average": "weighted", "zero_division": 0}
        for i, predicted in enumerate(predictions):
            expected = {
                "weighted": f1_score(labels, predicted, **kinds),
                "swapped": f1_score(predicted, labels, **kinds),
                "macro": f1_score(labels, predicted, average="macro", zero_division=0),
                "accuracy": accuracy_score(labels, predicted),
                "precision": precision_score(labels, predicted, **kinds),
            }
            assert {kind: scores[kind][i] for kind in expected} == pytest.approx(expected)
        best = scores.pop("weighted").argmax()
        if len(predictions) > 1 and "equals" not in case["name"]:
            assert all(values.argmax() != best for values in scores.values())


def message(name, answer):
    """Return what the visible check says of an answer of the table."""
    with pytest.raises(CheckFailed) as failed:
        CHECKS[name](TABLE[name]["mutants"][answer].function(name))
    return str(failed.value)


@pytest.mark.parametrize(
    ("name", "answer", "said"),
    [
        ("phase3_step", "update of the scaler after the loop", "inside the loop"),
        ("phase1_step", "the weighted distance returned", "return it without the weight"),
        ("phase1_step", "one figure with its graph", r"use \.item\(\)"),
        ("ensemble", "mean of the classes", r"\d of 10 rows are wrong"),
        ("moment_distance", "each pair twice, and summed", "divide by the number of pairs"),
        ("moment_distance", "a pair is needed", "one source"),
        ("choose_classifier", "the last of equals", "the first"),
    ],
)
def test_the_visible_check_says_what_to_do(name, answer, said):
    assert re.search(said, message(name, answer))


def test_what_a_transform_raises_names_the_case():
    honest = next(iter(TABLE["eval_transform"]["alternatives"].values()))

    def tensors_only(size):
        transform = honest.function("eval_transform")(size)
        return lambda picture: transform(picture[..., :, :])

    with pytest.raises(CheckFailed, match=r"it raised .*\(case: a PIL image\)"):
        CHECKS["eval_transform"](tensors_only)


@pytest.mark.parametrize("size", [12, 14, 16, 26, 28, 30])
@pytest.mark.parametrize("shape", [(60, 90), (90, 60), (64, 64)])
def test_pillow_and_torchvision_prepare_pictures_alike(size, shape):
    picture = hw1._pictures(np.random.default_rng(size), "", *shape)
    short = round(size * 8 / 7)
    transform = v2.Compose([v2.Resize(short), v2.CenterCrop(size), v2.PILToTensor()])
    expected = transform(Image.fromarray(picture[0])).numpy()
    ours = hw1._resized_and_cropped(picture, short, size)[0]
    assert np.abs(ours - expected).max() < hw1.LEVELS


def by_name(check):
    module = sys.modules[check.reference.__module__]
    return lambda *arguments: getattr(module, check.name)(*arguments)


def in_a_thread(check):
    def run(*arguments):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            return pool.submit(check.reference, *arguments).result()

    return run


def copied(check):
    code = check.reference.__code__.replace(co_name="mine")
    names, defaults = check.reference.__globals__, check.reference.__defaults__
    return types.FunctionType(code, names, "mine", defaults)


def loaded_anew(check):
    return runpy.run_path(inspect.getfile(check.reference))[check.name]


def lent(check):
    return lambda *arguments: check.pick(None)(*arguments)


@pytest.mark.parametrize("route", [by_name, in_a_thread, copied, loaded_anew, lent])
@pytest.mark.parametrize("name", CHECKS)
def test_every_route_to_the_courses_own_is_seen(name, route):
    assert table.cause(CHECKS[name], route(CHECKS[name]), 0) == "reference_called"


@pytest.mark.parametrize("name", ["phase1_step", "phase2_step", "phase3_step"])
def test_each_fault_moves_the_networks_elsewhere(name):
    """A simulated fault that changed nothing would blame the right answer."""
    number = name[5]
    simulate, faults = getattr(hw1, f"_phase{number}"), getattr(hw1, f"PHASE{number}_FAULTS")
    (case,) = CHECKS[name].cases(0)
    networks = [f"{network} 1" for network in hw1.NETWORKS]
    right = dict(simulate(case, ""))
    unchanged = [
        fault
        for fault in faults
        if all(np.allclose(dict(simulate(case, fault))[n], right[n], atol=1e-5) for n in networks)
    ]
    # The notebook's own orders are 1 and 2, which the visible case leaves out.
    assert unchanged == (["orders_ignored"] if name == "phase1_step" else [])
