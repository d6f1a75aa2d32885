"""From the zip file that an LMS gives to ``student/homework/`` folders, whatever is in it.

Moodle names a file ``Full Name_1234567_assignsubmission_file_hw2.ipynb``, or puts the files in a
folder ``Full Name_1234567_assignsubmission_file``. Canvas names it
``lastnamefirstname_12345_67890_hw2.ipynb``, with ``LATE`` behind the name where it was late.

Everything is unpacked beside its place first. Only a whole archive changes what was there before.
"""

import contextlib
import errno
import filecmp
import io
import os
import re
import shutil
import stat
import tempfile
import unicodedata
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from tqdm import tqdm

from dalib_edu.settings import UserError, show_progress

State = Literal["new", "replaced", "unchanged", "kept", "nothing"]
LARGEST_FILE = 150_000_000  # bytes, unpacked
LARGEST_SUBMISSION = 300_000_000  # bytes, unpacked
MOST_FILES = 200  # of one student
DEEPEST, LONGEST = 20, 200  # folders, and letters of a name with them
LATE_FILE = "late.txt"
LATE = "The LMS marked this submission as late.\n"
MOODLE = re.compile(r"(?P<student>[^_]+_\d+)_assignsubmission_[a-z]+(?:_(?P<file>.*))?")
CANVAS = re.compile(r"(?P<student>[^_]+)(?P<late>_LATE)?_(?P<id>\d+)_\d+_(?P<file>.+)")
AGAIN = re.compile(r"-\d+(?=\.\w+$)")  # Canvas's mark of a file that was handed in again
NO_SUBMISSIONS = {
    "gradebook.db": "holds grades, not submissions",
    "nbgrader_config.py": "is a course's folder, not one of submissions",
}
STAGING, ASIDE = ".collecting-", "before"
TAKEN = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR}
# What a member or its name can do; bz2 gives no number. A full disk, for one, is the machine's.
OF_A_MEMBER = {None, errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL}


