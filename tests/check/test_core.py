"""What every check shares: exceptions, references, plain values, and the message in a notebook."""

import dataclasses
import importlib
import inspect
import subprocess
import sys
import warnings

import nbclient
import nbformat
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from nbgrader.utils import has_failed

from dalib_edu import reversal
from dalib_edu.check import hw2
from dalib_edu.check.core import (
    Check,
    CheckFailed,
    close,
    compare,
    error_answer,
    plain,
    plain_scalar,
    take,
    take_flag,
)
from dalib_edu.instructor import wire


def _reference(x):
    return x + 1


def _judge(case, answer):
    compare(take(answer, "y", (3,), "y"), case["x"] + 1, "y", [])


def make_check(**changes) -> Check:
    """Return a check whose exercise is to add 1."""
    parts = {
        "name": "add_one",
        "cases": lambda seed: [{"name": "three", "x": np.arange(3.0) + seed}],
        "probe": lambda function, case: {"y": plain(function(case["x"].copy()))},
        "judge": _judge,
        "reference": _reference,
    }
    return Check(**{**parts, **changes})


def cause_of(check, function, seed=0):
    with pytest.raises(CheckFailed) as failed:
        check(function, seed)
    return failed.value.cause, str(failed.value)


def test_a_loop_that_a_grader_interrupts_blocks_nothing_after_it(monkeypatch, capsys):
    def stopped(x):
        raise KeyboardInterrupt

    check = make_check()
    with pytest.raises(KeyboardInterrupt):  # in a notebook it is the student who stops it
        check.pick(stopped)
    monkeypatch.setenv("DALIB_EDU_SCALE", "grading")
    assert check.pick(stopped) is _reference
    assert capsys.readouterr().out == "add_one: going on with the course's own version\n"


@pytest.mark.parametrize("homework", ["hw0", "hw1", "hw2", "hw3", "hw4", "hw5"])
def test_seeds_that_cannot_be_guessed_give_cases_that_the_course_passes(homework, monkeypatch):
    monkeypatch.setenv("DALIB_EDU_PROGRESS", "off")
    module, seed = importlib.import_module(f"dalib_edu.check.{homework}"), 2**64 - 5
    checks = [c for c in vars(module).values() if isinstance(c, Check) and c.name != "submission"]
    assert checks
    for check in checks:
        # Here the course's own function is the answer, which it must not be elsewhere.
        free = dataclasses.replace(check, reference=len, off_limits=())
        cases = wire.unpack(wire.pack(free.cases(seed)))
        answers = wire.unpack(wire.pack(free.answer(check.reference, cases)))
        free.verdict(free.cases(seed), answers)


# --- running ------------------------------------------------------------------------------------


def test_passing_says_so(capsys):
    make_check()(lambda x: x + 1)
    make_check()(lambda x: x + 1, seed=5)
    expected = "add_one: right (1 visible case)\nadd_one: right (1 hidden case)\n"
    assert capsys.readouterr() == (expected, "")


def test_failing_names_case_and_figures():
    cause, message = cause_of(make_check(), lambda x: x + 3)
    assert cause == "wrong_values"
    assert message == "add_one: y is not right: the largest difference is 2 (case: three)"


def endless(x):
    return endless(x)


def test_exceptions_become_answers():
    class Strange(Exception):
        def __str__(self):
            raise RuntimeError

    def strange(x):
        raise Strange

    def long(x):
        raise ValueError("many\nlines " * 10_000)

    check = make_check()
    cause, message = cause_of(check, lambda x: x.no_such_thing)
    assert cause == "raised"
    assert "AttributeError at `" in message
    assert "no_such_thing" in message
    assert "RecursionError" in cause_of(check, endless)[1]
    assert "SystemExit" in cause_of(check, lambda x: sys.exit(0))[1]
    assert "Strange" in cause_of(check, strange)[1]
    cause, message = cause_of(check, long)
    assert len(message) < 500
    assert "\n" not in message
    assert cause_of(check, None)[0] == "raised"


def test_keyboard_interrupt_goes_through_and_leaves_the_profiler_as_it_was():
    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_check()(interrupted)
    assert sys.getprofile() is None


def test_the_profiler_in_use_comes_back():
    def own(*_):
        pass

    sys.setprofile(own)
    try:
        make_check().answer(lambda x: x, [{"x": np.zeros(3)}])
        assert sys.getprofile() is own
    finally:
        sys.setprofile(None)


