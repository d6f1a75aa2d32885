"""The world of Drawn Apart: sizes, hidden labels, order, its folder, broken folders, transforms."""

import csv
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms as classic
from torchvision.datasets import ImageFolder

from dalib_edu.data import drawn_apart, export, folders, pictures
from dalib_edu.data.drawn_apart import load_folder
from dalib_edu.settings import UserError
from dalib_edu.submit import score_named_submission, write_named_submission


@pytest.fixture(scope="module")
def world():
    return drawn_apart.load("grading")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "drawn_apart"
    return folder, export.export_drawn_apart(folder, per_class=3)


@pytest.fixture
def copied(exported, tmp_path):
    return shutil.copytree(exported[0], tmp_path / "copy")


# --- the embedded world -------------------------------------------------------------------------


def test_sizes_and_hidden_labels(world):
    assert [len(data) for data in (world.cartoon, world.photo)] == [30, 30]
    assert (len(world.sketch), len(world.val), len(world.test)) == (200, 20, 100)
    assert (len(world.cartoon_test), len(world.photo_test)) == (50, 50)
    for data in (world.cartoon, world.photo, world.val, world.cartoon_test, world.photo_test):
        assert data.images.shape[1:] == (3, 32, 32)
        assert data.classes == pictures.CLASSES[:10]
        assert data.labels.bincount(minlength=10).unique().numel() == 1
    assert (world.sketch.labels == -1).all()
    assert (world.test.labels == -1).all()
    assert torch.equal(world.val_labels, world.val.labels)


def test_the_numbers_of_the_embedded_scale():
    assert drawn_apart._counts(drawn_apart.PER_CLASS) == {
        "cartoon": 30,
        "photo": 30,
        "sketch": 200,
        "val": 20,
        "test": 100,
        "cartoon_test": 50,
        "photo_test": 50,
    }


def test_true_labels_belong_to_the_test_pictures(world):
    seed = list(drawn_apart._counts(3)).index("test")
    drawn = pictures.draw("sketch", per_class=10, size=32, seed=seed)
    label_of = {image.numpy().tobytes(): int(y) for image, y in zip(*parts(drawn), strict=True)}
    found = [label_of[image.numpy().tobytes()] for image in world.test.images]
    assert drawn_apart.true_labels(3).tolist() == found == world.sketch_test.labels.tolist()
    named = drawn_apart.true_names(3)
    assert list(named) == list(world.test_names)
    assert [pictures.CLASSES.index(name) for name in named.values()] == found


def parts(data):
    return data.images, data.labels


