"""The world of letters: against the font itself, torchvision's Omniglot, and classifiers."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.ft2font import FT2Font
from PIL import Image
from sklearn.neighbors import KNeighborsClassifier
from torchvision.datasets import Omniglot

from dalib_edu.data import characters
from dalib_edu.data.characters import ALPHABETS, EVALUATION, TRAINING, draw, load_folder
from dalib_edu.settings import UserError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DALIB_EDU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DALIB_EDU_PROGRESS", "off")
    return tmp_path / "cache"


# --- the letters --------------------------------------------------------------------------------

EVERY = [(name, letter) for name, letters in ALPHABETS.items() for letter in letters]


def font():
    return FT2Font(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"))


def printed(letter):
    """Return the letter as the font has it, cut to its ink, uint8 (H, W), 0 or 255."""
    face = font()
    face.set_size(96, 72)
    face.set_text(letter, 0.0)
    face.draw_glyphs_to_bitmap(antialiased=True)
    ink = np.array(face.get_image())
    rows, columns = (np.flatnonzero(ink.any(axis)) for axis in (1, 0))
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.where(cut > 127, 255, 0).astype(np.uint8)


def test_twelve_alphabets_or_more_no_letter_in_two_and_all_in_the_font():
    assert len(ALPHABETS) >= 12
    assert not TRAINING.keys() & EVALUATION.keys()
    letters = [letter for _, letter in EVERY]
    assert len(set(letters)) == len(letters)
    known = font().get_charmap()
    assert [letter for letter in letters if ord(letter) not in known] == []
    for name in ALPHABETS:
        assert name.replace("_", "").isascii()


def test_no_two_alphabets_share_a_shape():
    """Compared as printed, each scaled into a square, a little blurred."""
    shapes = []
    for _, letter in EVERY:
        ink = printed(letter)
        side = max(ink.shape)
        square = np.zeros((side, side), np.uint8)
        top, left = (side - ink.shape[0]) // 2, (side - ink.shape[1]) // 2
        square[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
        small = cv2.resize(square, (64, 64), interpolation=cv2.INTER_AREA).astype(np.float32)
        shapes.append(cv2.GaussianBlur(small, (0, 0), 2).ravel())
    alike = np.corrcoef(shapes)
    names = np.array([name for name, _ in EVERY])
    alike[names[:, None] == names] = 0
    worst = np.unravel_index(alike.argmax(), alike.shape)
    assert alike.max() < 0.97, [EVERY[i] for i in worst]


def test_the_strokes_drawn_with_a_broad_pen_are_the_printed_letter():
    for name, letter in EVERY:
        ink = printed(letter)
        distance = cv2.distanceTransform(np.pad(ink, 1), cv2.DIST_L2, 5)
        pen = 2 * np.median(distance[distance > 0.75 * distance.max()])
        strokes = characters.strokes_of(letter)
        everything = np.concatenate(strokes)
        low, high = everything.min(0), everything.max(0)
        # From the middle of the lines to their edges is half a pen on each side.
        size = np.array(ink.shape[::-1]) - pen
        scale = np.max(size) / max((high - low).max(), 1e-9)
        page = np.zeros_like(ink)
        for stroke in strokes:
            at = (stroke - (low + high) / 2) * scale + np.array(ink.shape[::-1]) / 2
            cv2.polylines(page, [np.round(at).astype(np.int32)], False, 255, round(pen))
        near = cv2.dilate(page, np.ones((9, 9)))
        assert near[ink > 0].mean() > 0.93 * 255, (name, letter)  # no part was lost
        near = cv2.dilate(ink, np.ones((9, 9)))
        assert near[page > 0].mean() > 0.93 * 255, (name, letter)  # and none added


def test_a_crossing_is_two_strokes_that_run_straight_on():
    across, down = sorted(characters.strokes_of("+"), key=lambda s: np.ptp(s[:, 1]))
    assert np.ptp(across[:, 0]) > 1.8
    assert np.ptp(across[:, 1]) < 0.1
    assert np.ptp(down[:, 1]) > 1.8
    assert np.ptp(down[:, 0]) < 0.1


def test_a_ring_is_one_closed_stroke_and_an_i_has_its_dot():
    (ring,) = characters.strokes_of("o")
    assert np.linalg.norm(ring[0] - ring[-1]) < 0.1
    assert len(characters.strokes_of("i")) == 2


# --- the pictures -------------------------------------------------------------------------------


def test_pictures_are_black_on_white_of_omniglots_size():
    drawn = draw(("Greek",), drawers=3)
    assert drawn.images.shape == (22 * 3, 1, 105, 105)
    assert set(drawn.images.unique().tolist()) == {0, 255}
    ink = (drawn.images == 0).float().mean((1, 2, 3))
    assert ink.min() > 0.005
    assert ink.max() < 0.25


def test_letters_lie_within_their_pictures():
    drawn = draw(tuple(ALPHABETS), drawers=2)
    ring = torch.ones(105, 105, dtype=torch.bool)
    ring[1:-1, 1:-1] = False
    assert (drawn.images[:, 0, ring] == 0).float().mean() < 1e-3


def test_names_labels_and_alphabets():
    drawn = draw(("Latin", "Coptic"), size=32, drawers=2)
    assert len(drawn.classes) == 33
    assert drawn.classes[0] == "Latin_character01"
    assert drawn.classes[-1] == "Coptic_character07"
    assert drawn.labels.tolist() == [label for label in range(33) for _ in range(2)]
    alphabets, which = characters.alphabets_of(drawn.classes)
    assert alphabets == ("Latin", "Coptic")
    assert which.tolist() == [0] * 26 + [1] * 7


def test_the_last_underscore_divides_alphabet_and_character():
    classes = ("Japanese_(katakana)_character01", "Japanese_(hiragana)_character01", "Greek_x")
    alphabets, which = characters.alphabets_of(classes)
    assert alphabets == ("Japanese_(katakana)", "Japanese_(hiragana)", "Greek")
    assert which.tolist() == [0, 1, 2]


def test_a_letter_does_not_depend_on_what_else_is_drawn():
    both = draw(("Greek", "Coptic"), size=40, drawers=2)
    alone = draw(("Coptic",), size=40, drawers=3)
    assert torch.equal(
        both.images[22 * 2 :].view(7, 2, 40, 40), alone.images.view(7, 3, 40, 40)[:, :2]
    )


def test_every_drawing_differs_and_so_do_seeds():
    images = torch.cat([draw(("Coptic",), seed=seed, drawers=20).images for seed in (0, 1)])
    assert len({picture.numpy().tobytes() for picture in images}) == len(images) == 280


def test_drawers_write_in_their_own_way():
    """Who wrote a letter can be told from how much ink other letters by the same hand have."""
    ink = (draw(("Lao", "Latin")).images == 0).float().mean((1, 2, 3)).view(-1, 20)  # (53, 20)
    relative = ink / ink.mean(1, keepdim=True)
    between, within = relative.mean(0).std(), relative.std(0).mean()
    assert between > within


def test_letters_can_be_read():
    """Neighbours among other drawers' pictures name many letters; chance is 3 to 14%."""
    for name in ALPHABETS:
        drawn = draw((name,), size=32)
        blurred = np.stack([cv2.GaussianBlur(p, (0, 0), 1.5) for p in drawn.images[:, 0].numpy()])
        x, y = blurred.reshape(len(drawn), -1), drawn.labels.numpy()
        test = np.arange(len(drawn)) % 20 < 5
        score = KNeighborsClassifier(1).fit(x[~test], y[~test]).score(x[test], y[test])
        assert score > 0.3, (name, score)
        assert score < 0.98, (name, score)  # and it is no matter of comparing pixels


