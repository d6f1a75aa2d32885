"""Real pictures from folders: ``root/<domain>/<class>/*.jpg``, as torchvision's ImageFolder reads.

Classes are the names of the folders in a domain's folder, sorted; files are sorted within a
class, and those in folders below it count too. What begins with a dot (``.ipynb_checkpoints``,
``._x.jpg``) is left out. Pictures are decoded once, in threads, and kept as uint8 in memory and in
the cache.

Every picture becomes 8-bit RGB at one size:

- other shapes are stretched to the square; pixels are averaged on the way down, and interpolated
  linearly on the way up;
- grey pictures get three equal channels, CMYK becomes RGB, 16 bits lose the lower 8;
- what is transparent in a PNG shows white paper (ImageFolder would show the colour hidden there,
  mostly black, which swallows a drawing);
- a photograph that says by EXIF how it was held is turned upright (ImageFolder leaves it).
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm.auto import tqdm

from dalib_edu.data.cache import cached_arrays, source_version
from dalib_edu.data.images import ImageSet
from dalib_edu.data.transforms import to_grey
from dalib_edu.settings import UserError, show_progress

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")

# The classes of ML2022 HW11, "real or drawing", whose folders bear numbers.
REAL_OR_DRAWING_CLASSES = (
    "horse",
    "bed",
    "clock",
    "apple",
    "cat",
    "plane",
    "television",
    "dog",
    "dolphin",
    "spider",
)


# --- what others call ---------------------------------------------------------------------------


def load(
    root: str | Path,
    domain: str,
    *,
    size: int,
    classes: Sequence[str] | None = None,
    grey: bool = False,
) -> ImageSet:
    """Return the pictures in ``root/<domain>/<class>/``.

    Args:
        root: the folder of the domains' folders.
        domain: the name of a folder in ``root``.
        size: height and width of the result in pixels, 1 or more.
        classes: take these alone, labelled in this order; by default all, sorted.
        grey: return luminance (N, 1, size, size), as ``transforms.to_grey`` of the RGB pictures.

    Returns:
        RGB pictures (N, 3, size, size), class by class.

    Raises:
        UserError: a folder or class is missing or empty, or a file cannot be read or decoded.
    """
    folder = _domain_folder(root, domain)
    present = class_names(folder)
    classes = present if classes is None else tuple(classes)
    missing = [name for name in classes if name not in present]
    if missing:
        raise UserError(
            f"{folder} has no class {_listed(missing)}; its classes are {_listed(present)}"
        )
    files, labels = [], []
    for label, name in enumerate(classes):
        members = picture_files(folder / name)
        if not members:
            raise UserError(f"{folder / name} is an empty class: no {', '.join(SUFFIXES)} in it")
        files += members
        labels += [label] * len(members)
    images = read_pictures(files, size=size, grey=grey, title=f"reading {domain}")
    return ImageSet(images, torch.tensor(labels), classes)


def load_pair(
    root: str | Path, source: str, target: str, *, size: int, grey: bool = False
) -> tuple[ImageSet, ImageSet]:
    """Return two domains with the same classes. Arguments as ``load``.

    Raises:
        UserError: as ``load``; also where the domains' classes differ.
    """
    folders = _domain_folder(root, source), _domain_folder(root, target)
    first, second = (set(class_names(folder)) for folder in folders)
    if first != second:
        alone = [
            f"only {domain} has {_listed(sorted(names))}"
            for domain, names in ((source, first - second), (target, second - first))
            if names
        ]
        raise UserError(f"{source} and {target} in {root} differ in classes: {'; '.join(alone)}")
    return tuple(load(root, domain, size=size, grey=grey) for domain in (source, target))


def load_unlabelled(
    folder: str | Path, *, size: int, classes: Sequence[str] = (), grey: bool = False
) -> ImageSet:
    """Return all pictures in and below ``folder``, sorted by path, with label -1.

    Args:
        folder: where the pictures lie.
        size, grey: as ``load``.
        classes: the names to carry along.

    Raises:
        UserError: the folder is missing or has no pictures, or a file cannot be decoded.
    """
    folder = _existing(folder)
    files = picture_files(folder)
    if not files:
        raise UserError(f"{folder} has no pictures ({', '.join(SUFFIXES)})")
    images = read_pictures(files, size=size, grey=grey, title=f"reading {folder.name}")
    return ImageSet(images, torch.full((len(files),), -1), tuple(classes))


def load_real_or_drawing(root: str | Path, *, size: int = 32) -> tuple[ImageSet, ImageSet]:
    """Return the photographs and drawings of ML2022 HW11, or of a set in its layout.

    ``train_data/<0 to 9>/*.bmp`` are labelled RGB photographs of 32 x 32 pixels, and
    ``test_data/0/00000.bmp ...`` unlabelled grey drawings of 28 x 28. The position of a drawing
    is its ``id`` in a submission. A file ``classes.txt``, one name a line, names other classes
    than the homework's.

    Args:
        root: the folder ``real_or_drawing``, or the one that it lies in.
        size: height and width of the result in pixels.

    Returns:
        the source, (N, 3, size, size), and the target, (M, 1, size, size) with labels -1.

    Raises:
        UserError: as ``load``; also where the class folders are not numbered from 0.
    """
    folder = _existing(root)
    if not (folder / "train_data").is_dir() and (folder / "real_or_drawing").is_dir():
        folder = folder / "real_or_drawing"
    _domain_folder(folder, "test_data")  # is missing sooner than after the source is read
    numbers = class_names(_domain_folder(folder, "train_data"))
    names = _names_of_classes(folder)
    expected = [str(label) for label in range(len(names))]
    if sorted(numbers) != sorted(expected):
        raise UserError(
            f"{folder / 'train_data'} should have the folders 0 to {len(names) - 1}, one a class; "
            f"it has {_listed(numbers)}"
        )
    source = load(folder, "train_data", size=size, classes=expected)
    target = load_unlabelled(folder / "test_data", size=size, classes=names, grey=True)
    return ImageSet(source.images, source.labels, names), target


# --- files --------------------------------------------------------------------------------------


def folder_names(folder: Path) -> tuple[str, ...]:
    """Return the names of the folders in ``folder``, sorted, without hidden ones."""
    try:
        with os.scandir(folder) as entries:
            return tuple(sorted(e.name for e in entries if e.is_dir() and _visible(e.name)))
    except OSError as error:
        raise UserError(f"{folder} cannot be read: {error.strerror}") from error


def class_names(folder: Path) -> tuple[str, ...]:
    """Return the classes of a domain's folder.

    Raises:
        UserError: there are none.
    """
    names = folder_names(folder)
    if not names:
        raise UserError(f"{folder} has no class folders, and so no images")
    return names


def picture_files(folder: Path) -> list[Path]:
    """Return the pictures in and below ``folder``, in ImageFolder's order."""

    def fail(error: OSError) -> None:
        raise UserError(f"{error.filename} cannot be read: {error.strerror}") from error

    found = []
    for place, folders, names in os.walk(folder, followlinks=True, onerror=fail):
        folders[:] = filter(_visible, folders)
        found += [(place, n) for n in names if _visible(n) and n.lower().endswith(SUFFIXES)]
    return [Path(place, name) for place, name in sorted(found)]


def read_pictures(files: Sequence[Path], *, size: int, grey: bool, title: str) -> torch.Tensor:
    """Return pictures, uint8 (N, 3 or 1, size, size), from the cache where they have not changed.

    What lies in the system's temporary folder is not cached: it will not be read there again.

    Args:
        files: the pictures.
        size, grey: as ``load``.
        title: stands before the progress bar.

    Raises:
        UserError: a file cannot be read or decoded.
    """
    if size < 1:
        raise UserError(f"a picture's size is 1 pixel or more, not {size}")
    shape = (len(files), 1 if grey else 3, size, size)
    key = {
        "world": "folder",
        "version": [source_version(Path(__file__)), cv2.__version__],
        "files": _fingerprint(files),
        "size": size,
        "grey": grey,
    }

    def make() -> dict[str, np.ndarray]:
        return {"images": _decode_all(files, shape, title)}

    if files and files[0].absolute().is_relative_to(tempfile.gettempdir()):
        return torch.from_numpy(make()["images"])
    arrays = cached_arrays("folder", key, make, expect={"images": (shape, np.uint8)})
    return torch.from_numpy(arrays["images"])


def read_picture(path: Path) -> np.ndarray:
    """Return one picture as RGB, uint8 (H, W, 3); see the top of this file for how.

    Raises:
        UserError: the file cannot be read, or is no whole picture.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    picture = None
    if data and not _is_cut_jpeg(data):
        try:
            picture = _decode(data)
        except cv2.error:  # of absurd sizes, for one
            picture = None
    if picture is None:
        raise UserError(f"{path} is no picture that can be decoded: corrupt or cut off")
    return picture


# --- from bytes to pixels -----------------------------------------------------------------------


def _decode_all(files: Sequence[Path], shape: tuple[int, ...], title: str) -> np.ndarray:
    images = np.empty(shape, np.uint8)
    size = shape[-1]

    def read(row: int) -> None:
        picture = fit(read_picture(files[row]), size).transpose(2, 0, 1)  # (H, W, C) -> (C, H, W)
        if shape[1] == 1:
            picture = to_grey(torch.from_numpy(picture)[None])[0].numpy()
        images[row] = picture

    with ThreadPool(os.cpu_count()) as threads:  # OpenCV and file reading release Python's lock
        rows: Iterator = threads.imap(read, range(len(files)), chunksize=16)
        for _ in tqdm(
            rows, title, len(files), leave=False, mininterval=0.5, disable=not show_progress()
        ):
            pass
    return images


def fit(picture: np.ndarray, size: int) -> np.ndarray:
    """Return a picture (H, W, 3), uint8, stretched to (size, size, 3)."""
    height, width = picture.shape[:2]
    if height > size or width > size:
        smaller = min(width, size), min(height, size)
        picture = cv2.resize(picture, smaller, interpolation=cv2.INTER_AREA)
    if picture.shape[:2] != (size, size):
        picture = cv2.resize(picture, (size, size), interpolation=cv2.INTER_LINEAR)
    return picture


def _decode(data: bytes) -> np.ndarray | None:
    coded = np.frombuffer(data, np.uint8)
    if not data.startswith(b"\x89PNG"):
        picture = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        return None if picture is None else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    picture = cv2.imdecode(coded, cv2.IMREAD_UNCHANGED)
    if picture is None:
        return None
    if picture.dtype == np.uint16:
        picture = (picture >> 8).astype(np.uint8)
    if picture.ndim == 2:
        return cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    if picture.shape[2] == 4:
        picture = _on_white(picture)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def _on_white(picture: np.ndarray) -> np.ndarray:
    colour, opacity = picture[..., :3].astype(np.int32), picture[..., 3:].astype(np.int32)
    return ((colour * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)


def _is_cut_jpeg(data: bytes) -> bool:
    # Decoders fill what is missing with grey and say nothing; a whole JPEG ends in this mark,
    # which some cameras pad.
    return data.startswith(b"\xff\xd8") and b"\xff\xd9" not in data.rstrip(b"\0")[-1024:]


# --- small things -------------------------------------------------------------------------------


def _fingerprint(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        try:
            stat = file.stat()
        except OSError as error:
            raise UserError(f"{file} cannot be read: {error.strerror}") from error
        line = f"{file.absolute()}\0{stat.st_size}\0{stat.st_mtime_ns}\n"
        digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()


def _existing(folder: str | Path) -> Path:
    folder = Path(folder).expanduser()
    if not folder.exists():
        raise UserError(f"{folder} does not exist")
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder")
    return folder


def _domain_folder(root: str | Path, domain: str) -> Path:
    root = _existing(root)
    folder = root / domain
    if not folder.is_dir():
        there = folder_names(root)
        raise UserError(f"{root} has no domain {domain}; its folders are {_listed(there)}")
    return folder


def _names_of_classes(folder: Path) -> tuple[str, ...]:
    path = folder / "classes.txt"
    if not path.exists():
        return REAL_OR_DRAWING_CLASSES
    try:
        return tuple(path.read_text(encoding="utf-8").split("\n")[:-1])
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error


def _visible(name: str) -> bool:
    return not name.startswith(".")


def _listed(names: Sequence[str], most: int = 20) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more if names else "none"
