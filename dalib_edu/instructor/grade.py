"""Grade a class: every submission on its own, each with one status."""

import contextlib
import errno
import functools
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import sqlalchemy
from tqdm import tqdm

from dalib_edu.instructor.build import (
    Homework,
    find_root,
    generate_release,
    homeworks_in,
    quiet_nbgrader,
    read_source,
    write_atomically,
)
from dalib_edu.instructor.course import configure
from dalib_edu.instructor.draw import draw_ahead
from dalib_edu.instructor.folders import CONFIG_FILE
from dalib_edu.instructor.handed_in import files_below
from dalib_edu.instructor.report import class_report
from dalib_edu.instructor.results import Result, grades_csv, grades_table
from dalib_edu.instructor.submissions import (
    Submission,
    find_submissions,
    fingerprint,
    full_name,
    notes,
    one_each,
    printable,
    refuse_other_folder,
)
from dalib_edu.instructor.take_in import Malformed, take_in
from dalib_edu.instructor.time_limit import TookTooLong, time_limit
from dalib_edu.instructor.warm import NoSandbox
from dalib_edu.jobs import parallel
from dalib_edu.settings import UserError, show_progress

if TYPE_CHECKING:
    from nbgrader.apps import NbGraderAPI

MOST_SECONDS = 1_800  # for one submission, all told; its run has limits of its own
PAGE_SECONDS = 60
# What a file or a folder that was handed in can do; a full disk, for one, is the machine's.
OF_A_FILE = {errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ELOOP, errno.EINVAL}
OF_A_FILE |= {errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.EILSEQ}
CONFIG = """from dalib_edu.instructor.course import configure

c = get_config()  # noqa: F821
configure(c)
"""


def grade(
    submissions: Path | str,
    out: Path | str,
    *,
    homeworks: Iterable[str] | None = None,
    root: Path | str | None = None,
    sandboxed: bool = True,
    jobs: int = 1,
    cluster: str | None = None,
    resume: bool = False,
) -> list[Result]:
    """Grade a folder of submissions and write grades.csv, feedback and a gradebook.

    ``out`` becomes an nbgrader course folder: the formgrader of a JupyterLab started in it goes on
    with the answers that a person grades. Grading again keeps what was graded by hand.

    Args:
        submissions: ``student/homework/notebook.ipynb``, ``student/notebook.ipynb``, or the flat
            folders ``student+homework+time`` of nbgrader's exchange.
        out: the folder for the results.
        homeworks: only these; None for all.
        root: the project's folder; by default the one around the working directory.
        sandboxed: whether student code runs in the sandbox; otherwise with the caller's rights.
        jobs: submissions at a time on this machine.
        cluster: see ``jobs.parallel``; its workers must see the same folders.
        resume: keep the results of submissions that were graded before and have not changed since,
            nor their homework. Points and comments that a person gave are brought up to date.

    Returns:
        One result for each submission, in the order of the students' names.

    Raises:
        UserError: there is no submission, ``out`` cannot be used, or there is no sandbox here.
    """
    if sandboxed:
        from dalib_edu.instructor import sandbox

        sandbox.require()
    submissions, out = Path(submissions), Path(out).resolve()
    root = find_root() if root is None else Path(root)
    known = {homework.name: homework for homework in homeworks_in(root, homeworks)}
    within = submissions.resolve()
    if within.is_relative_to(out) or out.is_relative_to(within):
        raise UserError(f"--out {out} and the submissions lie in each other; name another folder")
    found = _to_grade(submissions, known, homeworks)
    names = sorted({full_name(s, known) for s in found})
    concerned = [known[name] for name in names if name in known]
    with hold(out):
        prepare_course(out, concerned, sandboxed)
        api = open_course(out, sandboxed)
        done, arguments = _to_do(found, known, api, sandboxed, resume)
        todo = [submission for submission, *_ in arguments]
        waiting = {full_name(s, known) for s, *_, earlier in arguments if earlier is None}
        draw_ahead([homework for homework in concerned if homework.name in waiting])
        told = notes(found, known)

        def so_far() -> list[Result]:
            results = [_noted(done[s], told.get(s)) for s in found if s in done]
            write_atomically(out / "grades.csv", grades_csv(results))
            return results

        # Those that work beside each other have a bar of their own.
        hide = True if not show_progress() or jobs > 1 or cluster else None
        alone = jobs == 1 and not cluster
        first = [(*each, alone) for each in arguments]
        steps = parallel(grade_one, first, jobs=jobs, cluster=cluster, title="grading")
        for number, result in tqdm(steps, "grading", len(todo), disable=hide):
            done[todo[number]] = result
            so_far()
        starved = [(*each, True) for each in arguments if done[each[0]].starved]
        for each in tqdm(starved, "once more, alone", disable=hide or not starved):
            done[each[0]] = grade_one(*each)
        results = so_far()
        write_atomically(out / "report.html", class_report(results, out, known))
    print(grades_table(results))
    print(f"\n{len(results)} submissions; grades, feedback and report.html are in {out}")
    return results


