"""Submissions: written whole, read with every fault named."""

import os
import stat

import numpy as np
import pytest
import torch

from dalib_edu.settings import UserError
from dalib_edu.submit import read_submission, score_submission, write_submission


@pytest.mark.parametrize(
    "labels",
    [[3, 0, 9], (3, 0, 9), np.array([3, 0, 9]), torch.tensor([3, 0, 9]), np.array([3.0, 0, 9])],
)
def test_written_and_read(tmp_path, labels):
    path = write_submission(tmp_path / "s.csv", labels)
    assert path.read_text() == "id,label\n0,3\n1,0\n2,9\n"
    assert read_submission(path, classes=10) == [3, 0, 9]
    assert [p.name for p in tmp_path.iterdir()] == ["s.csv"]


def test_any_order_blank_lines_windows_and_spreadsheets(tmp_path):
    path = tmp_path / "s.csv"
    for text in (
        "id,label\n2,9\n0,3\n\n1,0\n",
        "id,label\r\n0,3\r\n1,0\r\n2,9\r\n",
        "id, label\n0, 3\n1, 0\n2, 9",
        '"id","label"\n"0","3"\n"1","0"\n"2","9"\n',
        "\ufeffid,label\n0,3\n1,0\n2,9\n",  # as Excel saves "CSV UTF-8"
    ):
        path.write_bytes(text.encode())
        assert read_submission(path) == [3, 0, 9], text


MALFORMED = {
    "empty": (b"", "first line"),
    "other header": (b"index,class\n0,1\n", "first line"),
    "no header": (b"0,1\n1,2\n", "first line"),
    "three columns in the header": (b"id,label,x\n0,1,2\n", "first line"),
    "three columns": (b"id,label\n0,1\n1,2,3\n", "line 3"),
    "one column": (b"id,label\n0\n", "line 2"),
    "float label": (b"id,label\n0,1.5\n", "line 2"),
    "text": (b"id,label\n0,cat\n", "line 2"),
    "empty cell": (b"id,label\n0,\n", "line 2"),
    "nan": (b"id,label\n0,nan\n", "line 2"),
    "doubled": (b"id,label\n0,1\n0,2\n", "line 3: id 0 stands there twice"),
    "gap": (b"id,label\n0,1\n2,2\n", "id 1 is missing"),
    "from 1": (b"id,label\n1,1\n2,2\n", "id 0 is missing"),
    "negative id": (b"id,label\n-1,1\n0,2\n", "id"),
    "label too large": (b"id,label\n0,10\n", "line 2: label 10 is not in 0 to 9"),
    "negative label": (b"id,label\n0,-1\n", "line 2: label -1"),
    "semicolons": (b"id;label\n0;1\n", "first line"),
    "binary": (b"\x89PNG\r\n\x1a\n\xff\xfe", "cannot be read as CSV"),
    "zero bytes": (b"id,label\n0,\x001\n", "line 2"),
    "UTF-16": ("id,label\n0,1\n".encode("utf-16"), "cannot be read as CSV"),
    "huge number": (b"id,label\n0," + b"9" * 5000 + b"\n", "line 2"),
    "huge cell": (b"id,label\n0," + b"x" * 200_000 + b"\n", ""),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(tmp_path, name):
    content, message = MALFORMED[name]
    path = tmp_path / "s.csv"
    path.write_bytes(content)
    with pytest.raises(UserError) as failed:
        read_submission(path, classes=10)
    text = str(failed.value)
    assert "s.csv" in text
    assert message in text
    assert "\n" not in text
    assert len(text) < 500


def test_missing_and_folder(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_submission(tmp_path / "none.csv")
    with pytest.raises(UserError, match="cannot be read"):
        read_submission(tmp_path)
    with pytest.raises(UserError, match="cannot write"):
        write_submission(tmp_path / "none" / "s.csv", [1])


@pytest.mark.parametrize(
    "labels", [[1, 1.5], [1, float("nan")], [1, float("inf")], [1, "cat"], [None]]
)
def test_bad_labels_leave_the_old_file(tmp_path, labels):
    path = write_submission(tmp_path / "s.csv", [7])
    with pytest.raises(UserError, match="whole number"):
        write_submission(path, labels)
    assert path.read_text() == "id,label\n0,7\n"
    assert [p.name for p in tmp_path.iterdir()] == ["s.csv"]


def test_others_may_read_what_is_written(tmp_path):
    old = os.umask(0o022)
    try:
        path = write_submission(tmp_path / "s.csv", [1])
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_score(tmp_path):
    path = write_submission(tmp_path / "s.csv", [1, 2, 3, 4])
    assert score_submission(path, [1, 2, 3, 0]) == 0.75
    assert score_submission(path, torch.tensor([1, 2, 3, 4])) == 1
    with pytest.raises(UserError, match="4 rows for 3 pictures"):
        score_submission(path, [1, 2, 3])


def test_a_huge_file_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "submission.csv"
    path.write_text("id,label\n" + "\n" * 100)
    monkeypatch.setattr("dalib_edu.submit.LARGEST", 50)
    with pytest.raises(UserError, match="larger than"):
        read_submission(path)
