"""Sheets as Moodle and Canvas export them: the points arrive, and nothing else changes."""

import csv
import io
import zipfile

import pytest

from dalib_edu.instructor import give_back, intake
from dalib_edu.instructor.results import Result, grades_csv
from dalib_edu.settings import UserError

HW = "hw2_dann_drawings"
ADA, BOB, EVE, ZOE = "Ada Lovelace_1234567", "Bob_7", "Eve_Mallory_31", "Zoë Ötz_12"
MOODLE = """\ufeffIdentifier,"Full name","Email address",Status,Grade,"Maximum Grade",Changed
"Participant 1234567","Ada Lovelace",a@x.edu,Submitted,,100.00,-
"Participant 31","Eve Mallory",e@x.edu,Submitted,,100.00,-
"Participant 7",Bob,b@x.edu,Submitted,,100.00,-
"Participant 99","Nobody, N.",n@x.edu,"No submission",,100.00,-
"""
CANVAS = """Student,ID,SIS Login ID,Section,hw1_m3sda (41),hw2_dann_drawings (42),Current Score
,,,,,Manual Posting,
    Points Possible,,,,40,20,(read only)
"Lovelace, Ada",1234567,ada@x.edu,A,31,,50
Bob,7,31,A,30,3,50
"""


def result(student, score, manual=0.0, reason="", homework=HW):
    status = "malformed" if score is None else "graded"
    most = None if score is None else 40
    return Result(student, homework, status, reason, score, most, manual)


@pytest.fixture
def graded(tmp_path):
    results = [
        result(ADA, 33.0),
        result(ADA, 1.0, homework="hw1_m3sda"),
        result(BOB, 0.0),
        result(EVE, 20.0, manual=4.0),
        result(ZOE, None, reason="the notebook is empty"),
    ]
    folder = tmp_path / "graded"
    folder.mkdir()
    (folder / "grades.csv").write_text(grades_csv(results), encoding="utf-8")
    for each in results:
        page = folder / "feedback" / each.student / each.assignment / f"{each.assignment}.html"
        page.parent.mkdir(parents=True)
        page.write_text(f"{each.student} {each.assignment}", encoding="utf-8")
    return folder


