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
# Of each kind of processor: its name in the kernel, then the numbers of the calls.
PROCESSORS = {
    "x86_64": (
        0xC000003E,
        {"clone": 56, "clone3": 435, "seccomp": 317},
        # memfd_create, memfd_secret, shmget, msgget, semget
        [319, 447, 29, 68, 64],
        # unshare, setns, mount, umount2, pivot_root, mount_setattr, open_tree, move_mount, fsopen
        [272, 308, 165, 166, 155, 442, 428, 429, 430],
        # ptrace, process_vm_readv, process_vm_writev, pidfd_getfd, perf_event_open, bpf
        [101, 310, 311, 438, 298, 321],
        # add_key, request_key, keyctl, io_uring_setup, userfaultfd
        [248, 249, 250, 425, 323],
    ),
    "aarch64": (
        0xC00000B7,
        {"clone": 220, "clone3": 435, "seccomp": 277},
        [279, 447, 194, 186, 190],
        [97, 268, 40, 39, 41, 442, 428, 429, 430],
        [117, 270, 271, 438, 241, 280],
        [217, 218, 219, 425, 282],
    ),
}
NEW_NAMESPACES = 0x7E020000  # the flags of clone for all kinds
PR_SET_NO_NEW_PRIVS, SECCOMP_SET_MODE_FILTER = 38, 1
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
    number = {"x86_64": 250, "aarch64": 219}.get(platform.machine())
    if number is not None:
        ctypes.CDLL(None).syscall(number, JOIN_SESSION_KEYRING, None)


def deny_calls() -> None:
    """Refuse this process and its children, for good, calls that no homework needs.

    That is memory outside of any process, which no limit counts; namespaces with rights and disks
    of their own; and looking into other processes. On other processors nothing is refused.
    """
    machine = platform.machine()
    if machine not in PROCESSORS:
        return
    program, number = _filter(machine), PROCESSORS[machine][1]["seccomp"]
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    code = ctypes.create_string_buffer(program, len(program))
    entry = ctypes.create_string_buffer(
        struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    )
    # A kernel that filters no calls says so, and what bubblewrap holds back stays held back.
    flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW
    libc.syscall(number, SECCOMP_SET_MODE_FILTER, flags, ctypes.byref(entry))


def _filter(machine: str) -> bytes:
    """Return the filter of calls as the kernel reads it.

    Its steps (code, where to go on if true and if not, value) see the call's number at 0, the
    processor at 4 and the lower half of the first argument at 16.
    """
    processor, clone, *denied = PROCESSORS[machine]
    load, equal, at_least, any_bit, leave = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, refuse, unknown, kill = (
        0x7FFF0000,
        0x00050000 | errno.EPERM,
        0x00050000 | errno.ENOSYS,  # of clone3, whose flags no filter sees: clone is tried then
        0x80000000,
    )
    steps = [
        (load, 0, 0, 4),
        (equal, 1, 0, processor),
        (leave, 0, 0, kill),
        (load, 0, 0, 0),
        (at_least, 0, 1, 0x40000000),  # numbers of the x32 kind, which stand for the same calls
        (leave, 0, 0, refuse),
        (equal, 0, 1, clone["clone3"]),
        (leave, 0, 0, unknown),
    ]
    for number in sum(denied, []):
        steps += [(equal, 0, 1, number), (leave, 0, 0, refuse)]
    steps += [
        (equal, 0, 3, clone["clone"]),
        (load, 0, 0, 16),
        (any_bit, 0, 1, NEW_NAMESPACES),
        (leave, 0, 0, refuse),
        (leave, 0, 0, allow),
    ]
    return b"".join(struct.pack("HBBI", *step) for step in steps)


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
