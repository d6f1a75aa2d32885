"""What this machine can and cannot do for the course, and how to mend it."""

import importlib
import importlib.metadata
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dalib_edu import settings


@dataclass(frozen=True)
class Finding:
    """One line of the report: ``state`` is ``"ok"``, ``"note"`` (a lack one can live with) or
    ``"bad"``; ``mend`` says what to do."""

    state: str
    what: str
    mend: str = ""


def examine() -> Iterator[Finding]:
    """Yield the findings one by one; the slow ones (imports) come as they are made."""
    yield _python()
    for module, package, needed in _PACKAGES:
        yield _package(module, package, needed)
    for check in (_cache, _data, _disk, _memory, _gpu, _sandbox):
        yield check()


_PACKAGES = [
    ("torch", "torch", True),
    ("torchvision", "torchvision", True),
    ("cv2", "opencv-python", True),
    ("sklearn", "scikit-learn", True),
    ("matplotlib", "matplotlib", True),
    ("jupyterlab", "jupyterlab", False),
    ("nbgrader", "nbgrader", False),
    ("jupytext", "jupytext", False),
    ("nbclient", "nbclient", False),
]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    good = (3, 11) <= sys.version_info[:2] < (3, 14)
    mend = "" if good else "the course is tested with Python 3.11 to 3.13"
    return Finding("ok" if good else "note", f"Python {version}", mend)


def _package(module: str, package: str, needed: bool) -> Finding:
    try:
        importlib.import_module(module)
        return Finding("ok", f"{package} {importlib.metadata.version(package)}")
    except importlib.metadata.PackageNotFoundError:
        return Finding("ok", f"{package} (version unknown)")
    except Exception as error:  # a broken installation can raise anything (OSError, RuntimeError)
        extra = "" if needed else " (needed for notebooks and grading)"
        name = "'dalib-edu[course]'" if not needed else package
        first = (str(error).splitlines() or [type(error).__name__])[0]
        state = "bad" if needed else "note"
        return Finding(state, f"{package}{extra}: {first}", f"pip install --upgrade {name}")


def _cache() -> Finding:
    folder = settings.cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return Finding("ok", f"cache folder {folder}")
    except OSError as error:
        mend = "set DALIB_EDU_CACHE to a folder that you can write to (works without, only slower)"
        return Finding("note", f"cache folder {folder}: {error.strerror}", mend)


def _data() -> Finding:
    folder = settings.data_folder()
    if folder is None:
        mend = "set DALIB_EDU_DATA to use real data; the embedded worlds need none"
        return Finding("note", "no folder of real data", mend)
    if not folder.is_dir():
        return Finding("bad", f"DALIB_EDU_DATA is {folder}, which is no folder", "correct it")
    return Finding("ok", f"real data in {folder}")


def _disk() -> Finding:
    free = shutil.disk_usage(tempfile.gettempdir()).free / 2**30
    state, mend = ("ok", "") if free > 1 else ("note", "free some space: 1 GiB is comfortable")
    return Finding(state, f"{free:.0f} GiB free for temporary files", mend)


def _memory() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return Finding("ok", f"{cores} cores")
    good = gib > 3.5
    mend = "" if good else "4 GiB are comfortable; close other programs"
    return Finding("ok" if good else "note", f"{cores} cores, {gib:.0f} GiB of memory", mend)


def _gpu() -> Finding:
    try:
        import torch

        if torch.cuda.is_available():
            return Finding("ok", f"GPU: {torch.cuda.get_device_name()}")
    except Exception as error:
        return Finding("note", f"GPU unknown: {error}")
    return Finding("note", "no GPU", "not needed at the embedded scale; --scale full wants one")


def _sandbox() -> Finding:
    try:
        from dalib_edu.instructor.sandbox import lacking
    except ImportError:
        return Finding("note", "no sandbox", "instructors: pip install 'dalib-edu[course]'")
    lack = lacking()
    if not lack:
        return Finding("ok", "sandbox for grading (bubblewrap)")
    return Finding("note", "no sandbox for grading; students need none", lack)


def report(show: Callable[[str], None]) -> bool:
    """Show every finding as a line; return whether nothing is bad."""
    marks = {"ok": "ok  ", "note": "note", "bad": "BAD "}
    healthy = True
    for finding in examine():
        healthy &= finding.state != "bad"
        show(f"{marks[finding.state]}  {finding.what}" + (f": {finding.mend}" * bool(finding.mend)))
    return healthy
