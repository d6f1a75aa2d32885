"""The embedded world *digits*: printed house numbers in colour, and real handwritten digits.

After SVHN -> MNIST. The source is drawn: a digit, in one of the fonts that matplotlib ships or
painted with a brush, often with parts of its neighbours, bent a little, on a spotty wall. Nine in
ten house numbers are dark on a brighter wall, one in ten is bright on dark. The target is real: the
1,797 handwritten digits, 8 x 8 pixels, bright on black, that scikit-learn ships (Alpaydin and
Kaynak; 43 people wrote them). Nothing is downloaded.

A house number depends on the seed, its class and its number alone, so that the first ten of a set
are the same whether ten are drawn or ten thousand.
"""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from dalib_edu import settings
from dalib_edu.data.cache import cached_arrays, source_version
from dalib_edu.data.drawings import hide_labels
from dalib_edu.data.files import new_folder
from dalib_edu.data.images import ImageSet
from dalib_edu.data.transforms import resize
from dalib_edu.settings import UserError, show_progress

Rng = np.random.Generator
Picture = np.ndarray  # float32, (S, S, 3) RGB 0 to 255, or (S, S) 0 to 1

CLASSES = tuple("0123456789")
SIZE = 16  # pixels a side, at the embedded scale
SMALLEST, LARGEST = 16, 64
TESTED = 600  # of the handwritten digits
FONTS = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSansMono",
    "DejaVuSansMono-Bold",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "DejaVuSerif-Italic",
    "STIXGeneral",
    "STIXGeneralBol",
    "STIXGeneralItalic",
    "cmb10",
    "cmr10",
    "cmss10",
    "cmtt10",
)


# --- what others call ---------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """Two domains of the ten digits, RGB (N, 3, size, size).

    Attributes:
        source: house numbers with labels.
        target: handwritten digits to adapt to; every label is -1.
        source_test: other house numbers, with labels, to measure on alone.
        test: other handwritten digits, with labels, to measure on alone.
    """

    source: ImageSet
    target: ImageSet
    source_test: ImageSet
    test: ImageSet


def load(scale: settings.Scale | None = None) -> World:
    """Return the world at a scale; by default ``settings.scale()``.

    Embedded: 4,000 house numbers and 1,197 handwritten digits of 16 x 16 pixels, and 500 and 600
    others to test on. Grading: a tenth of the house numbers. Full: SVHN and MNIST at 32 x 32, their
    training parts to learn from and their test parts to test on.

    Raises:
        UserError: full scale, and SVHN or MNIST is not there.
    """
    scale = scale or settings.scale()
    if scale == "full":
        from dalib_edu.data import real

        source, source_test = (real.load_svhn(train=train) for train in (True, False))
        target, test = (as_rgb(real.load_mnist(train=train), 32) for train in (True, False))
        return World(source, hide_labels(target), source_test, test)
    few = 10 if scale == "grading" else 1
    target, test = split_handwritten(handwritten(SIZE))
    source = load_house_numbers(per_class=400 // few, size=SIZE, seed=0)
    source_test = load_house_numbers(per_class=50 // few, size=SIZE, seed=1)
    return World(source, hide_labels(target), source_test, test)


def true_labels() -> Tensor:
    """Return the labels of the embedded world's ``test``, int64 (600,)."""
    return split_handwritten(handwritten(SIZE))[1].labels


def draw_house_numbers(*, per_class: int, size: int, seed: int) -> ImageSet:
    """Draw house numbers; the same arguments give the same bytes.

    Args:
        per_class: pictures of each digit, 1 or more.
        size: height and width in pixels, 16 to 64.
        seed: 0 or more; another seed gives other pictures.

    Returns:
        RGB pictures (10 * per_class, 3, size, size); the labels run 0, 1, ..., 9, 0, 1, ...

    Raises:
        UserError: an argument outside these bounds.
    """
    _check(per_class, size, seed)
    images = np.empty((per_class * len(CLASSES), size, size, 3), np.uint8)
    title = "drawing house numbers"
    bar = tqdm(range(len(images)), title, leave=False, mininterval=0.5, disable=not show_progress())
    for row in bar:
        number, label = divmod(row, len(CLASSES))
        images[row] = _draw_one(label, number, size, seed)
    # (N, H, W, C) -> (N, C, H, W)
    return _image_set(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), per_class)