@pytest.mark.parametrize("labels", [drawn_apart.true_labels(), drawn_apart.true_labels(seed=5)])
def test_the_order_gives_no_label_away(labels):
    assert labels.bincount().tolist() == [100] * 10
    assert (labels == torch.arange(1000) % 10).float().mean() < 0.2
    assert (labels == torch.arange(1000) // 100).float().mean() < 0.2
    assert (labels[1:] == labels[:-1]).float().mean() < 0.2


def test_no_picture_is_in_two_parts(world):
    for sets in (
        (world.sketch, world.val, world.test),
        (world.cartoon, world.cartoon_test),
        (world.photo, world.photo_test),
    ):
        every = [image.numpy().tobytes() for data in sets for image in data.images]
        assert len(set(every)) == len(every)


def test_another_seed_gives_other_pictures():
    one, two = (drawn_apart.draw(1, seed)["sketch"].images for seed in (0, 1))
    assert not {p.numpy().tobytes() for p in one} & {p.numpy().tobytes() for p in two}


# --- the folder ---------------------------------------------------------------------------------


def test_the_layout(exported):
    folder, truth = exported
    assert {path.name for path in folder.iterdir()} == {
        "cartoon",
        "photograph",
        "sketch",
        "sketch_val",
        "sketch_test",
        "val.csv",
    }
    for domain, count in (("cartoon", 30), ("photograph", 30), ("sketch", 200)):
        data = ImageFolder(folder / domain)
        assert len(data) == count
        assert data.classes == sorted(pictures.CLASSES[:10])
        assert {picture.size for picture, _ in data} == {(32, 32)}
    assert len(list((folder / "sketch_val").glob("*.jpg"))) == 20
    assert {path.name for path in (folder / "sketch_test").iterdir()} == truth.keys()
    with (folder / "val.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20
    assert rows[0].keys() == {"filename", "class_name"}
    assert truth == drawn_apart.true_names(3)


def test_no_file_tells_its_class_but_by_its_folder(exported):
    """The names count through each part; file times and sizes aside, there is nothing else."""
    folder, truth = exported
    names = sorted(truth)
    assert names == [f"test_{i:05d}.jpg" for i in range(100)]
    assert not (folder / "test.csv").exists()


def test_what_is_exported_comes_back(exported, world):
    found = load_folder(exported[0], size=32)
    for name in ("val", "test", "sketch"):
        assert len(getattr(found, name)) == len(getattr(world, name))
    assert found.val_names == world.val_names
    assert found.test_names == world.test_names
    assert torch.equal(found.val.labels, world.val.labels)
    assert (found.test.labels == -1).all()
    assert (found.sketch.labels == -1).all()
    difference = (found.test.images.float() - world.test.images.float()).abs()
    assert difference.mean() < 4  # JPEG's
    assert difference.flatten(1).mean(1).max() < 10  # of every single picture, so none is swapped
    # A tenth of each source is held out, and no picture is lost.
    assert (len(found.cartoon), len(found.cartoon_test)) == (27, 3)
    assert (len(found.photo), len(found.photo_test)) == (27, 3)
    whole = folders.load(exported[0], "cartoon", size=32).images
    both = torch.cat([found.cartoon.images, found.cartoon_test.images])
    assert {p.numpy().tobytes() for p in whole} == {p.numpy().tobytes() for p in both}


def test_the_full_scale_reads_the_data_folder(exported, monkeypatch):
    monkeypatch.setenv("DALIB_EDU_DATA", str(exported[0].parent))
    found = drawn_apart.load("full")
    assert found.test.images.shape == (100, 3, 256, 256)


def test_the_archives_own_folder_in_a_folder(copied, tmp_path):
    (tmp_path / "outer" / "task_data").mkdir(parents=True)
    copied.rename(tmp_path / "outer" / "task_data" / "task_data")
    assert len(load_folder(tmp_path / "outer", 32).val) == 20


def test_lines_of_val_in_any_order_and_of_other_pictures(copied):
    path = copied / "val.csv"
    head, *lines = path.read_text().splitlines()
    path.write_text("\n".join([head, "gone.jpg,cat", *reversed(lines)]) + "\n")
    expected = drawn_apart.load("grading").val.labels
    assert torch.equal(load_folder(copied, 32).val.labels, expected)


def fails(text, folder):
    with pytest.raises(UserError, match=text) as caught:
        load_folder(folder, 32)
    assert "\n" not in str(caught.value)


def test_broken_folders(copied):
    path = copied / "val.csv"
    whole = path.read_text()
    path.write_text(whole.replace("val_00003.jpg", "other.jpg"))
    fails("no line for val_00003.jpg", copied)
    path.write_text(whole.replace(",cat", ",dog"))
    fails("the class 'dog'", copied)
    path.write_text("id,label\n0,1\n")
    fails("filename,class_name", copied)
    path.unlink()
    fails("no such file", copied)
    path.write_text(whole)
    (copied / "photograph" / "cat").rename(copied / "photograph" / "dog")
    fails("differ in classes", copied)
    shutil.rmtree(copied / "photograph")
    fails("no domain photograph", copied)
    fails("does not exist", copied / "nowhere")


def test_a_missing_or_corrupt_part(copied):
    (copied / "sketch_test" / "test_00007.jpg").write_bytes(b"no picture")
    fails("test_00007.jpg is no picture", copied)
    shutil.rmtree(copied / "sketch_test")
    fails("sketch_test does not exist", copied)


def test_two_pictures_of_one_name(copied):
    below = copied / "sketch_test" / "below"
    below.mkdir()
    shutil.copy(copied / "sketch_test" / "test_00001.jpg", below)
    fails("two pictures of one name", copied)


def test_full_scale_without_data_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("DALIB_EDU_DATA", str(tmp_path))
    with pytest.raises(UserError, match="kaggle"):
        drawn_apart.load("full")


def test_export_refuses_a_folder_that_holds_something(copied):
    with pytest.raises(UserError):
        export.export_drawn_apart(copied, per_class=1)
    with pytest.raises(UserError, match="per_class"):
        export.export_drawn_apart(copied.with_name("new"), per_class=0)
    assert not copied.with_name("new").exists()


def test_a_submission_of_the_truth_scores_1(tmp_path, exported):
    _, truth = exported
    path = write_named_submission(tmp_path / "s.csv", list(truth), list(truth.values()))
    assert score_named_submission(path, drawn_apart.true_names(3)) == 1.0


# --- transforms ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "shape"), [(32, (32, 32)), (30, (40, 61)), (24, (50, 31))])
def test_eval_transform_is_torchvisions_usual_chain(size, shape):
    generator = np.random.default_rng(0)
    picture = Image.fromarray(generator.integers(0, 256, (*shape, 3), dtype=np.uint8))
    usual = classic.Compose(
        [
            classic.Resize(round(size * 8 / 7)),
            classic.CenterCrop(size),
            classic.ToTensor(),
            classic.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    transform = drawn_apart.eval_transform(size)
    # Tensors are resized by another routine than PIL's: one grey level of 255, times 1 / 0.224.
    tolerance = {"atol": 1.01 / 255 / 0.224, "rtol": 0}
    torch.testing.assert_close(transform(picture), usual(picture), **tolerance)
    tensor = torch.from_numpy(np.array(picture)).permute(2, 0, 1)  # (H, W, 3) -> (3, H, W)
    found = transform(torch.stack([tensor, tensor.flip(-1)]))
    assert found.shape == (2, 3, size, size)
    assert type(found) is torch.Tensor
    torch.testing.assert_close(found[0], usual(picture), **tolerance)
    assert torch.equal(transform(tensor), found[0])


@pytest.mark.parametrize("size", [30, 31, 32, 33, 24, 28, 56])
def test_once_for_all_and_a_batch_at_a_time_is_the_same(size):
    images = torch.randint(
        256, (3, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    before = images.clone()
    found = drawn_apart.normalise(drawn_apart.centre_crop(images, size))
    torch.testing.assert_close(found, drawn_apart.eval_transform(size)(images))
    assert torch.equal(images, before)


def test_training_mirrors_about_half_and_evaluation_none():
    images = torch.zeros(400, 3, 4, 4, dtype=torch.uint8)
    images[..., 0] = 255
    seen = drawn_apart.flip_and_normalise(images, torch.Generator().manual_seed(0))
    plain = drawn_apart.normalise(images)
    mirrored = torch.tensor([torch.equal(a, b.flip(-1)) for a, b in zip(seen, plain, strict=True)])
    kept = torch.tensor([torch.equal(a, b) for a, b in zip(seen, plain, strict=True)])
    assert (mirrored ^ kept).all()
    assert 150 < mirrored.sum() < 250
    again = drawn_apart.flip_and_normalise(images, torch.Generator().manual_seed(0))
    assert torch.equal(seen, again)
