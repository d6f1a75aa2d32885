"""What this course adds to nbgrader's own steps, so that an honest answer is graded rightly.

nbgrader turns a submission into a grade by a list of preprocessors. Four of them are ours:

- ``RepairCells`` mends a submission's cells (copied, deleted, moved, stripped of their metadata);
- ``GradingExecute`` runs it with limits and an environment of its own, and survives a dead kernel;
- ``TidyTestOutputs`` keeps warnings and odd results from changing a grade;
- ``HideTests`` takes what is hidden out of the feedback.

``dalib_edu.instructor.course.configure`` puts them in their places.
"""

import base64
import contextlib
import functools
import math
import re
import signal
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any

import nbformat
import zmq
from jupyter_client.channels import HBChannel
from jupyter_client.manager import AsyncKernelManager
from nbclient.client import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbconvert.filters import strip_ansi
from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import Execute, NbGraderPreprocessor
from traitlets import Bool, Integer, Unicode

from dalib_edu.check import CheckFailed
from dalib_edu.instructor import answering, wire
from dalib_edu.instructor.build import HIDDEN_MARKERS, without_hidden_tests
from dalib_edu.instructor.handed_in import copy_submitted_files, put_back_files
from dalib_edu.instructor.judge import Call, calls_in, cases_of, verdict, verdict_on_file
from dalib_edu.instructor.kernels import OwnKernelManager, kernel_environment, limited_kernels
from dalib_edu.instructor.sandbox import SUBMITTED, WORK, Limits, SandboxedKernels, Watch
from dalib_edu.instructor.warm import Died, TooSlow, begin

GRADED, TIMEOUT, CRASHED, OUT_OF_MEMORY = "graded", "timeout", "crashed", "out of memory"
PUT_BACK_TIMEOUT = 60  # seconds
STARVED = 0.5  # seconds of computing in a second; an endless loop has about 1
STUCK = 30  # seconds after the limit of a cell that was not to be interrupted
STUB = "YOUR ANSWER HERE"
MOST_ENDS = 3  # results and errors of a cell; one is the rule
# Characters: of the answers to one check, and of all that a notebook shows (in pictures 100 times).
MOST_ANSWERS, MOST_OUTPUT = 150_000_000, 500_000
LEAST = 100  # that an output counts for


class NotThisHomework(ValueError):
    """A notebook of something else; the message says why."""


def record(notebook: NotebookNode, **entries) -> None:
    """Write down in the notebook what grading met: ``status``, ``reason`` or ``repairs``."""
    notebook.metadata.setdefault("dalib_edu", NotebookNode()).update(entries)


# --- before the run -----------------------------------------------------------------------------


class RepairCells(NbGraderPreprocessor):
    """Give a submission back the cells and metadata that grading needs.

    A copied cell makes nbgrader stop for the whole class, a deleted test cell leaves the grade
    empty, and stripped metadata gives no grade and no error. The gradebook knows what belongs
    where, so each can be mended. What was mended is written down in the notebook.
    """

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """Repair ``nb`` in place.

        Raises:
            NotThisHomework: its cells are not those of the homework.
        """
        # A submission can carry an entry of its own making.
        nb.metadata["dalib_edu"] = NotebookNode()
        tagged = _drop_tags(nb)
        with Gradebook(resources["nbgrader"]["db_url"]) as gradebook:
            known = _known_cells(gradebook, resources)
        marked = _marked(nb)
        repairs = [
            *_restore_metadata(nb, known, self._release(resources)),
            *_drop_copies(nb, known),
            *_move_back(nb, known),
        ]
        _refuse_other_homework(nb, known, marked)
        repairs += _note_tagged_tests(tagged, known)
        repairs += _note_changed_tests(nb, known)
        repairs += _add_missing(nb, known)
        record(nb, repairs=repairs)
        return nb, resources

    def _release(self, resources: dict) -> list[NotebookNode]:
        """Return the cells of the released notebook; none where the course folder has no release.

        The gradebook does not know cells without a grade_id, such as the text of a question.
        """
        names = resources["nbgrader"]
        course = CourseDirectory(config=self.config)
        folder = course.format_path(course.release_directory, ".", names["assignment"])
        path = Path(folder) / f"{names['notebook']}.ipynb"
        return nbformat.read(path, as_version=4).cells if path.is_file() else []


def _marked(nb: NotebookNode) -> set[str]:
    """Return the grade_ids that a notebook was handed in with."""
    marks = [cell.metadata.get("nbgrader") for cell in nb.cells]
    names = [mark.get("grade_id") for mark in marks if isinstance(mark, dict)]
    return {name for name in names if isinstance(name, str)}


def _refuse_other_homework(
    nb: NotebookNode, known: dict[str, NotebookNode], marked: set[str]
) -> None:
    """Raise ``NotThisHomework`` where most cells are another's: some names are in several.

    Args:
        nb: with the metadata restored.
        known: the homework's cells.
        marked: the names of cells that the notebook had when it was handed in.
    """
    found = {_grade_id(cell) for cell in nb.cells} - {None}
    others = len(marked - set(known))
    few = 4 * len(found) < len(known)  # all that a notebook without marks can be judged by
    if known and not found:
        raise NotThisHomework("no cell of the homework is in the notebook")
    if others > len(found) or (few and not marked):
        message = f"only {len(found)} of the homework's {len(known)} cells are in the notebook"
        raise NotThisHomework(f"{message}; is it another homework's?")


