"""The fast pipeline gives the pictures that the usual one gives: same brightness, same places."""

from itertools import islice

import bench_input_pipeline as bench
import pytest
import torch
from torchvision.datasets import ImageFolder
from torchvision.transforms import InterpolationMode

from dalib_edu.data import export, folders
from dalib_edu.data.batches import endless_batches

EPOCHS = 12


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench") / "real_or_drawing"
    # One class that is not symmetric, so that leaving out the mirror would show.
    export.export_real_or_drawing(folder, per_class=100, drawings=100, classes=("horse", "flag"))
    return folder


@pytest.mark.parametrize("source", [True, False], ids=["photographs", "drawings"])
def test_both_pipelines_give_the_same_pictures(root, source):
    folder = root / ("train_data" if source else "test_data")
    data = ImageFolder(folder, bench.per_image(source, InterpolationMode.BILINEAR))
    torch.manual_seed(0)
    usual = torch.stack([picture for _ in range(EPOCHS) for picture, _ in data])

    ours = folders.load_real_or_drawing(root)[0 if source else 1]
    size = len(ours)
    batches = endless_batches(ours, size, seed=0, transform=bench.batched(source))
    fast = torch.cat([images for images, _ in islice(batches, EPOCHS)])

    assert fast.shape == usual.shape
    assert fast.dtype == usual.dtype
    # What turns in from outside meets the picture in a hard line in PIL, and fades in here.
    assert abs(fast.mean() / usual.mean() - 1) < 0.03
    assert abs(fast.std() / usual.std() - 1) < 0.08
    fast, usual = fast[..., 6:-6, 6:-6], usual[..., 6:-6, 6:-6]
    assert abs(fast.mean() / usual.mean() - 1) < 0.02
    assert abs(fast.std() / usual.std() - 1) < 0.02
    # The mean picture, and how much each place varies. With 1,200 pictures or more of standard
    # deviation up to 0.5, a place's mean is known to 0.015.
    assert (fast.mean(0) - usual.mean(0)).abs().max() < 0.06
    assert (fast.std(0) - usual.std(0)).abs().max() < 0.06
