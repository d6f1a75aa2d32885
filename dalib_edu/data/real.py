"""The real data sets of the course: what they are, where they lie, and how to get them.

Each lies in a folder of its own in the data folder (``DALIB_EDU_DATA`` or ``--data``). What has a
public host and a published checksum is downloaded; the others must be fetched by hand, and
``fetch(name, archive=...)`` unpacks and checks what a browser brought.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from dalib_edu import settings
from dalib_edu.data.files import gunzip, new_folder, unpack
from dalib_edu.data.folders import picture_files
from dalib_edu.data.images import ImageSet
from dalib_edu.settings import UserError


@dataclass(frozen=True)
class Download:
    """A file with a checksum that its data set's own loader in torchvision publishes.

    Attributes:
        url: where it is.
        md5: its checksum.
        path: where it goes, below the data set's folder. A .gz or .zip is also unpacked there.
    """

    url: str
    md5: str
    path: str


@dataclass(frozen=True)
class RealDataset:
    """One data set.

    Attributes:
        name: its folder in the data folder, and what the command line calls it.
        what: what it is.
        licence: what is known of the right to use it.
        homepage: where it is described, and to be had.
        layout: what its folder looks like.
        pictures: number of pictures in and below each of its folders.
        files: other files that it must have.
        downloads: what ``fetch`` downloads; none where it must be fetched by hand.
    """

    name: str
    what: str
    licence: str
    homepage: str
    layout: str
    pictures: Mapping[str, int] = field(default_factory=dict)
    files: Sequence[str] = ()
    downloads: Sequence[Download] = ()


DIGITS = tuple("0123456789")  # the classes of MNIST and SVHN

_MNIST_HOST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_SVHN_HOST = "http://ufldl.stanford.edu/housenumbers/"
_OMNIGLOT_HOST = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python/"

DATASETS = {
    dataset.name: dataset
    for dataset in (
        RealDataset(
            name="PACS",
            what="photos, art paintings, cartoons and sketches of 7 classes (Li et al. 2017)",
            licence="gathered from the web for research; no licence is stated",
            homepage="https://github.com/MachineLearning2020/Homework3-PACS",
            layout="PACS/<domain>/<class>/*.jpg, sketches *.png",
            pictures={"art_painting": 2048, "cartoon": 2344, "photo": 1670, "sketch": 3929},
        ),
        RealDataset(
            name="real_or_drawing",
            what="photographs and drawings of 10 classes (NTU Machine Learning 2022, homework 11)",
            licence="given out with the homework; no licence is stated",
            homepage="https://speech.ee.ntu.edu.tw/~hylee/ml/2022-spring.php",
            layout="real_or_drawing/train_data/<0 to 9>/*.bmp and test_data/0/00000.bmp ...",
            pictures={"train_data": 5000, "test_data": 100_000},
        ),
        RealDataset(
            name="DomainNet",
            what="345 classes in six domains (Peng et al. 2019), the cleaned version",
            licence="none; its homepage has a notice on fair use in research",
            homepage="http://ai.bu.edu/M3SDA/",
            layout="DomainNet/<domain>/<class>/*.jpg, *.png",
            pictures={
                "clipart": 48_129,
                "infograph": 51_605,
                "painting": 72_266,
                "quickdraw": 172_500,
                "real": 172_947,
                "sketch": 69_128,
            },
        ),
        RealDataset(
            name="drawn_apart",
            what="three domains of DomainNet, with sketches to be labelled (a Kaggle contest)",
            licence="as the contest's rules say; drawn from DomainNet",
            homepage="https://www.kaggle.com/competitions/drawn-apart-aicc-round-3",
            layout="drawn_apart/{cartoon,photograph,sketch}/<class>/*, {sketch_val,sketch_test}/* "
            "and val.csv",
            files=("cartoon", "photograph", "sketch", "sketch_val", "sketch_test", "val.csv"),
        ),
        RealDataset(
            name="MNIST",
            what="handwritten digits, grey, 28 x 28 (LeCun et al. 1998)",
            licence="none on its homepage; elsewhere given as CC BY-SA 3.0",
            homepage="http://yann.lecun.com/exdb/mnist/",
            layout="MNIST/raw/*-ubyte, for torchvision.datasets.MNIST(<data folder>)",
            files=(
                "raw/train-images-idx3-ubyte",
                "raw/train-labels-idx1-ubyte",
                "raw/t10k-images-idx3-ubyte",
                "raw/t10k-labels-idx1-ubyte",
            ),
            downloads=tuple(
                Download(f"{_MNIST_HOST}{name}", md5, f"raw/{name}")
                for name, md5 in (
                    ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
                    ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
                    ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
                    ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
                )
            ),
        ),
        RealDataset(
            name="SVHN",
            what="house numbers from street views, RGB, 32 x 32 (Netzer et al. 2011)",
            licence="for non-commercial use only",
            homepage="http://ufldl.stanford.edu/housenumbers/",
            layout="SVHN/{train,test}_32x32.mat, for torchvision.datasets.SVHN(<data folder>/SVHN)",
            files=("train_32x32.mat", "test_32x32.mat"),
            downloads=(
                Download(
                    f"{_SVHN_HOST}train_32x32.mat",
                    "e26dedcc434d2e4c54c9b2d4a06d8373",
                    "train_32x32.mat",
                ),
                Download(
                    f"{_SVHN_HOST}test_32x32.mat",
                    "eb5a983be6a315427106f1b164d9cef3",
                    "test_32x32.mat",
                ),
            ),
        ),
        RealDataset(
            name="omniglot-py",
            what="Omniglot: 1,623 characters of 50 alphabets, 20 drawers (Lake et al. 2015)",
            licence="MIT",
            homepage="https://github.com/brendenlake/omniglot",
            layout="omniglot-py/images_background/<alphabet>/<character>/*.png and "
            "images_evaluation, for torchvision.datasets.Omniglot(<data folder>)",
            pictures={"images_background": 19_280, "images_evaluation": 13_180},
            downloads=(
                Download(
                    f"{_OMNIGLOT_HOST}images_background.zip",
                    "68d2efa1b9178cc56df9314c21c6e718",
                    "images_background.zip",
                ),
                Download(
                    f"{_OMNIGLOT_HOST}images_evaluation.zip",
                    "6b91aef0f799c5bb55b94e3f2daec811",
                    "images_evaluation.zip",
                ),
            ),
        ),
    )
}


@dataclass(frozen=True)
class Row:
    """A line of the list: a data set, where it lies (None: nowhere) and what is wrong with it."""

    dataset: RealDataset
    folder: Path | None
    missing: str

    @property
    def state(self) -> str:
        """``found``, ``incomplete (...)`` or ``not found``."""
        if self.folder is None:
            return "not found"
        return f"incomplete ({self.missing})" if self.missing else "found"


# --- what others call ---------------------------------------------------------------------------


def list_datasets(folder: str | Path | None = None) -> list[Row]:
    """Return a row for each data set.

    Args:
        folder: the data folder; by default ``settings.data_folder()``.
    """
    folder = _data_folder(folder)
    rows = []
    for dataset in DATASETS.values():
        place = None if folder is None else _place_in(folder, dataset)
        rows.append(Row(dataset, place, "" if place is None else _missing(dataset, place)))
    return rows


def locate(name: str, folder: str | Path | None = None) -> Path:
    """Return the folder of a data set: in the data folder, or the data folder itself.

    Args:
        name: one of ``DATASETS``, in any case.
        folder: the data folder; by default ``settings.data_folder()``.

    Raises:
        UserError: there is no such data set, or it is not there; the message says how to get it.
    """
    dataset, folder = _dataset(name), _data_folder(folder)
    place = None if folder is None else _place_in(folder, dataset)
    if place is None:
        where = f"is not in {folder}" if folder else "has no place to lie in (set DALIB_EDU_DATA)"
        raise UserError(f"{dataset.name} {where}; {_how_to_get(dataset)}")
    return place


def fetch(
    name: str, folder: str | Path | None = None, *, archive: str | Path | None = None
) -> Path:
    """Put a data set into the data folder, whole or not at all, and return its folder.

    Args:
        name: one of ``DATASETS``, in any case.
        folder: the data folder; by default ``settings.data_folder()``. Made if it is not there.
        archive: unpack this .zip or .tar.gz; without it, download.

    Raises:
        UserError: no such data set; it is there already; it cannot be downloaded by a program, or
            the download fails or has a wrong checksum; the archive is damaged, unsafe or of
            something else; the disk is full or refuses.
    """
    dataset, folder = _dataset(name), _data_folder(folder)
    if folder is None:
        raise UserError("say where the data is to go: --data DIR, or the variable DALIB_EDU_DATA")
    if archive is None and not dataset.downloads:
        raise UserError(
            f"{dataset.name} has no public host with a checksum: {_how_to_get(dataset)}"
        )
    destination = folder / dataset.name
    with new_folder(destination) as building:
        if archive is None:
            for download in dataset.downloads:
                _download(download, building)
        else:
            unpacked = building.parent / "unpacked"
            unpacked.mkdir()
            unpack(archive, unpacked)
            inside = _find_inside(unpacked, dataset)
            if inside is None:
                raise UserError(f"{archive} does not hold {dataset.name}, that is {dataset.layout}")
            building.rmdir()
            inside.rename(building)
    return destination


def load_mnist(*, train: bool, folder: str | Path | None = None) -> ImageSet:
    """Return MNIST's training or test part: grey (N, 1, 28, 28), bright on black.

    Either part can be read without the other (``torchvision.datasets.MNIST`` asks for both).

    Args:
        train: 60,000 pictures to train on; otherwise 10,000 to test on.
        folder: the data folder; by default ``settings.data_folder()``.

    Raises:
        UserError: MNIST or this part of it is not there, or a file is damaged.
    """
    from torchvision.datasets import mnist

    raw = locate("MNIST", folder) / "raw"
    part = "train" if train else "t10k"
    images = _read(mnist.read_image_file, raw / f"{part}-images-idx3-ubyte")
    labels = _read(mnist.read_label_file, raw / f"{part}-labels-idx1-ubyte")
    if len(images) != len(labels):
        raise UserError(f"{raw}: {len(images)} pictures but {len(labels)} labels")
    return ImageSet(images.unsqueeze(1), labels, DIGITS)  # (N, 28, 28) -> (N, 1, 28, 28)


def _read(read: Callable[[str], Tensor], file: Path) -> Tensor:
    """Return what torchvision's reader finds in a file, or raise ``UserError``."""
    if not file.is_file():
        raise UserError(f"{file} is not there; {_how_to_get(DATASETS['MNIST'])}")
    try:
        return read(str(file))
    except Exception as error:  # torchvision asserts, unpacks and looks up: many kinds
        raise UserError(f"{file} is damaged: it is no file of MNIST") from error