def _drop_tags(nb: NotebookNode) -> list[NotebookNode]:
    """Take the tags off every cell, and return the cells that had one.

    Tags say what to leave out: ``skip-execution`` keeps a test from running. What a grader would
    have written down goes, too.
    """
    for cell in nb.cells:
        cell.metadata.pop("dalib_edu", None)
    return [cell for cell in nb.cells if cell.metadata.pop("tags", None)]


def _note_tagged_tests(tagged: list[NotebookNode], known: dict[str, NotebookNode]) -> list[str]:
    """Name the test cells that had tags; none has one in the release."""
    return [
        f"tags were taken off cell {_grade_id(cell)}"
        for cell in tagged
        if _grade_id(cell) and known[_grade_id(cell)].meta.locked
    ]


def _known_cells(gradebook: Gradebook, resources: dict) -> dict[str, NotebookNode]:
    """Return the homework's cells by grade_id in their order, as the gradebook has them."""
    names = resources["nbgrader"]
    notebook = gradebook.find_notebook(names["notebook"], names["assignment"])
    points = {cell.name: cell.max_score for cell in (*notebook.grade_cells, *notebook.task_cells)}
    graded = {cell.name for cell in notebook.grade_cells}
    tasks = {cell.name for cell in notebook.task_cells}
    solutions = {cell.name for cell in notebook.solution_cells}
    known = {}
    for cell in notebook.source_cells:
        meta = {
            "grade": cell.name in graded,
            "grade_id": cell.name,
            "locked": cell.locked,
            "schema_version": 3,
            "solution": cell.name in solutions,
            "task": cell.name in tasks,
            "cell_type": cell.cell_type,
            "checksum": cell.checksum,
        }
        if cell.name in points:
            meta["points"] = points[cell.name]
        entry = {"meta": meta, "source": cell.source, "cell_type": cell.cell_type}
        known[cell.name] = nbformat.from_dict(entry)
    return known


def _grade_id(cell: NotebookNode) -> str | None:
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def _released(source: str) -> str:
    """Return a cell's text as students see it, less what editors change at line ends."""
    return "\n".join(line.rstrip() for line in without_hidden_tests(source).split("\n")).strip()


def _is_manual(entry: NotebookNode) -> bool:
    """Return whether a person grades what the student writes in this cell."""
    return bool(entry.meta.grade and entry.meta.solution)


def _leave_to_a_person(cell: NotebookNode) -> None:
    """Make an untouched answer cell differ from the release: nbgrader gives 0 where it does not.

    The answer can stand in another cell, and only a person can tell.
    """
    note = "This answer cell had been lost. Look for the answer in the cells around it."
    cell.source += f"\n\n# {note}" if cell.cell_type == "code" else f"\n\n*{note}*"


def _restore_metadata(
    nb: NotebookNode, known: dict[str, NotebookNode], release: list[NotebookNode]
) -> list[str]:
    """Set every cell's nbgrader metadata to what the gradebook says; return what was restored."""
    for cell in nb.cells:
        meta = cell.metadata.get("nbgrader")
        if not isinstance(meta, dict):
            cell.metadata.pop("nbgrader", None)
        grade_id = _grade_id(cell)
        if grade_id in known:
            cell.metadata["nbgrader"] = NotebookNode(known[grade_id].meta)
        else:
            cell.metadata.pop("nbgrader", None)
    present = {_grade_id(cell) for cell in nb.cells} - {None}
    restored: list[NotebookNode] = []

    def claim(cell: NotebookNode, grade_id: str | None) -> None:
        if grade_id in known and grade_id not in present and not _grade_id(cell):
            cell.metadata["nbgrader"] = NotebookNode(known[grade_id].meta)
            present.add(grade_id)
            restored.append(cell)

    # The surest sign first: a stub alone could be the answer to any question.
    for cell in nb.cells:
        claim(cell, cell.get("id"))
    for cell, grade_id in _answers_behind_questions(nb, known, present, release):
        claim(cell, grade_id)
    for cell in nb.cells:
        claim(cell, _recognise(cell, known, present))
    repairs = [f"metadata of {len(restored)} cells restored"] if restored else []
    for cell in restored:
        entry = known[_grade_id(cell)]
        if _is_manual(entry):
            if _released(cell.source) == _released(entry.source):
                _leave_to_a_person(cell)
            repairs.append(f"answer {_grade_id(cell)} is left to a person")
    return repairs


def _recognise(cell: NotebookNode, known: dict[str, NotebookNode], present: set) -> str | None:
    """Return the missing grade_id that the text of a cell without metadata belongs to."""
    text = _released(cell.source)
    for grade_id, entry in known.items():
        if grade_id in present or entry.cell_type != cell.cell_type or not text:
            continue
        released = _released(entry.source)
        if _is_manual(entry):
            question = released.split(STUB)[0].strip()
            found = len(question) > 20 and text.startswith(question)
        else:
            found = text == released
        if found:
            return grade_id
    return None


