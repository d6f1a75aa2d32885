"""Start kernels of this very interpreter, with an environment of their own."""

import contextlib
import os
import shutil
import sys
from pathlib import Path

import zmq
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

SEND_TIMEOUT = 10_000  # milliseconds


class ThisInterpreter(KernelSpecManager):
    """Every kernel name is the Python that runs now.

    A kernelspec called ``python3`` may be installed for the user or the machine and point to a
    Python without this package.
    """

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return the specification of an ipykernel of ``sys.executable``, whatever the name."""
        return KernelSpec(
            argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            display_name="Python 3 (ipykernel)",
            language="python",
        )


def limited_kernels(memory_limit: int) -> ThisInterpreter:
    """Return kernels of this interpreter that may use ``memory_limit`` MiB of address space."""

    class LimitedKernels(ThisInterpreter):
        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            spec = super().get_kernel_spec(kernel_name)
            if memory_limit and shutil.which("sh"):
                # Not every system lets a shell set this limit; the run must go on without.
                script = f'ulimit -v {memory_limit * 1024} 2>/dev/null; exec "$@"'
                spec.argv = ["sh", "-c", script, "kernel", *spec.argv]
            return spec

    return LimitedKernels()


class OwnKernelManager(AsyncKernelManager):
    """A kernel manager whose kernels are of this interpreter.

    A kernel can spoil its own sockets. Then nothing can be sent to it any more, and jupyter_client
    would wait for ever.
    """

    def __init__(self, **kwargs) -> None:
        kwargs.setdefault("kernel_spec_manager", ThisInterpreter())
        if os.name == "posix":
            kwargs.setdefault("transport", "ipc")  # no port that others on the machine can reach
        super().__init__(**kwargs)
        self.context.setsockopt(zmq.SNDTIMEO, SEND_TIMEOUT)

    async def _async_interrupt_kernel(self) -> None:
        with contextlib.suppress(zmq.Again):  # it is ended soon
            await super()._async_interrupt_kernel()

    interrupt_kernel = _async_interrupt_kernel


def kernel_environment(home: Path, scale: str, threads: int) -> dict[str, str]:
    """Return the environment for a kernel: this one's, less what would change the results.

    Args:
        home: a private folder that exists, for IPython's and matplotlib's own files.
        scale: ``DALIB_EDU_SCALE`` in the kernel.
        threads: how many threads torch may use.
    """
    # PYTHONSTARTUP and a user's IPython profile can print, patch or import anything.
    dropped = {"DALIB_EDU_DATA", "PYTHONSTARTUP", "PYTHONWARNINGS", "MPLBACKEND", "MPLSTYLE"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {
        **kept,
        "DALIB_EDU_SCALE": scale,
        "DALIB_EDU_PROGRESS": "off",
        "IPYTHONDIR": str(home / "ipython"),
        "OMP_NUM_THREADS": str(threads),
        "PYTHONHASHSEED": "0",
        # Waiting threads that spin slow every other process on a small machine.
        "OMP_WAIT_POLICY": "PASSIVE",
        # Debugger checks of frozen modules print to stderr, which graders count as a failure.
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        # Absolute paths of the package must not depend on where a notebook is run.
        "PYTHONSAFEPATH": "1",
    }
