"""The instructor's loop on a small made-up class, for real, in a temporary folder."""

import ast
import contextlib
import copy
import html
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from dalib_edu import scoring
from dalib_edu.instructor import sandbox
from dalib_edu.instructor.build import (
    find_root,
    homeworks_in,
    read_source,
    release_text,
    write_atomically,
)
from dalib_edu.instructor.cells import hidden_lines, without_markers
from dalib_edu.instructor.grade import Result, grade
from dalib_edu.settings import UserError


@dataclass(frozen=True)
class Exercise:
    """One thing that a student writes.

    Attributes:
        answer: the grade_id of the cell to fill in.
        tests: points by the grade_id of each test cell; empty for a question in prose.
    """

    answer: str
    tests: dict[str, float]


@dataclass(frozen=True)
class Student:
    """A made-up student.

    Attributes:
        name: of the folder.
        story: what is special about the submission.
        notebook: what is handed in.
        status: how grading must end.
        score: the points that the autograder must give.
        predicts: whether a submission.csv lies beside the notebook.
    """

    name: str
    story: str
    notebook: NotebookNode
    status: str
    score: float
    predicts: bool = True


def demo(
    homework: str = "hw2", root: Path | str | None = None, keep: Path | None = None
) -> list[Result]:
    """Release a homework, make a small class, grade it, and check that every figure is right.

    Args:
        homework: a name such as ``hw2``.
        root: the project's folder; by default the one around the working directory.
        keep: a new folder for submissions and results; by default a temporary one.

    Returns:
        The results, one for each student.

    Raises:
        UserError: ``keep`` is there already; a figure is not what it must be, or a hidden test is
            in the feedback.
    """
    root = find_root() if root is None else Path(root)
    chosen = homeworks_in(root, [homework])[0]
    begun = time.monotonic()
    with _new_folder(keep) as folder:
        submitted, out = folder / "submitted", folder / "graded"

        source = read_source(chosen.source)
        release = nbformat.reads(release_text(source, chosen.name), as_version=4)
        exercises = exercises_in(source)
        points = sum(sum(exercise.tests.values()) for exercise in exercises)
        _say(1, f"Release {chosen.name}: solutions and hidden tests taken out.")
        print(
            f"   {len(release.cells)} cells, {len(exercises)} exercises, {points:g} points by test"
        )

        students = small_class(source, release, exercises)
        _say(2, f"Collect: a class of {len(students)} hands in.")
        for number, student in enumerate(students):
            print(f"   {student.name:<6} {student.story}")
            _hand_in(student, chosen.name, submitted / student.name / chosen.name)
            if student.predicts and any("check.submission(" in c.source for c in source.cells):
                path = submitted / student.name / chosen.name / "submission.csv"
                # In the place of the minutes of training that a student's own run takes.
                scoring.write_imperfect(chosen.name, path, mistake=number + 1)

        _say(3, "Autograde: each submission in a sandbox of its own, then its feedback page.\n")
        lack = sandbox.lacking()
        if lack:
            print(f"   Without a sandbox, since this class is made up. Yours needs one: {lack}\n")
        results = grade(submitted, out, homeworks=[chosen.name], root=root, sandboxed=not lack)

        _say(4, "Look for hidden tests in the feedback.")
        pages = sorted(out.glob("feedback/*/*/*.html"))
        for page in pages:
            _refuse_leak(page, source)
        print(f"   none in {len(pages)} pages")

        _say(5, "The same grades as CSV:\n")
        print((out / "grades.csv").read_text(encoding="utf-8"))

        _say(6, "Compare with what each submission must earn.")
        check_figures(students, results)
        for name in ("ada", "cleo"):
            path = out / "autograded" / name / chosen.name / f"{chosen.name}.ipynb"
            refuse_dead_ends(name, nbformat.read(path, as_version=4))
    print(f"   all {len(results)} right; the demo took {time.monotonic() - begun:.0f} s")
    if keep:
        print(
            f"   look at {keep / 'graded' / 'report.html'}, and at {keep / 'graded' / 'feedback'}"
        )
    else:
        print("   The folder is gone; 'dalib-edu demo --keep FOLDER' leaves you one to look at.")
    return results


@contextlib.contextmanager
def _new_folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="dalib_edu_demo_") as folder:
            yield Path(folder)
        return
    try:
        keep.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"--keep {keep}: {error.strerror}; name a new folder") from None
    yield keep


def _say(number: int, text: str) -> None:
    print(f"\n{number}. {text}", flush=True)


def exercises_in(source: NotebookNode) -> list[Exercise]:
    """Return the exercises of an instructor's notebook in their order.

    A test belongs to the last answer cell before it.
    """
    exercises: list[Exercise] = []
    for cell in source.cells:
        meta = cell.metadata.get("nbgrader")
        if meta is None or cell.cell_type != "code":
            continue
        if meta.solution:
            exercises.append(Exercise(meta.grade_id, {}))
        elif meta.grade and exercises:
            exercises[-1].tests[meta.grade_id] = float(meta.points)
    return [exercise for exercise in exercises if exercise.tests]