def _answers_behind_questions(
    nb: NotebookNode, known: dict[str, NotebookNode], present: set, release: list[NotebookNode]
) -> list[tuple[NotebookNode, str]]:
    """Return cells that follow an unchanged question, each with the grade_id that is missing there.

    In the release an answer cell stands right behind the text cell with its question. Here the
    answer is the first text cell behind the question in which the student wrote something.
    """
    texts = {_released(cell.source) for cell in release if not _grade_id(cell)}

    def may_be_answer(cell: NotebookNode) -> bool:
        plain = cell.cell_type == "markdown" and not _grade_id(cell)
        return plain and _released(cell.source) not in texts

    found = []
    for question, answer in pairwise(release):
        grade_id, text, stub = _grade_id(answer), *map(_released, (question.source, answer.source))
        missing = grade_id in known and grade_id not in present and _is_manual(known[grade_id])
        if not missing or {question.cell_type, answer.cell_type} != {"markdown"}:
            continue
        places = [i for i, cell in enumerate(nb.cells) if _released(cell.source) == text]
        if not text or _grade_id(question) or len(places) != 1:
            continue
        behind = list(takewhile(may_be_answer, nb.cells[places[0] + 1 :]))
        written = [cell for cell in behind if _released(cell.source) not in ("", stub)]
        found += [(cell, grade_id) for cell in (written or behind)[:1]]
    return found


def _drop_copies(nb: NotebookNode, known: dict[str, NotebookNode]) -> list[str]:
    """Leave one cell for each grade_id; the copies stay as ordinary cells."""
    places: dict[str, list[int]] = {}
    for index, cell in enumerate(nb.cells):
        if _grade_id(cell):
            places.setdefault(_grade_id(cell), []).append(index)
    repairs = []
    for grade_id, indices in places.items():
        if len(indices) == 1:
            continue
        keep = _which_copy(nb, known[grade_id], indices, places, list(known))
        for index in indices:
            if index != keep:
                del nb.cells[index].metadata["nbgrader"]
        places[grade_id] = [keep]
        repairs.append(f"cell {grade_id} was there {len(indices)} times")
    return repairs


def _which_copy(
    nb: NotebookNode,
    entry: NotebookNode,
    indices: list[int],
    places: dict[str, list[int]],
    order: list[str],
) -> int:
    """Return which copy counts.

    Of a test, the first behind the cell that stands before it in the homework: a later one would
    test what the notebook put in the student's place. Of an answer, the last that was written in.
    """
    if entry.meta.solution:
        written = [i for i in indices if _released(nb.cells[i].source) != _released(entry.source)]
        return (written or indices)[-1]
    position = order.index(entry.meta.grade_id)
    before = [places[name][-1] for name in order[:position] if name in places]
    behind = [i for i in indices if not before or i > before[-1]]
    return (behind or indices)[0]


def _move_back(nb: NotebookNode, known: dict[str, NotebookNode]) -> list[str]:
    """Put tests that stand before their answer right behind it; return what was moved.

    A test belongs to the last answer in code before it in the homework.
    """
    repairs, answer = [], None

    def place(grade_id: str) -> int | None:
        return next((i for i, c in enumerate(nb.cells) if _grade_id(c) == grade_id), None)

    for grade_id, entry in known.items():
        if entry.meta.solution and entry.cell_type == "code":
            answer = grade_id
        if answer is None or not (entry.meta.grade and entry.meta.locked):
            continue
        here, there = place(grade_id), place(answer)
        if here is not None and there is not None and here < there:
            nb.cells.insert(there, nb.cells.pop(here))
            repairs.append(f"cell {grade_id} stood before its answer")
    return repairs


def _note_changed_tests(nb: NotebookNode, known: dict[str, NotebookNode]) -> list[str]:
    """Name the locked cells whose text was changed; nbgrader's next step puts it back."""
    return [
        f"cell {_grade_id(cell)} had been changed"
        for cell in nb.cells
        if _grade_id(cell)
        and known[_grade_id(cell)].meta.locked
        and _released(cell.source) != _released(known[_grade_id(cell)].source)
    ]


def _add_missing(nb: NotebookNode, known: dict[str, NotebookNode]) -> list[str]:
    """Put graded cells that were deleted back behind the cell that they followed."""
    repairs, last = [], -1
    for grade_id, entry in known.items():
        index = next((i for i, cell in enumerate(nb.cells) if _grade_id(cell) == grade_id), None)
        if index is not None:
            last = index
            continue
        if not (entry.meta.grade or entry.meta.task):
            continue
        cell = getattr(nbformat.v4, f"new_{entry.cell_type}_cell")(entry.source)
        cell.metadata["nbgrader"] = NotebookNode(entry.meta)
        last += 1
        nb.cells.insert(last, cell)
        repairs.append(f"cell {grade_id} was missing")
        if _is_manual(entry):
            _leave_to_a_person(cell)
            repairs[-1] += " and is left to a person"
    return repairs


# --- the run ------------------------------------------------------------------------------------


