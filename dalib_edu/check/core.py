"""What a check is: cases, a probe that runs where the student's code is, and a judge elsewhere.

A check is split so that its verdict need not be reached beside the code that it judges:

- ``cases(seed)`` returns plain inputs (numbers, strings, arrays). Seed 0 gives the visible cases,
  any other seed the hidden ones: other shapes, values, dtypes and edge cases.
- ``probe(function, case)`` runs the student's function on one case and returns plain arrays:
  outputs, gradients, parameters after a step.
- ``judge(case, answer)`` compares the arrays with what is right and raises ``CheckFailed`` with
  the likely cause. It never sees the student's function.

In a notebook, calling the check does all three in place. A grader can send the cases to the
student's process with ``answer`` and judge what comes back in another one with ``verdict``.
"""

import contextlib
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

import numpy as np

Case = dict[str, Any]
Answer = dict[str, np.ndarray]
VISIBLE = 0


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
        kind = "" if seed == VISIBLE else "hidden "
        print(f"{self.name}: all {len(cases)} {kind}cases pass")

    def answer(self, function: Callable, cases: Iterable[Case]) -> list[Answer]:
        """Run ``function`` on each case; an exception becomes an answer with an ``error``."""
        return [self._answer(function, case) for case in cases]

    def verdict(self, cases: Iterable[Case], answers: Iterable[Answer]) -> None:
        """Judge plain answers; runs nothing of the student's. Raises ``CheckFailed``."""
        for case, answer in zip(cases, answers, strict=True):
            if "error" in answer:
                raise CheckFailed(str(answer["cause"]), f"{self.name}: {answer['error']}")
            try:
                self.judge(case, answer)
            except CheckFailed as failed:
                where = f" (case: {case['name']})" if "name" in case else ""
                raise CheckFailed(failed.cause, f"{self.name}: {failed}{where}") from None

    def pick(self, function: Callable) -> Callable:
        """Return ``function`` where it passes the visible check, otherwise the course's own.

        So one exercise that is not solved never blocks the rest of a notebook.
        """
        cases = self.cases(VISIBLE)
        try:
            self.verdict(cases, self.answer(function, cases))
        except CheckFailed:
            print(f"{self.name}: going on with the course's own version")
            return self.reference
        print(f"{self.name}: going on with yours")
        return function

    def _answer(self, function: Callable, case: Case) -> Answer:
        forbidden = {code for f in (self.reference, *self.off_limits) for code in _codes(f)}
        called: list[str] = []

        def watch(frame, event, _):
            if event == "call" and frame.f_code in forbidden:
                called.append(frame.f_code.co_name)

        before = sys.getprofile()
        with _quiet():
            sys.setprofile(watch)
            try:
                answer = self.probe(function, case)
            except CheckFailed as failed:
                return error_answer(failed.cause, str(failed))
            except NotImplementedError:
                return error_answer("not_written", "this one is still to be written")
            except Exception as error:
                return error_answer("raised", _explain(error))
            finally:
                sys.setprofile(before)
        if called:
            return error_answer(
                "reference_called",
                f"this calls the course's own {called[0]}. That is fine for going on, but the "
                "exercise asks for code of your own",
            )
        return answer


def error_answer(cause: str, message: str) -> Answer:
    """Return the answer that stands for an exception."""
    return {"cause": np.array(cause), "error": np.array(message)}


def _codes(function: Callable) -> list[CodeType]:
    """Return the code of a function, or of every method of a class."""
    if isinstance(function, type):
        return [f.__code__ for f in vars(function).values() if hasattr(f, "__code__")] + [
            f.__func__.__code__ for f in vars(function).values() if isinstance(f, staticmethod)
        ]
    return [function.__code__]


@contextlib.contextmanager
def _quiet():
    """Keep warnings out and the random state as it was; graders count any stderr as failure."""
    import torch

    with (
        warnings.catch_warnings(),
        contextlib.redirect_stderr(sys.stdout),
        torch.random.fork_rng(devices=[]),
    ):
        warnings.simplefilter("ignore")
        yield


def _explain(error: Exception) -> str:
    """Name the exception and the student's last line in its traceback."""
    here = __file__.rsplit("/", 1)[0]
    frames = [f for f in traceback.extract_tb(error.__traceback__) if here not in f.filename]
    own = [f for f in frames if "site-packages" not in f.filename and f.line]
    where = f" at `{own[-1].line}`" if own else ""
    return f"it raised {type(error).__name__}{where}: {error}"


# --- what probes and judges share ---------------------------------------------------------------


def plain(value: Any, what: str = "the result") -> np.ndarray:
    """Return a tensor, array or number as an array; anything else is a kind ``CheckFailed``."""
    import torch

    if value is None:
        raise CheckFailed("returned_none", f"{what} is None: is a `return` missing?")
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().numpy().copy()
    array = np.asarray(value)
    if array.dtype.kind not in "biufU":
        raise CheckFailed("wrong_type", f"{what} is a {type(value).__name__}, not numbers")
    return array.copy()


def same_shape(actual: np.ndarray, expected: np.ndarray, what: str = "the result") -> None:
    """Raise ``CheckFailed`` where the shapes differ."""
    if actual.shape != expected.shape:
        raise CheckFailed(
            "wrong_shape", f"{what} has shape {actual.shape}; expected {expected.shape}"
        )


def close(actual: np.ndarray, expected: np.ndarray, rtol: float = 1e-4, atol: float = 1e-6) -> bool:
    """Return whether two arrays have one shape and nearly the same, finite values."""
    return actual.shape == expected.shape and np.allclose(actual, expected, rtol=rtol, atol=atol)
