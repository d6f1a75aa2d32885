"""Run a submission, within limits, and write down how the run ended."""

import base64
import contextlib
import functools
import math
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import zmq
from jupyter_client.channels import HBChannel
from jupyter_client.manager import AsyncKernelManager
from nbclient.client import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import Execute
from traitlets import Bool, Integer, Unicode

from dalib_edu.check import CheckFailed
from dalib_edu.instructor import answering, wire
from dalib_edu.instructor.cells import grade_id_of
from dalib_edu.instructor.handed_in import copy_submitted_files, put_back_files
from dalib_edu.instructor.judge import Call, calls_in, cases_of, verdict, verdict_on_file
from dalib_edu.instructor.kernels import OwnKernelManager, kernel_environment, limited_kernels
from dalib_edu.instructor.outputs import (
    add_output,
    cut_end,
    error_output,
    failed_output,
    one_line,
    size_of,
    whole,
)
from dalib_edu.instructor.results import CRASHED, GRADED, OUT_OF_MEMORY, TIMEOUT, record
from dalib_edu.instructor.sandbox import SUBMITTED, WORK, Limits, SandboxedKernels, Watch
from dalib_edu.instructor.warm import Died, TooSlow, begin

PUT_BACK_TIMEOUT = 60  # seconds
STARVED = 0.5  # seconds of computing in a second; an endless loop has about 1
STUCK = 30  # seconds after the limit of a cell that was not to be interrupted
MOST_ENDS = 3  # results and errors of a cell; one is the rule
# Characters: of the answers to one check, and of all that a notebook shows (in pictures 100 times).
MOST_ANSWERS, MOST_OUTPUT = 150_000_000, 500_000
LEAST = 100  # that an output counts for


class Garbled(Exception):
    """A kernel says what nobody can read; the message says so."""


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
            except Garbled as error:
                where = f"{error} in {cell_label(nb, index)}"
                _fail_from(nb, index, "DeadKernelError", f"not run: {where}")
                return CRASHED, where
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
            self._execute_in_kernel(cell, index, store_history)
            return
        if cell.cell_type != "code" or not cell.source.strip():
            return
        self.code_cells_executed += store_history
        cell.outputs, cell.execution_count = [], self.code_cells_executed

        def keep(output: dict) -> None:
            with contextlib.suppress(KeyError, TypeError, AttributeError):  # it is no output
                output = whole(output)
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

    def _execute_in_kernel(self, cell: NotebookNode, index: int, store_history: bool) -> None:
        with self._ended_if_stuck(cell):
            try:
                self.execute_cell(cell, index, store_history=store_history)
            except (CellTimeoutError, DeadKernelError, zmq.Again):
                raise
            except Exception as error:  # in what a student's code sent in its kernel's place
                message = f"the kernel sent what is no message ({type(error).__name__})"
                raise Garbled(message) from None

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
                raise CheckFailed("no_answer", f"{call.name}: no answer ({one_line(output)})")
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

    async def _async_poll_kernel_alive(self) -> None:
        # nbclient leaves this running after a cell that it gave up, until there is no kernel. What
        # it then raises nobody awaits: it would be reported from wherever garbage is collected.
        with contextlib.suppress(AssertionError):
            await super()._async_poll_kernel_alive()

    def _note_timeout(self, seconds: int) -> None:
        self._timeouts.append((self._index, seconds))

    def process_message(self, msg: dict, cell: NotebookNode, cell_index: int):
        """Keep an output, unless the cell has said enough."""
        msg["content"] = whole(msg["content"])
        if not self._has_room({**msg["content"], "output_type": msg["msg_type"]}, msg["content"]):
            return None
        return super().process_message(msg, cell, cell_index)

    def _has_room(self, output: dict, text: dict | None = None) -> bool:
        """Return whether an output is kept; cuts it where it is too long.

        Args:
            output: with an ``output_type``.
            text: where a cut text goes; by default ``output``.
        """
        kind, size = output["output_type"], size_of(output)
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
                cut_end(output, text, self.output_limit)
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


def _stop(heart: HBChannel) -> None:
    """Stop the heartbeat; its own ``stop`` waits for ever where a kernel has spoilt its sockets."""
    heart._running = False
    heart._exit.set()
    heart.join(STUCK)
    if not heart.is_alive():
        heart.close()


def cell_label(nb: NotebookNode, index: int) -> str:
    """Return a name for a cell: its grade_id, or its position and first line."""
    cell = nb.cells[index]
    first = cell.source.strip().split("\n")[0][:50]
    return f"cell {grade_id_of(cell)}" if grade_id_of(cell) else f"cell {index} (`{first}`)"


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