def _to_grade(
    folder: Path, known: dict[str, Homework], homeworks: Iterable[str] | None
) -> list[Submission]:
    """Return the submissions in a folder to the chosen homeworks, one for each student and each.

    Raises:
        UserError: there is none.
    """
    found = find_submissions(folder)
    refuse_other_folder(folder, found, known)
    if homeworks:
        found = [s for s in found if full_name(s, known) in known]
    if not found:
        raise UserError(f"{folder}: nothing was handed in for {', '.join(homeworks)}")
    return one_each(found, known)


def _to_do(
    found: list[Submission],
    known: dict[str, Homework],
    api: "NbGraderAPI",
    sandboxed: bool,
    resume: bool,
) -> tuple[dict[Submission, Result], list[tuple]]:
    """Return the results that can be kept, and the arguments of ``grade_one`` for the others."""
    done, arguments = {}, []
    for submission in found:
        print_, earlier = fingerprint(submission, known), None
        if resume:
            earlier, is_shown = _recorded(submission, known, api, print_)
            if earlier and is_shown:
                done[submission] = earlier
                continue
        out = Path(api.coursedir.root)
        arguments.append((submission, known, out, sandboxed, print_, earlier))
    return done, arguments


@contextlib.contextmanager
def hold(out: Path) -> Iterator[None]:
    """Make the folder for the results, and keep every other run out of it meanwhile.

    Raises:
        UserError: ``out`` is used for something else, or another run works there.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file")
    if out.is_dir() and any(out.iterdir()) and not (out / "gradebook.db").exists():
        raise UserError(f"--out {out} holds other things than grades; name a new folder")
    out.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # Windows, where there is no sandbox either
        yield
        return
    folder = os.open(out, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # of a file system without locks
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)  # it ends with this process
            except BlockingIOError:
                message = f"--out {out}: another run of dalib-edu grade works there"
                raise UserError(message) from None
        yield
    finally:
        os.close(folder)


# --- grading ------------------------------------------------------------------------------------


def prepare_course(out: Path, homeworks: list[Homework], sandboxed: bool = True) -> None:
    """Make the course folder that takes the results, or bring it up to date.

    Args:
        out: the folder, from ``hold``.
        homeworks: their releases and gradebook entries are made from their sources.
        sandboxed: see ``grade``.
    """
    from dalib_edu.instructor.secret_test import take_labels  # imports torch

    given = [homework.source.parents[1] / CONFIG_FILE for homework in homeworks]
    own = next((path for path in given if path.is_file()), None)
    write_atomically(out / CONFIG_FILE, own.read_text(encoding="utf-8") if own else CONFIG)
    for homework in homeworks:
        generate_release(read_source(homework.source), homework.name, out)
        take_labels(homework, out)
    open_course(out, sandboxed)  # also where no homework was known


@functools.cache
def open_course(out: Path, sandboxed: bool) -> "NbGraderAPI":
    """Return nbgrader's API for a course folder, with its configuration; one a process.

    Raises:
        UserError: the configuration cannot be read.
    """
    from nbgrader.apps import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import Config, PyFileConfigLoader

    config = configure(Config())
    try:
        config.merge(PyFileConfigLoader(CONFIG_FILE, path=str(out)).load_config())
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"course/{CONFIG_FILE} cannot be read ({reason})") from None
    config.CourseDirectory.root = str(out)
    # Other processes write to it, too; each waits for its turn.
    config.CourseDirectory.db_url = f"sqlite:///{out}/gradebook.db?timeout=300"
    config.GradingExecute.sandboxed = config.GradingExecute.warm = sandboxed
    with quiet_nbgrader():
        return NbGraderAPI(CourseDirectory(config=config), config=config)


@contextlib.contextmanager
def _mended_nbgrader() -> Iterator[None]:
    """Let nbgrader's steps share a database engine, and say what was no fault of a submission.

    Each step opens the gradebook anew, and would compile every query again. What stops a step
    becomes a text with the student's own words in it.
    """
    import nbgrader.api
    import nbgrader.apps.api

    create, capture = nbgrader.api.create_engine, nbgrader.apps.api.capture_log

    def capture_log(app, *args, **kwargs) -> dict:
        start, stopped = app.start, []

        def begin() -> None:
            try:
                start()
            except (KeyboardInterrupt, NoSandbox) as error:
                stopped.append(error)
                raise

        app.start = begin
        answer = capture(app, *args, **kwargs)
        if stopped:
            raise stopped[0]
        return answer

    nbgrader.api.create_engine, nbgrader.apps.api.capture_log = _engine, capture_log
    try:
        yield
    finally:
        nbgrader.api.create_engine, nbgrader.apps.api.capture_log = create, capture


@functools.lru_cache(maxsize=1)
def _engine(url: str, **options) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(url, **options)


@_mended_nbgrader()
def grade_one(
    submission: Submission,
    known: dict[str, Homework],
    out: Path,
    sandboxed: bool,
    print_: str,
    earlier: Result | None = None,
    alone: bool = False,
) -> Result:
    """Grade one submission, in any process, and record the result last of all.

    Args:
        submission: as found.
        known: the homeworks by name.
        out: from ``prepare_course``.
        sandboxed: see ``grade``.
        print_: the submission's fingerprint.
        earlier: a result that still holds, but for its feedback page, which is written again.
        alone: whether nothing else is graded meanwhile, so that its time is its own.
    """
    api = open_course(out, sandboxed)
    if earlier is None:
        result = run_submission(submission, known, api)
        result = replace(result, starved=result.starved and not alone)
    else:
        result = earlier
        _write_feedback(result, api)
    by_hand = _by_hand(result, api)
    record = json.dumps({"fingerprint": print_, "result": asdict(result), "by_hand": by_hand})
    write_atomically(_record_path(submission, known, out), record)
    return result


def _noted(result: Result, note: str | None) -> Result:
    """Return a result with a note added to its reason, for the teacher alone."""
    return replace(result, reason="; ".join(text for text in (result.reason, note) if text))


def _record_path(submission: Submission, known: dict[str, Homework], out: Path) -> Path:
    # Not under the student's own words: a folder's name may be anything.
    words = f"{submission.student}\n{full_name(submission, known)}"
    return out / "results" / f"{hashlib.sha256(words.encode()).hexdigest()[:24]}.json"


def _recorded(
    submission: Submission, known: dict[str, Homework], api: "NbGraderAPI", print_: str
) -> tuple[Result | None, bool]:
    """Return the result of an earlier run, if nothing was handed in since, and if its page is true.

    A person may have given points or written comments in the meantime: the points are what the
    gradebook has now, and the page is not true any more.
    """
    from nbgrader.api import MissingEntry

    path = _record_path(submission, known, Path(api.coursedir.root))
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["fingerprint"] != print_:
            return None, False
        result = Result(**record["result"])
        if result.starved:
            return None, False
        if result.score is not None:
            result = replace(result, **_points(result.student, result.assignment, api))
        return result, record["by_hand"] == _by_hand(result, api)
    except (OSError, ValueError, KeyError, TypeError, MissingEntry):
        return None, False


def _by_hand(result: Result, api: "NbGraderAPI") -> list[list]:
    """Return what a person gave for a submission, and wrote to it."""
    if result.score is None:
        return []
    with api.gradebook as gradebook:
        notebooks = gradebook.find_submission(result.assignment, result.student).notebooks
        given = [(g.name, g.manual_score, g.extra_credit) for n in notebooks for g in n.grades]
        written = [(c.name, c.manual_comment, None) for n in notebooks for c in n.comments]
    said = [list(each) for each in given + written if any(value is not None for value in each[1:])]
    return sorted(said, key=str)


def run_submission(
    submission: Submission, known: dict[str, Homework], api: "NbGraderAPI"
) -> Result:
    """Grade one submission and write its feedback; touches no other.

    Args:
        submission: as found.
        known: the homeworks by name.
        api: from ``open_course``.

    Returns:
        The result, also where the submission is broken.
    """
    name = full_name(submission, known)
    try:
        with time_limit(MOST_SECONDS):
            repairs = _run(submission, name, known, api)
            result = _read_result(submission.student, name, repairs, api)
    except Malformed as error:
        result = Result(submission.student, name, "malformed", printable(str(error)))
    except TookTooLong:
        reason = f"grading it took more than {MOST_SECONDS} s"
        result = Result(submission.student, name, "timeout", reason)
    except NoSandbox as error:
        raise UserError(f"{error}; when that is mended, go on with --resume") from None
    except (UserError, sqlalchemy.exc.SQLAlchemyError):  # of the machine; the class goes on later
        raise
    except Exception as error:  # whatever is in the file, the class goes on
        if isinstance(error, OSError) and error.errno not in OF_A_FILE:
            raise
        reason = f"it cannot be graded ({type(error).__name__}: {str(error)[:100]})"
        result = Result(submission.student, name, "malformed", printable(reason))
    _write_feedback(result, api)
    return result


def _run(
    submission: Submission, name: str, known: dict[str, Homework], api: "NbGraderAPI"
) -> list[str]:
    """Take a submission in and grade it; return what was mended.

    Raises:
        Malformed: that is not possible.
    """
    if not re.fullmatch(r"[\w@-][\w.@ -]*", submission.student):
        raise Malformed("the folder name may hold only letters, digits, spaces and . @ - _")
    if not os.access(submission.folder, os.R_OK | os.X_OK):
        raise Malformed("the folder cannot be read")
    if name not in known:
        raise Malformed(f"there is no homework {submission.assignment!r}")
    if submission.others and submission.assignment != name:
        names = ", ".join([submission.assignment, *submission.others])
        raise Malformed(f"it was handed in more than once, as {names}; keep one")
    course = Path(api.coursedir.root)
    repairs = take_in(submission, known[name], course / "submitted" / submission.student / name)
    before = _answers(submission.student, name, course)
    _autograde(submission.student, name, api)
    if before:
        _keep_settled(submission.student, name, api, before)
    return repairs


def _autograde(student: str, name: str, api: "NbGraderAPI") -> None:
    with quiet_nbgrader():
        answer = api.autograde(name, student, force=True, create=True)
    if not answer["success"]:
        raise Malformed(_why(answer))


def _answers(student: str, name: str, course: Path) -> dict[str, str]:
    """Return the cells of a graded notebook by their grade_id; none where there is none yet."""
    path = course / "autograded" / student / name / f"{name}.ipynb"
    cells = nbformat.read(path, as_version=4).cells if path.is_file() else []
    return {c.metadata.nbgrader.grade_id: c.source for c in cells if "nbgrader" in c.metadata}


def _keep_settled(student: str, name: str, api: "NbGraderAPI", before: dict[str, str]) -> None:
    """Leave answers as graded that a person has graded and that are what they were.

    nbgrader keeps their points and asks for all of them to be graded again.
    """
    now = _answers(student, name, Path(api.coursedir.root))
    with api.gradebook as gradebook:
        for notebook in gradebook.find_submission(name, student).notebooks:
            for grade in notebook.grades:
                same = grade.name in before and before[grade.name] == now.get(grade.name)
                if same and grade.manual_score is not None:
                    grade.needs_manual_grade = False
        gradebook.db.commit()


def _why(answer: dict) -> str:
    """Return nbgrader's reason for a failure in one line."""
    text = f"{answer.get('log', '')}\n{answer.get('error', '')}"
    raised = re.findall(r"^\s*(?:[\w.]+\.)?(\w+(?:Error|Exception|Homework)): (.+)$", text, re.M)
    causes = [(kind, words) for kind, words in raised if kind != "NbGraderException"]
    if not causes:
        return "nbgrader could not grade it"
    kind, words = causes[-1]
    return words if kind == "NotThisHomework" else f"nbgrader could not grade it: {kind}: {words}"


