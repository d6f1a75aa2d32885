import hashlib
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from dalib_edu.data import pictures
from dalib_edu.data.pictures import CLASSES, STYLES, contact_sheet, draw, load
from dalib_edu.settings import UserError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DALIB_EDU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DALIB_EDU_PROGRESS", "off")
    return tmp_path / "cache"


def digest(images):
    return hashlib.sha256(images.contiguous().numpy().tobytes()).hexdigest()


# --- what comes out -----------------------------------------------------------------------------


def test_there_are_plain_names_for_at_least_twelve_classes():
    assert len(CLASSES) == len(set(CLASSES)) >= 12
    assert all(name.isascii() and name.isalpha() and name.islower() for name in CLASSES)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("size", [28, 32, 64, 96, 97, 224])
def test_any_size_and_style(style, size):
    drawn = draw(style, per_class=1, size=size, seed=0, classes=CLASSES[:3])
    assert drawn.images.shape == (3, 3, size, size)
    assert drawn.images.dtype == torch.uint8
    assert drawn.classes == CLASSES[:3]
    assert (drawn.images.float().flatten(1).std(1) > 8).all()  # nothing is empty


@pytest.mark.parametrize("style", STYLES)
def test_every_class_has_outlines_that_reach_the_picture(style):
    drawn = draw(style, per_class=1, size=32, seed=3, classes=CLASSES)
    spread = drawn.images.float().flatten(1).std(1)
    assert (spread > 5).all(), CLASSES[int(spread.argmin())]


def test_labels_are_balanced_and_in_the_order_of_the_given_classes():
    drawn = draw("cartoon", per_class=3, size=28, seed=0, classes=("cup", "anchor"))
    assert drawn.labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert drawn.classes == ("cup", "anchor")
    swapped = draw("cartoon", per_class=3, size=28, seed=0, classes=["anchor", "cup"])
    assert torch.equal(drawn.images[drawn.labels == 0], swapped.images[swapped.labels == 1])


def test_ten_classes_unless_told_otherwise():
    drawn = draw("sketch", per_class=2, size=28, seed=0)
    assert drawn.labels.bincount().tolist() == [2] * 10


def test_a_smaller_set_is_the_beginning_of_a_larger_one():
    small = draw("photo", per_class=1, size=32, seed=5)
    large = draw("photo", per_class=2, size=32, seed=5)
    assert torch.equal(small.images, large.images[:10])


def test_another_seed_and_another_number_give_another_picture():
    one = draw("sketch", per_class=4, size=32, seed=0, classes=["star"])
    two = draw("sketch", per_class=4, size=32, seed=1, classes=["star"])
    assert len({digest(picture) for picture in torch.cat([one.images, two.images])}) == 8


def test_a_star_drawn_large_and_small_is_the_same_star():
    small = draw("sketch", per_class=6, size=64, seed=2, classes=["star"]).images
    large = draw("sketch", per_class=6, size=128, seed=2, classes=["star"]).images
    shrunk = torch.nn.functional.avg_pool2d(large.float(), 2)
    for a, b in zip(small.float(), shrunk, strict=True):
        a, b = (
            torch.from_numpy(cv2.GaussianBlur(p.mean(0).numpy(), (0, 0), 3)).flatten()
            for p in (a, b)
        )
        assert torch.corrcoef(torch.stack([a, b]))[0, 1] > 0.7


# --- the styles are the styles they claim to be -------------------------------------------------


def test_sketches_are_dark_lines_on_white_paper_without_colour():
    images = draw("sketch", per_class=5, size=64, seed=0).images
    assert (images[:, 0] == images[:, 1]).all()
    assert (images[:, 0] == images[:, 2]).all()
    grey = images[:, 0].flatten(1).float()
    assert (grey.median(1).values > 235).all()  # most of the page is paper
    assert (grey.min(1).values < 130).all()  # and there is ink
    ink = (grey < 160).float().mean(1)
    assert (ink < 0.35).all()