def load_house_numbers(*, per_class: int, size: int, seed: int) -> ImageSet:
    """Return what ``draw_house_numbers`` returns, from the cache where it was drawn before.

    Arguments and errors as there. Where the cache cannot be read or written, they are drawn.
    """
    _check(per_class, size, seed)
    key = {
        "world": "digits",
        "version": [source_version(Path(__file__)), cv2.__version__],
        "per_class": int(per_class),
        "size": int(size),
        "seed": int(seed),
    }
    shape = (per_class * len(CLASSES), 3, size, size)

    def make() -> dict[str, np.ndarray]:
        drawn = draw_house_numbers(per_class=per_class, size=size, seed=seed)
        return {"images": drawn.images.numpy()}

    arrays = cached_arrays("digits", key, make, expect={"images": (shape, np.uint8)})
    return _image_set(torch.from_numpy(arrays["images"]), per_class)


def handwritten(size: int = SIZE) -> ImageSet:
    """Return scikit-learn's handwritten digits, bright on black: RGB (1797, 3, size, size).

    They have 8 x 8 pixels; enlarged, they fill three quarters of the picture's side.

    Raises:
        UserError: a size outside 16 to 64.
    """
    from sklearn.datasets import load_digits

    _check(1, size, 0)
    inner = round(0.75 * size)
    before = (size - inner) // 2
    after = size - inner - before
    bunch = load_digits()
    images = np.zeros((len(bunch.images), size, size), np.uint8)
    for picture, ink in zip(images, bunch.images, strict=True):
        small = (ink * (255 / 16)).astype(np.uint8)
        large = cv2.resize(small, (inner, inner), interpolation=cv2.INTER_CUBIC)
        picture[before : size - after, before : size - after] = large
    rgb = torch.from_numpy(images).unsqueeze(1).repeat(1, 3, 1, 1)  # (N, H, W) -> (N, 3, H, W)
    return ImageSet(rgb, torch.from_numpy(bunch.target).long(), CLASSES)


def split_handwritten(data: ImageSet) -> tuple[ImageSet, ImageSet]:
    """Return two thirds to adapt to and 600 to test on, in a random order, always the same."""
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))
    return data.subset(order[:-TESTED]), data.subset(order[-TESTED:])


def as_rgb(data: ImageSet, size: int) -> ImageSet:
    """Return pictures at ``size`` x ``size`` in three channels: RGB, or grey three times."""
    images = resize(data.images, size)
    return replace(data, images=images.expand(-1, 3, -1, -1).contiguous())


