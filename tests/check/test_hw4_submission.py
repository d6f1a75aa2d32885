"""The check of homework 4 that takes a file: its table of wrong and honest files."""

import numpy as np
import pytest

from dalib_edu.check import CheckFailed, hw4
from dalib_edu.data import digits

TRUTH = digits.true_labels().tolist()


def with_accuracy(share: float) -> list[int]:
    """Return labels of which the first ``share`` are right and the rest wrong."""
    right = round(share * len(TRUTH))
    return [y if i < right else (y + 1) % 10 for i, y in enumerate(TRUTH)]


def lines(labels, first=0):
    return ["id,label", *(f"{i},{y}" for i, y in enumerate(labels, first))]


GOOD = with_accuracy(hw4.ENOUGH + 0.05)
WRONG = {
    "no header": (lines(GOOD)[1:], "malformed_file"),
    "ids from one": (lines(GOOD, first=1), "malformed_file"),
    "probabilities": (["id,label", *(f"{i},0.93" for i in range(len(TRUTH)))], "malformed_file"),
    "half of the pictures": (lines(GOOD[:300]), "wrong_number"),
    "the target in place of the test": (lines(GOOD * 2), "wrong_number"),
    "the fake class": (lines([10, *GOOD[1:]]), "unknown_label"),
    "not adapted": (lines(with_accuracy(hw4.ENOUGH - 0.05)), "too_few_right"),
    "just below": (lines(with_accuracy(hw4.ENOUGH - 0.002)), "too_few_right"),
    "one class": (lines([1] * len(TRUTH)), "too_few_right"),
    "reversed": (lines(TRUTH[::-1]), "too_few_right"),
}
HONEST = {
    "all right": lines(TRUTH),
    "just enough": lines(with_accuracy(hw4.ENOUGH)),
    "rows in another order": ["id,label", *reversed(lines(GOOD)[1:])],
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_files_fail_with_their_cause(tmp_path, name):
    rows, cause = WRONG[name]
    file = tmp_path / "submission.csv"
    file.write_text("\n".join(rows))
    with pytest.raises(CheckFailed) as failed:
        hw4.submission(file)
    assert failed.value.cause == cause


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckFailed, match="submission.csv"):
        hw4.submission(tmp_path / "submission.csv")


@pytest.mark.parametrize("name", HONEST)
def test_honest_files_pass(tmp_path, name):
    file = tmp_path / "submission.csv"
    file.write_text("\n".join(HONEST[name]))
    hw4.submission(file)


@pytest.mark.parametrize("labels", [None, "x", np.array(["a"]), np.zeros((600, 1)), np.array([])])
def test_hostile_answers_fail(labels):
    cases = hw4.submission.cases(0)
    with pytest.raises(CheckFailed):
        hw4.submission.verdict(cases, [{"labels": labels}])
    with pytest.raises(CheckFailed):
        hw4.submission.verdict(cases, [{}])
