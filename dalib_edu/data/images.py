"""The one container for labelled pictures, drawn or read from a folder."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class ImageSet:
    """Decoded pictures of one domain, in memory.

    Attributes:
        images: uint8, shape (N, C, H, W), values 0 to 255; C is 3 (RGB) or 1 (grey).
        labels: int64, shape (N,), values 0 to ``len(classes) - 1``; -1 where unknown.
        classes: the class names, in label order.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            found = f"{self.images.dtype} of shape {tuple(self.images.shape)}"
            raise ValueError(f"images must be uint8 of shape (N, C, H, W), not {found}")
        if self.labels.shape != self.images.shape[:1]:
            raise ValueError(f"{len(self.images)} images but labels {tuple(self.labels.shape)}")

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, indices: Tensor) -> "ImageSet":
        """Return the pictures at ``indices``: int64 positions (M,) or a boolean mask (N,)."""
        return replace(self, images=self.images[indices], labels=self.labels[indices])