@dataclass
class Intake:
    """What became of an archive.

    Attributes:
        students: every student in the archive, by the folder's name. Their folder for the homework
            is ``new``, ``replaced`` or, with the same files, ``unchanged``. Where all of a
            student's files were left out, an earlier folder is ``kept``, or there is ``nothing``.
        late: those of them whom the LMS marked as late; their folder holds ``LATE_FILE``.
        refused: a line for each thing that was left out, and why.
        notes: a line for each thing that lies elsewhere than one might expect.
    """

    students: dict[str, State] = field(default_factory=dict)
    late: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return what a teacher should know, a line each."""
        told = {
            "replaced": "replaced   {}",
            "kept": "kept       {}: nothing in the archive could be taken, the earlier one stays",
            "nothing": "nothing    {}: nothing in the archive could be taken",
        }
        return [
            *(f"left out   {line}" for line in self.refused),
            *(f"note       {line}" for line in self.notes),
            *(told[state].format(who) for who, state in self.students.items() if state in told),
            *(f"late       {student}" for student in self.students if student in self.late),
        ]


class Named(NamedTuple):
    """What an LMS's name of a file says.

    Attributes:
        student: the name for the student's folder.
        file: the file's name, with the folders that the student gave it.
        late: whether Canvas marked it as late.
        marked: the file's name with Canvas's mark of a file that was handed in again.
    """

    student: str
    file: str
    late: bool
    marked: str


Members = dict[str, list[tuple[zipfile.ZipInfo, Named]]]  # by student


class Refused(ValueError):
    """A member that is not unpacked; the message says why."""


class TooMany(Refused):
    """A member that is one too many, as are all that follow."""


@dataclass
class _Pile:
    """The files of one student on their way.

    Attributes:
        staging: the folder for everything that is unpacked.
        student: whose they are.
        report: what became of the archive so far.
        sizes: bytes of each file so far, one that was left out included.
        full: whether there are too many of them, and the report says so.
    """

    staging: Path
    student: str
    report: Intake
    sizes: list[int] = field(default_factory=list)
    full: bool = False

    @property
    def folder(self) -> Path:
        # Under the student's name: what the disk has against it shows at the first file.
        return self.staging / "new" / self.student


def collect(archive: Path, homework: str, destination: Path) -> Intake:
    """Unpack an LMS's zip file into ``destination/student/homework/``.

    What it holds for a student takes the place of the student's earlier folder for this homework;
    those who are not in it, and other homeworks, are left alone.

    Args:
        archive: from Moodle or Canvas. A student's own zip file in it is unpacked, too.
        homework: its full name.
        destination: is made.

    Raises:
        UserError: there is no such file, it is no zip file, or nothing in it is a submission;
            ``destination`` is for something else, or the disk refuses. Then nothing has changed.
    """
    report, ready = Intake(), {}
    with _opened(archive) as bundle:
        found = _by_student(bundle, report)
        if not found:
            message = "no submission in it has a name as Moodle or Canvas give it"
            raise UserError(f"{archive}: {message}")
        with _staging(destination) as staging:
            for student, new in _unpacked(bundle, found, staging, report):
                place = destination / student / homework
                report.students[student] = _state(new, place)
                if report.students[student] in ("new", "replaced"):
                    ready[place] = new
            _move_in(ready, staging)
    return report


def _unpacked(
    bundle: zipfile.ZipFile, found: Members, staging: Path, report: Intake
) -> Iterator[tuple[str, Path | None]]:
    """Yield each student and the new folder, still in ``staging``; None where it would be empty."""
    total, hide = sum(map(len, found.values())), None if show_progress() else True
    with tqdm(desc="collecting", total=total, unit=" files", leave=False, disable=hide) as bar:
        for student, members in found.items():
            pile = _Pile(staging, student, report)
            for member, name in _in_order(student, members, report):
                _take(bundle, member, name, pile)
                bar.update()
            late = any(named.late for _, named in members)
            new = _finished(pile.folder, late)
            if new and late:
                report.late.add(student)
            yield student, new


# --- the archive --------------------------------------------------------------------------------


@contextlib.contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    """Open an LMS's zip file.

    Raises:
        UserError: it is not there, cannot be read, or is no zip file.
    """
    try:
        bundle = zipfile.ZipFile(archive)
    except FileNotFoundError:
        raise UserError(f"{archive}: no such file") from None
    except OSError as error:
        raise _unreadable(archive, error) from None
    except Exception as error:  # which one depends on the bytes that are wrong
        raise UserError(f"{archive}: cannot be unpacked ({_reason(error)})") from None
    with bundle:
        yield bundle


def _unreadable(archive: Path | str, error: OSError) -> UserError:
    return UserError(f"{archive}: cannot be read ({_reason(error)})")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def student_and_file(path: str) -> Named | None:
    """Return what a member's path says; None where it names no student."""
    parts = PurePosixPath(path).parts
    for place, part in enumerate(parts):
        found = MOODLE.fullmatch(part)
        if found:
            rest = [found["file"] or "", *parts[place + 1 :]]
            name = "/".join(each for each in rest if each)
            return Named(_tidy(found["student"]), name, False, name)
    found = CANVAS.fullmatch(parts[-1]) if parts else None
    if found:
        student, marked = _tidy(f"{found['student']}_{found['id']}"), found["file"]
        return Named(student, AGAIN.sub("", marked), found["late"] is not None, marked)
    return None


def _tidy(student: str) -> str:
    """Return a name that the grader takes for a folder's, the same for every spelling of ë."""
    composed = unicodedata.normalize("NFC", student)
    return re.sub(r"[^\w.@ -]", "-", composed).lstrip(". ") or "nobody"


def _is_rubbish(path: str) -> bool:
    parts = PurePosixPath(_slashed(path)).parts
    return any(part == "__MACOSX" or (part[0] == "." and part != "..") for part in parts)


