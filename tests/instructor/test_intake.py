"""Zip files as Moodle and Canvas give them, and as nobody should."""

import errno
import io
import os
import resource
import shutil
import stat
import sys
import unicodedata
import warnings
import zipfile
from pathlib import Path

import pytest

from dalib_edu import cli
from dalib_edu.instructor import intake
from dalib_edu.settings import UserError

HW = "hw2_dann_drawings"
MOODLE = "Ada Lovelace_1234567_assignsubmission_file"
ADA = "Ada Lovelace_1234567"


def bundle(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items() if isinstance(members, dict) else members:
            archive.writestr(name, content)
    return path


def zipped(members):
    data = io.BytesIO()
    bundle(data, members)
    return data.getvalue()


def damaged(method=zipfile.ZIP_DEFLATED):
    """A zip file whose member's compressed bytes make no sense."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        archive.writestr("a", "x" * 1000)
    data = bytearray(data.getvalue())
    data[31:36] = b"\xff" * 5
    return bytes(data)


def encrypted():
    """A zip file that says of its member that it has a password."""
    data = bytearray(zipped({"a": "x"}))
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    return bytes(data)


def understated(name, content, size):
    """A zip file that says its member is smaller than it is."""
    data = bytearray(zipped({name: content}))
    place = data.index(b"PK\1\2") + 24
    data[place : place + 4] = size.to_bytes(4, "little")
    return bytes(data)


def with_links(members, links):
    data = io.BytesIO(zipped(members))
    with zipfile.ZipFile(data, "a") as archive:
        for name in links:
            link = zipfile.ZipInfo(name)
            link.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(link, "/etc/passwd")
    return data.getvalue()


def files(folder):
    return {
        str(p.relative_to(folder)): p.read_text(errors="replace")
        for p in folder.rglob("*")
        if not p.is_dir()
    }


@pytest.fixture
def collect(tmp_path):
    """Collect these members into the folder ``in``."""

    def collect(members):
        bundle(tmp_path / "class.zip", members)
        return intake.collect(tmp_path / "class.zip", HW, tmp_path / "in")

    return collect


@pytest.fixture
def collected(tmp_path):
    """Return a student's files in the folder ``in``."""
    return lambda student=ADA: files(tmp_path / "in" / student / HW)


@pytest.mark.parametrize(
    ("path", "student", "name"),
    [
        (f"{MOODLE}_/hw2.ipynb", "Ada Lovelace_1234567", "hw2.ipynb"),
        (f"{MOODLE}/hw2.ipynb", "Ada Lovelace_1234567", "hw2.ipynb"),
        (f"{MOODLE}_hw2.ipynb", "Ada Lovelace_1234567", "hw2.ipynb"),
        (f"HW2-99/{MOODLE}_/sub/a.csv", "Ada Lovelace_1234567", "sub/a.csv"),
        ("Zoë Ötz_7_assignsubmission_file_a_b.csv", "Zoë Ötz_7", "a_b.csv"),
        ("lovelaceada_12345_67890_hw2.ipynb", "lovelaceada_12345", "hw2.ipynb"),
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
    found = intake.student_and_file(path)
    assert (found.student, found.file, found.late) == (student, name, False)


def test_canvas_marks_are_read():
    found = intake.student_and_file("lovelaceada_LATE_12345_67890_hw2-3.ipynb")
    assert found == ("lovelaceada_12345", "hw2.ipynb", True, "hw2-3.ipynb")


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
    assert report.students == {"Ada Lovelace_1234567": "new", "bob_12": "new"}
    assert report.late == set()
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
        ("eve_1_2_x.zip", damaged(zipfile.ZIP_BZIP2), "Invalid data stream"),
        ("eve_1_2_x.zip", damaged(zipfile.ZIP_LZMA), "Bad CRC"),
        ("eve_1_2_x.zip", zipped({"a": "x" * 999})[:-30], "not a zip"),
        ("eve_1_2_x.zip", encrypted(), "encrypted"),
        ("eve_1_2_x.zip", understated("bomb", bytes(10**6), 40), "Bad CRC"),
        ("eve_1_2_x.zip", zipped({"late.txt": "x"}), "only an LMS"),
        ("eve_1_2_x.zip", zipped({"d/Late.TXT/x": "x"}), "only an LMS"),
        ("eve_1_2_late-1.txt", "x", "only an LMS"),
        (f"{'e' * 300}_1_2_x.ipynb", "x", "does not take (File name too long)"),
        (f"{'e' * 300}_1_2_x.zip", zipped({"a": "x"}), "does not take (File name too long)"),
        ("eve_1_2_a\\..\\..\\x.ipynb", "x", "leads out"),
        ("eve_1_2_x.zip", zipped({"d/" * 30 + "a": "x"}), "too long or too deep"),
        ("eve_1_2_x.zip", zipped({"d" * 250: "x"}), "too long or too deep"),
        ("eve_1_2_x.ipynb", bytes(5001), "more than 0 MB"),
        ("eve_1_2_x.zip", zipped({"bomb": bytes(10**6)}), "more than 0 MB"),
        ("eve_1_2_x.zip", zipped({str(i): bytes(3000) for i in range(7)}), "of one student"),
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
    assert students == {"ok_1"} | {s for s, state in report.students.items() if state == "new"}
    assert students <= {"ok_1", "eve_1"}


def test_links_are_not_made(tmp_path):
    data = with_links({"ok_1_2_hw.ipynb": "fine"}, ["eve_1_2_hw.ipynb"])
    (tmp_path / "class.zip").write_bytes(data)
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


def test_a_fault_in_a_students_zip_costs_that_file_alone(collect, collected):
    packed = with_links({"hw2/hw.ipynb": "1", "../x": "2", "hw2/a.csv": "3"}, ["hw2/env/python"])
    report = collect({"eve_1_2_all.zip": packed})
    assert collected("eve_1") == {"hw.ipynb": "1", "a.csv": "3"}
    assert report.refused == [
        "'eve_1_2_all.zip': '../x': a name that leads out of the folder",
        "'eve_1_2_all.zip': 'hw2/env/python': a link",
    ]


# --- handed in again ----------------------------------------------------------------------------


def test_what_is_handed_in_again_takes_the_place_of_the_old(tmp_path, collect, collected):
    first = {f"{MOODLE}_/{HW}.ipynb": "1", f"{MOODLE}_/a.csv": "1", "bob_1_2_x.ipynb": "b"}
    report = collect({**first, "cy_3_4_x.ipynb": "c"})
    assert report.students == {ADA: "new", "bob_1": "new", "cy_3": "new"}
    other = tmp_path / "in" / ADA / "hw1_m3sda"
    other.mkdir()
    (other / "hw1.ipynb").write_text("other")
    cache = tmp_path / "in" / "bob_1" / HW / ".ipynb_checkpoints"
    cache.mkdir()
    (cache / "x-checkpoint.ipynb").write_text("of whoever looked at it")
    before = (tmp_path / "in" / "bob_1" / HW / "x.ipynb").stat()

    report = collect({f"{MOODLE}_/final.ipynb": "2", "bob_1_2_x.ipynb": "b", "di_5_6_x.ipynb": "d"})
    assert report.students == {ADA: "replaced", "bob_1": "unchanged", "di_5": "new"}
    assert collected() == {"final.ipynb": "2"}
    assert collected("cy_3") == {"x.ipynb": "c"}
    assert files(other) == {"hw1.ipynb": "other"}
    assert (tmp_path / "in" / "bob_1" / HW / "x.ipynb").stat() == before
    assert cache.is_dir()
    assert {p.name for p in (tmp_path / "in").iterdir()} == {ADA, "bob_1", "cy_3", "di_5"}


@pytest.mark.parametrize(
    "second", [{"x.ipynb": "2"}, {"x.ipynb": "1", "y": ""}, {"d/x.ipynb": "1"}]
)
def test_a_difference_is_seen(collect, collected, second):
    given = {"x.ipynb": "1", "a": "1"}
    collect({"bob_1_2_all.zip": zipped(given)})
    report = collect({"bob_1_2_all.zip": zipped({**second, "z": ""})})
    assert report.students == {"bob_1": "replaced"}
    assert collected("bob_1") == {**second, "z": ""}


def test_where_all_is_refused_the_old_one_stays(collect, collected):
    collect({"bob_1_2_x.ipynb": "old"})
    report = collect({"bob_1_2_x.zip": b"no zip", "eve_3_4_../x": "", "ok_5_6_x.ipynb": ""})
    assert report.students == {"bob_1": "kept", "ok_5": "new"}
    assert collected("bob_1") == {"x.ipynb": "old"}
    report = collect({"eve_3_4_x.zip": b"no zip", "bob_1_2_.hidden": "x"})
    assert report.students == {"eve_3": "nothing", "bob_1": "kept"}
    assert collected("bob_1") == {"x.ipynb": "old"}


def test_where_nothing_is_taken_no_folder_is_made(tmp_path, collect):
    assert collect({"eve_3_4_x.zip": b"no zip"}).students == {"eve_3": "nothing"}
    assert not (tmp_path / "in").exists()


def test_links_that_are_there_are_not_followed(tmp_path, collect, collected):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "x.ipynb").write_text("mine")
    (tmp_path / "in" / "bob_1").mkdir(parents=True)
    (tmp_path / "in" / "bob_1" / HW).symlink_to(mine)
    assert collect({"bob_1_2_x.ipynb": "new"}).students == {"bob_1": "replaced"}
    assert collected("bob_1") == {"x.ipynb": "new"}
    assert files(mine) == {"x.ipynb": "mine"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("zoë_1_2_a", "ZOË_1_2_b"),
        ("bob_1_2_a", "BOB_1_2_b"),
        ("straße_1_2_a", "strasse_1_2_b"),
    ],
)
def test_names_that_a_disk_may_take_for_one_are_not_merged(tmp_path, collect, one, other):
    report = collect({one: "1", other: "2"})
    assert list(report.students.values()) == ["new"]
    assert list(files(tmp_path / "in").values()) == ["1"]
    assert report.refused == [f"{other!r}: its student's name is nearly {one[:-4]!r}"]


def test_two_spellings_of_a_letter_are_one_student(collect, collected):
    report = collect(
        {unicodedata.normalize(form, f"zoë_1_2_{form}"): "" for form in ("NFC", "NFD")}
    )
    assert report.students == {"zoë_1": "new"}
    assert collected("zoë_1") == {"NFC": "", "NFD": ""}


# --- folders around all files, and names that two files have ------------------------------------


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"hw2/x.ipynb": "1", "hw2/a.csv": "2"}, {"x.ipynb": "1", "a.csv": "2"}),
        ({"a/b/c/x.ipynb": "1", "a/b/a.csv": "2"}, {"c/x.ipynb": "1", "a.csv": "2"}),
        ({"hw2/": "", "empty/": "", "hw2/x.ipynb": "1"}, {"x.ipynb": "1"}),
        ({"hw2/x.ipynb": "1", "__MACOSX/hw2/._x": "", ".DS_Store": ""}, {"x.ipynb": "1"}),
        ({"hw2\\": "", "hw2\\x.ipynb": "1", "hw2\\d\\a": "2"}, {"x.ipynb": "1", "d/a": "2"}),
        ({"hw2/x.ipynb": "1", "late.txt": "", "../b": ""}, {"x.ipynb": "1"}),
        ({"hw2/x.ipynb": "1", "hw/a.csv": "2"}, {"hw2/x.ipynb": "1", "hw/a.csv": "2"}),
        ({"hw2/x.ipynb": "1", "hw2.csv": "2"}, {"hw2/x.ipynb": "1", "hw2.csv": "2"}),
        ({"x/x": "1", "x/y/x": "2"}, {"x": "1", "y/x": "2"}),
    ],
)
def test_folders_around_all_files_are_taken_off(collect, collected, members, expected):
    collect({"bob_1_2_all.zip": zipped(members)})
    assert collected("bob_1") == expected
    collect({f"{MOODLE}_/{name}": content for name, content in members.items()})
    assert collected() == expected
    collect({f"{MOODLE}_/my/all.zip": zipped(members)})
    assert collected() == expected