# --- determinism and the cache ------------------------------------------------------------------

PROGRAM = """
import hashlib, sys
import cv2
cv2.setNumThreads(int(sys.argv[1]))
from dalib_edu.data.characters import draw
images = draw(("Greek", "Tifinagh"), size=32, drawers=2, seed=3).images
print(hashlib.sha256(images.numpy().tobytes()).hexdigest())
"""


def test_the_same_bytes_again_in_other_processes():
    images = draw(("Greek", "Tifinagh"), size=32, drawers=2, seed=3).images
    here = hashlib.sha256(images.contiguous().numpy().tobytes()).hexdigest()
    for threads in ("1", "2"):
        environment = os.environ | {"OMP_NUM_THREADS": threads, "PYTHONHASHSEED": threads}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, threads],
            capture_output=True,
            text=True,
            env=environment,
            check=True,
        )
        assert done.stdout.strip() == here


def test_drawing_leaves_the_global_random_states_alone():
    before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    draw(("Coptic",), drawers=1)
    assert (np.random.get_state()[1] == before[0]).all()  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[1])


def test_load_gives_what_draw_gives_and_draws_once(monkeypatch):
    drawn = draw(("Coptic",), size=32, drawers=2)
    first = characters.load_alphabets(("Coptic",), drawers=2)
    monkeypatch.setattr(characters, "draw", lambda *_, **__: pytest.fail("drawn again"))
    second = characters.load_alphabets(("Coptic",), drawers=2)
    for loaded in (first, second):
        assert torch.equal(loaded.images, drawn.images)
        assert torch.equal(loaded.labels, drawn.labels)
        assert loaded.classes == drawn.classes
    second.images[0] = 0  # one may write into what was loaded