def test_nothing_reaches_stderr(capsys):
    def noisy(x):
        warnings.warn("a warning", stacklevel=1)
        warnings.simplefilter("always")
        warnings.showwarning("another", UserWarning, "a file", 1, sys.stderr)
        print("to stderr", file=sys.stderr)
        print("a print")
        return x + 1

    make_check()(noisy)
    out, err = capsys.readouterr()
    assert err == ""
    assert "a print" in out


def test_state_of_torch_comes_back():
    def careless(x):
        torch.manual_seed(3)
        torch.set_grad_enabled(False)
        return x + 1

    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    make_check()(careless)
    assert torch.equal(torch.rand(3), expected)
    assert torch.is_grad_enabled()


def test_a_check_leaves_the_random_numbers_of_a_gpu_alone(monkeypatch):
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda _: pytest.fail("a GPU was seeded"))
    make_check()(lambda x: x + 1)


def test_what_a_student_changes_does_not_reach_the_judge():
    def spoil(x):
        x += 1
        return x

    make_check()(spoil)


def test_pick(capsys):
    check = make_check()

    def good(x):
        return 1 + x

    assert check.pick(good) is good
    for bad in (abs, None, lambda x: sys.exit(1), _reference):
        assert check.pick(bad) is _reference
    assert capsys.readouterr().out.startswith("add_one: going on with yours\nadd_one: going on wi")


def test_pick_from_survives_a_name_that_a_syntax_error_left_undefined(capsys):
    check = make_check()
    assert check.pick_from({}) is _reference
    mine = {"add_one": lambda x: 1 + x}
    assert check.pick_from(mine) is mine["add_one"]
    assert "with the course's own version" in capsys.readouterr().out


def test_a_reference_in_a_thread_or_a_copy_is_recognised():
    import concurrent.futures
    import types

    def in_a_thread(*arguments):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            return pool.submit(_reference, *arguments).result()

    copied = types.FunctionType(_reference.__code__.replace(co_name="mine"), globals())
    for function in (in_a_thread, copied):
        with pytest.raises(CheckFailed) as failed:
            make_check()(function)
        assert failed.value.cause == "reference_called"


def _reference_that_yields(x):
    yield x + 1
    yield x


@pytest.mark.parametrize("begun", [True, False])
def test_garbage_of_an_earlier_check_that_ends_in_an_answer_is_no_call(begun):
    # Python calls a generator once more to end it, from wherever its last owner let go of it.
    held = [_reference_that_yields(0)]
    if begun:
        next(held[0])

    def honest(x):
        held.clear()
        return 1 + x

    make_check(reference=_reference_that_yields)(honest)
    assert not held


def test_a_generator_of_the_course_is_no_answer():
    check = make_check(reference=_reference_that_yields)
    assert cause_of(check, lambda x: next(_reference_that_yields(x)))[0] == "reference_called"


def test_verdict_refuses_no_cases_and_odd_answers():
    check = make_check()
    for cases, answers in (([], []), (check.cases(0), []), (check.cases(0), [1]), ([], [{}])):
        with pytest.raises(CheckFailed) as failed:
            check.verdict(cases, answers)
        assert failed.value.cause == "malformed"
    with pytest.raises(CheckFailed, match="add_one: why") as failed:
        check.verdict(check.cases(0), [error_answer("a_cause", "why")])
    assert failed.value.cause == "a_cause"


# --- references ---------------------------------------------------------------------------------


class Inherited(reversal._Reversal):
    @staticmethod
    def backward(ctx, gradient):
        return -ctx.lambda_ * gradient, None


class InheritedForward(reversal._Reversal):
    @staticmethod
    def forward(ctx, features, lambda_):
        ctx.lambda_ = lambda_
        return features.clone()


def imported(features, lambda_):
    from dalib_edu.dann import gradient_reversal

    return gradient_reversal(features, lambda_)


def late(features, lambda_):
    module = importlib.import_module("dalib_edu.reversal")
    return getattr(module, "gradient_" + "reversal")(features, lambda_)


def in_a_try(features, lambda_):
    try:
        return hw2.gradient_reversal.reference(features, lambda_)
    finally:
        pass


def thrown_away(features, lambda_):
    reversal.gradient_reversal(features, lambda_)
    return (1 + lambda_) * features.detach() - lambda_ * features