def _is_folder(path: str) -> bool:
    return _slashed(path).endswith("/")


def _slashed(path: str) -> str:
    return path.replace("\\", "/")


def _by_student(bundle: zipfile.ZipFile, report: Intake) -> Members:
    """Return the members of an archive by student; the report gets those that are nobody's."""
    found, spelled = defaultdict(list), {}
    for member in bundle.infolist():
        if _is_folder(member.filename):
            continue
        named = student_and_file(member.filename)
        if named is None:
            if not _is_rubbish(member.filename):
                report.refused.append(f"{member.filename!r}: no student in its name")
            continue
        # Some disks would take two such names for one folder's.
        plain = unicodedata.normalize("NFC", named.student.casefold())
        first = spelled.setdefault(plain, named.student)
        if first == named.student:
            found[first].append((member, named))
        else:
            report.refused.append(f"{member.filename!r}: its student's name is nearly {first!r}")
    return found


def _in_order(
    student: str, members: list[tuple[zipfile.ZipInfo, Named]], report: Intake
) -> list[tuple[zipfile.ZipInfo, str]]:
    """Return a student's members and the names for them, zip files last: these can make way.

    Canvas's marks are taken off where two names do not become one.
    """
    marked = defaultdict(set)
    for _, named in members:
        marked[named.file].add(named.marked)
    for names in marked.values():
        if len(names) > 1:
            which = " and ".join(map(repr, sorted(names)))
            report.notes.append(f"{student}: {which} may be one file that was handed in again")
    given = [
        (member, named.marked if len(marked[named.file]) > 1 else named.file)
        for member, named in members
    ]
    return sorted(given, key=lambda each: _is_zip(each[1]))


def _is_zip(name: str) -> bool:
    return name.lower().endswith(".zip")


# --- one student's files ------------------------------------------------------------------------


def _take(bundle: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, pile: _Pile) -> None:
    """Put one member on a student's pile, or say why not."""
    if _is_rubbish(name):
        return
    with _leaving_out(repr(member.filename), pile):
        path = _path(name, PurePosixPath())
        content = _read(bundle, member, pile.sizes)
        if _is_zip(name):
            _unpack(content, repr(member.filename), path, pile)
        else:
            _write(pile.folder / path, content)


@contextlib.contextmanager
def _leaving_out(what: str, pile: _Pile) -> Iterator[None]:
    """Have a member's fault end in the report. Those of the machine go on their way."""
    try:
        yield
    except (UserError, OSError):
        raise
    except Exception as error:  # whatever is in it, the others are unpacked
        if not (pile.full and isinstance(error, TooMany)):
            pile.report.refused.append(f"{what}: {_reason(error)}")
        pile.full |= isinstance(error, TooMany)


def _unpack(content: bytes, what: str, path: PurePosixPath, pile: _Pile) -> None:
    """Put what a student's own zip file holds on the pile, without the folders around all of it.

    Args:
        content: the zip file's.
        what: its name for the report.
        path: where it lies itself.
        pile: the student's.
    """
    with (
        zipfile.ZipFile(io.BytesIO(content)) as bundle,
        tempfile.TemporaryDirectory(dir=pile.staging) as scratch,
    ):
        for member in bundle.infolist():
            name = member.filename
            if _is_folder(name) or _is_rubbish(name):
                continue
            with _leaving_out(f"{what}: {name!r}", pile):
                inside = _path(name, path.parent)
                if _is_zip(name):
                    raise Refused("a zip file in a zip file in a zip file")
                _write(Path(scratch) / inside, _read(bundle, member, pile.sizes))
        with _names_checked():
            _place(Path(scratch), what, path, pile)