def test_a_zip_file_in_a_folder_stays_there(collect, collected):
    inner = zipped({"d/a": "1", "d/b": "2"})
    collect({f"{MOODLE}_/x.ipynb": "0", f"{MOODLE}_/data/all.zip": inner})
    assert collected() == {"x.ipynb": "0", "data/a": "1", "data/b": "2"}


@pytest.mark.parametrize("order", [1, -1])
def test_a_zip_file_makes_way_where_names_collide(collect, collected, order):
    inner = {"hw2/x.ipynb": "old", "hw2/a.csv": "2"}
    members = [(f"{MOODLE}_/x.ipynb", "new"), (f"{MOODLE}_/all.zip", zipped(inner))]
    report = collect(members[::order])
    assert collected() == {"x.ipynb": "new", "all.zip/x.ipynb": "old", "all.zip/a.csv": "2"}
    message = "lies in the folder 'all.zip', since other files have these names"
    assert report.notes == [f"'{MOODLE}_/all.zip': {message}"]
    assert report.refused == []


@pytest.mark.parametrize(
    "inner", [{"d/x": "2", "e": ""}, {"d": "2", "e": ""}, {"D/f/g": "", "e": ""}]
)
def test_files_and_folders_of_one_name_are_no_loss(collect, collected, inner):
    loose = {"d": "1"} if "d/x" in inner else {"d/y": "1", "D/f": "1"}
    collect(
        {f"{MOODLE}_/{name}": content for name, content in loose.items()}
        | {f"{MOODLE}_/all.zip": zipped(inner)}
    )
    assert collected() == {**loose, **{f"all.zip/{name}": text for name, text in inner.items()}}


