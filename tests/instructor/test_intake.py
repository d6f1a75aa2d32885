"""Zip files as Moodle and Canvas give them, and as nobody should."""

import io
import stat
import zipfile

import pytest

from dalib_edu.instructor import intake
from dalib_edu.settings import UserError

HW = "hw2_dann_drawings"
MOODLE = "Ada Lovelace_1234567_assignsubmission_file"


def bundle(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def zipped(members):
    data = io.BytesIO()
    bundle(data, members)
    return data.getvalue()


def damaged():
    """A zip file whose member's compressed bytes make no sense."""
    data = bytearray(zipped({"a": "x" * 1000}))
    data[31:36] = b"\xff" * 5
    return bytes(data)


def files(folder):
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if not p.is_dir()}


@pytest.mark.parametrize(
    ("path", "student", "name"),
    [
        (f"{MOODLE}_/hw2.ipynb", "Ada Lovelace_1234567", "hw2.ipynb"),
        (f"{MOODLE}/hw2.ipynb", "Ada Lovelace_1234567", "hw2.ipynb"),
        (f"{MOODLE}_hw2.ipynb", "Ada Lovelace_1234567", "hw2.ipynb"),
        (f"HW2-99/{MOODLE}_/sub/a.csv", "Ada Lovelace_1234567", "sub/a.csv"),
        ("Zoë Ötz_7_assignsubmission_file_a_b.csv", "Zoë Ötz_7", "a_b.csv"),
        ("lovelaceada_12345_67890_hw2.ipynb", "lovelaceada_12345", "hw2.ipynb"),
        ("lovelaceada_LATE_12345_67890_hw2.ipynb", "lovelaceada_12345", "hw2.ipynb"),
        ("lovelaceada_12345_67890_my_hw2-3.ipynb", "lovelaceada_12345", "my_hw2.ipynb"),
        ("../x/..;_1_assignsubmission_file_a", "-_1", "a"),
        (
            "Mal Ory_1_assignsubmission_file_x_9_assignsubmission_file_a",
            "Mal Ory_1",
            "x_9_assignsubmission_file_a",
        ),
        (
            "mallory_1_6_victim_9_assignsubmission_file_a",
            "mallory_1",
            "victim_9_assignsubmission_file_a",
        ),
        ("mallory_1_6_x\\victim_9_7_a", "mallory_1", "x\\victim_9_7_a"),
    ],
)
def test_names_are_read_as_the_lms_writes_them(path, student, name):
    assert intake.student_and_file(path) == (student, name)


@pytest.mark.parametrize("path", ["", "readme.txt", "a/b.ipynb", "x_1_y_z.ipynb"])
def test_other_names_are_nobodys(path):
    assert intake.student_and_file(path) is None


def test_a_class_is_collected(tmp_path):
    archive = bundle(
        tmp_path / "class.zip",
        {
            f"{MOODLE}_/{HW}.ipynb": "{1}",
            f"{MOODLE}_/submission.csv": "id",
            "bob_12_34_all.zip": zipped({f"{HW}.ipynb": "{2}", "__MACOSX/._x": "", "d/a": "3"}),
            "readme.txt": "x",
        },
    )
    report = intake.collect(archive, HW, tmp_path / "in")
    assert report.students == {"Ada Lovelace_1234567", "bob_12"}
    assert report.refused == ["'readme.txt': no student in its name"]
    ada, bob = f"Ada Lovelace_1234567/{HW}", f"bob_12/{HW}"
    assert files(tmp_path / "in") == {
        f"{ada}/{HW}.ipynb": "{1}",
        f"{ada}/submission.csv": "id",
        f"{bob}/{HW}.ipynb": "{2}",
        f"{bob}/d/a": "3",
    }


@pytest.mark.parametrize(
    ("member", "content", "reason"),
    [
        (f"{MOODLE}_/../../../x", "x", "leads out"),
        (f"{MOODLE}_/a/../../x", "x", "leads out"),
        (f"{MOODLE}_/C:\\x", "x", "leads out"),
        ("eve_1_2_x.zip", zipped({"/etc/x": "x"}), "leads out"),
        ("eve_1_2_x.zip", zipped({"../x": "x"}), "leads out"),
        ("eve_1_2_x.zip", zipped({"a.zip": zipped({"b": "b"})}), "a zip file in a zip file in"),
        ("eve_1_2_x.zip", b"no zip", "not a zip"),
        ("eve_1_2_x.zip", damaged(), "Error -3"),
        ("eve_1_2_x.zip", zipped({"d/" * 30 + "a": "x"}), "too long or too deep"),
        ("eve_1_2_x.zip", zipped({"d" * 250: "x"}), "too long or too deep"),
        ("eve_1_2_x.ipynb", bytes(5001), "more than 0 MB"),
        ("eve_1_2_x.zip", zipped({"bomb": bytes(10**6)}), "more than 0 MB"),
        ("eve_1_2_x.zip", zipped({str(i): bytes(3000) for i in range(9)}), "of one student"),
        ("eve_1_2_x.zip", zipped({str(i): "" for i in range(30)}), "more than 20 files"),
    ],
)
def test_what_would_do_harm_is_left_out_and_named(tmp_path, monkeypatch, member, content, reason):
    monkeypatch.setattr(intake, "LARGEST_FILE", 5000)
    monkeypatch.setattr(intake, "LARGEST_SUBMISSION", 20_000)
    monkeypatch.setattr(intake, "MOST_FILES", 20)
    archive = bundle(tmp_path / "class.zip", {member: content, "ok_1_2_hw.ipynb": "fine"})
    report = intake.collect(archive, HW, tmp_path / "in" / "deep")
    assert len(report.refused) == 1
    assert reason in report.refused[0]
    assert (tmp_path / "in" / "deep" / "ok_1" / HW / "hw.ipynb").read_text() == "fine"
    assert {p.name for p in tmp_path.iterdir()} == {"class.zip", "in"}
    assert {p.name for p in (tmp_path / "in").iterdir()} == {"deep"}
    students = {p.name for p in (tmp_path / "in" / "deep").iterdir()}
    assert students <= {"ok_1", "eve_1", "Ada Lovelace_1234567"}


def test_links_are_not_made(tmp_path):
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        link = zipfile.ZipInfo("eve_1_2_hw.ipynb")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("ok_1_2_hw.ipynb", "fine")
    report = intake.collect(tmp_path / "class.zip", HW, tmp_path / "in")
    assert report.refused == ["'eve_1_2_hw.ipynb': a link"]
    assert list(files(tmp_path / "in")) == [f"ok_1/{HW}/hw.ipynb"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"nonsense", "cannot be unpacked"),
        (zipped({"readme.txt": ""}), "no submission in it"),
        (zipped({}), "no submission in it"),
    ],
)
def test_a_bad_archive_gives_one_line(tmp_path, content, message):
    if content is not None:
        (tmp_path / "class.zip").write_bytes(content)
    with pytest.raises(UserError, match=message):
        intake.collect(tmp_path / "class.zip", HW, tmp_path / "in")
    assert not (tmp_path / "in").exists()
