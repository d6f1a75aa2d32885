"""A tiny homework, its notebooks, and a folder of submissions made from them."""

import shutil
from pathlib import Path

import nbformat
import pytest

from dalib_edu.instructor import demo, sandbox
from dalib_edu.instructor.build import read_source, release_text
from dalib_edu.instructor.cells import without_markers

FIXTURE = Path(__file__).parent / "fixture"
NAME = "hw0_tiny"


def pytest_collection_modifyitems(items):
    marked = [item for item in items if item.get_closest_marker("sandbox")]
    if marked and sandbox.lacking():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=sandbox.lacking()))


def pytest_make_parametrize_id(val):
    """Name zip files by what they are: they hold the time, and workers would not agree on it."""
    return "bytes" if isinstance(val, bytes) else None


@pytest.fixture
def project(tmp_path):
    """A copy of the tiny project that may be written to."""
    return Path(shutil.copytree(FIXTURE, tmp_path / "project"))


@pytest.fixture(scope="session")
def source():
    return read_source(FIXTURE / "course" / "source" / f"{NAME}.py")


@pytest.fixture(scope="session")
def release(source):
    return nbformat.reads(release_text(source, NAME), as_version=4)


@pytest.fixture(scope="session")
def hand_in(source, release):
    """Write one submission; ``change`` gets the solved notebook."""

    def write(folder, student, change=None, solved=("double", "halve"), name=f"{NAME}.ipynb"):
        texts = {c.id: without_markers(c.source) for c in source.cells if c.id in solved}
        notebook = demo.fill_in(release, texts, change)
        place = Path(folder) / student / NAME
        place.mkdir(parents=True)
        (place / name).write_text(nbformat.writes(notebook), encoding="utf-8")
        predictions = f"id,label\n0,{student}\n"  # of each student their own
        (place / "submission.csv").write_text(predictions, encoding="utf-8")
        return place / name

    return write
