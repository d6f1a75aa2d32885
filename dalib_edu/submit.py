"""Predictions as CSV files, written whole or not at all, and scored."""

import contextlib
import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dalib_edu.settings import UserError

HEADER = ("id", "label")
LARGEST = 5_000_000  # bytes of a file of predictions


def write_submission(path: str | Path, labels: Sequence[int]) -> Path:
    """Write ``id,label`` rows, ids counting from 0 in the order of the pictures.

    Args:
        path: of the CSV file; an older file there is replaced in one move.
        labels: predicted classes, int, shape (N,).

    Raises:
        UserError: the folder cannot be written to, or a label is no whole number.
    """
    rows = [(i, _whole(label, i)) for i, label in enumerate(labels)]
    return _write_csv(Path(path), HEADER, rows)


def _whole(label, row: int) -> int:
    try:
        whole = int(label)
    except (TypeError, ValueError, OverflowError):  # of text, NaN, infinity
        whole = None
    if whole is None or whole != label:
        raise UserError(f"label {_short(label)} of picture {row} is no whole number")
    return whole


def _short(value) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "..."


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence]) -> Path:
    # Beside the file, so that the move is one. Files of tempfile can be read by their owner alone.
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return path


def read_submission(path: str | Path, classes: int | None = None) -> list[int]:
    """Return the labels of a submission in the order of their ids.

    Args:
        path: a CSV file with the columns ``id`` and ``label``; ids 0 to N - 1 in any order.
        classes: labels must be 0 to ``classes - 1``; None: any.

    Raises:
        UserError: the file is missing, is no such CSV file, or an id is missing, doubled or no
            number; the message names the line.
    """
    path, labels = Path(path), {}
    for number, row in _rows(path, HEADER):
        try:
            id_, label = (int(cell) for cell in row)
        except ValueError:
            raise UserError(
                f"{path}, line {number}: expected two whole numbers, got {_short(row)}"
            ) from None
        if id_ in labels:
            raise UserError(f"{path}, line {number}: id {_short(id_)} stands there twice")
        if classes is not None and not 0 <= label < classes:
            raise UserError(
                f"{path}, line {number}: label {_short(label)} is not in 0 to {classes - 1}"
            )
        labels[id_] = label
    if sorted(labels) != list(range(len(labels))):
        gap = next(i for i in range(len(labels)) if i not in labels)
        raise UserError(f"{path}: id {gap} is missing (ids count from 0 without a gap)")
    return [labels[i] for i in range(len(labels))]


def score_submission(path: str | Path, truth: Sequence[int]) -> float:
    """Return the accuracy, 0 to 1, of a submission against the true labels (N,).

    Raises:
        UserError: as ``read_submission``, or another number of rows than of pictures.
    """
    labels = read_submission(path)
    if len(labels) != len(truth):
        raise UserError(f"{path}: {len(labels)} rows for {len(truth)} pictures")
    return sum(int(a) == int(b) for a, b in zip(labels, truth, strict=True)) / max(1, len(labels))


# --- by name ------------------------------------------------------------------------------------

NAMED_HEADER = ("filename", "class_name")


def write_named_submission(
    path: str | Path, filenames: Sequence[str], class_names: Sequence[str]
) -> Path:
    """Write ``filename,class_name`` rows, one a picture.

    Args:
        path: of the CSV file; an older file there is replaced in one move.
        filenames: of the pictures, without folders, each once.
        class_names: the predicted classes' names, in the same order.

    Raises:
        UserError: the folder cannot be written to, the numbers differ, or a name is no text.
    """
    if len(filenames) != len(class_names):
        raise UserError(f"{len(filenames)} file names but {len(class_names)} class names")
    rows = list(zip(filenames, class_names, strict=True))
    for row in rows:
        if not all(isinstance(cell, str) and cell for cell in row):
            raise UserError(f"a row needs a file name and the name of a class, not {_short(row)}")
    if len({name for name, _ in rows}) != len(rows):
        raise UserError("a file name stands there twice")
    return _write_csv(Path(path), NAMED_HEADER, rows)


def read_named_submission(path: str | Path) -> dict[str, str]:
    """Return {file name: class name} of a submission.

    Raises:
        UserError: the file is missing, is no such CSV file, or a file name stands there twice; the
            message names the line.
    """
    path, classes = Path(path), {}
    for number, row in _rows(path, NAMED_HEADER):
        cells = [cell.strip() for cell in row]
        if len(cells) != 2 or not all(cells):
            raise UserError(
                f"{path}, line {number}: expected a file name and a class name, got {_short(row)}"
            )
        if cells[0] in classes:
            raise UserError(f"{path}, line {number}: {_short(cells[0])} stands there twice")
        classes[cells[0]] = cells[1]
    return classes


def score_named_submission(path: str | Path, truth: Mapping[str, str]) -> float:
    """Return the weighted F1, 0 to 1, of a submission against {file name: class name}.

    Raises:
        UserError: as ``read_named_submission``, or a picture is missing or unknown.
    """
    from sklearn.metrics import f1_score

    classes = read_named_submission(path)
    for names, what in ((truth.keys() - classes, "missing"), (classes.keys() - truth, "unknown")):
        if names:
            others = f" and {len(names) - 1} others" if len(names) > 1 else ""
            raise UserError(f"{path}: {_short(min(names))}{others} {what}")
    names = sorted(truth)
    return float(
        f1_score(
            [truth[name] for name in names],
            [classes[name] for name in names],
            average="weighted",
            zero_division=0.0,
        )
    )


# --- both ---------------------------------------------------------------------------------------


def _rows(path: Path, header: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of every line below the header; empty lines are left out."""
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path}: larger than {LARGEST / 1e6:.0f} MB")
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = list(csv.reader(file))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as CSV ({error})") from None
    if not table or tuple(cell.strip() for cell in table[0]) != tuple(header):
        raise UserError(f"{path}: the first line must be {','.join(header)}")
    yield from ((number, row) for number, row in enumerate(table[1:], start=2) if row)