def load_svhn(*, train: bool, folder: str | Path | None = None) -> ImageSet:
    """Return SVHN's training or test part: RGB (N, 3, 32, 32).

    Args:
        train: 73,257 pictures to train on; otherwise 26,032 to test on.
        folder: the data folder; by default ``settings.data_folder()``.

    Raises:
        UserError: SVHN or this part of it is not there, or has another checksum.
    """
    from torchvision.datasets import SVHN

    place = locate("SVHN", folder)
    part = "train" if train else "test"
    try:
        found = SVHN(str(place), split=part)
    except RuntimeError:  # not there, or a wrong checksum
        raise UserError(
            f"{place / f'{part}_32x32.mat'} is missing or damaged; {_how_to_get(DATASETS['SVHN'])}"
        ) from None
    return ImageSet(torch.from_numpy(found.data), torch.from_numpy(found.labels).long(), DIGITS)


# --- where things are ---------------------------------------------------------------------------


def _dataset(name: str) -> RealDataset:
    for dataset in DATASETS.values():
        if dataset.name.lower() == name.lower():
            return dataset
    raise UserError(f"there is no data set {name!r}; there are {', '.join(DATASETS)}")


def _data_folder(folder: str | Path | None) -> Path | None:
    return settings.data_folder() if folder is None else Path(folder).expanduser()


