"""The first program inside a sandbox: sets limits, gives rights up, and becomes the command.

It runs as a script without site-packages, before anything that a student wrote:
``python -I -S confine.py '{"limits": ...}' command ...``. What it cannot set it leaves alone, since
the wall around it is bubblewrap's.
"""

import contextlib
import ctypes
import errno
import json
import os
import platform
import resource
import shutil
import struct
import sys

JOIN_SESSION_KEYRING = 1
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # as filters of calls name them
# Numbers of calls, for each of the machines.
CLONE, CLONE3, SECCOMP, KEYCTL = (56, 220), (435, 435), (317, 277), (250, 219)
DENIED = {
    # memory outside of any process, which no limit counts
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "io_uring_setup": (425, 425),
    # namespaces, with rights and disks of their own
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "mount_setattr": (442, 442),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    # other processes, the kernel and its keys
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "perf_event_open": (298, 241),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": KEYCTL,
}
NEW_NAMESPACES = 0x7E020000  # the flags of clone for all kinds
SECCOMP_SET_MODE_FILTER = 1
# Older kernels would otherwise also switch off what makes processors fast.
SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4


def main(plan: dict, command: list[str]) -> None:
    """Do what the module says.

    Args:
        plan: ``limits``, {name of a resource limit: value}; ``submitted`` and ``work``, the folder
            to copy from and the folder to be in; ``uid``, whom root is to become; ``filter``,
            whether to ``deny_calls``.
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
    if plan["filter"]:
        deny_calls()
    os.execv(command[0], command)


def leave_keyring() -> None:
    """Take a new session keyring: the one that is inherited may hold keys of the user who grades.

    Where the kernel has none, there is nothing to leave.
    """
    if platform.machine() in MACHINES:
        _call(KEYCTL, JOIN_SESSION_KEYRING, None)


def deny_calls() -> None:
    """Refuse this process and its children, for good, calls that no homework needs.

    On other machines than ``MACHINES``, and where the kernel filters no calls, nothing is refused.
    It must have been said that no program brings new rights; bubblewrap says so.
    """
    if platform.machine() not in MACHINES:
        return
    steps = b"".join(struct.pack("HBBI", *step) for step in _filter())
    code = ctypes.create_string_buffer(steps, len(steps))
    entry = struct.pack("HxxxxxxP", len(steps) // 8, ctypes.addressof(code))
    _call(SECCOMP, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, entry)


def _call(numbers: tuple[int, int], *arguments) -> int:
    return ctypes.CDLL(None).syscall(_here(numbers), *arguments)


def _here(numbers: tuple[int, int]) -> int:
    return numbers[list(MACHINES).index(platform.machine())]


def _filter() -> list[tuple[int, int, int, int]]:
    """Return the steps of the filter: code, where to go on if true and if not, value.

    They see the call's number at 0, the machine at 4, the lower half of the first argument at 16.
    """
    load, equal, at_least, any_bit, leave = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, kill, refuse = 0x7FFF0000, 0x80000000, 0x00050000
    steps = [
        (load, 0, 0, 4),
        (equal, 1, 0, MACHINES[platform.machine()]),
        (leave, 0, 0, kill),
        (load, 0, 0, 0),
        (at_least, 0, 1, 0x40000000),  # numbers of the x32 kind, which stand for the same calls
        (leave, 0, 0, refuse | errno.EPERM),
        (equal, 0, 1, _here(CLONE3)),  # no filter sees its flags; without it, clone is tried
        (leave, 0, 0, refuse | errno.ENOSYS),
    ]
    for numbers in DENIED.values():
        steps += [(equal, 0, 1, _here(numbers)), (leave, 0, 0, refuse | errno.EPERM)]
    return [
        *steps,
        (equal, 0, 3, _here(CLONE)),
        (load, 0, 0, 16),
        (any_bit, 0, 1, NEW_NAMESPACES),
        (leave, 0, 0, refuse | errno.EPERM),
        (leave, 0, 0, allow),
    ]


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
