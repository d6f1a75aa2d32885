"""The traps of nbgrader: first shown with its own settings, then with this course's."""

import copy
import gc
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import determine_grade
from nbgrader.validator import Validator
from traitlets.config import Config

from dalib_edu.instructor import build as build_module
from dalib_edu.instructor import demo, handed_in
from dalib_edu.instructor.build import quiet_nbgrader, write_atomically
from dalib_edu.instructor.course import configure
from dalib_edu.instructor.folders import SOURCE_NOTEBOOKS
from dalib_edu.instructor.tidy import TidyTestOutputs

pytestmark = pytest.mark.sandbox

NAME = "hw0_tiny"
REPOSITORY = Path(__file__).parents[2]


class Course:
    """A course folder with nbgrader's own settings, or with ours."""

    def __init__(self, root, source, ours, **settings):
        config = configure(Config()) if ours else Config()
        config.CourseDirectory.root = str(root)
        config.CourseDirectory.source_directory = SOURCE_NOTEBOOKS
        config.CourseDirectory.course_id = "dalib_edu"
        for name, value in settings.items():
            section, trait = name.split("__")
            config[section][trait] = value
        self.root = Path(root)
        write_atomically(
            self.root / SOURCE_NOTEBOOKS / NAME / f"{NAME}.ipynb", nbformat.writes(source)
        )
        with quiet_nbgrader():
            self.api = NbGraderAPI(CourseDirectory(config=config), config=config)

    def generate(self):
        with quiet_nbgrader():
            return self.api.generate_assignment(NAME, force=False)

    def autograde(self, student="*"):
        with quiet_nbgrader():
            return self.api.autograde(NAME, student)

    def feedback(self, student):
        with quiet_nbgrader():
            assert self.api.generate_feedback(NAME, student)["success"]
        return (self.root / "feedback" / student / NAME / f"{NAME}.html").read_text()

    def scores(self, student):
        """Return points by grade_id, None where there is no grade, or None for no submission."""
        with Gradebook(self.api.coursedir.db_url) as gradebook:
            try:
                notebook = gradebook.find_submission_notebook(NAME, NAME, student)
            except MissingEntry:
                return None
            return {g.name: g.auto_score for g in notebook.grades}

    def graded_notebook(self, student):
        return self.root / "autograded" / student / NAME / f"{NAME}.ipynb"


def change_cell(grade_id, text):
    return lambda notebook: demo.set_source(notebook, grade_id, text)


def copy_test(notebook):
    demo.copy_cells(notebook, demo.Exercise("double", {"double_test": 4.0}))


def delete(*names):
    def change(notebook):
        notebook.cells = [cell for cell in notebook.cells if cell.id not in names]

    return change


def strip(notebook):
    for number, cell in enumerate(notebook.cells):
        cell.metadata, cell.id = nbformat.NotebookNode(), f"other-{number}"


WARNS = "import sys\ndef double(x):\n    print('debugging', file=sys.stderr)\n    return 2 * x"
WRONG_LATER = "def double(x):\n    print('called with', x)\n    return 4"
RAISES_LATER = "def halve(x):\n    assert x < 7, f'too large: {x}'\n    return x / 2"
CLASS = {
    "a_warns": change_cell("double", WARNS),
    "b_copies": copy_test,
    "c_right": None,
    "d_deletes": delete("double_test"),
    "e_leaves": change_cell("halve", "import os\nos._exit(1)"),
    "f_strips": strip,
    "g_wrong": change_cell("double", WRONG_LATER),
    "h_raises": change_cell("halve", RAISES_LATER),
    "i_deletes_more": delete("double", "double_test", "halve", "halve_test"),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory, source, hand_in):
    course = Course(tmp_path_factory.mktemp("plain"), source, False)
    assert course.generate()["success"]
    for student, change in CLASS.items():
        hand_in(course.root / "submitted", student, change)
    course.batch = course.autograde()
    return course


@pytest.fixture(scope="module")
def ours(tmp_path_factory, source, hand_in):
    course = Course(tmp_path_factory.mktemp("ours"), source, True)
    assert course.generate()["success"]
    for student, change in CLASS.items():
        hand_in(course.root / "submitted", student, change)
    course.batch = course.autograde()
    return course


