"""Folders that appear whole or not at all, and archives that are unpacked with care."""

import gzip
import lzma
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm.auto import tqdm

from dalib_edu.settings import UserError, show_progress

# Pictures hardly compress, and drawings tenfold: what swells more than this is no data set.
LARGEST_SWELLING, SLACK = 100, 64 * 2**20
MOST_FILES = 2_000_000

_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,  # an unknown way of compressing
    RuntimeError,  # a password
)


@contextmanager
def new_folder(folder: str | Path) -> Iterator[Path]:
    """Give an empty folder to fill, and move it to ``folder`` at the end of the block.

    Until then it lies in a hidden folder beside ``folder``, which is removed whatever ends the
    block.

    Args:
        folder: must not exist, or be empty.

    Raises:
        UserError: ``folder`` holds something already, or the disk refuses (full, no rights).
    """
    folder = Path(folder).expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} exists and is not a folder")
    private = None
    try:
        if folder.exists() and any(folder.iterdir()):
            raise UserError(f"{folder} is not empty; remove it or choose another folder")
        folder.parent.mkdir(parents=True, exist_ok=True)
        # mkdtemp's folder is private; the one inside it gets the usual rights.
        private = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        building = private / folder.name
        building.mkdir()
        yield building
        if folder.exists():
            folder.rmdir()
        building.rename(folder)
    except OSError as error:
        cause = error.strerror or error
        raise UserError(f"{folder} could not be written: {cause}") from error
    finally:
        if private is not None:
            shutil.rmtree(private, ignore_errors=True)


def unpack(archive: str | Path, folder: Path) -> None:
    """Unpack the plain files of a .zip or .tar(.gz, .bz2, .xz) into ``folder``.

    Hidden files and what macOS adds (``__MACOSX``) are left out.

    Args:
        archive: the archive.
        folder: an empty folder. After an error it may hold a part: call this on a folder that an
            error removes, as ``new_folder`` gives.

    Raises:
        UserError: ``archive`` is missing, damaged or no archive; it holds links or devices, or
            names that lead out of ``folder``; it swells more than data sets do.
        OSError: the disk refuses.
    """
    archive = Path(archive).expanduser()
    try:
        archive.open("rb").close()
    except OSError as error:
        raise UserError(f"{archive} cannot be read: {error.strerror}") from error
    if tarfile.is_tarfile(archive):
        members = _tar_members(archive)
    elif zipfile.is_zipfile(archive):
        members = _zip_members(archive)
    else:
        raise UserError(f"{archive} is no whole .zip or .tar archive")
    left = LARGEST_SWELLING * archive.stat().st_size + SLACK
    bar = tqdm(
        members,
        f"unpacking {archive.name}",
        unit=" files",
        leave=False,
        mininterval=0.5,
        disable=not show_progress(),
    )
    try:
        for number, (name, content) in enumerate(bar):
            if number >= MOST_FILES:
                raise UserError(f"{archive} holds more than {MOST_FILES} files")
            path = _place(folder, name, archive)
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                left = _copy(content, path, left, archive)
    except _DAMAGED as error:
        raise UserError(f"{archive} is damaged, cut off or locked: {error}") from error


def gunzip(packed: Path, path: Path) -> None:
    """Write what the gzip file ``packed`` holds to ``path``."""
    with gzip.open(packed) as content, path.open("wb") as file:
        shutil.copyfileobj(content, file)


def _copy(content: IO[bytes], path: Path, left: int, archive: Path) -> int:
    with path.open("wb") as file:
        while block := content.read(1 << 20):
            left -= len(block)
            if left < 0:
                raise UserError(
                    f"{archive} swells to more than {LARGEST_SWELLING} times its size: "
                    "not unpacked, it may be meant to fill the disk"
                )
            file.write(block)
    return left


def _zip_members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _not_plain(archive, member.filename)
            if not member.is_dir():
                with opened.open(member) as content:
                    yield member.filename, content


def _tar_members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(archive) as opened:
        for member in opened:
            if not (member.isreg() or member.isdir()):
                raise _not_plain(archive, member.name)
            if member.isreg():
                with opened.extractfile(member) as content:
                    yield member.name, content


def _place(folder: Path, name: str, archive: Path) -> Path | None:
    name = name.replace("\\", "/")
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or ":" in parts[0] or "\0" in name:
        raise UserError(f"{archive} holds {name!r}, which leads out of its folder: not unpacked")
    if any(part.startswith(".") or part == "__MACOSX" for part in parts):
        return None
    return folder.joinpath(*parts)


def _not_plain(archive: Path, name: str) -> UserError:
    return UserError(f"{archive} holds {name!r}, a link or device: not unpacked")