def export_house_numbers(folder: str | Path, *, per_class: int = 500, seed: int = 0) -> None:
    """Write house numbers as SVHN lies: ``train_32x32.mat`` and ``test_32x32.mat``.

    As there, ``X`` is (32, 32, 3, N) and ``y`` (N, 1) with 10 for the digit 0. torchvision's
    ``SVHN`` compares files with the checksums of the real ones and refuses these;
    ``scipy.io.loadmat`` reads both.

    Args:
        folder: must not exist, or be empty; it appears when all is written.
        per_class: pictures of each digit to train on; a tenth as many, or 1, are tested on.
        seed: as ``draw_house_numbers``.

    Raises:
        UserError: bad arguments; ``folder`` holds something; the disk is full or refuses.
    """
    from scipy.io import savemat

    parts = (("train", per_class, 2 * seed), ("test", max(1, per_class // 10), 2 * seed + 1))
    with new_folder(folder) as building:
        for name, count, part_seed in parts:
            drawn = draw_house_numbers(per_class=count, size=32, seed=part_seed)
            images = drawn.images.permute(2, 3, 1, 0).numpy()  # (N, C, H, W) -> (H, W, C, N)
            labels = torch.where(drawn.labels == 0, 10, drawn.labels).numpy()[:, None]
            savemat(building / f"{name}_32x32.mat", {"X": images, "y": labels.astype(np.uint8)})


def contact_sheet(*, size: int = SIZE, seed: int = 0, columns: int = 12):
    """Return a matplotlib ``Figure``: a row a digit, house numbers left and handwriting right."""
    from matplotlib.figure import Figure

    printed = draw_house_numbers(per_class=columns, size=size, seed=seed)
    written = handwritten(size)
    figure = Figure(figsize=(columns * 0.8, 4.4), layout="constrained")
    pair = zip(figure.subplots(1, 2), (printed, written), strict=True)
    for (axis, data), title in zip(pair, ("house numbers", "handwritten digits"), strict=True):
        rows = [data.images[data.labels == label][:columns] for label in range(len(CLASSES))]
        sheet = torch.cat([torch.cat(list(row), 2) for row in rows], 1)  # (3, 10 H, columns W)
        axis.imshow(sheet.permute(1, 2, 0).numpy(), interpolation="nearest")
        axis.set(xticks=[], yticks=[], title=title)
    return figure


def _image_set(images: Tensor, per_class: int) -> ImageSet:
    return ImageSet(images, torch.arange(len(CLASSES)).repeat(per_class), CLASSES)


def _check(per_class, size, seed) -> None:
    bounds = (
        ("per_class", per_class, 1, None),
        ("size", size, SMALLEST, LARGEST),
        ("seed", seed, 0, None),
    )
    for name, value, least, most in bounds:
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or value < least or (most is not None and value > most):
            wanted = f"{least} or more" if most is None else f"{least} to {most}"
            raise UserError(f"{name} is {value!r}; it must be a whole number, {wanted}")


# --- a house number -----------------------------------------------------------------------------

_CANVAS = 64  # pixels in which one is drawn, before it is shrunk
_HEIGHT = 44  # of a digit in it


def _draw_one(label: int, number: int, size: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, label, number])
    ink = cv2.GaussianBlur(_bend(_write(label, rng), rng), (0, 0), rng.uniform(0.6, 2.4))
    ink = cv2.resize(ink, (size, size), interpolation=cv2.INTER_AREA)[..., None]  # (H, W, 1)
    wall, paint = _colours(rng)
    picture = wall * (1 - ink) + paint * ink + rng.uniform(3, 18) * _spots(size, rng)
    return (picture.clip(0, 255) + 0.5).astype(np.uint8)


def _write(label: int, rng: Rng) -> Picture:
    """Return a digit in the middle, and often parts of others beside it: ink, (S, S), 0 to 1."""
    printed = rng.random() < 0.5
    font, thicker = rng.choice(FONTS), 1 + int(rng.integers(5))
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (thicker, thicker))
    ink = np.zeros((_CANVAS, _CANVAS), np.float32)

    def put(digit: int, middle: float) -> None:
        shape = cv2.dilate(_glyph(digit, font), element) if printed else _paint(digit, rng)
        height, width = shape.shape
        top, left = (_CANVAS - height) // 2, round(middle - width / 2)
        first, last = max(0, left), min(_CANVAS, left + width)
        if first < last:
            place = ink[top : top + height, first:last]
            np.maximum(place, shape[:, first - left : last - left], out=place)

    put(label, _CANVAS / 2)
    for side in (-1, 1):
        if rng.random() < 0.6:
            put(int(rng.integers(len(CLASSES))), (0.5 + side * rng.uniform(0.47, 0.62)) * _CANVAS)
    return ink


@cache
def _glyph(digit: int, font: str) -> Picture:
    """Return a digit cut to its ink, 44 pixels high and with a margin of 3, 0 to 1."""
    import matplotlib
    from matplotlib.ft2font import FT2Font

    face = FT2Font(str(Path(matplotlib.get_data_path()) / f"fonts/ttf/{font}.ttf"))
    face.set_size(100, 72)
    face.set_text(str(digit), 0.0)
    face.draw_glyphs_to_bitmap(antialiased=True)
    ink = np.array(face.get_image())
    rows, columns = (np.flatnonzero(ink.any(axis)) for axis in (1, 0))
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32) / 255
    width = max(1, round(cut.shape[1] * _HEIGHT / cut.shape[0]))
    return np.pad(cv2.resize(cut, (width, _HEIGHT), interpolation=cv2.INTER_AREA), 3)


