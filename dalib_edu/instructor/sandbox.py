"""A wall around student code: bubblewrap, and a provisioner of Jupyter kernels behind it.

Inside there is no network; the system, Python and this package can be read and nothing of it
written; ``/tmp``, the home and the working folder are private, in memory and bounded. The
gradebook, the course's sources with the hidden tests, other submissions and the user's own files
are not there at all. Processes, memory, file sizes and time are limited.

``dalib-edu-sandbox`` is an entry point of ``jupyter_client.kernel_provisioners``: any kernelspec
that names it (``kernel_spec`` makes one) runs in the sandbox, in nbgrader and in JupyterLab alike.
"""

import contextlib
import functools
import json
import os
import secrets
import shutil
import site
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner
from traitlets import Integer

from dalib_edu import settings
from dalib_edu.settings import UserError

PROVISIONER = "dalib-edu-sandbox"
SUBMITTED, WORK, HOME, CACHE = "/submitted", "/tmp/work", "/tmp/home", "/cache"
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SETTINGS = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "fonts", "localtime")
CPUS = "/sys/devices/system/cpu"  # torch counts cores here
INSTALL = "install bubblewrap (Debian, Ubuntu: apt install bubblewrap; Fedora: dnf install it)"
# What an environment may hold: choices, no secrets.
KEPT = ("LANG", "LC_", "TZ", "DALIB_EDU_", "OMP_", "MKL_", "PYTHON", "PYDEVD_", "CUDA_VISIBLE")
MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """What one submission may use; memory and sizes in MiB.

    Attributes:
        memory: of all its processes together, and the address space of each.
        processes: threads included.
        space: in ``/tmp``, the home and the working folder together.
    """

    memory: int = 8192
    processes: int = 256
    space: int = 512

    def resources(self) -> dict[str, int]:
        """Return the limits of each process as the system names them."""
        return {
            "RLIMIT_AS": self.memory * MIB,
            "RLIMIT_NPROC": self.processes,
            "RLIMIT_FSIZE": self.space * MIB,
            "RLIMIT_NOFILE": 1024,
            "RLIMIT_CORE": 0,
        }


# --- the wall -----------------------------------------------------------------------------------


def wrap(
    command: Iterable[str],
    *,
    limits: Limits,
    submitted: Path | None = None,
    writable: Sequence[Path] = (),
    uid: int | None = None,
    walls_off: bool = False,
) -> list[str]:
    """Return the command line that runs a command inside the sandbox.

    Args:
        command: program and arguments, by the paths that they have outside.
        limits: see ``Limits``.
        submitted: its files are copied to the working folder inside.
        writable: folders outside that stay writable, under the same path.
        uid: from ``stranger()``.
        walls_off: whether the command makes namespaces for others, and then refuses them what
            otherwise is refused to itself, see ``confine.deny_calls``.
    """
    line = [shutil.which("bwrap") or "bwrap", "--die-with-parent", "--new-session"]
    line += [f"--unshare-{kind}" for kind in ("net", "pid", "ipc", "uts", "cgroup-try")]
    if uid is not None:  # root needs no namespace of users, and confine.py becomes a stranger
        line += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        line += ["--unshare-user", "--cap-drop", "ALL"]
    line += [*_system(), "--proc", "/proc", "--dev", "/dev"]
    line += ["--perms", "1777", "--size", str(limits.space * MIB), "--tmpfs", "/tmp"]
    line += ["--perms", "1777", "--size", str(16 * MIB), "--tmpfs", "/dev/shm"]
    folders = _python()
    for path in _parents([*folders, *map(str, writable), "/etc/-", "/sys/-"]):
        line += ["--perms", "0755", "--dir", path]
    for path in folders:
        line += ["--ro-bind", path, path]
    if settings.cache_folder().is_dir():
        line += ["--ro-bind", str(settings.cache_folder()), CACHE]
    if submitted is not None:
        line += ["--ro-bind", str(submitted), SUBMITTED]
    for folder in writable:
        line += ["--bind", str(folder), str(folder)]
    plan = {"limits": limits.resources(), "submitted": SUBMITTED, "work": WORK, "uid": uid}
    plan["filter"] = not walls_off
    confine = str(Path(__file__).with_name("confine.py"))
    start = [sys.executable, "-I", "-S", confine, json.dumps(plan)]
    return [*line, "--chdir", "/", "--", *start, *command]


def stranger() -> int | None:
    """Return, for root, the number of a user whom nobody else is; None for an ordinary user.

    The system counts processes by user, so no sandbox can take another's.
    """
    return 2**30 + secrets.randbelow(2**29) if os.geteuid() == 0 else None


