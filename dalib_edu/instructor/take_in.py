"""Take a submission into the course: its notebook under the right name and readable."""

import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import nbformat

from dalib_edu.instructor import lean
from dalib_edu.instructor.build import Homework, write_atomically
from dalib_edu.instructor.handed_in import (
    FILES_LIMIT,
    MOST_FILES,
    copy_submitted_files,
    files_below,
)
from dalib_edu.instructor.submissions import Submission, is_loose, printable

NOTEBOOK_LIMIT = 50_000_000  # bytes; a notebook of text and pictures has a few million
LARGEST_NOTEBOOK = 300_000_000  # bytes
MUCH = 2_000_000  # bytes; above that, another process takes out what is not read, outputs first
MOST_CELLS, MOST_TEXT = 1_000, 5_000_000  # characters; the longest homework has 114 cells


class Malformed(ValueError):
    """A submission that cannot be run; the message says why."""


def take_in(submission: Submission, homework: Homework, destination: Path) -> list[str]:
    """Copy a submission into the course, its notebook under the right name and readable.

    Args:
        submission: as found.
        homework: which it is for.
        destination: ``submitted/student/homework``; replaced.

    Returns:
        What was mended.

    Raises:
        Malformed: there is no notebook, more than one that it could be, or it cannot be read.
    """
    path, repairs = _the_notebook(submission, homework)
    notebook, cleared = _read_notebook(path)
    repairs += cleared
    shutil.rmtree(destination, ignore_errors=True)
    loose = is_loose(submission) and path.parent == submission.folder
    left_out = copy_submitted_files(path.parent, destination, deep=not loose)
    if path.parent != submission.folder:  # what the notebook reads lies beside it, or above
        left_out += copy_submitted_files(submission.folder, destination, deep=False)
    if left_out:
        names = ", ".join(map(printable, left_out[:3])) + " ..." * (len(left_out) > 3)
        limits = f"{FILES_LIMIT / 1e6:.0f} MB and {MOST_FILES} files"
        repairs.append(f"left out: {names} (beside a notebook, {limits} are taken)")
    write_atomically(destination / f"{homework.name}.ipynb", nbformat.writes(notebook) + "\n")
    return repairs


def _the_notebook(submission: Submission, homework: Homework) -> tuple[Path, list[str]]:
    right = submission.folder / f"{homework.name}.ipynb"
    if right.is_symlink():
        raise Malformed("the notebook is a link")
    if right.is_file():
        return right, []
    others = [
        p
        for p in sorted(files_below(submission.folder))
        if p.suffix == ".ipynb" and p.is_file() and not p.is_symlink()
    ]
    if is_loose(submission):
        others = [p for p in others if printable(p.stem) == submission.assignment]
    others = [p for p in others if p.name == right.name] or others
    if not others:
        raise Malformed(f"there is no notebook; {right.name} was expected")
    if len(others) > 1:
        names = ", ".join(printable(str(p.relative_to(submission.folder))) for p in others[:4])
        raise Malformed(f"there is no {right.name}, and it could be any of {names}")
    path, mended = others[0], []
    if path.name != right.name:
        mended.append(f"the notebook was called {printable(path.name)}, not {right.name}")
    if path.parent != submission.folder:
        where = printable(str(path.parent.relative_to(submission.folder)))
        mended.append(f"the notebook was in the folder {where}")
    return path, mended


def _read_notebook(path: Path) -> tuple[nbformat.NotebookNode, list[str]]:
    """Return a notebook without outputs, and what was mended.

    Raises:
        Malformed: it cannot be read.
    """
    size, repairs = path.stat().st_size, []
    if size == 0:
        raise Malformed("the notebook is empty")
    data = _lean_file(path) if size > MUCH else path.read_bytes()
    if size > NOTEBOOK_LIMIT:
        repairs.append(f"the notebook had {size / 1e6:.0f} MB; its outputs were taken out")
    try:
        notebook, mended = _parsed(data)
    except Malformed:
        raise
    except (ValueError, RecursionError) as error:
        raise Malformed(f"the file is no valid JSON ({str(error)[:100]})") from None
    except Exception as error:
        raise Malformed(f"the notebook cannot be read ({type(error).__name__})") from None
    return notebook, repairs + mended


def _parsed(data: bytes) -> tuple[nbformat.NotebookNode, list[str]]:
    """Return the notebook in a file's bytes without outputs, and what was mended."""
    content = json.loads(data)
    if not isinstance(content, dict) or "nbformat" not in content:
        raise Malformed("the file is no notebook")
    content = lean.lean(content)
    number = len(content.get("cells") or [])
    if number > MOST_CELLS:
        raise Malformed(f"the notebook has {number} cells; {MOST_CELLS} are read at most")
    text = json.dumps(content, ensure_ascii=False)
    # Half of a character of two halves, which JSON allows and no file can hold.
    whole = text.encode(errors="replace").decode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of missing ids; they are given below
        notebook = nbformat.reads(whole, as_version=4)
    cells = notebook.get("cells")
    if not isinstance(cells, list) or not cells:
        raise Malformed("the notebook has no cells")
    for cell in cells:  # of an older format
        if isinstance(cell.get("outputs"), list):
            cell["outputs"] = []
    notebook.nbformat_minor = max(notebook.get("nbformat_minor", 0), 5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, notebook = nbformat.validator.normalize(notebook)
        errors = list(nbformat.validator.iter_validate(notebook, strip_invalid_metadata=True))
    if errors:
        raise Malformed(f"the notebook is not valid ({str(errors[0].message)[:100]})")
    if sum(len(cell.source) for cell in cells) > MOST_TEXT:
        raise Malformed(f"the notebook has more than {MOST_TEXT} characters of text")
    for cell in notebook.cells:
        mark = cell.metadata.get("nbgrader", {})
        if not isinstance(mark, dict) or not isinstance(mark.get("grade_id", ""), str):
            del cell.metadata["nbgrader"]  # as if it had been stripped
    return notebook, [] if whole == text else ["characters that are no text were replaced by ?"]


def _lean_file(path: Path) -> bytes:
    """Return a large notebook less what is not read, from a process that may take little memory."""
    size, much = path.stat().st_size, f"the notebook has {path.stat().st_size / 1e6:.0f} MB"
    if size > LARGEST_NOTEBOOK:
        raise Malformed(f"{much}; clear its outputs")
    command = [sys.executable, "-I", "-S", lean.__file__, str(path.absolute())]
    try:
        done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    except (OSError, subprocess.SubprocessError):
        raise Malformed(f"{much} and its outputs cannot be taken out; clear them") from None
    if len(done.stdout) > NOTEBOOK_LIMIT:
        raise Malformed(f"{much} even without its outputs")
    return done.stdout
