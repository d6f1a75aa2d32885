"""Test pictures that a teacher hands out, in one file that lies beside the notebook.

The labels of the embedded test pictures can be drawn again by anyone. Those of pictures that were
drawn from a secret seed are the teacher's alone. The file holds the pictures and nothing else.
"""

import hashlib
import io
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dalib_edu.data.images import ImageSet
from dalib_edu.settings import UserError

SIZES = {"hw1": 32, "hw2": 28}  # pixels a side, as the embedded test sketches of each homework
PER_CLASS = 100
SMALLEST_SEED = 10**15  # trying a seed costs the drawing of one picture, some milliseconds


def file_name(homework: str) -> str:
    """Return the name of the file for ``"hw1"`` or ``"hw2"``."""
    return f"{homework}_test_pictures.npz"


def draw(homework: str, seed: int, per_class: int = PER_CLASS) -> ImageSet:
    """Draw a homework's test pictures and their labels, in random order, from a secret seed.

    They are never cached: the cache holds pictures in the order of their classes, and the grader's
    sandbox shows it to students' code.

    Args:
        homework: ``"hw1"`` or ``"hw2"``.
        seed: ``SMALLEST_SEED`` or more.
        per_class: pictures of each of the ten classes.

    Raises:
        UserError: a smaller seed.
    """
    from dalib_edu.data import pictures

    if seed < SMALLEST_SEED:
        digits = len(str(SMALLEST_SEED))
        raise UserError(f"that seed can be found by trying: take a random one of {digits} digits")
    # Each homework has things of its own, or the answers to one would help with the other.
    secret = hashlib.sha256(f"{homework} {seed}".encode()).digest()
    of_pictures, of_order = (int.from_bytes(part) for part in (secret[:8], secret[8:16]))
    drawn = pictures.draw("sketch", per_class=per_class, size=SIZES[homework], seed=of_pictures)
    generator = torch.Generator().manual_seed(of_order)
    return drawn.subset(torch.randperm(len(drawn), generator=generator))


def pack(images: Tensor) -> bytes:
    """Return pictures, uint8 (N, 3, H, W), as the content of a file; no labels go in."""
    content = io.BytesIO()
    np.savez_compressed(content, pictures=images.numpy())
    return content.getvalue()


def read(homework: str, folder: str | Path = ".") -> ImageSet | None:
    """Return the pictures that lie in a folder, every label -1; None where there are none.

    Args:
        homework: any; only hw1 and hw2 can have some.
        folder: by default the notebook's.

    Raises:
        UserError: the file is damaged, or is not that of this homework.
    """
    path = Path(folder) / file_name(homework)
    if homework not in SIZES or not path.exists():
        return None
    from dalib_edu.data.pictures import CLASSES

    try:
        with np.load(path, allow_pickle=False) as file:
            images = file["pictures"]
    except Exception:  # of zip files, compression, numpy's headers, memory: many kinds
        raise UserError(f"{path}: damaged; fetch the file that was handed out again") from None
    shape = (3, SIZES[homework], SIZES[homework])
    if images.dtype != np.uint8 or images.shape[1:] != shape or not len(images):
        raise UserError(f"{path}: these are no test pictures of {homework}")
    unknown = torch.full((len(images),), -1)
    return ImageSet(torch.from_numpy(images), unknown, CLASSES[:10])


def load(homework: str) -> ImageSet | None:
    """Do ``read`` in the working folder, and say so where there are pictures."""
    found = read(homework)
    if found:
        print(f"{file_name(homework)}: {len(found)} pictures to classify, from your teacher")
    return found