def _system() -> list[str]:
    """Return the binds of the parts of the system that programs need."""
    line = []
    for path in SYSTEM:
        if os.path.islink(path):  # /lib -> usr/lib
            line += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            line += ["--ro-bind", path, path]
    for path in (*(f"/etc/{name}" for name in SETTINGS), CPUS):
        line += ["--ro-bind-try", path, path]
    return line


def _python() -> list[str]:
    """Return the folders of this Python, its packages and this package, outer ones first."""
    package = Path(__file__).resolve().parents[1]
    paths = [sys.prefix, sys.base_prefix, os.path.dirname(os.path.realpath(sys.executable))]
    paths += site.getsitepackages()
    if site.ENABLE_USER_SITE:
        paths.append(site.getusersitepackages())
    found = {path for p in paths for path in (p, os.path.realpath(p)) if os.path.isdir(path)}
    found.add(str(package))
    inside = [f"{path}/" for path in (*SYSTEM, *found)]
    return sorted(path for path in found if not path.startswith(tuple(inside)))


def inside_tmp() -> list[str]:
    """Return what of ``_python()`` lies in ``/tmp``, which each submission covers with its own."""
    return [path for path in _python() if path.startswith("/tmp/")]


def _parents(paths: Iterable[str]) -> list[str]:
    """Return the folders above some paths, outer first: bubblewrap makes them for root alone."""
    return sorted({str(p) for path in paths for p in Path(path).parents} - {"/", "/tmp"})


def environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return what of an environment goes into the sandbox."""
    kept = {name: value for name, value in env.items() if name.startswith(KEPT)}
    return {
        **kept,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
        "HOME": HOME,
        "TMPDIR": "/tmp",
        "IPYTHONDIR": f"{HOME}/ipython",
        "DALIB_EDU_CACHE": CACHE,
    }


@functools.cache
def lacking() -> str:
    """Return why there is no sandbox on this machine and what to do, or an empty text."""
    if sys.platform != "linux":
        return "student code is sandboxed on Linux only: grade there (a virtual machine will do)"
    if not shutil.which("bwrap"):
        return f"bubblewrap is missing: {INSTALL}"
    attempt = [sys.executable, "-c", "import numpy, dalib_edu"]
    command = wrap(attempt, limits=Limits(), uid=stranger())
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=120, env=environment(os.environ)
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap does not start: {error}"
    if run.returncode == 0:
        return ""
    lines = [line for line in run.stderr.split("\n") if line.strip()]
    return (
        f"bubblewrap does not work here ({lines[-1] if lines else 'no reason given'}): this system "
        "may forbid namespaces of ordinary users (sysctl kernel.unprivileged_userns_clone=1, or "
        "on Ubuntu kernel.apparmor_restrict_unprivileged_userns=0)"
    )


def require() -> None:
    """Raise ``UserError``, in one line that says what to do, where there is no sandbox."""
    if lacking():
        raise UserError(f"{lacking()}; --unsandboxed grades with your own rights")


# --- what cannot be limited beforehand -----------------------------------------------------------


class Watch(threading.Thread):
    """Kills a sandbox whose processes take too much together.

    Attributes:
        verdict: (status, reason) once it has killed; otherwise None.
    """

    EVERY = 0.2  # seconds

    def __init__(self, process: subprocess.Popen, limits: Limits, folder: Path | None = None):
        super().__init__(daemon=True)
        self.process, self.limits, self.folder = process, limits, folder
        self.verdict: tuple[str, str] | None = None
        self.start()

    def run(self) -> None:
        """Look, until the process has ended."""
        while self.process.poll() is None:
            verdict = self._look()
            if verdict and self.process.poll() is None:
                self.verdict = verdict
                # bubblewrap's death ends its namespace of processes, and all that is in it.
                self.process.kill()
                return
            time.sleep(self.EVERY)

    def _look(self) -> tuple[str, str] | None:
        used, count = usage(self.process.pid, self.limits.memory * MIB)
        if used > self.limits.memory * MIB:
            return "out of memory", f"its processes took more than {self.limits.memory} MiB"
        if count > 2 * self.limits.processes:
            return "crashed", f"it started more than {self.limits.processes} processes"
        if self.folder is not None and _misused(self.folder):
            return "crashed", "it wrote where only the kernel's sockets belong"
        return None


def usage(pid: int, enough: int) -> tuple[int, int]:
    """Return the memory of a process's descendants in bytes, and how many there are.

    Forks share pages. Who has how much of them is slow to tell, so that it is only asked where the
    quick sum, in which they count again and again, is above ``enough``.
    """
    import psutil

    found = []
    with contextlib.suppress(psutil.Error):
        found = psutil.Process(pid).children(recursive=True)

    def total(of: Callable[[psutil.Process], int]) -> int:
        used = 0
        for process in found:
            with contextlib.suppress(psutil.Error):
                used += of(process)
        return used

    def unshared(process: psutil.Process) -> int:
        memory = process.memory_info()
        return max(0, memory.rss - memory.shared)

    used = total(unshared)
    if used > enough:
        used = total(lambda process: process.memory_full_info().pss)
    return used, len(found)


def cpu_seconds(pid: int) -> float:
    """Return how long a process's descendants have computed, those that have ended included."""
    import psutil

    used = 0.0
    with contextlib.suppress(psutil.Error):
        for process in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                used += sum(process.cpu_times()[:4])  # its own, and of those it has waited for
    return used


