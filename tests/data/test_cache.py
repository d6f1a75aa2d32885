"""The cache is attacked; it must never be believed when it lies, and never cost the run."""

import hashlib
import multiprocessing
import os
import time

import numpy as np
import pytest

from dalib_edu.data import cache

KEY = {"world": "test", "version": "1"}
GOOD = {"images": np.arange(24, dtype=np.uint8).reshape(2, 3, 4)}
EXPECT = {"images": ((2, 3, 4), np.uint8)}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DALIB_EDU_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Maker:
    """Counts how often it had to work."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return {k: v.copy() for k, v in GOOD.items()}


def get(make, key=KEY, expect=EXPECT):
    return cache.cached_arrays("test", key, make, expect=expect)


def only_file(folder):
    (path,) = folder.iterdir()
    return path


def test_the_second_call_reads_what_the_first_made(folder):
    make = Maker()
    first, second = get(make), get(make)
    assert make.calls == 1
    np.testing.assert_array_equal(first["images"], GOOD["images"])
    np.testing.assert_array_equal(second["images"], GOOD["images"])
    assert second["images"].flags.writeable


def test_another_user_may_read_it(folder):
    """Where root grades, submissions are run by nobody that the system knows."""
    get(Maker())
    assert only_file(folder).stat().st_mode & 0o777 == 0o644


def test_another_key_is_another_file(folder):
    make = Maker()
    get(make)
    get(make, key=KEY | {"version": "2"})
    assert make.calls == 2
    assert len(list(folder.iterdir())) == 2


def flip_last_byte(content):
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: b"",
        lambda content: content[:10],
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: content + b"\0",
        flip_last_byte,
        lambda content: os.urandom(len(content)),
        lambda content: hashlib.sha256(b"junk").digest() + b"junk",
        lambda content: bytes(32) + content[32:],
    ],
    ids=["empty", "head", "half", "cut", "longer", "bit", "garbage", "own_sum", "no_sum"],
)
def test_a_spoilt_file_is_made_again_and_mended(folder, spoil):
    make = Maker()
    get(make)
    path = only_file(folder)
    path.write_bytes(spoil(path.read_bytes()))
    np.testing.assert_array_equal(get(make)["images"], GOOD["images"])
    assert make.calls == 2
    get(make)
    assert make.calls == 2  # the spoilt file was replaced


def test_the_file_of_another_key_is_refused_under_this_key(folder):
    make = Maker()
    get(make, key=KEY | {"version": "old"})
    old = only_file(folder)
    get(make)
    (new,) = set(folder.iterdir()) - {old}
    os.replace(old, new)
    get(make)
    assert make.calls == 3


def test_arrays_of_an_unexpected_shape_or_type_are_refused(folder):
    make = Maker()
    get(make)
    make2 = Maker()
    get(make2, expect={"images": ((2, 3, 5), np.uint8)})
    get(make2, expect={"images": ((2, 3, 4), np.int64)})
    get(make2, expect={"others": ((2, 3, 4), np.uint8)})
    assert make2.calls == 3


def test_a_failing_maker_leaves_nothing_behind(folder):
    def fail():
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        get(fail)
    assert not folder.exists() or not list(folder.iterdir())


def test_a_full_disk_costs_only_the_cache(folder, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.os, "replace", full)
    make = Maker()
    np.testing.assert_array_equal(get(make)["images"], GOOD["images"])
    assert list(folder.iterdir()) == []


def test_a_disk_that_fills_while_writing_leaves_no_part(folder, monkeypatch):
    class Full:
        def __init__(self, handle, mode):
            self.file = os.fdopen(handle, mode)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, data):
            self.file.write(data[:5])
            raise OSError(28, "No space left on device")

    class FakeOs:
        fdopen = Full
        replace = staticmethod(os.replace)

    monkeypatch.setattr(cache, "os", FakeOs)
    np.testing.assert_array_equal(get(Maker())["images"], GOOD["images"])
    assert list(folder.iterdir()) == []


def test_a_file_where_the_folder_should_be_costs_only_the_cache(folder):
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("I am a file")
    np.testing.assert_array_equal(get(Maker())["images"], GOOD["images"])
    assert folder.read_text() == "I am a file"


def test_a_folder_where_the_file_should_be_costs_only_the_cache(folder):
    make = Maker()
    get(make)
    path = only_file(folder)
    path.unlink()
    path.mkdir()
    np.testing.assert_array_equal(get(make)["images"], GOOD["images"])
    assert [p.name for p in folder.iterdir()] == [path.name]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_costs_only_the_cache(folder):
    folder.mkdir(parents=True)
    folder.chmod(0o500)
    np.testing.assert_array_equal(get(Maker())["images"], GOOD["images"])
    folder.chmod(0o700)
    assert list(folder.iterdir()) == []


def slow_get(start, results):
    def make():
        time.sleep(0.05)
        return {"images": GOOD["images"].copy()}

    start.wait()
    results.put(get(make)["images"].tobytes())


def test_several_processes_at_once_are_fine(folder):
    context = multiprocessing.get_context("fork")
    start, results = context.Event(), context.Queue()
    workers = [context.Process(target=slow_get, args=(start, results)) for _ in range(4)]
    for worker in workers:
        worker.start()
    start.set()
    found = [results.get(timeout=30) for _ in workers]
    for worker in workers:
        worker.join()
    assert set(found) == {GOOD["images"].tobytes()}
    make = Maker()
    get(make)
    assert make.calls == 0
    assert only_file(folder).suffix == ".cache"  # no part file is left


def test_the_version_changes_with_any_of_the_files(tmp_path):
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text("a")
    two.write_text("b")
    before = cache.source_version(one, two)
    assert before == cache.source_version(one, two)
    two.write_text("c")
    assert cache.source_version(one, two) != before