@pytest.mark.parametrize(
    "function",
    [
        imported,
        late,
        in_a_try,
        thrown_away,
        reversal._Reversal.apply,
        Inherited.apply,
        InheritedForward.apply,
        lambda features, lambda_: reversal._Reversal.apply(features, lambda_),
        lambda features, lambda_: hw2.gradient_reversal.pick(None)(features, lambda_),
    ],
)
def test_the_course_s_own_is_no_answer(function):
    cause, message = cause_of(hw2.gradient_reversal, function)
    assert cause == "reference_called"
    assert "code of your own" in message


def test_reference_of_canny_is_found_in_both_places():
    from dalib_edu.data.transforms import edges

    def by_edges(image, low, high):
        picture = torch.from_numpy(image).permute(2, 0, 1)[None]
        return edges(picture, low, high)[0, 0].numpy()

    assert cause_of(hw2.canny_view, by_edges)[0] == "reference_called"
    assert cause_of(hw2.canny_view, hw2.canny_view.reference)[0] == "reference_called"


def test_a_decorator_in_common_is_no_reference():
    # torch.no_grad wraps every function in a wrapper of one and the same code.
    check = make_check(reference=torch.no_grad()(_reference))
    check(torch.no_grad()(lambda x: 1 + x))
    assert cause_of(check, check.reference)[0] == "reference_called"


def test_a_copy_of_the_text_is_the_student_s_own():
    # Nobody can tell it from an answer; that it is no alias must not make it fail by chance.
    namespace = {}
    exec("\n" * (_reference.__code__.co_firstlineno - 1) + inspect.getsource(_reference), namespace)
    make_check()(namespace["_reference"])


# --- plain values -------------------------------------------------------------------------------


class Liar(float):
    def __eq__(self, other):
        return True

    __hash__ = float.__hash__


class LyingTensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return torch.ones(3)

    def detach(self):
        return torch.ones(3)


class LyingArray(np.ndarray):
    def __array_finalize__(self, other):
        pass

    def __eq__(self, other):
        return True


def test_plain_takes_what_holds_numbers():
    values = [
        torch.arange(3.0, requires_grad=True),
        torch.arange(3.0).bfloat16(),
        torch.arange(3, dtype=torch.float16),
        torch.nn.Parameter(torch.arange(3.0)),
        torch.arange(3.0).as_subclass(LyingTensor),
        np.arange(3.0).view(LyingArray),
        [0, 1.0, 2],
        (torch.tensor(0), torch.tensor(1), torch.tensor(2)),
        range(3),
    ]
    for value in values:
        array = plain(value)
        assert type(array) is np.ndarray
        assert array.tolist() == [0, 1, 2]
    lie = plain(Liar(3))
    assert type(lie) is np.ndarray
    assert lie.dtype == np.float64
    assert (lie == np.array([3, 4])).tolist() == [True, False]


def test_plain_copies():
    tensor, array = torch.zeros(2), np.zeros(2)
    of_tensor, of_array = plain(tensor), plain(array)
    tensor += 1
    array += 1
    assert of_tensor.tolist() == of_array.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        (None, "returned_none"),
        ("text", "wrong_type"),
        (["a"], "wrong_type"),
        (1j, "wrong_type"),
        (object(), "wrong_type"),
        ({1: 2}, "wrong_type"),
        (len, "wrong_type"),
        ([[1], [1, 2]], "wrong_type"),
        ([torch.ones(2), torch.ones(3)], "wrong_type"),
        (np.array([None]), "wrong_type"),
        (torch.zeros(1).to_sparse(), "wrong_type"),
        (torch.zeros(1, device="meta"), "wrong_type"),
        (torch.zeros(1).expand(10**9), "too_large"),
        (np.broadcast_to(np.zeros(1), (10**9,)), "too_large"),
    ],
)
def test_plain_refuses(value, cause):
    with pytest.raises(CheckFailed) as failed:
        plain(value)
    assert failed.value.cause == cause


def test_plain_scalar():
    for value in (2, 2.0, np.float32(2), torch.tensor(2), torch.tensor([[2.0]]), [2]):
        assert plain_scalar(value).shape == ()
        assert plain_scalar(value) == 2
    for value in ([1, 2], [], torch.zeros(0)):
        with pytest.raises(CheckFailed, match="expected one number"):
            plain_scalar(value)