@pytest.mark.parametrize(
    "other", [{"size": 28}, {"seed": 1}, {"drawers": 3}, {"alphabets": ("Hebrew",)}]
)
def test_no_argument_is_mistaken_for_another(other):
    arguments = {"alphabets": ("Coptic",), "size": 32, "seed": 0, "drawers": 2}
    characters.load_alphabets(**arguments)
    changed = arguments | other
    assert torch.equal(characters.load_alphabets(**changed).images, draw(**changed).images)


def test_the_world_at_the_grading_scale_is_small_and_its_parts_are_disjoint():
    world = characters.load("grading")
    assert world.train.images.shape == (33 * 20, 1, 32, 32)
    assert world.evaluation.images.shape == (18 * 20, 1, 32, 32)
    assert not set(world.train.classes) & set(world.evaluation.classes)


def test_the_embedded_world_has_all_alphabets(monkeypatch):
    asked = []
    monkeypatch.setattr(characters, "load_alphabets", lambda names, size: asked.append(names))
    characters.load("embedded")
    assert asked == [tuple(TRAINING), tuple(EVALUATION)]


# --- Omniglot's layout --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "omniglot-py"
    characters.export_characters(folder, drawers=2)
    return folder


@pytest.mark.parametrize(
    ("part", "alphabets"), [("images_background", TRAINING), ("images_evaluation", EVALUATION)]
)
def test_what_is_written_is_read_back_to_the_last_bit(exported, part, alphabets):
    read = load_folder(exported / part, size=32)
    drawn = draw(tuple(alphabets), size=32, drawers=2)
    assert read.classes == drawn.classes
    assert torch.equal(read.labels, drawn.labels)
    assert torch.equal(read.images, drawn.images)


@pytest.mark.parametrize("background", [True, False])
def test_torchvisions_omniglot_reads_the_same(exported, background, monkeypatch):
    monkeypatch.setattr(Omniglot, "_check_integrity", lambda self: True)
    theirs = Omniglot(exported.parent, background=background)
    ours = load_folder(exported / theirs._get_target_folder(), size=105)
    assert len(theirs) == len(ours)
    # Theirs come in the order of the disk, which differs from machine to machine; ours are sorted.
    found = {(theirs._characters[label], picture.tobytes()) for picture, label in theirs}
    names = [ours.classes[label].replace("_char", "/char") for label in ours.labels.tolist()]
    pictures = [picture.numpy().tobytes() for picture in ours.images]
    assert found == set(zip(names, pictures, strict=True))


def test_full_scale_is_omniglot_where_it_lies(exported, monkeypatch):
    monkeypatch.setenv("DALIB_EDU_DATA", str(exported.parent))
    world = characters.load("full", size=16)
    assert world.train.classes == draw(tuple(TRAINING), size=8, drawers=1).classes
    assert len(world.evaluation) == 2 * sum(map(len, EVALUATION.values()))
    monkeypatch.setenv("DALIB_EDU_DATA", str(exported.parent / "nowhere"))
    with pytest.raises(UserError, match="dalib-edu data fetch omniglot-py"):
        characters.load("full")


