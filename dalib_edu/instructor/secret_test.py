"""Test pictures from a secret seed: the pictures for students, the labels for the teacher alone."""

from collections.abc import Iterable
from pathlib import Path

from dalib_edu.data import drawn_apart, handed_out
from dalib_edu.data.images import ImageSet
from dalib_edu.data.pictures import CLASSES
from dalib_edu.instructor.build import Homework, find_root, homeworks_in, write_atomically
from dalib_edu.instructor.folders import labels_file
from dalib_edu.scoring import read_labels
from dalib_edu.settings import UserError
from dalib_edu.submit import write_named_submission, write_submission


def hand_out(
    seed: int,
    homeworks: Iterable[str] | None = None,
    *,
    root: Path | str | None = None,
    per_class: int = handed_out.PER_CLASS,
) -> None:
    """Draw test pictures, put them beside the students' notebooks, and keep their labels.

    The same seed writes the same files again. It is written down nowhere.

    Args:
        seed: secret, see ``handed_out.SMALLEST_SEED``.
        homeworks: names such as ``hw2``; None for all that can have secret pictures.
        root: the project's folder; by default the one around the working directory.
        per_class: pictures of each class.

    Raises:
        UserError: a seed that is too small; a homework that cannot have secret pictures; other
            pictures than these are handed out already; a folder cannot be written to.
    """
    root = find_root() if root is None else Path(root)
    chosen = homeworks_in(root, homeworks)
    if not homeworks:
        chosen = [homework for homework in chosen if _short(homework) in handed_out.SIZES]
    for homework in chosen:
        _refuse_others(homework)
    drawn = {homework: handed_out.draw(_short(homework), seed, per_class) for homework in chosen}
    for homework, data in drawn.items():
        _refuse_change(homework, data)
    try:
        for homework, data in drawn.items():
            _write(homework, data, root)
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be written ({error.strerror})") from None


def _short(homework: Homework) -> str:
    return homework.name.split("_")[0]


def _refuse_others(homework: Homework) -> None:
    name = _short(homework)
    if name == "hw4":
        raise UserError(
            "hw4 classifies scikit-learn's digits, whose labels are public: no seed can hide them"
        )
    if name not in handed_out.SIZES:
        raise UserError(f"{homework.name} has no test pictures to hand out; hw1 and hw2 have")


def _refuse_change(homework: Homework, data: ImageSet) -> None:
    """Raise ``UserError`` where other pictures are handed out, or other labels kept."""
    name, folder, kept = _short(homework), homework.release.parent, homework.labels
    old = handed_out.read(name, folder)
    if old is not None and not old.images.equal(data.images):
        path = folder / handed_out.file_name(name)
        raise UserError(f"{path} holds pictures of another seed; move it and {kept} away first")
    if kept.is_file() and read_labels(name, kept) != _truth(name, data):
        raise UserError(f"{kept} holds the labels of another seed; move it away first")


def _truth(name: str, data: ImageSet) -> dict[str, str] | list[int]:
    """Return labels as ``read_labels`` does."""
    labels = data.labels.tolist()
    if name != "hw1":
        return labels
    names = drawn_apart.handed_out_names(data.images)
    return dict(zip(names, (data.classes[label] for label in labels), strict=True))


def _write(homework: Homework, data: ImageSet, root: Path) -> None:
    name, kept = _short(homework), homework.labels
    kept.parent.mkdir(mode=0o700, exist_ok=True)
    truth = _truth(name, data)
    if isinstance(truth, dict):
        write_named_submission(kept, list(truth), list(truth.values()))
    else:
        write_submission(kept, truth)
    # nbgrader empties the release and fills it with what lies beside the instructor's notebook.
    for notebook in (homework.instructor, homework.release):
        place = notebook.with_name(handed_out.file_name(name))
        write_atomically(place, handed_out.pack(data.images))
    print(f"{name}: hand out {place.relative_to(root)}, {len(data)} pictures, with the notebook")
    print(f"{name}: keep {kept.relative_to(root)}, their labels, and tell nobody the seed")


def take_labels(homework: Homework, out: Path) -> None:
    """Bring the labels that a grading folder keeps of a homework up to date.

    Args:
        homework: of the project.
        out: an nbgrader course folder.

    Raises:
        UserError: pictures are handed out and their labels are missing or broken.
    """
    name = _short(homework)
    kept, copy = homework.labels, labels_file(out, name)
    if kept.is_file():
        _check_labels(name, kept)
        copy.parent.mkdir(mode=0o700, exist_ok=True)
        write_atomically(copy, kept.read_text(encoding="utf-8"))
        return
    copy.unlink(missing_ok=True)
    pictures = homework.release.with_name(handed_out.file_name(name))
    if pictures.exists():
        raise UserError(
            f"{pictures} is handed out, and {kept} with its labels is not here: "
            "`dalib-edu build --test-seed` with the same seed makes it again"
        )


def _check_labels(name: str, path: Path) -> None:
    truth = read_labels(name, path)
    known = set(CLASSES[:10]) if name == "hw1" else set(range(10))
    found = set(truth.values() if isinstance(truth, dict) else truth)
    if not found or not found <= known:
        raise UserError(f"{path}: these are no labels of {name}")
