"""Whole-batch transforms against OpenCV, torchvision and plain loops, a picture at a time."""

import cv2
import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from dalib_edu.data import transforms


def smooth_pictures(n=6, channels=3, size=40, seed=0):
    """Random pictures without the jumps at which two ways of interpolating differ most."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(n, channels, size // 8, size // 8, generator=generator)
    return torch.nn.functional.interpolate(noise, size, mode="bicubic").clamp(0, 1).mul(255).byte()


def noisy_pictures(n=6, channels=3, size=40, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, channels, size, size), dtype=torch.uint8, generator=generator)


def hwc(image):
    return np.ascontiguousarray(image.permute(1, 2, 0).numpy())


def test_to_float_maps_the_ends_to_0_and_1():
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 3)
    assert torch.equal(transforms.to_float(images).flatten(), torch.tensor([0.0, 0.2, 1.0]))
    assert images.flatten().tolist() == [0, 51, 255]


def test_grey_is_opencvs_grey_for_every_colour():
    levels = torch.arange(256, dtype=torch.uint8)
    for red in range(256):
        green, blue = torch.meshgrid(levels, levels, indexing="ij")
        colours = torch.stack([torch.full_like(green, red), green, blue])[None]
        expected = cv2.cvtColor(hwc(colours[0]), cv2.COLOR_RGB2GRAY)
        assert np.array_equal(transforms.to_grey(colours)[0, 0].numpy(), expected)


def test_grey_leaves_grey_alone_and_refuses_the_rest():
    grey = noisy_pictures(channels=1)
    assert torch.equal(transforms.to_grey(grey), grey)
    with pytest.raises(ValueError, match="4, 40, 40"):
        transforms.to_grey(noisy_pictures(channels=4))
    with pytest.raises(ValueError, match="float"):
        transforms.to_grey(torch.rand(2, 3, 8, 8))


@pytest.mark.parametrize("size", [16, 28, 32, 57])
def test_resize_is_torchvisions(size):
    images = noisy_pictures()
    expected = torch.stack([tv.resize(image, [size, size], antialias=True) for image in images])
    found = transforms.resize(images, size)
    assert found.dtype == torch.uint8
    assert torch.equal(found, expected)


def test_resize_to_the_same_size_changes_nothing():
    images = noisy_pictures(size=32)
    assert torch.equal(transforms.resize(images, 32), images)


@pytest.mark.parametrize("channels", [1, 3])
def test_edges_are_opencvs(channels):
    images = smooth_pictures(channels=channels)
    found = transforms.edges(images, 40, 90)
    assert found.shape == (6, 1, 40, 40)
    assert found.unique().tolist() == [0, 255]
    for image, edge in zip(images, found, strict=True):
        picture = hwc(image)
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if channels == 3 else picture[..., 0]
        assert np.array_equal(edge[0].numpy(), cv2.Canny(grey, 40, 90))


def test_edges_take_pictures_that_are_not_contiguous():
    images = smooth_pictures(channels=1)
    flipped = images.transpose(2, 3)
    assert torch.equal(
        transforms.edges(flipped, 40, 90), transforms.edges(flipped.contiguous(), 40, 90)
    )


@pytest.mark.parametrize("angle", [-15, -7.5, 0, 3, 15, 90])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("size", [32, 33])
def test_turn_is_torchvisions_flip_and_affine(angle, flip, size):
    images = transforms.to_float(smooth_pictures(n=3, size=size))
    found = transforms.turn(images, torch.full((3,), float(angle)), torch.full((3,), flip))
    for image, turned in zip(images, found, strict=True):
        expected = tv.affine(
            tv.horizontal_flip(image) if flip else image,
            angle=angle,
            translate=[0, 0],
            scale=1,
            shear=[0, 0],
            interpolation=InterpolationMode.BILINEAR,
        )
        # At the rim, torchvision fades the picture out by a mask of its own.
        inner = slice(6, -6)
        torch.testing.assert_close(
            turned[:, inner, inner], expected[:, inner, inner], atol=2e-5, rtol=0
        )


def test_turning_fills_with_black():
    white = torch.full((1, 1, 33, 33), 255, dtype=torch.uint8)
    turned = transforms.turn(white, torch.tensor([45.0]), torch.tensor([False]))
    corners = turned[0, 0, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.tolist() == [0, 0, 0, 0]
    assert turned[0, 0, 16, 16] == 1


def test_flip_and_rotate_flips_half_and_turns_within_bounds():
    # A point right of the centre says how it was turned, and which side it is on whether flipped.
    size, n = 65, 2000
    images = torch.zeros(n, 1, size, size)
    images[:, 0, 31:34, 55:58] = 1
    found = transforms.flip_and_rotate(images, torch.Generator().manual_seed(0), degrees=15)
    mass = found[:, 0] / found[:, 0].sum((1, 2), keepdim=True)
    along = torch.arange(size) - (size - 1) / 2
    x, y = (mass.sum(1) * along).sum(1), (mass.sum(2) * along).sum(1)
    assert 0.46 < (x < 0).float().mean() < 0.54
    angles = torch.rad2deg(torch.atan2(y, x.abs()))
    assert angles.abs().max() < 15.1
    # Uniform on -15 to 15: standard deviation 15 / sqrt(3) = 8.66.
    assert abs(angles.mean()) < 0.7
    assert abs(angles.std() - 8.66) < 0.4


def test_flip_and_rotate_depends_on_its_generator_alone():
    images = smooth_pictures()
    torch.manual_seed(1)
    first = transforms.flip_and_rotate(images, torch.Generator().manual_seed(5))
    torch.manual_seed(2)
    again = transforms.flip_and_rotate(images, torch.Generator().manual_seed(5))
    other = transforms.flip_and_rotate(images, torch.Generator().manual_seed(6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_flip_and_rotate_takes_the_same_pictures_as_floats():
    images = smooth_pictures()
    one, other = (
        transforms.flip_and_rotate(pictures, torch.Generator().manual_seed(5))
        for pictures in (images, images.float() / 255)
    )
    assert one.dtype == torch.float32
    torch.testing.assert_close(one, other)


def test_only_square_pictures_are_turned():
    with pytest.raises(ValueError, match="8 x 9"):
        transforms.flip_and_rotate(torch.zeros(1, 1, 8, 9), torch.Generator())


def test_white_on_black_inverts_bright_paper_alone():
    stroke = torch.zeros(3, 1, 8, 8, dtype=torch.uint8)
    stroke[:, :, 2:6, 3] = 200
    paper = 255 - stroke
    mixed = torch.stack([stroke[0], paper[1], stroke[2]])
    assert torch.equal(transforms.white_on_black(mixed), stroke)


def test_white_on_black_looks_at_the_rim_and_returns_grey():
    # A dark thing that fills most of a white page is still drawn on white.
    page = torch.full((1, 3, 8, 8), 255, dtype=torch.uint8)
    page[:, :, 1:7, 1:7] = 0
    assert page.float().mean() < 127
    found = transforms.white_on_black(page)
    assert found.shape == (1, 1, 8, 8)
    assert found[0, 0, 0].tolist() == [0] * 8
    assert found[0, 0, 4].tolist() == [0, 255, 255, 255, 255, 255, 255, 0]


def test_grey_paper_goes_to_the_nearer_side():
    paper = torch.tensor([100, 127, 128, 150], dtype=torch.uint8).view(4, 1, 1, 1)
    found = transforms.white_on_black(paper.expand(4, 1, 8, 8))
    assert found[:, 0, 0, 0].tolist() == [100, 127, 127, 105]


def test_drawings_get_the_polarity_of_edges():
    drawing = np.full((64, 64), 255, np.uint8)
    cv2.circle(drawing, (32, 32), 20, 0, 2)
    drawing = torch.from_numpy(drawing)[None, None]
    as_edges = transforms.edges(drawing, 100, 200)
    assert as_edges.float().mean() < 127
    assert transforms.white_on_black(drawing).float().mean() < 127
    assert drawing.float().mean() > 127
