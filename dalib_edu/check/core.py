"""What a check is: cases, a probe that runs where the student's code is, and a judge elsewhere.

A check is split so that its verdict need not be reached beside the code that it judges:

- ``cases(seed)`` returns plain inputs (numbers, strings, arrays). Seed 0 gives the visible cases,
  any other seed the hidden ones: other shapes, values, dtypes and edge cases.
- ``probe(function, case)`` runs the student's function on one case and returns plain arrays:
  outputs, gradients, parameters after a step.
- ``judge(case, answer)`` compares the arrays with what is right and raises ``CheckFailed`` with
  the likely cause. It never sees the student's function, and believes nothing about the arrays:
  ``take`` and its kin turn whatever a hostile process may send into a ``CheckFailed``.

In a notebook, calling the check does all three in place. A grader can send the cases to the
student's process with ``answer`` and judge what comes back in another one with ``verdict``.
"""

import contextlib
import dis
import inspect
import sys
import sysconfig
import threading
import traceback
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np

from dalib_edu import settings

Case = dict[str, Any]
Answer = dict[str, np.ndarray]
VISIBLE = 0

LONGEST_MESSAGE = 300  # characters of a student's own error message that are shown
CHECKS = str(Path(__file__).parent)
NOT_THEIRS = (str(Path(__file__).parents[1]), sysconfig.get_paths()["stdlib"])
LARGEST_RESULT = 2**24  # bytes of one array that a student's function may return


class CheckFailed(AssertionError):
    """An answer is not right.

    Attributes:
        cause: a short name for the likely cause, the same for every student who has it.
    """

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause

    def _render_traceback_(self) -> list[str]:
        """Show the message alone in a notebook: the check's own lines would only distract."""
        return [f"Not yet: {self}"]


@dataclass(frozen=True)
class Check:
    """One exercise's check.

    Attributes:
        name: of the exercise and of the function that the student writes.
        cases: see the module's text; so ``probe`` and ``judge``.
        reference: the course's own answer.
        off_limits: what else of the course's code an answer must not call.
    """

    name: str
    cases: Callable[[int], list[Case]]
    probe: Callable[[Callable, Case], Answer]
    judge: Callable[[Case, Answer], None]
    reference: Callable
    off_limits: tuple[Callable, ...] = field(default=())

    def __call__(self, function: Callable, seed: int = VISIBLE) -> None:
        """Check ``function`` in place and say so; raises ``CheckFailed`` with the likely cause."""
        cases = self.cases(seed)
        self.verdict(cases, self.answer(function, cases))
        kind = "visible" if seed == VISIBLE else "hidden"
        print(f"{self.name}: right ({len(cases)} {kind} case{'s' * (len(cases) > 1)})")

    def answer(self, function: Callable, cases: Iterable[Case]) -> list[Answer]:
        """Run ``function`` on each case; an exception becomes an answer with an ``error``."""
        return [self._answer(function, case) for case in cases]

    def verdict(self, cases: Iterable[Case], answers: Iterable[Answer]) -> None:
        """Judge plain answers; runs nothing of the student's. Raises ``CheckFailed``."""
        cases, answers = list(cases), list(answers)
        if not cases or len(cases) != len(answers):
            message = f"{self.name}: {len(answers)} answers to {len(cases)} cases"
            raise CheckFailed("malformed", message)
        for case, answer in zip(cases, answers, strict=True):
            if not isinstance(answer, dict):
                raise CheckFailed("malformed", f"{self.name}: an answer that is no dictionary")
            where = f" (case: {case['name']})" if "name" in case else ""
            if "error" in answer:
                cause, message = _text(answer, "cause"), _text(answer, "error")
                message += where if cause == "raised" else ""
                raise CheckFailed(cause, f"{self.name}: {message}")
            try:
                with _quiet():  # a notebook may have switched gradients off
                    self.judge(case, answer)
            except CheckFailed as failed:
                raise CheckFailed(failed.cause, f"{self.name}: {failed}{where}") from None

    def pick_from(self, namespace: dict[str, Any]) -> Callable:
        """Do ``pick`` for the function of this name in ``globals()``, even if there is none.

        A cell with a syntax error leaves its name undefined; that must not block the rest either.
        """
        return self.pick(namespace.get(self.name))

    def pick(self, function: Callable | None) -> Callable:
        """Return ``function`` where it passes the visible check, otherwise the course's own.

        So one exercise that is not solved never blocks the rest of a notebook.
        """
        cases = self.cases(VISIBLE)
        try:
            self.verdict(cases, self.answer(function, cases))
        except (CheckFailed, KeyboardInterrupt) as failed:
            # A grader interrupts a loop that never ends, and the cells after it still count.
            if isinstance(failed, KeyboardInterrupt) and settings.scale() != "grading":
                raise
            print(f"{self.name}: going on with the course's own version")
            return self.reference
        print(f"{self.name}: going on with yours")
        return function

    def _answer(self, function: Callable, case: Case) -> Answer:
        # By place: a function that is reloaded or copied still stands where it stood.
        forbidden = {
            (code.co_filename, code.co_firstlineno): f.__name__.lstrip("_")
            for f in (self.reference, *self.off_limits)
            for code in _codes(f)
        }
        called: list[str] = []

        def watch(frame, event, _):
            if event != "call":
                return
            place = frame.f_code.co_filename, frame.f_code.co_firstlineno
            if place in forbidden:
                name = forbidden[place]
            elif _is_helper(frame.f_code) and _is_theirs(frame.f_back.f_code.co_filename):
                name = frame.f_code.co_name.lstrip("_")
            else:
                return
            if _begins(frame):
                called.append(name)

        before, before_threads = sys.getprofile(), threading.getprofile()
        with _quiet():
            threading.setprofile(watch)  # for threads that begin from now on
            sys.setprofile(watch)
            try:
                answer = self.probe(function, case)
            except CheckFailed as failed:
                answer = error_answer(failed.cause, str(failed))
            except NotImplementedError:
                answer = error_answer("not_written", "this one is still to be written")
            except (Exception, SystemExit) as error:
                answer = error_answer("raised", _explain(error))
            finally:
                sys.setprofile(before)
                threading.setprofile(before_threads)
        if called:
            return error_answer(
                "reference_called",
                f"this calls the course's own {called[0]}. That is fine for going on, but the "
                "exercise asks for code of your own",
            )
        return answer