# --- one trap each ------------------------------------------------------------------------------


def test_a_line_on_stderr_costs_a_right_answer_its_points(plain, ours):
    assert plain.scores("a_warns") == {"double_test": 0, "halve_test": 3, "why": 0}
    assert ours.scores("a_warns") == {"double_test": 4, "halve_test": 3, "why": 0}


def test_a_copied_cell_stops_the_whole_class(plain, ours):
    assert not plain.batch["success"]
    assert plain.scores("c_right") is None
    assert ours.batch["success"], ours.batch
    for student in ("b_copies", "c_right"):
        assert ours.scores(student) == {"double_test": 4, "halve_test": 3, "why": 0}


def test_a_deleted_test_leaves_no_grade(plain, ours):
    plain.autograde("d_deletes")
    assert plain.scores("d_deletes")["double_test"] is None
    assert ours.scores("d_deletes") == {"double_test": 4, "halve_test": 3, "why": 0}


def test_adding_missing_cells_alone_fails_where_the_answer_is_missing_too(
    tmp_path, source, hand_in, ours
):
    plain = Course(tmp_path, source, False, OverwriteCells__add_missing_cells=True)
    plain.generate()
    hand_in(tmp_path / "submitted", "i_deletes_more", CLASS["i_deletes_more"])
    answer = plain.autograde()
    assert "KeyError" in answer["log"]
    assert ours.scores("i_deletes_more") == {"double_test": 0, "halve_test": 0, "why": 0}


def test_a_dead_kernel_removes_the_submission(plain, ours):
    assert not plain.autograde("e_leaves")["success"]
    assert not plain.graded_notebook("e_leaves").exists()
    assert plain.scores("e_leaves")["double_test"] is None
    assert ours.scores("e_leaves") == {"double_test": 4, "halve_test": 0, "why": 0}
    metadata = nbformat.read(ours.graded_notebook("e_leaves"), as_version=4).metadata
    assert metadata.dalib_edu.status == "crashed"
    assert metadata.dalib_edu.reason == "the kernel left with exit code 1 in cell halve"


def test_stripped_metadata_gives_no_error_and_no_grade(plain, ours):
    assert plain.autograde("f_strips")["success"]
    assert set(plain.scores("f_strips").values()) == {None}
    assert ours.scores("f_strips") == {"double_test": 4, "halve_test": 3, "why": None}


@pytest.mark.parametrize(
    ("student", "secrets"),
    [
        ("c_right", ["assert double(-31337) == -62674", "assert halve(7) == 3.5"]),
        ("g_wrong", ["-31337", "-62674", "called with -31337"]),
        ("h_raises", ["secret seven", "assert halve(7)", "too large: 7"]),
    ],
)
def test_feedback_shows_hidden_tests(plain, ours, source, student, secrets):
    plain.autograde(student)
    page = demo.page_text(plain.feedback(student))
    assert all(secret in page for secret in secrets)
    assert demo.leaks(plain.feedback(student), source)

    page = ours.feedback(student)
    assert demo.leaks(page, source) == []
    assert not any(secret in demo.page_text(page) for secret in [*secrets, "HIDDEN"])
    assert "assert double(2) == 4" in demo.page_text(page)


def test_removing_hidden_tests_alone_still_shows_tracebacks(plain, source):
    from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
    from nbgrader.preprocessors import ClearHiddenTests, GetGrades

    plain.autograde("g_wrong")
    classes = [GetGrades, ClearHiddenTests, CSSHTMLHeaderPreprocessor]
    course = Course(plain.root, source, False, GenerateFeedback__preprocessors=classes)
    assert "assert double(-31337)" in demo.page_text(course.feedback("g_wrong"))


def test_feedback_keeps_the_cause_of_a_visible_failure(ours):
    page = demo.page_text(ours.feedback("i_deletes_more"))
    assert "NameError" in page
    assert "cell double_test was missing" in page
    wrong = demo.page_text(ours.feedback("g_wrong"))
    lost = (
        "Where points were lost, and why: double_test: HiddenTestFailed a hidden test failed with"
    )
    assert f"{lost} AssertionError" in wrong
    crashed = demo.page_text(ours.feedback("e_leaves"))
    assert "How the run went: crashed. the kernel" in crashed
    assert "halve_test: DeadKernelError not run: the kernel left with exit code 1" in crashed
    assert "Where points were lost" not in demo.page_text(ours.feedback("c_right"))


