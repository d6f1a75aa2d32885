"""The embedded world *pictures*: everyday things in four styles, drawn from a seed.

The things are pictographs whose outlines matplotlib ships in the font DejaVu Sans. Each picture
poses and bends one outline at random and renders it in one of four styles, after the four domains
of PACS: a photograph, a painting, a cartoon or a pencil sketch. Nothing is downloaded.

A picture depends on the seed, the style, the class and its number alone, so that the first ten
pictures of a set are the same whether ten are drawn or ten thousand.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm.auto import tqdm

from dalib_edu.data.cache import cached_arrays, source_version
from dalib_edu.data.images import ImageSet
from dalib_edu.settings import UserError, show_progress

Rng = np.random.Generator
Points = np.ndarray  # float, (n, 2): x to the right, y down; a thing lies within -1 to 1
Picture = np.ndarray  # float32, (S, S, 3) RGB or (S, S), values 0 to 1

# How a glyph is to be read. "solid": what is not ink is seen through (an anchor's ring).
# "inset": holes in the ink are parts of another colour (a telephone's dial). "line": the glyph is
# a line drawing; the areas between its lines are the thing's parts (a cat's face). "loose": so
# too, and ink that does not touch it belongs to it (the steam over a cup).
_GLYPHS = {
    "aeroplane": ("\u2708", "solid"),
    "anchor": ("\u2693", "solid"),
    "cat": ("\U0001f431", "line"),
    "cup": ("\u2615", "loose"),
    "flower": ("\u273f", "inset"),
    "hand": ("\u270c", "line"),
    "horse": ("\u265e", "inset"),
    "scissors": ("\u2702", "solid"),
    "telephone": ("\u260e", "inset"),
    "umbrella": ("\u2602", "solid"),
    "star": ("\u2605", "solid"),
    "skull": ("\u2620", "inset"),
    "crown": ("\u265b", "inset"),
    "gear": ("\u2699", "solid"),
    "flag": ("\u2691", "solid"),
    "mouse": ("\U0001f42d", "line"),
    "monkey": ("\U0001f435", "line"),
    "clover": ("\u2618", "solid"),
    "pencil": ("\u270e", "line"),
    "wheel": ("\u2638", "solid"),
    "snowman": ("\u2603", "line"),
    "snowflake": ("\u2744", "solid"),
}
CLASSES = tuple(_GLYPHS)
STYLES = ("photo", "art", "cartoon", "sketch")
SMALLEST, LARGEST = 28, 224

_CANVAS = 96  # smaller pictures are drawn at this size and shrunk, so that they look alike


# --- what others call ---------------------------------------------------------------------------


def draw(
    style: str, *, per_class: int, size: int, seed: int, classes: Sequence[str] = CLASSES[:10]
) -> ImageSet:
    """Draw a set of pictures; the same arguments give the same bytes.

    Args:
        style: one of ``STYLES``.
        per_class: pictures of each class, 1 or more.
        size: height and width in pixels, 28 to 224.
        seed: 0 or more; another seed gives other pictures.
        classes: names from ``CLASSES``, each once; their order decides the labels.

    Returns:
        RGB pictures (per_class * len(classes), 3, size, size); the labels run 0, 1, 2, ..., 0, 1,
        2, ..., so that every stretch of ``len(classes)`` pictures is balanced.

    Raises:
        UserError: an argument outside these bounds.
    """
    _check(style, per_class, size, seed, classes)
    images = np.empty((per_class * len(classes), size, size, 3), np.uint8)
    bar = tqdm(
        range(len(images)),
        desc=f"drawing {style} pictures",
        disable=not show_progress(),
        leave=False,
        mininterval=0.5,
    )
    for row in bar:
        number, label = divmod(row, len(classes))
        images[row] = _draw_one(style, classes[label], number, size, seed)
    labels = torch.arange(len(classes)).repeat(per_class)
    # (N, H, W, C) -> (N, C, H, W)
    return ImageSet(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), labels, tuple(classes))


def load(
    style: str, *, per_class: int, size: int, seed: int, classes: Sequence[str] = CLASSES[:10]
) -> ImageSet:
    """Return what ``draw`` returns, from the cache where it was drawn before.

    Arguments and errors as ``draw``. The cache lies in ``settings.cache_folder()``; it is never
    needed: where it cannot be read or written, the pictures are drawn.
    """
    _check(style, per_class, size, seed, classes)
    key = {
        "world": "pictures",
        "version": source_version(Path(__file__)),
        "style": style,
        "per_class": int(per_class),
        "size": int(size),
        "seed": int(seed),
        "classes": list(classes),
    }
    shape = (per_class * len(classes), 3, size, size)

    def make() -> dict[str, np.ndarray]:
        drawn = draw(style, per_class=per_class, size=size, seed=seed, classes=classes)
        return {"images": drawn.images.numpy()}

    arrays = cached_arrays("pictures", key, make, expect={"images": (shape, np.uint8)})
    labels = torch.arange(len(classes)).repeat(per_class)
    return ImageSet(torch.from_numpy(arrays["images"]), labels, tuple(classes))


def contact_sheet(
    *,
    size: int = 64,
    seed: int = 0,
    rows_per_style: int = 1,
    styles: Sequence[str] = STYLES,
    classes: Sequence[str] = CLASSES[:10],
):
    """Return a matplotlib ``Figure`` with a row for each style and a column for each class."""
    from matplotlib.figure import Figure

    rows, columns = len(styles) * rows_per_style, len(classes)
    figure = Figure(figsize=(columns * 0.9 + 0.5, rows * 0.9 + 0.3), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for i, style in enumerate(styles):
        drawn = draw(style, per_class=rows_per_style, size=size, seed=seed, classes=classes)
        pictures = drawn.images.permute(0, 2, 3, 1).numpy()  # (N, C, H, W) -> (N, H, W, C)
        for j, picture in enumerate(pictures):
            row, column = divmod(j, columns)
            axis = axes[i * rows_per_style + row, column]
            axis.imshow(picture, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        axes[i * rows_per_style, 0].set_ylabel(style)
    for axis, name in zip(axes[0], classes, strict=True):
        axis.set_title(name, fontsize="small")
    return figure


def _check(style, per_class, size, seed, classes) -> None:
    if style not in STYLES:
        raise UserError(f"there is no style {style!r}; the styles are {', '.join(STYLES)}")
    for name, value, least in (("per_class", per_class, 1), ("seed", seed, 0)):
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
            raise UserError(f"{name} is {value!r}; it must be a whole number, {least} or more")
    whole = isinstance(size, int | np.integer) and not isinstance(size, bool)
    if not whole or not SMALLEST <= size <= LARGEST:
        raise UserError(f"size is {size!r}; it must be {SMALLEST} to {LARGEST} pixels")
    if isinstance(classes, str) or not len(classes):
        raise UserError(f"classes is {classes!r}; it must be a list of one or more class names")
    unknown = [name for name in classes if name not in _GLYPHS]
    if unknown:
        raise UserError(f"there is no class {unknown[0]!r}; the classes are {', '.join(CLASSES)}")
    if len(set(classes)) < len(classes):
        raise UserError(f"a class is named twice in {', '.join(classes)}")


def _draw_one(style: str, name: str, number: int, size: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, STYLES.index(style), CLASSES.index(name), number])
    canvas = max(_CANVAS, size)
    picture = _RENDERERS[style](_pose(_glyph(name), rng, _POSES[style]), canvas, rng)
    if canvas != size:
        picture = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    if style == "photo":
        picture = _sensor(picture, rng)  # noise belongs to the pixels, not to the scene
    return (picture.clip(0, 1) * 255 + 0.5).astype(np.uint8)


# --- outlines -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Thing:
    """The closed outlines of one thing.

    ``body`` (even-odd) is all of it, ``accents`` (even-odd) what carries a second colour, and
    ``lines`` what a pencil would draw.
    """

    body: list[Points]
    accents: list[Points]
    lines: list[Points]


@cache
def _glyph(name: str) -> _Thing:
    import matplotlib
    from matplotlib.ft2font import FT2Font

    character, kind = _GLYPHS[name]
    font = FT2Font(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"))
    font.set_size(300, 72)
    font.set_text(character, 0.0)
    font.draw_glyphs_to_bitmap(antialiased=True)
    ink = np.pad(np.array(font.get_image()) > 127, 4).astype(np.uint8)
    if kind in ("line", "loose"):
        thing = _line_drawing(ink, loose=kind == "loose")
    else:
        outer, holes = _outlines(ink)
        body = outer + holes if kind == "solid" else outer
        thing = _Thing(body, holes if kind == "inset" else [], outer + holes)
    everything = np.concatenate(thing.body + thing.accents)
    low, high = everything.min(0), everything.max(0)

    def centred(outlines: list[Points]) -> list[Points]:
        return [(points - (low + high) / 2) * (2 / (high - low).max()) for points in outlines]

    return _Thing(centred(thing.body), centred(thing.accents), centred(thing.lines))


def _line_drawing(ink: np.ndarray, loose: bool) -> _Thing:
    """Read a line drawing: its parts grow until they meet in the middle of the lines."""
    _, nearest = cv2.distanceTransformWithLabels(
        ink, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_CCOMP
    )
    outside = nearest[0, 0]
    body = (nearest != outside).astype(np.uint8)
    parts = [
        outline
        for label in np.unique(nearest[body > 0])
        for outline in _outlines((nearest == label).astype(np.uint8))[0]
    ]
    # Ink away from the middle of the lines is a detail: an eye, a mouth, a whisker.
    bounds = cv2.Laplacian(nearest.astype(np.float32), -1) != 0
    thick = 2 * np.median(cv2.distanceTransform(ink, cv2.DIST_L2, 5)[bounds & (ink > 0)])
    near = cv2.dilate(bounds.astype(np.uint8), np.ones((3, 3)), iterations=int(thick / 2 + 2))
    if not loose:
        _, pieces = cv2.connectedComponents(ink)
        ink = ink & np.isin(pieces, np.unique(pieces[(body > 0) & (ink > 0)]))
    details, _ = _outlines((ink & (near == 0)).astype(np.uint8))
    return _Thing(_outlines(body)[0], details, parts + details)


def _outlines(mask: np.ndarray) -> tuple[list[Points], list[Points]]:
    """Return the outlines of a mask's areas, and those of the holes in them, in pixels."""
    found, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    sides: tuple[list[Points], list[Points]] = ([], [])
    for i, contour in enumerate(found):
        if len(contour) >= 24:  # anything shorter is a speck
            sides[int(tree[0, i, 3] >= 0)].append(_even(contour[:, 0].astype(float), spacing=6))
    return sides


