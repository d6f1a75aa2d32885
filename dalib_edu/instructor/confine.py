"""The first program inside a sandbox: sets limits, gives rights up, and becomes the command.

It runs as a script without site-packages, before anything that a student wrote:
``python -I -S confine.py '{"limits": ...}' command ...``. What it cannot set it leaves alone, since
the wall around it is bubblewrap's.
"""

import contextlib
import ctypes
import json
import os
import platform
import resource
import shutil
import sys

JOIN_SESSION_KEYRING = 1


def main(plan: dict, command: list[str]) -> None:
    """Do what the module says.

    Args:
        plan: ``limits``, {name of a resource limit: value}; ``submitted`` and ``work``, the folder
            to copy from and the folder to be in; ``uid``, whom root is to become.
        command: program and arguments.
    """
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # where memory runs out, this goes first, and the grader stays
    leave_keyring()
    _make_work(plan["submitted"], plan["work"])
    if plan["uid"] is not None:
        os.setgroups([])
        os.setgid(plan["uid"])
        os.setuid(plan["uid"])
    for name, value in plan["limits"].items():
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (value, value))
    os.umask(0o022)
    # A kernel looks for this process, which it cannot see; bubblewrap dies with it, and all inside.
    os.environ.pop("JPY_PARENT_PID", None)
    os.makedirs(os.environ["HOME"], exist_ok=True)
    os.chdir(plan["work"])
    os.execv(command[0], command)


def leave_keyring() -> None:
    """Take a new session keyring: the one that is inherited may hold keys of the user who grades.

    Where the kernel has none, there is nothing to leave.
    """
    number = {"x86_64": 250, "aarch64": 219}.get(platform.machine())
    if number is not None:
        ctypes.CDLL(None).syscall(number, JOIN_SESSION_KEYRING, None)


def _make_work(submitted: str, work: str) -> None:
    """Copy a folder, if it is there, so that the user that comes can change everything in it."""
    if os.path.isdir(submitted):
        shutil.copytree(submitted, work)
    else:
        os.mkdir(work)
    for folder, _, files in os.walk(work):
        os.chmod(folder, 0o777)
        for name in files:
            os.chmod(os.path.join(folder, name), 0o666)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])