def test_the_existing_release_keeps_a_new_gradebook_empty(tmp_path, source):
    for ours, wanted in ((False, []), (True, [NAME])):
        root = tmp_path / str(ours)
        first = Course(root, source, ours)
        first.generate()
        (root / "gradebook.db").unlink()
        second = Course(root, source, ours)
        config = second.api.config
        # As the command does it: the API always forces.
        from nbgrader.converters import GenerateAssignment

        second.api.coursedir.assignment_id = NAME
        with quiet_nbgrader():
            GenerateAssignment(coursedir=second.api.coursedir, config=config).start()
        with Gradebook(second.api.coursedir.db_url) as gradebook:
            assert [a.name for a in gradebook.assignments] == wanted


def test_a_slow_first_import_fails_a_right_answer(tmp_path, source, hand_in):
    def slow(notebook):
        notebook.cells[1].source = "import time\ntime.sleep(3)\nready = True"
        demo.set_source(notebook, "double", "def double(x):\n    return 2 * x if ready else 0")

    limits = {"Execute__timeout": 1, "GradingExecute__timeout": 1}
    for ours, points in ((False, 0), (True, 4)):
        course = Course(tmp_path / str(ours), source, ours, **limits)
        course.generate()
        hand_in(course.root / "submitted", "slow", slow)
        assert course.autograde("slow")["success"]
        assert course.scores("slow")["double_test"] == points


@pytest.mark.parametrize(
    ("shown", "plain_score", "our_score"),
    [
        ("99.0", ValueError, 4),
        ("inf", ValueError, 4),
        ("-1.0", 4, 0),
        ("nan", 4, 0),
        ("", KeyError, 4),
        ("2.5", 2.5, 2.5),
        ("0", 0, 0),
        ("'text'", 4, 4),
    ],
)
def test_partial_credit_out_of_range(source, shown, plain_score, our_score):
    """An exception here drops the submission, and more than 0 for less than nothing is a gift."""
    cell = copy.deepcopy(source.cells[demo.find_cell(source, "double_test")])
    cell.execution_count = 1
    cell.outputs = [nbformat.v4.new_output("execute_result", {"text/plain": shown})]
    if isinstance(plain_score, type):
        with pytest.raises(plain_score):
            determine_grade(cell)
    else:
        assert determine_grade(cell) == (plain_score, 4)
    cell, _ = TidyTestOutputs().preprocess_cell(cell, {}, 0)
    assert determine_grade(cell) == (our_score, 4)


def test_a_huge_print_is_cut_and_costs_nothing(tmp_path, source, hand_in):
    text = "print('a' * 3_000_000)\ndef halve(x):\n    print('b' * 3_000_000)\n    return x / 2"
    sizes = {}
    for ours in (False, True):
        course = Course(tmp_path / str(ours), source, ours)
        course.generate()
        hand_in(course.root / "submitted", "s", change_cell("halve", text))
        course.autograde("s")
        assert course.scores("s") == {"double_test": 4, "halve_test": 3, "why": 0}
        sizes[ours] = course.graded_notebook("s").stat().st_size
    assert sizes[False] > 6_000_000
    assert sizes[True] < 1_000_000


def test_a_loop_that_refuses_to_be_interrupted_costs_only_itself(tmp_path, source, hand_in):
    stubborn = (
        "def halve(x):\n    while True:\n        try:\n            while True:\n"
        "                pass\n        except KeyboardInterrupt:\n            pass"
    )
    limits = {"GradingExecute__timeout": 2, "GradingExecute__iopub_timeout": 1}
    course = Course(tmp_path, source, True, **limits)
    course.generate()
    hand_in(course.root / "submitted", "s", change_cell("halve", stubborn))
    assert course.autograde("s")["success"]
    assert course.scores("s") == {"double_test": 4, "halve_test": 0, "why": 0}
    entries = nbformat.read(course.graded_notebook("s"), as_version=4).metadata.dalib_edu
    assert entries.status == "timeout"
    assert entries.reason == "cell halve_test took more than 2 s and could not be stopped"