def _even(points: Points, spacing: float) -> Points:
    """Return a closed outline smoothed and resampled at equal distances."""
    closed = np.concatenate([points[-3:], points, points[:3]])
    smooth = np.mean([closed[i : i + len(points)] for i in range(1, 6)], axis=0)
    steps = np.linalg.norm(np.diff(smooth, axis=0, append=smooth[:1]), axis=1)
    along = np.concatenate([[0], steps.cumsum()])
    at = np.linspace(0, along[-1], max(8, round(along[-1] / spacing)), endpoint=False)
    loop = np.concatenate([smooth, smooth[:1]])
    return np.stack([np.interp(at, along, loop[:, k]) for k in (0, 1)], axis=1)


# --- pose ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _PoseRange:
    scale: tuple[float, float]  # part of the picture's side
    turn: float  # degrees either way
    stretch: float  # log of the aspect ratio, either way
    shear: float
    bend: float  # size of the elastic deformation
    margin: float  # how far beyond the picture's edge a thing may reach


_POSES = {
    "photo": _PoseRange(scale=(0.55, 0.9), turn=25, stretch=0.2, shear=0.2, bend=0.03, margin=0.03),
    "art": _PoseRange(scale=(0.6, 0.9), turn=25, stretch=0.2, shear=0.2, bend=0.04, margin=0.0),
    "cartoon": _PoseRange(scale=(0.65, 0.9), turn=20, stretch=0.2, shear=0.15, bend=0.06, margin=0),
    "sketch": _PoseRange(scale=(0.6, 0.95), turn=20, stretch=0.25, shear=0.15, bend=0.05, margin=0),
}


