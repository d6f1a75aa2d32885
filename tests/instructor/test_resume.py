"""A class that is stopped at any moment and gone on with has the grades of an undisturbed run."""

import contextlib
import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from dalib_edu.instructor import demo, grade, warm
from dalib_edu.instructor.submissions import find_submissions
from dalib_edu.settings import UserError

pytestmark = pytest.mark.sandbox

FIXTURE = Path(__file__).parent / "fixture"
NAME = "hw0_tiny"
LEAVES = "import os\nos._exit(1)"


@pytest.fixture
def class_of_six(tmp_path, hand_in):
    folder = tmp_path / "submissions"
    for student in ("ada", "ben"):
        hand_in(folder, student)
    hand_in(folder, "cleo", solved=("double",))
    hand_in(folder, "dan", lambda notebook: demo.set_source(notebook, "halve", LEAVES))
    hand_in(folder, "eve", name="another name.ipynb")
    hand_in(folder, "fay").write_text("{")
    return folder


def grades(results):
    """Return what must be the same."""
    return {r.student: replace(r, seconds=None) for r in results}


def killed(folder, out, when):
    """Grade in another process, and kill it when ``when(out)`` says so."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            os.setsid()
            warm._held.cache_clear()  # this process's sandbox is not the fork's
            grade.open_course.cache_clear()
            grade.grade(folder, out, root=FIXTURE, resume=True)
        os._exit(0)
    while not when(out):
        assert os.waitpid(pid, os.WNOHANG) == (0, 0), "it ended before it could be killed"
        time.sleep(0.01)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def after(number, delay):
    """Return whether ``number`` results are there, ``delay`` seconds ago."""
    seen = []

    def when(out):
        if len(list(out.glob("results/*.json"))) >= number:
            seen.append(time.monotonic())
        return bool(seen) and time.monotonic() - seen[0] >= delay

    return when


@pytest.mark.slow
def test_killed_at_random_moments_and_gone_on_with(class_of_six, tmp_path):
    undisturbed = grade.grade(class_of_six, tmp_path / "undisturbed", root=FIXTURE)
    out, random_ = tmp_path / "killed", random.Random(int(os.environ.get("KILL_SEED", "5")))
    for number in (1, 3):
        killed(class_of_six, out, after(number, random_.uniform(0, 0.25)))
    recorded = {p: p.stat().st_mtime_ns for p in out.glob("results/*.json")}
    resumed = grade.grade(class_of_six, out, root=FIXTURE, resume=True)
    assert grades(resumed) == grades(undisturbed)
    assert (out / "grades.csv").read_text() == (tmp_path / "undisturbed/grades.csv").read_text()
    assert 3 <= len(recorded) < 6
    assert {p: p.stat().st_mtime_ns for p in recorded} == recorded  # graded once
    pages = sorted(p.parent.parent.name for p in out.glob("feedback/*/*/*.html"))
    assert pages == ["ada", "ben", "cleo", "dan", "eve", "fay"]


def test_what_has_changed_is_graded_again(tmp_path, hand_in):
    folder, out = tmp_path / "submissions", tmp_path / "out"
    hand_in(folder, "s", solved=("double",))
    hand_in(folder, "t")
    first = grade.grade(folder, out, root=FIXTURE)
    records = {p: p.read_text() for p in out.glob("results/*.json")}
    path = folder / "s" / NAME / f"{NAME}.ipynb"
    path.write_text((folder / "t" / NAME / f"{NAME}.ipynb").read_text())
    second = grade.grade(folder, out, root=FIXTURE, resume=True)
    assert [r.score for r in first] == [4, 7]
    assert [r.score for r in second] == [7, 7]
    changed = [p for p, text in records.items() if p.read_text() != text]
    assert len(changed) == 1


def test_points_that_a_person_gave_meanwhile_are_in_the_table(tmp_path, hand_in):
    from nbgrader.api import Gradebook

    folder, out = tmp_path / "submissions", tmp_path / "out"
    answer = "**Question.** Because of inverses."
    hand_in(folder, "s", lambda notebook: demo.set_source(notebook, "why", answer))
    (result,) = grade.grade(folder, out, root=FIXTURE)
    assert (result.score, result.manual_points) == (7, 3)
    graded = out / "autograded" / "s" / NAME / f"{NAME}.ipynb"
    page = out / "feedback" / "s" / NAME / f"{NAME}.html"
    before, first = graded.stat().st_mtime_ns, page.read_text()
    with Gradebook(f"sqlite:///{out}/gradebook.db") as gradebook:
        given = gradebook.find_grade("why", NAME, NAME, "s")
        given.manual_score, given.needs_manual_grade = 2.0, False
        gradebook.find_comment("why", NAME, NAME, "s").manual_comment = "Nearly."
        gradebook.db.commit()
    (result,) = grade.grade(folder, out, root=FIXTURE, resume=True)
    assert (result.score, result.manual_points, result.exercises["why"]) == (9, 0, 2)
    assert ",9,10,0,4,3,2" in (out / "grades.csv").read_text()
    assert "Nearly." not in first
    assert "Nearly." in page.read_text()
    written = page.stat().st_mtime_ns
    assert grade.grade(folder, out, root=FIXTURE, resume=True) == [result]
    assert page.stat().st_mtime_ns == written
    assert graded.stat().st_mtime_ns == before  # it did not run again


def test_two_runs_do_not_write_to_one_folder(tmp_path, hand_in):
    hand_in(tmp_path / "in", "s")
    with grade.hold(tmp_path / "out"):
        (tmp_path / "out" / "gradebook.db").touch()
        with pytest.raises(UserError, match="another run of dalib-edu grade works there"):
            grade.grade(tmp_path / "in", tmp_path / "out", root=FIXTURE)
        (tmp_path / "out" / "gradebook.db").unlink()
    assert grade.grade(tmp_path / "in", tmp_path / "out", root=FIXTURE)[0].score == 7


def test_a_fault_inside_is_not_taken_for_another_run(tmp_path):
    with pytest.raises(BlockingIOError), grade.hold(tmp_path / "out"):
        raise BlockingIOError("no process can be started")


def test_a_half_written_record_is_no_record(tmp_path, hand_in):
    hand_in(tmp_path / "in", "s")
    known = {h.name: h for h in grade.homeworks_in(FIXTURE, None)}
    submission = find_submissions(tmp_path / "in")[0]
    with grade.hold(tmp_path / "out"):
        grade.prepare_course(tmp_path / "out", list(known.values()))
    api = grade.open_course(tmp_path / "out", True)
    path = grade._record_path(submission, known, tmp_path / "out")
    path.parent.mkdir()
    for text in ("", "{", "[]", '{"fingerprint": "f"}', '{"fingerprint": "f", "result": {"a": 1}}'):
        path.write_text(text)
        assert grade._recorded(submission, known, api, "f") == (None, False)


@pytest.mark.slow
@pytest.mark.parametrize("where", [{"jobs": 2}, {"cluster": "local:2"}], ids=["jobs", "dask"])
def test_side_by_side_gives_the_same_grades(class_of_six, tmp_path, where):
    alone = grade.grade(class_of_six, tmp_path / "alone", root=FIXTURE)
    together = grade.grade(class_of_six, tmp_path / "together", root=FIXTURE, **where)
    assert grades(together) == grades(alone)
    assert (tmp_path / "together/grades.csv").read_text() == (
        tmp_path / "alone/grades.csv"
    ).read_text()
