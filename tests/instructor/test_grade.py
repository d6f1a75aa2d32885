"""Grading a folder: one status a submission, and none touches another."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest

from dalib_edu.instructor import demo, execute, grade, take_in, warm
from dalib_edu.instructor.handed_in import FILES_LIMIT
from dalib_edu.instructor.results import grades_table
from dalib_edu.instructor.submissions import find_submissions, same_predictions
from dalib_edu.instructor.take_in import LARGEST_NOTEBOOK, NOTEBOOK_LIMIT
from dalib_edu.settings import UserError

pytestmark = pytest.mark.sandbox

FIXTURE = Path(__file__).parent / "fixture"
NAME = "hw0_tiny"
RIGHT = {"double_test": 4.0, "halve_test": 3.0, "why": 0.0}


def source_of(grade_id, text):
    return lambda notebook: demo.set_source(notebook, grade_id, text)


def files_in(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def rename(notebook):
    for number, cell in enumerate(notebook.cells):
        cell.id = f"other-{number}"
        cell.metadata = nbformat.NotebookNode()


def order(*places):
    """Move the first eight cells of a notebook."""

    def change(notebook):
        notebook.cells[:8] = [notebook.cells[place] for place in places]

    return change


def bloat(path, megabytes):
    """Give a notebook one output of so many million bytes, as a loop that prints does."""
    content = json.loads(path.read_text())
    text = "x" * megabytes * 10**6
    output = {"output_type": "stream", "name": "stdout", "text": text}
    next(c for c in content["cells"] if c["cell_type"] == "code")["outputs"] = [output]
    path.write_text(json.dumps(content))


def of_another(notebook):
    """Make most cells those of another homework, with one name in common, as several have."""
    common = "double"
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata and cell.metadata.nbgrader.grade_id != common:
            cell.metadata.nbgrader.grade_id = cell.id = cell.source = f"other_{cell.id}"


def in_a_folder(path):
    """Put a notebook and its file into a folder, as a zipped one unpacks, and another above."""
    inside = path.parent / "hw 0"
    inside.mkdir()
    for each in (path, path.with_name("submission.csv")):
        each.rename(inside / each.name)
    (path.parent / "notes.txt").write_text("mine")


GREEDY = "def halve(x):\n    bytearray(10**11)\n    return x / 2"
LOOP = "def halve(x):\n    while True:\n        pass"
KILLED = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
ABORTED = "import os\nos.abort()"


@pytest.fixture(scope="module")
def graded(tmp_path_factory, hand_in):
    root = tmp_path_factory.mktemp("class")
    folder, out = root / "submissions", root / "out"
    hand_in(folder, "right")
    hand_in(folder, "answered", source_of("why", "**Question.** Because of inverses."))
    hand_in(folder, "aborted", source_of("halve", ABORTED))
    hand_in(folder, "greedy", source_of("halve", GREEDY))
    hand_in(folder, "killed", source_of("halve", KILLED))
    hand_in(folder, "loop", source_of("halve", LOOP))
    hand_in(folder, "renamed", name="Homework 0 (final).ipynb")
    hand_in(folder, "stripped", rename)
    hand_in(folder, "untouched", solved=())
    hand_in(folder, "two_names", name="first.ipynb")
    hand_in(folder, "two_files", name="first.ipynb").with_name("second.ipynb").write_text("{}")
    hand_in(folder, "odd [name]")
    hand_in(folder, "cut").write_text('{"cells": [')
    hand_in(folder, "no_notebook").write_text('{"a": 1}')
    hand_in(folder, "list").write_text("[1]")
    hand_in(folder, "empty").write_text("")
    hand_in(folder, "binary").write_bytes(bytes(range(256)))
    hand_in(folder, "no_cells", lambda nb: nb.cells.clear())
    hand_in(folder, "odd_cells").write_text(
        json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [1]})
    )
    hand_in(folder, "deep").write_text("[" * 100_000)
    other = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")])
    hand_in(folder, "another_homework").write_text(nbformat.writes(other))
    hand_in(folder, "hw0_of_another", of_another)
    in_a_folder(hand_in(folder, "in_a_folder"))
    in_a_folder(hand_in(folder, "in_a_folder_and_renamed", name="mine.ipynb"))
    for name in ("hw0", "hw0_tiny-2"):
        shutil.copytree(hand_in(folder, f"twice {name}").parent, folder / f"twice {name}" / name)
    hand_in(folder, "both")
    (folder / "both" / NAME).rename(folder / "both" / "hw0")
    shutil.copytree(folder / "both" / "hw0", folder / "both" / "hw0_tiny-2")
    (hand_in(folder, "late").parent / "late.txt").write_text("The LMS says so.")
    hand_in(folder, "nothing").unlink()
    hand_in(folder, "tests_first", order(0, 4, 7, 1, 2, 3, 5, 6))
    hand_in(folder, "answer_last", order(0, 1, 2, 4, 5, 6, 7, 3))
    hand_in(folder, "stubs_moved", order(0, 4, 7, 1, 2, 3, 5, 6), solved=())
    bloat(hand_in(folder, "hundred_mb"), 100)
    with hand_in(folder, "brackets").open("w") as file:  # in memory it would take 20 times as much
        file.write("[" + "[]," * (NOTEBOOK_LIMIT // 2) + "[]]")
    hand_in(folder, "far_too_large").open("r+").truncate(LARGEST_NOTEBOOK + 1)
    place = hand_in(folder, "whole_data_set").parent
    (place / "data").mkdir()
    (place / "data" / "all.zip").open("w").truncate(FILES_LIMIT + 1)
    (folder / "unknown" / "hw9_none").mkdir(parents=True)
    # nbgrader's exchange, and a student's folder with the notebook alone
    for time, solved in (("2026-01-01 10:00:00", ()), ("2026-01-02 10:00:00", ("double", "halve"))):
        place = hand_in(root / "elsewhere" / time, "x", solved=solved)
        place.parent.rename(folder / f"sent+{NAME}+{time} UTC+abc")
    loose = hand_in(root / "loose", "x")
    (folder / "loose").mkdir()
    loose.rename(folder / "loose" / loose.name)
    (folder / "loose" / "submission.csv").write_text("id,label\n0,loose\n")
    # nbformat 3, as an old editor writes it
    old = nbformat.convert(nbformat.read(folder / "right" / NAME / f"{NAME}.ipynb", 4), 3)
    hand_in(folder, "old").write_text(nbformat.writes(old, version=3))
    (folder / "readme.txt").write_text("not a student")
    (folder / ".ipynb_checkpoints").mkdir()

    before = files_in(folder)
    with pytest.MonkeyPatch.context() as patch:
        configure = grade.configure

        def short_limits(config):
            configure(config)
            config.GradingExecute.timeout = 3
            return config

        patch.setattr(grade, "configure", short_limits)
        results = grade.grade(folder, out, root=FIXTURE)
    assert files_in(folder) == before
    assert not list(out.rglob("all.zip"))
    return {result.student: result for result in results}, out, len(results)


@pytest.mark.parametrize(
    ("student", "status", "reason", "score"),
    [
        ("right", "graded", "", 7),
        ("answered", "graded", "", 7),
        ("aborted", "crashed", "the kernel died of SIGABRT in cell halve", 4),
        ("greedy", "out of memory", "cell halve_test asked for more than there is", 4),
        ("killed", "out of memory", "the kernel was killed, most likely for want of memory", 4),
        ("loop", "timeout", "cell halve_test took more than 3 s", 4),
        ("renamed", "graded", "the notebook was called Homework 0 (final).ipynb", 7),
        ("stripped", "graded", "metadata of 3 cells restored", 7),
        ("untouched", "graded", "", 0),
        ("two_names", "graded", "the notebook was called first.ipynb", 7),
        ("two_files", "malformed", "it could be any of first.ipynb, second.ipynb", None),
        ("odd [name]", "malformed", "the folder name may hold only letters", None),
        ("cut", "malformed", "no valid JSON", None),
        ("no_notebook", "malformed", "the file is no notebook", None),
        ("list", "malformed", "the file is no notebook", None),
        ("empty", "malformed", "the notebook is empty", None),
        ("binary", "malformed", "no valid JSON", None),
        ("no_cells", "malformed", "the notebook has no cells", None),
        ("odd_cells", "malformed", "the notebook", None),
        ("deep", "malformed", "no valid JSON", None),
        ("another_homework", "malformed", "no cell of the homework is in the notebook", None),
        (
            "hw0_of_another",
            "malformed",
            "only 1 of the homework's 5 cells are in the notebook",
            None,
        ),
        ("in_a_folder", "graded", "the notebook was in the folder hw 0", 7),
        (
            "in_a_folder_and_renamed",
            "graded",
            "mine.ipynb, not hw0_tiny.ipynb; the notebook was",
            7,
        ),
        ("twice hw0", "graded", "not graded: hw0 beside it", 7),
        ("twice hw0_tiny-2", "graded", "not graded: hw0_tiny-2 beside it", 7),
        ("both", "malformed", "more than once, as hw0, hw0_tiny-2; keep one", None),
        ("late", "graded", "handed in late", 7),
        ("tests_first", "graded", "cell double_test stood before its answer", 7),
        ("answer_last", "graded", "cell double_test stood before its answer", 7),
        ("stubs_moved", "graded", "cell halve_test stood before its answer", 0),
        ("hundred_mb", "graded", "the notebook had 100 MB; its outputs were taken out", 7),
        ("brackets", "malformed", "the notebook has 75 MB and its outputs cannot be taken", None),
        ("far_too_large", "malformed", "the notebook has 300 MB; clear its outputs", None),
        ("whole_data_set", "graded", "left out: all.zip (beside a notebook, 100 MB", 7),
        ("nothing", "malformed", "there is no notebook; hw0_tiny.ipynb was expected", None),
        ("unknown", "malformed", "there is no homework 'hw9_none'", None),
        ("sent", "graded", "", 7),
        ("loose", "graded", "", 7),
        ("old", "graded", "", 7),
    ],
)
def test_each_submission_has_one_status(graded, student, status, reason, score):
    result = graded[0][student]
    assert (result.status, result.score) == (status, score), result
    assert reason in result.reason
    assert bool(reason) == bool(result.reason) or student == "old"
    assert "\n" not in result.reason


def test_every_submission_is_there_once(graded):
    results, _, count = graded
    assert count == len(results) == 40


def test_prose_is_left_to_a_person(graded):
    results, _, _ = graded
    assert results["answered"].exercises == {"double_test": 4.0, "halve_test": 3.0, "why": None}
    assert results["answered"].manual_points == 3
    assert list(results["right"].exercises.items()) == list(RIGHT.items())
    assert results["right"].manual_points == 0


def test_the_csv_says_all_of_it(graded):
    results, out, _ = graded
    with open(out / "grades.csv", newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert set(rows) == set(results)
    assert list(rows["right"]) == [
        *("student", "assignment", "status", "reason", "score", "max_score", "manual_points"),
        *("double_test", "halve_test", "why"),
    ]
    assert rows["answered"] == {
        "student": "answered",
        "assignment": NAME,
        "status": "graded",
        "reason": "",
        "score": "7",
        "max_score": "10",
        "manual_points": "3",
        "double_test": "4",
        "halve_test": "3",
        "why": "",
    }
    assert rows["cut"]["score"] == rows["cut"]["double_test"] == ""


def test_everyone_gets_a_page(graded):
    results, out, _ = graded
    pages = sorted(p.parent.parent.name for p in out.glob("feedback/*/*/*.html"))
    named = sorted(re.sub(r"^odd _name_ [0-9a-f]{8}$", "odd [name]", page) for page in pages)
    assert named == sorted(results)  # under a name that nobody else has
    page = (out / "feedback" / "cut" / NAME / f"{NAME}.html").read_text()
    assert "could not be graded: the file is no valid JSON" in page


def test_the_predictions_beside_a_notebook_go_along_unchanged(graded):
    _, out, _ = graded
    for student, label in (
        *(("right", "right"), ("loose", "loose"), ("sent", "x")),
        *(("in_a_folder", "in_a_folder"), ("late", "late")),
    ):
        for folder in ("submitted", "autograded"):
            path = out / folder / student / NAME / "submission.csv"
            assert path.read_text() == f"id,label\n0,{label}\n"


def test_feedback_holds_the_page_alone(graded):
    _, out, _ = graded
    assert (out / "autograded" / "in_a_folder" / NAME / "notes.txt").read_text() == "mine"
    pages = {p for p in (out / "feedback").rglob("*") if not p.is_dir()}
    assert {p.suffix for p in pages} == {".html"}


def test_the_table_is_aligned(graded):
    lines = grades_table([graded[0]["right"], graded[0]["greedy"]]).split("\n")
    assert lines == [
        "student  homework  status         score  of  to grade  reason",
        "right    hw0_tiny  graded             7  10         0",
        "greedy   hw0_tiny  out of memory      4  10         0  "
        "cell halve_test asked for more than there is",
    ]


def test_grading_again_keeps_what_a_person_gave(tmp_path, hand_in):
    from nbgrader.api import Gradebook

    folder, out = tmp_path / "submissions", tmp_path / "out"
    hand_in(folder, "s", source_of("why", "**Question.** Because of inverses."))
    grade.grade(folder, out, root=FIXTURE)
    with Gradebook(f"sqlite:///{out}/gradebook.db") as gradebook:
        given = gradebook.find_grade("why", NAME, NAME, "s")
        given.manual_score, given.needs_manual_grade = 2.0, False
        gradebook.db.commit()
    result = grade.grade(folder, out, root=FIXTURE)[0]
    assert (result.score, result.manual_points) == (9, 0)
    path = folder / "s" / NAME / f"{NAME}.ipynb"
    path.write_text(path.read_text().replace("Because of", "For the sake of"))
    result = grade.grade(folder, out, root=FIXTURE)[0]
    assert (result.score, result.manual_points) == (9, 3)  # the points stay, and somebody looks


def test_the_same_predictions_are_noted_and_cost_nothing(tmp_path, hand_in):
    folder = tmp_path / "submissions"
    for student in ("a", "b", "c", "d", "e"):
        place = hand_in(folder, student).parent
        if student != "b":
            (place / "submission.csv").write_text("id,label\n0,3\n")
    for student in ("f", "g", "h"):
        (hand_in(folder, student).parent / "submission.csv").write_text("")
    hand_in(folder, "i", name="none.ipynb").rename(folder / "i" / NAME / "x.txt")
    (folder / "i" / NAME / "submission.csv").write_text("id,label\n0,3\n")
    known = {h.name: h for h in grade.homeworks_in(FIXTURE, None)}
    found = find_submissions(folder)
    notes = {s.student: note for s, note in same_predictions(found, known).items()}
    same = "submission.csv is the same file as "
    assert notes == {
        "a": same + "c's, d's, e's and 1 more",
        "c": same + "a's, d's, e's and 1 more",
        "d": same + "a's, c's, e's and 1 more",
        "e": same + "a's, c's, d's and 1 more",
        "i": same + "a's, c's, d's and 1 more",
    }
    for student in ("c", "d", "f", "g", "h", "i"):
        shutil.rmtree(folder / student)
    results = grade.grade(folder, tmp_path / "out", root=FIXTURE)
    assert [(r.student, r.score, r.reason) for r in results] == [
        ("a", 7, same + "e's"),
        ("b", 7, ""),
        ("e", 7, same + "a's"),
    ]
    assert same + "e's" in (tmp_path / "out" / "grades.csv").read_text()
    page = (tmp_path / "out" / "feedback" / "a" / NAME / f"{NAME}.html").read_text()
    assert "same file" not in page


SWALLOWS = """
def halve(x, seen=[]):
    if not seen:
        seen.append(x)
        try:
            while True:
                pass
        except KeyboardInterrupt:
            pass
    return x / 2
