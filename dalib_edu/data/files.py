"""Folders that appear whole or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dalib_edu.settings import UserError


@contextmanager
def new_folder(folder: str | Path) -> Iterator[Path]:
    """Give an empty folder to fill, and move it to ``folder`` at the end of the block.

    It lies beside ``folder`` until then. Whatever ends the block early removes it.

    Args:
        folder: must not exist, or be empty.

    Raises:
        UserError: ``folder`` holds something already, or the disk refuses (full, no rights).
    """
    folder = Path(folder).expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} exists and is not a folder")
    try:
        if folder.exists() and any(folder.iterdir()):
            raise UserError(f"{folder} is not empty; remove it or choose another folder")
        folder.parent.mkdir(parents=True, exist_ok=True)
        # A name of its own inside a private folder: the result gets the usual rights.
        private = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError as error:
        raise _refused(folder, error) from error
    try:
        building = private / folder.name
        building.mkdir()
        yield building
        if folder.exists():
            folder.rmdir()
        building.rename(folder)
    except OSError as error:
        raise _refused(folder, error) from error
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _refused(folder: Path, error: OSError) -> UserError:
    return UserError(f"{folder} could not be written: {error.strerror or error}")
