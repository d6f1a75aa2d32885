"""The grader's side of ``zygote`` and ``runner``: submissions without the wait for imports."""

import base64
import contextlib
import functools
import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from dalib_edu.instructor import runner, wire, zygote
from dalib_edu.instructor.kernels import kernel_environment
from dalib_edu.instructor.sandbox import (
    HOME,
    Limits,
    Watch,
    cpu_seconds,
    environment,
    inside_tmp,
    stranger,
    wrap,
)
from dalib_edu.settings import cache_folder

STARTUP = 300  # seconds, on a busy machine
GRACE = 10  # seconds for a cell to stop once it is interrupted
LARGEST_MESSAGE = 150_000_000  # bytes; answers are judged as too large well below


class Died(Exception):
    """The student's process has ended, or does not speak the language any more."""


class NoSandbox(BaseException):
    """The machine gives no sandbox. nbgrader would take an ``Exception`` for the submission's."""


class TooSlow(Exception):
    """A cell took too long, and could not be stopped."""


class Zygote:
    """A sandbox with a warm process in it; one submission at a time."""

    def __init__(self, limits: Limits, env: dict[str, str]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", zygote.__name__, str(theirs.fileno())]
        command += [json.dumps(inside_tmp()), str(limits.space)]
        self.control = ours
        self.process = subprocess.Popen(
            wrap(command, limits=limits, uid=stranger(), walls_off=True),
            env={**environment(env), "MPLBACKEND": "module://matplotlib_inline.backend_inline"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        self.watch = Watch(self.process, limits)
        ours.settimeout(STARTUP)
        with contextlib.suppress(OSError):
            if ours.recv(100) == zygote.READY:
                return
        self.close()
        said = (self.process.stderr.read() or b"").decode(errors="replace").split()
        raise NoSandbox(f"the sandbox does not start: {' '.join(said)[-300:] or 'no reason'}")

    def submission(self) -> "Session":
        """Begin a submission; the one before must have been closed."""
        ours, theirs = socket.socketpair()
        socket.send_fds(self.control, [b"submission"], [theirs.fileno()])
        theirs.close()
        return Session(self, ours)

    def tell(self, message: bytes) -> None:
        """Send ``interrupt`` or ``kill`` for the submission that runs."""
        with contextlib.suppress(OSError):
            self.control.send(message)

    def how_it_ended(self) -> int | None:
        """Wait for the end of the submission; return its exit code, None where all of it died."""
        self.control.settimeout(60)
        try:
            return json.loads(self.control.recv(100))
        except (OSError, ValueError):
            self.close()
            return None

    def close(self) -> None:
        """End the sandbox and all that is in it."""
        self.control.close()
        self.process.kill()
        self.process.wait()


class Session:
    """One submission's process.

    Attributes:
        share_at_timeout: from ``note_share``.
    """

    def __init__(self, home: Zygote, connection: socket.socket) -> None:
        self._home, self._connection = home, connection
        self._buffer = bytearray()
        self._code: int | None = None
        self._closed = self._died = False
        self._began = time.monotonic(), cpu_seconds(home.process.pid)
        self.share_at_timeout: float | None = None

    def give(self, folder: Path) -> None:
        """Send the files of a folder; they replace what the run made of them."""
        files = {
            str(path.relative_to(folder)): base64.b64encode(path.read_bytes()).decode()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.is_symlink()
        }
        self._send({"files": files})
        self._receive(lambda output: None, time.monotonic() + STARTUP)

    def run(self, code: str, count: int, timeout: float, keep: Callable[[dict], None]) -> bool:
        """Run a cell.

        Args:
            code: of the cell.
            count: its number, as shown in tracebacks.
            timeout: seconds; then the cell is interrupted.
            keep: takes each output as it comes.

        Returns:
            Whether it ended in time.

        Raises:
            Died: the process ended.
            TooSlow: it took no notice of the interrupt; the process is ended.
        """
        self._send({"code": code, "count": count})
        if self._receive(keep, time.monotonic() + timeout):
            return True
        self.note_share()
        self._home.tell(b"interrupt")
        if self._receive(keep, time.monotonic() + GRACE):
            return False
        self.close()
        raise TooSlow

    def note_share(self) -> None:
        """Keep, the first time, how many seconds it computed in a second since it began.

        All of its processes count, also those that only keep the others from computing.
        """
        if self.share_at_timeout is None:
            seconds = cpu_seconds(self._home.process.pid) - self._began[1]
            self.share_at_timeout = seconds / (time.monotonic() - self._began[0])

    def exit_code(self) -> int | None:
        """Return how the process ended; None where its whole sandbox did."""
        self.close()
        return self._code

    def close(self) -> None:
        """End the process and all that it started."""
        if self._closed:
            return
        self._closed = True
        self._connection.close()
        if not (self._died and select.select([self._home.control], [], [], GRACE)[0]):
            self._home.tell(b"kill")
        self._code = self._home.how_it_ended()

    def _dead(self) -> Died:
        self._died = True
        return Died()

    def _send(self, message: dict) -> None:
        try:
            self._connection.settimeout(STARTUP)
            runner.send(self._connection, message)
        except OSError:
            raise self._dead() from None

    def _receive(self, keep: Callable[[dict], None], deadline: float) -> bool:
        """Take messages until one says done; return False at the deadline."""
        while True:
            message = self._message(deadline)
            if message is None:
                return False
            if message.get("done"):
                return True
            keep(message)

    def _message(self, deadline: float) -> dict | None:
        """Return the next message, None at the deadline. Half a message waits for its rest."""
        while True:
            message = self._in_buffer()
            if message is not None:
                return message
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._connection.settimeout(left)
            try:
                data = self._connection.recv(2**20)
            except TimeoutError:
                return None
            except OSError:
                raise self._dead() from None
            if not data:
                raise self._dead()
            self._buffer += data

    def _in_buffer(self) -> dict | None:
        length = int.from_bytes(self._buffer[:8], "big") if len(self._buffer) >= 8 else 0
        if length > LARGEST_MESSAGE:
            raise self._dead()
        if len(self._buffer) < 8 + length or len(self._buffer) < 8:
            return None
        data = bytes(self._buffer[8 : 8 + length])
        del self._buffer[: 8 + length]
        try:
            message = wire.read_json(data)
        except wire.Garbled:
            raise self._dead() from None
        if not isinstance(message, dict):
            raise self._dead()
        return message


@functools.cache
def _held() -> dict[tuple[Limits, str, Path], Zygote]:
    return {}


def warm_zygote(limits: Limits, scale: str) -> Zygote:
    """Return this process's warm sandbox, a new one where the last has died.

    Args:
        limits: for each submission.
        scale: ``DALIB_EDU_SCALE`` inside.
    """
    held, key = _held(), (limits, scale, cache_folder())
    if key not in held or held[key].process.poll() is not None:
        for old in held.values():
            old.close()
        held.clear()
        env = kernel_environment(Path(HOME), scale, threads=1)
        held[key] = Zygote(limits, {**env, "CUDA_VISIBLE_DEVICES": ""})
    return held[key]


def begin(limits: Limits, scale: str, folder: Path) -> tuple[Zygote, Session]:
    """Begin a submission in this process's warm sandbox, in a new one where that has died.

    Args:
        limits: for the submission.
        scale: ``DALIB_EDU_SCALE`` inside.
        folder: its files are there when it begins.

    Raises:
        NoSandbox: none starts.
    """
    for _ in range(2):
        zygote_ = warm_zygote(limits, scale)
        try:
            session = zygote_.submission()
            session.give(folder)
            return zygote_, session
        except (Died, OSError):
            zygote_.close()
    raise NoSandbox("the sandbox does not take a submission")