def test_the_same_file_twice_is_one(collect, collected):
    inner = zipped({"hw2/x.ipynb": "1", "hw2/a.csv": "2"})
    report = collect({"bob_1_2_x.ipynb": "1", "bob_1_3_x.ipynb": "1", "bob_1_4_all.zip": inner})
    assert collected("bob_1") == {"x.ipynb": "1", "a.csv": "2"}
    assert report.refused == report.notes == []


@pytest.mark.parametrize(
    ("first", "second"), [("x.ipynb", "x.ipynb"), ("d", "d/x"), ("d/x", "d"), ("d/x", "d/x/y/z")]
)
def test_a_second_file_of_a_name_is_left_out_and_named(collect, collected, first, second):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's, of the same name twice
        report = collect(
            [(f"{MOODLE}_/{name}", name * n) for name, n in [("z", 1), (first, 1), (second, 2)]]
        )
        packed = zipped([("z", "z"), (first, first), (second, second * 2)])
    assert collected() == {"z": "z", first: first}
    assert report.refused == [f"'{MOODLE}_/{second}': another file of this student has its place"]
    report = collect({f"{MOODLE}_/all.zip": packed})
    assert report.students == {ADA: "unchanged"}
    assert len(report.refused) == 1


def test_two_zip_files_of_one_name(collect, collected):
    report = collect({f"bob_1_{n}_all.zip": zipped({"x": str(n)}) for n in (2, 3, 4)})
    assert collected("bob_1") == {"x": "2", "all.zip/x": "3"}
    assert report.refused == ["'bob_1_4_all.zip': other files of this student have these names"]