def _parts(dataset: RealDataset) -> list[str]:
    return [*dataset.pictures, *dataset.files]


def _place_in(folder: Path, dataset: RealDataset) -> Path | None:
    """Return where the data set, or a part of it, lies."""
    named = folder / dataset.name
    if any((named / part).exists() for part in _parts(dataset)):
        return named
    return folder if all((folder / part).exists() for part in _parts(dataset)) else None


def _find_inside(folder: Path, dataset: RealDataset) -> Path | None:
    """Return the topmost folder, ``folder`` or below it, that holds all parts of a data set."""
    level = [folder]
    for _ in range(5):
        for place in level:
            if all((place / part).exists() for part in _parts(dataset)):
                return place
        level = sorted(below for place in level for below in place.iterdir() if below.is_dir())
    return None


def _missing(dataset: RealDataset, place: Path) -> str:
    """Return what a data set's folder lacks, or an empty string."""
    lacks = [part for part in dataset.files if not (place / part).exists()]
    for part, expected in dataset.pictures.items():
        found = len(picture_files(place / part)) if (place / part).is_dir() else 0
        if found != expected:
            lacks.append(f"{part} has {found} of {expected} pictures")
    return ", ".join(lacks)


def _how_to_get(dataset: RealDataset) -> str:
    if dataset.downloads:
        return f"get it with: dalib-edu data fetch {dataset.name}"
    return (
        f"fetch it from {dataset.homepage} and lay it out as {dataset.layout} in the data folder, "
        f"or run: dalib-edu data fetch {dataset.name} --archive FILE"
    )


# --- downloads ----------------------------------------------------------------------------------


def _download(download: Download, folder: Path) -> None:
    import pooch
    import requests

    path = folder / download.path
    path.parent.mkdir(parents=True, exist_ok=True)
    pooch.get_logger().setLevel("WARNING")  # else it tells each file on the error stream
    downloader = pooch.HTTPDownloader(progressbar=settings.show_progress(), timeout=30)
    try:
        pooch.retrieve(
            download.url, f"md5:{download.md5}", path.name, path.parent, downloader=downloader
        )
    except requests.RequestException as error:
        cause = type(error).__name__ if error.response is None else error
        raise UserError(f"{download.url} could not be downloaded: {cause}") from error
    except ValueError as error:  # pooch's own, for a checksum that differs
        raise UserError(
            f"{download.url} arrived with a wrong checksum: cut off, or changed at its host"
        ) from error
    if path.suffix == ".gz":
        gunzip(path, path.with_suffix(""))
    elif path.suffix == ".zip":
        unpack(path, path.parent)
