"""What a file of predictions is scored against: one embedded test set a homework, or a file."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from dalib_edu import submit
from dalib_edu.data import handed_out
from dalib_edu.settings import UserError

PICTURES = {"hw1": "sketches", "hw2": "drawings", "hw4": "digits"}  # that are classified
# Shares of a thousand labels of ten classes. Guessing gets 0.10 right, give or take 0.01.
GUESSED, NOT_GUESSED = 0.15, 0.3


def score(homework: str, submission: str | Path, labels: str | Path | None = None) -> str:
    """Return a line that says how good a file of predictions is.

    Args:
        homework: its number ("hw2") or its full name.
        submission: the file: ``filename,class_name`` for hw1, ``id,label`` for hw2 and hw4.
        labels: a file of the same kind with the true ones; None: the embedded test set's.

    Raises:
        UserError: the homework has no predictions, a file is malformed, or it predicts other
            pictures than those that are scored.
    """
    name = homework_with_predictions(homework)
    if name == "hw1":
        truth = read_labels(name, labels) if labels else true_names()
        _refuse(submission, other_files(submit.read_named_submission(submission), truth))
        f1 = submit.score_named_submission(submission, truth)
        return f"{submission}: weighted F1 {100 * f1:.1f} of 100 on {len(truth)} sketches"
    truth = read_labels(name, labels) if labels else true_labels(name)
    accuracy = submit.score_submission(submission, truth)
    _refuse(submission, other_pictures(name, submit.read_submission(submission), truth))
    line = f"{submission}: {accuracy:.1%} of {len(truth)} {PICTURES[name]} are right"
    return f"{line}. {doubt(name, accuracy)}".removesuffix(". ")


def _refuse(submission: str | Path, reason: str) -> None:
    if reason:
        raise UserError(f"{submission}: {reason}")


def read_labels(homework: str, path: str | Path) -> dict[str, str] | list[int]:
    """Return the true labels of a file: {file name: class name} for hw1, by id for the others.

    Raises:
        UserError: it is no such file.
    """
    read = submit.read_named_submission if homework == "hw1" else submit.read_submission
    return read(path)


# --- predictions of other pictures --------------------------------------------------------------


def other_files(predicted: Collection[str], truth: Collection[str]) -> str:
    """Return that hw1's predictions are for other pictures than those that are scored.

    Args:
        predicted, truth: file names.

    Returns:
        a reason; empty where the names do not say so.
    """
    theirs, ours = _origin(predicted), _origin(truth)
    if theirs == ours or not theirs or not ours:
        return ""
    return f"these are predictions for {theirs}; what is scored is {ours}"


def _origin(names: Collection[str]) -> str:
    """Return where pictures of these names come from; nothing where they are no such names."""
    found = [re.fullmatch(r"test_(?:([0-9a-f]{8})_)?\d+\.jpg", name) for name in names]
    marks = {match and (match[1] or "") for match in found}
    if len(marks) != 1 or None in marks:
        return ""
    mark = marks.pop()
    if not mark:
        return "the embedded test sketches"
    return f"{handed_out.file_name('hw1')} with the pictures test_{mark}"


def other_pictures(homework: str, predicted: Sequence[int], truth: Sequence[int]) -> str:
    """Return that predictions of hw2 are for the embedded pictures, where others are scored.

    Their numbers do not tell; but the embedded test pictures have known labels.

    Args:
        homework: any with numbered pictures.
        predicted, truth: labels (N,).

    Returns:
        a reason; empty where nothing speaks for other pictures.
    """
    embedded = true_labels(homework)
    if list(truth) == embedded or len(predicted) != len(embedded):
        return ""
    here, there = (_share(predicted, labels) for labels in (truth, embedded))
    if here > NOT_GUESSED or there < NOT_GUESSED:
        return ""
    return (
        f"these are predictions for the embedded test {PICTURES[homework]} ({there:.1%} of those "
        f"are right); what is scored is another file's, {handed_out.file_name(homework)}"
    )


def doubt(homework: str, accuracy: float) -> str:
    """Return a question about hw2's predictions that are no better than guessing, else nothing."""
    if homework not in handed_out.SIZES or accuracy > GUESSED:
        return ""
    name = handed_out.file_name(homework)
    return f"That is guessing: are these the pictures that are scored, of {name} or without it?"


def _share(predicted: Sequence[int], truth: Sequence[int]) -> float:
    return sum(a == b for a, b in zip(predicted, truth, strict=True)) / max(1, len(truth))


# --- the embedded test sets ---------------------------------------------------------------------


def write_imperfect(homework: str, path: str | Path, mistake: int = 1) -> None:
    """Write what an adapted network might predict: four test pictures in five are right.

    Args:
        homework: its number or its full name.
        path: of the file.
        mistake: how far a wrong label is from the right one, 1 to the number of classes less 1.
    """
    chosen = homework_with_predictions(homework)
    named = true_names() if chosen == "hw1" else None
    classes = sorted(set(named.values())) if named else list(range(10))
    labels = [classes.index(name) for name in named.values()] if named else true_labels(chosen)
    guesses = [(y + mistake) % len(classes) if i % 5 == 0 else y for i, y in enumerate(labels)]
    if named:
        submit.write_named_submission(path, list(named), [classes[guess] for guess in guesses])
    else:
        submit.write_submission(path, guesses)


def homework_with_predictions(homework: str) -> str:
    """Return "hw1", "hw2" or "hw4"; raises ``UserError`` where no predictions are handed in."""
    name = homework.split("_")[0]
    if name not in ("hw1", "hw2", "hw4"):
        message = f"predictions are handed in with hw1, hw2 and hw4, not with {homework!r}"
        raise UserError(message)
    return name


def true_names() -> dict[str, str]:
    """Return {file name: class name} of hw1's embedded test set."""
    from dalib_edu.data import drawn_apart

    return drawn_apart.true_names()


def true_labels(homework: str) -> list[int]:
    """Return the labels of the embedded test set of "hw2" or "hw4"."""
    from dalib_edu.data import digits, drawings

    return {"hw2": drawings, "hw4": digits}[homework].true_labels().tolist()
