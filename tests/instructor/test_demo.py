"""The demo runs the loop for real, and fails where a figure is not what it must be."""

import copy
import csv
import io
from pathlib import Path

import nbformat
import pytest

from dalib_edu.instructor import demo
from dalib_edu.instructor.results import Result
from dalib_edu.settings import UserError

FIXTURE = Path(__file__).parent / "fixture"


def test_the_loop_runs_and_says_what_it_does(capsys, tmp_path):
    keep = tmp_path / "new" / "demo"
    results = demo.demo("hw0", FIXTURE, keep)
    assert (keep / "graded" / "report.html").is_file()
    assert sorted(p.name for p in (keep / "submitted").iterdir())[0] == "ada"
    with pytest.raises(UserError, match="demo: File exists; name a new folder"):
        demo.demo("hw0", FIXTURE, keep)
    assert {r.student: (r.status, r.score) for r in results} == {
        "ada": ("graded", 7),
        "ben": ("graded", 4),
        "cleo": ("graded", 0),
        "dan": ("crashed", 4),
        "eve": ("graded", 7),
        "fay": ("graded", 7),
    }
    text = capsys.readouterr().out
    for number in range(1, 7):
        assert f"\n{number}. " in text
    assert "all 6 right" in text
    rows = text[text.index("student,assignment,status") :].split("\n\n")[0]
    assert [row["status"] for row in csv.DictReader(io.StringIO(rows))] == [
        *("graded", "graded", "graded", "crashed", "graded", "graded")
    ]


def test_each_made_up_student_is_what_the_story_says(source, release):
    exercises = demo.exercises_in(source)
    assert exercises == [
        demo.Exercise("double", {"double_test": 4.0}),
        demo.Exercise("halve", {"halve_test": 3.0}),
    ]
    notebooks = {s.name: s.notebook for s in demo.small_class(source, release, exercises)}
    assert notebooks["cleo"] == release
    assert "raise NotImplementedError" in str(notebooks["cleo"].cells)
    assert "raise NotImplementedError" not in str(notebooks["ada"].cells)
    ids = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in notebooks["eve"].cells]
    assert ids.count("double") == ids.count("double_test") == 2
    fay = notebooks["fay"].cells[demo.find_cell(release, "double")].source
    calls: dict = {}
    exec(fay, calls)
    assert calls["double"](4) == 8


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (Result("ada", "hw0_tiny", "graded", "", 6.0), "ada must be graded, 7 and is graded, 6"),
        (Result("ada", "hw0_tiny", "timeout", "slow", 7.0), "is timeout, 7 .slow."),
        (Result("bob", "hw0_tiny", "graded", "", 7.0), "and is nothing"),
    ],
)
def test_a_wrong_figure_stops_the_demo(source, release, result, message):
    ada = demo.small_class(source, release, demo.exercises_in(source))[:1]
    with pytest.raises(UserError, match=message):
        demo.check_figures(ada, [result])


def test_a_leak_is_found_through_highlighting(source):
    page = (
        "<pre><span class='k'>assert</span> <span>double</span><span>(</span>"
        "<span>-</span>31337) == -62674, &quot;double(-31337) should be -62674&quot;</pre>"
    )
    assert demo.leaks(page, source) == [
        'assert double(-31337) == -62674, "double(-31337) should be -62674"'
    ]
    assert demo.leaks("<p>assert double(2) == 4</p>", source) == []


@pytest.mark.parametrize(
    ("grade_id", "stops"), [("cell-005", True), ("double_test", False), ("double", False)]
)
def test_a_cell_that_a_missed_exercise_blocks_stops_the_demo(source, grade_id, stops):
    notebook = copy.deepcopy(source)
    error = nbformat.v4.new_output("error", ename="NameError", evalue="x", traceback=[])
    notebook.cells[demo.find_cell(notebook, grade_id)].outputs = [error]
    if stops:
        with pytest.raises(UserError, match="cleo's run stops at `try:`: NameError: x"):
            demo.refuse_dead_ends("cleo", notebook)
    else:
        demo.refuse_dead_ends("cleo", notebook)