def _pose(thing: _Thing, rng: Rng, pose: _PoseRange) -> _Thing:
    """Mirror, bend, shear, turn, scale and move a thing; the picture spans -1 to 1."""
    angle = np.deg2rad(rng.uniform(-pose.turn, pose.turn))
    stretch = np.exp(rng.uniform(-pose.stretch, pose.stretch) / 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shape = np.array([[stretch, rng.uniform(-pose.shear, pose.shear)], [0, 1 / stretch]])
    mirror = np.diag([rng.choice([-1.0, 1.0]), 1.0])
    linear = turn @ shape @ mirror
    waves = rng.uniform(-1, 1, (3, 2)) * 3.5  # spatial frequencies of the deformation
    phases = rng.uniform(0, 2 * np.pi, 3)
    pushes = rng.normal(0, pose.bend, (3, 2))

    def place(points: Points) -> Points:
        return (points + np.sin(points @ waves.T + phases) @ pushes) @ linear.T

    everything = np.concatenate([place(points) for points in thing.body + thing.accents])
    low, high = everything.min(0), everything.max(0)
    scale = rng.uniform(*pose.scale) * 2 / (high - low).max()
    room = np.maximum(0, 1 + pose.margin - (high - low) * scale / 2)
    shift = rng.uniform(-room, room) - (low + high) / 2 * scale

    def move(outlines: list[Points]) -> list[Points]:
        return [place(points) * scale + shift for points in outlines]

    return _Thing(move(thing.body), move(thing.accents), move(thing.lines))


def _pixels(outlines: list[Points], size: int) -> list[np.ndarray]:
    """Return outlines in sixteenths of a pixel, as OpenCV's drawing functions take them."""
    return [np.round((points + 1) * (size * 8) - 8).astype(np.int32) for points in outlines]


def _fill(outlines: list[Points], size: int) -> Picture:
    """Return the even-odd area of outlines as a mask (size, size), 0 to 1, smooth at the edge."""
    mask = np.zeros((size, size), np.uint8)
    if outlines:
        cv2.fillPoly(mask, _pixels(outlines, size), 255, cv2.LINE_AA, 4)
    return mask.astype(np.float32) / 255


def _masks(thing: _Thing, size: int) -> tuple[Picture, Picture]:
    """Return the masks of the whole thing and of its accents."""
    accents = _fill(thing.accents, size)
    return np.maximum(_fill(thing.body, size), accents), accents


# --- helpers for painting -----------------------------------------------------------------------


def _blur(picture: Picture, sigma: float) -> Picture:
    return cv2.GaussianBlur(picture, (0, 0), sigma) if sigma > 0.2 else picture


def _noise(rng: Rng, size: int, scale: float, stretch: float = 1.0) -> Picture:
    """Return smooth noise (size, size) of unit variance; spots are ``scale`` parts of the side."""
    # As many random values as there are spots, enlarged: as cheap for large spots as for small.
    cells_x = int(np.clip(1 / (scale * stretch), 2, size))
    cells_y = int(np.clip(1 / scale, 2, size))
    grid = rng.standard_normal((cells_y + 3, cells_x + 3)).astype(np.float32)
    return cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)


