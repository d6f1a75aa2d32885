"""Transforms of whole batches; uint8 in memory, float in [0, 1] at the network's door."""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def to_float(images: Tensor) -> Tensor:
    """Return uint8 pictures 0 to 255 as float32 in [0, 1], same shape."""
    return images.float().div_(255)


def to_grey(images: Tensor) -> Tensor:
    """Return uint8 pictures (N, 3 or 1, H, W) as luminance (N, 1, H, W), as OpenCV weighs it."""
    if images.shape[1] == 1:
        return images
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return (images.float() * weights).sum(1, keepdim=True).round_().byte()


def resize(images: Tensor, size: int) -> Tensor:
    """Return uint8 pictures (N, C, H, W) at ``size`` x ``size``, bilinear with antialiasing."""
    if images.shape[-2:] == (size, size):
        return images
    return F.interpolate(images, (size, size), mode="bilinear", antialias=True)


def edges(images: Tensor, low: int, high: int) -> Tensor:
    """Return Canny's edges, white (255) on black (0): uint8 (N, 1, H, W).

    Args:
        images: uint8 (N, 3 or 1, H, W), 0 to 255.
        low, high: thresholds on the gradient. Above ``high`` is an edge; between the two, only
            what is connected to an edge.
    """
    grey = to_grey(images)[:, 0].numpy()  # (N, 1, H, W) -> (N, H, W)
    found = [cv2.Canny(picture, low, high) for picture in np.ascontiguousarray(grey)]
    return torch.from_numpy(np.stack(found)).unsqueeze(1)  # (N, H, W) -> (N, 1, H, W)


def flip_and_rotate(images: Tensor, generator: torch.Generator, degrees: float = 15) -> Tensor:
    """Mirror half of the pictures and turn each by up to ``degrees``, all in one resampling.

    Args:
        images: uint8 or float (N, C, H, W), square.
        generator: decides the flips and angles.
        degrees: the largest angle either way.

    Returns:
        float32, same shape; uint8 input comes back in [0, 1]. What turns in from outside is 0.
    """
    n = len(images)
    angle = (torch.rand(n, generator=generator) * 2 - 1) * torch.pi * degrees / 180
    flip = 1 - 2 * torch.randint(2, (n,), generator=generator).float()
    zero = torch.zeros(n)
    theta = torch.stack(
        [flip * angle.cos(), -flip * angle.sin(), zero, angle.sin(), angle.cos(), zero], dim=1
    ).view(n, 2, 3)
    images = to_float(images) if images.dtype == torch.uint8 else images
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)
