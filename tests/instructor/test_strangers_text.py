"""Notebooks that nobody writes by accident: the class goes on, and nothing runs in a browser."""

import contextlib
import copy
import json
import signal
import subprocess
import time
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from nbconvert.exporters import HTMLExporter
from nbgrader.server_extensions.formgrader import handlers
from traitlets.config import Config

from dalib_edu.instructor import demo, grade, pages, time_limit
from dalib_edu.instructor.cells import without_markers
from dalib_edu.instructor.course import configure

FIXTURE, NAME = Path(__file__).parent / "fixture", "hw0_tiny"
SHOWS = """
from IPython.display import HTML, Javascript, display
display(HTML("<script>evil()</script><b>bold</b>"))
display(Javascript("evil()"))
display({"image/svg+xml": "<svg onload='evil()'></svg>", "text/plain": "x"}, raw=True)
display({"text/markdown": "<img src=x onerror=evil()>[a](javascript:evil())"}, raw=True)
display({"text/latex": "<script>evil()</script>"}, raw=True)
display({"image/png": "AAAA"}, metadata={"image/png": {"width": "1 onerror=evil()"}}, raw=True)
display({"text/plain": {"no": "text"}}, raw=True)
"""
PRINTS = "\nprint('\\ud800')"
FLOOD = """
from IPython.display import display
for _ in range(20_000): display({'text/plain': ''}, raw=True)
"""
MARKDOWN = (
    "<script>evil()</script> <img src=x onerror=evil()> [a](javascript:evil()) "
    "<a href=' javascript:evil()'>b</a> <a href='data:text/html,<script>evil()</script>'>c</a>\n\n"
    "```mermaid\ngraph TD; A--><img src=x onerror=evil()>\n```\n\n![x](attachment:gone.png)"
)


def cells(notebook):
    return {c["id"]: c for c in notebook["cells"]}


def deep(notebook):
    for _ in range(900):
        notebook["metadata"]["x"] = {"x": notebook["metadata"].get("x", {})}


def show(notebook):
    cells(notebook)["double"]["source"] += SHOWS


def write(notebook):
    new = {"cell_type": "markdown", "metadata": {}, "id": "new1", "source": MARKDOWN}
    raw = {"cell_type": "raw", "metadata": {"raw_mimetype": "text/html"}, "id": "new2"}
    notebook["cells"] += [new, {**raw, "source": "<script>evil()</script>"}]
    notebook["metadata"]["language_info"] = {"name": '"><script>evil()</script>'}
    for cell in notebook["cells"]:
        cell["metadata"]["magics_language"] = '"><script>evil()</script>'


def say(notebook):
    cells(notebook)["double"]["source"] = (
        "def double(x):\n    raise ValueError('<script>evil()</script>')"
    )