def _colour(rng: Rng, value: tuple[float, float], saturation: tuple[float, float]) -> np.ndarray:
    """Return a random colour, float32 (3,), of bounded brightness and saturation."""
    hsv = np.array([[[rng.uniform(0, 360), rng.uniform(*saturation), rng.uniform(*value)]]])
    return cv2.cvtColor(hsv.astype(np.float32), cv2.COLOR_HSV2RGB)[0, 0]


def _luminance(colour: np.ndarray) -> float:
    return float(colour @ np.array([0.299, 0.587, 0.114], np.float32))


def _contrasting(rng: Rng, other: np.ndarray, least: float, saturation) -> np.ndarray:
    """Return a random colour whose luminance differs from another's by ``least``, if it can."""
    best = None
    for _ in range(8):
        colour = _colour(rng, (0.1, 1.0), saturation)
        distance = abs(_luminance(colour) - _luminance(other))
        if best is None or distance > best[0]:
            best = distance, colour
        if distance >= least:
            break
    return best[1]


def _over(below: Picture, above: Picture | np.ndarray, mask: Picture) -> Picture:
    """Lay a picture or a colour over another where a mask (S, S) is 1."""
    return below + (above - below) * mask[..., None]


@cache
def _grid(size: int) -> tuple[Picture, Picture]:
    """Return x and y, each (size, size), -1 to 1."""
    line = np.linspace(-1, 1, size, dtype=np.float32)
    x, y = np.meshgrid(line, line)
    return x, y


# --- photograph ---------------------------------------------------------------------------------


def _photo(thing: _Thing, size: int, rng: Rng) -> Picture:
    scene = _BACKGROUNDS[rng.integers(len(_BACKGROUNDS))](size, rng)
    scene = _blur(scene, size * rng.uniform(0.008, 0.035))  # depth of field
    picture = _lit(thing, scene, size, rng)
    if rng.random() < 0.35:
        picture = _occlude(picture, size, rng)
    x, y = _grid(size)
    picture *= 1 - rng.uniform(0, 0.35) * (x * x + y * y)[..., None] / 2  # the lens's corners
    picture = picture * rng.uniform(0.88, 1.12, 3).astype(np.float32)  # white balance
    return _blur(picture, size * rng.uniform(0.0, 0.012)) ** rng.uniform(0.8, 1.25)


def _lit(thing: _Thing, scene: Picture, size: int, rng: Rng, contrast: float = 0.25) -> Picture:
    """Put a rounded, lit thing with its cast shadow into a scene.

    ``contrast`` is the least difference in luminance, 0 to 1, between thing and surroundings.
    """
    body, accents = _masks(thing, size)
    around = scene[body > 0.5].mean(0) if (body > 0.5).any() else scene.mean((0, 1))
    colour = _contrasting(rng, around, contrast, saturation=(0.1, 0.9))
    accent = _contrasting(rng, colour, 0.2, saturation=(0.0, 0.8))
    light = rng.uniform(0.15 * np.pi, 0.85 * np.pi)  # from above, left to right
    towards = np.array([np.cos(light), -np.sin(light)], np.float32)

    reach = rng.uniform(0.02, 0.09) * size
    move = np.float32([[1, 0, -towards[0] * reach], [0, 1, -towards[1] * reach]])
    shadow = _blur(cv2.warpAffine(body, move, (size, size)), reach * rng.uniform(0.2, 0.6))
    scene = scene * (1 - rng.uniform(0.3, 0.65) * shadow[..., None])

    surface = _over(colour * np.ones_like(scene), accent, accents)
    surface = surface * (1 + rng.uniform(0.02, 0.12) * _noise(rng, size, 0.06)[..., None])
    solid = (body > 0.5).astype(np.uint8)
    cv2.polylines(solid, _pixels(thing.lines, size), True, 0, 1, cv2.LINE_8, 4)  # creases
    inside = cv2.distanceTransform(solid, cv2.DIST_L2, 3)
    height = np.minimum(inside / (rng.uniform(0.05, 0.12) * size), 1)
    height = _blur(1 - (1 - height) ** 2, size * 0.012) * 0.09 * size
    slope_x, slope_y = cv2.Sobel(height, -1, 1, 0) / 8, cv2.Sobel(height, -1, 0, 1) / 8
    lit = (1 - slope_x * towards[0] - slope_y * towards[1]) / np.sqrt(1 + slope_x**2 + slope_y**2)
    shade = 1 + rng.uniform(0.25, 0.55) * (lit - 1)
    shine = rng.uniform(0, 0.6) * np.clip(lit - 1.15, 0, None)
    surface = surface * shade[..., None] + shine[..., None]
    return _over(scene, surface, _blur(body, 0.5))


