"""The files beside a notebook: copied for the run, and put back before a test that reads them."""

import contextlib
import shutil
from pathlib import Path

HANDED_IN_LIMIT = 5_000_000  # bytes of a file that the tests see as it was handed in


def copy_submitted_files(source: Path, destination: Path) -> None:
    """Copy a submitted folder, without notebooks, links and hidden folders.

    Args:
        source: the folder; may be missing.
        destination: is made.
    """

    def left_out(folder: str, names: list[str]) -> set[str]:
        paths = [Path(folder) / name for name in names]
        return {
            path.name
            for path in paths
            if path.is_symlink()
            or path.suffix == ".ipynb"
            or (path.is_dir() and path.name.startswith("."))
            or not (path.is_file() or path.is_dir())
        }

    if source.is_dir():
        shutil.copytree(source, destination, ignore=left_out)
        for path in (destination, *destination.rglob("*")):
            # nbgrader makes its copies read-only, and in a sandbox they belong to somebody else.
            path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o644))
    else:
        destination.mkdir()


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
