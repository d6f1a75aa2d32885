"""What the tables of answers are tested for, the same for every homework."""

import io
import json
from functools import partial

import numpy as np
import pytest
from answers import Answer, load

from dalib_edu.check.core import VISIBLE, Check, CheckFailed

HIDDEN = (1, 2, 3)
FEWEST = {"mutants": 8, "alternatives": 3}
OF_FILES = {"submission"}  # its answers are files, see test_submission.py


def checks(module) -> dict[str, Check]:
    """Return a homework's checks by name."""
    found = {name: value for name, value in vars(module).items() if isinstance(value, Check)}
    return {name: check for name, check in found.items() if name not in OF_FILES}


def each(homework: str, kind: str) -> list[tuple]:
    """Return (exercise, name, answer) for every mutant or alternative, for ``parametrize``."""
    return [
        (exercise, name, answer)
        for exercise, answers in load(homework).items()
        for name, answer in answers[kind].items()
    ]


def cause(check: Check, function, seed: int) -> str | None:
    """Return the cause with which a check fails, None where it passes."""
    try:
        check(function, seed)
    except CheckFailed as failed:
        return failed.cause
    return None


def assert_refused(check: Check, mutant: Answer) -> None:
    """Assert that every hidden seed fails, and that the first failure names the cause.

    The visible cases may let it pass: a student sees few of the edges.
    """
    function = mutant.function(check.name)
    causes = [cause(check, function, seed) for seed in (VISIBLE, *HIDDEN)]
    assert all(causes[1:]), f"passes a hidden seed: {causes}"
    if mutant.cause:
        assert next(filter(None, causes)) == mutant.cause


def assert_accepted(check: Check, alternative: Answer) -> None:
    """Assert that the visible cases and those of every hidden seed pass."""
    function = alternative.function(check.name)
    for seed in (VISIBLE, *HIDDEN):
        check(function, seed)


def assert_no_answer_passes(check: Check) -> None:
    """Assert that the stub, nothing, nonsense and the course's own answer fail as what they are."""

    def stub(*_):
        raise NotImplementedError

    class Wrapper:
        def __call__(self, *arguments):
            return check.reference(*arguments)

    references = [
        check.reference,
        lambda *arguments: check.reference(*arguments),
        partial(check.reference),
        Wrapper(),
    ]
    for seed in (VISIBLE, *HIDDEN):
        assert cause(check, stub, seed) == "not_written"
        for function in references:
            assert cause(check, function, seed) == "reference_called"
        # An update in place returns None, and a raise is the right answer to one case of lambda_at.
        assert cause(check, lambda *_: None, seed) in ("returned_none", "nothing_changed")
        for nonsense in (0, 1.0, float("nan"), "1", [], {}, object(), np.zeros((0,)), len):
            assert cause(check, lambda *_, value=nonsense: value, seed)
        for thing in (None, "a name", 3):  # no function at all
            assert cause(check, thing, seed)


def _right_answers(check: Check, answers: dict, seed: int) -> tuple[list, list]:
    function = next(iter(answers["alternatives"].values())).function(check.name)
    cases = check.cases(seed)
    return cases, check.answer(function, cases)


class _Duck(np.ndarray):
    """An array that says it equals everything."""

    def __eq__(self, other):
        return True

    def __array_function__(self, *_):
        return True


def _hostile(value: np.ndarray) -> list:
    """Return what a hostile process may send in the place of a right array."""
    return [
        None,
        "text",
        1.0,
        [1, 2, 3],
        {"a": 1},
        np.array("text"),
        np.array(["a"] * 3),
        np.array(None),
        np.array([object()] * 2, dtype=object),
        np.full(value.shape, 0, dtype=object),
        np.full(value.shape, 1 + 1j),
        np.full(value.shape, b"x"),
        np.full(value.shape, np.datetime64("2020-01-01")),
        np.zeros(value.shape, dtype=[("a", float)]),
        np.zeros((0,)),
        np.zeros((*value.shape, 0)),
        np.zeros((1, *value.shape)),
        np.broadcast_to(np.zeros(()), (10**6, 10**6)),
        np.full(value.shape, np.nan),
        np.full(value.shape, np.inf),
        np.full(value.shape, 1e300),
        value.astype(float).view(_Duck) if value.dtype.kind in "biuf" else None,
    ]


def assert_hostile_answers_fail(check: Check, answers: dict) -> None:
    """Assert that spoilt answers end in ``CheckFailed``, never in a pass or another exception."""
    for seed in (VISIBLE, 1):
        cases, right = _right_answers(check, answers, seed)
        check.verdict(cases, right)
        for wrong in (None, [], [{}], right[:-1], [*right, {}], [{}] * len(right), [None] * 99):
            with pytest.raises(CheckFailed):
                check.verdict(cases, wrong or [])
        for wrong in ({"error": 1}, {"error": np.zeros(3), "cause": None}, {"error": object()}):
            with pytest.raises(CheckFailed):
                check.verdict(cases, [wrong, *right[1:]])
        for case, answer in zip(cases, right, strict=True):
            for name, value in answer.items():
                spoilt = [{key: other for key, other in answer.items() if key != name}]
                spoilt += [{**answer, name: hostile} for hostile in _hostile(value)]
                for wrong in spoilt:
                    with pytest.raises(CheckFailed) as failed:
                        check.verdict([case], [wrong])
                    assert failed.value.cause
                    assert str(failed.value)


def assert_plain(check: Check, answers: dict) -> None:
    """Assert that cases and answers pass a pipe without pickle, and fare no worse there."""
    for seed in (VISIBLE, *HIDDEN):
        cases, right = _right_answers(check, answers, seed)
        check.verdict([_through_json(c) for c in cases], [_through_npz(a) for a in right])
        again = check.cases(seed)
        assert [_comparable(case) for case in cases] == [_comparable(case) for case in again]
        assert seed == VISIBLE or [_comparable(c) for c in check.cases(seed + 10)] != [
            _comparable(case) for case in cases
        ]


def _through_npz(answer: dict) -> dict:
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **answer)
    file.seek(0)
    with np.load(file, allow_pickle=False) as loaded:
        return {name: loaded[name] for name in loaded}


def _through_json(case: dict) -> dict:
    """Send numbers and strings through JSON and arrays through an npz file."""
    arrays = {name: value for name, value in case.items() if isinstance(value, np.ndarray)}
    others = {name: value for name, value in case.items() if name not in arrays}
    return {**json.loads(json.dumps(others)), **_through_npz(arrays)}


def _comparable(case: dict) -> dict:
    return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in case.items()}


def confusion(homework: str, module) -> list[tuple[str, int, int, int, int]]:
    """Return for each exercise: mutants, those refused, alternatives, those accepted.

    As an instructor would count: a visible test and a hidden one, both must pass.
    """
    rows = []
    for exercise, answers in load(homework).items():
        passes = {
            kind: sum(
                all(cause(checks(module)[exercise], f, seed) is None for seed in (VISIBLE, 99))
                for f in (answer.function(exercise) for answer in answers[kind].values())
            )
            for kind in answers
        }
        wrong, right = len(answers["mutants"]), len(answers["alternatives"])
        rows.append((exercise, wrong, wrong - passes["mutants"], right, passes["alternatives"]))
    return rows
