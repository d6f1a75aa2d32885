"""The files beside a notebook: copied for the run, and put back before a test that reads them."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

FILES_LIMIT = 100_000_000  # bytes of all files beside a notebook
MOST_FILES = 1000
DEEPEST = 20  # folders in each other
HANDED_IN_LIMIT = 5_000_000  # bytes of a file that the tests see as it was handed in


def copy_submitted_files(source: Path, destination: Path, deep: bool = True) -> list[str]:
    """Copy the files of a submitted folder, without notebooks, links and hidden folders.

    The smaller ones first, until they are ``FILES_LIMIT`` bytes or ``MOST_FILES`` files together:
    somebody's copy of a data set must not fill the grader's memory.

    Args:
        source: the folder; may be missing.
        destination: is made; what is there already stays.
        deep: whether to go into folders.

    Returns:
        the names of the files that were too much.
    """
    destination.mkdir(parents=True, exist_ok=True)
    left_out, room = [], FILES_LIMIT
    sized = sorted((path.stat().st_size, path) for path in _submitted_files(source, deep))
    for number, (size, path) in enumerate(sized):
        room -= size
        if room < 0 or number >= MOST_FILES:
            left_out.append(path.name)
            continue
        place = destination / path.relative_to(source)
        if os.path.lexists(place):
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)  # without its rights: nbgrader's copies are read-only
    return left_out


def files_below(folder: Path, deep: bool = True) -> Iterator[Path]:
    """Yield the files below a folder, links to files included; not what lies too deep.

    Hidden folders are left out, and folders that cannot be read.
    """
    waiting = [(folder, 0)]
    while waiting:
        at, depth = waiting.pop()
        with contextlib.suppress(OSError), os.scandir(at) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if not entry.is_dir(follow_symlinks=False):
                    yield Path(entry.path)
                elif deep and depth < DEEPEST and not entry.name.startswith("."):
                    waiting.append((Path(entry.path), depth + 1))


def _submitted_files(source: Path, deep: bool) -> Iterator[Path]:
    for path in files_below(source, deep):
        if path.is_file() and not path.is_symlink() and path.suffix != ".ipynb":
            yield path


def put_back_files(submitted: Path, work: Path) -> None:
    """Make the files beside the notebook what they were when they were handed in.

    A run at grading scale that writes to ``submission.csv`` would replace the student's
    predictions with those of a network that was hardly trained. Notebooks, links, folders and
    files above ``HANDED_IN_LIMIT`` are left alone, and so are files that the run made anew.

    Args:
        submitted: the folder that was handed in; may be missing.
        work: the folder that the notebook runs in.
    """
    for file in sorted(submitted.iterdir()) if submitted.is_dir() else []:
        if file.is_symlink() or not file.is_file() or file.suffix == ".ipynb":
            continue
        if file.stat().st_size > HANDED_IN_LIMIT:
            continue
        # A run can take away the right to write in its folder; then its tests see what is there.
        with contextlib.suppress(OSError):
            _put_back(file.read_bytes(), work / file.name)


def _put_back(content: bytes, path: Path) -> None:
    """Write ``content`` to ``path`` unless it is there; never through a link that a run made."""
    plain = path.is_file() and not path.is_symlink()
    if plain and path.stat().st_size == len(content) and path.read_bytes() == content:
        return
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.write_bytes(content)
