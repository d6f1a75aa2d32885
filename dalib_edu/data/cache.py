"""A cache of arrays that can be made again. It may fail at any moment and never costs the run."""

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import load as from_bytes
from safetensors.numpy import save as to_bytes

from dalib_edu.settings import cache_folder

Arrays = dict[str, np.ndarray]
Expected = Mapping[str, tuple[tuple[int, ...], type]]

_log = logging.getLogger(__name__)


def source_version(*files: Path) -> str:
    """Return a hash of source files: a cache keyed by it forgets what older code made."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def cached_arrays(
    name: str, key: Mapping[str, object], make: Callable[[], Arrays], *, expect: Expected
) -> Arrays:
    """Return ``make()``'s arrays, from the cache where they were made before.

    A file is used only if its checksum, its key and the shapes and types of its arrays are right;
    it appears under its name complete or not at all. Where the folder cannot be read or written
    (no rights, no space), the arrays are made and the run goes on.

    Args:
        name: begins the file's name.
        key: everything that decides the arrays, JSON-able; include a version of the code.
        make: makes the arrays.
        expect: the shape and type of each array.
    """
    wanted = json.dumps(key, sort_keys=True)
    folder = cache_folder()
    path = folder / f"{name}-{hashlib.sha256(wanted.encode()).hexdigest()[:24]}.cache"
    found = _read(path, wanted, expect)
    if found is not None:
        return found
    arrays = make()
    _write(path, wanted, arrays)
    return arrays


def _read(path: Path, wanted: str, expect: Expected) -> Arrays | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, body = content[:32], content[32:]
    if hashlib.sha256(wanted.encode() + body).digest() != digest:
        return None
    try:
        arrays = from_bytes(body)
    except Exception:  # the library raises its own kinds; whatever it is, the file is no use
        return None
    fits = arrays.keys() == expect.keys() and all(
        arrays[k].shape == tuple(shape) and arrays[k].dtype == kind
        for k, (shape, kind) in expect.items()
    )
    # Arrays that are read share the file's read-only bytes, which torch warns about.
    return {k: array.copy() for k, array in arrays.items()} if fits else None


def _write(path: Path, wanted: str, arrays: Arrays) -> None:
    body = to_bytes({k: np.ascontiguousarray(array) for k, array in arrays.items()})
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(wanted.encode() + body).digest())
            file.write(body)
        # Others may read it: where root grades, a submission is run by another user.
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        _log.info("not cached: %s", error)
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
