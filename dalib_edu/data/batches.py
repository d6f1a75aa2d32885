"""Endless shuffled batches from pictures that lie in memory."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from dalib_edu.data.images import ImageSet
from dalib_edu.settings import UserError

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
        ValueError: a batch of less than one picture.
        UserError: fewer pictures than one batch.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; a batch needs at least one picture")
    if batch_size > len(data):
        raise UserError(f"a batch of {batch_size} needs as many pictures; there are {len(data)}")
    return _batches(data, batch_size, seed, transform, device)


def _batches(data, batch_size, seed, transform, device):
    # Two generators, so that the order does not depend on how much chance the transform uses.
    generator = torch.Generator().manual_seed(seed)
    augmentation = torch.Generator().manual_seed(
        torch.randint(2**62, (), generator=generator).item()
    )
    while True:
        order = torch.randperm(len(data), generator=generator)
        for rows in order.split(batch_size):
            if len(rows) == batch_size:
                images = transform(data.images[rows], augmentation)
                yield images.to(device), data.labels[rows].to(device)
