"""Archives, honest and hostile."""

import io
import os
import stat
import tarfile
import zipfile

import pytest

from dalib_edu.data import files
from dalib_edu.data.files import new_folder, unpack
from dalib_edu.settings import UserError


def tar(path, members, mode="w:gz"):
    """Write a tar of pairs: name, and content (bytes) or the type of a member without (str)."""
    with tarfile.open(path, mode) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            else:
                member.type, member.linkname = content.encode(), "/etc/passwd"
                archive.addfile(member)
    return path


def make_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def contents(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def refuses(text, archive, tmp_path):
    """Check the one line, and that nothing is left or has got out."""
    before = set(tmp_path.rglob("*"))
    with pytest.raises(UserError) as caught, new_folder(tmp_path / "out") as building:
        unpack(archive, building)
    assert text in str(caught.value)
    assert str(archive) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert set(tmp_path.rglob("*")) == before


GOOD = [("a/x.txt", b"1"), ("a/b/y.txt", b"22"), ("./z.txt", b"")]


@pytest.mark.parametrize("kind", ["zip", "w", "w:gz", "w:bz2", "w:xz"])
def test_plain_files_are_unpacked(tmp_path, kind):
    path = tmp_path / "archive"
    make_zip(path, GOOD) if kind == "zip" else tar(path, GOOD, kind)
    with new_folder(tmp_path / "out") as building:
        unpack(path, building)
    assert contents(tmp_path / "out") == {"a/x.txt": b"1", "a/b/y.txt": b"22", "z.txt": b""}


def test_rights_are_the_usual_ones(tmp_path):
    with new_folder(tmp_path / "out") as building:
        unpack(tar(tmp_path / "a.tar", GOOD), building)
    os.mkdir(tmp_path / "usual")
    mode = stat.S_IMODE((tmp_path / "usual").stat().st_mode)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == mode
    assert stat.S_IMODE((tmp_path / "out" / "a").stat().st_mode) == mode


def test_what_macos_adds_is_left_out(tmp_path):
    members = [*GOOD, ("__MACOSX/a/._x.txt", b"m"), ("a/.DS_Store", b"m"), ("._a", b"m")]
    with new_folder(tmp_path / "out") as building:
        unpack(make_zip(tmp_path / "a.zip", members), building)
    assert sorted(contents(tmp_path / "out")) == ["a/b/y.txt", "a/x.txt", "z.txt"]


@pytest.mark.parametrize(
    "name", ["../out.txt", "a/../../out.txt", "/out.txt", "..\\out.txt", "C:/x"]
)
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_names_that_lead_out(tmp_path, name, kind):
    members = [("a/x.txt", b"1"), (name, b"out")]
    archive = (tar if kind == "tar" else make_zip)(tmp_path / "archive", members)
    refuses("leads out of its folder", archive, tmp_path)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar(tmp_path, kind):
    refuses("a link or device", tar(tmp_path / "a.tgz", [*GOOD, ("evil", kind.decode())]), tmp_path)


def test_a_link_in_a_zip(tmp_path):
    link = zipfile.ZipInfo("evil")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    refuses("a link or device", make_zip(tmp_path / "a.zip", [(link, "/etc/passwd")]), tmp_path)


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_bomb(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(files, "SLACK", 1 << 20)
    members = [(f"{number}.bin", bytes(4 << 20)) for number in range(4)]
    archive = (tar if kind == "tar" else make_zip)(tmp_path / "bomb", members)
    assert archive.stat().st_size < 100_000
    refuses("swells to more than 100 times", archive, tmp_path)


def test_too_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_FILES", 2)
    refuses("more than 2 files", make_zip(tmp_path / "a.zip", GOOD), tmp_path)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.9])
@pytest.mark.parametrize("kind", ["zip", "w", "w:gz", "w:bz2", "w:xz"])
def test_an_archive_that_is_cut_off(tmp_path, kind, share):
    path, members = tmp_path / "archive", [(f"{n}.bin", os.urandom(40_000)) for n in range(10)]
    make_zip(path, members) if kind == "zip" else tar(path, members, kind)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    refuses("", path, tmp_path)


def test_a_zip_with_a_wrong_byte(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("x.bin", os.urandom(40_000))])
    data = bytearray(path.read_bytes())
    data[20_000] ^= 1
    path.write_bytes(data)
    refuses("damaged", path, tmp_path)


def test_no_archive_at_all(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"<html>404</html>")
    refuses("no whole .zip or .tar", tmp_path / "x.zip", tmp_path)
    refuses("No such file", tmp_path / "gone.zip", tmp_path)
    (tmp_path / "folder").mkdir()
    refuses("Is a directory", tmp_path / "folder", tmp_path)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ZeroDivisionError])
def test_whatever_ends_the_block_leaves_nothing(tmp_path, error):
    def fill():
        with new_folder(tmp_path / "a" / "out") as building:
            (building / "half").write_text("")
            raise error

    with pytest.raises(error):
        fill()
    assert not list((tmp_path / "a").iterdir())


def test_a_folder_filled_meanwhile_is_kept(tmp_path):
    out = tmp_path / "out"

    def fill():
        with new_folder(out) as building:
            (building / "ours").write_text("")
            out.mkdir()
            (out / "theirs").write_text("")

    with pytest.raises(UserError, match="could not be written"):
        fill()
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["out", "theirs"]