def _occlude(picture: Picture, size: int, rng: Rng) -> Picture:
    """Let something out of focus reach in from the edge: a twig, a blade of grass, a finger."""
    side = rng.uniform(0, 2 * np.pi)
    outward = np.array([np.cos(side), np.sin(side)])
    across = np.array([-outward[1], outward[0]])
    foot = outward * 1.3 + across * rng.uniform(-0.5, 0.5)
    tip = outward * rng.uniform(0.2, 0.6) + across * rng.uniform(-0.5, 0.5)
    bow = across * rng.uniform(-0.3, 0.3)
    t = np.linspace(0, 1, 12)[:, None]
    spine = foot * (1 - t) + tip * t + bow * t * (1 - t) * 4
    wide = rng.uniform(0.04, 0.13) * np.sqrt(np.clip(1.02 - t, 0, 1))
    outline = np.concatenate([spine + across * wide, (spine - across * wide)[::-1]])
    mask = _blur(_fill([outline], size), size * rng.uniform(0.005, 0.025))
    return _over(picture, _colour(rng, (0.1, 0.8), (0.1, 0.7)), mask)


def _table(size: int, rng: Rng) -> Picture:
    """A table with a grain before a wall."""
    wall = _colour(rng, (0.35, 0.95), (0.0, 0.4))
    wood = _colour(rng, (0.25, 0.8), (0.1, 0.55))
    x, y = _grid(size)
    glow = 1 + rng.uniform(-0.25, 0.25) * x + rng.uniform(-0.2, 0.2) * y
    picture = wall * (glow + 0.03 * _noise(rng, size, 0.2))[..., None]
    edge = rng.uniform(-0.1, 0.7) + rng.uniform(-0.15, 0.15) * x
    grain = 1 + 0.12 * _noise(rng, size, 0.03, stretch=8) + 0.06 * _noise(rng, size, 0.2)
    return _over(picture, wood * grain[..., None], (y > edge).astype(np.float32))


def _landscape(size: int, rng: Rng) -> Picture:
    """Sky with soft clouds, a line of hills, a meadow."""
    x, y = _grid(size)
    sky = np.array([rng.uniform(0.4, 0.7), rng.uniform(0.6, 0.8), 0.95], np.float32)
    clouds = 1 / (1 + np.exp(-3 * _noise(rng, size, 0.2, stretch=2)))
    fade = np.clip(0.35 * (y + 1), 0, 1)
    picture = sky + (1 - sky) * np.maximum(clouds * 0.8, fade)[..., None]
    for depth in range(rng.integers(1, 4)):
        ridge = rng.uniform(-0.1, 0.5) + 0.15 * depth + 0.12 * _noise(rng, size, 0.25)[:1]
        green = np.array([rng.uniform(0.15, 0.6), rng.uniform(0.3, 0.65), rng.uniform(0.1, 0.35)])
        grass = 1 + 0.15 * _noise(rng, size, 0.02, stretch=0.5)
        land = (green * rng.uniform(0.7, 1.1)).astype(np.float32) * grass[..., None]
        picture = _over(picture, land, (y > ridge).astype(np.float32))
    return picture


def _bokeh(size: int, rng: Rng) -> Picture:
    """Discs of light out of focus before a dark ground."""
    dark = _colour(rng, (0.08, 0.35), (0.2, 0.8))
    x, y = _grid(size)
    picture = dark * (1 + 0.4 * (rng.uniform(-1, 1) * x + rng.uniform(-1, 1) * y))[..., None]
    for _ in range(rng.integers(8, 22)):
        at, radius = rng.uniform(-1, 1, 2), rng.uniform(0.05, 0.22)
        disc = np.clip((radius - np.hypot(x - at[0], y - at[1])) * size / 6, 0, 1)
        picture = picture + disc[..., None] * _colour(rng, (0.15, 0.6), (0.2, 0.9))
    return picture