def small_class(
    source: NotebookNode, release: NotebookNode, exercises: list[Exercise]
) -> list[Student]:
    """Return the made-up class for a homework.

    Args:
        source: the instructor's notebook.
        release: the students' notebook.
        exercises: from ``exercises_in(source)``.
    """
    answers = {cell.id: without_markers(cell.source) for cell in source.cells}
    answers = {name: answers[name] for name in answer_cells(source)}
    half = [exercise.answer for exercise in exercises[: len(exercises) // 2]]
    last = exercises[-1].answer
    points = [sum(exercise.tests.values()) for exercise in exercises]

    def solved(names=None, change: Callable[[NotebookNode], None] | None = None) -> NotebookNode:
        return fill_in(
            release, answers if names is None else {n: answers[n] for n in names}, change
        )

    return [
        Student("ada", "everything right", solved(), "graded", sum(points)),
        Student(
            "ben",
            f"the first {len(half)} of {len(exercises)} exercises right",
            solved(half),
            "graded",
            sum(points[: len(half)]),
            predicts=False,
        ),
        Student("cleo", "the notebook untouched", solved([]), "graded", 0.0, predicts=False),
        Student(
            "dan",
            f"os._exit(1) in the exercise {last}, the others right",
            solved(change=lambda nb: set_source(nb, last, "import os\n\nos._exit(1)")),
            "crashed",
            sum(points[:-1]),
        ),
        Student(
            "eve",
            "everything right, two cells copied",
            solved(change=lambda nb: copy_cells(nb, exercises[0])),
            "graded",
            sum(points),
        ),
        Student(
            "fay",
            "everything right, debugging lines on stderr",
            solved(change=lambda nb: write_to_stderr(nb, exercises[0].answer)),
            "graded",
            sum(points),
        ),
    ]


def answer_cells(source: NotebookNode) -> list[str]:
    """Return the grade_ids of the cells that students write in, prose included."""
    return [c.id for c in source.cells if c.metadata.get("nbgrader", {}).get("solution")]


def fill_in(
    release: NotebookNode,
    answers: dict[str, str],
    change: Callable[[NotebookNode], None] | None = None,
) -> NotebookNode:
    """Return a copy of the students' notebook with answers by grade_id, then changed."""
    notebook = copy.deepcopy(release)
    for name, text in answers.items():
        set_source(notebook, name, text)
    if change is not None:
        change(notebook)
    return notebook


def find_cell(notebook: NotebookNode, grade_id: str) -> int:
    """Return the position of a cell."""
    return next(i for i, cell in enumerate(notebook.cells) if cell.id == grade_id)


def set_source(notebook: NotebookNode, grade_id: str, text: str) -> None:
    """Write a cell."""
    notebook.cells[find_cell(notebook, grade_id)].source = text


def copy_cells(notebook: NotebookNode, exercise: Exercise) -> None:
    """Copy an answer and its first test below themselves, as JupyterLab's copy and paste does."""
    for number, grade_id in enumerate((exercise.answer, next(iter(exercise.tests)))):
        position = find_cell(notebook, grade_id)
        twin = copy.deepcopy(notebook.cells[position])
        twin.id = f"copy-{number}"
        notebook.cells.insert(position + 1, twin)


def write_to_stderr(notebook: NotebookNode, grade_id: str) -> None:
    """Make the first function of a cell write a line to stderr whenever it is called."""
    cell = notebook.cells[find_cell(notebook, grade_id)]
    functions = [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.FunctionDef)]
    body = functions[0].body
    has_text = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
    first = body[1] if has_text and len(body) > 1 else body[0]
    lines = cell.source.split("\n")
    line = " " * first.col_offset + '__import__("sys").stderr.write("debugging\\n")'
    lines.insert(first.lineno - 1, line)
    cell.source = "\n".join(lines)


def _hand_in(student: Student, name: str, folder: Path) -> None:
    write_atomically(folder / f"{name}.ipynb", nbformat.writes(student.notebook) + "\n")


# --- the demo's own check -----------------------------------------------------------------------


def check_figures(students: list[Student], results: list[Result]) -> None:
    """Compare results with what they must be.

    Raises:
        UserError: the first that differs.
    """
    by_name = {result.student: result for result in results}
    for student in students:
        result = by_name.get(student.name)
        wanted = f"{student.status}, {student.score:g}"
        seen = "nothing" if result is None else f"{result.status}, {result.score or 0:g}"
        if seen != wanted:
            reason = f" ({result.reason})" if result and result.reason else ""
            raise UserError(f"demo: {student.name} must be {wanted} and is {seen}{reason}")


def refuse_dead_ends(student: str, graded: NotebookNode) -> None:
    """Make sure that an exercise that is not solved never blocks the cells after it.

    Args:
        student: for the message.
        graded: a notebook as the autograder ran it.

    Raises:
        UserError: a cell that is neither test nor answer ended in an error.
    """
    for cell in graded.cells:
        errors = [o for o in cell.get("outputs", []) if o.output_type == "error"]
        meta = cell.metadata.get("nbgrader", {})
        if errors and not meta.get("grade") and not meta.get("solution"):
            first = cell.source.split("\n")[0]
            raise UserError(
                f"demo: {student}'s run stops at `{first}`: {errors[0].ename}: {errors[0].evalue}"
            )


def page_text(page: str) -> str:
    """Return the words of an HTML page, blanks folded: highlighting puts every word in a tag."""
    body = re.sub(r"<(style|script)\b.*?</\1>", " ", page, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", body)).split())


def leaks(page: str, source: NotebookNode) -> list[str]:
    """Return the hidden lines of a homework that a feedback page shows."""
    text = page_text(page)
    hidden = [line for cell in source.cells for line in hidden_lines(cell.source)]
    return [line for line in hidden if " ".join(line.split()) in text]


def _refuse_leak(path: Path, source: NotebookNode) -> None:
    found = leaks(path.read_text(encoding="utf-8"), source)
    if found:
        raise UserError(f"demo: the feedback for {path.parent.parent.name} shows `{found[0]}`")
