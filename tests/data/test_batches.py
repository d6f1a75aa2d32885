"""Endless batches: what is in them, in which order, and what decides it."""

from itertools import islice

import pytest
import torch

from dalib_edu.data import ImageSet
from dalib_edu.data.batches import endless_batches
from dalib_edu.settings import UserError


def numbered(n):
    """Pictures whose pixel and label are their number."""
    numbers = torch.arange(n)
    return ImageSet(numbers.byte().view(n, 1, 1, 1), numbers, tuple(map(str, range(n))))


def plain(images, generator):
    return images.float()


def labels(batches, count):
    return [batch_labels.tolist() for _, batch_labels in islice(batches, count)]


def test_every_picture_comes_once_an_epoch():
    batches = endless_batches(numbered(12), 4, seed=0, transform=plain)
    epochs = [sum(labels(batches, 3), []) for _ in range(4)]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)
    assert len(set(map(tuple, epochs))) == 4


def test_an_incomplete_batch_is_dropped_and_none_comes_twice():
    batches = endless_batches(numbered(11), 4, seed=0, transform=plain)
    dropped = set()
    for _ in range(30):
        epoch = sum(labels(batches, 2), [])
        assert len(epoch) == len(set(epoch)) == 8
        dropped |= set(range(11)) - set(epoch)
    assert dropped == set(range(11))  # over many epochs, it is never the same ones


@pytest.mark.parametrize("n", [1, 5])
def test_one_batch_may_be_all_there_is(n):
    batches = endless_batches(numbered(n), n, seed=0, transform=plain)
    assert all(sorted(batch) == list(range(n)) for batch in labels(batches, 3))


def test_pictures_and_labels_stay_together():
    for images, batch_labels in islice(
        endless_batches(numbered(50), 7, seed=3, transform=plain), 20
    ):
        assert images.shape == (7, 1, 1, 1)
        assert images.flatten().tolist() == batch_labels.tolist()
        assert batch_labels.dtype == torch.int64


def test_the_seed_decides_order_and_augmentation():
    def noisy(images, generator):
        return images + torch.rand(images.shape, generator=generator)

    def first(seed, pictures=20, size=5):
        batches = endless_batches(numbered(pictures), size, seed=seed, transform=noisy)
        return torch.cat([images.flatten() for images, _ in islice(batches, 8)])

    torch.manual_seed(0)
    once = first(7)
    torch.manual_seed(99)
    assert torch.equal(first(7), once)
    assert not torch.equal(first(8), once)
    assert not torch.equal(first(8, 1, 1), first(7, 1, 1))  # one picture has but one order


def test_the_global_generator_is_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    list(islice(endless_batches(numbered(20), 5, seed=7, transform=plain), 10))
    assert torch.equal(torch.rand(3), expected)


def test_the_order_does_not_depend_on_the_transform():
    def wasteful(images, generator):
        torch.rand(1000, generator=generator)
        return images

    one = endless_batches(numbered(20), 5, seed=7, transform=plain)
    other = endless_batches(numbered(20), 5, seed=7, transform=wasteful)
    assert labels(one, 12) == labels(other, 12)


def test_bad_sizes_are_refused_before_the_first_batch():
    with pytest.raises(UserError, match="a batch of 21 needs as many pictures; there are 20"):
        endless_batches(numbered(20), 21, seed=0, transform=plain)
    with pytest.raises(ValueError, match="batch_size is 0"):
        endless_batches(numbered(20), 0, seed=0, transform=plain)
