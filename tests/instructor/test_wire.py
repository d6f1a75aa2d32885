"""What crosses the wall: everything a case may hold comes over, and nothing else can."""

import json
import pickle

import numpy as np
import pytest

from dalib_edu.instructor import wire


def same(one, other):
    if isinstance(one, np.ndarray | np.generic):
        return (
            type(one) is type(other)
            and one.dtype == other.dtype
            and one.shape == other.shape
            and one.tobytes() == other.tobytes()
        )
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return (
            type(one) is type(other)
            and len(one) == len(other)
            and all(same(a, b) for a, b in zip(one, other, strict=True))
        )
    return type(one) is type(other) and (one == other or (one != one and other != other))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        -1.5,
        float("nan"),
        float("inf"),
        "text with é and \n",
        [],
        (1, (2.0, "x"), [None]),
        {"a": {"b": [1, 2]}, "": ()},
        np.arange(6, dtype=np.int16).reshape(2, 3),
        np.float32(2.5),
        np.zeros((0, 4)),
        np.array("error"),
        np.array(["a", "long text"]),
        np.array(True),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(10)[::-2],
        [{"x": np.ones(3), "y": np.uint8(4)}, {"z": (np.ones((2, 2), bool),)}],
    ],
)
def test_what_cases_and_answers_hold_comes_over_unchanged(value):
    assert same(wire.unpack(wire.pack(value)), value)


@pytest.mark.parametrize(
    "value", [object(), {1: 2}, {1, 2}, np.array([object()]), b"bytes", np.array("2020", "M8[Y]")]
)
def test_nothing_else_is_sent(value):
    with pytest.raises(TypeError, match="cannot be sent"):
        wire.pack(value)


def head(outline, rest=b""):
    return json.dumps(outline).encode() + b"\n" + rest


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"nonsense",
        bytes(range(256)),
        pickle.dumps([1, 2]),
        b"[" * 100_000,
        b'{"list": [' + b"1," * wire.MOST_PARTS + b"1]}\n",
        head([1]),
        head({"array": ["<f8", [3]]}, bytes(23)),
        head({"array": ["<f8", [3]]}, bytes(25)),
        head({"array": ["<f8", [10**12, 10**12]]}),
        head({"array": ["<f8", [-1]]}),
        head({"array": ["<f8", [1.0]]}, bytes(8)),
        head({"array": ["|O", [1]]}, bytes(8)),
        head({"array": ["f8,f8", [1]]}, bytes(16)),
        head({"array": ["<f8", [True]]}, bytes(8)),
        head({"array": ["<f8", [1] * 100]}, bytes(8)),
        head({"array": ["<f8"]}),
        head({"array": 3}),
        head({"array": ["no type", [1]]}),
        head({"set": [1]}),
        head({"dict": [["a"]]}),
        head({"dict": 4}),
        head({}),
        head({"list": [], "tuple": []}),
        head({"scalar": ["<f8", []]}),
    ],
)
def test_garbled_bytes_are_refused_and_nothing_else_happens(data):
    with pytest.raises(wire.Garbled):
        wire.unpack(data)


def test_a_text_of_impossible_characters_is_left_to_the_judge():
    """Numpy only notices when it is read, so ``verdict`` must be prepared."""
    from dalib_edu.check import CheckFailed
    from dalib_edu.instructor.judge import Call, verdict

    text = head({"array": ["<U1", []]}, b"\xff\xff\xff\xff")
    inner, _, rest = text.partition(b"\n")
    answers = head({"list": [{"dict": [["error", json.loads(inner)]]}] * 5}, rest * 5)
    with pytest.raises(CheckFailed):
        verdict(Call("hw2", "lambda_at", "lambda_at"), answers)