"""


def test_a_test_that_took_too_long_has_failed_even_if_it_says_nothing(
    tmp_path, hand_in, monkeypatch
):
    configure = grade.configure

    def short_limits(config):
        configure(config)
        config.GradingExecute.timeout = config.GradingExecute.first_timeout = 10
        return config

    monkeypatch.setattr(grade, "configure", short_limits)
    hand_in(tmp_path / "submissions", "s", source_of("halve", SWALLOWS))
    (result,) = grade.grade(tmp_path / "submissions", tmp_path / "out", root=FIXTURE)
    assert (result.status, result.score) == ("timeout", 4)
    assert result.reason == "cell halve_test took more than 10 s"


LENT = """
from dalib_edu.check import hw0 as check0
def accuracy(predictions, labels):
    while True: {body}
accuracy = check0.accuracy.pick_from(globals())
"""


@pytest.mark.sandbox
def test_a_loop_that_never_ends_costs_little_time_and_nobody_elses_points(
    tmp_path, project, hand_in, monkeypatch
):
    """It says so; what comes after it goes on with the course's own; a starved run is repeated."""
    config = "c.GradingExecute.timeout, c.GradingExecute.first_timeout = 9, 20\n"
    config += "c.GradingExecute.later_timeout = 2\n"
    (project / "course" / grade.CONFIG_FILE).write_text(grade.CONFIG + config)
    for student, body in (("spins", "pass"), ("sleeps", "__import__('time').sleep(1)")):

        def change(notebook, body=body):
            demo.set_source(notebook, "halve", f"def halve(x):\n    while True: {body}")
            notebook.cells.append(nbformat.v4.new_code_cell(LENT.format(body=body)))
            notebook.cells.append(nbformat.v4.new_code_cell("print('still', 'here')"))

        hand_in(tmp_path / "submissions", student, change)
    monkeypatch.setattr(execute, "STARVED", 0.15)  # other tests take much of the machine
    alone, grade_one = [], grade.grade_one
    monkeypatch.setattr(grade, "grade_one", lambda *a: alone.append(a[0].student) or grade_one(*a))
    monkeypatch.setattr(
        grade, "parallel", lambda f, args, **_: ((i, grade_one(*a)) for i, a in enumerate(args))
    )
    folder, out = tmp_path / "submissions", tmp_path / "out"
    results = grade.grade(folder, out, root=project, jobs=2)
    assert [(r.student, r.status, r.score, r.reason) for r in results] == [
        (student, "timeout", 4, "cell halve_test took more than 9 s")
        for student in ("sleeps", "spins")
    ]
    assert alone == ["sleeps"]
    for result in results:
        assert result.seconds > 9
        notebook = (out / "autograded" / result.student / NAME / f"{NAME}.ipynb").read_text()
        assert "still here" in notebook
        assert notebook.count("CellTimeoutError: it took more than 2 s") == 1  # of the later one
        assert "accuracy: going on with the course's own version" in notebook
        page = out / "feedback" / result.student / NAME / f"{NAME}.html"
        text = demo.page_text(page.read_text())
        assert "How the run went: timeout. cell halve_test took more than 9 s." in text
    assert not any(result.starved for result in results)


