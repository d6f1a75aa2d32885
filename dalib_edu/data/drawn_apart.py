"""The world of the homework "Drawn Apart": two labelled sources, sketches without labels.

At the embedded scale it is drawn; at full scale it is read from a folder in the layout of the
contest whose name the homework bears. ``export.export_drawn_apart`` writes the first in the layout
of the second, and ``load_folder`` reads both.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from dalib_edu import settings
from dalib_edu.data import handed_out
from dalib_edu.data.images import ImageSet
from dalib_edu.data.transforms import IMAGENET_MEAN, IMAGENET_STD, normalise, resize
from dalib_edu.settings import UserError

SIZE = 32  # pixels a side of what is drawn
PER_CLASS = 30  # labelled pictures of each source: labels are what is scarce
HELD_OUT = 0.1  # of a folder's source pictures


@dataclass(frozen=True)
class World:
    """The pictures as they come, RGB.

    Attributes:
        cartoon, photo: the sources, with labels.
        sketch: the target to train on, every label -1.
        val: target pictures with labels, set aside for choosing a classifier.
        test: target pictures to classify, every label -1.
        val_names, test_names: their files' names, in the pictures' order.
        cartoon_test, photo_test: other source pictures, with labels, to measure on alone.
        sketch_test: other target pictures to measure on alone; with labels at the embedded scale.
    """

    cartoon: ImageSet
    photo: ImageSet
    sketch: ImageSet
    val: ImageSet
    test: ImageSet
    val_names: tuple[str, ...]
    test_names: tuple[str, ...]
    cartoon_test: ImageSet
    photo_test: ImageSet
    sketch_test: ImageSet

    @property
    def val_labels(self) -> Tensor:
        """The classes of the pictures to validate on, int64 (N,)."""
        return self.val.labels


def load(scale: settings.Scale | None = None) -> World:
    """Return the world at a scale; by default ``settings.scale()``.

    Embedded, 10 classes of 32 x 32 pixels: 300 cartoons and 300 photographs with labels, 2,000
    sketches without, 200 sketches to validate and 1,000 to test on, 500 pictures of each source to
    measure on; the sketches to classify are those to test on, or those of ``handed_out``, where
    such a file lies in the working folder. Grading: a tenth of that, none handed out. Full:
    ``load_folder`` of the contest's pictures.

    Raises:
        UserError: full scale, and the data set is not there; a file that was handed out is broken.
    """
    scale = scale or settings.scale()
    if scale == "full":
        from dalib_edu.data import real

        return load_folder(real.locate("drawn_apart"))
    if scale == "grading":
        return _embedded(PER_CLASS // 10)
    world, given = _embedded(PER_CLASS), handed_out.load("hw1")
    return replace(world, test=given, test_names=handed_out_names(given.images)) if given else world


def load_folder(folder: str | Path, size: int = 256) -> World:
    """Return the world from a folder, be it the contest's or an exported one.

    It holds ``{cartoon,photograph,sketch}/<class>/*``, ``{sketch_val,sketch_test}/*`` and
    ``val.csv`` with the columns ``filename,class_name``. The classes are those of ``cartoon``. A
    tenth of each source's pictures, always the same ones, is held out to measure on. What the
    names of the folders in ``sketch`` tell is thrown away.

    Args:
        folder: the folder of these, or one with a folder ``task_data`` that holds them.
        size: height and width of the result in pixels.

    Raises:
        UserError: a folder, file or class is missing or broken; the sources differ in classes;
            ``val.csv`` names other files or classes.
    """
    from dalib_edu.data import folders

    folder = _task_data(Path(folder).expanduser())
    cartoon, photo = folders.load_pair(folder, "cartoon", "photograph", size=size)
    classes = cartoon.classes
    val, test, sketch = (
        folders.load_unlabelled(folder / name, size=size, classes=classes)
        for name in ("sketch_val", "sketch_test", "sketch")
    )
    val_names, test_names = (_names(folder / name) for name in ("sketch_val", "sketch_test"))
    labels = _read_labels(folder / "val.csv", val_names, classes)
    (cartoon, cartoon_test), (photo, photo_test) = _hold_out(cartoon), _hold_out(photo)
    return World(
        cartoon,
        photo,
        sketch,
        replace(val, labels=labels),
        test,
        val_names,
        test_names,
        cartoon_test,
        photo_test,
        test,
    )


def true_labels(per_class: int = PER_CLASS, seed: int = 0) -> Tensor:
    """Return the labels of the embedded test pictures, int64, without drawing them.

    Args:
        per_class, seed: as ``draw``.
    """
    return _shuffled_labels(_counts(per_class)["test"], seed)


def true_names(per_class: int = PER_CLASS, seed: int = 0) -> dict[str, str]:
    """Return {file name: class name} of the embedded test pictures. Arguments as ``draw``."""
    from dalib_edu.data.pictures import CLASSES

    labels = true_labels(per_class, seed).tolist()
    names = file_names("test", len(labels))
    return {name: CLASSES[label] for name, label in zip(names, labels, strict=True)}


# --- transforms ---------------------------------------------------------------------------------


def eval_transform(size: int) -> Callable[..., Tensor]:
    """Return the transform for validation and test, in which nothing is random.

    Args:
        size: height and width of the result in pixels.

    Returns:
        a function from an RGB picture (a PIL picture, or uint8 (3, H, W) or (N, 3, H, W)) to
        float32 (3, size, size) or (N, 3, size, size): the shorter side at ``size * 8 / 7``, the
        middle cut out, ImageNet's mean and spread.
    """
    from torchvision.transforms import v2

    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(round(size * 8 / 7), antialias=True),
            v2.CenterCrop(size),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(IMAGENET_MEAN, IMAGENET_STD),
            v2.ToPureTensor(),
        ]
    )


def centre_crop(images: Tensor, size: int) -> Tensor:
    """Return what the network sees of a picture: enlarged to ``size * 8 / 7``, its middle cut out.

    Args:
        images: uint8 (N, 3, H, W), square.
        size: height and width of the result in pixels (at 224 the whole has 256, as usual).

    Returns:
        uint8 (N, 3, size, size).
    """
    whole = round(size * 8 / 7)
    start = round((whole - size) / 2)  # as torchvision rounds
    return resize(images, whole)[..., start : start + size, start : start + size].contiguous()


def flip_and_normalise(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror half of the pictures left to right, then ``normalise``: for training alone.

    Args:
        images: uint8 (N, 3, H, W), 0 to 255.
        generator: decides which; on the CPU.
    """
    flips = torch.randint(2, (len(images),), generator=generator).bool().to(images.device)
    return normalise(torch.where(flips.view(-1, 1, 1, 1), images.flip(-1), images))


# --- the embedded world -------------------------------------------------------------------------


def draw(per_class: int = PER_CLASS, seed: int = 0) -> dict[str, ImageSet]:
    """Return all sets of pictures by their names in ``World``, with every label.

    Args:
        per_class: labelled pictures of each class in each source, 1 or more. The other sets grow
            with it: for each 3 there are 20 sketches to train on, 2 to validate and 10 to test on.
        seed: 0 or more; another seed gives other pictures.

    Raises:
        UserError: an argument outside these bounds.
    """
    from dalib_edu.data import pictures

    counts = _counts(per_class)
    drawn = {
        name: pictures.load(_STYLES[name], per_class=count, size=SIZE, seed=8 * seed + part)
        for part, (name, count) in enumerate(counts.items())
    }
    for name in ("val", "test"):
        drawn[name] = drawn[name].subset(_order(counts[name], seed))
    return drawn


def file_names(part: str, count: int) -> tuple[str, ...]:
    """Return the names of the exported files of ``"val"`` or ``"test"``."""
    return tuple(f"{part}_{number:05d}.jpg" for number in range(count))


def handed_out_names(images: Tensor) -> tuple[str, ...]:
    """Return the file names of pictures that were handed out: other pictures, other names.

    Args:
        images: uint8 (N, 3, H, W).
    """
    mark = hashlib.sha256(images.numpy().tobytes()).hexdigest()[:8]
    return file_names(f"test_{mark}", len(images))


_STYLES = {
    "cartoon": "cartoon",
    "photo": "photo",
    "sketch": "sketch",
    "val": "sketch",
    "test": "sketch",
    "cartoon_test": "cartoon",
    "photo_test": "photo",
}


def _counts(per_class: int) -> dict[str, int]:
    """Return the number of pictures of each class in each set."""
    parts = {
        "cartoon": 3,
        "photo": 3,
        "sketch": 20,
        "val": 2,
        "test": 10,
        "cartoon_test": 5,
        "photo_test": 5,
    }
    return {name: round(per_class * part / 3) for name, part in parts.items()}


def _embedded(per_class: int) -> World:
    drawn = draw(per_class)
    drawn["sketch_test"] = drawn["test"]
    for name in ("sketch", "test"):
        hidden = torch.full_like(drawn[name].labels, -1)
        drawn[name] = replace(drawn[name], labels=hidden)
    names = {f"{part}_names": file_names(part, len(drawn[part])) for part in ("val", "test")}
    return World(**drawn, **names)


def _order(per_class: int, seed: int) -> Tensor:
    # The world is drawn class by class in turn, which would give the labels away.
    return torch.randperm(10 * per_class, generator=torch.Generator().manual_seed(seed))


def _shuffled_labels(per_class: int, seed: int) -> Tensor:
    return torch.arange(10).repeat(per_class)[_order(per_class, seed)]


# --- the folder ---------------------------------------------------------------------------------


def _task_data(folder: Path) -> Path:
    if not (folder / "cartoon").is_dir() and (folder / "task_data").is_dir():
        return _task_data(folder / "task_data")  # the archive has one in the other
    return folder


def _names(folder: Path) -> tuple[str, ...]:
    from dalib_edu.data import folders

    names = tuple(path.name for path in folders.picture_files(folder))
    if len(set(names)) < len(names):
        raise UserError(f"{folder} has two pictures of one name in folders below it")
    return names


def _read_labels(path: Path, names: tuple[str, ...], classes: tuple[str, ...]) -> Tensor:
    from dalib_edu.submit import read_named_submission

    named = read_named_submission(path)  # the same two columns as a submission
    missing = [name for name in names if name not in named]
    if missing:
        raise UserError(f"{path} has no line for {missing[0]}")
    unknown = [name for name in names if named[name] not in classes]
    if unknown:
        raise UserError(
            f"{path} gives {unknown[0]} the class {named[unknown[0]]!r}; "
            f"the sources' classes are {', '.join(classes)}"
        )
    return torch.tensor([classes.index(named[name]) for name in names])


def _hold_out(data: ImageSet) -> tuple[ImageSet, ImageSet]:
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))
    held_out = round(HELD_OUT * len(data))
    return data.subset(order[held_out:]), data.subset(order[:held_out])
