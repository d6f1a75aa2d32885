"""Each homework's predictions against its own embedded test set."""

import csv

import pytest

from dalib_edu import scoring
from dalib_edu.data import digits, drawings, drawn_apart
from dalib_edu.settings import UserError


@pytest.mark.parametrize(
    ("homework", "said"),
    [("hw2_dann_drawings", "1000 drawings are right"), ("hw4_gta", "600 digits are right")],
)
def test_four_in_five_are_right_and_no_two_students_hand_in_the_same(tmp_path, homework, said):
    contents = set()
    for mistake in (1, 2, 9):
        file = tmp_path / "submission.csv"
        scoring.write_imperfect(homework, file, mistake)
        contents.add(file.read_text())
        assert scoring.score(homework, file).endswith(f"80.0% of {said}")
    assert len(contents) == 3


def test_by_file_name(tmp_path):
    file = tmp_path / "submission.csv"
    scoring.write_imperfect("hw1_m3sda", file, 3)
    rows = list(csv.reader(file.open()))[1:]
    truth = drawn_apart.true_names()
    right = sum(truth[name] == guess for name, guess in rows)
    assert (right, len(rows)) == (800, 1000)
    assert "weighted F1 80.0 of 100 on 1000 sketches" in scoring.score("hw1_m3sda", file)


def test_the_true_labels_are_those_of_the_worlds(tmp_path, monkeypatch):
    monkeypatch.setenv("DALIB_EDU_CACHE", str(tmp_path))
    monkeypatch.setenv("DALIB_EDU_PROGRESS", "off")
    assert scoring.true_labels("hw2") == drawings.true_labels().tolist()
    assert scoring.true_labels("hw4") == digits.load("grading").test.labels.tolist()
    drawn = drawn_apart.draw(per_class=3)["test"]
    names = drawn_apart.true_names(per_class=3)
    assert [drawn.classes[y] for y in drawn.labels] == list(names.values())


def test_labels_of_ones_own(tmp_path):
    (tmp_path / "truth.csv").write_text("filename,class_name\na.png,cat\nb.png,dog\n")
    (tmp_path / "mine.csv").write_text("filename,class_name\nb.png,dog\na.png,dog\n")
    line = scoring.score("hw1", tmp_path / "mine.csv", tmp_path / "truth.csv")
    # dog: precision 1/2, recall 1, F1 2/3; cat: 0.
    assert "weighted F1 33.3 of 100 on 2 sketches" in line


@pytest.mark.parametrize("homework", ["hw0", "hw3", "hw12", "submission.csv"])
def test_a_homework_without_predictions_is_one_line(tmp_path, homework):
    with pytest.raises(UserError, match="with hw1, hw2 and hw4"):
        scoring.score(homework, tmp_path / "mine.csv")