def _leaves(size: int, rng: Rng) -> Picture:
    """A hedge: many leaves over each other, the lower the darker."""
    picture = np.full((size, size, 3), rng.uniform(0.03, 0.15, 3), np.float32)
    count = int(rng.integers(40, 110))
    tint = rng.uniform((0.1, 0.4, 0.05), (0.6, 0.7, 0.3))
    unit = size * 16
    for i in range(count):
        colour = tint * (0.35 + 0.65 * i / count) * rng.uniform(0.7, 1.2)
        at = tuple(int(v) for v in rng.uniform(0, unit, 2))
        axes = (int(unit * rng.uniform(0.05, 0.12)), int(unit * rng.uniform(0.02, 0.045)))
        angle = rng.uniform(0, 180)
        cv2.ellipse(picture, at, axes, angle, 0, 360, colour.tolist(), -1, cv2.LINE_AA, 4)
    return picture


def _bricks(size: int, rng: Rng) -> Picture:
    """A wall of bricks or tiles, seen a little askew."""
    x, y = _grid(size)
    angle = rng.uniform(-0.25, 0.25)
    u = x * np.cos(angle) + y * np.sin(angle)
    v = -x * np.sin(angle) + y * np.cos(angle)
    rows = rng.uniform(2, 5)
    row = np.floor(v * rows)
    column = u * rows / rng.uniform(1, 2.2) + rng.choice([0.0, 0.5]) * (row % 2)
    tone = np.sin(row * 12.9898 + np.floor(column) * 78.233) * 43758.5453
    tone = (tone - np.floor(tone)).astype(np.float32)
    joint = rng.uniform(0.04, 0.1)
    seam = ((v * rows % 1) < joint * 1.6) | ((column % 1) < joint)
    stone = _colour(rng, (0.3, 0.9), (0.05, 0.6)) * (0.8 + 0.3 * tone)[..., None]
    stone = stone * (1 + 0.06 * _noise(rng, size, 0.03))[..., None]
    return _over(stone, _colour(rng, (0.3, 0.8), (0.0, 0.2)), seam.astype(np.float32))


def _shelf(size: int, rng: Rng) -> Picture:
    """Books on a shelf, or planks: upright boards of several colours."""
    edges = np.cumsum(rng.uniform(0.08, 0.4, 24)) - 1.1 + rng.uniform(0, 0.1)
    x, y = _grid(size)
    board = np.searchsorted(edges, x + y * rng.uniform(-0.08, 0.08))
    base = _colour(rng, (0.3, 0.8), (0.1, 0.5))
    spread = rng.uniform(0.1, 0.6)
    colours = np.stack([_colour(rng, (0.2, 0.9), (0.1, 0.7)) for _ in range(25)])
    picture = (base * (1 - spread) + colours * spread).astype(np.float32)[board]
    return picture * (1 + 0.06 * _noise(rng, size, 0.04, stretch=0.2))[..., None]


_BACKGROUNDS: tuple[Callable[[int, Rng], Picture], ...] = (
    _table,
    _landscape,
    _bokeh,
    _leaves,
    _bricks,
    _shelf,
)


def _sensor(picture: Picture, rng: Rng) -> Picture:
    """Add the noise of a sensor: stronger where there is more light."""
    noise = rng.standard_normal(picture.shape).astype(np.float32)
    return picture + rng.uniform(0.005, 0.03) * noise * np.sqrt(picture.clip(0.05, 1))


# --- painting -----------------------------------------------------------------------------------


def _art(thing: _Thing, size: int, rng: Rng) -> Picture:
    scene = _blur(_BACKGROUNDS[rng.integers(len(_BACKGROUNDS))](size, rng), size * 0.02)
    picture = _lit(thing, scene, size, rng, contrast=0.35).clip(0, 1)
    body, _ = _masks(thing, size)
    manner = rng.integers(3)
    if manner == 0:
        picture = _strokes(picture, body, size, rng, length=rng.uniform(0.07, 0.12), width=0.04)
    elif manner == 1:
        picture = _strokes(picture, body, size, rng, length=0.0, width=rng.uniform(0.035, 0.045))
    else:
        picture = _wash(picture, thing, size, rng)
    x, y = _grid(size)
    weave = np.sin(x * size * 1.1) * np.sin(y * size * 1.1)
    return picture * (1 + rng.uniform(0.0, 0.03) * weave)[..., None]


