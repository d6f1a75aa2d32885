"""The drawings homework's world: sizes, hidden labels, order, preparation."""

import cv2
import numpy as np
import pytest
import torch

from dalib_edu.data import drawings, export, pictures
from dalib_edu.settings import UserError


@pytest.fixture(scope="module")
def world():
    return drawings.load("grading")


def test_sizes_and_hidden_labels(world):
    assert world.photos.images.shape == (200, 3, 32, 32)
    assert world.drawings.images.shape[0] == 200
    assert world.drawings.images.shape[2:] == (28, 28)
    assert len(world.photos_test) == len(world.test) == 100
    assert (world.drawings.labels == -1).all()
    assert (world.test.labels == -1).all()
    assert world.photos.labels.bincount().tolist() == [20] * 10
    assert world.drawings_test.labels.bincount().tolist() == [10] * 10
    assert torch.equal(world.test.images, world.drawings_test.images)


def test_true_labels_belong_to_the_test_pictures(world):
    assert torch.equal(drawings.true_labels(10), world.drawings_test.labels)
    drawn = pictures.draw("sketch", per_class=10, size=28, seed=3)
    as_bytes = {
        image.numpy().tobytes(): int(label) for image, label in zip(*unpack(drawn), strict=True)
    }
    for image, label in zip(*unpack(world.drawings_test), strict=True):
        assert as_bytes[image.numpy().tobytes()] == int(label)


def unpack(data):
    return data.images, data.labels


def test_the_order_of_the_test_gives_no_label_away():
    labels = drawings.true_labels()
    assert labels.bincount().tolist() == [100] * 10
    assert (labels == torch.arange(1000) % 10).float().mean() < 0.2


def test_no_picture_is_in_two_parts(world):
    parts = [world.drawings.images, world.test.images]
    seen = [{image.numpy().tobytes() for image in part} for part in parts]
    assert not seen[0] & seen[1]


def test_preparation(world):
    edges = drawings.prepare_photos(world.photos_test, (100, 200))
    rgb = np.ascontiguousarray(world.photos_test.images[7].permute(1, 2, 0).numpy())
    expected = cv2.Canny(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), 100, 200)
    assert np.array_equal(edges.images[7, 0].numpy(), expected)
    assert torch.equal(edges.labels, world.photos_test.labels)
    strokes = drawings.prepare_drawings(world.test).images
    assert strokes.shape == (100, 1, 32, 32)
    assert strokes.float().mean() < 100 < world.test.images.float().mean()  # white on black now


def test_full_scale_reads_the_homeworks_folder(tmp_path, monkeypatch):
    export.export_real_or_drawing(tmp_path / "real_or_drawing", per_class=10, drawings=30)
    monkeypatch.setenv("DALIB_EDU_DATA", str(tmp_path))
    monkeypatch.setenv("DALIB_EDU_CACHE", str(tmp_path / "cache"))
    world = drawings.load("full")
    assert (len(world.photos), len(world.photos_test)) == (90, 10)
    assert len(world.drawings) == len(world.test) == 30
    assert (world.test.labels == -1).all()
    every = torch.cat([world.photos.images, world.photos_test.images])
    assert len({image.numpy().tobytes() for image in every}) == 100


def test_full_scale_without_data_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("DALIB_EDU_DATA", str(tmp_path))
    with pytest.raises(UserError, match="real_or_drawing"):
        drawings.load("full")
