"""The student's side of a hidden check: it answers cases, and never learns what is right.

This runs in the process of the student's code. Nothing here is trusted: whatever comes back is only
numbers, which another process judges.
"""

import base64
import importlib
import sys
from collections.abc import Callable
from types import ModuleType

import dalib_edu.check
from dalib_edu.instructor import wire

MIME = "application/vnd.dalib-edu.answers"


def answer(homework: str, name: str, function: Callable | None, cases: bytes) -> bytes:
    """Run a check's probe on cases.

    Args:
        homework: for example ``"hw2"``.
        name: of the check.
        function: the student's; None where there is none.
        cases: packed, see ``wire``.

    Returns:
        The answers, packed.
    """
    check = getattr(fresh_checks(homework), name)
    return wire.pack(check.answer(function, wire.unpack(cases)))


def show(homework: str, name: str, function: Callable | None, cases: str) -> None:
    """Do ``answer`` in a kernel, and display the answers; ``cases`` and they are in base 64."""
    from IPython.display import display

    answers = answer(homework, name, function, base64.b64decode(cases))
    display({MIME: base64.b64encode(answers).decode()}, raw=True)


def fresh_checks(homework: str) -> ModuleType:
    """Return a homework's checks as they are in the files, whatever was done to those in use."""
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_check(name)}
    in_use = dalib_edu.check
    try:
        return importlib.import_module(f"dalib_edu.check.{homework}")
    finally:
        for name in [name for name in sys.modules if _is_check(name)]:
            del sys.modules[name]
        sys.modules.update(kept)
        dalib_edu.check = in_use


def _is_check(name: str) -> bool:
    return name == "dalib_edu.check" or name.startswith("dalib_edu.check.")
