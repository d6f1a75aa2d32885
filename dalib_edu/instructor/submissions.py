"""Who handed in what."""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dalib_edu.instructor.build import Homework
from dalib_edu.instructor.folders import CONFIG_FILE
from dalib_edu.instructor.handed_in import files_below
from dalib_edu.instructor.intake import LATE_FILE
from dalib_edu.settings import UserError
from dalib_edu.submit import LARGEST


@dataclass(frozen=True)
class Submission:
    """What one student handed in for one homework.

    Attributes:
        student: the name of the student's folder.
        assignment: the homework's name as submitted.
        folder: where the files are.
        others: names under which the student has handed in the same homework, too.
    """

    student: str
    assignment: str
    folder: Path
    others: tuple[str, ...] = ()


def find_submissions(folder: Path) -> list[Submission]:
    """Return the submissions in a folder, by student and homework.

    Raises:
        UserError: there is no such folder, or it cannot be read.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise UserError(f"{folder} cannot be read")
    found: dict[tuple[str, str], Submission] = {}
    for child in sorted(folder.iterdir()):
        if child.name.startswith(".") or child.is_symlink() or not child.is_dir():
            continue
        # nbgrader's exchange: student+homework+time+...; in order of time, so the last one counts.
        parts = child.name.split("+")
        entries = [Submission(parts[0], parts[1], child)] if len(parts) >= 3 else _of_student(child)
        found.update({(entry.student, entry.assignment): entry for entry in entries})
    return [
        replace(found[key], student=printable(key[0]), assignment=printable(key[1]))
        for key in sorted(found)
    ]


def _of_student(folder: Path) -> list[Submission]:
    if not os.access(folder, os.R_OK | os.X_OK):
        return [Submission(folder.name, "?", folder)]
    inside = [
        child
        for child in sorted(folder.iterdir())
        if child.is_dir() and not child.is_symlink() and not child.name.startswith(".")
    ]
    entries = [Submission(folder.name, child.name, child) for child in inside]
    loose = sorted(folder.glob("*.ipynb"))
    named = {entry.assignment for entry in entries}
    entries += [Submission(folder.name, p.stem, folder) for p in loose if p.stem not in named]
    return entries


def full_name(submission: Submission, known: dict[str, Homework]) -> str:
    """Return the homework's full name for ``hw2``, ``hw2_dann_drawings`` or a copy's name."""
    name = submission.assignment
    if name in known:
        return name
    short = {full.split("_")[0]: full for full in known}
    start = re.match(r"[A-Za-z0-9]+", name)
    return short.get(start.group(0).lower(), name) if start else name


def refuse_other_folder(folder: Path, found: list[Submission], known: dict[str, Homework]) -> None:
    """Raise ``UserError``, which says what to name, where a folder holds no students' folders."""
    wanted = "the folder that is named must hold STUDENT/HOMEWORK/NOTEBOOK.ipynb"
    if (folder / CONFIG_FILE).exists():
        raise UserError(f"{folder} is a course's folder: {wanted} (its 'submitted', perhaps)")
    if not found:
        raise UserError(f"{folder}: {wanted}, and there is none")
    above = next((s.student for s in found if s.student in known), None)
    if above:
        raise UserError(f"{folder} holds {above}, a homework, in the place of a student: {wanted}")
    if not any(full_name(s, known) in known for s in found):
        seen = ", ".join(sorted({s.assignment for s in found})[:3])
        raise UserError(f"{folder}: none of the homeworks is known ({seen}); {wanted}")


def one_each(found: list[Submission], known: dict[str, Homework]) -> list[Submission]:
    """Return one submission for each student and homework, the others by name.

    ``hw2`` and ``hw2_dann_drawings`` are one homework; the full name comes first.
    """
    groups: dict[tuple[str, str], list[Submission]] = {}
    for submission in found:
        key = (submission.student, full_name(submission, known))
        groups.setdefault(key, []).append(submission)
    chosen = []
    for (_, name), group in groups.items():
        group.sort(key=lambda s: s.assignment != name)
        others = tuple(sorted(s.assignment for s in group[1:]))
        chosen.append(replace(group[0], others=others))
    return chosen


def notes(found: list[Submission], known: dict[str, Homework]) -> dict[Submission, str]:
    """Return what only the teacher is told of some submissions: it costs no points.

    Args:
        found: the class.
        known: the homeworks by name.
    """
    told: dict[Submission, list[str]] = {s: [] for s in found}
    for submission in found:
        if submission.others and submission.assignment in known:
            told[submission].append(f"not graded: {', '.join(submission.others)} beside it")
        if os.path.isfile(submission.folder / LATE_FILE):
            told[submission].append("handed in late")
    for submission, note in same_predictions(found, known).items():
        told[submission].append(note)
    return {submission: "; ".join(each) for submission, each in told.items() if each}


def same_predictions(found: list[Submission], known: dict[str, Homework]) -> dict[Submission, str]:
    """Return a note for each submission whose submission.csv is byte for byte another student's.

    Args:
        found: the class.
        known: the homeworks by name.
    """
    same: dict[tuple[str, bytes], list[Submission]] = {}
    for submission in found:
        for content in {*_predictions(submission)}:
            key = (full_name(submission, known), hashlib.sha256(content).digest())
            same.setdefault(key, []).append(submission)
    notes = {}
    for group in same.values():
        for submission in group:
            others = sorted({s.student for s in group} - {submission.student})
            if others:
                more = f" and {len(others) - 3} more" if len(others) > 3 else ""
                names = ", ".join(f"{name}'s" for name in others[:3])
                notes[submission] = f"submission.csv is the same file as {names}{more}"
    return notes


def _predictions(submission: Submission) -> Iterator[bytes]:
    """Yield what is in a submission's files of predictions that can be read and are not empty."""
    for path in files_below(submission.folder, deep=not is_loose(submission)):
        with contextlib.suppress(OSError):
            if path.name == "submission.csv" and path.is_file() and not path.is_symlink():
                content = path.read_bytes() if path.stat().st_size <= LARGEST else b""
                if content:
                    yield content


def is_loose(submission: Submission) -> bool:
    """Return whether its folder is the student's own, which can hold other homeworks, too."""
    return submission.folder.name == submission.student


def fingerprint(submission: Submission, known: dict[str, Homework]) -> str:
    """Return a text that changes with the submission's files, its homework and kept labels."""
    digest = hashlib.sha256("\n".join(submission.others).encode())
    name = full_name(submission, known)
    paths = [known[name].source, known[name].labels] if name in known else []
    for path in [*paths, *sorted(files_below(submission.folder))]:
        digest.update(f"{path.name}\0".encode(errors="surrogateescape"))
        with contextlib.suppress(OSError):
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def printable(name: str) -> str:
    """Return a name from a disk without what would break a line, a terminal or an encoding."""
    return "".join(each if each.isprintable() else "?" for each in name)
