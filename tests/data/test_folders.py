"""Real pictures from folders, against ImageFolder and PIL; and all the ways that folders break."""

import io
import os
import shutil
import tempfile

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder

from dalib_edu import settings
from dalib_edu.data import folders
from dalib_edu.data.transforms import to_grey
from dalib_edu.settings import UserError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DALIB_EDU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "cache"


def colours(seed, size=(24, 24)):
    noise = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (5, 5), 2)


def save(path, seed=0, size=(24, 24), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(colours(seed, size)).save(path, **options)
    return path


@pytest.fixture
def root(tmp_path):
    """Two domains, three classes, all kinds of files, and what lies about in real folders."""
    root = tmp_path / "data"
    seed = 0
    for domain, suffixes in (("photo", ("jpg", "JPEG", "bmp")), ("sketch", ("png", "png", "PNG"))):
        for name in ("dog", "cat", "Zebra"):
            for number in (1, 2, 10):
                for suffix in set(suffixes):
                    save(root / domain / name / f"pic_{number}.{suffix}", seed := seed + 1)
            save(root / domain / name / "more" / "deep" / f"x.{suffixes[0]}", seed := seed + 1)
            save(root / domain / name / "a.png" / f"y.{suffixes[0]}", seed := seed + 1)
        (root / domain / "dog" / "notes.txt").write_text("not a picture")
        (root / domain / "readme.jpg").write_text("a file beside the class folders")
    return root


# --- what is read -------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", ["photo", "sketch"])
def test_classes_files_and_labels_are_imagefolders(root, domain):
    expected = ImageFolder(root / domain)
    found = folders.load(root, domain, size=24)
    assert found.classes == tuple(expected.classes) == ("Zebra", "cat", "dog")
    assert found.labels.tolist() == expected.targets
    assert found.labels.dtype == torch.int64
    listed = [str(f) for c in found.classes for f in folders.picture_files(root / domain / c)]
    assert listed == [path for path, _ in expected.samples]


@pytest.mark.parametrize(("domain", "tolerance"), [("photo", 4), ("sketch", 0)])
def test_pixels_are_imagefolders(root, domain, tolerance):
    found = folders.load(root, domain, size=24).images.permute(0, 2, 3, 1).numpy()
    expected = np.stack([np.asarray(picture) for picture, _ in ImageFolder(root / domain)])
    # Two JPEG decoders may differ by their rounding; swapped channels differ by far more.
    assert np.abs(found.astype(int) - expected).max() <= tolerance
    assert np.abs(found[..., ::-1].astype(int) - expected).max() > 40


def test_hidden_files_and_folders_are_left_out(root):
    before = folders.load(root, "photo", size=24)
    save(root / "photo" / "dog" / "._pic_1.jpg")
    save(root / "photo" / "dog" / ".ipynb_checkpoints" / "pic_1.jpg")
    save(root / "photo" / ".ipynb_checkpoints" / "pic_1.jpg")
    after = folders.load(root, "photo", size=24)
    assert after.classes == before.classes
    assert torch.equal(after.images, before.images)


def test_classes_chosen_are_labelled_in_the_order_given(root):
    every = folders.load(root, "photo", size=24)
    chosen = folders.load(root, "photo", size=24, classes=["dog", "Zebra"])
    assert chosen.classes == ("dog", "Zebra")
    assert torch.equal(chosen.images[chosen.labels == 0], every.images[every.labels == 2])
    assert torch.equal(chosen.images[chosen.labels == 1], every.images[every.labels == 0])
    assert chosen.labels.unique().tolist() == [0, 1]


def test_grey_is_the_luminance_of_the_rgb_pictures(root):
    rgb = folders.load(root, "photo", size=16)
    grey = folders.load(root, "photo", size=16, grey=True)
    assert grey.images.shape == (len(rgb), 1, 16, 16)
    assert torch.equal(grey.images, to_grey(rgb.images))


def test_a_pair_of_domains(root):
    source, target = folders.load_pair(root, "photo", "sketch", size=24)
    assert torch.equal(source.images, folders.load(root, "photo", size=24).images)
    assert torch.equal(target.images, folders.load(root, "sketch", size=24).images)
    assert source.classes == target.classes


def test_unlabelled_pictures_keep_the_order_of_their_names(root):
    found = folders.load_unlabelled(root / "sketch" / "dog", size=24)
    alone = folders.load(root, "sketch", size=24, classes=["dog"])
    assert torch.equal(found.images, alone.images)
    assert set(found.labels.tolist()) == {-1}


# --- decoding -----------------------------------------------------------------------------------


def test_shrinking_averages_and_enlarging_interpolates():
    fine = np.zeros((12, 12, 3), np.uint8)
    fine[::3] = 240
    assert (folders.fit(fine, 4) == 80).all()
    step = np.array([[0, 200]], np.uint8)[..., None].repeat(3, 2)
    # Half-pixel centres: the new ones lie at -1/4, 1/4, 3/4 and 5/4 of the way.
    assert folders.fit(step, 4)[0, :, 0].tolist() == [0, 50, 150, 200]


def test_other_shapes_are_stretched_to_a_square():
    wide = np.zeros((4, 16, 3), np.uint8)
    wide[:, 8:] = 240
    square = folders.fit(wide, 8)
    assert square.shape == (8, 8, 3)
    assert (square[:, :4] == 0).all()
    assert (square[:, 4:] == 240).all()


def read(tmp_path, picture, name="x.png", **options):
    path = tmp_path / name
    picture.save(path, **options)
    return folders.read_picture(path)


def test_grey_pictures_get_three_equal_channels(tmp_path):
    grey = colours(1)[..., 0]
    for name in ("x.png", "x.bmp"):
        found = read(tmp_path, Image.fromarray(grey), name)
        assert np.array_equal(found, grey[..., None].repeat(3, 2))
    jpeg = read(tmp_path, Image.fromarray(grey), "x.jpg", quality=100)
    assert np.abs(jpeg.astype(int) - grey[..., None]).max() <= 2


def test_black_and_white_and_palette_pictures(tmp_path):
    picture = Image.fromarray(colours(2))
    for mode in ("1", "P"):
        converted = picture.convert(mode)
        assert np.array_equal(read(tmp_path, converted), np.asarray(converted.convert("RGB")))


def test_16_bits_lose_the_lower_8(tmp_path):
    deep = (np.arange(64, dtype=np.uint16) * 1000).reshape(8, 8)
    found = read(tmp_path, Image.fromarray(deep))
    assert np.array_equal(found, (deep // 256)[..., None].repeat(3, 2))
    path = tmp_path / "rgb16.png"
    cv2.imwrite(str(path), np.stack([deep, deep // 2, deep // 4], 2))  # OpenCV takes BGR
    assert np.array_equal(
        folders.read_picture(path), np.stack([deep // 4, deep // 2, deep], 2) >> 8
    )


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_shows_white_paper(tmp_path, mode):
    picture = Image.fromarray(colours(3)).convert(mode)
    opacity = Image.fromarray(np.tile(np.linspace(0, 255, 24).astype(np.uint8), (24, 1)))
    picture.putalpha(opacity)
    paper = Image.new("RGBA", picture.size, "white")
    expected = Image.alpha_composite(paper, picture.convert("RGBA")).convert("RGB")
    found = read(tmp_path, picture)
    assert np.abs(found.astype(int) - np.asarray(expected)).max() <= 1
    assert (found[:, 0] == 255).all()


def test_a_palette_with_a_transparent_colour_shows_white_paper(tmp_path):
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([0, 0, 0, 10, 20, 30])
    picture.paste(0, (0, 0, 4, 8))
    found = read(tmp_path, picture, transparency=0)
    assert (found[:, :4] == 255).all()
    assert (found[:, 4:] == [10, 20, 30]).all()


def test_cmyk_becomes_rgb(tmp_path):
    picture = Image.fromarray(colours(4)).convert("CMYK")
    found = read(tmp_path, picture, "x.jpg", quality=98, subsampling=0)
    expected = np.asarray(picture.convert("RGB")).astype(int)
    assert np.abs(found - expected).mean() < 4


def test_a_photograph_held_upright_by_exif_stands_upright(tmp_path):
    picture = Image.new("RGB", (16, 8), "black")
    picture.paste((255, 255, 255), (0, 0, 8, 8))  # white at the left
    exif = Image.Exif()
    exif[0x0112] = 6  # held so that it must be turned clockwise to be seen
    found = read(tmp_path, picture, "x.jpg", exif=exif, quality=100)
    assert found.shape == (16, 8, 3)
    assert found[:7].mean() > 250  # white is above now
    assert found[9:].mean() < 5


def test_the_contents_decide_not_the_suffix(tmp_path):
    save(tmp_path / "x.png")
    (tmp_path / "x.png").rename(tmp_path / "x.jpg")
    assert np.array_equal(folders.read_picture(tmp_path / "x.jpg"), colours(0))


# --- what is broken -----------------------------------------------------------------------------


def fails(text, function, *arguments, **options):
    """Check that it raises one line that holds all of ``text``."""
    with pytest.raises(UserError) as caught:
        function(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    for part in [text] if isinstance(text, str) else text:
        assert part in message
    return message


def test_missing_root_and_domain(root, tmp_path):
    fails(f"{tmp_path / 'nowhere'} does not exist", folders.load, tmp_path / "nowhere", "a", size=8)
    a_file = root / "photo" / "readme.jpg"
    fails(f"{a_file} is not a folder", folders.load, a_file, "photo", size=8)
    (root / ".git").mkdir()
    message = fails([str(root), "no domain art"], folders.load, root, "art", size=8)
    assert message.endswith("its folders are photo, sketch")


def test_no_images_and_empty_classes(root, tmp_path):
    (tmp_path / "bare" / "photo").mkdir(parents=True)
    bare = tmp_path / "bare"
    fails([str(bare / "photo"), "no images"], folders.load, bare, "photo", size=8)
    fails([str(bare), "no pictures"], folders.load_unlabelled, bare, size=8)
    empty = root / "photo" / "emu"
    empty.mkdir()
    (empty / "list.txt").write_text("")
    save(empty / ".hidden.jpg")
    fails([str(empty), "empty class"], folders.load, root, "photo", size=8)
    assert len(folders.load(root, "photo", size=8, classes=["dog"])) > 0


def test_a_class_asked_for_must_be_there(root):
    fails(
        [str(root / "photo"), "no class emu, yak", "Zebra, cat, dog"],
        folders.load,
        root,
        "photo",
        size=8,
        classes=["emu", "dog", "yak"],
    )


def test_class_sets_that_differ_are_named(root):
    shutil.move(root / "sketch" / "dog", root / "sketch" / "wolf")
    message = fails(str(root), folders.load_pair, root, "photo", "sketch", size=8)
    assert message.endswith("only photo has dog; only sketch has wolf")
    shutil.rmtree(root / "sketch" / "wolf")
    message = fails(str(root), folders.load_pair, root, "photo", "sketch", size=8)
    assert message.endswith("only photo has dog")


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp"])
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.9, 0.995])
def test_a_file_that_is_cut_off(root, suffix, share):
    bad = save(root / "photo" / "dog" / f"bad.{suffix}", 1, (60, 80))
    whole = bad.read_bytes()
    folders.load(root, "photo", size=8)
    bad.write_bytes(whole[: int(len(whole) * share)])
    fails([str(bad), "corrupt or cut off"], folders.load, root, "photo", size=8)


def test_a_jpeg_whose_end_is_zeros(root):
    """What a copy that was broken off, or a full disk, leaves behind."""
    bad = root / "photo" / "dog" / "bad.jpg"
    whole = cv2.imencode(".jpg", colours(1, (200, 200)), [cv2.IMWRITE_JPEG_QUALITY, 95])[
        1
    ].tobytes()
    zeroed = whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2)
    assert cv2.imdecode(np.frombuffer(zeroed, np.uint8), cv2.IMREAD_COLOR) is not None  # no word
    bad.write_bytes(zeroed)
    fails([str(bad), "corrupt or cut off"], folders.load, root, "photo", size=8)


def test_a_jpeg_with_something_after_its_end_is_whole(tmp_path):
    path = save(tmp_path / "x.jpg")
    expected = folders.read_picture(path)
    path.write_bytes(path.read_bytes() + bytes(5000))
    assert np.array_equal(folders.read_picture(path), expected)


@pytest.mark.parametrize("content", [b"<html>404</html>", b"\xff\xd8\xff\xd9", bytes(3000)])
def test_a_file_that_is_no_picture(root, content):
    bad = root / "photo" / "dog" / "bad.jpg"
    bad.write_bytes(content)
    fails([str(bad), "corrupt or cut off"], folders.load, root, "photo", size=8)


def test_a_bitmap_of_absurd_size(root):
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "BMP")
    header = bytearray(buffer.getvalue())
    header[18:26] = (2**30).to_bytes(4, "little") * 2  # width and height
    bad = root / "photo" / "dog" / "bad.bmp"
    bad.write_bytes(header)
    fails(str(bad), folders.load, root, "photo", size=8)


def test_a_file_that_cannot_be_read(root):
    dangling = root / "photo" / "dog" / "gone.jpg"
    dangling.symlink_to("nowhere.jpg")
    fails([str(dangling), "cannot be read", "No such file"], folders.load, root, "photo", size=8)


def test_files_and_folders_without_rights(root):
    bad, folder = root / "photo" / "dog" / "pic_1.jpg", root / "sketch" / "dog"
    bad.chmod(0)
    folder.chmod(0)
    try:
        if os.access(bad, os.R_OK):
            pytest.skip("this user may read everything")
        fails([str(bad), "Permission denied"], folders.load, root, "photo", size=8)
        fails([str(folder), "Permission denied"], folders.load, root, "sketch", size=8)
    finally:
        folder.chmod(0o700)


def test_one_error_of_many_and_the_first_one(root):
    for number in range(40, 60):
        (root / "photo" / "cat" / f"pic_{number}.jpg").write_bytes(b"broken")
    fails("pic_40.jpg", folders.load, root, "photo", size=8)


def test_bad_sizes(root):
    fails("size is 1 pixel or more", folders.load, root, "photo", size=0)


# --- the cache ----------------------------------------------------------------------------------


@pytest.fixture
def decoded(monkeypatch):
    """Names of the files that were really decoded."""
    names = []
    original = folders.read_picture
    monkeypatch.setattr(folders, "read_picture", lambda p: names.append(p.name) or original(p))
    return names


def test_unchanged_pictures_are_decoded_once(root, decoded):
    first = folders.load(root, "photo", size=16)
    assert len(decoded) == len(first)
    second = folders.load(root, "photo", size=16)
    assert len(decoded) == len(first)
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.labels, second.labels)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: save(d / "new.jpg"),
        lambda d: (d / "pic_1.jpg").unlink(),
        lambda d: save(d / "pic_1.jpg", 77),
        lambda d: os.utime(d / "pic_1.jpg", (1, 1)),
        lambda d: (d / "pic_1.jpg").rename(d / "pic_0.jpg"),
    ],
    ids=["added", "removed", "changed", "touched", "renamed"],
)
def test_a_change_is_seen(root, decoded, change):
    folders.load(root, "photo", size=16)
    decoded.clear()
    change(root / "photo" / "dog")
    expected = len(ImageFolder(root / "photo").samples)
    assert len(folders.load(root, "photo", size=16)) == expected == len(decoded)


def test_sizes_and_channels_do_not_share_the_cache(root):
    assert folders.load(root, "photo", size=16).images.shape[1:] == (3, 16, 16)
    assert folders.load(root, "photo", size=16, grey=True).images.shape[1:] == (1, 16, 16)
    assert folders.load(root, "photo", size=12).images.shape[1:] == (3, 12, 12)
    assert folders.load(root, "photo", size=16).images.shape[1:] == (3, 16, 16)


def test_a_damaged_cache_is_not_read(root, cache):
    expected = folders.load(root, "photo", size=16)
    (file,) = cache.iterdir()
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    assert torch.equal(folders.load(root, "photo", size=16).images, expected.images)


def test_pictures_in_a_temporary_folder_do_not_fill_the_cache(root, cache, tmp_path):
    shutil.copytree(root, tmp_path / "temporary" / "data")
    again = folders.load(tmp_path / "temporary" / "data", "photo", size=24)
    assert not cache.exists()
    torch.testing.assert_close(again.images, folders.load(root, "photo", size=24).images)
    assert len(list(cache.iterdir())) == 1


def test_a_failure_leaves_no_cache(root, cache):
    (root / "photo" / "dog" / "bad.jpg").write_bytes(b"broken")
    fails("bad.jpg", folders.load, root, "photo", size=16)
    assert not cache.exists() or not list(cache.iterdir())


# --- real_or_drawing ----------------------------------------------------------------------------


@pytest.fixture
def homework(tmp_path):
    """The layout of ML2022 HW11, with two pictures a class."""
    folder = tmp_path / "real_or_drawing"
    for number in range(20):
        save(folder / "train_data" / str(number // 2) / f"{number}.bmp", number, (32, 32))
    for number in range(12):
        path = folder / "test_data" / "0" / f"{number:05d}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((28, 28), number * 20, np.uint8)).save(path)
    return folder


@pytest.mark.parametrize("inside", [True, False])
def test_the_homeworks_folder(homework, inside):
    root = homework if inside else homework.parent
    source, target = folders.load_real_or_drawing(root)
    assert source.classes == target.classes
    assert source.classes[0] == "horse"
    assert source.classes[9] == "spider"
    assert source.images.shape == (20, 3, 32, 32)
    assert source.labels.tolist() == [label for label in range(10) for _ in range(2)]
    assert np.array_equal(source.images[6].permute(1, 2, 0).numpy(), colours(6, (32, 32)))
    assert target.images.shape == (12, 1, 32, 32)
    assert target.labels.tolist() == [-1] * 12
    # The position is the id: picture k is as bright as the file 0000k.bmp.
    assert target.images[:, 0, 16, 16].tolist() == [number * 20 for number in range(12)]


def test_other_names_of_classes_and_their_number(homework):
    (homework / "classes.txt").write_text("a\nb\n")
    fails([str(homework / "train_data"), "0 to 1"], folders.load_real_or_drawing, homework)
    for number in range(2, 10):
        shutil.rmtree(homework / "train_data" / str(number))
    assert folders.load_real_or_drawing(homework)[0].classes == ("a", "b")


def test_a_homework_folder_that_is_not_whole(homework):
    shutil.rmtree(homework / "train_data" / "3")
    fails([str(homework / "train_data"), "folders 0 to 9"], folders.load_real_or_drawing, homework)
    shutil.rmtree(homework / "test_data")
    fails([str(homework), "test_data"], folders.load_real_or_drawing, homework)
    fails("does not exist", folders.load_real_or_drawing, homework / "no")


# --- the real PACS ------------------------------------------------------------------------------


@pytest.mark.realdata
def test_pacs_has_its_counts():
    from dalib_edu.data import real

    if settings.data_folder() is None:
        pytest.skip("DALIB_EDU_DATA is not set")
    try:
        root = real.locate("PACS")
    except UserError as error:
        pytest.skip(str(error))
    counts = {d: len(folders.load(root, d, size=32)) for d in folders.folder_names(root)}
    assert counts == {"art_painting": 2048, "cartoon": 2344, "photo": 1670, "sketch": 3929}
    source, target = folders.load_pair(root, "photo", "sketch", size=32)
    assert source.classes == ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")
    assert target.images.float().mean() > 230  # black strokes on white
