"""The embedded world *characters*: letters of many alphabets, each written by twenty hands.

After Omniglot (Lake, Salakhutdinov and Tenenbaum, 2015): some alphabets to train on, others to
evaluate on, no character in both. The letters' outlines come from the font DejaVu Sans, which
matplotlib ships. An outline is thinned to the strokes that a pen would make, and every *drawer*
writes them with a slant, a size, a pen and an unsteadiness of their own: 105 x 105 pixels, black on
white, as in Omniglot. Nothing is downloaded.

A picture depends on the seed, the character and the drawer alone.

The same ``Characters`` come from a folder in Omniglot's layout, ``load_folder``; and
``export_characters`` writes the embedded world out in it.
"""

from collections.abc import Iterable, Iterator, Sequence
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
from dalib_edu.data.files import new_folder
from dalib_edu.data.folders import class_names, folder_names, picture_files, read_pictures
from dalib_edu.data.images import ImageSet
from dalib_edu.data.transforms import turn, white_on_black
from dalib_edu.settings import UserError, show_progress

Rng = np.random.Generator
Points = np.ndarray  # float, (n, 2): x to the right, y down
Strokes = list[Points]

SIDE = 105  # pixels, Omniglot's
DRAWERS = 20
SMALLEST = 8

# Where two alphabets share a shape, one of them has it: it would be two classes that nobody could
# tell apart. Left out, too, are letters made of dots alone.
TRAINING = {
    "Arabic": "بتثجحخدذرزسشصضطظعغفقكلمنهوي",
    "Canadian_Syllabics": "ᐁᐃᐅᐊᐱᐳᐸᑌᑎᑐᑕᑫᑭᑯᑲᒉᒋᒐᒣᒥᒧᒪᓀᓂᓄᓇᓭᓯᓱᓴᔦᔨᔪᔭ",
    "Coptic": "ϢϤϦϨϪϬϮ",
    "Cyrillic": "вгджзийлмнптфцчшщъыьэюя",
    "Georgian": "აბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰ",
    "Greek": "αβγδεζηθικλμνξπστυφχψω",
    "Lao": "ກຂຄງຈຊຍດຕຖທນບປຜຝພຟມຢຣລວສຫອຮ",
    "Latin": "abcdefghijklmnopqrstuvwxyz",
    "Lisu": "ꓓꓕꓖꓗꓘꓝꓞꓟꓠꓣꓤꓧꓨꓬꓭꓮꓯꓰꓱꓷ",
    "Ogham": "ᚁᚂᚃᚄᚅᚆᚇᚈᚉᚊᚋᚌᚍᚎᚏᚐᚑᚒᚓᚕᚖᚗᚘᚙ",
}
EVALUATION = {
    "Armenian": "աբգդեզէըթժիլխծկձղճմնչպջռվտրփքֆ",
    "Asomtavruli": "ႠႡႢႣႥႦႧႨႩႪႫႬႭႮႯႰႱႲႳႴႵႶႷႸႺႻႼႽႾႿჀჁჂჃჄჅ",
    "Hebrew": "אבגדהזטילמנסעצקרשת",
    "NKo": "ߋߌߍߎߏߐߒߓߔߕߖߗߘߙߚߛߜߝߞߟߡߢߣߤߦ",
    "Tifinagh": "ⴰⴱⴲⴳⴵⴻⴼⴽⴾⴿⵀⵁⵃⵄⵅⵇⵉⵊⵋⵌⵍⵎⵐⵑⵒⵓⵕⵖⵚⵛⵞⵡⵢⵣⵤⵥ",
}
ALPHABETS = TRAINING | EVALUATION


