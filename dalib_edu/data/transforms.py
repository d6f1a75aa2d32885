"""Transforms of whole batches; uint8 in memory, float in [0, 1] at the network's door.

Only ``flip_and_rotate`` augments: it alone takes a generator, and it belongs to training. What
evaluates uses the others, which give the same answer each time.
"""

import math

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

# Of torchvision's pretrained networks: RGB, of values 0 to 1.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def to_float(images: Tensor) -> Tensor:
    """Return uint8 pictures 0 to 255 as float32 in [0, 1], same shape."""
    return images.float().div_(255)


def to_signed(images: Tensor) -> Tensor:
    """Return uint8 pictures 0 to 255 as float32 in [-1, 1], same shape."""
    return images.float().div_(127.5).sub_(1)


def normalise(images: Tensor) -> Tensor:
    """Return uint8 pictures (N, 3, H, W), 0 to 255, as float32 with ImageNet's mean and spread."""
    mean, std = (
        torch.tensor(channels, device=images.device).view(3, 1, 1)
        for channels in (IMAGENET_MEAN, IMAGENET_STD)
    )
    return to_float(images).sub_(mean).div_(std)


def to_grey(images: Tensor) -> Tensor:
    """Return uint8 pictures (N, 3 or 1, H, W) as luminance (N, 1, H, W), uint8.

    To the last bit what ``cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)`` returns, a batch at a time:
    0.299 R + 0.587 G + 0.114 B in fixed point, 15 bits after the point.

    Raises:
        ValueError: other dtypes or numbers of channels.
    """
    _check_pictures(images)
    if images.shape[1] == 1:
        return images
    red, green, blue = images.int().unbind(1)  # (N, 3, H, W) -> three of (N, H, W)
    grey = red.mul_(9798).add_(green, alpha=19235).add_(blue, alpha=3735)
    return grey.add_(1 << 14).bitwise_right_shift_(15).byte().unsqueeze(1)


def resize(images: Tensor, size: int) -> Tensor:
    """Return pictures (N, C, H, W) at ``size`` x ``size``, bilinear with antialiasing."""
    if images.shape[-2:] == (size, size):
        return images
    return F.interpolate(images, (size, size), mode="bilinear", antialias=True)


def edges(images: Tensor, low: int, high: int) -> Tensor:
    """Return Canny's edges, white (255) on black (0): uint8 (N, 1, H, W).

    Args:
        images: uint8 (N, 3 or 1, H, W), 0 to 255.
        low, high: thresholds on the gradient. Above ``high`` is an edge; between the two, only
            what is connected to an edge.

    Source: Canny, "A Computational Approach to Edge Detection", PAMI 1986; OpenCV's ``Canny``.
    """
    grey = to_grey(images)[:, 0].cpu().numpy()  # (N, 1, H, W) -> (N, H, W)
    found = np.empty_like(grey, order="C")
    for picture, edge in zip(grey, found, strict=True):
        edge[:] = cv2.Canny(np.ascontiguousarray(picture), low, high)
    return torch.from_numpy(found).unsqueeze(1).to(images.device)  # (N, H, W) -> (N, 1, H, W)


def white_on_black(images: Tensor) -> Tensor:
    """Bring drawings to the polarity of ``edges``: return them grey, bright strokes on dark.

    A picture is taken for dark strokes on bright paper, and inverted, if the mean of its outermost
    ring of pixels is above the middle of the range. To a network that learned from white edges on
    black, black strokes on white are another kind of picture altogether: accuracy falls to chance.

    Args:
        images: uint8 (N, 3 or 1, H, W), 0 to 255.

    Returns:
        uint8 (N, 1, H, W).
    """
    grey = to_grey(images)
    ring = torch.ones(grey.shape[-2:], dtype=torch.bool, device=grey.device)
    ring[1:-1, 1:-1] = False
    paper = grey[:, :, ring].float().mean(dim=2)  # (N, 1, H, W) -> (N, 1)
    return torch.where((paper > 127.5)[..., None, None], 255 - grey, grey)


def flip_and_rotate(images: Tensor, generator: torch.Generator, degrees: float = 15) -> Tensor:
    """Mirror half of the pictures and turn each by up to ``degrees``, all in one resampling.

    Args:
        images: uint8 or float (N, C, H, W), square.
        generator: decides the flips and angles; on the CPU.
        degrees: the largest angle either way.

    Returns:
        float32, same shape; uint8 input comes back in [0, 1]. What turns in from outside is 0.

    Raises:
        ValueError: the pictures are not square.
    """
    n = len(images)
    angles = (torch.rand(n, generator=generator) * 2 - 1) * degrees
    flips = torch.randint(2, (n,), generator=generator).bool()
    return turn(images, angles, flips)


def turn(images: Tensor, angles: Tensor, flips: Tensor) -> Tensor:
    """Mirror pictures left to right where ``flips`` says so, then turn them about their centre.

    Args:
        images: uint8 or float (N, C, H, W), square.
        angles: (N,), degrees, clockwise as in ``torchvision.transforms.v2.functional.affine``.
        flips: bool (N,).

    Returns:
        float32, same shape, as ``flip_and_rotate``.

    Raises:
        ValueError: the pictures are not square.
    """
    n, _, height, width = images.shape
    if height != width:
        raise ValueError(f"only square pictures can be turned, not {height} x {width}")
    device = images.device
    # For each pixel of the result, where in the picture it comes from: -1 to 1 over the picture.
    # Sines and cosines that broadcast are several times faster than F.affine_grid's products.
    along = (torch.arange(width, device=device) * 2 + 1) / width - 1
    x, y = along.view(1, 1, -1), along.view(1, -1, 1)
    radians = (angles.to(device) * (math.pi / 180)).view(n, 1, 1)
    cos, sin = radians.cos(), radians.sin()
    mirror = 1 - 2 * flips.to(device).float().view(n, 1, 1)
    origin = torch.empty(n, height, width, 2, device=device)
    origin[..., 0] = mirror * (cos * x + sin * y)
    origin[..., 1] = cos * y - sin * x
    floats = to_float(images) if images.dtype == torch.uint8 else images.float()
    return F.grid_sample(floats, origin, mode="bilinear", align_corners=False)


def _check_pictures(images: Tensor) -> None:
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
        found = f"{images.dtype} of shape {tuple(images.shape)}"
        raise ValueError(f"pictures must be uint8 of shape (N, 3 or 1, H, W), not {found}")