def _begins(frame: FrameType) -> bool:
    """Return whether a frame begins now: that of a generator is entered again to go on, or to end.

    One that an earlier check has left ends as garbage, at any time, in a student's code, too.
    """
    code, at = frame.f_code, frame.f_lasti
    if not code.co_flags & inspect.CO_GENERATOR:
        return True
    begin = (dis.opmap["RESUME"], 0)  # behind a yield it has another argument
    return at >= 0 and (code.co_code[at], code.co_code[at + 1] & 3) == begin


def _is_helper(code: CodeType) -> bool:
    """Return whether code is a function of a homework's checks, none that a probe makes."""
    in_checks = code.co_filename.startswith(CHECKS) and code.co_filename != __file__
    return in_checks and code.co_qualname.isidentifier()


def _is_theirs(filename: str) -> bool:
    """Return whether a file is a student's: none of this package, of Python or of a library."""
    return "site-packages" not in filename and not filename.startswith(NOT_THEIRS)


def error_answer(cause: str, message: str) -> Answer:
    """Return the answer that stands for an exception."""
    return {"cause": np.array(cause), "error": np.array(message)}


def _text(answer: Answer, name: str) -> str:
    """Return a string of an answer, whatever it really is; see ``error_answer``."""
    value = answer.get(name)
    if type(value) is np.ndarray and value.dtype.kind == "U" and value.shape == ():
        return str(value)[: 3 * LONGEST_MESSAGE]
    return "malformed"


def _codes(function: Any) -> list[CodeType]:
    """Return the code of a function, or of every method of a class.

    What a decorator wraps, not the wrapper: the wrapper of ``torch.no_grad`` has one code for
    all functions, and a student's that is decorated in the same way would look like the course's.
    """
    if isinstance(function, type):
        parts = [part for part in vars(function).values() if not isinstance(part, type)]
        return [code for part in parts for code in _codes(part)]
    code = getattr(inspect.unwrap(function), "__code__", None)
    return [code] if isinstance(code, CodeType) else []


@contextlib.contextmanager
def _quiet():
    """Keep warnings out and torch's state as it was; graders count any stderr as failure."""
    import torch

    with (
        warnings.catch_warnings(),
        contextlib.redirect_stderr(sys.stdout),
        torch.random.fork_rng(devices=[]),
        torch.enable_grad(),
    ):
        warnings.simplefilter("ignore")
        # Not torch.manual_seed, which seeds a GPU, too: its state would not be put back.
        torch.default_generator.manual_seed(0)
        yield


def _explain(error: BaseException) -> str:
    """Name the exception and the student's last line in its traceback, all in one line."""
    own = [
        frame.line
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.line and _is_theirs(frame.filename)
    ]
    where = f" at `{own[-1]}`" if own else ""
    try:
        message = " ".join(str(error).split())
    except Exception:  # an exception of the student's own, which cannot be shown
        message = ""
    if len(message) > LONGEST_MESSAGE:
        message = message[:LONGEST_MESSAGE] + "..."
    return f"it raised {type(error).__name__}{where}: {message}"