def test_cartoons_have_flat_areas_and_photographs_have_none():
    def flatness(style):
        grey = draw(style, per_class=5, size=64, seed=0).images.float().mean(1)
        steps = (grey[:, :, 1:] - grey[:, :, :-1]).abs()
        return (steps < 0.5).float().mean().item()

    assert flatness("cartoon") > 0.6
    assert flatness("photo") < 0.4


def test_photographs_and_paintings_are_in_colour():
    for style in ("photo", "art", "cartoon"):
        images = draw(style, per_class=3, size=32, seed=0).images.float()
        assert (images.amax(1) - images.amin(1)).mean() > 15


def test_a_simple_classifier_tells_the_four_styles_apart():
    from sklearn.linear_model import LogisticRegression

    def features(seed):
        rows, labels = [], []
        for i, style in enumerate(STYLES):
            images = draw(style, per_class=8, size=32, seed=seed).images.float() / 255
            steps = (images[..., 1:] - images[..., :-1]).abs().flatten(1)
            spread = (images.amax(1) - images.amin(1)).flatten(1).mean(1)
            rows.append(
                torch.stack(
                    [
                        images.flatten(1).mean(1),
                        spread,
                        steps.mean(1),
                        (steps < 0.005).float().mean(1),
                        steps.std(1),
                    ],
                    dim=1,
                )
            )
            labels += [i] * len(images)
        return torch.cat(rows).numpy(), labels

    model = LogisticRegression(C=1e4, max_iter=5000).fit(*features(0))
    assert model.score(*features(1)) > 0.75  # chance is 0.25


def test_a_simple_classifier_learns_the_classes_of_sketches():
    """The pictures carry their class: nearest neighbours on pixels beat chance (0.1) by far."""
    from sklearn.neighbors import KNeighborsClassifier

    train = draw("sketch", per_class=60, size=32, seed=0)
    test = draw("sketch", per_class=10, size=32, seed=1)

    def blurred(data):
        pictures = data.images[:, 0].numpy()
        return np.stack([cv2.GaussianBlur(p, (0, 0), 2) for p in pictures]).reshape(len(data), -1)

    model = KNeighborsClassifier(5).fit(blurred(train), train.labels)
    assert model.score(blurred(test), test.labels) > 0.4


# --- determinism --------------------------------------------------------------------------------

PROGRAM = """
import hashlib, sys
import cv2
cv2.setNumThreads(int(sys.argv[1]))
from dalib_edu.data.pictures import CLASSES, STYLES, draw
for style in STYLES:
    images = draw(style, per_class=1, size=48, seed=7, classes=CLASSES[::3]).images
    print(style, hashlib.sha256(images.numpy().tobytes()).hexdigest())
"""


def test_the_same_bytes_again_in_other_processes_and_with_other_threads():
    here = [
        f"{style} {digest(draw(style, per_class=1, size=48, seed=7, classes=CLASSES[::3]).images)}"
        for style in STYLES
    ]
    for threads in ("1", "2"):
        environment = os.environ | {"OMP_NUM_THREADS": threads, "PYTHONHASHSEED": threads}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, threads],
            capture_output=True,
            text=True,
            env=environment,
            check=True,
        )
        assert done.stdout.splitlines() == here


def test_drawing_leaves_the_global_random_states_alone():
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)
    cv2.setRNGSeed(0)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    for style in STYLES:
        draw(style, per_class=1, size=28, seed=0)
    assert (np.random.get_state()[1] == before[0]).all()  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[1])


# --- the cache ----------------------------------------------------------------------------------


def test_load_gives_what_draw_gives_and_draws_once(own_cache, monkeypatch):
    arguments = {"per_class": 2, "size": 32, "seed": 1, "classes": ("cat", "cup")}
    drawn = draw("photo", **arguments)
    first = load("photo", **arguments)
    monkeypatch.setattr(pictures, "draw", lambda *_, **__: pytest.fail("drawn again"))
    second = load("photo", **arguments)
    for loaded in (first, second):
        assert torch.equal(loaded.images, drawn.images)
        assert torch.equal(loaded.labels, drawn.labels)
        assert loaded.classes == drawn.classes
    second.images[0] = 0  # one may write into what was loaded


