"""Many runs side by side: on this machine's cores, or on the workers of a dask cluster."""

import io
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import Any

from tqdm.auto import tqdm

from dalib_edu import settings
from dalib_edu.settings import UserError, show_progress


def parallel(
    function: Callable[..., Any],
    arguments: Sequence[tuple],
    *,
    jobs: int = 1,
    cluster: str | None = None,
    title: str = "runs",
) -> Iterator[tuple[int, Any]]:
    """Call ``function(*arguments[i])`` for every i, and yield (i, result) as they finish.

    Args:
        function: can be pickled where there are several processes.
        arguments: one tuple a call.
        jobs: processes at a time on this machine, one thread each; 1: one after another in this
            process, as at grading scale, where a process would cost more than its few steps.
        cluster: the address of a dask scheduler (``"tcp://host:8786"``), or ``"local:2"`` for one
            with two workers on this machine; takes the place of ``jobs``.
        title: stands before the progress bar.

    Raises:
        UserError: the cluster cannot be reached, or dask is not installed.
    """
    if settings.scale() == "grading":
        jobs = 1
    if cluster is None and min(jobs, len(arguments)) <= 1:
        for i, each in enumerate(arguments):  # each run shows a bar of its own
            yield i, function(*each)
        return
    from joblib import Parallel, delayed

    with _backend(jobs, cluster):
        workers = Parallel(return_as="generator_unordered")
        results = workers(delayed(_alone)(function, i, each) for i, each in enumerate(arguments))
        # Beside each other, the runs' own bars would overwrite one another.
        bar = tqdm(results, title, len(arguments), leave=False, disable=not show_progress())
        for i, result, printed in bar:
            if printed:
                tqdm.write(printed, end="")
            yield i, result


def _alone(function: Callable, i: int, arguments: tuple) -> tuple[int, Any, str]:
    """Return i, the result and what was printed, which a notebook would not show from here."""
    import torch

    os.environ["DALIB_EDU_PROGRESS"] = "off"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            result = function(*arguments)
        return i, result, printed.getvalue()
    finally:
        torch.set_num_threads(threads)


def _end_with(parent: int) -> None:
    """End this process soon after the one that started it, also where that was killed.

    Otherwise it would go on with work that somebody may have begun anew.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _backend(jobs: int, cluster: str | None):
    from joblib import parallel_config

    # joblib replaces a worker that has grown; nothing is lost, and nobody can do anything about it.
    warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")
    if cluster is None:
        ends = {"initializer": _end_with, "initargs": (os.getpid(),)}
        with parallel_config("loky", n_jobs=jobs, inner_max_num_threads=1, **ends):
            yield
    else:
        with _client(cluster), parallel_config("dask"):
            yield


def _client(cluster: str):
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise UserError("a cluster needs dask: pip install 'dalib-edu[cluster]'") from None
    kind, _, number = cluster.partition(":")
    if kind == "local" and not (number.isdigit() and int(number) > 0):
        raise UserError(f"the cluster is an address or local:NUMBER, not {cluster!r}")
    try:
        if kind == "local":
            local = LocalCluster(
                n_workers=int(number), threads_per_worker=1, dashboard_address=None
            )
            return _closing(Client(local), local)
        return _closing(Client(cluster, timeout=10), nullcontext())
    except (OSError, ValueError) as error:
        raise UserError(f"the dask scheduler {cluster} cannot be reached ({error})") from None


@contextmanager
def _closing(client, local):
    with local, client:
        yield