# --- what others call ---------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """Characters to learn from, and characters of other alphabets to measure on.

    Both sets are grey (N, 1, size, size), black on white; a class is one character, named
    ``<alphabet>_<character>``, and its pictures are by different drawers. ``alphabets_of`` tells
    the alphabets.
    """

    train: ImageSet
    evaluation: ImageSet


def load(scale: settings.Scale | None = None, *, size: int = 32) -> World:
    """Return the world at a scale; by default ``settings.scale()``.

    Embedded: 243 characters of ten alphabets to train on and 145 of five others, each by 20
    drawers. Grading: two alphabets and one. Full: Omniglot's background and evaluation sets.

    Args:
        scale: see ``settings.scale``.
        size: height and width in pixels, 8 to 105.

    Raises:
        UserError: a size outside these bounds; full scale, and Omniglot is not there.
    """
    scale = scale or settings.scale()
    if scale == "full":
        from dalib_edu.data import real

        folder = real.locate("omniglot-py")
        parts = ("images_background", "images_evaluation")
        return World(*(load_folder(folder / part, size=size) for part in parts))
    return World(*(load_alphabets(names, size=size) for names in _parts(scale).values()))


def _parts(scale: settings.Scale) -> dict[str, tuple[str, ...]]:
    """Return the alphabets of Omniglot's two folders in the world at a scale."""
    few = scale == "grading"
    return {
        "images_background": ("Coptic", "Latin") if few else tuple(TRAINING),
        "images_evaluation": ("Hebrew",) if few else tuple(EVALUATION),
    }


def draw(
    alphabets: Sequence[str], *, size: int = SIDE, seed: int = 0, drawers: int = DRAWERS
) -> ImageSet:
    """Draw all characters of some alphabets; the same arguments give the same bytes.

    Args:
        alphabets: names from ``ALPHABETS``, each once.
        size: height and width in pixels, 8 to 105. They are drawn at 105.
        seed: 0 or more; another seed gives other drawers.
        drawers: pictures of each character, 1 or more.

    Returns:
        grey pictures (N, 1, size, size), black on white, character by character in the order of
        ``alphabets``, and of the drawers within one.

    Raises:
        UserError: an argument outside these bounds.
    """
    _check(alphabets, size, seed, drawers)
    letters = [letter for name in alphabets for letter in ALPHABETS[name]]
    hands = [_hand(seed, drawer) for drawer in range(drawers)]
    images = np.empty((len(letters), drawers, size, size), np.uint8)
    bar = tqdm(
        letters, "drawing characters", leave=False, mininterval=0.5, disable=not show_progress()
    )
    for row, letter in zip(images, bar, strict=True):
        for drawer, hand in enumerate(hands):
            picture = _write(letter, hand, np.random.default_rng([seed, 1, ord(letter), drawer]))
            row[drawer] = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    # (characters, drawers, H, W) -> (N, 1, H, W)
    return _image_set(torch.from_numpy(images).view(-1, 1, size, size), alphabets, drawers)


def load_alphabets(
    alphabets: Sequence[str], *, size: int = 32, seed: int = 0, drawers: int = DRAWERS
) -> ImageSet:
    """Return what ``draw`` returns, from the cache where it was drawn before.

    Arguments and errors as ``draw``. Where the cache cannot be read or written, they are drawn.
    """
    _check(alphabets, size, seed, drawers)
    key = {
        "world": "characters",
        "version": [source_version(Path(__file__)), cv2.__version__],
        "alphabets": list(alphabets),
        "size": int(size),
        "seed": int(seed),
        "drawers": int(drawers),
    }
    shape = (sum(len(ALPHABETS[name]) for name in alphabets) * drawers, 1, size, size)

    def make() -> dict[str, np.ndarray]:
        drawn = draw(alphabets, size=size, seed=seed, drawers=drawers)
        return {"images": drawn.images.numpy()}

    arrays = cached_arrays("characters", key, make, expect={"images": (shape, np.uint8)})
    return _image_set(torch.from_numpy(arrays["images"]), alphabets, drawers)


