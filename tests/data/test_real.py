"""The real data sets: the table beside torchvision's own, archives, and a host that misbehaves."""

import gzip
import hashlib
import resource
import shutil
import struct
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from torchvision import datasets as torchvision_sets

from dalib_edu.data import real
from dalib_edu.settings import UserError


def fails(text, function, *arguments, **options):
    with pytest.raises(UserError) as caught:
        function(*arguments, **options)
    assert "\n" not in str(caught.value)
    for part in [text] if isinstance(text, str) else text:
        assert part in str(caught.value)


# --- the table ----------------------------------------------------------------------------------


def downloads(name):
    return {(d.url, d.md5) for d in real.DATASETS[name].downloads}


def test_hosts_and_checksums_are_those_of_torchvision():
    mnist = torchvision_sets.MNIST
    assert any(
        downloads("MNIST") == {(mirror + file, md5) for file, md5 in mnist.resources}
        for mirror in mnist.mirrors
    )
    svhn = torchvision_sets.SVHN.split_list
    assert downloads("SVHN") == {(svhn[s][0], svhn[s][2]) for s in ("train", "test")}
    omniglot = torchvision_sets.Omniglot
    assert downloads("omniglot-py") == {
        (f"{omniglot.download_url_prefix}/{name}.zip", md5)
        for name, md5 in omniglot.zips_md5.items()
    }
    assert omniglot.folder == "omniglot-py"


def test_every_data_set_says_what_it_is_and_what_it_must_hold():
    for name, dataset in real.DATASETS.items():
        assert dataset.name == name
        assert all((dataset.what, dataset.licence, dataset.layout))
        assert dataset.homepage.startswith("http")
        assert dataset.pictures or dataset.files
        assert dataset.layout.startswith(name)


# --- what is there ------------------------------------------------------------------------------


def small(monkeypatch, name, **changes):
    """Make a data set's expectations small enough for a test."""
    monkeypatch.setitem(real.DATASETS, name, replace(real.DATASETS[name], **changes))


def fill(folder, counts):
    for part, count in counts.items():
        for number in range(count):
            path = folder / part / f"class{number % 2}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")


COUNTS = {"art_painting": 3, "cartoon": 2, "photo": 4, "sketch": 2}


@pytest.fixture
def pacs(monkeypatch):
    small(monkeypatch, "PACS", pictures=COUNTS)


def state(name, folder):
    (row,) = [row for row in real.list_datasets(folder) if row.dataset.name == name]
    return row.state


@pytest.mark.usefixtures("pacs")
def test_found_incomplete_and_not_found(tmp_path):
    assert state("PACS", tmp_path) == "not found"
    fill(tmp_path / "PACS", COUNTS)
    assert state("PACS", tmp_path) == "found"
    assert real.locate("pacs", tmp_path) == tmp_path / "PACS"
    (tmp_path / "PACS" / "photo" / "class0" / "0.png").unlink()
    assert state("PACS", tmp_path) == "incomplete (photo has 3 of 4 pictures)"
    fill(tmp_path / "PACS" / "sketch", {"x": 1})
    assert "sketch has 3 of 2 pictures" in state("PACS", tmp_path)


def test_the_data_folder_may_be_the_data_set_itself(tmp_path, monkeypatch):
    fill(tmp_path, COUNTS)
    assert real.locate("PACS", tmp_path) == tmp_path
    monkeypatch.setenv("DALIB_EDU_DATA", str(tmp_path))
    assert real.locate("PACS") == tmp_path
    assert {row.folder for row in real.list_datasets()} == {tmp_path, None}


def test_without_a_data_folder(monkeypatch):
    monkeypatch.delenv("DALIB_EDU_DATA", raising=False)
    assert {row.state for row in real.list_datasets()} == {"not found"}
    fails(["DALIB_EDU_DATA", "github.com"], real.locate, "PACS")
    fails(["--data", "DALIB_EDU_DATA"], real.fetch, "MNIST")


def test_a_data_set_that_is_not_there(tmp_path):
    fails(
        [f"PACS is not in {tmp_path}", "PACS/<domain>/<class>", "Homework3-PACS", "--archive FILE"],
        real.locate,
        "PACS",
        tmp_path,
    )
    fails("dalib-edu data fetch MNIST", real.locate, "mnist", tmp_path)
    fails(["'imagenet'", "PACS, real_or_drawing"], real.locate, "imagenet", tmp_path)


