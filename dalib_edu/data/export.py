"""The embedded world *pictures*, written out in the folder layouts of real data sets.

What these functions write, ``dalib_edu.data.folders`` reads, and so does ImageFolder: the code
that loads the embedded world from a folder is the code that loads the real data set.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import torch
from torch import Tensor
from tqdm.auto import tqdm

from dalib_edu.data import drawn_apart, pictures
from dalib_edu.data.files import new_folder
from dalib_edu.data.folders import fit
from dalib_edu.data.images import ImageSet
from dalib_edu.jobs import parallel
from dalib_edu.settings import UserError, show_progress
from dalib_edu.submit import write_named_submission

CACHED = 64  # pixels a side; whatever is larger is drawn anew
# PACS's name of each domain, its style in the embedded world, and the kind of its files.
PACS_DOMAINS = (
    ("art_painting", "art", ".jpg"),
    ("cartoon", "cartoon", ".jpg"),
    ("photo", "photo", ".jpg"),
    ("sketch", "sketch", ".png"),
)


def export_pacs(
    folder: str | Path,
    *,
    per_class: int = 100,
    size: int = 227,
    seed: int = 0,
    classes: Sequence[str] = pictures.CLASSES[:10],
    jobs: int = 1,
) -> None:
    """Write ``folder/<domain>/<class>/pic_000.jpg ...``, as PACS lies; sketches are PNG.

    Args:
        folder: must not exist, or be empty; it appears when all is written.
        per_class: pictures of each class in each domain.
        size: height and width in pixels, 28 or more. What the world draws no larger is enlarged.
        seed, classes: as ``pictures.draw``.
        jobs: domains that are drawn at a time, see ``dalib_edu.jobs.parallel``.

    Raises:
        UserError: bad arguments; ``folder`` holds something; the disk is full or refuses.
    """
    world = {"per_class": per_class, "size": size, "seed": seed, "classes": classes}
    with new_folder(folder) as building:
        calls = [(building, *domain, world) for domain in PACS_DOMAINS]
        for _ in parallel(_write_domain, calls, jobs=jobs, title="drawing"):
            pass


def _write_domain(building: Path, domain: str, style: str, suffix: str, world: dict) -> None:
    drawn = _draw(style, **world)
    for label, name in enumerate(drawn.classes):
        rows = (drawn.labels == label).nonzero().flatten().tolist()
        names = [f"pic_{number:03d}{suffix}" for number in range(len(rows))]
        _write_all(drawn.images, rows, building / domain / name, names, world["size"])


def export_real_or_drawing(
    folder: str | Path,
    *,
    per_class: int = 500,
    drawings: int = 5000,
    seed: int = 0,
    classes: Sequence[str] = pictures.CLASSES[:10],
) -> Tensor:
    """Write the folders ``train_data`` and ``test_data`` of ML2022 HW11, "real or drawing".

    ``train_data/<label>/*.bmp`` are RGB photographs of 32 x 32 pixels, ``test_data/0/*.bmp`` grey
    sketches of 28 x 28 in random order. ``classes.txt`` holds the names of the classes, which the
    homework's own folder lacks.

    Args:
        folder: must not exist, or be empty; it appears when all is written.
        per_class: photographs of each class.
        drawings: sketches in all; the classes are as equal in number as can be.
        seed: decides the pictures and the order of the sketches.
        classes: as ``pictures.draw``.

    Returns:
        the labels of the sketches, int64 (drawings,), which the folder does not hold.

    Raises:
        UserError: bad arguments; ``folder`` holds something; the disk is full or refuses.
    """
    if drawings < 1:
        raise UserError(f"there must be 1 drawing or more, not {drawings}")
    each = -(-drawings // max(1, len(classes)))  # rounded up
    with new_folder(folder) as building:
        photos = _draw("photo", per_class=per_class, size=32, seed=seed, classes=classes)
        for label in range(len(classes)):
            rows = (photos.labels == label).nonzero().flatten().tolist()
            names = [f"{label * per_class + number}.bmp" for number in range(per_class)]
            _write_all(photos.images, rows, building / "train_data" / str(label), names, 32)

        sketches = _draw("sketch", per_class=each, size=28, seed=seed, classes=classes)
        order = torch.randperm(drawings, generator=torch.Generator().manual_seed(seed))
        names = [f"{number:05d}.bmp" for number in range(drawings)]
        _write_all(
            sketches.images, order.tolist(), building / "test_data" / "0", names, 28, grey=True
        )
        (building / "classes.txt").write_text("".join(f"{c}\n" for c in classes), "utf-8")
    return sketches.labels[order]


def export_drawn_apart(
    folder: str | Path, *, per_class: int = drawn_apart.PER_CLASS, seed: int = 0
) -> dict[str, str]:
    """Write the world of "Drawn Apart" in the layout of its contest.

    ``{cartoon,photograph,sketch}/<class>/*.jpg``, ``sketch_val/*.jpg`` with their classes in
    ``val.csv`` (``filename,class_name``), and ``sketch_test/*.jpg``; validation and test pictures
    are in random order. All are RGB of 32 x 32 pixels. (The contest, too, has the sketches to
    train on in folders of their classes; the homework does not look at their names.)

    Args:
        folder: must not exist, or be empty; it appears when all is written.
        per_class, seed: as ``drawn_apart.draw``.

    Returns:
        {file name: class name} of the test pictures, which the folder does not hold.

    Raises:
        UserError: bad arguments; ``folder`` holds something; the disk is full or refuses.
    """
    with new_folder(folder) as building:
        drawn = drawn_apart.draw(per_class, seed)
        for name, domain in (("cartoon", "cartoon"), ("photo", "photograph"), ("sketch", "sketch")):
            data = drawn[name]
            for label, class_name in enumerate(data.classes):
                rows = (data.labels == label).nonzero().flatten().tolist()
                names = [f"{domain}_{number:05d}.jpg" for number in range(len(rows))]
                _write_all(data.images, rows, building / domain / class_name, names, 32)
        named = {}
        for part in ("val", "test"):
            data = drawn[part]
            names = drawn_apart.file_names(part, len(data))
            _write_all(data.images, range(len(data)), building / f"sketch_{part}", names, 32)
            classes = [data.classes[label] for label in data.labels.tolist()]
            named[part] = dict(zip(names, classes, strict=True))
        write_named_submission(
            building / "val.csv", list(named["val"]), list(named["val"].values())
        )
    return named["test"]


def _draw(style: str, *, size: int, **arguments) -> ImageSet:
    # Large pictures would fill the cache, to be read once.
    get = pictures.load if size <= CACHED else pictures.draw
    return get(style, size=min(size, pictures.LARGEST), **arguments)


def _write_all(
    images: Tensor,
    rows: Sequence[int],
    folder: Path,
    names: Sequence[str],
    size: int,
    *,
    grey: bool = False,
) -> None:
    """Write the pictures at ``rows`` of uint8 (N, 3, H, W) at ``size`` under their names."""
    folder.mkdir(parents=True)
    bar = tqdm(
        zip(rows, names, strict=True),
        f"writing {folder.parent.name}/{folder.name}",
        len(rows),
        leave=False,
        mininterval=0.5,
        disable=not show_progress(),
    )
    for row, name in bar:
        picture = fit(images[row].permute(1, 2, 0).contiguous().numpy(), size)  # (H, W, 3)
        code = cv2.COLOR_RGB2GRAY if grey else cv2.COLOR_RGB2BGR
        written, data = cv2.imencode(Path(name).suffix, cv2.cvtColor(picture, code))
        if not written:
            raise OSError(f"OpenCV cannot write {name}")
        (folder / name).write_bytes(data.tobytes())  # imwrite would hide why it fails