# The ways to paint a digit: strokes, apart by a bar, through points x,y. y runs down, -100 to 100.
_STROKES = {
    0: ("10,-100 -40,-60 -50,10 -30,80 10,100 45,60 50,-10 35,-80 5,-100",),
    1: (
        "-35,-45 0,-100 0,100",
        "-35,-45 0,-100 0,100 | -40,100 40,100",
        "0,-100 0,100",
    ),
    2: (
        "-50,-50 -30,-90 10,-100 45,-75 40,-30 0,30 -50,100 | -50,100 55,100",
        "-50,-60 -10,-100 40,-70 25,0 -20,70 -45,90 -30,65 10,85 55,90",
        "-40,-70 0,-100 35,-70 10,-10 -45,90 | -45,90 0,80 50,100",
    ),
    3: (
        "-45,-80 0,-100 40,-75 35,-30 -10,-5 | -10,-5 40,15 45,65 5,100 -50,80",
        "-45,-100 40,-100 0,-30 | 0,-30 40,0 45,60 5,100 -50,75",
    ),
    4: (
        "-25,-100 -50,20 | -50,20 50,20 | 25,-50 10,100",
        "20,100 20,-100 | 20,-100 -55,35 | -55,35 55,35",
        "-10,-100 -45,0 -40,20 45,10 | 30,-30 10,100",
    ),
    5: (
        "50,-100 -35,-100 | -35,-100 -40,-10 | -40,-10 10,-25 45,10 40,70 0,100 -50,80",
        "45,-100 -20,-90 -35,-20 20,-30 40,30 10,95 -45,85",
    ),
    6: (
        "35,-100 -20,-50 -45,30 -25,90 20,95 45,50 15,10 -35,40",
        "0,-100 -35,0 -40,60 -5,100 40,70 30,20 -10,15 -40,50",
    ),
    7: (
        "-50,-100 50,-100 | 50,-100 10,0 -10,100",
        "-50,-100 50,-100 | 50,-100 10,0 -10,100 | -30,0 45,0",
        "-40,-90 40,-100 | 40,-100 20,-20 -5,100 | -35,-5 50,-10",
    ),
    8: (
        "40,-70 0,-100 -40,-70 -20,-20 30,20 45,60 0,100 -45,60 -25,15 30,-30 40,-70",
        "30,-80 -5,-100 -30,-70 0,-15 30,40 5,100 -30,60 0,0 30,-80",
    ),
    9: (
        "40,-60 0,-100 -40,-60 -10,-10 30,-30 40,-70 35,10 15,100",
        "40,-60 0,-100 -40,-60 -10,-10 30,-30 40,-70 40,40 10,100 -40,85",
        "40,-80 0,-100 -40,-70 -20,-30 35,-40 | 40,-80 40,20 20,80 -30,100 -50,80",
    ),
}


@cache
def _ways(digit: int) -> list[list[np.ndarray]]:
    """Return the ways to paint a digit, each a list of strokes (n, 2)."""
    return [
        [
            np.array([point.split(",") for point in stroke.split()], float) / 100
            for stroke in way.split("|")
        ]
        for way in _STROKES[digit]
    ]