def _place(scratch: Path, what: str, path: PurePosixPath, pile: _Pile) -> None:
    """Move what was unpacked beside its zip file; into a folder where others have the names."""
    files = _files(scratch)
    source = scratch / _around(files)
    names = [(scratch / file).relative_to(source) for file in files]
    target = pile.folder / path.parent
    if not all(_fits(source / name, target / name) for name in names):
        target = pile.folder / path
        if os.path.lexists(target):
            raise Refused("other files of this student have these names")
        message = f"lies in the folder {path.name!r}, since other files have these names"
        pile.report.notes.append(f"{what}: {message}")
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).replace(target / name)


def _fits(new: Path, place: Path) -> bool:
    """Return whether a file can go to a place and nothing else is lost."""
    try:
        place.lstat()
    except FileNotFoundError:
        return True
    except NotADirectoryError:
        return False
    return filecmp.cmp(new, place, shallow=False)


def _files(folder: Path) -> list[Path]:
    """Return the files below a folder, relative to it, without the kinds that are not unpacked."""
    found = [Path(at, name) for at, _, names in os.walk(folder) for name in names]
    files = [path.relative_to(folder) for path in found]
    return [path for path in files if not _is_rubbish(path.as_posix())]


def _around(files: list[Path]) -> Path:
    """Return the folder that all of the files have in common."""
    return Path(os.path.commonpath([file.parent for file in files])) if files else Path()


def _read(bundle: zipfile.ZipFile, member: zipfile.ZipInfo, sizes: list[int]) -> bytes:
    """Return a member's content; what it says of its size can only be held against it.

    Raises:
        Refused: it is a link, damaged, or too large.
        UserError: the archive can no longer be read.
    """
    if len(sizes) >= MOST_FILES:
        raise TooMany(f"more than {MOST_FILES} files of one student")
    sizes.append(0)
    if stat.S_ISLNK(member.external_attr >> 16):
        raise Refused("a link")
    _weigh(member.file_size, sizes)
    try:
        with bundle.open(member) as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        if error.errno in OF_A_MEMBER:
            raise Refused(_reason(error)) from None
        raise _unreadable(bundle.filename, error) from None
    sizes[-1] = 0
    _weigh(len(content), sizes)
    return content


def _weigh(size: int, sizes: list[int]) -> None:
    if size > LARGEST_FILE:
        raise Refused(f"more than {LARGEST_FILE / 1e6:.0f} MB")
    if sum(sizes) + size > LARGEST_SUBMISSION:
        raise Refused(f"more than {LARGEST_SUBMISSION / 1e6:.0f} MB of one student")
    sizes[-1] = size


def _path(name: str, parent: PurePosixPath) -> PurePosixPath:
    """Return a member's path, which leads nowhere but into the folder that it is joined to.

    Args:
        name: the member's.
        parent: the folder that it will be in, for its length.

    Raises:
        Refused: it leads elsewhere, or is too long; or only ``collect`` may write such a file.
    """
    path = PurePosixPath(_slashed(name))
    if path.is_absolute() or ".." in path.parts or ":" in name or "\0" in name or not path.parts:
        raise Refused("a name that leads out of the folder")
    whole = parent / path
    if len(whole.parts) > DEEPEST or len(str(whole)) > LONGEST:
        raise Refused("a name that is too long or too deep")
    if any(part.casefold() == LATE_FILE for part in path.parts):
        raise Refused("only an LMS marks a submission as late")
    return path


def _write(place: Path, content: bytes) -> None:
    """Write a new file, unless the same is there.

    Raises:
        Refused: another file has its place, or the disk does not take such a name.
        OSError: the machine's fault.
    """
    with _names_checked():
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            with place.open("xb") as file:
                file.write(content)
        except FileExistsError:
            if not place.is_file() or place.read_bytes() != content:
                raise


@contextlib.contextmanager
def _names_checked() -> Iterator[None]:
    """Have what a disk says against a member's name refuse that member alone."""
    try:
        yield
    except OSError as error:
        if error.errno in TAKEN:
            raise Refused("another file of this student has its place") from None
        if error.errno in OF_A_MEMBER:
            raise Refused(f"a name that this disk does not take ({_reason(error)})") from None
        raise


