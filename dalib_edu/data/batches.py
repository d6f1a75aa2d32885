"""Endless shuffled batches from pictures that lie in memory."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from dalib_edu.data.images import ImageSet

Augment = Callable[[Tensor, torch.Generator], Tensor]


def endless_batches(
    data: ImageSet,
    batch_size: int,
    *,
    seed: int,
    transform: Augment,
    device: str | torch.device = "cpu",
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield shuffled batches for ever; an incomplete last batch of an epoch is dropped.

    Args:
        data: the pictures.
        batch_size: at most ``len(data)``.
        seed: decides the order and the augmentation.
        transform: ``transform(images, generator)`` maps uint8 (B, C, H, W), 0 to 255, to what
            the network takes.
        device: where the batches go.

    Yields:
        pictures as ``transform`` returns them, and their labels, int64 (B,).

    Raises:
        ValueError: fewer pictures than one batch.
    """
    if not 1 <= batch_size <= len(data):
        raise ValueError(f"batch_size is {batch_size}, but there are {len(data)} pictures")
    return _batches(data, batch_size, torch.Generator().manual_seed(seed), transform, device)


def _batches(data, batch_size, generator, transform, device):
    while True:
        order = torch.randperm(len(data), generator=generator)
        for rows in order.split(batch_size):
            if len(rows) == batch_size:
                images = transform(data.images[rows], generator)
                yield images.to(device), data.labels[rows].to(device)