# --- archives -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("pacs")
@pytest.mark.parametrize("kind", ["zip", "gztar"])
@pytest.mark.parametrize("inside", ["PACS", ".", "Homework3-PACS-master/PACS"])
def test_an_archive_is_put_in_place(tmp_path, kind, inside):
    fill(tmp_path / "made" / inside, COUNTS)
    archive = shutil.make_archive(str(tmp_path / "download"), kind, tmp_path / "made")
    data = tmp_path / "data"
    assert real.fetch("PACS", data, archive=archive) == data / "PACS"
    assert state("PACS", data) == "found"
    assert [p.name for p in data.iterdir()] == ["PACS"]
    fails("is not empty", real.fetch, "PACS", data, archive=archive)
    assert state("PACS", data) == "found"


def test_an_archive_of_something_else(tmp_path):
    fill(tmp_path / "made", {"photo": 2})
    archive = shutil.make_archive(str(tmp_path / "x"), "zip", tmp_path / "made")
    (tmp_path / "data").mkdir()
    fails("does not hold PACS", real.fetch, "PACS", tmp_path / "data", archive=archive)
    fails("cannot be read", real.fetch, "PACS", tmp_path / "data", archive=tmp_path / "no.zip")
    assert not list((tmp_path / "data").iterdir())


def test_what_has_no_host_is_not_downloaded(tmp_path):
    for name in ("PACS", "real_or_drawing", "DomainNet", "drawn_apart"):
        homepage = real.DATASETS[name].homepage
        fails(["no public host with a checksum", homepage, "--archive"], real.fetch, name, tmp_path)
    assert not list(tmp_path.iterdir())


# --- downloads ----------------------------------------------------------------------------------


def idx(dimensions, content):
    """Return a gzipped file in MNIST's format: unsigned bytes."""
    head = struct.pack(f">BBBB{len(dimensions)}I", 0, 0, 8, len(dimensions), *dimensions)
    return gzip.compress(head + content)


FILES = {
    "train-images-idx3-ubyte.gz": idx((2, 28, 28), bytes(range(256)) * 6 + bytes(32)),
    "train-labels-idx1-ubyte.gz": idx((2,), bytes([7, 2])),
    "t10k-images-idx3-ubyte.gz": idx((1, 28, 28), bytes(784)),
    "t10k-labels-idx1-ubyte.gz": idx((1,), bytes([3])),
}


@pytest.fixture
def host(monkeypatch):
    """A host on this machine with a tiny MNIST; ``answers`` replaces what it says to a path."""
    answers = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.rpartition("/")[2]
            status, body, promised = answers.get(name, (200, FILES.get(name, b""), None))
            self.send_response(status)
            self.send_header("Content-Length", str(promised or len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    address = f"http://127.0.0.1:{server.server_port}"
    found = [
        real.Download(f"{address}/{n}", hashlib.md5(c).hexdigest(), f"raw/{n}")
        for n, c in FILES.items()
    ]
    small(monkeypatch, "MNIST", downloads=tuple(found))
    yield answers
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("host")
def test_mnist_as_torchvision_wants_it(tmp_path):
    assert real.fetch("mnist", tmp_path / "data") == tmp_path / "data" / "MNIST"
    assert state("MNIST", tmp_path / "data") == "found"
    train = torchvision_sets.MNIST(tmp_path / "data", train=True, download=False)
    assert train.targets.tolist() == [7, 2]
    assert train.data[0].flatten()[:300].tolist() == [*range(256), *range(44)]
    assert len(torchvision_sets.MNIST(tmp_path / "data", train=False)) == 1


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ((200, b"another file", None), "wrong checksum"),
        ((200, FILES["t10k-images-idx3-ubyte.gz"][:-9], None), "wrong checksum"),
        ((404, b"", None), "404"),
        ((503, b"", None), "503"),
        ((200, FILES["t10k-images-idx3-ubyte.gz"][:9], 5000), ""),  # the line breaks midway
    ],
    ids=["changed", "short", "gone", "busy", "broken off"],
)
def test_a_download_that_fails_leaves_nothing(tmp_path, host, answer, text):
    host["t10k-images-idx3-ubyte.gz"] = answer  # the third file; two are there by then
    fails([text, "t10k-images-idx3-ubyte.gz"], real.fetch, "MNIST", tmp_path)
    assert not list(tmp_path.iterdir())
    host.clear()
    real.fetch("MNIST", tmp_path)
    assert state("MNIST", tmp_path) == "found"


