"""Test pictures from a secret seed: what is handed out, what is kept, and who is judged by it."""

import os
import random
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import nbformat
import numpy as np
import pytest

from dalib_edu import cli, scoring, submit
from dalib_edu.check import CheckFailed, hw1, hw2
from dalib_edu.data import drawings, drawn_apart, handed_out, pictures
from dalib_edu.instructor import demo, grade, judge
from dalib_edu.instructor.build import (
    find_root,
    generate_release,
    homeworks_in,
    read_source,
    release_text,
)
from dalib_edu.instructor.folders import labels_file
from dalib_edu.instructor.secret_test import hand_out
from dalib_edu.instructor.submissions import find_submissions, fingerprint
from dalib_edu.settings import UserError

SEED = 4_815_162_342_000_001
META = '"locked": {}, "schema_version": 3, "task": false'
HOMEWORK = f"""\
# %% nbgrader={{"grade": false, "grade_id": "answer", "solution": true, {META.format("false")}}}
### BEGIN SOLUTION
pass
### END SOLUTION

# %% nbgrader={{"grade": true, "grade_id": "test_submission", "points": 100, "solution": false, \
{META.format("true")}}}
from dalib_edu.check import hw2 as check

check.submission("submission.csv")
"""
FILES = {
    "hw1": "course/release/hw1_tiny/hw1_test_pictures.npz",
    "hw2": "course/release/hw2_tiny/hw2_test_pictures.npz",
}


@pytest.fixture(scope="module")
def made_once(tmp_path_factory):
    """A project with three homeworks, whose pictures are handed out; and its cache."""
    root = tmp_path_factory.mktemp("secret") / "project"
    (root / "course" / "source").mkdir(parents=True)
    for name in ("hw1_tiny", "hw2_tiny", "hw3_tiny", "hw4_tiny"):
        (root / "course" / "source" / f"{name}.py").write_text(HOMEWORK)
    before = files_in(root)
    cache = root.parent / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DALIB_EDU_CACHE", str(cache))
        hand_out(SEED, root=root, per_class=1)
    return root, files_in(root).keys() - before.keys(), cache


@pytest.fixture
def project(made_once, tmp_path):
    return Path(shutil.copytree(made_once[0], tmp_path / "project"))


