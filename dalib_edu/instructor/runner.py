"""Runs the cells of one submission, in the process of the student's code.

It stands in for a Jupyter kernel: IPython's own shell runs the cells, so that magics, displays and
tracebacks are what they are in a notebook. Messages are one JSON object each behind its length.
"""

import base64
import contextlib
import importlib
import io
import json
import os
import pkgutil
import shutil
import signal
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import dalib_edu.check
from dalib_edu.instructor.sandbox import WORK

Send = Callable[[dict], None]
CHUNK = 60_000  # characters that are sent at a time
WARM = ("torch", "torchvision", "sklearn.manifold", "cv2", "matplotlib.pyplot", "tqdm.auto")


def warm_up() -> None:
    """Import what homeworks import, before the first submission comes."""
    Shell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    for name in (*WARM, "dalib_edu.check.core", "dalib_edu.instructor.answering"):
        importlib.import_module(name)
    for _, name, _ in pkgutil.iter_modules(dalib_edu.check.__path__, "dalib_edu.check."):
        importlib.import_module(name)
    from matplotlib import font_manager

    font_manager.fontManager  # noqa: B018 - made on first use


def send(connection: socket.socket, message: dict) -> None:
    """Send a message."""
    data = json.dumps(message).encode()
    connection.sendall(struct.pack(">Q", len(data)) + data)


def receive(stream: io.BufferedReader, largest: int) -> dict | None:
    """Return the next message, or None where there is no further one.

    Raises:
        ValueError: it is longer than ``largest`` bytes, or no JSON object.
    """
    head = stream.read(8)
    if len(head) < 8:
        return None
    (length,) = struct.unpack(">Q", head)
    if length > largest:
        raise ValueError(f"a message of {length} bytes")
    data = stream.read(length)
    if len(data) < length:
        return None
    message = json.loads(data)
    if not isinstance(message, dict):
        raise ValueError("a message that is no object")
    return message


def serve(connection: socket.socket) -> None:
    """Run what comes through a connection until it ends."""
    shell, own = Shell.instance(), os.getpid()

    def send_own(message: dict) -> None:
        if os.getpid() == own:  # a fork of the student's has the connection, too
            send(connection, message)

    shell.send = send_own
    _redirect(shell)
    stream = connection.makefile("rb")
    while (message := receive(stream, 2**32)) is not None:
        if "files" in message:
            _write_files(message["files"])
        if "code" in message:
            _run(shell, message["code"], message["count"])
        if os.getpid() != own:
            os._exit(0)
        shell.send({"done": True})


def _write_files(files: dict[str, str]) -> None:
    for name, content in files.items():
        path = os.path.join(WORK, name)
        # A run can put anything in a file's place, or take away the right to write there.
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            elif os.path.lexists(path):
                os.unlink(path)
            with open(path, "wb") as file:
                file.write(base64.b64decode(content))


def _run(shell: "Shell", code: str, count: int) -> None:
    shell.execution_count = count
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        shell.run_cell(code, store_history=False)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # between cells it would end this process
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        shell.showtraceback()
    sys.stdout.flush()
    sys.stderr.flush()


def _redirect(shell: "Shell") -> None:
    """Send what is printed; what goes past Python, to the file descriptors, is lost."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    sys.stdin = open(os.devnull)  # noqa: SIM115 - for as long as this process lives
    sys.stdout = sys.__stdout__ = Stream(shell, "stdout")
    sys.stderr = sys.__stderr__ = Stream(shell, "stderr")


class Stream(io.TextIOBase):
    """Text that is sent in pieces."""

    encoding = "utf-8"

    def __init__(self, shell: "Shell", name: str) -> None:
        super().__init__()
        self._shell, self._stream, self._parts, self._size = shell, name, [], 0

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Take a text."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._parts.append(text)
        self._size += len(text)
        if self._size > CHUNK:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Send what has come."""
        text, self._parts, self._size = "".join(self._parts), [], 0
        for start in range(0, len(text), CHUNK):
            part = text[start : start + CHUNK]
            self._shell.send({"output_type": "stream", "name": self._stream, "text": part})


class Publisher(DisplayPublisher):
    """Sends what ``display`` shows."""

    def publish(self, data: dict, metadata: dict | None = None, **_: Any) -> None:
        """Send a display; pictures come as bytes and go in base 64."""
        sys.stdout.flush()
        output = {"output_type": "display_data", "data": _plain(data), "metadata": metadata or {}}
        self.shell.send(output)

    def clear_output(self, wait: bool = False) -> None:
        """Do nothing: a graded notebook keeps all that it showed."""


class Hook(DisplayHook):
    """Sends the value of a cell's last expression."""

    def write_output_prompt(self) -> None:
        """Write none."""

    def write_format_data(self, format_dict: dict, md_dict: dict | None = None) -> None:
        """Send the value."""
        sys.stdout.flush()
        output = {"output_type": "execute_result", "data": _plain(format_dict)}
        self.shell.send({**output, "metadata": md_dict or {}})

    def finish_displayhook(self) -> None:
        """Write no line end."""


class Shell(InteractiveShell):
    """IPython's shell, whose outputs are sent."""

    send: Send = staticmethod(lambda message: None)
    displayhook_class = Hook
    display_pub_class = Publisher

    def _showtraceback(self, etype: type, evalue: BaseException, stb: list[str]) -> None:
        sys.stdout.flush()
        try:
            text = str(evalue)
        except Exception:
            text = ""
        name = getattr(etype, "__name__", str(etype))
        frames = [str(frame) for frame in stb]
        error = {"output_type": "error", "ename": name, "evalue": text, "traceback": frames}
        self.send(error)


def _plain(data: dict) -> dict:
    return {
        kind: base64.b64encode(value).decode() if isinstance(value, bytes) else value
        for kind, value in data.items()
    }
