"""The trusted side of a check: reads what a test cell asks for, and judges what came back.

The process in which this runs never runs student code. A test cell whose every line is an import or
``check.name(function)``, with or without ``seed=N``, is judged here and never sent to the student's
process, so that its hidden seeds are not there either.
"""

import ast
import functools
import importlib
from dataclasses import dataclass
from pathlib import Path

from dalib_edu.check import VISIBLE, Check, CheckFailed
from dalib_edu.instructor import wire
from dalib_edu.instructor.folders import labels_file

LARGEST_ANSWER = 100_000_000  # bytes


@dataclass(frozen=True)
class Call:
    """One line of a test cell.

    Attributes:
        homework: whose checks, for example ``"hw2"``.
        name: of the check.
        argument: the name of the student's function, or of a file that was handed in.
        is_file: which of the two.
        seed: of the cases.
    """

    homework: str
    name: str
    argument: str
    is_file: bool = False
    seed: int = VISIBLE

    @property
    def check(self) -> Check | None:
        """The check itself; None where there is none of this name."""
        module = importlib.import_module(f"dalib_edu.check.{self.homework}")
        return getattr(module, self.name, None)


def calls_in(source: str) -> list[Call] | None:
    """Return the checks that a test cell asks for; None where it does anything else, too.

    Args:
        source: from the gradebook, hidden tests included; never from the student.
    """
    try:
        statements = ast.parse(source).body
    except SyntaxError:
        return None
    modules: dict[str, str] = {}
    calls = []
    for statement in statements:
        if isinstance(statement, ast.ImportFrom) and statement.module == "dalib_edu.check":
            modules.update({each.asname or each.name: each.name for each in statement.names})
            continue
        call = _call(statement, modules)
        if call is None:
            return None
        calls.append(call)
    return calls or None


def _call(statement: ast.stmt, modules: dict[str, str]) -> Call | None:
    match statement:
        case ast.Expr(
            ast.Call(
                func=ast.Attribute(value=ast.Name(id=module), attr=name),
                args=[ast.Name() | ast.Constant() as argument],
                keywords=keywords,
            )
        ) if module in modules:
            is_file = isinstance(argument, ast.Constant)
            what = argument.value if is_file else argument.id
            match keywords:
                case []:
                    call = Call(modules[module], name, what, is_file)
                case [ast.keyword(arg="seed", value=ast.Constant(value=int(seed)))]:
                    call = Call(modules[module], name, what, is_file, seed)
                case _:
                    return None
            return call if isinstance(call.check, Check) and isinstance(what, str) else None
    return None


@functools.lru_cache(maxsize=64)
def cases_of(call: Call) -> list[dict]:
    """Return the cases of a call; the same for each submission."""
    return call.check.cases(call.seed)


def verdict(call: Call, answers: bytes) -> str:
    """Judge packed answers, and return a line that says so.

    Raises:
        CheckFailed: with the likely cause. Whatever the bytes are, nothing else is raised.
    """
    check, cases = call.check, cases_of(call)
    if len(answers) > LARGEST_ANSWER:
        raise CheckFailed("too_large", f"{call.name}: the answer is far too large")
    try:
        check.verdict(cases, wire.unpack(answers))
    except CheckFailed:
        raise
    except Exception as error:  # numbers that a judge did not think of
        message = f"{call.name}: what came back cannot be judged ({type(error).__name__})"
        raise CheckFailed("malformed", message) from None
    return _right(call)


def verdict_on_file(call: Call, folder: Path, course: Path | None = None) -> str:
    """Judge a file that was handed in, which is read here and by no code of the student's.

    Args:
        call: with ``is_file``.
        folder: with the files; none of them is a link.
        course: the course folder, which may keep the labels of pictures from a secret seed.

    Raises:
        CheckFailed: with the likely cause.
    """
    check, cases = call.check, cases_of(call)
    path = folder / Path(call.argument).name
    if not path.exists():
        raise CheckFailed("no_file", f"{call.name}: no {path.name} was handed in")
    kept = labels_file(course, call.homework) if course else None
    if kept and kept.is_file() and call.name == "submission":
        cases = check.cases_by(kept)
    try:
        check.verdict(cases, check.answer(str(path), cases))
    except CheckFailed as failed:
        message = str(failed).replace(f"{folder}/", "")  # a path of this machine
        raise CheckFailed(failed.cause, message) from None
    return _right(call)


def _right(call: Call) -> str:
    number = len(cases_of(call))
    kind = "visible" if call.seed == VISIBLE else "hidden"
    return f"{call.name}: right ({number} {kind} case{'s' * (number > 1)})\n"
