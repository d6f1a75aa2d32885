"""The class report: figures that can be counted by hand, and who wrote the same as whom."""

import ast

import generated
import nbformat
import pytest

from dalib_edu.instructor import demo, report
from dalib_edu.instructor.build import find_root, homeworks_in, release_text
from dalib_edu.instructor.results import Result

NAME = "hw0_tiny"


def result(student, score, status="graded", causes=None, seconds=1.0, manual=0.0):
    exercises = {"double_test": score, "halve_test": 0.0, "why": None if manual else 0.0}
    return Result(
        *(student, NAME, status, "because" * (status != "graded"), score, 10.0, manual),
        *(exercises, causes or {}, seconds),
    )


CLASS = [
    result("ada", 7.0, manual=3.0),
    result("ben", 4.0, causes={"double_test": "no <minus>"}, seconds=9.0),
    result("cleo", 0.0, causes={"double_test": "no <minus>", "halve_test": "percent"}),
    result("dan", 4.0, "timeout", seconds=None),
    Result("eve", NAME, "malformed", "no notebook"),
]


def test_the_figures_are_those_of_the_class(tmp_path):
    page = report.class_report(CLASS, tmp_path, {})
    text = demo.page_text(page)
    assert "5 submissions; 1 have answers that a person grades." in text
    assert "graded 3" in text
    assert "dan timeout because" in text
    assert "eve malformed no notebook" in text
    assert "mean 45%, median 40%" in text  # of 7/7, 4/10, 0/10, 4/10
    assert "no <minus> (2)" in text
    assert "<minus>" not in page  # escaped
    assert text.index("halve_test 0 4") < text.index("double_test 3.75 1")  # the hardest first
    assert "Not graded yet: why." in text
    assert "why 0" not in text
    assert "Median 1 s a submission" in text
    assert "ben 9" in text
    assert page.count("<rect") == 10


def test_a_class_without_a_score_has_a_report():
    page = report.class_report([CLASS[-1]], None, {})
    assert "malformed" in page
    assert "<svg" not in page


def test_names_comments_and_layout_make_no_difference():
    one = report.shape_of("def f(x, y):\n    'text'\n    total = x + y  # sum\n    return total")
    other = report.shape_of("def f(a, b):\n    s = (a +\n         b)\n\n    return s")
    assert one == other != ""
    assert report.shape_of("def f(a, b):\n    s = a - b\n    return s") != one
    assert report.shape_of("def f(a, b):\n    s = b + a\n    return s") != one
    assert report.shape_of("no python") == ""
    assert report.shape_of("(" * 10_000) == ""


@pytest.mark.parametrize("copies", [True, False])
def test_the_same_code_is_pointed_out(tmp_path, source, release, project, copies):
    known = {h.name: h for h in homeworks_in(project)}
    mine = {
        "ada": ("def double(n):\n    return n * 2", "def halve(n):\n    return n * 0.5"),
        "ben": (
            "def double(m):\n    # mine\n    return m * 2",
            "def halve(q):\n    return q * 0.5",
        ),
        "cleo": (None, None),
        "dan": (None, None),
    }
    if not copies:
        mine["ben"] = ("def double(x):\n    return 2 * x", "def halve(x):\n    return x / 2.0")
    for student, texts in mine.items():
        cells = zip(("double", "halve"), texts, strict=True)
        notebook = demo.fill_in(release, {name: text for name, text in cells if text})
        path = tmp_path / "submitted" / student / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(nbformat.writes(notebook))
    path = tmp_path / "release" / NAME / f"{NAME}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(release_text(source, NAME))
    results = [result(student, 7.0) for student in mine]
    text = demo.page_text(report.class_report(results, tmp_path, known))
    assert ("ada ben 2 0 2" in text) == copies
    assert "cleo dan" not in text  # two stubs are no copies


def shapes_of(texts):
    return {exercise: report.shape_of(text) for exercise, text in texts.items()}


def tabled(homework):
    """Return a homework's honest answers by exercise, and the students' stubs."""
    source, release = generated._prepare(homework)
    honest = {}
    for exercise in demo.exercises_in(source):
        choices = generated._choices(homework.name, exercise.answer, source, whole=False)
        texts = [text for kind, text in choices if kind.startswith("alternative")]
        honest[exercise.answer] = sorted(set(texts))
    stubs = {c.id: c.source for c in release.cells if c.id in honest}
    return {e: texts for e, texts in honest.items() if texts}, shapes_of(stubs)


def a_line_more(text):
    """Return an answer with one more statement at the beginning of each function."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.body.insert(0, ast.parse("unused = 1 + 1").body[0])
    return ast.unparse(tree)


@pytest.mark.parametrize("homework", homeworks_in(find_root())[1:], ids=lambda h: h.name)
def test_who_changes_a_line_is_pointed_out_and_who_wrote_alone_is_not(homework):
    """Honest students: each exercise in a way that no other of them took."""
    honest, stubs = tabled(homework)
    number = min(map(len, honest.values()))
    students = {f"s{i}": {e: texts[i] for e, texts in honest.items()} for i in range(number)}
    copied = {e: a_line_more(text) for e, text in students["s0"].items()}
    answers = {name: shapes_of(texts) for name, texts in {**students, "copy": copied}.items()}
    enough = max(2, report.ALIKE * len(honest))
    pairs = report._pairs(answers, stubs)
    assert [(a, b) for a, b, same, near in pairs if same + near >= enough] == [("s0", "copy")]