def test_the_time_for_a_whole_notebook_is_limited(tmp_path, source, hand_in):
    def slow(notebook):
        notebook.cells[1].source = "import time\ntime.sleep(2)"

    course = Course(tmp_path, source, True, GradingExecute__total_timeout=1)
    course.generate()
    hand_in(course.root / "submitted", "s", slow)
    course.autograde("s")
    assert course.scores("s") == {"double_test": 0, "halve_test": 0, "why": 0}
    entries = nbformat.read(course.graded_notebook("s"), as_version=4).metadata.dalib_edu
    assert entries.status == "timeout"


def test_a_forged_status_is_forgotten(tmp_path, source, hand_in):
    def forge(notebook):
        notebook.metadata["dalib_edu"] = {"status": "graded", "reason": "", "repairs": ["nice"]}
        demo.set_source(notebook, "halve", "import os\nos._exit(0)")

    course = Course(tmp_path, source, True)
    course.generate()
    hand_in(course.root / "submitted", "s", forge)
    course.autograde("s")
    entries = nbformat.read(course.graded_notebook("s"), as_version=4).metadata.dalib_edu
    assert entries.status == "crashed"
    assert entries.repairs == []


def test_a_kernel_that_sends_what_is_no_message_costs_what_comes_after_it(
    tmp_path, source, hand_in, caplog
):
    def speak(notebook):
        socket = "get_ipython().kernel.iopub_thread.socket"
        demo.set_source(notebook, "halve", f"{socket}.send_multipart([b'nonsense'] * 3)")

    course = Course(tmp_path, source, True)
    course.generate()
    hand_in(tmp_path / "submitted", "bob", speak)
    assert course.autograde("bob")["success"]
    entries = nbformat.read(course.graded_notebook("bob"), as_version=4).metadata.dalib_edu
    assert entries.status == "crashed"
    assert entries.reason.startswith("the kernel sent what is no message (ValueError) in cell")
    assert course.scores("bob")["double_test"] == 4
    assert course.scores("bob")["halve_test"] == 0
    time.sleep(1.5)  # what nbclient left running asks for its kernel once a second
    hand_in(tmp_path / "submitted", "eve", None)
    assert course.autograde("eve")["success"]
    gc.collect()
    assert "never retrieved" not in caplog.text


def test_changed_points_and_a_changed_test_are_put_back(tmp_path, source, hand_in):
    def cheat(notebook):
        cell = notebook.cells[demo.find_cell(notebook, "double_test")]
        cell.source = "pass"
        cell.metadata.nbgrader.points = 400
        demo.set_source(notebook, "double", "def double(x):\n    return 0")

    course = Course(tmp_path, source, True)
    course.generate()
    hand_in(course.root / "submitted", "s", cheat)
    course.autograde("s")
    assert course.scores("s") == {"double_test": 0, "halve_test": 3, "why": 0}
    entries = nbformat.read(course.graded_notebook("s"), as_version=4).metadata.dalib_edu
    assert entries.repairs == ["cell double_test had been changed"]


def test_an_answer_in_prose_waits_for_a_person(tmp_path, source, hand_in):
    course = Course(tmp_path, source, True)
    course.generate()

    def answer_twice(notebook):
        position = demo.find_cell(notebook, "why")
        twin = copy.deepcopy(notebook.cells[position])
        twin.id, twin.source = "twin", "**Question.** Why?\n\nBecause they are inverse."
        notebook.cells.insert(position, twin)

    hand_in(course.root / "submitted", "s", answer_twice)
    course.autograde("s")
    assert course.scores("s")["why"] is None
    graded = nbformat.read(course.graded_notebook("s"), as_version=4)
    kept = [c for c in graded.cells if c.metadata.get("nbgrader", {}).get("grade_id") == "why"]
    assert [cell.source for cell in kept] == ["**Question.** Why?\n\nBecause they are inverse."]