@pytest.fixture
def sheet(tmp_path):
    def write(text, name="sheet.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def table(text, mark=","):
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff")), delimiter=mark))


def moodle_owner(path):
    """Return whose a feedback file is, and its name, by the rule of Moodle's importer."""
    _, number, kind, plugin, name = path.split("_", 4)
    assert (kind, plugin) == ("assignsubmission", "file")
    return int(number), name


def test_moodles_worksheet_is_filled(graded, sheet):
    given = give_back.give_back(sheet(MOODLE), HW, graded)
    expected = table(MOODLE)
    expected[1][4], expected[3][4] = "82.5", "0"  # 33 and 0 of 40, scaled to 100
    assert table(given.sheet.read_text(encoding="utf-8")) == expected
    assert given.filled == [ADA, BOB]
    assert given.notes == [
        "scaled: 40 points of the homework to 100",
        f"left out: {EVE} (answers wait for a person)",
        f"not in the sheet: {ZOE}",
        "in the sheet, not graded: Nobody, N. (No submission)",
    ]


def test_spreadsheets_marks_are_kept(graded, sheet):
    path = sheet("")
    path.write_bytes(MOODLE.replace("\n", "\r\n").encode())
    written = give_back.give_back(path, HW, graded).sheet.read_bytes()
    assert written.startswith(b"\xef\xbb\xbfIdentifier,")
    assert written.count(b"\r\n") == written.count(b"\n") == 5
    plain = give_back.give_back(sheet(CANVAS), HW, graded).sheet.read_bytes()
    assert plain.startswith(b"Student,")
    assert b"\r" not in plain


def test_grades_that_others_replace_are_counted(graded, sheet):
    before = MOODLE.replace("a@x.edu,Submitted,,", "a@x.edu,Submitted,82.50,")
    given = give_back.give_back(sheet(before.replace("b@x.edu,Submitted,,", "b,S,3,")), HW, graded)
    assert "replaced: 1 grades that were in the sheet, by others" in given.notes


def test_an_excused_student_stays_so(graded, sheet):
    excused = CANVAS.replace("Bob,7,31,A,30,3,50", "Bob,7,31,A,30,EX,50")
    given = give_back.give_back(sheet(excused), HW, graded)
    rows = table(given.sheet.read_text(encoding="utf-8"))
    assert [row[5] for row in rows][3:] == ["16.5", "EX"]
    assert given.filled == [ADA]
    assert f"left as it is: {BOB} (excused)" in given.notes


def test_who_was_not_graded_is_named_up_to_ten(graded, sheet):
    rows = "".join(f'"No {i} One",{100 + i},,,,,\n' for i in range(12))
    given = give_back.give_back(sheet(CANVAS + '"Student, Test",9,,,,,\n' + rows), HW, graded)
    first = given.notes.index("in the sheet, not graded: No 0 One")
    assert given.notes[first + 9 :] == ["in the sheet, not graded: No 9 One", "... and 2 more"]


def test_exactly_ten_who_were_not_graded_are_all(graded, sheet):
    rows = "".join(f'"No {i} One",{100 + i},,,,,\n' for i in range(10))
    given = give_back.give_back(sheet(CANVAS + rows), HW, graded)
    assert given.notes[-1] == "in the sheet, not graded: No 9 One"


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ("Participant 8,Al Two 2,a@x.edu,", "Al Two 2"),  # a name may end in a number, too
        ("Participant 8,,a@x.edu,Draft", "a@x.edu (Draft)"),
        ("Participant 8,12,-,", "Participant 8"),
    ],
)
def test_who_was_not_graded_is_called_what_the_row_says(graded, sheet, row, name):
    text = f"Id,Full name,Email,Status,Grade\nParticipant 7,Bob,b@x.edu,Submitted,\n{row},\n"
    given = give_back.give_back(sheet(text), HW, graded)
    assert given.notes[-1] == f"in the sheet, not graded: {name}"


def test_moodle_finds_whose_each_page_is(graded, sheet):
    given = give_back.give_back(sheet(MOODLE), HW, graded)
    with zipfile.ZipFile(given.pages) as pages:
        found = {moodle_owner(name): pages.read(name).decode() for name in pages.namelist()}
    page = f"{HW}.html"
    assert found == {(1234567, page): f"{ADA} {HW}", (7, page): f"{BOB} {HW}"}


def test_a_submission_without_points_is_named_and_keeps_its_field(graded, sheet):
    given = give_back.give_back(sheet("Id,Grade\nParticipant 12,3\n"), HW, graded)
    assert given.sheet.read_text() == "Id,Grade\nParticipant 12,3\n"
    assert f"no points: {ZOE} (the notebook is empty)" in given.notes
    with zipfile.ZipFile(given.pages) as pages:
        assert [moodle_owner(name)[0] for name in pages.namelist()] == [12]


def test_unfinished_points_are_given_where_that_is_asked(graded, sheet):
    given = give_back.give_back(sheet(MOODLE), HW, graded, unfinished=True)
    assert given.filled == [ADA, EVE, BOB]
    with zipfile.ZipFile(given.pages) as pages:
        assert {moodle_owner(name)[0] for name in pages.namelist()} == {7, 31, 1234567}


@pytest.mark.parametrize("mark", [",", ";"])
def test_canvas_gradebook_is_filled(graded, sheet, mark):
    text = io.StringIO()
    csv.writer(text, delimiter=mark).writerows(table(CANVAS))
    given = give_back.give_back(sheet(text.getvalue()), HW, graded)
    expected = table(CANVAS)
    expected[3][5], expected[4][5] = "16.5", "0"  # of 20
    assert table(given.sheet.read_text(encoding="utf-8"), mark) == expected
    assert given.pages is None