def test_canvas_marks_are_taken_off_where_no_file_is_lost(collect, collected):
    names = ["x-1.ipynb", "data-1.csv", "data-2.csv", "a-1.txt", "a.txt"]
    report = collect({f"bob_1_{n}_{name}": name for n, name in enumerate(names)})
    assert collected("bob_1") == {name: name for name in names[1:]} | {"x.ipynb": "x-1.ipynb"}
    assert report.notes == [
        "bob_1: 'data-1.csv' and 'data-2.csv' may be one file that was handed in again",
        "bob_1: 'a-1.txt' and 'a.txt' may be one file that was handed in again",
    ]


def test_moodle_has_no_marks(collect, collected):
    collect({f"{MOODLE}_/x-1.ipynb": "", f"{MOODLE}_/data-2.csv": ""})
    assert set(collected()) == {"x-1.ipynb", "data-2.csv"}


def test_too_many_files_are_one_line(collect, collected, monkeypatch):
    monkeypatch.setattr(intake, "MOST_FILES", 3)
    report = collect({f"{MOODLE}_/{n}": "" for n in range(50)} | {"bob_1_2_x": ""})
    assert set(collected()) == {"0", "1", "2"}
    assert report.refused == [f"'{MOODLE}_/3': more than 3 files of one student"]
    assert report.students == {ADA: "new", "bob_1": "new"}


