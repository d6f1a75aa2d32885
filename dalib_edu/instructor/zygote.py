"""A process inside the sandbox that has imported everything once, and forks for each submission.

It never runs student code itself. Each fork is walled off once more, by namespaces of its own, so
that it sees neither this process nor what another submission left behind: its processes, its
``/tmp`` and its shared memory are new, and end with it. Started by ``warm.Zygote``:
``python -m dalib_edu.instructor.zygote FD '["/folders/to/keep"]'``.

Between this process and the grader runs a socket of messages: in comes a socket for each new
submission, then perhaps ``interrupt`` or ``kill``; out goes how it ended. The submission has its
own socket alone.
"""

import contextlib
import ctypes
import functools
import json
import os
import selectors
import signal
import socket
import sys

from dalib_edu.instructor.confine import deny_calls, leave_keyring
from dalib_edu.instructor.sandbox import HOME, WORK

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID = 0x10000000, 0x20000000
MS_NOSUID, MS_NODEV, MS_BIND, MS_REC = 2, 4, 4096, 16384
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
READY = b"ready"

libc = ctypes.CDLL(None, use_errno=True)


def main(control: socket.socket, folders: list[str], space: int) -> None:
    """Serve submissions, one after the other, until the grader hangs up.

    Args:
        control: see the module's text.
        folders: what of ``/tmp`` a submission must see: Python itself, where it lies there.
        space: MiB for files, see ``sandbox.Limits``.
    """
    from dalib_edu.instructor import runner

    runner.warm_up()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _check(libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))  # no fork can look into this process
    control.send(READY)
    while True:
        message, fds, _, _ = socket.recv_fds(control, 100, 1)
        if not message:
            return
        if not fds:
            continue  # an interrupt that came too late
        pid = os.fork()
        if pid == 0:
            control.close()
            _leave(functools.partial(_supervise, fds[0], folders, space))
        os.close(fds[0])
        control.send(json.dumps(_wait(pid, control)).encode())


def _wait(pid: int, control: socket.socket) -> int:
    """Return the exit status of a fork; obey the grader in the meantime."""
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)  # as the fork does itself; whoever comes first
    ended = os.pidfd_open(pid)
    with selectors.DefaultSelector() as selector:
        selector.register(ended, selectors.EVENT_READ)
        selector.register(control, selectors.EVENT_READ)
        while ended not in [key.fileobj for key, _ in selector.select()]:
            message = control.recv(100)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGINT if message == b"interrupt" else signal.SIGKILL)
            if not message:
                break
    os.close(ended)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _leave(function) -> None:
    """Call a function and end this process; never return into the caller's frames."""
    code = 1
    try:
        code = function() or 0
    except BaseException as error:  # it must not go on as a second zygote
        print(f"zygote: {type(error).__name__}: {error}", file=sys.__stderr__, flush=True)
    finally:
        os._exit(code)


# --- the second wall ----------------------------------------------------------------------------


def _supervise(fd: int, folders: list[str], space: int) -> int:
    """Make namespaces, start their first process, and return how it ended."""
    os.setpgid(0, 0)
    leave_keyring()  # another submission has left keys there, perhaps
    uid, gid = os.getuid(), os.getgid()
    _check(libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))  # to write the maps below
    kinds = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS
    _check(libc.unshare(kinds))
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {uid} 1"),
        ("gid_map", f"{gid} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    pid = os.fork()
    if pid == 0:
        _leave(lambda: _first(fd, folders, space))
    _check(libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
    os.close(fd)
    return _mirror(pid)


def _first(fd: int, folders: list[str], space: int) -> int:
    """Be the first process of the namespaces: mount, start the runner, reap. All ends with it."""
    _check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    _mount_private(folders, space)
    pid = os.fork()
    if pid == 0:
        _leave(lambda: _run(fd))
    _drop_rights()
    _check(libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))  # the submission sees this process
    nothing = os.open(os.devnull, os.O_RDWR)
    for each in (0, 1, 2):
        os.dup2(nothing, each)
    os.close(fd)
    return _mirror(pid)


def _mount_private(folders: list[str], space: int) -> None:
    kept = [(path, os.open(path, os.O_PATH)) for path in folders]
    for path, mode, size in (("/tmp", "1777", space), ("/dev/shm", "1777", 16)):
        options = f"mode={mode},size={size}m,nr_inodes=100000".encode()
        _check(libc.mount(b"tmpfs", path.encode(), b"tmpfs", MS_NOSUID | MS_NODEV, options))
    for path, fd in kept:
        os.makedirs(path)
        source = f"/proc/self/fd/{fd}".encode()
        _check(libc.mount(source, path.encode(), None, MS_BIND | MS_REC, None))
        os.close(fd)
    # Where this is not allowed, the other processes are seen and cannot be touched.
    libc.mount(b"proc", b"/proc", b"proc", MS_NOSUID | MS_NODEV, None)
    os.makedirs(WORK)
    os.makedirs(HOME)
    os.chdir(WORK)


def _drop_rights() -> None:
    """Give up the rights inside the new namespaces, for good."""
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _check(libc.capset(header, (ctypes.c_uint32 * 6)()))
    _check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    deny_calls()


def _run(fd: int) -> int:
    from dalib_edu.instructor import runner

    _drop_rights()
    runner.serve(socket.socket(fileno=fd))
    return 0


def _mirror(pid: int) -> int:
    """Reap children until ``pid`` has ended; return its exit code, 128 + N for signal N."""
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), json.loads(sys.argv[2]), int(sys.argv[3]))