def load_folder(folder: str | Path, *, size: int = 32, without: Sequence[str] = ()) -> ImageSet:
    """Return the pictures of a folder in Omniglot's layout, as ``draw`` returns those of the world.

    ``folder/<alphabet>/<character>/*.png``, for example ``images_background``. Alphabets,
    characters and files are taken in the order of their names (``torchvision.datasets.Omniglot``
    takes them as the disk lists them, so that its labels differ from machine to machine).

    Args:
        folder: of the alphabets.
        size: height and width in pixels, 1 or more.
        without: alphabets to leave out, whether they are there or not.

    Raises:
        UserError: the folder is missing, holds no alphabet besides those to leave out, or has an
            alphabet or character without pictures; a picture cannot be decoded.
    """
    folder = Path(folder).expanduser()
    names = [name for name in folder_names(folder) if name not in without]
    if not names:
        left_out = f" besides {', '.join(without)}" if without else ""
        raise UserError(f"{folder} has no alphabet's folder{left_out}")
    files, labels, classes = [], [], []
    for alphabet in names:
        for character in class_names(folder / alphabet):
            members = picture_files(folder / alphabet / character)
            if not members:
                raise UserError(f"{folder / alphabet / character} has no pictures")
            files += members
            labels += [len(classes)] * len(members)
            classes.append(f"{alphabet}_{character}")
    images = read_pictures(files, size=size, grey=True, title=f"reading {folder.name}")
    return ImageSet(images, torch.tensor(labels), tuple(classes))


def export_characters(
    folder: str | Path,
    *,
    scale: settings.Scale = "embedded",
    seed: int = 0,
    drawers: int = DRAWERS,
) -> None:
    """Write the world as Omniglot lies: ``images_background/<alphabet>/characterNN/NNNN_DD.png``.

    The evaluation alphabets are in ``images_evaluation``. NNNN counts all characters, DD is the
    drawer.

    Args:
        folder: must not exist, or be empty; it appears when all is written.
        scale: which alphabets, see ``load``; at full scale those of the embedded one.
        seed, drawers: as ``draw``.

    Raises:
        UserError: bad arguments; ``folder`` holds something; the disk is full or refuses.
    """
    _check(tuple(ALPHABETS), SIDE, seed, drawers)
    count = 0
    with new_folder(folder) as building:
        for part, alphabets in _parts(scale).items():
            for name in alphabets:
                drawn = draw((name,), seed=seed, drawers=drawers)
                for label, character in enumerate(drawn.classes):
                    count += 1
                    place = building / part / name / character.rpartition("_")[2]
                    place.mkdir(parents=True)
                    own = drawn.images[drawn.labels == label, 0].numpy()  # (drawers, H, W)
                    for drawer, picture in enumerate(own, start=1):
                        written, data = cv2.imencode(".png", picture)
                        if not written:
                            raise OSError("OpenCV cannot write a PNG")
                        (place / f"{count:04d}_{drawer:02d}.png").write_bytes(data.tobytes())


def alphabets_of(classes: Sequence[str]) -> tuple[tuple[str, ...], Tensor]:
    """Return the alphabets of characters, and each character's position among them, int64 (C,).

    Args:
        classes: names ``<alphabet>_<character>``. The last underscore divides them: Omniglot has
            ``Japanese_(hiragana)`` and ``Japanese_(katakana)``.
    """
    names = [name.rpartition("_")[0] for name in classes]
    alphabets = tuple(dict.fromkeys(names))
    return alphabets, torch.tensor([alphabets.index(name) for name in names], dtype=torch.int64)


def ink(data: ImageSet) -> ImageSet:
    """Return pictures for a network: bright strokes on black, grey (N, 1, H, W), uint8.

    What turns in from outside when a picture is turned is black, and so is the paper then.
    """
    return replace(data, images=white_on_black(data.images))