def tag_test(notebook):
    demo.set_source(notebook, "halve", "def halve(x):\n    return 0")
    cell = notebook.cells[demo.find_cell(notebook, "halve_test")]
    cell.metadata.tags = ["skip-execution"]


def test_a_skipped_test_gives_full_marks(tmp_path, source, hand_in):
    for ours, points in ((False, 3), (True, 0)):
        course = Course(tmp_path / str(ours), source, ours)
        course.generate()
        hand_in(course.root / "submitted", "s", tag_test)
        assert course.autograde("s")["success"]
        assert course.scores("s") == {"double_test": 4, "halve_test": points, "why": 0}
    assert entries_of(course).repairs == ["tags were taken off cell halve_test"]


def test_a_tag_on_another_cell_is_taken_off_in_silence(tmp_path, source, hand_in):
    def tag(notebook):
        notebook.cells[1].metadata.tags = ["skip-execution"]

    course = Course(tmp_path, source, True)
    course.generate()
    hand_in(course.root / "submitted", "s", tag)
    course.autograde("s")
    graded = nbformat.read(course.graded_notebook("s"), as_version=4)
    assert graded.cells[1].outputs[0].text == "scale grading\n"
    assert graded.metadata.dalib_edu.repairs == []


@pytest.mark.parametrize(("count", "our_score"), [(None, 0), (7, 4)])
def test_a_test_that_did_not_run_earns_nothing(source, count, our_score):
    cell = copy.deepcopy(source.cells[demo.find_cell(source, "double_test")])
    cell.outputs, cell.execution_count = [], count
    assert determine_grade(cell) == (4, 4)
    cell, _ = TidyTestOutputs().preprocess_cell(cell, {}, 0)
    assert determine_grade(cell) == (our_score, 4)
    assert len(cell.outputs) == (count is None)


def entries_of(course, student="s"):
    return nbformat.read(course.graded_notebook(student), as_version=4).metadata.dalib_edu


# --- answers in prose that lost their metadata --------------------------------------------------

QUESTION = "**Question {}.** Which of the two is larger, and why?"


@pytest.fixture(scope="module")
def questions(source):
    """The tiny homework with two more questions, each in a cell before its answer."""
    notebook = copy.deepcopy(source)
    why = notebook.cells[demo.find_cell(source, "why")]
    for number in (1, 2):
        text = QUESTION.format(number)
        question = nbformat.v4.new_markdown_cell(text, id=f"question-{number}")
        answer = copy.deepcopy(why)
        answer.id = answer.metadata.nbgrader.grade_id = f"answer_{number}"
        answer.source = "### BEGIN SOLUTION\nThe first one.\n### END SOLUTION"
        notebook.cells += [question, answer]
    notebook.cells.append(nbformat.v4.new_markdown_cell("# The end of it", id="end"))
    return notebook


def hand_in_answers(course, change):
    """Hand in the release as nbgrader made it, its metadata and ids stripped."""
    assert course.generate()["success"]
    path = course.root / "release" / NAME / f"{NAME}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    strip(notebook)
    place = course.root / "submitted" / "s" / NAME
    place.mkdir(parents=True)
    (place / f"{NAME}.ipynb").write_text(nbformat.writes(notebook))
    assert course.autograde("s")["success"]
    graded = nbformat.read(course.graded_notebook("s"), as_version=4)
    ids = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in graded.cells]
    return {name: graded.cells[ids.index(name)].source for name in ("answer_1", "answer_2")}


def test_a_stripped_answer_is_found_behind_its_question(tmp_path, questions):
    def answer(notebook):
        demo.set_source(notebook, "answer_1", "The larger one, of course.")

    course = Course(tmp_path, questions, True)
    answers = hand_in_answers(course, answer)
    assert answers["answer_1"] == "The larger one, of course."
    # The stub of the second question is not taken for an answer to another one.
    assert answers["answer_2"].startswith("YOUR ANSWER HERE\n\n*This answer cell had been lost.")
    scores = course.scores("s")
    assert scores["answer_1"] is None
    assert scores["answer_2"] is None
    repairs = entries_of(course).repairs
    assert "answer answer_1 is left to a person" in repairs
    assert "answer answer_2 is left to a person" in repairs