def test_files_too_large_do_not_cost_the_notebook(collect, collected, monkeypatch):
    monkeypatch.setattr(intake, "LARGEST_FILE", 5000)
    monkeypatch.setattr(intake, "LARGEST_SUBMISSION", 6000)
    packed = zipped({"a": bytes(9000), "b": bytes(4000), "c": bytes(4000), "x.ipynb": "1"})
    report = collect({"bob_1_2_all.zip": packed})
    assert set(collected("bob_1")) == {"b", "x.ipynb"}
    assert len(report.refused) == 2


# --- late ---------------------------------------------------------------------------------------


def test_the_mark_of_a_late_submission_is_kept(collect, collected):
    marked = {"bob_LATE_1_2_all.zip": zipped({"hw2/x": "1", "hw2/late.txt": "no"}), "cy_3_4_x": ""}
    report = collect(marked)
    assert report.late == {"bob_1"}
    assert report.refused == [
        "'bob_LATE_1_2_all.zip': 'hw2/late.txt': only an LMS marks a submission as late"
    ]
    assert collected("bob_1") == {"x": "1", intake.LATE_FILE: intake.LATE}
    assert collected("cy_3") == {"x": ""}
    report = collect(marked)
    assert (report.students["bob_1"], report.late) == ("unchanged", {"bob_1"})
    report = collect({"bob_1_2_x": "1"})  # somebody gave more time
    assert (report.students["bob_1"], report.late) == ("replaced", set())
    assert collected("bob_1") == {"x": "1"}


def test_one_late_file_is_enough(collect, collected):
    report = collect({"bob_1_2_d/../x": "", "bob_1_2_x": "1", "bob_LATE_1_3_y": "2"})
    assert collected("bob_1") == {"x": "1", "y": "2", "late.txt": intake.LATE}
    assert report.late == {"bob_1"}


def test_who_handed_in_nothing_is_not_late(tmp_path, collect):
    report = collect({"bob_LATE_1_2_x.zip": "no zip", "cy_3_4_x": ""})
    assert report.late == set()
    assert files(tmp_path / "in") == {f"cy_3/{HW}/x": ""}


# --- the machine's faults -----------------------------------------------------------------------

OLD = {"ada_1_2_x.ipynb": "a1", "bob_3_4_x.ipynb": "b1", "cy_5_6_x.ipynb": "c1"}
NEW = {"ada_1_2_y.ipynb": "a2", "bob_3_4_y.ipynb": "b2", "di_7_8_y.ipynb": "d2"}