def test_a_notebook_without_ids_is_read_in_silence(tmp_path, hand_in, recwarn):
    path = hand_in(tmp_path, "s")
    content = json.loads(path.read_text())
    for cell in content["cells"]:
        del cell["id"]
        cell["metadata"] = {}
    for minor in (4, 5):
        path.write_text(json.dumps({**content, "nbformat_minor": minor}))
        take_in._read_notebook(path)
    assert [str(w.message) for w in recwarn] == []


def test_one_homework_can_be_chosen(tmp_path, hand_in):
    folder = tmp_path / "submissions"
    hand_in(folder, "s")
    (folder / "s" / "hw9_other").mkdir()
    results = grade.grade(folder, tmp_path / "out", homeworks=["hw0"], root=FIXTURE)
    assert [(r.student, r.assignment) for r in results] == [("s", NAME)]


def student_alone(place):
    (place / NAME).mkdir(parents=True)
    (place / NAME / f"{NAME}.ipynb").write_text("{}")


def course_folder(place):
    (place / "submitted" / "s" / NAME).mkdir(parents=True)
    (place / grade.CONFIG_FILE).write_text(grade.CONFIG)


@pytest.mark.parametrize(
    ("make", "out", "message"),
    [
        (lambda p: None, "out", "submissions: no such folder"),
        (
            lambda p: p.mkdir(),
            "out",
            "must hold STUDENT/HOMEWORK/NOTEBOOK.ipynb, and there is none",
        ),
        (lambda p: (p / "s" / NAME).mkdir(parents=True), "submissions", "lie in each other"),
        (lambda p: (p / "s" / NAME).mkdir(parents=True), "submissions/s/x", "lie in each other"),
        (lambda p: (p / "s" / NAME).mkdir(parents=True), ".", "lie in each other"),
        (student_alone, "out", "submissions holds hw0_tiny, a homework, in the place of a stud"),
        (course_folder, "out", r"is a course's folder: .* \(its 'submitted', perhaps\)"),
        (lambda p: (p / "s" / "x").mkdir(parents=True), "out", r"is known \(x\); the folder that"),
        (lambda p: (p / "s" / NAME).mkdir(parents=True), "full", "holds other things"),
        (lambda p: (p / "s" / NAME).mkdir(parents=True), "full/notes.txt", "is a file"),
    ],
)
def test_a_bad_call_gives_one_line_and_writes_nothing(tmp_path, make, out, message):
    make(tmp_path / "submissions")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    before = files_in(tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        grade.grade(tmp_path / "submissions", tmp_path / out, root=FIXTURE)
    assert "\n" not in str(caught.value)
    assert files_in(tmp_path) == before


def test_the_courses_own_settings_hold(tmp_path, project, hand_in):
    path = project / "course" / "nbgrader_config.py"
    path.write_text(grade.CONFIG + "c.GradingExecute.timeout = 3\n")
    hand_in(tmp_path / "in", "s", source_of("halve", LOOP))
    (result,) = grade.grade(tmp_path / "in", tmp_path / "out", root=project)
    assert (result.status, result.score) == ("timeout", 4)
    assert result.seconds < 60  # by default it would be two minutes
    assert (tmp_path / "out" / path.name).read_text() == path.read_text()  # for the formgrader
    path.write_text("c = get_confg()")
    with pytest.raises(UserError, match=r"nbgrader_config.py cannot be read \(NameError: name"):
        grade.grade(tmp_path / "in", tmp_path / "new", root=project)


def test_control_c_stops_the_class(tmp_path, hand_in, monkeypatch):
    """nbgrader takes it for a fault of the submission and goes on with the next."""

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(execute.GradingExecute, "preprocess", interrupted)
    hand_in(tmp_path / "submissions", "s")
    with pytest.raises(KeyboardInterrupt):
        grade.grade(tmp_path / "submissions", tmp_path / "out", root=FIXTURE)


UNREADABLE = """
import os, sys, tempfile
from pathlib import Path
from types import SimpleNamespace
from dalib_edu.instructor import grade
from dalib_edu.instructor.build import homeworks_in
from dalib_edu.instructor.submissions import find_submissions, fingerprint, notes, one_each

known = {h.name: h for h in homeworks_in(Path(sys.argv[2]), None)}
if os.geteuid() == 0:  # who may read everything
    os.setgid(65534)
    os.setuid(65534)
found = one_each(find_submissions(Path(sys.argv[1])), known)
assert notes(found, known) == {}
api = SimpleNamespace(coursedir=SimpleNamespace(root=tempfile.mkdtemp()))
for each in found:
    fingerprint(each, known)
    result = grade.run_submission(each, known, api)
    print(result.student, result.assignment, result.status, result.reason.split(" [E")[0], sep="|")
"""


def test_what_cannot_be_read_is_malformed_and_the_class_goes_on(hand_in):
    with tempfile.TemporaryDirectory() as root:
        os.chmod(root, 0o755)
        paths = {name: hand_in(root, name) for name in ("file", "homework", "student")}
        locked = [paths["file"], paths["homework"].parent, paths["student"].parents[1]]
        for path in locked:
            path.chmod(0)
        command = [sys.executable, "-c", UNREADABLE, root, FIXTURE]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        for path in reversed(locked):
            path.chmod(0o755)
    assert run.stdout.splitlines() == [
        "file|hw0_tiny|malformed|it cannot be graded (PermissionError:",
        "homework|hw0_tiny|malformed|the folder cannot be read",
        "student|?|malformed|the folder cannot be read",
    ], run.stderr


def test_links_are_not_followed(tmp_path, hand_in):
    secret = tmp_path / "secret.txt"
    secret.write_text("not yours")
    place = hand_in(tmp_path / "submissions", "s").parent
    (place / "data.txt").symlink_to(secret)
    linked = hand_in(tmp_path / "submissions", "t")
    linked.rename(tmp_path / "t.ipynb")
    linked.symlink_to(tmp_path / "t.ipynb")
    s, t = grade.grade(tmp_path / "submissions", tmp_path / "out", root=FIXTURE)
    assert s.score == 7
    assert (t.status, t.reason) == ("malformed", "the notebook is a link")
    assert not list((tmp_path / "out").rglob("data.txt"))


def test_without_a_working_sandbox_the_class_stops_with_one_line(tmp_path, hand_in, monkeypatch):
    """It is no fault of the submissions: what was graded is kept, the others stay to be graded."""
    folder, out = tmp_path / "submissions", tmp_path / "out"
    hand_in(folder, "a")
    grade.grade(folder, out, root=FIXTURE)
    hand_in(folder, "b")

    def broken(*_):
        raise warm.NoSandbox("the sandbox does not start: bwrap: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(warm, "warm_zygote", broken)
        with pytest.raises(UserError) as caught:
            grade.grade(folder, out, root=FIXTURE, resume=True)
    assert str(caught.value) == (
        "the sandbox does not start: bwrap: No space left on device; "
        "when that is mended, go on with --resume"
    )
    results = grade.grade(folder, out, root=FIXTURE, resume=True)
    assert [(r.student, r.score) for r in results] == [("a", 7), ("b", 7)]


def test_a_sandbox_that_cannot_start_says_why(monkeypatch):
    command = ["sh", "-c", "echo bwrap: first >&2; echo second >&2; exit 1"]
    monkeypatch.setattr(warm, "wrap", lambda *_, **__: command)
    with pytest.raises(warm.NoSandbox, match=r"^the sandbox does not start: bwrap: first second$"):
        warm.Zygote(warm.Limits(), {})


ODD_NAMES = [
    b"=cmd|' calc'!A0",
    b"+1",
    b"-1",
    b"@SUM(A1)",
    b"O'Brien, Ana",
    b'"quoted",name',
    b"line\nbreak",
    b"\x1b[31mred",
    b"\xff\xfe",
    "Zo\u00eb \u202eevil".encode(),
    b"hidden.ipynb",
    b"%s{0}$HOME`id`",
    b"a;b&c|d*e?f",
    b"<script>",
    b"x" * 200,
]


def test_odd_names_break_nothing(tmp_path, hand_in):
    """Of students' folders, of what is in them, and of notebooks."""
    folder, out = tmp_path / "submissions", tmp_path / "out"
    hand_in(folder, "right")
    plain = (folder / "right" / NAME / f"{NAME}.ipynb").read_bytes()
    for number, name in enumerate(ODD_NAMES):
        student = os.path.join(os.fsencode(folder), name)
        os.makedirs(os.path.join(student, NAME.encode()))
        with open(os.path.join(student, NAME.encode(), NAME.encode() + b".ipynb"), "wb") as file:
            file.write(plain)
        inside = os.path.join(os.fsencode(folder), b"inside %d" % number, NAME.encode(), name)
        os.makedirs(inside)
        with open(os.path.join(inside, name + b".ipynb"), "wb") as file:
            file.write(plain)
    results = grade.grade(folder, out, root=FIXTURE)
    assert len(results) == 1 + 2 * len(ODD_NAMES)
    by_name = {result.student: result for result in results}
    assert len(by_name) == len(results)
    assert {by_name[f"inside {i}"].score for i in range(len(ODD_NAMES))} == {7.0}
    statuses = {r.status for r in results}
    assert statuses == {"graded", "malformed"}
    for text in (grades_table(results), (out / "grades.csv").read_text()):
        assert len(text.strip().split("\n")) == 1 + len(results)
        assert text.replace("\n", "").isprintable()
    with open(out / "grades.csv", newline="") as file:
        fields = [field for row in csv.reader(file) for field in row]
    assert not [field for field in fields if field.startswith(("=", "+", "-", "@"))]
    assert "'=cmd|' calc'!A0" in fields
    page = (out / "report.html").read_text()
    assert "<script" not in page
    assert grade.grade(folder, out, root=FIXTURE, resume=True) == results


def test_a_submission_whose_sandbox_is_lost_runs_once_more(tmp_path, hand_in, monkeypatch):
    begun = []

    def begin(*arguments):
        zygote, session = warm.begin(*arguments)
        begun.append(zygote)
        if len(begun) == 1:  # somebody ends it, which no submission can
            zygote.process.kill()
            zygote.process.wait()
        return zygote, session

    monkeypatch.setattr(execute, "begin", begin)
    hand_in(tmp_path / "in", "ada")
    (result,) = grade.grade(tmp_path / "in", tmp_path / "out", root=FIXTURE)
    assert (result.status, result.reason, result.exercises) == ("graded", "", RIGHT)
    assert len(begun) == 2