def test_an_answer_below_an_untouched_stub_is_the_one_that_counts(tmp_path, questions):
    def answer(notebook):
        own = nbformat.v4.new_markdown_cell("In a cell of its own.")
        notebook.cells.insert(demo.find_cell(notebook, "answer_1") + 1, own)

    answers = hand_in_answers(Course(tmp_path, questions, True), answer)
    assert answers["answer_1"] == "In a cell of its own."
    assert answers["answer_2"].startswith("YOUR ANSWER HERE")


def test_an_answer_that_cannot_be_found_is_left_to_a_person(tmp_path, questions):
    def answer(notebook):
        demo.set_source(notebook, "question-1", "My own words for the question")
        demo.set_source(notebook, "answer_1", "Somewhere.")
        notebook.cells.pop(demo.find_cell(notebook, "answer_2"))

    course = Course(tmp_path, questions, True)
    answers = hand_in_answers(course, answer)
    scores = course.scores("s")
    for name in ("answer_1", "answer_2"):
        assert "This answer cell had been lost" in answers[name]
        assert scores[name] is None
        assert f"cell {name} was missing and is left to a person" in entries_of(course).repairs
    graded = nbformat.read(course.graded_notebook("s"), as_version=4)
    assert "Somewhere." in [cell.source for cell in graded.cells]


# --- files beside the notebook ------------------------------------------------------------------

READS = (
    "from pathlib import Path\n"
    "found = Path('submission.csv').read_text()\n"
    "assert found == 'id,label\\n0,s\\n', found"
)


@pytest.mark.parametrize(
    "spoil",
    [
        "Path('submission.csv').write_text('id,label\\n0,x\\n')",
        "Path('submission.csv').unlink()",
        "Path('submission.csv').unlink(); Path('submission.csv').mkdir()",
        "Path('kept').write_text('k'); Path('submission.csv').unlink(); "
        "Path('submission.csv').symlink_to('kept')",
    ],
)
def test_tests_see_the_files_that_were_handed_in(tmp_path, source, hand_in, spoil):
    homework = copy.deepcopy(source)
    demo.set_source(homework, "double_test", READS)
    halve = "assert not Path('kept').exists() or Path('kept').read_text() == 'k'"
    demo.set_source(homework, "halve_test", halve)
    course = Course(tmp_path, homework, True)
    course.generate()
    text = f"from pathlib import Path\n{spoil}"
    hand_in(course.root / "submitted", "s", change_cell("double", text))
    assert course.autograde("s")["success"]
    assert course.scores("s") == {"double_test": 4, "halve_test": 3, "why": 0}


def test_what_is_put_back_and_what_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(handed_in, "HANDED_IN_LIMIT", 10)
    submitted, work, secret = tmp_path / "submitted", tmp_path / "work", tmp_path / "secret"
    secret.write_text("not yours")
    (submitted / "folder").mkdir(parents=True)
    work.mkdir()
    for name, text in {"a.csv": "handed in", "large": "x" * 11, "a.ipynb": "{}"}.items():
        (submitted / name).write_text(text)
        (work / name).write_text("of the run")
    (submitted / "link").symlink_to(secret)
    handed_in.put_back_files(submitted, work)
    handed_in.put_back_files(tmp_path / "missing", work)
    assert {p.name: p.read_text() for p in work.iterdir()} == {
        "a.csv": "handed in",
        "large": "of the run",
        "a.ipynb": "of the run",
    }


# --- the student's kernel and everyone else's ---------------------------------------------------