def _strokes(
    picture: Picture, body: Picture, size: int, rng: Rng, length: float, width: float
) -> Picture:
    """Paint a picture again in brush strokes along its edges; length 0 makes dots.

    Broad strokes first, then finer ones, the finest only on the thing itself.
    """
    soft = _blur(picture, size * 0.008)
    grey = _blur(soft.mean(2), size * 0.025)
    across = np.arctan2(cv2.Sobel(grey, -1, 0, 1), cv2.Sobel(grey, -1, 1, 0)) + np.pi / 2
    painted = _blur(picture, size * 0.04)
    on_thing = np.argwhere(cv2.dilate(body, np.ones((5, 5))) > 0.5)[:, ::-1]  # (n, 2): x, y
    for fine, count, colour_noise in ((1.0, 350, 0.06), (0.6, 500, 0.04), (0.35, 600, 0.03)):
        at = rng.integers(0, size, (count, 2))
        if fine < 0.5 and len(on_thing):
            at = on_thing[rng.integers(len(on_thing), size=count)]
        angle = across[at[:, 1], at[:, 0]] + rng.normal(0, 0.25, count)
        reach = np.stack([np.cos(angle), np.sin(angle)], 1) * length * size * fine / 2
        colours = soft[at[:, 1], at[:, 0]] + rng.normal(0, colour_noise, (count, 1))
        ends = np.round(np.stack([at - reach, at + reach], 1) * 16).astype(np.int32).tolist()
        thick = max(1, round(width * fine * size))
        for (start, end), colour in zip(ends, colours.tolist(), strict=True):
            cv2.line(painted, start, end, colour, thick, cv2.LINE_AA, 4)
    return painted


def _wash(picture: Picture, thing: _Thing, size: int, rng: Rng) -> Picture:
    """Ink and watercolour: few tones with uneven borders and darker rims, lines, paper showing."""
    soft = cv2.medianBlur((picture * 255).astype(np.uint8), 5).astype(np.float32) / 255
    tones = rng.integers(4, 7)
    wobble = 0.15 * _noise(rng, size, 0.08)[..., None]
    flat = np.round(soft * tones + wobble) / tones
    rim = np.abs(cv2.Laplacian(_blur(flat, 0.8), -1)).mean(2)
    flat = _blur(flat, size * 0.006) * (1 - np.minimum(1.2 * rim, 0.3))[..., None]
    paper = np.array([0.97, 0.95, 0.9], np.float32)
    strength = np.clip(0.85 + 0.1 * _noise(rng, size, 0.15), 0, 1)
    painted = _over(paper * np.ones_like(flat), flat, strength)
    ink = np.zeros((size, size), np.uint8)
    for line in thing.lines:
        for stroke in _hand(line, rng, shake=0.006):
            _pencil(ink, stroke, size * 0.016, rng)
    return _over(painted, _colour(rng, (0.05, 0.3), (0.2, 0.8)), ink.astype(np.float32) / 320)


# --- cartoon ------------------------------------------------------------------------------------