def test_a_column_of_another_name_or_language(graded, sheet):
    french = MOODLE.replace("Participant", "Participant·e").replace(",Grade,", ",Note,")
    french = french.replace("Maximum Grade", "Note maximale").replace("100.00", '"100,00"')
    path = sheet(french)
    with pytest.raises(UserError, match=r"--column, of 'Identifier'.*'Note'"):
        give_back.give_back(path, HW, graded)
    given = give_back.give_back(path, HW, graded, column="note")
    assert [row[4] for row in table(given.sheet.read_text(encoding="utf-8"))][1:] == [
        *("82,5", "", "0", "")  # of 100, as the site writes numbers
    ]
    assert given.notes[0] == "scaled: 40 points of the homework to 100"


def test_a_sheet_without_a_maximum_says_so(graded, sheet):
    given = give_back.give_back(sheet("Id,Grade\nParticipant 7,\nParticipant 8,\n"), HW, graded)
    said = "the sheet does not say how many points the LMS gives: they are left as they are, of 40"
    assert given.notes[0] == said
    assert given.filled == [BOB]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # the same grade for all, behind a number: it is a grade, and no maximum
        (
            'Id,No,Grade,Best\nParticipant 1234567,8,50,"100,00"\nParticipant 8,9,50,"100,00"\n',
            ["82,5", "50"],
        ),
        # another column in which all have the same number, behind an empty one
        ("Id,No,Year,Grade,Best\nParticipant 1234567,,2026,,20.00\n", ["16.5"]),
    ],
)
def test_the_maximum_is_right_behind_the_grades(graded, sheet, text, expected):
    given = give_back.give_back(sheet(text), HW, graded)
    header, *rows = table(given.sheet.read_text(encoding="utf-8"))
    assert [row[header.index("Grade")] for row in rows] == expected


def test_a_grade_up_to_twice_the_maximum_is_replaced(graded, sheet):
    given = give_back.give_back(sheet(CANVAS.replace("A,30,3,50", "A,30,80,50")), HW, graded)
    assert "replaced: 1 grades that were in the sheet, by others" in given.notes


def test_grades_may_be_the_first_column(graded, sheet):
    given = give_back.give_back(sheet("Grade,Id,Other,Empty\n50,Participant 7,,\n"), HW, graded)
    assert given.sheet.read_text() == "Grade,Id,Other,Empty\n0,Participant 7,,\n"


@pytest.mark.parametrize("behind", ["100,50", "0,0", "Ja,Ja", "-,-"])
def test_what_is_behind_the_grades_may_be_no_maximum(graded, sheet, behind):
    one, two = behind.split(",")
    text = f"Id,Grade,Other\nParticipant 7,,{one}\nParticipant 8,,{two}\n"
    given = give_back.give_back(sheet(text), HW, graded)
    assert given.most == 40
    assert given.sheet.read_text() == text.replace("7,,", "7,0,")