# --- what probes share --------------------------------------------------------------------------


def plain(value: Any, what: str = "the result") -> np.ndarray:
    """Return a copy of a tensor, array, number or list of numbers as a plain array.

    Raises:
        CheckFailed: anything else, or more than ``LARGEST_RESULT`` bytes.
    """
    if value is None:
        raise CheckFailed("returned_none", f"{what} is None: is a `return` missing?")
    try:
        array = _as_array(value)
    except Exception:
        array = None
    if array is None or array.dtype.kind not in "biuf":
        raise CheckFailed("wrong_type", f"{what} is a {type(value).__name__}, not numbers")
    if array.nbytes > LARGEST_RESULT:
        raise CheckFailed("too_large", f"{what} has shape {array.shape}, which is far too large")
    return np.array(array, subok=False)


def _as_array(value: Any) -> np.ndarray:
    import torch

    if not isinstance(value, torch.Tensor):
        return np.asarray(value)
    with torch._C.DisableTorchFunctionSubclass():  # what a subclass overrides is not asked
        tensor = torch.Tensor.detach(value)
        if tensor.dtype == torch.bfloat16:  # numpy has none
            tensor = tensor.float()
        return torch.Tensor.numpy(tensor, force=True)


def plain_scalar(value: Any, what: str = "the result") -> np.ndarray:
    """Return a number, or a tensor or array of one number, as an array of shape ().

    Raises:
        CheckFailed: anything else.
    """
    array = plain(value, what)
    if array.size != 1:
        raise CheckFailed("not_scalar", f"{what} has shape {array.shape}; expected one number")
    return array.reshape(())


# --- what judges share --------------------------------------------------------------------------


def take(
    answer: Answer, name: str, shape: tuple[int, ...], what: str, *, finite: bool = True
) -> np.ndarray:
    """Return the numbers ``answer[name]`` as float64, once they are known to be such.

    Args:
        answer: anything that came from the student's process.
        name: of the array.
        shape: that it must have.
        what: what it is, for the message.
        finite: whether NaN and infinity are faults.

    Raises:
        CheckFailed: ``malformed``, ``wrong_shape`` or ``not_finite``.
    """
    value = answer.get(name)
    if type(value) is not np.ndarray or value.dtype.kind not in "biuf":
        raise CheckFailed("malformed", f"{what} is missing, or is not made of numbers")
    if value.shape != shape:
        raise CheckFailed("wrong_shape", f"{what} has shape {value.shape}; expected {shape}")
    value = value.astype(np.float64)
    if finite and not np.isfinite(value).all():
        raise CheckFailed("not_finite", f"{what} is not finite: NaN or infinity came out")
    return value


def take_flag(answer: Answer, name: str) -> bool:
    """Return the truth value ``answer[name]``; raises ``CheckFailed`` where it is none."""
    value = answer.get(name)
    if type(value) is not np.ndarray or value.dtype != np.bool_ or value.shape != ():
        raise CheckFailed("malformed", f"{name!r} is missing, or is neither true nor false")
    return bool(value)


def close(actual: np.ndarray, expected: np.ndarray, rtol: float = 1e-4, atol: float = 1e-6) -> bool:
    """Return whether two arrays of one shape, not empty, have nearly the same finite values."""
    return (
        actual.shape == expected.shape
        and actual.size > 0
        and bool(np.isfinite(actual).all())
        and bool(np.allclose(actual, expected, rtol=rtol, atol=atol))
    )


def differ(actual: np.ndarray, expected: np.ndarray) -> str:
    """Say how two arrays of one shape differ: both figures, or the largest difference."""
    if actual.size == 1:
        return f"expected {expected.item():.6g}, got {actual.item():.6g}"
    return f"the largest difference is {np.abs(actual - expected).max():.3g}"


Wrong = tuple[str, np.ndarray, str]  # cause, what it would have given, message


def compare(actual: np.ndarray, expected: np.ndarray, what: str, wrong: Iterable[Wrong]) -> None:
    """Raise ``CheckFailed`` where ``actual`` is not ``expected``, with the likely cause.

    Args:
        actual: from ``take``.
        expected: the right values.
        what: what they are, for the message.
        wrong: typical wrong answers on this case. The first that matches is named; one that
            happens to be right here, as lambda = 1 makes many, is passed over.

    Raises:
        CheckFailed: the cause of the first that matches, otherwise ``wrong_values``.
    """
    if close(actual, expected):
        return
    for cause, values, message in wrong:
        values = np.asarray(values, np.float64)
        if close(actual, values) and not close(values, expected):
            raise CheckFailed(cause, message)
    raise CheckFailed("wrong_values", f"{what} is not right: {differ(actual, expected)}")
