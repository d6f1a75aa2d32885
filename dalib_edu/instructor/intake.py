"""From the zip file that an LMS gives to ``student/homework/`` folders, whatever is in it.

Moodle names a file ``Full Name_1234567_assignsubmission_file_hw2.ipynb``, or puts the files in a
folder ``Full Name_1234567_assignsubmission_file``. Canvas names it
``lastnamefirstname_12345_67890_hw2.ipynb``, with ``LATE`` behind the name where it was late.
"""

import io
import os
import re
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from dalib_edu.settings import UserError

LARGEST_FILE = 150_000_000  # bytes, unpacked
LARGEST_SUBMISSION = 300_000_000  # bytes, unpacked
MOST_FILES = 200  # of one student
DEEPEST, LONGEST = 20, 200  # folders, and letters of a name with them
MOODLE = re.compile(r"(?P<student>[^_]+_\d+)_assignsubmission_[a-z]+(?:_(?P<file>.*))?")
CANVAS = re.compile(r"(?P<student>[^_]+)(?:_LATE)?_(?P<id>\d+)_\d+_(?P<file>.+)")
AGAIN = re.compile(r"-\d+(?=\.\w+$)")  # Canvas's mark of a file that was handed in again


@dataclass
class Intake:
    """What became of an archive.

    Attributes:
        students: the folders that were made.
        refused: a line for each thing that was left out, and why.
    """

    students: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)


def collect(archive: Path, homework: str, destination: Path) -> Intake:
    """Unpack an LMS's zip file into ``destination/student/homework/``.

    Args:
        archive: from Moodle or Canvas. A student's own zip file in it is unpacked, too.
        homework: its full name.
        destination: is made; a student's folder there for this homework is filled up.

    Raises:
        UserError: there is no such file, it is no zip file, or nothing in it is a submission.
    """
    report = Intake()
    sizes: dict[str, list[int]] = {}
    try:
        with zipfile.ZipFile(archive) as bundle:
            for member in bundle.infolist():
                found = student_and_file(member.filename)
                if member.is_dir() or found is None:
                    if not member.is_dir() and not _is_rubbish(member.filename):
                        report.refused.append(f"{member.filename!r}: no student in its name")
                    continue
                student, name = found
                folder = destination / student / homework
                _take(bundle, member, name, folder, sizes.setdefault(student, []), report)
                if folder.is_dir():
                    report.students.add(student)
    except FileNotFoundError:
        raise UserError(f"{archive}: no such file") from None
    except (zipfile.BadZipFile, OSError) as error:
        raise UserError(f"{archive}: cannot be unpacked ({error})") from None
    if not report.students:
        raise UserError(f"{archive}: no submission in it has a name as Moodle or Canvas give it")
    return report


def student_and_file(path: str) -> tuple[str, str] | None:
    """Return the student and the rest of a member's path; None where it names no student."""
    parts = PurePosixPath(path).parts
    for place, part in enumerate(parts):
        found = MOODLE.fullmatch(part)
        if found:
            rest = [found["file"] or "", *parts[place + 1 :]]
            return _tidy(found["student"]), "/".join(each for each in rest if each)
    found = CANVAS.fullmatch(parts[-1]) if parts else None
    if found:
        return _tidy(f"{found['student']}_{found['id']}"), AGAIN.sub("", found["file"])
    return None


def _tidy(student: str) -> str:
    """Return a name that the grader takes for a folder's."""
    return re.sub(r"[^\w.@ -]", "-", student).lstrip(". ") or "nobody"


def _is_rubbish(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return any(part == "__MACOSX" or (part[0] == "." and part != "..") for part in parts)


def _take(
    bundle: zipfile.ZipFile,
    member: zipfile.ZipInfo,
    name: str,
    folder: Path,
    sizes: list[int],
    report: Intake,
) -> None:
    """Put one member into a student's folder, or say why not."""
    if _is_rubbish(name):
        return
    try:
        content = _read(bundle, member, sizes)
        if name.lower().endswith(".zip"):
            for inner, data in _unpacked(content, sizes):
                _write(folder, inner, data)
        else:
            _write(folder, name, content)
    except Exception as error:  # whatever is in it, the others are unpacked
        report.refused.append(f"{member.filename!r}: {error}")


class Refused(ValueError):
    """A member that is not unpacked; the message says why."""


def _unpacked(content: bytes, sizes: list[int]) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(content)) as bundle:
        for member in bundle.infolist():
            if not member.is_dir() and not _is_rubbish(member.filename):
                name = member.filename
                if name.lower().endswith(".zip"):
                    raise Refused("a zip file in a zip file in a zip file")
                yield name, _read(bundle, member, sizes)


def _read(bundle: zipfile.ZipFile, member: zipfile.ZipInfo, sizes: list[int]) -> bytes:
    """Return a member's content; what it says of its size is not believed."""
    if stat.S_ISLNK(member.external_attr >> 16):
        raise Refused("a link")
    if len(sizes) >= MOST_FILES:
        raise Refused(f"more than {MOST_FILES} files of one student")
    with bundle.open(member) as file:
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise Refused(f"more than {LARGEST_FILE / 1e6:.0f} MB")
    if sum(sizes) + len(content) > LARGEST_SUBMISSION:
        raise Refused(f"more than {LARGEST_SUBMISSION / 1e6:.0f} MB of one student")
    sizes.append(len(content))
    return content


def _write(folder: Path, name: str, content: bytes) -> None:
    """Write a file into a folder, and never anywhere else."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name or "\0" in name or not path.parts:
        raise Refused("a name that leads out of the folder")
    if len(path.parts) > DEEPEST or len(str(path)) > LONGEST:
        raise Refused("a name that is too long or too deep")
    place = folder.joinpath(*path.parts)
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.parent.resolve().is_relative_to(folder.resolve()):
        raise Refused("a link that leads out of the folder")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(place, flags, 0o644), "wb") as file:
        file.write(content)