def turned_batches(
    data: ImageSet,
    rows: Iterable[Tensor],
    *,
    degrees: float,
    seed: int,
    device: str | torch.device = "cpu",
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the pictures at given rows, each turned a little, and their labels.

    Args:
        data: pictures (N, 1, H, W), uint8, bright on black.
        rows: positions (B,) of each batch, for example from ``dalib_edu.metric.pk_batches``.
        degrees: the largest angle either way.
        seed: decides the angles.
        device: where the batches go.

    Yields:
        float32 (B, 1, H, W) in [0, 1] and int64 (B,).
    """
    generator = torch.Generator().manual_seed(seed)
    for batch in rows:
        angles = (torch.rand(len(batch), generator=generator) * 2 - 1) * degrees
        images = turn(data.images[batch], angles, torch.zeros(len(batch), dtype=torch.bool))
        yield images.to(device), data.labels[batch].to(device)


def contact_sheet(
    *,
    seed: int = 0,
    alphabets: Sequence[str] = tuple(ALPHABETS),
    letters: int = 5,
    drawers: int = 3,
):
    """Return a matplotlib ``Figure``: a row an alphabet, with some letters by some drawers each."""
    from matplotlib.figure import Figure

    columns = letters * drawers
    figure = Figure(figsize=(columns * 0.55 + 1.5, len(alphabets) * 0.6), layout="constrained")
    axes = figure.subplots(len(alphabets), columns, squeeze=False)
    for name, row in zip(alphabets, axes, strict=True):
        spread = np.linspace(0, len(ALPHABETS[name]) - 1, letters).round().astype(int)
        for place, axis in enumerate(row):
            letter, drawer = ALPHABETS[name][spread[place // drawers]], place % drawers
            rng = np.random.default_rng([seed, 1, ord(letter), drawer])
            axis.imshow(_write(letter, _hand(seed, drawer), rng), cmap="gray", vmin=0, vmax=255)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        row[0].set_ylabel(
            name.replace("_", "\n"), rotation=0, ha="right", va="center", size="small"
        )
    return figure


def _image_set(images: Tensor, alphabets: Sequence[str], drawers: int) -> ImageSet:
    classes = [
        f"{name}_character{number:02d}"
        for name in alphabets
        for number in range(1, len(ALPHABETS[name]) + 1)
    ]
    labels = torch.arange(len(classes)).repeat_interleave(drawers)
    return ImageSet(images, labels, tuple(classes))


def _check(alphabets, size, seed, drawers) -> None:
    if isinstance(alphabets, str) or not len(alphabets):
        raise UserError(f"alphabets is {alphabets!r}; it must be a list of one or more names")
    unknown = [name for name in alphabets if name not in ALPHABETS]
    if unknown:
        known = ", ".join(ALPHABETS)
        raise UserError(f"there is no alphabet {unknown[0]!r}; the alphabets are {known}")
    if len(set(alphabets)) < len(alphabets):
        raise UserError(f"an alphabet is named twice in {', '.join(alphabets)}")
    bounds = (("size", size, SMALLEST, SIDE), ("seed", seed, 0, None), ("drawers", drawers, 1, 99))
    for name, value, least, most in bounds:
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or value < least or (most is not None and value > most):
            wanted = f"{least} or more" if most is None else f"{least} to {most}"
            raise UserError(f"{name} is {value!r}; it must be a whole number, {wanted}")


# --- letters as strokes -------------------------------------------------------------------------

_EM = 110  # pixels in which a letter's outline is thinned


@cache
def strokes_of(letter: str) -> tuple[Points, ...]:
    """Return the strokes of a letter, (n, 2) each, in a box of which the longer side is -1 to 1."""
    ink = _ink(letter)
    skeleton = _thin(ink)
    width = 2 * float(np.median(cv2.distanceTransform(ink, cv2.DIST_L2, 5)[skeleton]))
    strokes = [_even(stroke, spacing=3) for stroke in _trace(skeleton, width)]
    everything = np.concatenate(strokes)
    low, high = everything.min(0), everything.max(0)
    scale = 2 / max((high - low).max(), width)
    return tuple((stroke - (low + high) / 2) * scale for stroke in strokes)


def _ink(letter: str) -> np.ndarray:
    import matplotlib
    from matplotlib.ft2font import FT2Font

    font = FT2Font(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"))
    font.set_size(_EM, 72)
    font.set_text(letter, 0.0)
    font.draw_glyphs_to_bitmap(antialiased=True)
    return np.pad(np.array(font.get_image()) > 127, 3).astype(np.uint8)


def _thin(ink: np.ndarray) -> np.ndarray:
    """Return the middle lines of a mask, bool (H, W).

    Source: Zhang and Suen, "A Fast Parallel Algorithm for Thinning Digital Patterns", 1984.
    """
    picture = ink.astype(bool)
    while True:
        before = picture.sum()
        for first in (True, False):
            padded = np.pad(picture, 1)
            ring = [
                padded[1 + dy : padded.shape[0] - 1 + dy, 1 + dx : padded.shape[1] - 1 + dx]
                for dy, dx in _RING
            ]
            neighbours = sum(p.astype(int) for p in ring)
            turns = sum(
                (~a & b).astype(int) for a, b in zip(ring, ring[1:] + ring[:1], strict=True)
            )
            north, east, south, west = ring[0], ring[2], ring[4], ring[6]
            if first:
                inner = (north & east & south) | (east & south & west)
            else:
                inner = (north & east & west) | (north & south & west)
            picture = picture & ~((neighbours >= 2) & (neighbours <= 6) & (turns == 1) & ~inner)
        if picture.sum() == before:
            return picture


# The eight neighbours of a pixel, clockwise from the north.
_RING = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))


def _trace(skeleton: np.ndarray, width: float) -> Strokes:
    """Return the lines of a skeleton as strokes, which run straight on where lines cross.

    Args:
        skeleton: bool (H, W), lines of one pixel.
        width: of the pen that the ink looks drawn with. Thinning leaves twigs shorter than this at
            corners, and draws a crossing apart into two: both are undone.
    """
    beside = _pixel_graph(skeleton)
    lines = _lines_between_nodes(beside)
    place = {}  # of each end of a line: where lines meet
    for line in lines:
        for end in (line[0], line[-1]):
            place.setdefault(end, end)
    for line in lines:
        if len(line) <= width and len(beside[line[0]]) > 2 and len(beside[line[-1]]) > 2:
            old, new = place[line[-1]], place[line[0]]
            place = {end: new if at == old else at for end, at in place.items()}
    kept = []
    for line in lines:
        loose = [len(beside[end]) == 1 for end in (line[0], line[-1])]
        melted = len(line) <= width and place[line[0]] == place[line[-1]] and line[0] != line[-1]
        twig = len(line) <= width and sum(loose) == 1
        if not melted and not twig:
            points = [place[line[0]], *line[1:-1], place[line[-1]]]
            kept.append([(x, y) for y, x in points])
    dots = [[(x, y), (x, y)] for (y, x), others in beside.items() if not others]
    return [np.array(stroke, float) for stroke in _join(kept) + dots]


Pixel = tuple[int, int]


def _pixel_graph(skeleton: np.ndarray) -> dict[Pixel, list[Pixel]]:
    """Return the neighbours of each pixel; none diagonally where there is a way around a corner."""
    pixels = set(zip(*(axis.tolist() for axis in np.nonzero(skeleton)), strict=True))
    beside = {}
    for y, x in pixels:
        straight = [(y + dy, x + dx) for dy, dx in _RING[::2] if (y + dy, x + dx) in pixels]
        corners = [
            (y + dy, x + dx)
            for dy, dx in _RING[1::2]
            if (y + dy, x + dx) in pixels and not {(y + dy, x), (y, x + dx)} & pixels
        ]
        beside[y, x] = sorted(straight + corners)
    return dict(sorted(beside.items()))


def _lines_between_nodes(beside: dict[Pixel, list[Pixel]]) -> list[list[Pixel]]:
    """Return the lines from node to node (an end or a meeting of lines), and the closed ones."""
    lines, seen = [], set()
    nodes = [pixel for pixel, others in beside.items() if len(others) != 2]
    for start in [*nodes, *beside]:  # whatever no line from a node passes is closed
        for second in beside[start]:
            if (start, second) in seen or (len(beside[start]) == 2 and start in seen):
                continue
            line = [start, second]
            while len(beside[line[-1]]) == 2 and line[-1] != start:
                line.append(next(p for p in beside[line[-1]] if p != line[-2]))
            seen |= {*line[1:-1], (line[0], line[1]), (line[-1], line[-2])}
            seen |= {start} if len(beside[start]) == 2 else set()
            lines.append(line)
    return lines


def _join(lines: list[list[Pixel]]) -> list[list[Pixel]]:
    """Join lines end to end where they run straight on, and where two alone meet."""
    lines = [list(line) for line in lines]
    while True:
        ends = [(line[-side], i, side) for i, line in enumerate(lines) for side in (0, 1)]
        pairs = [
            (_bend(lines[i], s, lines[j], r), i, s, j, r)
            for n, (at, i, s) in enumerate(ends)
            for other, j, r in ends[n + 1 :]
            if at == other and i != j
        ]
        meeting = [at for at, _, _ in ends]
        pairs = [p for p in pairs if p[0] > 0.6 or meeting.count(lines[p[1]][-p[2]]) == 2]
        if not pairs:
            return lines
        _, i, s, j, r = max(pairs)
        one = lines[i] if s else lines[i][::-1]
        two = lines[j][::-1] if r else lines[j]
        lines = [line for n, line in enumerate(lines) if n not in (i, j)] + [one + two[1:]]


def _bend(one: list[Pixel], side: int, two: list[Pixel], other: int) -> float:
    """Return how straight two lines run on: 1 straight on, -1 back."""
    ahead = [
        np.subtract(line[-s], (line[::-1] if s else line)[:_LOOK_BACK][-1])
        for line, s in ((one, side), (two, other))
    ]
    lengths = [np.linalg.norm(v) for v in ahead]
    return float(-(ahead[0] @ ahead[1]) / max(1e-9, lengths[0] * lengths[1]))


_LOOK_BACK = 10  # pixels by which a line's direction is judged


def _even(points: Points, spacing: float) -> Points:
    """Return a stroke smoothed and resampled at equal distances; its ends stay."""
    smooth = points.copy()
    for _ in range(4):
        smooth[1:-1] = (smooth[:-2] + 2 * smooth[1:-1] + smooth[2:]) / 4
    along = np.concatenate([[0], np.linalg.norm(np.diff(smooth, axis=0), axis=1).cumsum()])
    at = np.linspace(0, along[-1], max(2, round(along[-1] / spacing) + 1))
    return np.stack([np.interp(at, along, smooth[:, k]) for k in (0, 1)], axis=1)


# --- hands --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Hand:
    """How one drawer writes. Lengths are parts of a letter's half side unless said otherwise."""

    slant: float  # sideways per unit of height
    turn: float  # degrees
    aspect: float  # log of width by height
    scale: float  # part of the picture that a letter fills
    pen: float  # width in pixels
    round_corners: int  # times that a stroke is smoothed
    sloppiness: float  # how far strokes stray from where they belong
    bend: float  # how far the whole letter is bent
    shake: float  # of the hand


def _hand(seed: int, drawer: int) -> _Hand:
    rng = np.random.default_rng([seed, 0, drawer])
    return _Hand(
        slant=rng.normal(0, 0.12),
        turn=rng.normal(0, 4),
        aspect=rng.normal(0, 0.12),
        scale=rng.uniform(0.55, 0.8),
        pen=rng.uniform(2.4, 3.8),
        round_corners=int(rng.integers(1, 14)),
        sloppiness=rng.uniform(0.02, 0.06),
        bend=rng.uniform(0.02, 0.07),
        shake=rng.uniform(0.006, 0.02),
    )


def _write(letter: str, hand: _Hand, rng: Rng) -> np.ndarray:
    """Return one letter as a hand writes it, uint8 (105, 105), 0 on 255."""
    strokes = [_rounded(stroke, hand.round_corners) for stroke in strokes_of(letter)]
    strokes = [_stray(stroke, hand.sloppiness, rng) for stroke in strokes]
    waves, phases = rng.uniform(-2.5, 2.5, (3, 2)), rng.uniform(0, 2 * np.pi, 3)
    pushes = rng.normal(0, hand.bend, (3, 2))
    strokes = [points + np.sin(points @ waves.T + phases) @ pushes for points in strokes]
    linear = _linear(hand, rng)
    strokes = [_shaken(points @ linear.T, hand.shake, rng) for points in strokes]
    everything = np.concatenate(strokes)
    low, high = everything.min(0), everything.max(0)
    side = hand.scale * rng.uniform(0.9, 1.1) * SIDE
    scale = side / max((high - low).max(), 0.3)
    room = np.maximum(0, (SIDE - (high - low) * scale) / 2 - 4)
    middle = SIDE / 2 + rng.uniform(-0.25, 0.25, 2) * room
    pixels = [(points - (low + high) / 2) * scale + middle for points in strokes]
    return _inked(pixels, hand.pen * rng.uniform(0.9, 1.1))


def _linear(hand: _Hand, rng: Rng) -> np.ndarray:
    """Return the slant, turn and proportions of one letter: a matrix (2, 2)."""
    angle = np.deg2rad(hand.turn + rng.normal(0, 3))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    wide = np.exp((hand.aspect + rng.normal(0, 0.07)) / 2)
    slant = hand.slant + rng.normal(0, 0.05)
    return turn @ np.array([[wide, -slant], [0, 1 / wide]])


def _rounded(points: Points, times: int) -> Points:
    """Smooth a stroke; its ends stay."""
    points = points.copy()
    for _ in range(times):
        points[1:-1] = (points[:-2] + 2 * points[1:-1] + points[2:]) / 4
    return points


def _stray(points: Points, sloppiness: float, rng: Rng) -> Points:
    """Move, turn and stretch a stroke a little about its middle, and run over or stop short."""
    middle = points.mean(0)
    angle, stretch = rng.normal(0, sloppiness), np.exp(rng.normal(0, sloppiness))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (points - middle) @ turn.T * stretch + middle + rng.normal(0, sloppiness / 2, 2)
    if len(points) < 6:  # a dot
        return points
    for end, inner in ((0, 3), (-1, -4)):
        onward = points[end] - points[inner]
        onward = onward / max(1e-6, np.linalg.norm(onward))
        beyond = points[end] + onward * rng.normal(0, sloppiness)
        points = np.vstack([beyond, points[1:]]) if end == 0 else np.vstack([points[:-1], beyond])
    return points


def _shaken(points: Points, shake: float, rng: Rng) -> Points:
    """Move a stroke as an unsteady hand does: by a slow drift and a faster tremor."""
    count = len(points)
    for knots, strength in ((2 + count // 12, 2.0), (2 + count // 4, 0.8)):
        at, drift = np.linspace(0, knots - 1, count), rng.normal(0, shake * strength, (knots, 2))
        points = points + np.stack([np.interp(at, np.arange(knots), d) for d in drift.T], axis=1)
    return points


def _inked(strokes: Strokes, pen: float) -> np.ndarray:
    """Draw strokes, (n, 2) in pixels, with a pen of a width in pixels: 0 on 255."""
    finer = 4  # times as fine, so that the pen's width can vary by quarters of a pixel
    page = np.full((SIDE * finer, SIDE * finer), 255, np.uint8)
    for points in strokes:
        fixed = np.round(points * finer * 16).astype(np.int32)  # 4 bits after the point
        cv2.polylines(page, [fixed], False, 0, max(1, round(pen * finer)), cv2.LINE_8, 4)
    small = cv2.resize(page, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.where(small < 128, 0, 255).astype(np.uint8)  # as in Omniglot, no grey