def test_a_host_that_is_not_there(tmp_path, monkeypatch):
    download = real.Download("http://127.0.0.1:9/x.mat", "0" * 32, "x.mat")
    small(monkeypatch, "SVHN", downloads=(download,))
    fails("http://127.0.0.1:9/x.mat could not be downloaded", real.fetch, "SVHN", tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("host")
def test_a_full_disk_while_downloading(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        fails(f"{tmp_path / 'MNIST'} could not be written", real.fetch, "MNIST", tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


def test_a_zip_is_unpacked_beside_itself(tmp_path, monkeypatch):
    """Omniglot: torchvision wants the archive too."""
    fill(tmp_path / "made" / "images_background", {"Latin": 2})
    archive = shutil.make_archive(str(tmp_path / "images_background"), "zip", tmp_path / "made")
    monkeypatch.setattr(
        "pooch.HTTPDownloader", lambda **_: lambda url, out, _: shutil.copy(url, out)
    )
    with open(archive, "rb") as file:
        md5 = hashlib.md5(file.read()).hexdigest()
    download = real.Download(archive, md5, "images_background.zip")
    small(monkeypatch, "omniglot-py", pictures={"images_background": 2}, downloads=(download,))
    place = real.fetch("omniglot-py", tmp_path / "data")
    assert sorted(p.name for p in place.iterdir()) == ["images_background", "images_background.zip"]
    assert state("omniglot-py", tmp_path / "data") == "found"


# --- what is read -------------------------------------------------------------------------------


def write_mnist(folder, part, labels):
    """Write one part of MNIST: the header's numbers and the pixels are the format's own."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    pixels = bytes(i % 251 for i in range(len(labels) * 784))
    header = struct.pack(">IIII", 0x803, len(labels), 28, 28)
    (raw / f"{part}-images-idx3-ubyte").write_bytes(header + pixels)
    (raw / f"{part}-labels-idx1-ubyte").write_bytes(
        struct.pack(">II", 0x801, len(labels)) + bytes(labels)
    )


def test_one_part_of_mnist_is_enough(tmp_path):
    write_mnist(tmp_path, "t10k", [7, 2, 1])
    found = real.load_mnist(train=False, folder=tmp_path)
    assert found.images.shape == (3, 1, 28, 28)
    assert found.images.flatten()[:252].tolist() == [*range(251), 0]
    assert found.labels.tolist() == [7, 2, 1]
    assert found.classes == tuple("0123456789")
    fails(
        ["train-images-idx3-ubyte", "data fetch MNIST"],
        real.load_mnist,
        train=True,
        folder=tmp_path,
    )


def test_both_parts_are_what_torchvision_reads(tmp_path):
    write_mnist(tmp_path, "train", [5, 0, 4])
    write_mnist(tmp_path, "t10k", [7])
    for train in (True, False):
        theirs = torchvision_sets.MNIST(tmp_path, train=train)
        ours = real.load_mnist(train=train, folder=tmp_path)
        assert ours.images[:, 0].tolist() == theirs.data.tolist()
        assert ours.labels.tolist() == theirs.targets.tolist()


@pytest.mark.parametrize("keep", [0, 3, 10, 900])
def test_a_damaged_file_of_mnist(tmp_path, keep):
    write_mnist(tmp_path, "t10k", [7, 2, 1])
    file = tmp_path / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:keep])
    fails(["t10k-images-idx3-ubyte", "damaged"], real.load_mnist, train=False, folder=tmp_path)


def test_as_many_labels_as_pictures(tmp_path):
    write_mnist(tmp_path, "t10k", [7, 2, 1])
    file = tmp_path / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    file.write_bytes(struct.pack(">II", 0x801, 2) + bytes([7, 2]))
    fails("3 pictures but 2 labels", real.load_mnist, train=False, folder=tmp_path)


def test_svhn_is_read_through_torchvision_which_checks_it(tmp_path, monkeypatch):
    from dalib_edu.data.digits import draw_house_numbers, export_house_numbers

    fails("data fetch SVHN", real.load_svhn, train=True, folder=tmp_path)
    export_house_numbers(tmp_path / "SVHN", per_class=2)
    fails("train_32x32.mat", real.load_svhn, train=True, folder=tmp_path)  # another checksum
    monkeypatch.setattr("torchvision.datasets.svhn.check_integrity", lambda *_: True)
    found = real.load_svhn(train=True, folder=tmp_path)
    drawn = draw_house_numbers(per_class=2, size=32, seed=0)
    assert torch.equal(found.images, drawn.images)
    assert torch.equal(found.labels, drawn.labels)  # torchvision makes the file's 10 a 0


@pytest.mark.realdata
def test_the_real_test_part_of_mnist():
    try:
        found = real.load_mnist(train=False)
    except UserError as error:
        pytest.skip(str(error))
    assert found.images.shape == (10_000, 1, 28, 28)
    # How often each digit occurs there, as its homepage's readers know.
    assert found.labels.bincount().tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]