def test_files_are_named_as_omniglots(exported):
    files = sorted(p.name for p in (exported / "images_background/Arabic/character02").iterdir())
    assert files == ["0002_01.png", "0002_02.png"]
    assert (exported / "images_evaluation/Tifinagh").is_dir()


def test_alphabets_can_be_left_out(exported):
    read = load_folder(exported / "images_evaluation", without=("Tifinagh", "Hebrew", "Klingon"))
    assert characters.alphabets_of(read.classes)[0] == ("Armenian", "Asomtavruli", "NKo")
    assert read.labels.unique().tolist() == list(range(len(read.classes)))


def test_grey_of_either_polarity_and_any_size_is_read(tmp_path):
    folder = tmp_path / "Elvish" / "character01"
    folder.mkdir(parents=True)
    Image.new("L", (40, 60), 128).save(folder / "a.png")
    (tmp_path / "Elvish" / ".ipynb_checkpoints").mkdir()
    read = load_folder(tmp_path, size=20)
    assert read.images.shape == (1, 1, 20, 20)
    assert read.classes == ("Elvish_character01",)
    assert read.images.unique().tolist() == [128]


def test_a_broken_folder_gets_one_clear_line(tmp_path, exported):
    def fails(says, folder, **arguments):
        with pytest.raises(UserError, match=says) as caught:
            load_folder(folder, **arguments)
        assert "\n" not in str(caught.value)

    fails("nowhere", tmp_path / "nowhere")
    fails("has no alphabet's folder", tmp_path)
    part = exported / "images_evaluation"
    fails("no alphabet's folder besides", part, without=tuple(EVALUATION))
    (tmp_path / "Elvish").mkdir()
    fails("Elvish has no class folders", tmp_path)
    character = tmp_path / "Elvish" / "character01"
    character.mkdir()
    fails("character01 has no pictures", tmp_path)
    (character / "0001_01.png").write_bytes(b"\x89PNG broken")
    fails("0001_01.png is no picture", tmp_path)


def test_the_grading_scale_is_written_small_and_read_back_the_same(tmp_path):
    characters.export_characters(tmp_path / "omniglot-py", scale="grading", drawers=2)
    world = characters.load("grading")
    for part, expected in (("background", world.train), ("evaluation", world.evaluation)):
        found = characters.load_folder(tmp_path / "omniglot-py" / f"images_{part}")
        assert found.classes == expected.classes
        both = expected.images.view(-1, characters.DRAWERS, 1, 32, 32)[:, :2]  # two drawers
        assert torch.equal(found.images, both.flatten(0, 1))


def test_an_export_never_overwrites(exported):
    with pytest.raises(UserError, match="not empty"):
        characters.export_characters(exported, drawers=1)


# --- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"alphabets": ("Klingon",)}, "no alphabet 'Klingon'.*Latin"),
        ({"alphabets": ("Latin", "Latin")}, "twice"),
        ({"alphabets": ()}, "one or more"),
        ({"alphabets": "Latin"}, "list of"),
        ({"size": 7}, "size is 7.*8 to 105"),
        ({"size": 106}, "size is 106"),
        ({"size": 32.0}, "size is 32.0"),
        ({"seed": -1}, "seed is -1.*0 or more"),
        ({"drawers": 0}, "drawers is 0"),
        ({"drawers": True}, "drawers is True"),
    ],
)
@pytest.mark.parametrize("call", [draw, characters.load_alphabets])
def test_a_wrong_argument_gets_one_clear_line_and_leaves_nothing(own_cache, call, wrong, says):
    arguments = {"alphabets": ("Coptic",), "size": 32, "seed": 0, "drawers": 1} | wrong
    with pytest.raises(UserError, match=says) as caught:
        call(**arguments)
    assert "\n" not in str(caught.value)
    assert not own_cache.exists()


def test_the_contact_sheet_names_its_rows(tmp_path):
    figure = characters.contact_sheet(alphabets=("Greek", "NKo"), letters=2, drawers=2)
    assert len(figure.axes) == 8
    assert [figure.axes[i].get_ylabel() for i in (0, 4)] == ["Greek", "NKo"]
    figure.savefig(tmp_path / "sheet.png")
