"""From the graded class to what an LMS takes in: its own sheet, filled in, and feedback pages.

Moodle's grading worksheet names a student ``Participant 1234567`` (in the language of the site),
Canvas's gradebook ``12345``. Those numbers end the folders that ``intake.collect`` made. So no
name is compared, and a sheet in another language is read, too.
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dalib_edu.instructor.build import write_atomically
from dalib_edu.settings import UserError

NUMBER = re.compile(r"\D*(?P<number>\d+)")
OF_CANVAS = re.compile(r" \(\d+\)$")  # behind an assignment's name
LETTER = re.compile(r"[^\W\d_]")
TEST_STUDENT = "Student, Test"  # Canvas has one in every course
MOST_NAMED = 10
EXCUSED = "EX"  # as Canvas writes it
NO_GRADE = ("", "-", EXCUSED)


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


@dataclass
class _Sheet:
    """A table of students.

    Attributes:
        path: of its file.
        start: what stands before it: nothing, or a mark that spreadsheets look for.
        mark: what is between its fields.
        end: of its lines.
        header: the columns' names.
        rows: none is shorter than the header.
        place: the column that names the students.
        students: for each row whose it is; None where nobody was graded.
    """

    path: Path
    start: str
    mark: str
    end: str
    header: list[str]
    rows: list[list[str]]
    place: int = 0
    students: list[str | None] = field(default_factory=list)

    @property
    def of_moodle(self) -> bool:
        """Whether the students have words before their numbers."""
        return any(not row[self.place].strip().isdigit() for row in self.of_students())

    def of_students(self) -> list[list[str]]:
        """Return the rows that are a student's, graded or not."""
        return [row for row in self.rows if NUMBER.fullmatch(row[self.place].strip())]

    def maximum(self, number: int) -> int | None:
        """Return Moodle's column of the points that there are at most, None where it has none.

        It is called so in English alone. Elsewhere it is the one behind the points, if all rows
        hold the same number there.

        Args:
            number: the column that takes the points.
        """
        if "Maximum Grade" in self.header:
            return self.header.index("Maximum Grade")
        if not self.of_moodle or number + 1 == len(self.header):
            return None
        behind = {row[number + 1].strip() for row in self.of_students()}
        return number + 1 if len(behind) == 1 and _number(*behind) else None

    def content(self) -> bytes:
        """Return it as it goes into a file."""
        out = io.StringIO()
        writer = csv.writer(out, delimiter=self.mark, lineterminator=self.end)
        writer.writerows([self.header, *self.rows])
        return (self.start + out.getvalue()).encode()


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
        column: the header of the column to fill, or how it begins; by default Moodle's ``Grade``,
            or the one of Canvas that bears the homework's name or number.
        unfinished: also where answers still wait for a person; otherwise these are left out.

    Raises:
        UserError: a file cannot be read, nobody in the sheet was graded, it is not clear which
            column to fill, or that one holds no grades.
    """
    table, results = _read(sheet), _results(graded, homework)
    waiting = [] if unfinished else [s for s, r in results.items() if float(r["manual_points"])]
    _find_students(table, results)
    number = _column(table, homework, column)
    most = max(float(r["max_score"] or 0) for r in results.values())
    said = _most_in_sheet(table, number)
    given = GivenBack(graded / "returned" / f"{homework}.csv", None, _number(said or "") or most)
    _refuse_others(table, number, max(most, given.most))
    excused = [
        s for row, s in zip(table.rows, table.students, strict=True) if s and row[number] == EXCUSED
    ]
    left_out = {*waiting, *excused}
    replaced = 0
    for row, student in zip(table.rows, table.students, strict=True):
        if student and student not in left_out and results[student]["score"]:
            points = round(float(results[student]["score"]) * given.most / most, 2)
            replaced += _number(row[number]) not in (None, points)
            row[number] = f"{points:g}".replace(".", "," if said and "," in said else ".")
            given.filled.append(student)
    given.notes = [
        *_notes_on_points(bool(said), most, given, replaced),
        *_notes(results, {*table.students} - {None}, waiting, excused),
        *_not_graded(table),
    ]
    write_atomically(given.sheet, table.content())
    if table.of_moodle:
        given.pages = given.sheet.with_name(f"{homework}_feedback.zip")
        students = sorted({*table.students} - {None, *waiting})
        write_atomically(given.pages, _pages(students, homework, graded))
    return given


def _notes_on_points(said: bool, most: float, given: GivenBack, replaced: int) -> Iterator[str]:
    if given.filled and given.most != most:
        yield f"scaled: {most:g} points of the homework to {given.most:g}"
    if not said:
        how = f"they are left as they are, of {most:g}"
        yield f"the sheet does not say how many points the LMS gives: {how}"
    if replaced:
        yield f"replaced: {replaced} grades that were in the sheet, by others"


def _notes(
    results: dict[str, dict[str, str]],
    in_sheet: set[str],
    waiting: list[str],
    excused: list[str],
) -> Iterator[str]:
    for student, result in results.items():
        if student not in in_sheet:
            yield f"not in the sheet: {student}"
        elif student in excused:
            yield f"left as it is: {student} (excused)"
        elif student in waiting:
            yield f"left out: {student} (answers wait for a person)"
        elif not result["score"]:
            yield f"no points: {student} ({result['reason']})"


def _not_graded(table: _Sheet) -> Iterator[str]:
    """Yield a line for each student of the sheet who was not graded."""
    graded = [row for row, student in zip(table.rows, table.students, strict=True) if student]
    rows = [row for row in table.of_students() if row not in graded and TEST_STUDENT not in row]
    for row in rows[:MOST_NAMED]:
        others = row[: table.place] + row[table.place + 1 :]
        name = next((text for text in others if LETTER.search(text)), row[table.place])
        status = row[table.header.index("Status")] if "Status" in table.header else ""
        yield f"in the sheet, not graded: {name}" + (f" ({status})" if status else "")
    if len(rows) > MOST_NAMED:
        yield f"... and {len(rows) - MOST_NAMED} more"


def _number(text: str) -> float | None:
    """Return a number that is written with a point or a comma, None where it is none."""
    plain = re.fullmatch(r"\s*(\d+)(?:[.,](\d*))?\s*", text)
    return float(f"{plain[1]}.{plain[2] or 0}") if plain else None


def _read(path: Path) -> _Sheet:
    """Return the table in a CSV file.

    Raises:
        UserError: it cannot be read, or is no table.
    """
    try:
        text = path.read_bytes().decode("utf-8")
        start = "\ufeff" if text.startswith("\ufeff") else ""
        text = text.removeprefix(start)
        first = text.partition("\n")[0]
        mark = max(",;\t", key=first.count)
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=mark) if row]
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(
            f"{path} is not in UTF-8: save it as CSV in UTF-8, or export it again"
        ) from None
    except csv.Error as error:
        raise UserError(f"{path} is no CSV file ({error})") from None
    if len(rows) < 2 or len(rows[0]) < 2:
        raise UserError(f"{path} holds no table of students")
    header, *rows = [row + [""] * (len(rows[0]) - len(row)) for row in rows]
    return _Sheet(path, start, mark, "\r\n" if first.endswith("\r") else "\n", header, rows)


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


def _find_students(table: _Sheet, results: dict[str, dict[str, str]]) -> None:
    """Note in the table which column names the students, and for each row whose it is.

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
    for fields in zip(*(row[: len(table.header)] for row in table.rows), strict=True):
        numbers = [NUMBER.fullmatch(field.strip()) for field in fields]
        columns.append([by_number.get(n["number"]) if n else None for n in numbers])
    counts = [len({student for student in column if student}) for column in columns]
    table.place = counts.index(max(counts))
    table.students = columns[table.place]
    if not counts[table.place]:
        raise UserError(
            f"{table.path}: no number in it ends a graded student's folder (one is called "
            f"{next(iter(results))!r}); 'dalib-edu collect' gives folders such names"
        )