def _cartoon(thing: _Thing, size: int, rng: Rng) -> Picture:
    body, accents = _masks(thing, size)
    picture = _flat_background(size, rng)
    colour = _colour(rng, (0.6, 1.0), (0.5, 1.0))
    accent = _contrasting(rng, colour, 0.25, saturation=(0.0, 1.0))
    surface = _over(colour * np.ones_like(picture), accent, accents)
    towards = rng.uniform(-0.08, 0.08), rng.uniform(0.04, 0.1)
    move = np.float32([[1, 0, -towards[0] * size], [0, 1, -towards[1] * size]])
    lit = cv2.warpAffine(body, move, (size, size))
    surface = surface * (0.7 + 0.3 * lit)[..., None]  # one step of shade, with a hard edge
    picture = _over(picture, surface, body)
    thick = max(1, round(size * rng.uniform(0.017, 0.033)))
    ink = np.zeros((size, size), np.uint8)
    cv2.polylines(ink, _pixels(thing.body, size), True, 255, thick, cv2.LINE_AA, 4)
    thin = max(1, thick // 2)
    cv2.polylines(ink, _pixels(thing.lines, size), True, 255, thin, cv2.LINE_AA, 4)
    return _over(picture, _colour(rng, (0.0, 0.15), (0.0, 0.5)), ink.astype(np.float32) / 255)


def _flat_background(size: int, rng: Rng) -> Picture:
    """One flat tone, or two: a horizon, rays, dots or a spot behind the thing."""
    x, y = _grid(size)
    light = _colour(rng, (0.8, 1.0), (0.05, 0.5))
    other = (
        light * rng.uniform(0.75, 0.92)
        if rng.random() < 0.5
        else _colour(rng, (0.7, 1.0), (0.1, 0.6))
    )
    manner = rng.integers(5)
    if manner == 0:
        area = np.zeros_like(x)
    elif manner == 1:
        area = np.clip((y - rng.uniform(0.1, 0.6)) * size / 2, 0, 1)
    elif manner == 2:
        turns = np.arctan2(y - rng.uniform(-0.3, 0.3), x) * rng.integers(5, 9)
        area = np.clip(np.sin(turns) * size / 8 + 0.5, 0, 1)
    elif manner == 3:
        rows = rng.uniform(12, 20)
        area = np.clip((np.sin(x * rows) * np.sin(y * rows) - 0.4) * size / 20, 0, 1)
    else:
        area = np.clip((rng.uniform(0.6, 0.9) - np.hypot(x, y)) * size / 2, 0, 1)
    return _over(light * np.ones((size, size, 3), np.float32), other, area.astype(np.float32))


# --- sketch -------------------------------------------------------------------------------------


def _sketch(thing: _Thing, size: int, rng: Rng) -> Picture:
    fine = size * 2  # twice as fine, so that a stroke's width can vary by half pixels
    page = np.zeros((fine, fine), np.uint8)
    width = fine * rng.uniform(0.012, 0.028)
    shake = rng.uniform(0.004, 0.02)
    for outline in thing.lines:
        if len(outline) < 14 and rng.random() < 0.3:  # a hand leaves small parts out
            continue
        for stroke in _hand(outline, rng, shake):
            _pencil(page, stroke, width * rng.uniform(0.8, 1.2), rng)
    if rng.random() < 0.3:
        _hatch(page, thing, width * 0.7, shake, rng)
    ink = cv2.resize(page, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    paper = 1 - 0.015 * np.abs(_noise(rng, size, 0.01))
    tone = rng.uniform(0.05, 0.3)
    grey = paper * (1 - ink * (1 - tone))
    return np.repeat(grey[..., None], 3, axis=2).astype(np.float32)


def _hand(outline: Points, rng: Rng, shake: float) -> list[Points]:
    """Return a closed outline as the open strokes of a hand, (n, 2) each."""
    count = len(outline)
    pieces = int(rng.integers(1, 2 + max(1, count // 25)))
    cuts = np.sort(rng.choice(count, min(pieces, count), replace=False))
    strokes = []
    for start, stop in zip(cuts, np.append(cuts[1:], cuts[0] + count), strict=True):
        early, late = rng.integers(-3, 3, 2)  # begins late or runs on over the end
        rows = np.arange(start - early, max(stop + late, start - early + 4)) % count
        for _ in range(1 + (rng.random() < 0.2)):  # now and then a line is drawn twice
            strokes.append(_wobble(outline[rows], rng, shake))
    return strokes


def _wobble(points: Points, rng: Rng, shake: float) -> Points:
    """Move a stroke as an unsteady hand does: a slow drift and a faster tremor."""
    moved = points + rng.normal(0, shake, 2)
    for knots, strength in ((2 + len(points) // 20, 1.5), (2 + len(points) // 5, 0.7)):
        at = np.linspace(0, knots - 1, len(points))
        drift = rng.normal(0, shake * strength, (knots, 2))
        moved = moved + np.stack([np.interp(at, np.arange(knots), drift[:, k]) for k in (0, 1)], 1)
    return moved


def _pencil(page: np.ndarray, stroke: Points, width: float, rng: Rng) -> None:
    """Draw one stroke with a pressure that swells and fades."""
    t = np.linspace(0, 1, len(stroke))
    press = 1 + 0.35 * np.sin(t * rng.uniform(2, 8) + rng.uniform(0, 6))
    press *= np.minimum(1, 0.4 + 6 * np.minimum(t, 1 - t))  # thin where it starts and ends
    widths = np.maximum(1, np.round(width * press)).astype(int).tolist()
    points = _pixels([stroke], len(page))[0].tolist()
    for start, end, thick in zip(points[:-1], points[1:], widths[:-1], strict=True):
        cv2.line(page, start, end, 255, thick, cv2.LINE_AA, 4)


def _hatch(page: np.ndarray, thing: _Thing, width: float, shake: float, rng: Rng) -> None:
    """Shade one side of a thing with a few parallel strokes."""
    everything = np.concatenate(thing.body)
    low, high = everything.min(0), everything.max(0)
    angle = rng.uniform(0.15, 0.35) * np.pi * rng.choice([-1, 1])
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    side = rng.choice([-1, 1])
    shading = np.zeros_like(page)
    for step in np.arange(0.05, rng.uniform(0.3, 0.7), rng.uniform(0.08, 0.12)):
        middle = (low + high) / 2 + across * side * step * (high - low).max() / 2
        reach = np.linspace(-1, 1, 12)[:, None] * (high - low).max() / 2
        _pencil(shading, _wobble(middle + along * reach, rng, shake), width, rng)
    inside = (_fill(thing.body, len(page)) * 255).astype(np.uint8)
    np.maximum(page, np.minimum(shading, inside), out=page)


_RENDERERS: dict[str, Callable[[_Thing, int, Rng], Picture]] = {
    "photo": _photo,
    "art": _art,
    "cartoon": _cartoon,
    "sketch": _sketch,
}