def files_in(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def pictures_in(data):
    return {picture.numpy().tobytes() for picture in data.images}


# --- drawing ------------------------------------------------------------------------------------


def test_a_seed_gives_the_same_files_again_and_another_one_others(project):
    before = files_in(project)
    hand_out(SEED, root=project, per_class=1)
    assert files_in(project) == before
    one = handed_out.draw("hw2", SEED, 1)
    two = handed_out.draw("hw2", SEED + 1, 1)
    assert one.labels.tolist() != two.labels.tolist()
    assert not pictures_in(one) & pictures_in(two)


def test_the_labels_are_those_of_the_pictures(monkeypatch):
    def paint(style, name, number, size, seed):
        return np.full((size, size, 3), pictures.CLASSES.index(name), np.uint8)

    monkeypatch.setattr(pictures, "_draw_one", paint)
    drawn = handed_out.draw("hw2", SEED, 6)
    assert drawn.labels.bincount().tolist() == [6] * 10
    assert drawn.images[:, 0, 0, 0].tolist() == drawn.labels.tolist()


def test_neither_labels_nor_order_are_the_embedded_ones():
    for homework, embedded in (("hw1", drawn_apart), ("hw2", drawings)):
        labels = handed_out.draw(homework, SEED, 2).labels
        arguments = (3,) if homework == "hw1" else (2,)
        public = embedded.true_labels(*arguments)[: len(labels)]
        assert (labels == public).float().mean() < 0.5
        assert (labels == np.arange(20) % 10).float().mean() < 0.5


@pytest.mark.parametrize("seed", [0, 7, -(10**20), 10**15 - 1])
def test_a_seed_that_can_be_found_by_trying_is_refused(project, seed):
    before = files_in(project)
    with pytest.raises(UserError, match="16 digits"):
        hand_out(seed, root=project)
    assert files_in(project) == before


# --- what goes where ----------------------------------------------------------------------------


def test_the_files_that_are_written(made_once):
    _, new, cache = made_once
    assert new == {
        *FILES.values(),
        "course/source_notebooks/hw1_tiny/hw1_test_pictures.npz",
        "course/source_notebooks/hw2_tiny/hw2_test_pictures.npz",
        "course/private/hw1_labels.csv",
        "course/private/hw2_labels.csv",
    }
    assert not cache.exists()  # the sandbox shows the cache to students' code


@pytest.mark.parametrize("homework", FILES)
def test_the_file_for_students_holds_pictures_and_nothing_else(project, homework):
    path = project / FILES[homework]
    with zipfile.ZipFile(path) as inside:
        assert inside.namelist() == ["pictures.npy"]
        assert not inside.comment
    given = handed_out.read(homework, path.parent)
    drawn = handed_out.draw(homework, SEED, 1)
    assert given.images.equal(drawn.images)
    assert given.labels.tolist() == [-1] * 10
    # The labels as numbers or as names, in any spelling, would have shown in the bytes.
    raw = np.load(path, allow_pickle=False)["pictures"].tobytes()
    assert bytes(drawn.labels.tolist()) not in raw
    assert len(raw) == given.images.numel()


def test_nbgraders_release_has_the_pictures_and_not_the_labels(project):
    course = project / "course"
    generate_release(read_source(course / "source" / "hw2_tiny.py"), "hw2_tiny", course)
    released = files_in(course / "release" / "hw2_tiny")
    assert released.keys() == {"hw2_tiny.ipynb", "hw2_test_pictures.npz"}
    labels = labels_file(course, "hw2").read_bytes()
    assert not [name for name, content in released.items() if labels in content]


def test_git_ignores_all_of_it():
    root = find_root()
    if not (root / ".git").exists():
        pytest.skip("not a git checkout")
    names = [
        "course/private/hw1_labels.csv",
        "course/source_notebooks/hw2_dann_drawings/hw2_test_pictures.npz",
        "course/release/hw2_dann_drawings/hw2_test_pictures.npz",
    ]
    shown = subprocess.run(
        ["git", "check-ignore", *names], cwd=root, capture_output=True, text=True
    )
    assert shown.stdout.split() == names


def test_start_copies_the_pictures(project, tmp_path, monkeypatch):
    for homework in ("hw1", "hw2"):
        (project / FILES[homework]).with_name(f"{homework}_tiny.ipynb").write_text("{}")
    monkeypatch.chdir(project)
    cli.start(tmp_path / "work")
    assert {path.name for path in (tmp_path / "work").iterdir()} == {
        "hw1_tiny.ipynb",
        "hw2_tiny.ipynb",
        "hw1_test_pictures.npz",
        "hw2_test_pictures.npz",
    }


def test_other_pictures_are_not_put_over_those_that_are_handed_out(project):
    before = files_in(project)
    with pytest.raises(UserError, match="another seed; move it and"):
        hand_out(SEED + 1, root=project, per_class=1)
    for path in FILES.values():
        (project / path).unlink()
    with pytest.raises(UserError, match=r"hw1_labels\.csv holds the labels of another seed"):
        hand_out(SEED + 1, root=project, per_class=1)
    hand_out(SEED, root=project, per_class=1)
    assert files_in(project) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--test-seed", SEED, "hw4"], "whose labels are public: no seed can hide them"),
        (["--test-seed", SEED, "hw2", "hw3"], "hw3_tiny has no test pictures to hand out"),
        (["--test-seed", 12], "16 digits"),
        (["--test-seed", SEED, "--check"], "leave --check and --force out"),
        (["--test-seed", SEED, "hw9"], "no homework 'hw9'"),
    ],
)
def test_bad_input_is_one_line(project, arguments, words, monkeypatch):
    before = files_in(project)
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "argv", ["dalib-edu", "build", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert words in left.value.code
    assert "\n" not in left.value.code
    assert files_in(project) == before


# --- beside a notebook --------------------------------------------------------------------------


@pytest.fixture
def beside(project, tmp_path, monkeypatch):
    """A student's folder with both files, which is the working folder."""
    folder = tmp_path / "student"
    folder.mkdir()
    for path in FILES.values():
        shutil.copy(project / path, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(drawings, "TEST_PER_CLASS", 1)
    monkeypatch.setattr(drawn_apart, "PER_CLASS", 1)
    return folder


def test_the_worlds_classify_what_is_handed_out(beside, capsys):
    for world, measured in (
        (drawings.load("embedded"), "drawings_test"),
        (drawn_apart.load("embedded"), "sketch_test"),
    ):
        homework = "hw2" if measured == "drawings_test" else "hw1"
        assert world.test.images.equal(handed_out.draw(homework, SEED, 1).images)
        assert (world.test.labels == -1).all()
        assert (getattr(world, measured).labels >= 0).all()
    assert world.test_names == drawn_apart.handed_out_names(world.test.images)
    assert not set(world.test_names) & set(drawn_apart.true_names(1))
    assert "hw1_test_pictures.npz: 10 pictures to classify" in capsys.readouterr().out


def test_without_the_file_nothing_changes(beside, capsys):
    for name in ("hw1_test_pictures.npz", "hw2_test_pictures.npz"):
        (beside / name).unlink()
    one, two = drawn_apart.load("embedded"), drawings.load("embedded")
    assert one.test.images.equal(one.sketch_test.images)
    assert one.test_names == tuple(drawn_apart.true_names(1))
    assert two.test.images.equal(two.drawings_test.images)
    assert capsys.readouterr().out == ""


class Runs:
    """Makes a folder where it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("run",)


def broken(name):
    def text(path):
        path.write_text("pictures")

    def cut(path):
        path.write_bytes(path.read_bytes()[:-300])

    def flipped(path):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 255
        path.write_bytes(content)

    def pickled(path):
        np.savez(path, pictures=np.array([Runs()], dtype=object))

    def of_hw1(path):
        shutil.copy(path.with_name("hw1_test_pictures.npz"), path)

    def empty(path):
        np.savez(path, pictures=np.zeros((0, 3, 28, 28), np.uint8))

    def other_array(path):
        np.savez(path, images=np.zeros((10, 3, 28, 28), np.uint8))

    def plain_array(path):
        np.save(path.with_suffix(".npy"), np.zeros(3))
        path.with_suffix(".npy").rename(path)

    def folder(path):
        path.unlink()
        path.mkdir()

    return locals()[name]


@pytest.mark.parametrize(
    "fault",
    [
        "text",
        "cut",
        "flipped",
        "pickled",
        "of_hw1",
        "empty",
        "other_array",
        "plain_array",
        "folder",
    ],
)
def test_a_broken_file_is_one_line(beside, fault):
    broken(fault)(beside / "hw2_test_pictures.npz")
    with pytest.raises(UserError, match=r"hw2_test_pictures\.npz: (damaged|these are no)") as found:
        drawings.load("embedded")
    assert "\n" not in str(found.value)
    assert not (beside / "run").exists()


def test_the_check_in_a_notebook_judges_the_form_alone(beside, capsys):
    submit.write_submission("submission.csv", [3] * 10)
    hw2.submission("submission.csv")
    said = capsys.readouterr().out
    assert "10 predictions in the right form; your teacher scores them" in said
    for labels, cause in (([3] * 9, "wrong_number"), ([10] * 10, "unknown_label")):
        submit.write_submission("submission.csv", labels)
        with pytest.raises(CheckFailed) as failed:
            hw2.submission("submission.csv")
        assert failed.value.cause == cause


def test_the_check_of_named_files_does_so_too(beside, capsys):
    names = drawn_apart.load("embedded").test_names
    submit.write_named_submission("submission.csv", names, ["cup"] * 10)
    hw1.submission("submission.csv")
    assert "your teacher scores them" in capsys.readouterr().out
    for wrong, label, cause in (
        (drawn_apart.file_names("test", 10), "cup", "other_pictures"),
        (drawn_apart.file_names("val", 10), "cup", "unknown_file"),
        (names, "Cup", "unknown_class"),
    ):
        submit.write_named_submission("submission.csv", wrong, [label] * 10)
        with pytest.raises(CheckFailed) as failed:
            hw1.submission("submission.csv")
        assert failed.value.cause == cause


def test_who_judges_never_contents_itself_with_the_form(beside, tmp_path):
    """Pictures that a student hands in, or that lie where the teacher works, lower no bar."""
    submit.write_submission("submission.csv", [3] * 1000)
    call = judge.Call("hw2", "submission", "submission.csv", is_file=True)
    for course in (None, tmp_path):
        with pytest.raises(CheckFailed) as failed:
            judge.verdict_on_file(call, beside, course)
        assert failed.value.cause == "too_few_right"


# --- predictions of other pictures --------------------------------------------------------------


@pytest.fixture(scope="module")
def truth():
    """Labels of hw2 and hw1 that nobody could have drawn again."""
    labels = np.random.default_rng(5).permutation(np.arange(1000) % 10).tolist()
    classes = sorted({*drawn_apart.true_names().values()})
    names = drawn_apart.file_names("test_0123abcd", 1000)
    return labels, dict(zip(names, (classes[label] for label in labels), strict=True))


@pytest.fixture
def files(tmp_path, truth):
    """Both kinds of labels, and right predictions for each."""
    labels, named = truth
    submit.write_submission(tmp_path / "kept.csv", labels)
    submit.write_submission(tmp_path / "embedded.csv", scoring.true_labels("hw2"))
    submit.write_named_submission(tmp_path / "kept1.csv", list(named), list(named.values()))
    old = drawn_apart.file_names("test_9876fedc", 1000)
    submit.write_named_submission(tmp_path / "old1.csv", old, list(named.values()))
    public = scoring.true_names()
    submit.write_named_submission(tmp_path / "embedded1.csv", list(public), list(public.values()))
    return tmp_path


def test_scores_by_the_labels_that_are_kept(files):
    assert "100.0% of 1000" in scoring.score("hw2", files / "kept.csv", files / "kept.csv")
    assert "F1 100.0 of 100" in scoring.score("hw1", files / "kept1.csv", files / "kept1.csv")


@pytest.mark.parametrize(
    ("homework", "predicted", "labels", "words"),
    [
        ("hw2", "embedded.csv", "kept.csv", r"for the embedded test drawings \(100.0% of those"),
        ("hw1", "embedded1.csv", "kept1.csv", "for the embedded test sketches; what is scored is"),
        ("hw1", "kept1.csv", None, "pictures test_0123abcd; what is scored is the embedded"),
        ("hw1", "old1.csv", "kept1.csv", "pictures test_9876fedc; what is scored is .*0123abcd"),
    ],
)
def test_predictions_of_other_pictures_are_told_as_such(files, homework, predicted, labels, words):
    with pytest.raises(UserError, match=words):
        scoring.score(homework, files / predicted, labels and files / labels)


def test_what_cannot_be_told_is_asked(files):
    line = scoring.score("hw2", files / "kept.csv")
    assert "That is guessing: are these the pictures that are scored" in line
    submit.write_submission(files / "most.csv", [0] * 200 + scoring.true_labels("hw2")[200:])
    assert "?" not in scoring.score("hw2", files / "most.csv")


def test_who_reads_a_drawing_in_four_is_no_guesser(files, truth):
    """Right on some of the scored pictures, and by chance on few of the embedded ones."""
    labels = [y if i % 2 else (y + 1) % 10 for i, y in enumerate(truth[0])]
    submit.write_submission(files / "half.csv", labels)
    assert scoring.score("hw2", files / "half.csv", files / "kept.csv").endswith(
        "drawings are right"
    )


# --- the grader ---------------------------------------------------------------------------------

SPY = """
import os
found = []
for folder, _, names in os.walk("/"):
    if not folder.startswith(("/proc", "/sys")):
        found += [name for name in names if name.endswith("_labels.csv")]
print("seen:", len(found), found)
"""


@pytest.fixture(scope="module")
def graded(made_once, truth, tmp_path_factory):
    """A class whose labels are kept; who gets what by them."""
    folder = tmp_path_factory.mktemp("class")
    root = Path(shutil.copytree(made_once[0], folder / "project"))
    (root / FILES["hw2"]).unlink()  # of ten drawings; the labels of a thousand take their place
    kept = labels_file(root / "course", "hw2")
    submit.write_submission(kept, truth[0])
    source = read_source(root / "course" / "source" / "hw2_tiny.py")
    release = nbformat.reads(release_text(source, "hw2_tiny"), as_version=4)
    guess = random.Random(1)
    predictions = {
        "right": truth[0],
        "embedded": scoring.true_labels("hw2"),
        "guesses": [guess.randrange(10) for _ in truth[0]],
        "spy": [guess.randrange(10) for _ in truth[0]],
    }
    for student, labels in predictions.items():
        place = folder / "submissions" / student / "hw2_tiny"
        place.mkdir(parents=True)
        text = textwrap.dedent(SPY) if student == "spy" else "pass"
        notebook = demo.fill_in(release, {"answer": text})
        (place / "hw2_tiny.ipynb").write_text(nbformat.writes(notebook))
        submit.write_submission(place / "submission.csv", labels)
        if student == "guesses":  # would be enough for the form alone
            (place / "hw2_test_pictures.npz").write_bytes(
                handed_out.pack(handed_out.draw("hw2", SEED, 1).images)
            )
    out = folder / "out"
    results = grade.grade(folder / "submissions", out, root=root)
    return {result.student: result for result in results}, out, root


@pytest.mark.sandbox
def test_the_grader_scores_by_the_labels_that_are_kept(graded):
    results, *_ = graded
    assert {name: (r.status, r.score) for name, r in results.items()} == {
        "right": ("graded", 100.0),
        "embedded": ("graded", 0.0),
        "guesses": ("graded", 0.0),
        "spy": ("graded", 0.0),
    }
    causes = {name: r.causes.get("test_submission") for name, r in results.items()}
    assert causes["embedded"] == "other_pictures"
    assert causes["guesses"] == causes["spy"] == "too_few_right"


@pytest.mark.sandbox
def test_neither_sandbox_nor_feedback_shows_the_labels(graded):
    _, out, _ = graded
    page = (out / "feedback" / "spy" / "hw2_tiny" / "hw2_tiny.html").read_text()
    assert "seen: 0 []" in page
    labels = labels_file(out, "hw2")
    content = labels.read_bytes()
    others = files_in(out)
    del others[str(labels.relative_to(out))]
    carry = [name for name, found in others.items() if content in found]
    assert carry  # who has all right handed the same file in
    assert [name for name in carry if "right" not in Path(name).parts] == []
    assert labels.parent.stat().st_mode & 0o077 == 0


@pytest.mark.sandbox
def test_other_labels_make_a_result_stale(graded):
    _, _, root = graded
    known = {homework.name: homework for homework in homeworks_in(root)}
    submission = next(iter(find_submissions(root.parent / "submissions")))
    before = fingerprint(submission, known)
    content = known["hw2_tiny"].labels.read_text()
    try:
        known["hw2_tiny"].labels.write_text(content.replace("\n0,", "\n00,"))
        assert fingerprint(submission, known) != before
    finally:
        known["hw2_tiny"].labels.write_text(content)
    assert fingerprint(submission, known) == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, r"with its labels is not here"),
        ("id,label\n0,11\n", r"these are no labels of hw2"),
        ("id,label\n", r"these are no labels of hw2"),
        ("filename,class_name\na,b\n", r"the first line must be id,label"),
    ],
)
def test_labels_that_are_lost_or_broken_stop_the_grader_at_once(project, tmp_path, content, words):
    kept = labels_file(project / "course", "hw2")
    kept.unlink() if content is None else kept.write_text(content)
    place = tmp_path / "submissions" / "one" / "hw2_tiny"
    place.mkdir(parents=True)
    (place / "hw2_tiny.ipynb").write_text("{}")
    with pytest.raises(UserError, match=words):
        grade.grade(tmp_path / "submissions", tmp_path / "out", root=project, sandboxed=False)
    assert not (tmp_path / "out" / "grades.csv").exists()
