"""The world of the drawings homework: labelled photographs, unlabelled drawings.

At the embedded scale it is drawn, at full scale it is ML2022 HW11's data set, and both are prepared
alike: photographs become edges, drawings become bright strokes on black.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dalib_edu import settings
from dalib_edu.data import handed_out
from dalib_edu.data.images import ImageSet
from dalib_edu.data.transforms import edges, resize, white_on_black

SIZE = 32  # pixels a side, at the network's door
TEST_PER_CLASS = 100


@dataclass(frozen=True)
class World:
    """The pictures as they come.

    Attributes:
        photos: the source, RGB, with labels.
        drawings: the target, grey, every label -1.
        photos_test: other photographs, with labels, to measure on alone.
        drawings_test: other drawings to measure on alone; with labels at the embedded scale.
        test: drawings to classify, every label -1.
    """

    photos: ImageSet
    drawings: ImageSet
    photos_test: ImageSet
    drawings_test: ImageSet
    test: ImageSet


def load(scale: settings.Scale | None = None) -> World:
    """Return the world at a scale; by default ``settings.scale()``.

    Embedded: 2,000 photographs of 32 x 32 pixels, 2,000 drawings of 28 x 28, and 1,000 of each to
    test on; the drawings to classify are these, or those of ``handed_out``, where such a file lies
    in the working folder. Grading: a tenth of that, none handed out. Full: 4,500 photographs to
    train on and 500 to test on; the 100,000 drawings are both the target and the test, and nobody
    outside the course that owns them has their labels.

    Raises:
        UserError: full scale, and the data set is not there; a file that was handed out is broken.
    """
    scale = scale or settings.scale()
    if scale == "full":
        return _full()
    if scale == "grading":
        return _embedded(TEST_PER_CLASS // 10)
    world, given = _embedded(TEST_PER_CLASS), handed_out.load("hw2")
    return replace(world, test=given) if given else world


def true_labels(per_class: int = TEST_PER_CLASS) -> Tensor:
    """Return the labels of the embedded test drawings, int64 (10 * per_class,), without drawing."""
    return torch.arange(10).repeat(per_class)[_order(per_class)]


def prepare_photos(photos: ImageSet, canny: tuple[int, int]) -> ImageSet:
    """Return the edges of photographs, white on black: (N, 3, H, W) -> (N, 1, 32, 32), uint8.

    Args:
        photos: uint8 (N, 3, H, W), 0 to 255.
        canny: the low and the high threshold.
    """
    return replace(photos, images=edges(resize(photos.images, SIZE), *canny))


def prepare_drawings(drawings: ImageSet) -> ImageSet:
    """Return drawings as bright strokes on black: (N, 3 or 1, H, W) -> (N, 1, 32, 32), uint8."""
    return replace(drawings, images=resize(white_on_black(drawings.images), SIZE))


def hide_labels(data: ImageSet) -> ImageSet:
    """Return the same pictures with every label -1."""
    return replace(data, labels=torch.full_like(data.labels, -1))


def _embedded(per_class: int) -> World:
    from dalib_edu.data import pictures

    def photos(per_class: int, seed: int) -> ImageSet:
        return pictures.load("photo", per_class=per_class, size=SIZE, seed=seed)

    def sketches(per_class: int, seed: int) -> ImageSet:
        return pictures.load("sketch", per_class=per_class, size=28, seed=seed)

    drawings_test = sketches(per_class, 3).subset(_order(per_class))
    return World(
        photos(2 * per_class, 0),
        hide_labels(sketches(2 * per_class, 1)),
        photos(per_class, 2),
        drawings_test,
        hide_labels(drawings_test),
    )


def _order(per_class: int) -> Tensor:
    # The world is drawn class by class in turn, which would give the test's labels away.
    return torch.randperm(10 * per_class, generator=torch.Generator().manual_seed(28))


def _full() -> World:
    from dalib_edu.data import folders, real

    photos, sketches = folders.load_real_or_drawing(real.locate("real_or_drawing"))
    order = torch.randperm(len(photos), generator=torch.Generator().manual_seed(0))
    held_out = len(photos) // 10
    train, test = photos.subset(order[held_out:]), photos.subset(order[:held_out])
    return World(train, sketches, test, sketches, sketches)
