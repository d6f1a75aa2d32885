"""Cases and answers as bytes, between processes of which one is not trusted.

No pickle and no archive: a line of JSON that says what there is, then the arrays' own bytes. What
``unpack`` returns is made of dictionaries, lists, tuples, texts, numbers and arrays of numbers or
text, whatever the bytes are; it takes no more memory than they do.
"""

import json
import math
from typing import Any

import numpy as np

KINDS = "biufU"
MOST_PARTS = 1_000_000  # of a JSON text; each becomes an object of some hundred bytes


class Garbled(ValueError):
    """Bytes that ``pack`` did not write."""


def pack(value: Any) -> bytes:
    """Return ``value`` as bytes.

    Args:
        value: dictionaries with text keys, lists, tuples, None, truth values, numbers, texts, and
            arrays of numbers or text, nested in any way.

    Raises:
        TypeError: anything else.
    """
    blobs: list[bytes] = []
    head = json.dumps(_outline(value, blobs)).encode()
    return b"\n".join([head, b"".join(blobs)])


def _outline(value: Any, blobs: list[bytes]) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, dict) and all(type(key) is str for key in value):
        return {"dict": [[key, _outline(each, blobs)] for key, each in value.items()]}
    if isinstance(value, list | tuple):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_outline(each, blobs) for each in value]}
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in KINDS:
        kind = "array" if isinstance(value, np.ndarray) else "scalar"
        blobs.append(np.ascontiguousarray(value).tobytes())
        return {kind: [value.dtype.str, list(value.shape)]}
    raise TypeError(f"a {type(value).__name__} cannot be sent")


def read_json(data: bytes) -> Any:
    """Return what a JSON text from an untrusted process holds.

    Raises:
        Garbled: it is none, or would take far more memory than its bytes.
    """
    if sum(map(data.count, (b"{", b"[", b","))) > MOST_PARTS:
        raise Garbled("a text of too many parts")
    try:
        return json.loads(data)
    except (ValueError, RecursionError, MemoryError) as error:
        raise Garbled(f"{type(error).__name__} in what came back") from None


def unpack(data: bytes) -> Any:
    """Return what ``pack`` was given.

    Raises:
        Garbled: the bytes are not of ``pack``.
    """
    head, _, rest = data.partition(b"\n")
    outline = read_json(head)
    try:
        value, place = _value(outline, memoryview(rest), 0)
    except (
        ValueError,
        TypeError,
        LookupError,
        OverflowError,
        RecursionError,
        MemoryError,
    ) as error:
        raise Garbled(f"{type(error).__name__} in what came back") from None
    if place != len(rest):
        raise Garbled("more came back than was said")
    return value


def _value(outline: Any, rest: memoryview, place: int) -> tuple[Any, int]:
    """Return the value of an outline, and where the next array begins."""
    if not isinstance(outline, dict):
        if isinstance(outline, list):
            raise ValueError("a bare list")
        return outline, place
    ((kind, content),) = outline.items()
    if kind in ("array", "scalar"):
        return _array(content, rest, place, kind == "scalar")
    values = []
    for each in content:
        value, place = _value(each[1] if kind == "dict" else each, rest, place)
        values.append(value)
    if kind == "dict":
        return dict(zip([str(each[0]) for each in content], values, strict=True)), place
    return {"list": list, "tuple": tuple}[kind](values), place


def _array(content: Any, rest: memoryview, place: int, scalar: bool) -> tuple[Any, int]:
    name, shape = content
    dtype = np.dtype(str(name))
    if dtype.kind not in KINDS or not all(type(n) is int and 0 <= n <= 2**31 for n in shape):
        raise ValueError("no array of numbers or text")
    end = place + math.prod(shape) * dtype.itemsize
    if end > len(rest):
        raise ValueError("an array that is not there")
    array = np.frombuffer(bytes(rest[place:end]), dtype).reshape(shape) if end > place else None
    array = np.zeros(shape, dtype) if array is None else array.copy()
    return (array[()] if scalar else array), end
