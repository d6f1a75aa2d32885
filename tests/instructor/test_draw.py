"""Pictures that a homework shows at its beginning are drawn once, and found by each submission."""

import nbformat
import pytest

from dalib_edu.instructor import draw, grade
from dalib_edu.instructor.build import find_root, homeworks_in, read_source

NAME = "hw0_tiny"
FIRST = 'print("scale", os.environ.get("DALIB_EDU_SCALE"))'
LOAD = 'pictures.load("photo", per_class=1, size=28, seed=44, classes=["cup"])'
OPENING = f"{FIRST}\nfrom dalib_edu.data import pictures\n\n{LOAD}"


def draw_nothing(notebook):
    """Where this student's notebook has to draw, it fails."""
    cell = notebook.cells[1]
    cell.source = (
        f"from dalib_edu.data import pictures\npictures.draw = None\n{LOAD}\nprint('found')"
    )


@pytest.fixture
def drawing(project, tmp_path, monkeypatch):
    """The tiny project, where the first cell draws; and a cache of its own."""
    monkeypatch.setenv("DALIB_EDU_CACHE", str(tmp_path / "cache"))
    path = project / "course" / "source" / f"{NAME}.py"
    text = path.read_text()
    assert FIRST in text
    path.write_text(text.replace(FIRST, OPENING))
    return project


@pytest.mark.sandbox
def test_a_submission_finds_its_pictures_in_the_cache(drawing, tmp_path, hand_in, capfd):
    hand_in(tmp_path / "in", "s", draw_nothing)
    results = grade.grade(tmp_path / "in", tmp_path / "out", root=drawing)
    assert [r.score for r in results] == [7]
    path = tmp_path / "out" / "autograded" / "s" / NAME / f"{NAME}.ipynb"
    cell = nbformat.read(path, as_version=4).cells[1]
    assert [output.get("text") for output in cell.outputs] == ["found\n"]
    assert "no pictures ahead" not in capfd.readouterr().err


def test_what_cannot_be_drawn_is_said_and_stops_nothing(drawing, tmp_path, capfd):
    path = drawing / "course" / "source" / f"{NAME}.py"
    path.write_text(path.read_text().replace('"photo"', '"phot"'))
    draw.draw_ahead(homeworks_in(drawing))
    (line,) = capfd.readouterr().err.strip().split("\n")
    assert line.startswith(f"{NAME}: no pictures ahead (UserError: there is no style 'phot'")
    assert not (tmp_path / "cache").exists()


def test_a_homework_that_draws_nothing_costs_nothing(project, monkeypatch):
    monkeypatch.setattr(draw.subprocess, "run", None)
    draw.draw_ahead(homeworks_in(project))


def test_the_opening_ends_before_the_first_exercise(source):
    cells = draw.opening(source)
    assert len(cells) == 1
    assert FIRST in cells[0]


@pytest.mark.parametrize("homework", homeworks_in(find_root()), ids=lambda h: h.name)
def test_no_homework_draws_after_its_first_exercise(homework):
    """The grader draws ahead what stands before it."""
    source = read_source(homework.source)
    number = len(draw.opening(source))
    later = [cell.source for cell in source.cells if cell.cell_type == "code"][number:]
    assert not [text for text in later if "pictures.load(" in text or ".export_" in text]