def _read_result(student: str, name: str, repairs: list[str], api: "NbGraderAPI") -> Result:
    path = Path(api.coursedir.root) / "autograded" / student / name / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    entries = notebook.metadata.get("dalib_edu", {})
    reasons = [entries.get("reason", ""), *repairs, *entries.get("repairs", [])]
    return Result(
        student,
        name,
        entries.get("status", "crashed"),
        printable("; ".join(reason for reason in reasons if reason)),
        causes=causes_in(notebook),
        seconds=entries.get("seconds"),
        starved=entries.get("starved", False),
        **_points(student, name, api),
    )


def _points(student: str, name: str, api: "NbGraderAPI") -> dict:
    """Return what the gradebook says of a submission, by the names that ``Result`` has for it."""
    with api.gradebook as gradebook:
        submission = gradebook.find_submission(name, student)
        grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
        order = [c.name for n in submission.notebooks for c in n.notebook.source_cells]
        exercises = {
            grade.name: None if grade.needs_manual_grade else grade.score
            for grade in sorted(grades, key=lambda grade: order.index(grade.name))
        }
        return {
            "score": submission.score,
            "max_score": submission.max_score,
            "manual_points": sum(g.max_score for g in grades if g.needs_manual_grade),
            "exercises": exercises,
        }


