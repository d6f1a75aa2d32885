"""What became of each submission, and the tables of it."""

import csv
import io
from dataclasses import dataclass, field
from typing import Literal

from nbformat import NotebookNode

Status = Literal["graded", "timeout", "crashed", "out of memory", "malformed"]
GRADED, TIMEOUT, CRASHED, OUT_OF_MEMORY = "graded", "timeout", "crashed", "out of memory"
COLUMNS = ("student", "assignment", "status", "reason", "score", "max_score", "manual_points")


@dataclass(frozen=True)
class Result:
    """What became of a submission.

    Attributes:
        student: who.
        assignment: the homework.
        status: how the run ended; exactly one.
        reason: why it is not ``graded``, and what was mended; may be empty.
        score: points so far, None where nothing could be graded.
        max_score: points that the homework has; None where the homework is not known.
        manual_points: points of answers that a person still has to grade.
        exercises: points by grade_id; None where a person still has to grade.
        causes: why a check failed, by the test's grade_id; the check's short name for it.
        seconds: that the notebook ran.
        starved: whether its time was up when it had computed little: others took the machine, or
            it slept.
    """

    student: str
    assignment: str
    status: Status
    reason: str = ""
    score: float | None = None
    max_score: float | None = None
    manual_points: float = 0.0
    exercises: dict[str, float | None] = field(default_factory=dict)
    causes: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None
    starved: bool = False


def record(notebook: NotebookNode, **entries) -> None:
    """Write down in the notebook what grading met: ``status``, ``reason`` or ``repairs``."""
    notebook.metadata.setdefault("dalib_edu", NotebookNode()).update(entries)


def grades_csv(results: list[Result]) -> str:
    """Return the results as CSV: the columns of ``COLUMNS``, then one for each exercise."""
    exercises = list(dict.fromkeys(name for result in results for name in result.exercises))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *exercises])
    for result in results:
        values = [getattr(result, column) for column in COLUMNS]
        values += [result.exercises.get(name) for name in exercises]
        writer.writerow(map(_field, values))
    return text.getvalue()


def _field(value: str | float | None) -> str:
    """Return a field of the table; no text in it is a formula to a spreadsheet."""
    if not isinstance(value, str):
        return "" if value is None else f"{value:g}"
    return f"'{value}" if value.startswith(("=", "+", "-", "@")) else value


def grades_table(results: list[Result]) -> str:
    """Return the results as an aligned text table."""
    rows = [("student", "homework", "status", "score", "of", "to grade", "reason")]
    for r in results:
        numbers = ["-" if n is None else f"{n:g}" for n in (r.score, r.max_score, r.manual_points)]
        rows.append((r.student, r.assignment, r.status, *numbers, r.reason))
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    lines = []
    for row in rows:
        cells = [
            text.rjust(width) if 3 <= i <= 5 else text.ljust(width)
            for i, (text, width) in enumerate(zip(row[:6], widths, strict=True))
        ]
        lines.append("  ".join([*cells, row[6]]).rstrip())
    return "\n".join(lines)