@pytest.mark.parametrize(
    ("title", "column"),
    [
        ("Homework 2 (42)", "Homework 2"),
        ("Homework 2: DANN (42)", "homework 2"),
        ("Homework 2: DANN (42)", None),
        ("Drawings, HW02 (42)", None),
        ("assignment 2 (v1) (42)", None),
        ("hw2_drawings (42)", None),
    ],
)
def test_canvas_titles_are_found_by_their_number(graded, sheet, title, column):
    text = CANVAS.replace(f"{HW} (42)", f'"{title}"').replace("hw1_m3sda (41)", "Homework 12 (41)")
    given = give_back.give_back(sheet(text), HW, graded, column=column)
    rows = table(given.sheet.read_text(encoding="utf-8"))
    assert [row[5] for row in rows][3:] == ["16.5", "0"]


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        (MOODLE, "Identifier", "'Identifier' names the students; name another one with --column"),
        (MOODLE, "Full name", "'Full name' holds 'Ada Lovelace', which is no grade of 100 points"),
        (MOODLE, "Maximum Grade", "'Maximum Grade' holds the maximum"),
        (MOODLE.replace("Maximum Grade", "Bestwertung"), "Bestwertung", "holds the maximum"),
        (CANVAS, "ID", "'ID' names the students"),
        (CANVAS, "SIS", "'SIS Login ID' holds 'ada@x.edu', which is no grade of 40 points"),
        (CANVAS.replace("ada@x.edu", "812"), "SIS Login ID", "holds '812', which is no grade"),
        (CANVAS, "Student", "'Student' holds 'Lovelace, Ada', which is no grade"),
        (CANVAS.replace(f"{HW} (42)", "Homework 21 (42)"), "Homework 2", "no single column 'Home"),
        (CANVAS.replace(f"{HW} (42)", "hw2b (42)"), None, "not clear where the points go"),
        (CANVAS.replace(f"{HW} (42)", "myhw2 (42)"), None, "not clear where the points go"),
        (
            CANVAS.replace(f"{HW} (42)", "HW 2 late (42)").replace("hw1_m3sda", "HW 2"),
            None,
            "not clear .* of 'HW 2 .41.', 'HW 2 late .42.'$",
        ),
        (CANVAS.replace("31,A,30,3,50", "31,A,30,81,50"), None, "'81', which is no grade of 40"),
        (CANVAS.replace("31,A,30,3,50", "31,A,30,B+,50"), None, r"holds 'B\+', which is no grade"),
        (CANVAS, "S", "no single column 'S'; name one .* of 'Student', 'SIS Login ID', 'Section'$"),
    ],
)
def test_a_column_that_holds_no_grades_is_not_filled(graded, sheet, text, column, message):
    with pytest.raises(UserError, match=message) as caught:
        give_back.give_back(sheet(text), HW, graded, column=column)
    assert "\n" not in str(caught.value)
    assert not (graded / "returned").exists()


def test_folders_from_the_lms_are_found_again(tmp_path, sheet):
    archive = tmp_path / "class.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.writestr(f"Ada L_5_assignsubmission_file_/{HW}.ipynb", "{}")
    (student,) = intake.collect(archive, HW, tmp_path / "in").students
    graded = tmp_path / "graded"
    graded.mkdir()
    (graded / "grades.csv").write_text(grades_csv([result(student, 4.0)]), encoding="utf-8")
    given = give_back.give_back(sheet("Id,Grade\nParticipant 5,\n"), HW, graded)
    assert given.sheet.read_text() == "Id,Grade\nParticipant 5,4\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no table"),
        ("Identifier,Grade\n", "no table"),
        ("Identifier,Grade\nParticipant 555,\n", "ends a graded student's folder"),
        ("Identifier,Grade,Grade\nParticipant 7,,\n", "not clear where the points go"),
        ("Identifier,Points\nParticipant 7,\n", "not clear where the points go"),
    ],
)
def test_a_sheet_that_cannot_be_filled_is_one_line(graded, sheet, text, message):
    with pytest.raises(UserError, match=message):
        give_back.give_back(sheet(text), HW, graded)
    assert not (graded / "returned").exists()


def test_other_bad_input_is_one_line(graded, sheet, tmp_path):
    path = sheet(MOODLE)
    with pytest.raises(UserError, match="No such file"):
        give_back.give_back(tmp_path / "none.csv", HW, graded)
    with pytest.raises(UserError, match="grade the class first"):
        give_back.give_back(path, HW, tmp_path)
    with pytest.raises(UserError, match="nothing of hw4_gta"):
        give_back.give_back(path, "hw4_gta", graded)
    with pytest.raises(UserError, match="no single column 'Mark'"):
        give_back.give_back(path, HW, graded, column="Mark")
    path.write_bytes(b"Identifier,Grade\nParticipant \xff7,\n")
    with pytest.raises(UserError, match="not in UTF-8: save it as CSV in UTF-8"):
        give_back.give_back(path, HW, graded)
    twins = grades_csv([result("Bob_7", 1.0), result("Bobby_7", 2.0)])
    (graded / "grades.csv").write_text(twins, encoding="utf-8")
    with pytest.raises(UserError, match="end in one number"):
        give_back.give_back(sheet(MOODLE), HW, graded)
