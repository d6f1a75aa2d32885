"""Test cells of checks are judged outside: which they are, and both ways to run a check agree."""

import numpy as np
import pytest

from dalib_edu.check import CheckFailed, hw0, hw2
from dalib_edu.instructor import answering, judge, wire
from dalib_edu.instructor.build import find_root, homeworks_in, read_source
from dalib_edu.instructor.judge import Call

IMPORT = "from dalib_edu.check import hw2 as check\n"


def test_a_test_cell_is_read():
    source = (
        f"{IMPORT}\ncheck.lambda_at(mine)\n### BEGIN HIDDEN TESTS\n"
        "check.lambda_at(mine, seed=4107)\n### END HIDDEN TESTS\n"
    )
    assert judge.calls_in(source) == [
        Call("hw2", "lambda_at", "mine"),
        Call("hw2", "lambda_at", "mine", seed=4107),
    ]
    assert judge.calls_in(f"{IMPORT}check.submission('submission.csv')") == [
        Call("hw2", "submission", "submission.csv", is_file=True)
    ]


@pytest.mark.parametrize(
    "source",
    [
        "",
        "import numpy",
        IMPORT,
        "assert double(2) == 4",
        f"{IMPORT}assert True\ncheck.lambda_at(mine)",
        f"{IMPORT}check.lambda_at(mine, seed=x)",
        f"{IMPORT}check.lambda_at(mine, 3)",
        f"{IMPORT}check.lambda_at(mine())",
        f"{IMPORT}check.lambda_at.pick(mine)",
        f"{IMPORT}check.Callable(mine)",
        f"{IMPORT}check.no_such_check(mine)",
        "check.lambda_at(mine)",
        "this is no Python",
    ],
)
def test_any_other_cell_is_not(source):
    assert judge.calls_in(source) is None


def test_every_graded_test_of_the_course_is_judged_outside():
    count = 0
    for homework in homeworks_in(find_root()):
        for cell in read_source(homework.source).cells:
            meta = cell.metadata.get("nbgrader", {})
            if meta.get("grade") and cell.cell_type == "code":
                count += 1
                assert judge.calls_in(cell.source), f"{homework.name}: {cell.id}"
                for call in judge.calls_in(cell.source):
                    if not call.is_file:
                        wire.pack(judge.cases_of(call))  # plain enough to be sent
    assert count >= 20


def across(call, function):
    """Judge a function as the grader does, without the sandbox."""
    cases = wire.pack(judge.cases_of(call))
    return judge.verdict(call, answering.answer(call.homework, call.name, function, cases))


def accuracy(logits, labels):
    return float((logits.argmax(1) == labels).double().mean())


def test_both_ways_to_run_a_check_agree(capsys):
    for seed in (0, 99):
        hw0.accuracy(accuracy, seed=seed)
        line = across(Call("hw0", "accuracy", "accuracy", seed=seed), accuracy)
        assert line == capsys.readouterr().out
    wrong = [lambda x, y: 100 * accuracy(x, y), lambda x, y: None, lambda x, y: 1 / 0]
    for function in wrong:
        with pytest.raises(CheckFailed) as here:
            hw0.accuracy(function)
        with pytest.raises(CheckFailed) as there:
            across(Call("hw0", "accuracy", "accuracy"), function)
        assert (there.value.cause, str(there.value)) == (here.value.cause, str(here.value))


def test_a_name_that_is_not_there_is_no_answer():
    with pytest.raises(CheckFailed):
        across(Call("hw0", "accuracy", "accuracy"), None)


def test_the_checks_in_use_do_not_answer(monkeypatch):
    import sys

    import dalib_edu.check
    from dalib_edu.check import core

    monkeypatch.setattr(core.Check, "answer", lambda *_: [{"share": np.array(1.0)}])
    monkeypatch.setitem(sys.modules, "dalib_edu.check.core", None)
    kept = dict(sys.modules), dalib_edu.check
    assert across_fresh(accuracy)[0].keys() == {"share"}
    assert set(sys.modules) >= set(kept[0])
    assert dalib_edu.check is kept[1]
    with pytest.raises(KeyError):
        across_fresh(hw2.lambda_at)[0]["share"]


def across_fresh(function):
    call = Call("hw0", "accuracy", "accuracy")
    return wire.unpack(
        answering.answer("hw0", "accuracy", function, wire.pack(hw0.accuracy.cases(call.seed)))
    )


@pytest.mark.parametrize("answers", [[], [{}] * 2, 3, {"a": 1}, [1], None, [{"error": 3}]])
def test_whatever_comes_back_is_a_verdict(answers):
    with pytest.raises(CheckFailed):
        judge.verdict(Call("hw0", "accuracy", "accuracy"), wire.pack(answers))


def test_a_file_is_read_outside_and_its_place_is_not_told(tmp_path):
    call = Call("hw2", "submission", "../../submission.csv", is_file=True)
    with pytest.raises(CheckFailed) as caught:
        judge.verdict_on_file(call, tmp_path)
    assert "no submission.csv was handed in" in str(caught.value)
    assert caught.value.cause == "no_file"
    assert str(tmp_path) not in str(caught.value)
