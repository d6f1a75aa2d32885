"""A class with known answers: the course's own, honest other ones, typical wrong ones, stubs."""

import random
import sys
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from dalib_edu import scoring
from dalib_edu.instructor import demo
from dalib_edu.instructor.build import Homework, read_source, release_text
from dalib_edu.instructor.cells import without_markers

sys.path.insert(0, str(Path(__file__).parents[1] / "check"))
import answers as table

HONEST = ("solution", "alternative")


@dataclass
class Student:
    """One generated submission.

    Attributes:
        name: of the folder.
        homework: the full name.
        kinds: {grade_id of a test: what stands in its answer's place, such as "mutant no minus"}.
        score: points that it must earn.
    """

    name: str
    homework: str
    kinds: dict[str, str] = field(default_factory=dict)
    score: float = 0.0


def generate(
    folder: Path, homeworks: list[Homework], number: int, seed: int = 0, whole: bool = True
) -> list[Student]:
    """Write ``number`` submissions, the homeworks in turn, and return what each must earn.

    Every answer of the tables comes up before one comes up again.

    Args:
        folder: for the submissions.
        homeworks: which.
        number: of submissions.
        seed: of the order of the answers.
        whole: False leaves the imports, the answers and the tests, and trains nothing. The
            course's own answers are then not among them, since they use what other cells made.
    """
    made = {homework.name: _prepare(homework) for homework in homeworks}
    piles = {name: _piles(name, source, seed, whole) for name, (source, _) in made.items()}
    students = []
    for place in range(number):
        homework = homeworks[place % len(homeworks)]
        source, release = made[homework.name]
        student = Student(f"student_{place:03d}", homework.name)
        texts = {}
        for exercise in demo.exercises_in(source):
            pile = piles[homework.name][exercise.answer]
            kind, text = pile[place // len(homeworks) % len(pile)]
            if text is not None:
                texts[exercise.answer] = text
            for test, points in exercise.tests.items():
                student.kinds[test] = kind
                student.score += points * kind.startswith(HONEST)
        _write(folder, student, demo.fill_in(release, texts, None if whole else keep_exercises))
        students.append(student)
    return students


def most_answers(homework: Homework) -> int:
    """Return how many submissions it takes until each answer to each exercise has come up."""
    return max(map(len, _piles(homework.name, _prepare(homework)[0], 0, False).values()))


def _piles(homework: str, source, seed: int, whole: bool) -> dict[str, list]:
    """Return the shuffled answers to each exercise."""
    piles = {}
    for exercise in demo.exercises_in(source):
        piles[exercise.answer] = _choices(homework, exercise.answer, source, whole)
        random.Random(f"{seed} {homework} {exercise.answer}").shuffle(piles[exercise.answer])
    return piles


def keep_exercises(notebook) -> None:
    """Take all cells out of a notebook but the first of code, the answers and the tests."""
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    notebook.cells = [c for c in notebook.cells if c is first or "nbgrader" in c.metadata]


def _prepare(homework: Homework):
    source = read_source(homework.source)
    return source, nbformat.reads(release_text(source, homework.name), as_version=4)


def _choices(
    homework: str, exercise: str, source, whole: bool = True
) -> list[tuple[str, str | None]]:
    cell = next(cell for cell in source.cells if cell.id == exercise)
    solution = [("solution", without_markers(cell.source))]
    own = homework.split("_")[0]
    names = [own, *sorted(path.name for path in table.FOLDER.glob("hw*") if path.name != own)]
    answers = next((t[exercise] for t in map(table.load, names) if exercise in t), None)
    if answers is None:  # predictions: the file decides
        return solution
    choices = solution * whole
    choices += [(f"alternative {name}", a.source) for name, a in answers["alternatives"].items()]
    choices += [(f"mutant {name}", a.source) for name, a in answers["mutants"].items()]
    return [*choices, ("stub", None)]


def _write(folder: Path, student: Student, notebook) -> None:
    place = folder / student.name / student.homework
    place.mkdir(parents=True)
    (place / f"{student.homework}.ipynb").write_text(nbformat.writes(notebook), encoding="utf-8")
    if any("check.submission(" in cell.source for cell in notebook.cells):
        scoring.write_imperfect(student.homework, place / "submission.csv")


COUNTS = ("honest accepted", "honest rejected", "wrong accepted", "wrong rejected")


def confusion(students: list[Student], results) -> tuple[dict[str, dict[str, int]], list[str]]:
    """Return how answers were judged, by homework, and a line for each that was misjudged."""
    by_name = {result.student: result for result in results}
    counts = {student.homework: dict.fromkeys(COUNTS, 0) for student in students}
    faults = []
    for student in students:
        result = by_name[student.name]
        for test, kind in student.kinds.items():
            honest = kind.startswith(HONEST)
            accepted = bool(result.exercises.get(test))
            word = f"{'honest' if honest else 'wrong'} {'accepted' if accepted else 'rejected'}"
            counts[student.homework][word] += 1
            if honest != accepted:
                cause = result.causes.get(test, result.reason)
                faults.append(f"{student.homework} {test}: {kind} was {word.split()[1]} ({cause})")
    return counts, faults


def confusion_table(counts: dict[str, dict[str, int]]) -> str:
    """Return the counts as an aligned table, a row for each homework."""
    lines = [f"{'':20}" + "".join(f"{word:>17}" for word in COUNTS)]
    lines += [
        f"{homework:20}" + "".join(f"{row[word]:17}" for word in COUNTS)
        for homework, row in counts.items()
    ]
    return "\n".join(lines)
