"""The embedded world in real layouts: read back by ImageFolder, PIL and our own loader."""

import os
import resource
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder

from dalib_edu.data import export, folders, pictures
from dalib_edu.settings import UserError

CLASSES = ("umbrella", "anchor", "cat")


@pytest.fixture(scope="module")
def pacs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "PACS"
    export.export_pacs(folder, per_class=3, size=40, seed=5, classes=CLASSES)
    return folder


@pytest.fixture(scope="module")
def homework(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "real_or_drawing"
    labels = export.export_real_or_drawing(
        folder, per_class=12, drawings=20, seed=5, classes=CLASSES
    )
    return folder, labels


def class_by_class(images):
    """Drawn pictures in the order in which a folder holds them."""
    return images.subset(images.labels.argsort(stable=True))


def test_pacs_layout(pacs):
    found = sorted(str(p.relative_to(pacs)) for p in pacs.rglob("*") if p.is_file())
    assert len(found) == 4 * 3 * 3
    assert found[0] == "art_painting/anchor/pic_000.jpg"
    assert found[-1] == "sketch/umbrella/pic_002.png"
    for domain in folders.folder_names(pacs):
        data = ImageFolder(pacs / domain)
        assert data.classes == sorted(CLASSES)
        assert data.targets == [0] * 3 + [1] * 3 + [2] * 3
        assert {picture.size for picture, _ in data} == {(40, 40)}


def test_png_comes_back_byte_for_byte(pacs):
    drawn = pictures.draw("sketch", per_class=3, size=40, seed=5, classes=CLASSES)
    found = folders.load(pacs, "sketch", size=40, classes=CLASSES)
    assert torch.equal(found.images, class_by_class(drawn).images)
    assert torch.equal(found.labels, class_by_class(drawn).labels)


@pytest.mark.parametrize(
    ("domain", "style"), [("photo", "photo"), ("art_painting", "art"), ("cartoon", "cartoon")]
)
def test_jpeg_comes_back_nearly(pacs, domain, style):
    drawn = pictures.draw(style, per_class=3, size=40, seed=5, classes=CLASSES)
    found = folders.load(pacs, domain, size=40, classes=CLASSES)
    difference = (found.images.float() - class_by_class(drawn).images.float()).abs()
    assert difference.mean() < 8
    every_other = (found.images.float() - class_by_class(drawn).images.flip(0).float()).abs()
    assert difference.mean() < every_other.mean() / 4


def test_two_at_a_time_write_the_same_files(pacs, tmp_path):
    folder = tmp_path / "PACS"
    export.export_pacs(folder, per_class=3, size=40, seed=5, classes=CLASSES, jobs=2)
    bytes_of = [
        {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}
        for root in (pacs, folder)
    ]
    assert len(bytes_of[0]) == 36
    assert bytes_of[0] == bytes_of[1]


def test_pacs_own_size(tmp_path):
    export.export_pacs(tmp_path / "PACS", per_class=1, classes=CLASSES[:1])
    assert {Image.open(path).size for path in (tmp_path / "PACS").rglob("pic*")} == {(227, 227)}


def test_real_or_drawing_layout(homework):
    folder, _ = homework
    train, test = ImageFolder(folder / "train_data"), ImageFolder(folder / "test_data")
    assert train.classes == ["0", "1", "2"]
    assert len(train) == 36
    assert [os.path.basename(path) for path, _ in test.samples] == [
        f"{number:05d}.bmp" for number in range(20)
    ]
    with Image.open(folder / "train_data" / "2" / "35.bmp") as picture:
        assert (picture.size, picture.mode) == ((32, 32), "RGB")
    with Image.open(folder / "test_data" / "0" / "00000.bmp") as picture:
        assert picture.size == (28, 28)
        assert picture.convert("L").tobytes() == picture.convert("RGB").getchannel(0).tobytes()


def test_bmp_comes_back_byte_for_byte(homework):
    folder, labels = homework
    drawn = pictures.draw("photo", per_class=12, size=32, seed=5, classes=CLASSES)
    for number in range(36):
        label, row = divmod(number, 12)
        with Image.open(folder / "train_data" / str(label) / f"{number}.bmp") as picture:
            expected = drawn.images[drawn.labels == label][row].permute(1, 2, 0)
            assert np.array_equal(np.asarray(picture), expected.numpy())

    drawn = pictures.draw("sketch", per_class=7, size=28, seed=5, classes=CLASSES)
    _, target = folders.load_real_or_drawing(folder, size=28)
    grey = [
        np.asarray(Image.fromarray(i.permute(1, 2, 0).numpy()).convert("L")) for i in drawn.images
    ]
    for picture, label in zip(target.images[:, 0].numpy(), labels.tolist(), strict=True):
        # PIL's luminance may differ from OpenCV's by one.
        same = [np.abs(picture.astype(int) - other).max() <= 1 for other in grey]
        assert [drawn.labels[row].item() for row in np.flatnonzero(same)] == [label]


def test_the_names_of_the_classes_come_back(homework):
    source, target = folders.load_real_or_drawing(homework[0])
    assert source.classes == target.classes == CLASSES


def test_drawings_are_mixed_and_balanced(homework):
    labels = homework[1].tolist()
    assert sorted(labels.count(label) for label in range(3)) == [6, 7, 7]
    assert labels != sorted(labels)
    assert labels != [number % 3 for number in range(20)]


def test_the_same_arguments_write_the_same_bytes(homework, tmp_path):
    again = tmp_path / "again"
    export.export_real_or_drawing(again, per_class=12, drawings=20, seed=5, classes=CLASSES)
    files = sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    assert files == sorted(
        p.relative_to(homework[0]) for p in homework[0].rglob("*") if p.is_file()
    )
    assert all((again / f).read_bytes() == (homework[0] / f).read_bytes() for f in files)


# --- what goes wrong ----------------------------------------------------------------------------


def fails(text, folder, **options):
    with pytest.raises(UserError) as caught:
        export.export_pacs(folder, **{"per_class": 2, "size": 32, "classes": CLASSES} | options)
    assert "\n" not in str(caught.value)
    assert text in str(caught.value)


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    fails(f"{tmp_path} is not empty", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
    fails("exists and is not a folder", tmp_path / "mine.txt")


def test_an_empty_folder_is_filled(tmp_path):
    export.export_pacs(tmp_path, per_class=1, size=32, classes=CLASSES)
    assert folders.folder_names(tmp_path) == ("art_painting", "cartoon", "photo", "sketch")


def test_bad_arguments_leave_nothing(tmp_path):
    fails("", tmp_path / "x", per_class=0)
    fails("", tmp_path / "x", size=10)
    fails("dragon", tmp_path / "x", classes=("dragon",))
    with pytest.raises(UserError, match="1 drawing or more"):
        export.export_real_or_drawing(tmp_path / "x", drawings=0)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="no such limits there")
def test_a_full_disk_leaves_nothing(tmp_path):
    """A limit on the size of files stands in for the disk: the same OSError at the same place."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
        fails(f"{tmp_path / 'x'} could not be written: File too large", tmp_path / "x", size=64)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    fails("below could not be written", tmp_path / "file" / "below")


def test_ctrl_c_leaves_nothing(tmp_path):
    program = f"""
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored where this runs
from dalib_edu.data import export
signal.setitimer(signal.ITIMER_REAL, 0.3)
signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
export.export_pacs({str(tmp_path / "x")!r}, per_class=10_000)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=120)
    assert b"KeyboardInterrupt" in done.stderr
    assert not list(tmp_path.iterdir())