@pytest.fixture
def nothing_changes(tmp_path, collect):
    """Collect, and say what stops the second time; the folder stays as it was."""
    collect(OLD)
    before = files(tmp_path / "in")

    def second(error, match=None, members=NEW):
        with pytest.raises(error, match=match):
            collect(members)
        assert files(tmp_path / "in") == before
        assert {p.name for p in (tmp_path / "in").iterdir()} == {"ada_1", "bob_3", "cy_5"}

    return second


def fails(monkeypatch, owner, name, error, after=0, when=lambda *arguments: True):
    """Have a function raise from the call on that follows ``after`` others."""
    real, calls = getattr(owner, name), []

    def function(*arguments, **options):
        if when(*arguments):
            calls.append(arguments)
            if len(calls) == after + 1:
                raise error
        return real(*arguments, **options)

    monkeypatch.setattr(owner, name, function)


def of_the_machine(code):
    return OSError(code, os.strerror(code))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT, errno.EACCES])
def test_the_machines_faults_change_nothing(tmp_path, nothing_changes, monkeypatch, code):
    fails(monkeypatch, Path, "open", of_the_machine(code), 1, lambda path, mode="r": mode == "xb")
    nothing_changes(UserError, rf"^--to {tmp_path}/in: {os.strerror(code)}$")


def test_a_file_that_the_disk_cuts_off_changes_nothing(nothing_changes):
    members = {**NEW, "eve_9_9_big.zip": zipped({"x": bytes(2_000_000)})}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        nothing_changes(UserError, "in: File too large$", members)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("code", [errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL])
def test_what_a_disk_has_against_a_name_costs_that_file(collect, collected, monkeypatch, code):
    fails(monkeypatch, Path, "open", of_the_machine(code), 0, lambda path, mode="r": mode == "xb")
    report = collect({"ada_1_2_x": "1", "ada_1_2_y": "2"})
    assert collected("ada_1") == {"y": "2"}
    reason = f"a name that this disk does not take ({os.strerror(code)})"
    assert report.refused == [f"'ada_1_2_x': {reason}"]


def test_an_archive_that_can_no_longer_be_read_is_named(tmp_path, nothing_changes, monkeypatch):
    fails(monkeypatch, zipfile.ZipExtFile, "read", of_the_machine(errno.EIO), 1)
    nothing_changes(UserError, r"class\.zip: cannot be read \(Input/output error\)$")


@pytest.mark.parametrize("error", [of_the_machine(errno.EIO), KeyboardInterrupt()])
@pytest.mark.parametrize("after", range(5))
def test_moving_is_all_or_nothing(nothing_changes, monkeypatch, after, error):
    fails(monkeypatch, Path, "rename", error, after)
    machine = isinstance(error, OSError)
    nothing_changes(UserError if machine else KeyboardInterrupt, "in: Input/" if machine else None)


def test_stopping_changes_nothing(nothing_changes, monkeypatch):
    fails(monkeypatch, zipfile.ZipExtFile, "read", KeyboardInterrupt(), 2)
    nothing_changes(KeyboardInterrupt)


def test_stopping_while_the_old_ones_go_leaves_nothing_hidden(tmp_path, collect, monkeypatch):
    collect(OLD)
    fails(monkeypatch, shutil, "rmtree", KeyboardInterrupt(), 0)
    with pytest.raises(KeyboardInterrupt):
        collect(NEW)
    assert {p.name for p in (tmp_path / "in").iterdir()} == {"ada_1", "bob_3", "cy_5", "di_7"}
    assert set(files(tmp_path / "in" / "ada_1")) == {f"{HW}/y.ipynb"}