def _misused(folder: Path) -> bool:
    """Return whether there is more in a kernel's runtime folder than sockets and small files."""
    size, count = 0, 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            count += 1
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                size += status.st_blocks * 512
            if count > 50 or size > MIB or entry.is_dir(follow_symlinks=False):
                return True
    return False


# --- kernels ------------------------------------------------------------------------------------


class SandboxProvisioner(LocalProvisioner):
    """Starts a kernel inside the sandbox.

    The files of the folder in which the kernel is to work are copied into the sandbox; nothing that
    the kernel writes comes out, except what it prints and displays.
    """

    memory = Integer(Limits.memory, help="MiB, see Limits").tag(config=True)
    processes = Integer(Limits.processes, help="see Limits").tag(config=True)
    space = Integer(Limits.space, help="MiB, see Limits").tag(config=True)

    _folder: Path | None = None
    watch: Watch | None = None

    @property
    def limits(self) -> Limits:
        """The limits as configured."""
        return Limits(self.memory, self.processes, self.space)

    async def pre_launch(self, **kwargs) -> dict:
        """Prepare: sockets in a folder of their own, since inside there is no network.

        Raises:
            UserError: there is no sandbox on this machine.
        """
        require()
        # Of its own, also after a restart. Short: a socket's path may have a hundred characters.
        await self.cleanup()
        self._folder = Path(tempfile.mkdtemp(prefix="dalib_edu_kernel_")).resolve()
        manager = self.parent
        manager.transport = "ipc"
        manager.connection_file = str(self._folder / "kernel.json")
        manager.ip = str(self._folder / "ipc")
        for name in ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port"):
            setattr(manager, name, 0)
        kwargs = await super().pre_launch(**kwargs)
        uid = stranger()
        if uid is not None:
            for path in (self._folder, self._folder / "kernel.json"):
                os.chown(path, uid, uid)
        work = kwargs.pop("cwd", None)
        kwargs["cmd"] = wrap(
            kwargs.pop("cmd"),
            limits=self.limits,
            submitted=Path(work).resolve() if work else None,
            writable=[self._folder],
            uid=uid,
        )
        kwargs["env"] = environment(kwargs.get("env") or os.environ)
        # What goes past Python's own streams would end up in the grader's terminal.
        kwargs["stdout"] = kwargs["stderr"] = subprocess.DEVNULL
        return kwargs

    async def launch_kernel(self, cmd: list[str], **kwargs) -> KernelConnectionInfo:
        """Start the kernel and its watch."""
        info = await super().launch_kernel(cmd, **kwargs)
        self.watch = Watch(self.process, self.limits, self._folder)
        return info

    async def cleanup(self, restart: bool = False) -> None:
        """Remove the folder of the sockets."""
        await super().cleanup(restart)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def kernel_spec(limits: Limits = Limits()) -> KernelSpec:
    """Return a kernelspec of this interpreter that runs in the sandbox.

    ``json.dumps(kernel_spec().to_dict())`` is a kernel.json.
    """
    config = asdict(limits)
    return KernelSpec(
        argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        display_name="Python 3 (sandbox)",
        language="python",
        interrupt_mode="message",  # a signal would hit bubblewrap, not the kernel
        metadata={"kernel_provisioner": {"provisioner_name": PROVISIONER, "config": config}},
    )


class SandboxedKernels(KernelSpecManager):
    """Every kernel name is the Python that runs now, in the sandbox."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.limits = limits
        # As the entry point says; an editable installation can be older than that.
        entry = EntryPoint(PROVISIONER, f"{__name__}:SandboxProvisioner", "")
        KernelProvisionerFactory.instance().provisioners.setdefault(PROVISIONER, entry)

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return ``kernel_spec``, whatever the name."""
        return kernel_spec(self.limits)
