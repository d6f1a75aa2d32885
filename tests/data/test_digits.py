"""The world of house numbers and handwriting: against scikit-learn, scipy, and classifiers."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.io import loadmat
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from dalib_edu.data import digits
from dalib_edu.data.digits import draw_house_numbers, handwritten, load_house_numbers
from dalib_edu.settings import UserError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DALIB_EDU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DALIB_EDU_PROGRESS", "off")
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def numbers():
    return draw_house_numbers(per_class=40, size=16, seed=0)


# --- house numbers ------------------------------------------------------------------------------


def test_shapes_labels_and_names(numbers):
    assert numbers.images.shape == (400, 3, 16, 16)
    assert numbers.images.dtype == torch.uint8
    assert numbers.labels.tolist() == list(range(10)) * 40
    assert numbers.classes == tuple("0123456789")
    assert draw_house_numbers(per_class=1, size=32, seed=0).images.shape == (10, 3, 32, 32)


def test_another_process_draws_the_same_bytes(numbers):
    code = (
        "from dalib_edu.data.digits import draw_house_numbers as draw;"
        "import hashlib; x = draw(per_class=3, size=16, seed=0).images;"
        "print(hashlib.sha256(x.numpy().tobytes()).hexdigest())"
    )
    environment = os.environ | {"PYTHONHASHSEED": "5"}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    import hashlib

    first = numbers.images[:30].numpy().tobytes()
    assert run.stdout.strip() == hashlib.sha256(first).hexdigest()


def test_another_seed_draws_others_and_no_two_are_alike(numbers):
    other = draw_house_numbers(per_class=3, size=16, seed=1)
    assert not torch.equal(other.images, numbers.images[:30])
    assert len({picture.numpy().tobytes() for picture in numbers.images}) == len(numbers)


def test_most_digits_are_darker_than_the_wall_and_some_are_brighter():
    """Judged from outside: the middle of a 1 is ink, the columns beside it are wall."""
    drawn = draw_house_numbers(per_class=200, size=16, seed=3)
    ones = drawn.images[drawn.labels == 1].float().mean(1)  # (N, 3, H, W) -> (N, H, W)
    ink, wall = ones[:, 5:11, 7:9].mean((1, 2)), ones[:, 5:11, [4, 11]].mean((1, 2))
    darker = (ink < wall).float().mean().item()
    assert 0.8 < darker < 0.97


def test_they_are_coloured_and_cluttered(numbers):
    pictures = numbers.images.float()
    assert (pictures.amax(1) - pictures.amin(1)).mean() > 20
    assert pictures[:, :, 0].std(2).mean() > 4  # along the upper edge


def test_every_class_can_be_told():
    """By a support vector machine on grey pictures of one brightness and contrast."""
    train = draw_house_numbers(per_class=120, size=16, seed=0)
    test = draw_house_numbers(per_class=40, size=16, seed=1)

    def prepare(data):
        grey = data.images.float().mean(1)
        grey = grey - grey.mean((1, 2), keepdim=True)
        return (grey / grey.std((1, 2), keepdim=True)).flatten(1).numpy()

    guessed = SVC(C=10).fit(prepare(train), train.labels).predict(prepare(test))
    for label in range(10):
        mine = test.labels.numpy() == label
        assert (guessed[mine] == label).mean() > 0.4, label  # chance: 0.1


def test_strokes_are_within_their_box():
    for ways in map(digits._ways, range(10)):
        for points in (stroke for way in ways for stroke in way):
            assert points.ndim == 2
            assert len(points) >= 2
            assert np.abs(points[:, 0]).max() <= 0.6
            assert np.abs(points[:, 1]).max() <= 1


def test_the_spline_passes_through_its_points():
    points = np.array([(0.0, 0.0), (0.3, -0.5), (0.6, 0.2), (0.1, 0.9)])
    curve = digits._smooth(points)
    assert curve.shape == (25, 2)
    np.testing.assert_allclose(curve[::8], points, atol=1e-12)
    straight = digits._smooth(np.array([(0.0, 0.0), (1.0, 2.0)]))
    np.testing.assert_allclose(straight[:, 1], 2 * straight[:, 0], atol=1e-12)


@pytest.mark.parametrize(
    "wrong",
    [
        {"per_class": 0},
        {"per_class": 2.0},
        {"per_class": True},
        {"size": 15},
        {"size": 65},
        {"seed": -1},
        {"seed": "0"},
    ],
)
def test_bad_arguments(wrong):
    arguments = {"per_class": 1, "size": 16, "seed": 0} | wrong
    name = next(iter(wrong))
    for function in (draw_house_numbers, load_house_numbers):
        with pytest.raises(UserError, match=name):
            function(**arguments)


def test_the_cache_gives_what_was_drawn_and_a_damaged_one_is_not_read(own_cache, numbers):
    wanted = {"per_class": 2, "size": 16, "seed": 0}
    assert torch.equal(load_house_numbers(**wanted).images, numbers.images[:20])
    (file,) = own_cache.iterdir()
    assert torch.equal(load_house_numbers(**wanted).images, numbers.images[:20])
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert torch.equal(load_house_numbers(**wanted).images, numbers.images[:20])


def test_svhns_layout(tmp_path):
    folder = tmp_path / "SVHN"
    digits.export_house_numbers(folder, per_class=10, seed=0)
    assert sorted(file.name for file in folder.iterdir()) == ["test_32x32.mat", "train_32x32.mat"]
    train = loadmat(folder / "train_32x32.mat")
    assert train["X"].shape == (32, 32, 3, 100)
    assert train["X"].dtype == np.uint8
    assert train["y"].ravel().tolist() == [10, 1, 2, 3, 4, 5, 6, 7, 8, 9] * 10
    drawn = draw_house_numbers(per_class=10, size=32, seed=0).images
    assert np.array_equal(train["X"][:, :, :, 7].transpose(2, 0, 1), drawn[7].numpy())
    assert loadmat(folder / "test_32x32.mat")["X"].shape == (32, 32, 3, 10)
    with pytest.raises(UserError):
        digits.export_house_numbers(folder, per_class=1)


def test_the_contact_sheet_shows_both_domains():
    figure = digits.contact_sheet(columns=2)
    assert [axis.get_title() for axis in figure.axes] == ["house numbers", "handwritten digits"]


# --- handwriting --------------------------------------------------------------------------------


def test_handwriting_is_scikit_learns():
    bunch, data = load_digits(), handwritten(16)
    assert data.images.shape == (1797, 3, 16, 16)
    assert data.labels.tolist() == bunch.target.tolist()
    assert all(torch.equal(data.images[:, 0], data.images[:, channel]) for channel in (1, 2))
    # Shrunk again, it is what scikit-learn has, but for what two resamplings blur.
    inner = data.images[:, :1, 2:14, 2:14].float() / 255 * 16
    small = torch.nn.functional.interpolate(inner, (8, 8), mode="area")[:, 0]
    alike = np.corrcoef(small.flatten().numpy(), bunch.images.ravel())[0, 1]
    assert alike > 0.95
    edge = torch.ones(16, 16, dtype=torch.bool)
    edge[2:14, 2:14] = False
    assert data.images[:, :, edge].max() == 0


def test_the_test_part_is_apart_and_does_not_change():
    data = handwritten(16)
    train, test = digits.split_handwritten(data)
    assert (len(train), len(test)) == (1197, 600)
    # scikit-learn's digits hold a few pictures twice; rows are told by position instead.
    numbered = digits.ImageSet(data.images, torch.arange(1797), data.classes)
    first, second = (set(part.labels.tolist()) for part in digits.split_handwritten(numbered))
    assert not first & second
    assert len(first | second) == 1797
    assert torch.equal(digits.split_handwritten(data)[1].labels, test.labels)
    assert test.labels.bincount(minlength=10).min() > 40


def test_handwriting_can_be_told():
    train, test = digits.split_handwritten(handwritten(16))
    model = LogisticRegression(max_iter=200).fit(train.images[:, 0].flatten(1) / 255, train.labels)
    assert model.score(test.images[:, 0].flatten(1) / 255, test.labels) > 0.92


# --- the world ----------------------------------------------------------------------------------


def test_the_grading_world_is_small_and_hides_the_targets_labels():
    world = digits.load("grading")
    assert len(world.source) == 400
    assert len(world.source_test) == 50
    assert (len(world.target), len(world.test)) == (1197, 600)
    assert set(world.target.labels.tolist()) == {-1}
    assert torch.equal(world.test.labels, digits.true_labels())
    assert world.source.images.shape[1:] == world.test.images.shape[1:] == (3, 16, 16)


def test_full_scale_without_the_data_sets_says_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("DALIB_EDU_DATA", str(tmp_path))
    with pytest.raises(UserError, match="dalib-edu data fetch SVHN"):
        digits.load("full")