def test_what_cannot_be_put_back_is_not_removed(tmp_path, collect, monkeypatch):
    collect(OLD)
    real, calls = Path.rename, []

    def rename(path, place):
        calls.append(path)
        if len(calls) > 3:  # ada is in, bob's old one is aside
            raise of_the_machine(errno.EIO)
        return real(path, place)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(UserError, match="could not be put back and are in") as caught:
        collect(NEW)
    place = Path(str(caught.value).rpartition(" are in ")[2])
    assert {str(p.relative_to(place)) for p in place.rglob("*.ipynb")} == {
        "ada_1/x.ipynb",
        "bob_3/x.ipynb",
    }
    assert files(tmp_path / "in" / "cy_5") == {f"{HW}/x.ipynb": "c1"}


def test_a_file_in_a_students_place_is_named(tmp_path, collect):
    collect(OLD)
    (tmp_path / "in" / "di_7").write_text("a file")
    before = files(tmp_path / "in")
    with pytest.raises(UserError, match=r"--to .*/in: File exists \(.*/in/di_7\)$"):
        collect(NEW)
    assert files(tmp_path / "in") == before


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("file", r"^--to \S*/file is a file$"),
        ("file/in", r"^--to \S*/file/in: Not a directory$"),
        ("x" * 300, r"^--to \S*: File name too long$"),
        ("graded", r"^--to \S*/graded holds grades, not submissions; name another folder$"),
        ("course", r"^--to \S*/course is a course's folder, not one of submissions; name another"),
    ],
)
def test_a_destination_that_will_not_do_is_one_line(tmp_path, to, message):
    archive = bundle(tmp_path / "class.zip", OLD)
    (tmp_path / "file").write_text("mine")
    for name, inside in (("graded", "gradebook.db"), ("course", "nbgrader_config.py")):
        (tmp_path / name).mkdir()
        (tmp_path / name / inside).write_text("mine")
    before = files(tmp_path)
    with pytest.raises(UserError, match=message):
        intake.collect(archive, HW, tmp_path / to)
    assert files(tmp_path) == before


def test_a_destination_without_the_right_to_write(tmp_path):
    archive = bundle(tmp_path / "class.zip", OLD)
    (tmp_path / "in").mkdir(mode=0o555)
    if os.access(tmp_path / "in", os.W_OK):
        pytest.skip("root may write everywhere")
    for to in ("in", "in/deep"):
        with pytest.raises(UserError, match=r"^--to \S+: Permission denied$"):
            intake.collect(archive, HW, tmp_path / to)


# --- the command --------------------------------------------------------------------------------


def test_the_command_says_what_became_of_whom(tmp_path, collect, monkeypatch, capsys):
    def command():
        arguments = ["collect", str(tmp_path / "class.zip"), "hw2", "--to", "in"]
        monkeypatch.setattr(sys, "argv", ["dalib-edu", *arguments])
        monkeypatch.setattr("dalib_edu.instructor.build.find_root", lambda: root)
        cli.main()
        return capsys.readouterr().out.splitlines()

    root = Path(__file__).parents[2]
    monkeypatch.chdir(tmp_path)
    collect({f"{MOODLE}_/x": "1", "bob_1_2_x": "1", "cy_3_4_x": "1"})
    bundle(
        tmp_path / "class.zip",
        {
            f"{MOODLE}_/x": "2",
            "bob_1_2_x": "1",
            "cy_3_4_x.zip": "",
            "readme.txt": "",
            "di_LATE_5_6_x": "",
        },
    )
    assert command() == [
        "left out   'readme.txt': no student in its name",
        "left out   'cy_3_4_x.zip': File is not a zip file",
        "replaced   Ada Lovelace_1234567",
        "kept       cy_3: nothing in the archive could be taken, the earlier one stays",
        "late       di_5",
        f"3 submissions of {HW} are in in: 1 new, 1 replaced, 1 unchanged",
    ]
    bundle(tmp_path / "class.zip", {"eve_3_4_x.zip": ""})
    with pytest.raises(SystemExit) as stopped:
        command()
    assert str(stopped.value).endswith("class.zip: nothing in it could be taken")
    assert "nothing    eve_3: nothing in the archive could be taken" in capsys.readouterr().out