def test_the_grading_environment_is_the_kernels_alone(tmp_path, source, hand_in, monkeypatch):
    import os

    monkeypatch.setenv("DALIB_EDU_SCALE", "full")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    names = ["DALIB_EDU_SCALE", "DALIB_EDU_PROGRESS", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES"]

    def show(notebook):
        notebook.cells[1].source = (
            f"import os\nfrom pathlib import Path\nprint([os.environ.get(n) for n in {names}])\n"
            "print(sorted(p.name for p in Path().rglob('*')))"
        )

    course = Course(tmp_path, source, True)
    course.generate()
    before = dict(os.environ)
    hand_in(course.root / "submitted", "s", show)
    assert course.autograde("s")["success"]
    assert dict(os.environ) == before
    graded = nbformat.read(course.graded_notebook("s"), as_version=4)
    assert graded.cells[1].outputs[0].text == ("['grading', 'off', '1', '']\n['submission.csv']\n")


def test_the_run_changes_no_submitted_file(ours):
    for folder in ("submitted", "autograded"):
        path = ours.root / folder / "c_right" / NAME / "submission.csv"
        assert path.read_text() == "id,label\n0,c_right\n"
        assert not path.with_name("submission_rerun.csv").exists()


def test_alembic_is_asked_in_this_process(monkeypatch):
    from nbgrader.api import get_alembic_version

    from dalib_edu.instructor.course import put_tools_on_path

    put_tools_on_path()
    assert build_module._alembic_head() == get_alembic_version()


@pytest.mark.slow
def test_the_course_folder_works_with_the_nbgrader_command(tmp_path, source, hand_in, monkeypatch):
    """``course/nbgrader_config.py`` alone, from a shell in which nothing was activated."""
    (tmp_path / "nbgrader_config.py").write_text(
        (REPOSITORY / "course" / "nbgrader_config.py").read_text()
    )
    write_atomically(tmp_path / SOURCE_NOTEBOOKS / NAME / f"{NAME}.ipynb", nbformat.writes(source))
    (tmp_path / "release" / NAME).mkdir(parents=True)
    hand_in(tmp_path / "submitted", "s", CLASS["b_copies"])
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    for command in ("generate_assignment", "autograde", "generate_feedback"):
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", command, NAME],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    with Gradebook(f"sqlite:///{tmp_path}/gradebook.db") as gradebook:
        assert gradebook.find_submission(NAME, "s").score == 7
    page = (tmp_path / "feedback" / "s" / NAME / f"{NAME}.html").read_text()
    assert demo.leaks(page, source) == []
    assert "scale grading" in demo.page_text(page)


def test_the_formgrader_grades_from_inside_a_running_server(tmp_path, source, hand_in):
    """Its handlers call the API while an event loop runs."""
    import asyncio

    course = Course(tmp_path, source, True)
    course.generate()
    hand_in(course.root / "submitted", "s")

    async def handler():
        return course.autograde("s")

    assert asyncio.run(handler())["success"]
    assert course.scores("s") == {"double_test": 4, "halve_test": 3, "why": 0}


# --- what a student sees when validating --------------------------------------------------------


@pytest.mark.parametrize(
    ("solved", "failed"),
    [
        ((), ["double_test", "halve_test", "why"]),
        (("double",), ["halve_test", "why"]),
        (("double", "halve"), ["why"]),
        (("double", "halve", "why"), []),
    ],
)
def test_validate_says_what_is_still_to_do(tmp_path, hand_in, release, solved, failed):
    path = hand_in(tmp_path, "s", solved=solved)
    results = Validator(config=configure(Config())).validate(str(path))
    texts = [release.cells[demo.find_cell(release, name)].source for name in failed]
    assert [cell["source"] for cell in results.get("failed", [])] == texts
    assert "changed" not in results
    if not solved:
        assert "NotImplementedError" in results["failed"][0]["raw_error"]
        assert results["failed"][2]["raw_error"] == "You did not provide a response."


def test_validate_runs_at_grading_scale(tmp_path, hand_in):
    text = (
        "import os\n\ndef double(x):\n"
        "    seen = os.environ.get('DALIB_EDU_SCALE'), os.environ.get('DALIB_EDU_PROGRESS')\n"
        "    return 2 * x if seen == ('grading', 'off') else 0"
    )
    path = hand_in(tmp_path, "s", change_cell("double", text), solved=("halve", "why"))
    assert "failed" in Validator().validate(str(path))
    assert Validator(config=configure(Config())).validate(str(path)) == {}


def test_validate_notices_a_changed_test(tmp_path, hand_in):
    path = hand_in(tmp_path, "s", change_cell("double_test", "pass"))
    results = Validator(config=configure(Config())).validate(str(path))
    assert [cell["source"] for cell in results["changed"]] == ["pass"]