class GradingExecute(Execute):
    """Run a submission in a kernel of its own, and always come back with a notebook.

    The kernel is of this interpreter, whatever kernelspec the submission names, and runs in the
    sandbox. It gets the grading scale, one thread, no progress bars and no GPU, and works in a copy
    of the submitted folder that holds no notebook, so that the run changes no submitted file and
    finds no hidden test. Each test sees the files beside the notebook as they were handed in,
    whatever the run made of them.

    When the kernel dies or cannot be stopped, the cells from there on count as failed, and what
    came before keeps its points. How the run ended is written down in the notebook.
    """

    timeout = Integer(120, help="seconds for a cell", allow_none=True).tag(config=True)
    first_timeout = Integer(
        300, help="seconds for the first cell, which imports torch, on a busy machine"
    ).tag(config=True)
    later_timeout = Integer(
        30, help="seconds for a cell once one has taken too long: it may well call the same loop"
    ).tag(config=True)
    total_timeout = Integer(900, help="seconds for the whole notebook").tag(config=True)
    sandboxed = Bool(
        True, help="run student code behind bubblewrap; False: with the grader's own rights"
    ).tag(config=True)
    cluster_kernel = Unicode(
        "", help="an installed kernelspec to use instead, whose provisioner isolates by itself"
    ).tag(config=True)
    warm = Bool(
        False, help="fork each submission from a warm process in the sandbox: no wait for imports"
    ).tag(config=True)
    memory_limit = Integer(
        Limits.memory, help="MiB for all processes of a submission together, and for each"
    ).tag(config=True)
    process_limit = Integer(
        Limits.processes, help="processes and threads, in the sandbox alone"
    ).tag(config=True)
    space_limit = Integer(
        Limits.space, help="MiB that a submission may write, in the sandbox alone"
    ).tag(config=True)
    output_limit = Integer(200_000, help="characters of printed output that a cell keeps").tag(
        config=True
    )
    threads = Integer(1, help="threads for torch").tag(config=True)
    startup_timeout = Integer(120, help="seconds for the kernel to start").tag(config=True)
    iopub_timeout = Integer(10, help="seconds to wait for a cell's last output").tag(config=True)

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        # Asking a kernel to leave takes 3 s; nothing in it is worth waiting for.
        self.shutdown_kernel = "immediate"

    def preprocess(
        self, nb: NotebookNode, resources: dict, km: AsyncKernelManager | None = None
    ) -> tuple[NotebookNode, dict]:
        """Execute ``nb`` in place; see the class."""
        with tempfile.TemporaryDirectory(prefix="dalib_edu_grade_") as folder:
            home = Path(folder).resolve()
            submitted = resources.get("metadata", {}).get("path") or ""
            copy_submitted_files(Path(submitted).resolve(), home / "work")
            self._home, self._submitted = home, Path(submitted).resolve()
            NotebookClient.__init__(self, nb, None)
            self.resources = {"metadata": {"path": str(home / "work")}}
            environment = kernel_environment(home, "grading", self.threads)
            environment["CUDA_VISIBLE_DEVICES"] = ""
            self._begun = time.monotonic()
            self._deadline = self._begun + self.total_timeout
            self._asking, self._own_timeout = False, None
            status, reason = self._run(nb, environment)
            if self._lost:  # no fault of the submission, which cannot reach its sandbox
                status, reason = self._run(nb, environment)
            seconds = round(time.monotonic() - self._begun, 1)
            share = self._session.share_at_timeout if self._session else None
            starved = status == TIMEOUT and share is not None and share < STARVED
            record(nb, status=status, reason=reason, seconds=seconds, starved=starved)
        return nb, resources

    @property
    def _limits(self) -> Limits:
        return Limits(self.memory_limit, self.process_limit, self.space_limit)

    def create_kernel_manager(self) -> AsyncKernelManager:
        """Return a manager of kernels of this interpreter, under the limits."""
        if self.cluster_kernel:
            self.km = AsyncKernelManager(kernel_name=self.cluster_kernel)
            return self.km
        if self.sandboxed:
            kernels = SandboxedKernels(self._limits)
        else:
            kernels = limited_kernels(self.memory_limit)
        self.km = OwnKernelManager(
            connection_file=str(self._home / "kernel.json"), kernel_spec_manager=kernels
        )
        return self.km

    def _run(self, nb: NotebookNode, environment: dict[str, str]) -> tuple[str, str]:
        """Execute the cells; return the status and the reason."""
        index, self._lost, self._stuck, self._kept_in_all = -1, False, False, 0
        self._timeouts: list[tuple[int, int]] = []
        with self._process(environment):
            try:
                for index, cell in enumerate(nb.cells):
                    self._index, self._kept, self._ends = index, 0, 0
                    if time.monotonic() > self._deadline:
                        if self._session is not None:
                            self._session.note_share()
                        _fail_from(nb, index, "CellTimeoutError", "not run: the time was up")
                        return TIMEOUT, f"more than {self.total_timeout} s in all"
                    self._run_cell(cell, index)
            except (DeadKernelError, Died, zmq.Again):
                status, reason = self._cause_of_death()
                where = f"{reason} in {cell_label(nb, index)}"
                _fail_from(nb, index, "DeadKernelError", f"not run: {where}")
                return status, where
            except (CellTimeoutError, TooSlow):
                where = f"{self._too_long(nb)} and could not be stopped"
                _fail_from(nb, index, "CellTimeoutError", f"not run: {where}")
                return TIMEOUT, where
        if self._timeouts:
            return TIMEOUT, self._too_long(nb)
        hungry = next((i for i, cell in enumerate(nb.cells) if _ran_out_of_memory(cell)), None)
        if hungry is not None:
            return OUT_OF_MEMORY, f"{cell_label(nb, hungry)} asked for more than there is"
        return GRADED, ""

    def _too_long(self, nb: NotebookNode) -> str:
        index, seconds = self._timeouts[0]
        return f"{cell_label(nb, index)} took more than {seconds} s"

    @contextlib.contextmanager
    def _process(self, environment: dict[str, str]) -> Iterator[None]:
        """Hold the process that runs the cells: a kernel, or a fork of the warm one."""
        self._session = None
        if self.sandboxed and self.warm and not self.cluster_kernel:
            scale = environment["DALIB_EDU_SCALE"]
            self._zygote, self._session = begin(self._limits, scale, self._home / "work")
            self._begun = time.monotonic()  # the start of the sandbox is no part of the run
            self._deadline = self._begun + self.total_timeout
            with contextlib.closing(self._session):
                yield
        else:
            with self.setup_kernel(env=environment):
                self._provisioner = self.km.provisioner
                self._handle = getattr(self._provisioner, "process", None)
                heart = self.kc.hb_channel
                heart.stop = functools.partial(_stop, heart)
                yield

    @contextlib.contextmanager
    def _ended_if_stuck(self, cell: NotebookNode) -> Iterator[None]:
        """Kill a kernel that has spoilt its own sockets: nbclient would wait for it for ever."""
        if self._handle is None:
            yield
            return

        def end() -> None:
            self._stuck = True
            self._handle.kill()

        timer = threading.Timer(self._get_timeout(cell) + STUCK, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _cause_of_death(self) -> tuple[str, str]:
        if self._session is not None:
            code, watch = self._session.exit_code(), self._zygote.watch
            self._lost = code is None and watch.verdict is None
            return cause_of_death(code, watch)
        if self._stuck:
            return CRASHED, "the kernel does not answer any more"
        code = self._handle.poll() if self._handle is not None else None
        return cause_of_death(code, getattr(self._provisioner, "watch", None))

    def _execute(self, cell: NotebookNode, index: int, store_history: bool = True) -> None:
        if self._session is None:
            with self._ended_if_stuck(cell):
                self.execute_cell(cell, index, store_history=store_history)
            return
        if cell.cell_type != "code" or not cell.source.strip():
            return
        self.code_cells_executed += store_history
        cell.outputs, cell.execution_count = [], self.code_cells_executed

        def keep(output: dict) -> None:
            with contextlib.suppress(KeyError, TypeError, AttributeError):  # it is no output
                output = _whole(output)
                if self._has_room(output):
                    add_output(cell.outputs, output)

        timeout = self._get_timeout(cell)
        try:
            in_time = self._session.run(cell.source, self.code_cells_executed, timeout, keep)
        except TooSlow:
            self._note_timeout(timeout)
            raise
        if not in_time:
            self._note_timeout(timeout)
            # What was interrupted may say nothing, or go on as if it had not been.
            cell.outputs.append(error_output("CellTimeoutError", f"it took more than {timeout} s"))

    def _put_back_files(self, index: int) -> None:
        if self.cluster_kernel:
            return
        if not self.sandboxed:
            put_back_files(self._submitted, self._home / "work")
            return
        if self._session is not None:
            self._session.give(self._home / "work")
            return
        code = (
            "from pathlib import Path\n"
            "from dalib_edu.instructor.handed_in import put_back_files\n"
            f"put_back_files(Path({SUBMITTED!r}), Path({WORK!r}))"
        )
        self._ask(code, index, PUT_BACK_TIMEOUT)

    def _ask(self, code: str, index: int, timeout: int | None = None) -> list[NotebookNode]:
        """Run code that is no cell of the notebook, and return its errors and answers."""
        asked, cell = nbformat.v4.new_code_cell(code), self.nb.cells[index]
        self._asking, self._own_timeout = True, timeout
        self._answered, self._ends = 0, 0
        try:
            self._execute(asked, index, store_history=False)
        finally:
            self._asking, self._own_timeout = False, None
            self.nb.cells[index] = cell  # nbclient has put the other one there
        return asked.outputs

    def _run_cell(self, cell: NotebookNode, index: int) -> None:
        """Run a cell; a test that asks for checks alone is judged here, from the answers."""
        calls = None
        cell.metadata.pop("dalib_edu", None)
        if cell.cell_type == "code" and utils.is_grade(cell) and utils.is_locked(cell):
            calls = calls_in(cell.source)
            if calls is None or not self.sandboxed:  # otherwise no run has touched the files
                self._put_back_files(index)
        if calls is None:
            self._execute(cell, index)
            return
        lines = []
        try:
            for call in calls:
                lines.append(self._verdict(call, index))
            cell.outputs = [nbformat.v4.new_output("stream", text="".join(lines))]
        except CheckFailed as failed:
            cell.outputs = [failed_output(failed)]
            cell.metadata["dalib_edu"] = NotebookNode(check=call.name, cause=failed.cause)
        cell.execution_count = self.code_cells_executed

    def _verdict(self, call: Call, index: int) -> str:
        if call.is_file:
            course = Path(CourseDirectory(config=self.config).root)
            return verdict_on_file(call, self._home / "work", course)
        cases = base64.b64encode(wire.pack(cases_of(call))).decode()
        code = (
            f"__import__({answering.__name__!r}, fromlist=['show']).show("
            f"{call.homework!r}, {call.name!r}, globals().get({call.argument!r}), {cases!r})"
        )
        before = len(self._timeouts)
        outputs = self._ask(code, index)
        for _, seconds in self._timeouts[before:]:
            message = f"{call.name}: it took more than {seconds} s; does a loop never end?"
            raise CheckFailed("took_too_long", message)
        for output in outputs:
            if output.output_type == "error":
                raise CheckFailed("no_answer", f"{call.name}: no answer ({_one_line(output)})")
        answers = [output.get("data", {}).get(answering.MIME) for output in outputs]
        try:
            last = [text for text in answers if isinstance(text, str)][-1]
            return verdict(call, base64.b64decode(last, validate=True))
        except (IndexError, ValueError):
            raise CheckFailed("no_answer", f"{call.name}: no answer came back") from None

    def _get_timeout(self, cell: NotebookNode | None) -> int | None:
        if self._own_timeout:
            return self._own_timeout
        limit = self.timeout if self.code_cells_executed > 1 else self.first_timeout
        if self._timeouts and limit:
            limit = min(limit, self.later_timeout)
        left = max(1, math.ceil(self._deadline - time.monotonic()))
        return min(limit, left) if limit else left

    async def _async_handle_timeout(self, timeout: int, cell: NotebookNode | None = None):
        self._note_timeout(timeout)
        return await super()._async_handle_timeout(timeout, cell)

    def _note_timeout(self, seconds: int) -> None:
        self._timeouts.append((self._index, seconds))

    def process_message(self, msg: dict, cell: NotebookNode, cell_index: int):
        """Keep an output, unless the cell has said enough."""
        msg["content"] = _whole(msg["content"])
        if not self._has_room({**msg["content"], "output_type": msg["msg_type"]}, msg["content"]):
            return None
        return super().process_message(msg, cell, cell_index)

    def _has_room(self, output: dict, text: dict | None = None) -> bool:
        """Return whether an output is kept; cuts it where it is too long.

        Args:
            output: with an ``output_type``.
            text: where a cut text goes; by default ``output``.
        """
        kind, size = output["output_type"], _size(output)
        text = output if text is None else text
        if kind not in ("stream", "display_data", "update_display_data", "execute_result", "error"):
            return True
        if self._asking and kind != "error":
            # What a function prints must not crowd out its answers.
            self._answered += size
            return answering.MIME in output.get("data", {}) and self._answered <= MOST_ANSWERS
        if kind in ("execute_result", "error"):  # a grade depends on them
            self._ends += 1
            if size > self.output_limit:
                _cut_end(output, text, self.output_limit)
            return self._ends <= MOST_ENDS
        # A picture is worth its hundredth in words.
        size = LEAST + (size if kind == "stream" else size // 100)
        room = min(self.output_limit - self._kept, MOST_OUTPUT - self._kept_in_all)
        self._kept += size
        self._kept_in_all += min(size, max(room, 0))
        if kind == "stream" and size > room > 0:
            text["text"] = output["text"][: max(room - LEAST, 0)] + "\n... output cut ...\n"
            return True
        return size <= room


def _whole(value: Any) -> Any:
    """Return text, and what holds text, with ``?`` for characters that no file can hold."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode(errors="replace").decode()
    if isinstance(value, list):
        return [_whole(each) for each in value]
    if isinstance(value, dict):
        return {_whole(key): _whole(each) for key, each in value.items()}
    return value


def _size(output: dict) -> int:
    """Return the characters of an output."""
    parts = [output.get("text", ""), output.get("evalue", ""), *output.get("traceback", [])]
    parts += output.get("data", {}).values()
    return sum(len(part if isinstance(part, str) else str(part)) for part in parts)


def _cut_end(output: dict, text: dict, limit: int) -> None:
    """Cut a result or an error that is too long."""
    if "data" in output:
        text["data"] = {"text/plain": str(output["data"].get("text/plain", ""))[:limit]}
    else:
        text["evalue"] = str(output.get("evalue", ""))[:limit]
        text["traceback"] = ["".join(map(str, output.get("traceback", [])))[-limit:]]


def _stop(heart: HBChannel) -> None:
    """Stop the heartbeat; its own ``stop`` waits for ever where a kernel has spoilt its sockets."""
    heart._running = False
    heart._exit.set()
    heart.join(STUCK)
    if not heart.is_alive():
        heart.close()


def add_output(outputs: list[NotebookNode], output: dict) -> None:
    """Append an output that came from a student's process, joined to a stream that goes on.

    What is no output is left out.
    """
    try:
        kind = output["output_type"]
        if kind == "stream":
            last = outputs[-1] if outputs else {}
            if last.get("output_type") == "stream" and last["name"] == output["name"]:
                last["text"] += output["text"]
                return
        if kind not in ("stream", "display_data", "execute_result", "error"):
            raise ValueError(kind)
        fresh = nbformat.v4.new_output(**output)
        nbformat.validate(fresh, ref=kind, version=4)
    except Exception:
        return
    outputs.append(fresh)


def cell_label(nb: NotebookNode, index: int) -> str:
    """Return a name for a cell: its grade_id, or its position and first line."""
    cell = nb.cells[index]
    first = cell.source.strip().split("\n")[0][:50]
    return f"cell {_grade_id(cell)}" if _grade_id(cell) else f"cell {index} (`{first}`)"


def cause_of_death(code: int | None, watch: Watch | None) -> tuple[str, str]:
    """Return the status and the words for how a student's process ended.

    Args:
        code: its exit code; None where it is not known.
        watch: of its sandbox, None where it had none.
    """
    if watch is not None and watch.verdict:
        return watch.verdict
    if watch is not None and code is not None and code > 128:
        code = 128 - code  # bubblewrap, like a shell, adds 128 to the signal's number
    if code is None:
        return CRASHED, "the kernel does not answer any more"
    if code >= 0:
        return CRASHED, f"the kernel left with exit code {code}"
    if code == -signal.SIGKILL:
        # Nobody else kills kernels: it is what Linux does when memory runs out.
        return OUT_OF_MEMORY, "the kernel was killed, most likely for want of memory"
    with contextlib.suppress(ValueError):
        return CRASHED, f"the kernel died of {signal.Signals(-code).name}"
    return CRASHED, f"the kernel left with exit code {128 - code}"


def _fail_from(nb: NotebookNode, index: int, name: str, text: str) -> None:
    """Give every code cell from ``index`` on an error, so that none of them earns points."""
    for cell in nb.cells[index:]:
        if cell.cell_type == "code":
            cell.outputs = [*cell.get("outputs", []), error_output(name, text)]


def error_output(name: str, text: str) -> NotebookNode:
    """Return the output of an exception without frames."""
    return nbformat.v4.new_output(
        "error", ename=name, evalue=text, traceback=[f"{name}: {text}" if text else name]
    )


def failed_output(failed: CheckFailed) -> NotebookNode:
    """Return the output of a check that failed, as it looks in the student's notebook."""
    output = error_output("CheckFailed", _whole(str(failed)))
    output.traceback = [_whole(f"Not yet: {failed}")]
    return output


def _one_line(error: NotebookNode) -> str:
    text = " ".join(strip_ansi(f"{error.ename} {error.evalue}").split())
    return text[:200] or error.ename


def _ran_out_of_memory(cell: NotebookNode) -> bool:
    return any(
        output.output_type == "error"
        and (
            output.ename == "MemoryError"
            or "raised MemoryError" in output.evalue
            or "can't allocate memory" in output.evalue
            or "not enough memory" in output.evalue
        )
        for output in cell.get("outputs", [])
    )


# --- after the run ------------------------------------------------------------------------------


class TidyTestOutputs(NbGraderPreprocessor):
    """Keep from the grade what is no failure, and from nbgrader what it cannot read.

    nbgrader gives 0 for any line on stderr, drops a submission whose partial credit is above the
    maximum, and gives full marks for a negative one and for a test that did not run.
    """

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict, cell_index: int
    ) -> tuple[NotebookNode, dict]:
        """Mend the outputs of one graded test cell."""
        if cell.cell_type != "code" or not utils.is_grade(cell) or utils.is_solution(cell):
            return cell, resources
        points = float(cell.metadata.nbgrader["points"])
        failed = any(output.output_type == "error" for output in cell.outputs)
        if cell.get("execution_count") is None and not failed:
            cell.outputs.insert(0, error_output("NotRun", "this test did not run"))
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr":
                output.name = "stdout"
            if output.output_type == "execute_result":
                output.data["text/plain"] = _within(output.data.get("text/plain", ""), points)
        return cell, resources


def _within(text: str, points: float) -> str:
    """Return a number as text between 0 and ``points``; other text as it is, but never empty."""
    try:
        value = float(text)
    except ValueError:
        return text or "(nothing)"
    value = 0.0 if math.isnan(value) else min(max(value, 0.0), points)
    return text if value == float(text) else repr(value)


PASSIVE = ("text/plain", "text/latex", "text/markdown", "image/png", "image/jpeg")
NOTHING = {"text/plain": "(an output that is not shown here)"}
OWN_METADATA = ("nbgrader", "dalib_edu")


class RemoveActive(NbGraderPreprocessor):
    """Leave nothing in a graded notebook that would run in the browser of whoever reads it.

    Outputs keep text and pictures (each kind of display has a text beside it), cells and notebook
    the metadata that grading needs. Templates write other metadata into pages as it is. Markdown
    is taken care of when it is shown, by ``pages.safe_markdown``.
    """

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """Change ``nb`` in place."""
        nb.metadata = _only(nb.metadata, ("kernelspec", *OWN_METADATA))
        for cell in nb.cells:
            cell.metadata = _only(cell.metadata, OWN_METADATA)
            for output in cell.get("outputs", []):
                if "data" in output:
                    kept = {k: v for k, v in output.data.items() if isinstance(v, str)}
                    output.data = _only(kept, PASSIVE) or NotebookNode(NOTHING)
                    output.metadata = NotebookNode()
            if cell.cell_type == "raw":  # which is written into a page as it is
                cell.cell_type = "markdown"
        return nb, resources


def _only(entries: dict, names: Iterable[str]) -> NotebookNode:
    return NotebookNode({name: entries[name] for name in names if name in entries})


class HideTests(NbGraderPreprocessor):
    """Take hidden tests out of the feedback: their text, their tracebacks, what they printed.

    It also says at the top how the run ended and what was mended.
    """

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """Change ``nb`` in place."""
        hidden = {line for cell in nb.cells for line in hidden_lines(cell.source)}
        for cell in nb.cells:
            if hidden_lines(cell.source):
                _hide_in_test(cell)
            for output in cell.get("outputs", []):
                _hide_in_output(output, hidden)
        note = _note(nb.metadata.get("dalib_edu", {}), nb)
        if note:
            nb.cells.insert(0, nbformat.v4.new_markdown_cell(note))
        return nb, resources


def hidden_lines(source: str) -> list[str]:
    """Return the lines of a cell's hidden regions that say something, without indentation."""
    found, hidden = [], False
    for line in source.split("\n"):
        if HIDDEN_MARKERS[0] in line:
            hidden = True
        elif HIDDEN_MARKERS[1] in line:
            hidden = False
        elif hidden and len(line.strip()) > 3:
            found.append(line.strip())
    return found


def _hide_in_test(cell: NotebookNode) -> None:
    visible = without_hidden_tests(cell.source)
    outputs = []
    for output in cell.get("outputs", []):
        if output.output_type != "error":
            # What a hidden test prints, or a student's function when it is called by one.
            continue
        outputs.append(output if _is_for_students(output, visible) else _hidden_failure(output))
    cell.source, cell.outputs = visible, outputs


def _is_for_students(error: NotebookNode, visible: str) -> bool:
    """Return whether an error says nothing of a hidden test: ours, or raised by a visible line."""
    if error.ename in ("CheckFailed", "DeadKernelError", "CellTimeoutError", "NotRun"):
        return True
    text = strip_ansi("\n".join(error.traceback))
    frames = re.split(r"^(?=Cell In\[|File )", text, flags=re.MULTILINE)
    raised_in = next((frame for frame in frames if frame.startswith("Cell In[")), "")
    arrow = re.search(r"^-+> *(\d+) (.*)$", raised_in, flags=re.MULTILINE)
    return bool(arrow) and arrow.group(2).strip() in [x.strip() for x in visible.split("\n")]


def _hidden_failure(error: NotebookNode) -> NotebookNode:
    return error_output(
        "HiddenTestFailed",
        f"a hidden test failed with {error.ename}: the visible cases passed, another one did not",
    )


def _hide_in_output(output: NotebookNode, hidden: Iterable[str]) -> None:
    """Blank the hidden lines wherever an output quotes them, in a traceback's context for one."""

    def blank(text: str) -> str:
        lines = text.split("\n")
        return "\n".join(
            "[hidden]" if any(secret in strip_ansi(line) for secret in hidden) else line
            for line in lines
            if not any(marker in strip_ansi(line) for marker in HIDDEN_MARKERS)
        )

    if output.output_type == "stream":
        output.text = blank(output.text)
    elif output.output_type == "error":
        output.evalue = blank(output.evalue)
        output.traceback = [blank(frame) for frame in output.traceback]
    else:
        for kind, value in output.get("data", {}).items():
            if isinstance(value, str) and kind.startswith("text/"):
                output.data[kind] = blank(value)


def _note(entries: dict, nb: NotebookNode) -> str:
    """Return what a student should know about the run, as markdown; empty for nothing."""
    lines = []
    if entries.get("status", GRADED) != GRADED:
        lines.append(f"**How the run went: {entries['status']}.** {entries['reason']}.")
    if entries.get("repairs"):
        lines.append("**Mended before the run:** " + "; ".join(entries["repairs"]) + ".")
    causes = [f"- `{_grade_id(cell)}`: {_cause(cell)}" for cell in nb.cells if _cause(cell)]
    if causes:
        lines.append("**Where points were lost, and why:**\n\n" + "\n".join(causes))
    return "\n\n".join(lines)


def _cause(cell: NotebookNode) -> str:
    """Return in one line why a test gave no points, as far as students may know; or nothing."""
    if not utils.is_grade(cell) or utils.is_solution(cell):
        return ""
    errors = [output for output in cell.get("outputs", []) if output.output_type == "error"]
    lines = [e.evalue if e.ename == "CheckFailed" else _one_line(e) for e in errors]
    text = " ".join("; ".join(lines).split())[:500]
    return re.sub(r"([<>&*_`\[\]$\\])", r"\\\1", text)