@pytest.mark.parametrize(
    "other",
    [
        {"per_class": 3},
        {"size": 33},
        {"seed": 2},
        {"classes": ("cup", "cat")},
        {"classes": ("cat", "star")},
        {"style": "sketch"},
    ],
)
def test_no_argument_is_mistaken_for_another(other):
    arguments = {"style": "photo", "per_class": 2, "size": 32, "seed": 1, "classes": ("cat", "cup")}
    load(**arguments)
    changed = arguments | other
    loaded, drawn = load(**changed), draw(**changed)
    assert torch.equal(loaded.images, drawn.images)


def test_pictures_of_older_drawing_code_are_not_used(monkeypatch):
    arguments = {"per_class": 1, "size": 28, "seed": 0, "classes": ("cat",)}
    monkeypatch.setattr(pictures, "source_version", lambda *_: "older")
    real = pictures.draw
    black = real("photo", **arguments)
    black.images.zero_()
    monkeypatch.setattr(pictures, "draw", lambda *_, **__: black)
    assert load("photo", **arguments).images.max() == 0
    monkeypatch.undo()
    assert load("photo", **arguments).images.max() > 0


def test_a_cut_file_is_drawn_again(own_cache):
    arguments = {"per_class": 1, "size": 28, "seed": 0, "classes": ("cat",)}
    drawn = load("photo", **arguments)
    (path,) = own_cache.iterdir()
    path.write_bytes(path.read_bytes()[:-100])
    assert torch.equal(load("photo", **arguments).images, drawn.images)


# --- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"style": "oil"}, "no style 'oil'.*photo, art, cartoon, sketch"),
        ({"size": 10}, "size is 10.*28 to 224"),
        ({"size": 225}, "size is 225"),
        ({"size": 32.0}, "size is 32.0"),
        ({"per_class": 0}, "per_class is 0"),
        ({"per_class": -1}, "per_class is -1"),
        ({"per_class": 1.5}, "per_class is 1.5"),
        ({"per_class": True}, "per_class is True"),
        ({"seed": -1}, "seed is -1"),
        ({"classes": ("cat", "dog")}, "no class 'dog'"),
        ({"classes": ("cat", "cat")}, "twice"),
        ({"classes": ()}, "one or more"),
        ({"classes": "cat"}, "list of"),
    ],
)
@pytest.mark.parametrize("call", [draw, load])
def test_a_wrong_argument_gets_one_clear_line_and_leaves_nothing(own_cache, call, wrong, says):
    arguments = {"style": "photo", "per_class": 1, "size": 32, "seed": 0} | wrong
    with pytest.raises(UserError, match=says) as caught:
        call(**arguments)
    assert "\n" not in str(caught.value)
    assert not own_cache.exists()


# --- showing ------------------------------------------------------------------------------------


def test_the_contact_sheet_names_its_rows_and_columns(tmp_path):
    figure = contact_sheet(size=32, rows_per_style=2, classes=CLASSES[:3])
    assert len(figure.axes) == 4 * 2 * 3
    assert [axis.get_title() for axis in figure.axes[:3]] == list(CLASSES[:3])
    assert [figure.axes[i * 6].get_ylabel() for i in range(4)] == list(STYLES)
    figure.savefig(tmp_path / "sheet.png")


def test_a_progress_bar_shows_unless_it_is_off(capsys, monkeypatch):
    monkeypatch.setenv("DALIB_EDU_PROGRESS", "on")
    draw("cartoon", per_class=1, size=28, seed=0)
    assert "drawing cartoon" in capsys.readouterr().err
    monkeypatch.setenv("DALIB_EDU_PROGRESS", "off")
    draw("cartoon", per_class=1, size=28, seed=0)
    assert capsys.readouterr().err == ""