def causes_in(graded: nbformat.NotebookNode) -> dict[str, str]:
    """Return the causes that the judge wrote down, by the test's grade_id."""
    return {
        cell.metadata.nbgrader.grade_id: cell.metadata.dalib_edu.cause
        for cell in graded.cells
        if "nbgrader" in cell.metadata and "dalib_edu" in cell.metadata
    }


# --- feedback -----------------------------------------------------------------------------------


def _write_feedback(result: Result, api: "NbGraderAPI") -> None:
    course = Path(api.coursedir.root)
    if result.score is None:
        _write_plain_feedback(result, course)
        return
    answer, place = {"success": False}, course / "feedback" / result.student / result.assignment
    with contextlib.suppress(TookTooLong), time_limit(PAGE_SECONDS), quiet_nbgrader():
        answer = api.generate_feedback(result.assignment, result.student, force=True)
    for path in files_below(place):  # nbgrader also copies a stranger's files
        if path != place / f"{result.assignment}.html":
            path.unlink()
    if not answer["success"]:
        _write_plain_feedback(result, course)


def _write_plain_feedback(result: Result, course: Path) -> None:
    """Write a page for a submission that cannot be shown as a notebook."""
    student, assignment = _folder_name(result.student), _folder_name(result.assignment)
    if result.score is None:
        lines = [f"Your submission could not be graded: {result.reason}."]
    else:
        lines = [
            f"{result.score:g} of {result.max_score:g} points. Your notebook cannot be shown here.",
            *([f"{result.status}: {result.reason}"] if result.reason else []),
            *(f"{name}: {cause}" for name, cause in result.causes.items()),
        ]
    text = (
        f"<!DOCTYPE html>\n<html><head><meta charset='utf-8'><title>{escape(assignment)}</title>"
        f"</head><body><h1>{escape(assignment)}</h1>"
        + "".join(f"<p>{escape(line)}</p>" for line in lines)
        + "</body></html>\n"
    )
    write_atomically(course / "feedback" / student / assignment / f"{assignment}.html", text)


def _folder_name(name: str) -> str:
    """Return a name as it is, where a folder can be called so; another that nobody else has."""
    plain = re.sub(r"[^\w.@ -]", "_", name)[:100]
    if plain == name:
        return name
    return f"{plain} {hashlib.sha256(name.encode()).hexdigest()[:8]}"