# --- into place ---------------------------------------------------------------------------------


@contextlib.contextmanager
def _staging(destination: Path) -> Iterator[Path]:
    """Give a hidden folder in the destination, which is made, and remove it at the end.

    Raises:
        UserError: the destination is for something else, or the disk refuses.
    """
    made, staging = [], None
    try:
        _check(destination)
        made = [each for each in (destination, *destination.parents) if not each.exists()]
        destination.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=destination, prefix=STAGING))
        yield staging
    except OSError as error:
        raise UserError(f"--to {destination}: {_refusal(error, destination, staging)}") from None
    finally:
        if staging:
            _remove(staging)
        for each in made:
            with contextlib.suppress(OSError):  # it holds submissions
                each.rmdir()


def _check(destination: Path) -> None:
    if destination.exists() and not destination.is_dir():
        raise UserError(f"--to {destination} is a file")
    for name, what in NO_SUBMISSIONS.items():
        if os.path.exists(destination / name):
            raise UserError(f"--to {destination} {what}; name another folder")


def _refusal(error: OSError, destination: Path, staging: Path | None) -> str:
    """Return why a disk refuses, with the file unless it is one of our own."""
    reason, at = _reason(error), str(error.filename or destination)
    if at != str(destination) and STAGING not in at:
        reason += f" ({at})"
    if staging and any(staging.glob(f"{ASIDE}/*")):
        reason += f"; earlier submissions could not be put back and are in {staging / ASIDE}"
    return reason


def _remove(staging: Path) -> None:
    try:
        _clear(staging)
    finally:  # where Ctrl-C stopped it, too
        _clear(staging)


def _clear(staging: Path) -> None:
    """Remove all of it but earlier submissions that could not be put back."""
    with contextlib.suppress(OSError):
        for each in staging.iterdir():
            if each.name != ASIDE:
                shutil.rmtree(each, ignore_errors=True)
    for each in (staging / ASIDE, staging):
        with contextlib.suppress(OSError):
            each.rmdir()


def _finished(folder: Path, late: bool) -> Path | None:
    """Return the folder around all of a student's files, with the LMS's mark; None without any."""
    files = _files(folder)
    if not files:
        return None
    new = folder / _around(files)
    if late:
        (new / LATE_FILE).write_text(LATE, encoding="utf-8")
    return new


def _state(new: Path | None, place: Path) -> State:
    """Return what becomes of a student's folder for a homework."""
    there = os.path.lexists(place)
    if new is None:
        return "kept" if there else "nothing"
    if not there:
        return "new"
    files = _files(new)
    same = sorted(files) == sorted(_files(place)) and all(
        filecmp.cmp(new / file, place / file, shallow=False) for file in files
    )
    return "unchanged" if same else "replaced"


def _move_in(ready: dict[Path, Path], staging: Path) -> None:
    """Move the new folders to their places: all of them, or none.

    Args:
        ready: the new folder for each place.
        staging: where they lie, and earlier ones until all are moved.

    Raises:
        OSError: the disk refuses; what was there before is back.
    """
    aside = staging / ASIDE
    aside.mkdir()
    with contextlib.ExitStack() as undo:
        for place, new in ready.items():
            old = aside / place.parent.name
            if not place.parent.exists():
                undo.callback(_remove_empty, place.parent)
            undo.callback(_move_back, place, new, old)
            place.parent.mkdir(exist_ok=True)
            if os.path.lexists(place):
                place.rename(old)
            new.rename(place)
        undo.pop_all()
    aside.rename(staging / "replaced")  # now these can go


def _move_back(place: Path, new: Path, old: Path) -> None:
    if not os.path.lexists(new):
        place.rename(new)
    if os.path.lexists(old):
        old.rename(place)


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()