def _paint(digit: int, rng: Rng) -> Picture:
    """Return a digit painted with an unsteady brush: ink, (S, width), 0 to 1."""
    ways = _ways(digit)
    brush, wide = int(rng.integers(4, 11)), rng.uniform(0.75, 1.15)
    ink = np.zeros((_CANVAS, _CANVAS), np.uint8)
    for stroke in ways[rng.integers(len(ways))]:
        points = _smooth(stroke + rng.normal(0, 0.07, (len(stroke), 2)))
        pixels = points * (wide, 1) * (_HEIGHT - brush) / 2 + _CANVAS / 2
        # OpenCV takes sixteenths of a pixel.
        sixteenths = np.round(pixels * 16).astype(np.int32)
        cv2.polylines(ink, [sixteenths], False, 255, brush, cv2.LINE_AA, shift=4)
    columns = np.flatnonzero(ink.any(0))
    return ink[:, columns[0] : columns[-1] + 1].astype(np.float32) / 255


def _smooth(points: np.ndarray) -> np.ndarray:
    """Return a curve through points, (n, 2) -> (8 n - 7, 2): a Catmull-Rom spline."""
    around = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    before, start, end, after = (around[i : len(around) - 3 + i, None] for i in range(4))
    t = np.linspace(0, 1, 8, endpoint=False)[:, None]
    curve = (
        2 * start
        + (end - before) * t
        + (2 * before - 5 * start + 4 * end - after) * t**2
        + (3 * start - before - 3 * end + after) * t**3
    ) / 2  # (n - 1, 8, 2)
    return np.concatenate([curve.reshape(-1, 2), points[-1:]])


def _bend(ink: Picture, rng: Rng) -> Picture:
    """Turn, shear, stretch, move and bend a picture a little, in one resampling."""
    turn, shear = np.deg2rad(rng.uniform(-12, 12)), rng.uniform(-0.3, 0.3)
    scale, stretch = rng.uniform(0.85, 1.15), np.exp(rng.uniform(-0.15, 0.15))
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    linear = np.linalg.inv(scale * rotation @ np.array([[stretch, shear], [0, 1]]))
    linear, along = np.float32(linear), np.arange(_CANVAS, dtype=np.float32) - _CANVAS / 2
    move = np.float32(rng.uniform(-4, 4, 2))
    x, y = along - move[0], (along - move[1])[:, None]
    from_x, from_y = (row[0] * x + row[1] * y + _CANVAS / 2 for row in linear)
    for _ in range(3):  # waves, each along a direction of its own
        frequency, push = np.float32(rng.uniform(-0.11, 0.11, 2)), np.float32(rng.normal(0, 1.6, 2))
        phase = np.float32(rng.uniform(0, 2 * np.pi))
        wave = np.sin(frequency[0] * x + (frequency[1] * y + phase))
        from_x, from_y = from_x + push[0] * wave, from_y + push[1] * wave
    return cv2.remap(ink, from_x, from_y, cv2.INTER_LINEAR)


def _colours(rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    """Return the colours of wall and digit, RGB, muted: nine in ten digits are the darker one."""
    contrast = rng.uniform(60, 150)
    dark = rng.uniform(40, 215 - contrast)
    wall, paint = dark + contrast, dark
    if rng.random() < 0.1:
        wall, paint = paint, wall
    return wall + rng.uniform(-35, 35, 3), paint + rng.uniform(-35, 35, 3)


def _spots(size: int, rng: Rng) -> Picture:
    """Return soft coloured spots, (size, size, 3), of mean 0 and spread 1."""
    cells = int(rng.integers(3, 9))
    coarse = rng.standard_normal((cells, cells, 3)).astype(np.float32)
    spots = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    return spots / spots.std()