# What is done to a solved notebook, and the status and the score that it must end with.
TEXTS = {
    "deep": (deep, "graded", 7),
    "half_a_character": (
        lambda nb: cells(nb)["double"].update(
            source="x='\ud800'\n" + cells(nb)["double"]["source"]
        ),
        *("graded", 7),
    ),
    "null_cell": (lambda nb: nb["cells"].append(None), "malformed", None),
    "list_metadata": (lambda nb: nb["cells"][0].update(metadata=[1]), "malformed", None),
    "number_as_source": (lambda nb: nb["cells"][0].update(source=5), "malformed", None),
    "odd_mark": (lambda nb: cells(nb)["double"]["metadata"].update(nbgrader=5), "graded", 7),
    "odd_grade_id": (
        lambda nb: cells(nb)["double"]["metadata"]["nbgrader"].update(grade_id=["x"]),
        *("graded", 7),
    ),
    "odd_tags": (lambda nb: [c["metadata"].update(tags=5) for c in nb["cells"]], "graded", 7),
    "odd_outputs": (lambda nb: cells(nb)["double"].update(outputs=5), "graded", 7),
    "odd_record": (lambda nb: nb["metadata"].update(dalib_edu=[1]), "graded", 7),
    "other_kernel": (lambda nb: nb["metadata"].update(kernelspec={"name": "../x"}), "graded", 7),
    "many_cells": (lambda nb: nb.update(cells=nb["cells"] * 300), "malformed", None),
    "much_text": (lambda nb: nb["cells"][0].update(source="x" * 6_000_000), "malformed", None),
    "long_sum": (
        lambda nb: cells(nb)["halve"].update(
            source=cells(nb)["halve"]["source"] + "\ndef f():\n    return " + "1+" * 900 + "1"
        ),
        *("graded", 7),
    ),
    "slow_page": (
        lambda nb: nb["cells"].append(
            {"cell_type": "markdown", "metadata": {}, "id": "slow", "source": "[" * 200_000}
        ),
        *("graded", 7),
    ),
    "half_a_character_printed": (
        lambda nb: cells(nb)["double"].update(source=cells(nb)["double"]["source"] + PRINTS),
        *("graded", 7),
    ),
    "many_outputs": (
        lambda nb: cells(nb)["double"].update(source=cells(nb)["double"]["source"] + FLOOD),
        *("graded", 7),
    ),
    "escapes": (
        lambda nb: nb["cells"].append(
            {
                **{"cell_type": "code", "metadata": {}, "id": "esc", "outputs": []},
                **{"execution_count": None, "source": "#\x1b]0;owned\x07\nimport os; os._exit(3)"},
            }
        ),
        *("crashed", 7),
    ),
    "active_outputs": (show, "graded", 7),
    "active_text": (write, "graded", 7),
    "active_error": (say, "graded", 3),
    "z_honest": (lambda nb: None, "graded", 7),
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory, source, release):
    folder = tmp_path_factory.mktemp("strangers")
    texts = {c.id: without_markers(c.source) for c in source.cells if c.id in ("double", "halve")}
    solved = json.loads(nbformat.writes(demo.fill_in(release, texts)))
    for cell in solved["cells"]:
        cell["source"] = "".join(cell["source"])
    for student, (change, *_) in TEXTS.items():
        notebook = copy.deepcopy(solved)
        change(notebook)
        path = folder / "in" / student / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(notebook), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grade, "PAGE_SECONDS", 4)
        results = grade.grade(folder / "in", folder / "out", root=FIXTURE)
    return folder / "out", {result.student: result for result in results}


@pytest.mark.sandbox
@pytest.mark.parametrize("student", TEXTS)
def test_each_ends_in_its_status_and_the_class_goes_on(graded, student):
    out, results = graded
    _, status, score = TEXTS[student]
    assert (results[student].status, results[student].score) == (status, score), results[student]
    assert results[student].reason or status == "graded"
    assert (out / "feedback" / student / NAME / f"{NAME}.html").is_file()
    assert (out / "report.html").is_file()


@pytest.mark.sandbox
def test_a_reason_holds_nothing_that_a_terminal_obeys(graded):
    out, results = graded
    assert "owned" in results["escapes"].reason
    assert results["escapes"].reason.isprintable()
    assert "\x1b" not in (out / "grades.csv").read_text() + (out / "report.html").read_text()


@pytest.mark.sandbox
def test_a_flood_of_empty_outputs_is_cut(graded):
    path = graded[0] / "autograded" / "many_outputs" / NAME / f"{NAME}.ipynb"
    assert sum(len(c.get("outputs", [])) for c in nbformat.read(path, 4).cells) < 3000


@pytest.mark.sandbox
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("timestamp.txt", "KeyboardInterrupt"),
        ("KeyboardInterrupt.txt", ""),
        ("x\nRuntimeError: the sandbox is gone.txt", ""),
    ],
)
def test_words_in_a_file_or_its_name_stop_nobody_else(tmp_path, hand_in, name, text):
    (hand_in(tmp_path / "in", "a").parent / name).write_text(text)
    hand_in(tmp_path / "in", "b")
    a, b = grade.grade(tmp_path / "in", tmp_path / "out", root=FIXTURE)
    assert a.status in ("graded", "malformed")
    assert (b.status, b.score) == ("graded", 7)


@pytest.mark.sandbox
def test_paths_that_are_too_long_or_too_deep_stop_nobody_else(tmp_path, hand_in, monkeypatch):
    place = hand_in(tmp_path / "in", "a").parent
    monkeypatch.chdir(place)
    for _ in range(19):  # longer under the folder for the results than here
        Path("d" * 200).mkdir()
        monkeypatch.chdir("d" * 200)
    Path("file").write_text("x")
    monkeypatch.chdir(hand_in(tmp_path / "in", "b").parent)
    for _ in range(1100):
        Path("d").mkdir()
        monkeypatch.chdir("d")
    monkeypatch.chdir(tmp_path)
    hand_in(tmp_path / "in", "c")
    try:
        results = grade.grade(tmp_path / "in", tmp_path / "out", root=FIXTURE)
    finally:  # pytest would not come to the end of it
        subprocess.run(["rm", "-rf", tmp_path / "in" / "b"], check=True)
    assert {r.status for r in results[:2]} <= {"graded", "malformed"}
    assert (results[2].status, results[2].score) == ("graded", 7)