def _column(table: _Sheet, homework: str, column: str | None) -> int:
    """Return which column takes the points: of this name, or else the only one that is near it."""
    full = [name.strip().casefold() for name in table.header]
    plain = [OF_CANVAS.sub("", name.strip()).casefold() for name in table.header]
    for name in [column] if column else [homework, homework.split("_")[0], "Grade"]:
        places = [i for i in range(len(full)) if name.casefold() in (full[i], plain[i])]
        if len(places) == 1:
            return places[0]
    if column:
        # "Homework 2" is no beginning of "Homework 21".
        wanted = re.compile(rf"^{re.escape(column.casefold())}(?!(?<=\d)\d)")
    else:
        digits = int(re.search(r"\d+", homework)[0])
        words = rf"(?:hw|homework|assignment)\s*0*{digits}"
        wanted = re.compile(rf"(?<![^\W_]){words}(?![^\W_])")
    near = [i for i, name in enumerate(plain) if wanted.search(name)]
    if len(near) == 1:
        return near[0]
    known = ", ".join(repr(table.header[i]) for i in near or range(len(full)))
    problem = f"no single column {column!r}" if column else "it is not clear where the points go"
    raise UserError(f"{table.path}: {problem}; name one with --column, of {known}")


def _most_in_sheet(table: _Sheet, number: int) -> str | None:
    """Return how many points the LMS gives at most, None where the sheet does not say it.

    Moodle has a column for it, Canvas a row.
    """
    place, students = table.maximum(number), table.of_students()
    said = [] if place is None else [row[place] for row in students]
    said += [row[number] for row in table.rows if row not in students]
    return next((text for text in said if _number(text)), None)


def _refuse_others(table: _Sheet, number: int, most: float) -> None:
    """Raise ``UserError`` where the column that is to be filled holds no grades."""
    name = f"{table.path}: the column {table.header[number]!r}"
    if number == table.place:
        raise UserError(f"{name} names the students; name another one with --column")
    if _holds_maximum(table, number, most):
        raise UserError(f"{name} holds the maximum; name another one with --column")
    wrong = _no_grade(table, number, most)
    if wrong:
        what = f"holds {wrong!r}, which is no grade of {most:g} points"
        raise UserError(f"{name} {what}; name another one with --column")


def _holds_maximum(table: _Sheet, number: int, most: float) -> bool:
    """Return whether a column is Moodle's of the maximum, which stands behind the grades.

    Grades that are all the same have the maximum behind them, so they are not taken for it.
    """
    if table.maximum(number) is not None:
        return number == table.maximum(number)
    before = number - 1
    return before >= 0 and number == table.maximum(before) and not _no_grade(table, before, most)


def _no_grade(table: _Sheet, number: int, most: float) -> str | None:
    """Return the first field of a student's in a column that cannot be a grade."""
    for row in table.of_students():
        text = row[number].strip()
        value = _number(text)
        if text not in NO_GRADE and (value is None or value > 2 * most):
            return text
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
