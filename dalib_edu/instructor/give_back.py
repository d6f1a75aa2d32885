"""From the graded class to what an LMS takes in: its own sheet, filled in, and feedback pages.

Moodle's grading worksheet names a student ``Participant 1234567`` (in the language of the site),
Canvas's gradebook ``12345``. Those numbers end the folders that ``intake.collect`` made. So no
name is compared, and a sheet in another language is read, too.
"""

import contextlib
import csv
import io
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from dalib_edu.instructor.build import write_atomically
from dalib_edu.settings import UserError

NUMBER = re.compile(r"\D*(?P<number>\d+)")
OF_CANVAS = re.compile(r" \(\d+\)$")  # behind an assignment's name


@dataclass
class GivenBack:
    """What was written for an LMS.

    Attributes:
        sheet: the sheet with the points.
        pages: the zip file of feedback pages; None for Canvas, which takes none in that way.
        most: the points that the LMS gives at most.
        filled: students whose points are in the sheet.
        notes: a line for each thing that the teacher must know.
    """

    sheet: Path
    pages: Path | None
    most: float
    filled: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def give_back(
    sheet: Path,
    homework: str,
    graded: Path,
    column: str | None = None,
    unfinished: bool = False,
) -> GivenBack:
    """Fill an LMS's sheet with the points of a class and pack the feedback pages.

    Both are written to ``graded/returned``; every other field of the sheet stays as it is. Where
    the LMS gives another number of points than the homework has, they are scaled to it.

    Args:
        sheet: the CSV file that Moodle (*Download grading worksheet*) or Canvas (*Export*) gives.
        homework: its full name.
        graded: the folder with ``grades.csv``.
        column: the header of the column to fill; by default Moodle's ``Grade``, or the one of
            Canvas that bears the homework's name.
        unfinished: also where answers still wait for a person; otherwise these are left out.

    Raises:
        UserError: a file cannot be read, nobody in the sheet was graded, or it is not clear which
            column to fill.
    """
    mark, (header, *rows) = _read(sheet)
    results = _results(graded, homework)
    waiting = [] if unfinished else [s for s, r in results.items() if float(r["manual_points"])]
    place, students = _students(rows, results, sheet)
    number = _column(header, homework, column, sheet)
    most = max(float(r["max_score"] or 0) for r in results.values())
    given = GivenBack(graded / "returned" / f"{homework}.csv", None, most)
    given.most = _most_in_sheet(header, rows, number) or most
    for row, student in zip(rows, students, strict=True):
        if student and student not in waiting and results[student]["score"]:
            points = float(results[student]["score"]) * given.most / most
            row[number] = f"{round(points, 2):g}"
            given.filled.append(student)
    in_sheet = {student for student in students if student}
    given.notes = _notes(results, in_sheet, waiting)
    if given.filled and given.most != most:
        given.notes.insert(0, f"scaled: {most:g} points of the homework to {given.most:g}")
    text = io.StringIO()
    csv.writer(text, delimiter=mark, lineterminator="\n").writerows([header, *rows])
    write_atomically(given.sheet, text.getvalue())
    if any(s and not row[place].strip().isdigit() for row, s in zip(rows, students, strict=True)):
        given.pages = given.sheet.with_name(f"{homework}_feedback.zip")
        write_atomically(given.pages, _pages(sorted(in_sheet - {*waiting}), homework, graded))
    return given


def _notes(results: dict[str, dict[str, str]], in_sheet: set[str], waiting: list[str]) -> list[str]:
    notes = []
    for student, result in results.items():
        if student not in in_sheet:
            notes.append(f"not in the sheet: {student}")
        elif student in waiting:
            notes.append(f"left out: {student} (answers wait for a person)")
        elif not result["score"]:
            notes.append(f"no points: {student} ({result['reason']})")
    return notes


def _read(path: Path) -> tuple[str, list[list[str]]]:
    """Return what is between the fields of a CSV file, and its rows, none shorter than the first.

    Raises:
        UserError: it cannot be read, or is no table.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        first = text.partition("\n")[0]
        mark = max(",;\t", key=first.count)
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=mark) if any(row)]
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is no CSV file ({error})") from None
    if len(rows) < 2 or len(rows[0]) < 2:
        raise UserError(f"{path} holds no table of students")
    return mark, [row + [""] * (len(rows[0]) - len(row)) for row in rows]


def _results(graded: Path, homework: str) -> dict[str, dict[str, str]]:
    """Return the rows of grades.csv for a homework, by student."""
    try:
        with (graded / "grades.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        message = f"{graded / 'grades.csv'}: {error.strerror}; grade the class first"
        raise UserError(message) from None
    found = {row["student"].removeprefix("'"): row for row in rows if row["assignment"] == homework}
    if not found:
        raise UserError(f"{graded / 'grades.csv'} has nothing of {homework}")
    return found


def _students(
    rows: list[list[str]], results: dict[str, dict[str, str]], sheet: Path
) -> tuple[int, list[str | None]]:
    """Return the column that names the students, and for each row whose it is.

    It is the column most of whose numbers end a student's folder.
    """
    by_number: dict[str, str] = {}
    for student in results:
        found = re.search(r"_(\d+)$", student)
        if found and found[1] in by_number:
            twice = f"{by_number[found[1]]!r} and {student!r}"
            raise UserError(f"the folders {twice} end in one number; remove one and grade again")
        if found:
            by_number[found[1]] = student
    columns = []
    for fields in zip(*(row[: len(rows[0])] for row in rows), strict=True):
        numbers = [NUMBER.fullmatch(field.strip()) for field in fields]
        columns.append([by_number.get(n["number"]) if n else None for n in numbers])
    counts = [len({student for student in column if student}) for column in columns]
    place = counts.index(max(counts))
    if not counts[place]:
        raise UserError(
            f"{sheet}: no number in it ends a graded student's folder (one is called "
            f"{next(iter(results))!r}); 'dalib-edu collect' gives folders such names"
        )
    return place, columns[place]


def _column(header: list[str], homework: str, column: str | None, sheet: Path) -> int:
    """Return which column takes the points."""
    plain = [OF_CANVAS.sub("", name).strip() for name in header]
    names = [column] if column else [homework, homework.split("_")[0], "Grade"]
    for name in names:
        places = [
            i
            for i, each in enumerate(header)
            if name.casefold() in (each.strip().casefold(), plain[i].casefold())
        ]
        if len(places) == 1:
            return places[0]
    known = ", ".join(repr(name) for name in header)
    wanted = f"no single column {column!r}" if column else "it is not clear where the points go"
    raise UserError(f"{sheet}: {wanted}; name one with --column, of {known}")


def _most_in_sheet(header: list[str], rows: list[list[str]], number: int) -> float | None:
    """Return how many points the LMS gives at most, None where the sheet does not say it.

    Moodle has a column for it, Canvas a row.
    """
    said = [row[header.index("Maximum Grade")] for row in rows if "Maximum Grade" in header]
    said += [row[number] for row in rows if "Points Possible" in row[0]]
    for text in said:
        with contextlib.suppress(ValueError):
            if float(text.replace(",", ".")) > 0:
                return float(text.replace(",", "."))
    return None


def _pages(students: list[str], homework: str, graded: Path) -> bytes:
    """Return a zip file of the feedback pages, by the names that Moodle looks for."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for student in students:
            page = graded / "feedback" / student / homework / f"{homework}.html"
            if page.is_file():
                name, _, number = student.rpartition("_")
                prefix = f"{name.replace('_', ' ')}_{number}_assignsubmission_file"
                archive.writestr(f"{prefix}_{homework}.html", page.read_bytes())
    return data.getvalue()