@pytest.mark.sandbox
def test_a_page_that_takes_too_long_is_a_plain_one_with_the_points(graded):
    page = (graded[0] / "feedback" / "slow_page" / NAME / f"{NAME}.html").read_text()
    assert "7 of 10 points" in page
    assert "cannot be shown" in page


class Active(HTMLParser):
    """Collects what of a page would call ``evil``."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._tag = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self._tag = tag
        self.found += [f"{tag} {name}" for name, value in attrs if "evil" in (value or "")]

    def handle_endtag(self, tag):
        self._tag = ""

    def handle_data(self, data):
        if self._tag == "script" and "evil" in data:
            self.found.append("script")


def formgrader_page(path, ours: bool) -> str:
    """Return what the formgrader shows of a graded notebook."""
    config = configure(Config()) if ours else Config()
    config.HTMLExporter.template_name = "formgrade"
    config.HTMLExporter.extra_template_basedirs = [handlers.template_path]
    names = dict.fromkeys(("base_url", "notebook_id", "assignment_id", "submission_id"), "x")
    resources = {**names, "index": 0, "total": 1, "mathjax_url": "", "extra_css": []}
    resources |= {"notebook_path": "x", "keep_ipython_checkpoint": False, "last_name": ""}
    return HTMLExporter(config=config).from_filename(str(path), resources=resources)[0]


@pytest.mark.sandbox
@pytest.mark.parametrize("student", ["active_outputs", "active_text", "active_error"])
def test_nothing_of_a_submission_runs_in_a_browser(graded, student):
    out, _ = graded
    page = (out / "feedback" / student / NAME / f"{NAME}.html").read_text()
    assert Active(page).found == []
    assert (
        Active(formgrader_page(out / "autograded" / student / NAME / f"{NAME}.ipynb", True)).found
        == []
    )


def test_plain_nbgrader_shows_what_runs(tmp_path):
    """Otherwise the test before this one could not fail."""
    cell = nbformat.v4.new_markdown_cell(MARKDOWN.partition("![x]")[0])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "x.ipynb")
    assert "script" in Active(formgrader_page(tmp_path / "x.ipynb", False)).found
    assert Active(formgrader_page(tmp_path / "x.ipynb", True)).found == []


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("$a<b$ and $$\\begin{aligned}x&<y\\end{aligned}$$", "$a&lt;b$"),
        ("| a |\n|---|\n| `x<y` |", "<td><code>x&lt;y</code></td>"),
        ("> quoted", "<blockquote>"),
        (
            "[a](https://example.org) ![b](https://example.org/x.png)",
            '<a href="https://example.org">a</a> <img alt="b">',
        ),
        ("![x](data:image/png;base64,AAAA)", 'src="data:image/png;base64,AAAA"'),
        ("# Title", '<h1 id="Title">'),
    ],
)
def test_honest_markdown_is_shown_as_ever(source, wanted):
    assert wanted in pages.safe_markdown({}, source)


def test_an_attachment_is_shown():
    context = {"cell": {"attachments": {"a.png": {"image/png": "AAAA"}}}}
    html = pages.safe_markdown(context, "![x](attachment:a.png)")
    assert 'src="data:image/png;base64,AAAA"' in html


def hurried(block):
    with time_limit.time_limit(0.1):
        block()


def test_the_time_is_up_even_where_that_is_swallowed():
    def swallow():
        with contextlib.suppress(Exception):
            time.sleep(5)

    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(time_limit.TookTooLong):
        hurried(swallow)
    assert signal.getsignal(signal.SIGALRM) is before


def test_a_limit_inside_another_leaves_it_in_force():
    def begin_another():
        with time_limit.time_limit(60):
            pass
        time.sleep(5)

    begun = time.monotonic()
    with pytest.raises(time_limit.TookTooLong):
        hurried(begin_another)
    assert time.monotonic() - begun < 3
    hurried(lambda: None)
    time.sleep(0.2)