def test_close_is_never_true_of_nothing_or_nan():
    nan, empty = np.array([np.nan]), np.zeros(0)
    assert close(np.ones(2), np.ones(2))
    assert not close(nan, nan)
    assert not close(np.array([np.inf]), np.array([np.inf]))
    assert not close(empty, empty)
    assert not close(np.ones(2), np.ones((1, 2)))


def test_take_and_take_flag():
    answer = {"x": np.ones(3, np.float32), "nan": np.array([np.nan]), "yes": np.array(True)}
    assert take(answer, "x", (3,), "x").dtype == np.float64
    assert take_flag(answer, "yes") is True
    assert np.isnan(take(answer, "nan", (1,), "nan", finite=False)).all()
    for name, shape, cause in (("nan", (1,), "not_finite"), ("x", (1, 3), "wrong_shape")):
        with pytest.raises(CheckFailed) as failed:
            take(answer, name, shape, name)
        assert failed.value.cause == cause
    for name in ("x", "nan", "none"):
        with pytest.raises(CheckFailed):
            take_flag(answer, name)


def test_compare_passes_over_a_cause_that_is_right_here():
    one = np.ones(())
    with pytest.raises(CheckFailed) as failed:
        compare(2 * one, one, "x", [("same", one, ""), ("double", 2 * one, "it is doubled")])
    assert failed.value.cause == "double"
    with pytest.raises(CheckFailed, match="expected 1, got 5"):
        compare(5 * one, one, "x", [("double", 2 * one, "it is doubled")])


# --- in a notebook ------------------------------------------------------------------------------


def test_in_a_notebook_one_line_is_shown_and_counts_as_failure():
    cells = [
        "from dalib_edu.check import hw2 as check\nimport math, warnings, sys",
        "def lambda_at(p, kind):\n    return 2 / (1 + math.exp(10 * p)) - 1",
        "check.lambda_at(lambda_at)",
        "def lambda_at(p, kind):\n    return math.no_such(p)",
        "check.lambda_at(lambda_at)",
        "def lambda_at(p, kind):\n"
        "    warnings.warn('loud')\n"
        "    print('here', file=sys.stderr)\n"
        "    curves = {'paper': math.tanh(5 * p), 'log': math.log(1.02 + 1.7 * p)}\n"
        "    if kind not in curves:\n"
        "        raise ValueError\n"
        "    return curves[kind]",
        "check.lambda_at(lambda_at)\ncheck.lambda_at(lambda_at, seed=7)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "", "language": "python"}
    nbclient.NotebookClient(notebook, timeout=120, allow_errors=True).execute()

    assert [has_failed(cell) for cell in notebook.cells] == [False, False, True, False, True] + [
        False,
        False,
    ]
    (wrong,) = notebook.cells[2].outputs
    assert wrong.output_type == "error"
    assert wrong.ename == "CheckFailed"
    assert wrong.traceback == [
        "Not yet: lambda_at: the exponent lacks its minus: exp(-10 p) (case: kind 'paper')"
    ]
    (raised,) = notebook.cells[4].outputs
    assert raised.ename == "CheckFailed"
    assert "AttributeError at `return math.no_such(p)`" in raised.traceback[0]


def test_checks_load_without_a_display_or_a_warning():
    command = [sys.executable, "-W", "error", "-c", "from dalib_edu.check import hw0, hw2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_verdict_does_not_depend_on_the_notebooks_gradient_mode():
    check = hw2.reversal_losses
    cases = check.cases(1)

    def honest(model, source, labels, target, lambda_):
        features = model.feature_extractor(torch.cat([source, target]))
        class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
        logits = model.domain_classifier(reversal.gradient_reversal(features, lambda_))
        domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
        return class_loss, F.binary_cross_entropy_with_logits(logits, domains)

    with torch.no_grad():
        check.verdict(cases, check.answer(honest, cases))


def test_the_helpers_of_the_checks_are_no_answer():
    from dalib_edu.check import hw5

    def borrowed(features, labels):
        return hw5._mined(features.detach().numpy().astype(float), labels.numpy())

    with pytest.raises(CheckFailed) as failed:
        hw5.hard_triplets(borrowed)
    assert failed.value.cause == "reference_called"
    assert "mined" in str(failed.value)
