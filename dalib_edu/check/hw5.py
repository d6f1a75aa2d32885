"""Checks of homework 5, metric learning.

What is expected comes from plain loops over pictures and classes. Where two pictures are equally
far, an honest solution may take either: a judge looks at the distances, not at the rows.
"""

import contextlib
import random
import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from dalib_edu import metric
from dalib_edu.check.core import (
    VISIBLE,
    Answer,
    Case,
    Check,
    CheckFailed,
    Wrong,
    close,
    compare,
    differ,
    plain,
    plain_scalar,
    take,
    take_flag,
)
from dalib_edu.data import characters

# --- pk_batches ---------------------------------------------------------------------------------

EPOCHS = 24  # that are pulled: a picture that has a chance in each is then missing in no honest one


def _pk_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    if seed == VISIBLE:
        kinds = [
            ("12 classes, P = 4, K = 3", [5] * 12, 4, 3),
            ("10 classes, P = 4", [5] * 10, 4, 3),
            ("a class of two pictures, K = 3", [5] * 7 + [2], 4, 3),
        ]
    else:
        k = int(rng.integers(2, 5))
        p = int(rng.integers(2, 5))
        kinds = [
            ("classes of different sizes", rng.integers(k, k + 2, 3 * p), p, k),
            ("a class of fewer than K pictures", [*rng.integers(k, k + 2, 2 * p - 1), k - 1], p, k),
            ("P does not divide the number of classes", [k + 1] * 13, 4, k),
            ("every class in each batch", [k + 1] * p, p, k),
            ("K = 1", rng.integers(1, 3, 2 * p), p, 1),
        ]
    cases = []
    for name, sizes, p, k in kinds:
        values = rng.choice(np.arange(-30, 70), len(sizes), replace=False)  # labels are any numbers
        labels = rng.permutation(np.repeat(values, sizes))
        seeds = rng.choice(10_000, 2, replace=False)
        cases.append({"name": name, "labels": labels, "p": p, "k": k, "seeds": seeds})
    return cases


def _pk_counts(case: Case) -> dict[str, int]:
    """Return how many batches are pulled: most, then the same seed's again, then another seed's."""
    per_epoch = len(set(case["labels"].tolist())) // case["p"]
    few = max(8, 2 * per_epoch)
    return {"batches": EPOCHS * per_epoch, "again": few, "other": few}


def _pk_probe(pk_batches: Callable, case: Case) -> Answer:
    states = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        return {
            name: _pulled(pk_batches, case, count, name) for name, count in _pk_counts(case).items()
        }
    finally:
        np.random.set_state(states[0])  # noqa: NPY002
        random.setstate(states[1])


def _pulled(pk_batches: Callable, case: Case, count: int, name: str) -> np.ndarray:
    """Return the first batches, (count, ...), while others draw from the global generators."""
    for set_seed in (torch.manual_seed, np.random.seed, random.seed):
        set_seed(len(name))
    labels = torch.tensor(case["labels"])
    seed, other = case["seeds"].tolist()
    batches = pk_batches(labels, case["p"], case["k"], other if name == "other" else seed)
    if batches is None:
        plain(batches)
    if not hasattr(type(batches), "__next__"):
        message = f"this gives a {type(batches).__name__}: next() needs an iterator (see yield)"
        raise CheckFailed("no_iterator", message)
    pulled = []
    for number in range(count):
        try:
            pulled.append(_plain_tensor(next(batches), "a batch"))
        except StopIteration:
            message = f"it ends after {number} batches: it must go on for ever"
            raise CheckFailed("exhausted", message) from None
        if name == "again":
            torch.rand(1), np.random.rand(), random.random()  # noqa: NPY002
    _explain_shapes({batch.shape for batch in pulled}, case["p"], case["k"])
    if not np.array_equal(plain(labels), case["labels"]):
        raise CheckFailed("input_changed", "this changes the labels that it is given")
    return np.stack(pulled)


def _explain_shapes(shapes: set[tuple[int, ...]], p: int, k: int) -> None:
    if shapes == {(p, k)}:
        raise CheckFailed("not_flat", "a batch is (p * k,), one row after the other: flatten it")
    if len(shapes) > 1:
        message = (
            f"batches have the shapes {sorted(shapes)[:2]}, not always ({p * k},): drop a last "
            "hand of fewer than P classes, and repeat pictures where a class has fewer than K"
        )
        raise CheckFailed("sizes_differ", message)


def _pk_judge(case: Case, answer: Answer) -> None:
    labels, p, k = case["labels"], case["p"], case["k"]
    tables = {
        name: take(answer, name, (count, p * k), "the table of all batches")
        for name, count in _pk_counts(case).items()
    }
    if {answer[name].dtype.kind for name in tables} - set("iu"):
        kind = answer["batches"].dtype
        raise CheckFailed("not_rows", f"a batch is {kind}: rows are whole numbers")
    batches, few = tables["batches"].astype(int), tables["again"]
    _judge_batches(batches, labels, p, k)
    if not np.array_equal(few, np.resize(batches, few.shape)):
        message = (
            "the same seed gives other batches the second time: draw everything from a generator "
            "of your own with that seed, torch.Generator().manual_seed(seed), not the global one"
        )
        raise CheckFailed("not_reproducible", message)
    if np.array_equal(few, tables["other"]):
        message = "another seed gives the same batches: nothing is random, or seed is not used"
        raise CheckFailed("seed_ignored", message)
    _judge_dealing(batches, labels, p)


def _judge_batches(table: np.ndarray, labels: np.ndarray, p: int, k: int) -> None:
    """Judge each batch by itself; ``table`` (batches, p * k)."""
    if k > 1 and np.isin(table, labels).all() and _is_balanced(table, p, k):
        raise CheckFailed("labels_returned", "these are labels: return the rows of the pictures")
    if table.min() < 0 or table.max() >= len(labels):
        raise CheckFailed("not_rows", f"rows go from 0 to {len(labels) - 1}: others came")
    _, which, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    if not _is_balanced(which[table], p, k):
        mine = next(row for row in which[table] if not _is_balanced(row[None], p, k))
        counts = np.unique(mine, return_counts=True)[1].tolist()
        if len(counts) != p:
            cause = "too_few_classes" if len(counts) < p else "too_many_classes"
            raise CheckFailed(cause, f"a batch has {len(counts)} different classes, not P = {p}")
        message = f"of the classes in a batch there are {sorted(counts)} pictures, not K = {k} each"
        raise CheckFailed("unbalanced", message)
    if (np.diff(which[table].reshape(-1, p, k)) != 0).any():
        message = "the classes are mixed: first the K pictures of one class, then the next one's"
        raise CheckFailed("not_class_by_class", message)
    keys = np.sort(which[table] * len(labels) + table).reshape(-1, p, k)  # (batches, p, k)
    enough = sizes[keys[..., 0] // len(labels)] >= k  # (batches, p)
    if (enough & (np.diff(keys) == 0).any(2)).any():
        message = "a picture comes twice in a batch though its class has enough others"
        raise CheckFailed("pictures_repeated", message)


def _is_balanced(classes: np.ndarray, p: int, k: int) -> bool:
    """Return whether each row (p * k,) has p values, k times each."""
    classes = np.sort(classes, axis=1).reshape(-1, p, k)
    first = classes[..., 0]
    return bool((classes == first[..., None]).all() and (np.diff(first) > 0).all())


def _judge_dealing(table: np.ndarray, labels: np.ndarray, p: int) -> None:
    """Judge what comes over many batches; ``table`` (batches, p * k)."""
    classes = set(labels.tolist())
    hands = [frozenset(labels[rows].tolist()) for rows in table]
    if classes - set().union(*hands):
        raise CheckFailed("classes_left_out", "some classes are never in a batch")
    per_epoch = len(classes) // p
    epochs = [hands[i : i + per_epoch] for i in range(0, len(hands), per_epoch)]
    if len(classes) % p == 0 and any(len(set().union(*epoch)) < len(classes) for epoch in epochs):
        message = (
            f"in {per_epoch} batches of {p} classes each of the {len(classes)} must come once: "
            "deal the classes like cards, do not draw P anew each time"
        )
        raise CheckFailed("not_dealt", message)
    if per_epoch > 1 and len({frozenset(epoch) for epoch in epochs}) == 1:
        message = "the same classes are together in every epoch: shuffle the classes each time"
        raise CheckFailed("classes_not_shuffled", message)
    missing = len(labels) - len(np.unique(table))
    if missing:
        message = f"{missing} of {len(labels)} pictures are in none of {len(table)} batches"
        raise CheckFailed("pictures_left_out", f"{message}: draw the K anew each time")


pk_batches = Check(
    "pk_batches",
    _pk_cases,
    _pk_probe,
    _pk_judge,
    metric.pk_batches,
    (metric._pk_batches,),
)

# --- hard_triplets ------------------------------------------------------------------------------

LINE = [[0], [2], [5], [9]], [0, 0, 1, 1]  # four pictures, two classes, as in the text
PARTS = ("anchors", "positives", "negatives")


def _batch(
    rng: np.random.Generator, name: str, sizes: Sequence[int], dtype: type, *, unit: bool = False
) -> Case:
    """Draw classes that overlap, their rows shuffled; ``sizes``: pictures of each class."""
    which = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    middles = rng.normal(0, 1.5, (len(sizes), 3))
    features = middles[which] + 0.7 * rng.normal(size=(len(which), 3))
    if unit:
        features /= np.linalg.norm(features, axis=1, keepdims=True)
    values = rng.choice(np.arange(-20, 40), len(sizes), replace=False)  # labels are any numbers
    return {"name": name, "features": features.astype(dtype), "labels": values[which]}


def _on_a_line() -> Case:
    return {
        "name": "four pictures on a line",
        "features": np.array(LINE[0], np.float32),
        "labels": np.array(LINE[1]),
    }


def _triplet_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    f32, f64 = np.float32, np.float64
    if seed == VISIBLE:
        return [
            _batch(rng, "4 classes, 3 pictures each", [3] * 4, f32),
            _on_a_line(),
            _batch(rng, "a picture alone in its class", [3, 1, 4], f32),
            _batch(rng, "each picture alone in its class", [1] * 4, f32),
            _copies(_batch(rng, "a class of two equal pictures", [2, 3, 3], f32)),
        ]
    p, k = int(rng.integers(4, 7)), int(rng.integers(3, 6))
    equal = _batch(rng, "many are equally far", [4, 4, 4], f32)
    equal["features"] = rng.integers(0, 3, equal["features"].shape).astype(f32)
    return [
        _batch(rng, "unit vectors", [k] * p, f32, unit=True),
        _batch(rng, "classes of different sizes, float64", rng.integers(2, 7, p), f64),
        _batch(rng, "two pictures each", [2] * p, f32),
        _batch(rng, "two classes", [k, k + 2], f32),
        equal,
        _batch(rng, "pictures alone in their class", [1, *[k] * 3, 1], f32),
        _batch(rng, "each picture alone in its class", [1] * p, f64),
        _copies(_batch(rng, "a class of equal pictures", [k] * p, f32)),
    ]


def _copies(case: Case) -> Case:
    """Make all pictures of the smallest class equal."""
    values, sizes = np.unique(case["labels"], return_counts=True)
    own = np.flatnonzero(case["labels"] == values[sizes.argmin()])
    case["features"][own] = case["features"][own[0]]
    return case


def _triplet_probe(hard_triplets: Callable, case: Case) -> Answer:
    features, labels = torch.tensor(case["features"], requires_grad=True) * 1.0, case["labels"]
    given = torch.tensor(labels)
    result = hard_triplets(features, given)
    if not isinstance(result, (tuple, list)) or len(result) != 3:
        plain(result)
        raise CheckFailed("not_three", "return three things: anchors, positives, negatives")
    answer = {name: _rows(part, name) for name, part in zip(PARTS, result, strict=True)}
    return {**answer, "features": plain(features), "labels": plain(given)}


def _rows(part: object, name: str) -> np.ndarray:
    if isinstance(part, (list, tuple)) and len(part) == 0:
        return np.empty(0, np.int64)  # an empty list has no type
    return plain(part, f"the {name}")


def _triplet_judge(case: Case, answer: Answer) -> None:
    features, labels = case["features"].astype(float), case["labels"]
    _judge_unchanged(case, answer)
    a, p, n = (_take_rows(answer, name, features.shape) for name in PARTS)
    if not len(a) == len(p) == len(n):
        message = f"there are {len(a)} anchors, {len(p)} positives, {len(n)} negatives"
        raise CheckFailed("wrong_lengths", message)
    same = labels[:, None] == labels
    positive = same & ~np.eye(len(labels), dtype=bool)
    _judge_triplets(a, p, n, same, positive)
    wanted = positive.any(1) & ~same.all(1)
    if not wanted[a].all():
        message = "a picture that is alone in its class has no positive: leave it out as an anchor"
        raise CheckFailed("lonely_anchor", message)
    if len(set(a)) < len(a):
        message = "a picture is the anchor of several triplets: its hardest alone is asked for"
        raise CheckFailed("several_triplets", message)
    if len(a) < wanted.sum():
        message = f"{len(a)} of {wanted.sum()} anchors came: each picture with a positive is one"
        raise CheckFailed("anchors_missing", message)
    if len(a):
        _judge_hardness(features, same, positive, (a, p, n))


def _judge_unchanged(case: Case, answer: Answer) -> None:
    for name in ("features", "labels"):
        after = take(answer, name, case[name].shape, f"the {name} afterwards")
        if not np.allclose(after, case[name]):
            raise CheckFailed("input_changed", f"this changes the {name} in place: leave them")


def _take_rows(answer: Answer, name: str, shape: tuple[int, int]) -> np.ndarray:
    value = answer.get(name)
    if type(value) is not np.ndarray or value.dtype.kind not in "biuf":
        raise CheckFailed("malformed", f"the {name} are missing, or are no numbers")
    if value.ndim == 2 and value.shape[1] == shape[1]:
        message = f"the {name} are features: return the rows in which they stand"
        raise CheckFailed("features_returned", message)
    if value.ndim != 1:
        raise CheckFailed("wrong_shape", f"the {name} have shape {value.shape}; expected (T,)")
    if value.dtype.kind not in "iu":
        message = f"the {name} are {value.dtype}: rows are whole numbers, also where there are none"
        raise CheckFailed("not_rows", message)
    if len(value) and (value.min() < 0 or value.max() >= shape[0]):
        raise CheckFailed("not_rows", f"rows go from 0 to {shape[0] - 1}: others are among {name}")
    return value.astype(np.int64)


def _judge_triplets(a, p, n, same: np.ndarray, positive: np.ndarray) -> None:
    """Judge that positives and negatives are such, near or far, except of lonely anchors."""
    has_positive = positive[a].any(1)
    if (a == p)[has_positive].any():
        message = "an anchor is its own positive: a picture's distance to itself must not count"
        raise CheckFailed("own_positive", message)
    if not same[a, p][has_positive].all():
        message = "a positive is of another class: it must be of the anchor's own"
        raise CheckFailed("other_class_positive", message)
    if same[a, n].any():
        message = "a negative is of the anchor's own class (or the anchor itself)"
        raise CheckFailed("same_class_negative", message)


def _judge_hardness(features, same, positive, triplets) -> None:
    def hard(distances: np.ndarray) -> tuple[bool, bool, bool, bool]:
        """Say whether positives are the farthest, the nearest, and negatives so: nearest first."""
        a, p, n = triplets
        slack = 1e-3 * np.ptp(distances)
        own = np.where(positive, distances, np.nan)[a]
        others = np.where(same, np.nan, distances)[a]
        to_p, to_n = distances[a, p], distances[a, n]
        return (
            bool((to_p >= np.nanmax(own, 1) - slack).all()),
            bool((to_p <= np.nanmin(own, 1) + slack).all()),
            bool((to_n <= np.nanmin(others, 1) + slack).all()),
            bool((to_n >= np.nanmax(others, 1) - slack).all()),
        )

    far_positive, near_positive, near_negative, far_negative = hard(_distances(features))
    if far_positive and near_negative:
        return
    if near_positive and not far_positive:
        message = "the positive must be the farthest of the anchor's class, not the nearest"
        raise CheckFailed("nearest_positive", message)
    if far_negative and not near_negative:
        message = "the negative must be the nearest of the other classes, not the farthest"
        raise CheckFailed("farthest_negative", message)
    length = np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    manhattan = np.abs(features[:, None] - features).sum(2)
    for cause, distances, message in (
        ("normalised", _distances(features / length), "the features are normalised first: do not"),
        ("other_distance", manhattan, "the distance is the Euclidean one"),
        ("other_distance", -(features @ features.T), "the distance is Euclidean, not a product"),
    ):
        if np.ptp(distances) > 1e-6 and hard(distances)[0] and hard(distances)[2]:
            raise CheckFailed(cause, message)
    which = "negatives are not the nearest" if far_positive else "positives are not the farthest"
    raise CheckFailed("wrong_values", f"some {which}")


def _distances(features: np.ndarray) -> np.ndarray:
    """Return the Euclidean distance of each two rows, (N, N)."""
    return np.array([np.sqrt(((row - features) ** 2).sum(1)) for row in features])


hard_triplets = Check(
    "hard_triplets", _triplet_cases, _triplet_probe, _triplet_judge, metric.hard_triplets
)

# --- triplet_loss -------------------------------------------------------------------------------

NEAR_ZERO = 2e-3  # what an epsilon in a root may add to a distance of 0

Triplets = list[tuple[int, int, int]]


def _loss_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    f32, f64 = np.float32, np.float64
    if seed == VISIBLE:
        return [
            _with_margin(rng, "4 classes, 3 pictures each", [3] * 4, f32),
            {**_on_a_line(), "margin": 2.5},
            {**_one_point("all at one point", [3, 3], f32), "margin": 0.3},
            {**_batch(rng, "each picture alone in its class", [1] * 4, f32), "margin": 0.3},
        ]
    p, k = int(rng.integers(4, 7)), int(rng.integers(3, 6))
    margin = float(rng.uniform(0.1, 2))
    return [
        _with_margin(rng, "different sizes, float64", rng.integers(2, 7, p), f64),
        _with_margin(rng, "unit vectors", [k] * p, f32, unit=True),
        _with_margin(rng, "pictures alone in their class", [1, *[k] * 3, 1], f32),
        {**_one_point("all at one point", [2, k, 3], f64), "margin": margin},
        {**_batch(rng, "each picture alone in its class", [1] * p, f64), "margin": margin},
    ]


def _one_point(name: str, sizes: Sequence[int], dtype: type) -> Case:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return {"name": name, "features": np.ones((len(labels), 3), dtype), "labels": labels}


def _with_margin(
    rng: np.random.Generator, name: str, sizes: Sequence[int], dtype: type, *, unit: bool = False
) -> Case:
    """Draw a batch, and a margin that a few of its hard triplets keep and most do not."""
    while True:
        case = _batch(rng, name, sizes, dtype, unit=unit)
        features = case["features"].astype(float)
        values, _, to_n = _hinges(features, _mined(features, case["labels"]))
        values = np.sort(values)
        few = int(rng.integers(1, len(values) // 2))
        margin = -(values[few - 1] + values[few]) / 2
        apart = values[few] - values[few - 1] > 0.01  # no hinge near its kink
        apart = apart and _is_clear(features, case["labels"])
        if apart and margin > 0.05 + to_n.min():
            return {**case, "margin": round(float(margin), 4)}


def _is_clear(features: np.ndarray, labels: np.ndarray) -> bool:
    """Return whether rounding cannot change which triplets are the hardest."""
    distances, same = _distances(features), labels[:, None] == labels
    own = np.sort(np.where(same, distances, -np.inf), 1)[:, -2:]
    others = np.sort(np.where(same, np.inf, distances), 1)[:, :2]
    return bool(min((own[:, 1] - own[:, 0]).min(), (others[:, 1] - others[:, 0]).min()) > 3e-4)


def _mined(features: np.ndarray, labels: np.ndarray) -> Triplets:
    """Return the hard triplets, picture by picture."""
    distances, found = _distances(features), []
    for a, label in enumerate(labels):
        positives = [i for i, other in enumerate(labels) if other == label and i != a]
        negatives = [i for i, other in enumerate(labels) if other != label]
        if positives and negatives:
            p = max(positives, key=lambda i: distances[a, i])
            n = min(negatives, key=lambda i: distances[a, i])
            found.append((a, p, n))
    return found


def _hinges(
    features: np.ndarray, triplets: Triplets, margins=0.0, powers: tuple[int, int] = (1, 1)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return d(a, p) - d(a, n) + margin of each triplet, and both distances, to given powers."""
    if not triplets:
        return (np.zeros(0),) * 3
    a, p, n = np.array(triplets).T
    to_p = np.linalg.norm(features[a] - features[p], axis=1) ** powers[0]
    to_n = np.linalg.norm(features[a] - features[n], axis=1) ** powers[1]
    return to_p - to_n + margins, to_p, to_n


def _loss_gradients(features, triplets, active, power: int) -> dict[str, np.ndarray]:
    """Return the gradient of the mean hinge through anchors, positives and negatives."""
    gradients = {name: np.zeros_like(features) for name in PARTS}
    for (a, p, n), counts in zip(triplets, active, strict=True):
        if not counts:
            continue
        for other, sign, name in ((p, 1, "positives"), (n, -1, "negatives")):
            gap = features[a] - features[other]
            slope = sign * (2 * gap if power == 2 else gap / np.linalg.norm(gap)) / len(triplets)
            gradients["anchors"][a] += slope
            gradients[name][other] -= slope
    return gradients


def _loss_probe(loss: Callable, case: Case) -> Answer:
    """Run a loss of features, labels and a margin, or a table of margins."""
    leaf = torch.tensor(case["features"], requires_grad=True)
    features, labels = leaf * 1.0, torch.tensor(case["labels"])
    margin = case["margin"]
    if isinstance(margin, np.ndarray):
        margin = torch.tensor(margin)
    result = loss(features, labels, margin)
    answer = {"loss": plain_scalar(result, "the loss")}
    answer |= {"features": plain(features), "labels": plain(labels)}
    if not isinstance(result, Tensor) or not result.requires_grad:
        message = "no gradient can flow back through the loss: backward() must always work"
        raise CheckFailed("no_gradient", message)
    result.sum().backward()
    return {**answer, "gradient": plain(torch.zeros_like(leaf) if leaf.grad is None else leaf.grad)}


def _triplet_loss_judge(case: Case, answer: Answer) -> None:
    features, labels = case["features"].astype(float), case["labels"]
    _judge_unchanged(case, answer)
    triplets = _mined(features, labels)
    values, to_p, _ = _hinges(features, triplets, case["margin"])
    right = _mean(np.maximum(values, 0))
    _judge_loss_value(answer, right, bool(triplets), not to_p.any(), _wrong_triplet_losses(case))
    if not to_p.any():
        _judge_finite(answer, features.shape)
        return
    _judge_loss_gradient(answer, _loss_gradients(features, triplets, values > 0, 1))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else 0.0


def _judge_loss_value(answer, right: float, any_triplet: bool, at_zero: bool, wrong) -> None:
    loss = take(answer, "loss", (), "the loss", finite=False)
    if not any_triplet and not np.isfinite(loss):
        message = "without a triplet the loss must be 0, not NaN: mind the mean of nothing"
        raise CheckFailed("nan_when_none", message)
    loss = take(answer, "loss", (), "the loss")
    if at_zero and abs(loss - right) <= NEAR_ZERO:
        return
    compare(loss, np.asarray(right), "the loss", wrong)


def _judge_finite(answer: Answer, shape: tuple[int, ...]) -> None:
    gradient = take(answer, "gradient", shape, "the gradient", finite=False)
    if not np.isfinite(gradient).all() or np.abs(gradient).max() > 1e6:
        message = (
            "the gradient is NaN or huge where two pictures have one embedding: the square root "
            "has no finite slope at 0. torch.linalg.vector_norm and torch.cdist know"
        )
        raise CheckFailed("nan_gradient", message)


def _judge_loss_gradient(answer: Answer, parts: dict[str, np.ndarray]) -> None:
    """Compare the gradient with the sum of what comes through each part."""
    total = sum(parts.values())
    actual = take(answer, "gradient", total.shape, "the gradient", finite=False)
    if not np.isfinite(actual).all():
        _judge_finite(answer, total.shape)
    slack = 5e-3 * np.abs(total).max() + 1e-6

    def like(values: np.ndarray) -> bool:
        return bool(np.abs(actual - values).max() <= slack)

    if like(total):
        return
    if like(0 * total):
        raise CheckFailed("detached", "no gradient reaches the features: is something detached?")
    for name, part in parts.items():
        if like(total - part):
            message = f"no gradient comes through the {name}: are they detached?"
            raise CheckFailed("detached", message)
        if like(part):
            message = f"a gradient comes through the {name} alone: is the rest detached?"
            raise CheckFailed("detached", message)
    raise CheckFailed("wrong_gradient", f"the gradient is not right: {differ(actual, total)}")


def _wrong_triplet_losses(case: Case) -> Iterator[Wrong]:
    """Yield what typical mistakes give for the triplet loss."""
    features, labels, margin = case["features"].astype(float), case["labels"], case["margin"]
    triplets = _mined(features, labels)
    if not triplets:
        return
    values, to_p, to_n = _hinges(features, triplets, margin)
    yield from _wrong_means(values, margin)
    both = "the distances are squared: this loss takes them as they are"
    yield "squared", _mean(np.maximum(_hinges(features, triplets, margin, (2, 2))[0], 0)), both
    for powers in ((2, 1), (1, 2)):
        mixed = np.maximum(_hinges(features, triplets, margin, powers)[0], 0)
        yield "squared_mixed", _mean(mixed), "one distance is squared and the other is not"
    swapped = np.maximum(to_n - to_p + margin, 0)
    message = "positive and negative are swapped: d(a, p) - d(a, n) + margin"
    yield "swapped", _mean(swapped), message
    yield from _wrongly_mined(features, labels, margin, 1)
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features / np.maximum(length, 1e-12)
    values = _hinges(unit, _mined(unit, labels), margin)[0]
    yield "normalised", _mean(np.maximum(values, 0)), "the features are normalised first: do not"


def _wrong_means(values: np.ndarray, margin) -> Iterator[Wrong]:
    """Yield what mistakes give that begin with the right differences, (T,)."""
    hinges, active = np.maximum(values, 0), values > 0
    yield "sum_not_mean", hinges.sum(), "this is the sum over the triplets: take their mean"
    message = "triplets whose loss is 0 are left out: take the mean over all of them"
    yield "mean_over_active", _mean(values[active]), message
    message = "no triplet may go below 0: max(..., 0) is for each of them, before the mean"
    yield "no_clamp", _mean(values), message
    yield "no_clamp", max(_mean(values), 0.0), message
    yield "hardest_only", hinges.max(), "this is the largest term: take the mean over all"
    bare = np.maximum(values - margin, 0)
    yield "margin_missing", _mean(bare), "the margin is not used"
    yield "margin_outside", _mean(bare) + np.mean(margin), "the margin belongs inside max(..., 0)"
    if (values > 2 * margin).any():
        yield "margin_subtracted", _mean(np.maximum(values - 2 * margin, 0)), "add the margin"
    for smooth in (values, values - margin):
        yield "softplus", _mean(np.log1p(np.exp(smooth))), "max(..., 0) is meant, not softplus"


def _wrongly_mined(features, labels, margins, power: int) -> Iterator[Wrong]:
    """Yield what the loss is over other triplets; ``margins``: a number or (C, C)."""
    same, n = labels[:, None] == labels, len(labels)
    table = margins[labels][:, labels] if np.ndim(margins) else np.full((n, n), margins)
    distances = _distances(features) ** power
    every = np.maximum(distances[:, :, None] - distances[:, None] + table[:, None], 0)  # a, p, n
    is_triplet = (same & ~np.eye(n, dtype=bool))[:, :, None] & ~same[:, None]
    message = "these are all triplets of the batch: take each anchor's hardest"
    yield "all_triplets", _mean(every[is_triplet]), message
    anchors = is_triplet.any((1, 2))
    own = np.where(same & ~np.eye(n, dtype=bool), distances, np.nan)[anchors]
    others = np.where(same, np.nan, distances)[anchors]
    near, far = np.nanargmin(others, 1), np.nanargmax(others, 1)
    rows = np.flatnonzero(anchors)

    def loss(to_p: np.ndarray, negatives: np.ndarray) -> float:
        gaps = to_p - distances[rows, negatives] + table[rows, negatives]
        return _mean(np.maximum(gaps, 0))

    hardest = "the triplets are not the hardest: the farthest positive, the nearest negative"
    yield "own_positive", loss(np.zeros(len(rows)), near), "an anchor is its own positive"
    yield "not_hardest", loss(np.nanmin(own, 1), near), hardest
    yield "not_hardest", loss(np.nanmax(own, 1), far), hardest


triplet_loss = Check(
    "triplet_loss", _loss_cases, _loss_probe, _triplet_loss_judge, metric.triplet_loss
)

# --- cluster_triplets ---------------------------------------------------------------------------


def _cluster_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    f32, f64 = np.float32, np.float64
    if seed == VISIBLE:
        cases = [
            _batch(rng, "4 classes, 3 pictures each; labels of any values", [3] * 4, f32),
            _on_a_line(),
            _batch(rng, "classes of 2, 4, 3 and 3 pictures", [2, 4, 3, 3], f32),
        ]
    else:
        p, k = int(rng.integers(4, 7)), int(rng.integers(3, 6))
        cases = [
            _batch(rng, "different sizes, float64", rng.integers(2, 7, p), f64),
            _batch(rng, "unit vectors", [k] * p, f32, unit=True),
            _batch(rng, "two classes", [k, k + 2], f32),
            _batch(rng, "a picture alone in its class", [1, k, k, 2], f32),
        ]
    for case in cases:  # gradients that come back to anchors, positives and negatives
        case["after"] = rng.normal(size=(3, case["features"].shape[1]))
        case["after"] = case["after"].astype(case["features"].dtype)
    return cases


def _cluster_probe(cluster_triplets: Callable, case: Case) -> Answer:
    leaf = torch.tensor(case["features"], requires_grad=True)
    features, labels = leaf * 1.0, torch.tensor(case["labels"])
    with _any_labels(case["labels"]):
        result = cluster_triplets(features, labels)
    if not isinstance(result, (tuple, list)) or len(result) != 3:
        plain(result)
        raise CheckFailed("not_three", "return three things: anchors, positives, negatives")
    answer = {name: plain(part, f"the {name}") for name, part in zip(PARTS, result, strict=True)}
    answer |= {"features": plain(features), "labels": plain(labels)}
    total = 0.0
    for part, after in zip(result, torch.tensor(case["after"]), strict=True):
        if isinstance(part, Tensor) and part.shape[-1:] == after.shape and part.requires_grad:
            total = total + (part * after).sum()
    if isinstance(total, Tensor):
        total.backward()
    return {**answer, "gradient": plain(torch.zeros_like(leaf) if leaf.grad is None else leaf.grad)}


@contextlib.contextmanager
def _any_labels(labels: np.ndarray) -> Iterator[None]:
    """Explain the error of a function that takes labels of any values for positions."""
    try:
        yield
    except (IndexError, RuntimeError) as error:
        index = re.search(r"index (-?\d+) is out of", str(error))
        negative = "bincount only supports" in str(error) and labels.min() < 0
        if not negative and (index is None or int(index[1]) not in labels):
            raise
        message = (
            f"{str(error)[:100]}: labels may have any values, not only 0 to C - 1; "
            "labels.unique(return_inverse=True) turns them into positions"
        )
        raise CheckFailed("labels_as_positions", message) from None


def _clusters(features: np.ndarray, labels: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Return each class's rows, by its label, and its mean (P, D)."""
    rows = [np.flatnonzero(labels == value) for value in sorted(set(labels.tolist()))]
    return rows, np.array([sum(features[i] for i in own) / len(own) for own in rows])


def _cluster_judge(case: Case, answer: Answer) -> None:
    features, labels = case["features"].astype(float), case["labels"]
    _judge_unchanged(case, answer)
    rows, means = _clusters(features, labels)
    for name in PARTS:
        value = answer.get(name)
        if isinstance(value, np.ndarray) and value.shape == (len(means),):
            raise CheckFailed("rows_returned", f"the {name} are numbers: return features (P, D)")
        if isinstance(value, np.ndarray) and value.shape == features.shape != means.shape:
            message = f"the {name} are one a picture: a class has one triplet"
            raise CheckFailed("one_a_picture", message)
    anchors, positives, negatives = (
        take(answer, name, means.shape, f"the table of {name}") for name in PARTS
    )
    if not _near(anchors, means):
        _explain_anchors(anchors, features, labels, means)
    farthest = [_chosen(positives[c], features[own]) for c, own in enumerate(rows)]
    nearest = [_chosen(negatives[c], means) for c in range(len(means))]
    _judge_positives(positives, farthest, features, rows, means)
    _judge_negatives(negatives, nearest, features, rows, means)
    total = {name: np.zeros_like(features) for name in PARTS}
    after = dict(zip(PARTS, case["after"].astype(float), strict=True))
    for c, own in enumerate(rows):
        total["anchors"][own] += after["anchors"] / len(own)
        total["positives"][own[farthest[c]]] += after["positives"]
        other = rows[nearest[c]]
        total["negatives"][other] += after["negatives"] / len(other)
    _judge_loss_gradient(answer, total)


def _near(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.abs(one - other).max() <= 1e-4 * (1 + np.abs(other).max()))


def _chosen(vector: np.ndarray, among: np.ndarray) -> int | None:
    """Return which row of ``among`` a vector is, None if none."""
    gaps = np.abs(among - vector).max(1)
    return int(gaps.argmin()) if gaps.min() <= 1e-4 * (1 + np.abs(among).max()) else None


def _explain_anchors(anchors, features, labels, means) -> None:
    values = sorted(set(labels.tolist()))
    if all(_chosen(mean, anchors) is not None for mean in means):
        message = "the classes are not in the order of their labels (torch.unique sorts them)"
        raise CheckFailed("order", message)
    counts = np.array([(labels == value).sum() for value in values])[:, None]
    if len(labels) % len(values) == 0:
        groups = features[labels.argsort(kind="stable")].reshape(len(values), -1, means.shape[1])
        if _near(anchors, groups.mean(1)):
            message = "classes may differ in size: they cannot be cut into pieces of one length"
            raise CheckFailed("equal_sizes", message)
    for cause, wrong, message in (
        ("sum_not_mean", means * counts, "an anchor is the sum of its class: take the mean"),
        (
            "wrong_number",
            means * counts / (len(labels) / len(values)),
            "divide each class's sum by its own number of pictures",
        ),
        (
            "median",
            [np.median(features[labels == value], 0) for value in values],
            "an anchor is the mean of its class, not the median",
        ),
        (
            "normalised",
            means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12),
            "the means are normalised: leave them as they are",
        ),
    ):
        if _near(anchors, np.asarray(wrong)):
            raise CheckFailed(cause, message)
    if all(_chosen(anchor, features) is not None for anchor in anchors):
        message = "the anchors are pictures: the mean of each class is asked for"
        raise CheckFailed("picture_as_anchor", message)
    raise CheckFailed("wrong_values", "the anchors are not the means of the classes")


def _judge_positives(positives, farthest, features, rows, means) -> None:
    if _near(positives, means) and max(map(len, rows)) > 1:
        message = "the positives are the means: take each class's picture that is farthest from it"
        raise CheckFailed("mean_as_positive", message)
    if None in farthest:
        if all(_chosen(positive, features) is not None for positive in positives):
            message = "a positive is a picture of another class"
            raise CheckFailed("other_class_positive", message)
        raise CheckFailed("wrong_values", "the positives are no pictures of their class")
    gaps = [_distances_to(means[c], features[own]) for c, own in enumerate(rows)]
    slack = 1e-3 * max(gap.max() for gap in gaps)
    chosen = [gap[i] for gap, i in zip(gaps, farthest, strict=True)]
    if all(d >= gap.max() - slack for d, gap in zip(chosen, gaps, strict=True)):
        return
    if all(d <= gap.min() + slack for d, gap in zip(chosen, gaps, strict=True)):
        message = "the positive must be the picture farthest from the mean, not the nearest"
        raise CheckFailed("nearest_positive", message)
    raise CheckFailed("wrong_values", "some positives are not the farthest of their class")


def _judge_negatives(negatives, nearest, features, rows, means) -> None:
    if None in nearest:
        if all(_chosen(negative, features) is not None for negative in negatives):
            message = "the negatives are pictures: take the mean of another class"
            raise CheckFailed("picture_as_negative", message)
        raise CheckFailed("wrong_values", "the negatives are not means of classes")
    between = _distances(means)
    slack, classes = 1e-3 * between.max(), np.arange(len(means))
    if (np.array(nearest) == classes).any():
        message = "a class is its own negative: leave its mean out among the others"
        raise CheckFailed("own_mean", message)
    others = np.where(np.eye(len(means), dtype=bool), np.nan, between)
    chosen = between[classes, nearest]
    if (chosen <= np.nanmin(others, 1) + slack).all():
        return
    if (chosen >= np.nanmax(others, 1) - slack).all():
        message = "the negative must be the nearest other mean, not the farthest"
        raise CheckFailed("farthest_negative", message)
    raise CheckFailed("wrong_values", "some negatives are not the nearest other mean")


def _distances_to(point: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.sqrt(((rows - point) ** 2).sum(1))


cluster_triplets = Check(
    "cluster_triplets", _cluster_cases, _cluster_probe, _cluster_judge, metric.cluster_triplets
)

# --- cluster_loss -------------------------------------------------------------------------------


def _cluster_loss_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    f32, f64 = np.float32, np.float64
    if seed == VISIBLE:
        return [
            _with_cluster_margin(rng, "4 classes, 3 pictures each", [3] * 4, f32),
            {**_on_a_line(), "margin": 35.5},
            {**_one_point("all at one point", [3, 3], f32), "margin": 0.3},
        ]
    p, k = int(rng.integers(4, 7)), int(rng.integers(3, 6))
    return [
        _with_cluster_margin(rng, "different sizes, float64", rng.integers(3, 7, p), f64),
        _with_cluster_margin(rng, "unit vectors", [k] * p, f32, unit=True),
        _with_cluster_margin(rng, "a picture alone in its class", [1, k, k, k], f32),
        {**_one_point("all at one point", [2, k, 1], f64), "margin": float(rng.uniform(0.1, 2))},
    ]


def _with_cluster_margin(
    rng: np.random.Generator, name: str, sizes: Sequence[int], dtype: type, *, unit: bool = False
) -> Case:
    """Draw a batch, and a margin that some of its classes keep and others do not."""
    while True:
        case = _batch(rng, name, sizes, dtype, unit=unit)
        intra, inter, _ = _cluster_terms(case["features"].astype(float), case["labels"])
        values = np.sort(intra - inter)
        margin = -(values[0] + values[1]) / 2
        apart = values[1] - values[0] > 0.02  # no hinge near its kink
        apart = apart and _has_clear_clusters(case["features"].astype(float), case["labels"])
        if apart and margin > 0.05 + inter.min() and values[-1] > 0.05:
            return {**case, "margin": round(float(margin), 4)}


def _has_clear_clusters(features: np.ndarray, labels: np.ndarray) -> bool:
    """Return whether rounding cannot change which picture and which mean is meant."""
    rows, means = _clusters(features, labels)
    to_mean = [np.sort(_distances_to(means[c], features[own])) for c, own in enumerate(rows)]
    between = np.sort(_distances(means), 1)  # each begins with a 0
    gaps = [gap[-1] - gap[-2] for gap in to_mean if len(gap) > 1]
    return bool(min(*gaps, (between[:, 2] - between[:, 1]).min()) > 3e-4)


def _cluster_terms(features: np.ndarray, labels: np.ndarray):
    """Return d_intra and d_inter of each class, and (rows, farthest row, nearest class) of each."""
    rows, means = _clusters(features, labels)
    intra, inter, picks = [], [], []
    for c, own in enumerate(rows):
        gaps = ((features[own] - means[c]) ** 2).sum(1)
        others = [d for d in range(len(means)) if d != c]
        near = min(others, key=lambda d: ((means[c] - means[d]) ** 2).sum())
        intra.append(gaps.max())
        inter.append(((means[c] - means[near]) ** 2).sum())
        picks.append((own, own[gaps.argmax()], near))
    return np.array(intra), np.array(inter), picks


def _cluster_loss_judge(case: Case, answer: Answer) -> None:
    features, labels, margin = case["features"].astype(float), case["labels"], case["margin"]
    _judge_unchanged(case, answer)
    intra, inter, picks = _cluster_terms(features, labels)
    values = intra - inter + margin
    right = float(np.maximum(values, 0).sum())
    _judge_loss_value(answer, right, True, not intra.any(), _wrong_cluster_losses(case))
    smallest = min(len(own) for own, _, _ in picks)
    if not intra.any() or smallest == 2:  # two pictures are equally far from their mean
        _judge_finite(answer, features.shape)
        return
    means = [features[own].mean(0) for own, _, _ in picks]
    parts = {name: np.zeros_like(features) for name in PARTS}
    for c in np.flatnonzero(values > 0):
        own, far, near = picks[c]
        to_positive, to_negative = 2 * (means[c] - features[far]), 2 * (means[c] - means[near])
        parts["anchors"][own] += (to_positive - to_negative) / len(own)
        parts["positives"][far] -= to_positive
        parts["negatives"][picks[near][0]] += to_negative / len(picks[near][0])
    _judge_loss_gradient(answer, parts)


def _wrong_cluster_losses(case: Case) -> Iterator[Wrong]:
    """Yield what typical mistakes give for the cluster loss."""
    features, labels, margin = case["features"].astype(float), case["labels"], case["margin"]
    intra, inter, _ = _cluster_terms(features, labels)
    rows, means = _clusters(features, labels)
    between = ((means[:, None] - means) ** 2).sum(2)

    def loss(intra: np.ndarray, inter: np.ndarray) -> float:
        return float(np.maximum(intra - inter + margin, 0).sum())

    plain_distances = loss(np.sqrt(intra), np.sqrt(inter))
    yield "mean_not_sum", loss(intra, inter) / len(means), "this is the mean over the classes: sum"
    yield "not_squared", plain_distances, "square the distances"
    message = "square the distances, and sum over the classes: TripletMarginLoss does neither"
    yield "pipeline", plain_distances / len(means), message
    for one, other in ((intra, np.sqrt(inter)), (np.sqrt(intra), inter)):
        yield "squared_mixed", loss(one, other), "one distance is squared and the other is not"
    message = "no class may go below 0: max(..., 0) is for each of them, before the sum"
    yield "no_clamp", float((intra - inter + margin).sum()), message
    yield "no_clamp", max(float((intra - inter + margin).sum()), 0.0), message
    message = "a class is its own negative: leave its mean out among the others"
    yield "own_mean", loss(intra, 0 * inter), message
    swapped = "intra and inter are swapped: d_intra - d_inter + margin"
    yield "swapped", loss(inter, intra), swapped
    bare = np.maximum(intra - inter, 0).sum()
    yield "margin_missing", float(bare), "the margin is not used"
    yield "margin_outside", float(bare + margin), "the margin belongs inside max(..., 0)"
    to_mean = [((features[own] - means[c]) ** 2).sum(1) for c, own in enumerate(rows)]
    farthest = "d_intra is the largest distance of a picture to its mean, not the"
    yield "nearest_positive", loss(np.array([g.min() for g in to_mean]), inter), f"{farthest} least"
    yield "mean_intra", loss(np.array([g.mean() for g in to_mean]), inter), f"{farthest} mean"
    message = "d_inter is the distance to the nearest other mean, not the farthest"
    yield "farthest_negative", loss(intra, between.max(1)), message
    others = between.sum(1) / (len(means) - 1)
    yield "mean_inter", loss(intra, others), "d_inter is the least distance to another mean"
    to_pictures = ((means[:, None] - features) ** 2).sum(2)
    own = sorted(set(labels.tolist()))
    to_pictures[np.array(own)[:, None] == labels] = np.inf
    message = "d_inter is to the nearest other mean, not to the nearest picture"
    yield "picture_as_negative", loss(intra, to_pictures.min(1)), message


cluster_loss = Check(
    "cluster_loss", _cluster_loss_cases, _loss_probe, _cluster_loss_judge, metric.cluster_loss
)

# --- alphabets_of -------------------------------------------------------------------------------

ALPHABETS = (
    "Greek",
    "Japanese_(hiragana)",
    "Japanese_(katakana)",
    "Latin",
    "Old_Church_Slavonic_(Cyrillic)",
    "Syriac_(Estrangelo)",
    "Syriac_(Serto)",
)


def _names_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    if seed == VISIBLE:
        kinds = [("Omniglot's two Japanese alphabets", [0, 1, 2], 6)]
    else:
        kinds = [
            ("several alphabets", range(len(ALPHABETS)), int(rng.integers(12, 20))),
            ("two Syriac alphabets", [5, 6, 3], 8),
            ("one alphabet", [int(rng.integers(len(ALPHABETS)))], 3),
        ]
    cases = []
    for name, which, count in kinds:
        drawn = rng.permutation([*which, *rng.choice(which, count)])
        numbers = rng.choice(np.arange(1, 48), len(drawn), replace=False)
        classes = [f"{ALPHABETS[a]}_character{n:02}" for a, n in zip(drawn, numbers, strict=True)]
        cases.append({"name": name, "classes": classes})
    return cases


def _names_probe(alphabets_of: Callable, case: Case) -> Answer:
    classes = list(case["classes"])
    result = alphabets_of(classes)
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        if result is None:
            plain(result)
        raise CheckFailed("not_two", "return two things: the alphabets' names, and positions")
    names, positions = result
    if not isinstance(names, (tuple, list)) or not all(isinstance(name, str) for name in names):
        raise CheckFailed("no_names", "the first is a list or tuple of names, each once")
    if not isinstance(positions, Tensor):
        plain(positions)
        raise CheckFailed("wrong_type", "the positions are a tensor, not a list")
    return {"names": np.array([*names], str), "positions": plain(positions, "the positions")}


def _names_judge(case: Case, answer: Answer) -> None:
    classes = case["classes"]
    right = [name.rpartition("_")[0] for name in classes]
    names, count = answer.get("names"), len(classes)
    if type(names) is not np.ndarray or names.dtype.kind != "U" or names.ndim != 1:
        raise CheckFailed("malformed", "the alphabets' names are missing, or are no names")
    names = names.tolist()
    positions = take(answer, "positions", (count,), "the positions")
    if answer["positions"].dtype.kind not in "iu":
        raise CheckFailed(
            "wrong_dtype", f"positions are whole numbers, not {answer['positions'].dtype}"
        )
    if set(names) == {name.split("_")[0] for name in classes} != set(right):
        message = "two alphabets became one: the last underscore divides, not the first"
        raise CheckFailed("first_underscore", message)
    if set(names) == set(classes):
        raise CheckFailed("characters", "these are characters: their alphabets are asked for")
    if len(set(names)) < len(names):
        raise CheckFailed("names_repeated", "an alphabet's name comes several times")
    if set(names) != set(right):
        other = sorted(set(names) ^ set(right))[0]
        raise CheckFailed("wrong_names", f"the alphabets are not right, for example {other[:60]!r}")
    if positions.min() < 0 or positions.max() >= len(names):
        raise CheckFailed("wrong_positions", f"positions go from 0 to {len(names) - 1}")
    if [names[int(i)] for i in positions] != right:
        message = "a character's position does not lead to its alphabet's name"
        raise CheckFailed("wrong_positions", message)


alphabets_of = Check(
    "alphabets_of", _names_cases, _names_probe, _names_judge, characters.alphabets_of
)

# --- class_tree ---------------------------------------------------------------------------------


def _tree_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    if seed == VISIBLE:
        kinds = [
            ("4 characters of 2 alphabets", np.array([0, 0, 1, 1])),
            ("not side by side", np.array([2, 0, 2, 1, 0, 2])),
        ]
    else:
        sizes = rng.integers(1, 6, int(rng.integers(3, 7)))
        kinds = [
            ("alphabets of different sizes", np.repeat(np.arange(len(sizes)), sizes)),
            ("not side by side", rng.permutation(np.repeat([2, 0, 1], rng.integers(2, 5, 3)))),
            ("one alphabet", np.zeros(int(rng.integers(3, 6)), np.int64)),
            ("an alphabet for each", rng.permutation(int(rng.integers(3, 6)))),
        ]
    return [{"name": name, "alphabets": alphabets} for name, alphabets in kinds]


def _tree_probe(class_tree: Callable, case: Case) -> Answer:
    return {"levels": _plain_tensor(class_tree(torch.tensor(case["alphabets"])))}


def _plain_tensor(value: object, what: str = "the result") -> np.ndarray:
    """Return a copy of a tensor as ``plain`` does; what goes on with it needs a tensor."""
    array = plain(value, what)
    if not isinstance(value, Tensor):
        raise CheckFailed("wrong_type", f"{what} is a {type(value).__name__}, not a tensor")
    return array


def _tree_judge(case: Case, answer: Answer) -> None:
    alphabets = case["alphabets"].tolist()
    count = len(alphabets)
    levels = take(answer, "levels", (count, count), "the table of levels")
    right = np.array(
        [
            [0 if i == j else 1 if alphabets[i] == alphabets[j] else 2 for j in range(count)]
            for i in range(count)
        ]
    )
    if np.array_equal(levels, right):
        if answer["levels"].dtype.kind not in "iu":
            message = "levels are whole numbers (they will be positions)"
            raise CheckFailed("wrong_dtype", message)
        return
    off = ~np.eye(count, dtype=bool)
    same = off & (right == 1)
    if np.array_equal(levels[off], right[off]):
        message = "a character and itself are at level 0: mind the diagonal"
        raise CheckFailed("diagonal", message)
    if levels.any() and (levels[same] == 0).all() and len(set(levels[right == 2])) == 1:
        message = "0 is for a character and itself alone: two of one alphabet are at level 1"
        raise CheckFailed("two_levels", message)
    if (levels[same] == 2).all() and (levels[right == 2] == 1).all():
        message = "the levels are upside down: two of one alphabet meet lower, at level 1"
        raise CheckFailed("upside_down", message)
    if np.array_equal(levels, right + 1):
        raise CheckFailed("from_one", "levels begin at 0, where the characters themselves are")
    if np.array_equal(levels, right == 1) or np.array_equal(levels, right <= 1):
        message = "this says whether two are of one alphabet: return the level, 0, 1 or 2"
        raise CheckFailed("mask", message)
    wrong = int((levels != right).sum())
    raise CheckFailed("wrong_values", f"{wrong} of {right.size} levels are not right")


class_tree = Check("class_tree", _tree_cases, _tree_probe, _tree_judge, metric.class_tree)

# --- htl_margin ---------------------------------------------------------------------------------

HIGHEST = 4.0  # squared distance of opposite unit vectors
DEGREES = [0, 10, 30, 40, 120, 130, 150, 160]  # two pictures of each of four characters


def _on_the_circle(dtype: type) -> Case:
    radians = np.deg2rad(DEGREES)
    return {
        "name": "four characters on a circle",
        "features": np.stack([np.cos(radians), np.sin(radians)], 1).astype(dtype),
        "labels": np.repeat(np.arange(4), 2),
        "levels": np.array([[0, 1, 2, 2], [1, 0, 2, 2], [2, 2, 0, 1], [2, 2, 1, 0]]),
        "height": 2,
        "beta": 0.1,
    }


def _margin_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    f32, f64 = np.float32, np.float64
    if seed == VISIBLE:
        return [
            _margin_case(rng, "three alphabets of two", [4] * 6, 2, 0.1, f32),
            _on_the_circle(f32),
            _margin_case(rng, "height 3, different sizes", [2, 4, 6, 3, 5, 2], 3, 0.1, f32),
            {**_on_the_circle(f32), "name": "features with a gradient", "gradient": True},
        ]
    p = int(rng.integers(4, 8))
    beta = float(rng.uniform(0.15, 0.6))
    return [
        _margin_case(rng, "beta is another", [5] * p, 2, beta, f32),
        _margin_case(rng, "different sizes, float64", rng.integers(2, 8, p), 2, 0.1, f64),
        _margin_case(
            rng, "a higher tree", rng.integers(3, 6, p), int(rng.integers(3, 6)), 0.1, f32
        ),
        {**_on_the_circle(f64), "name": "features with a gradient", "gradient": True},
    ]


def _margin_case(rng, name: str, sizes: Sequence[int], height: int, beta: float, dtype) -> Case:
    """Draw classes of unit vectors, some narrow and some wide, and levels of a tree."""
    classes = len(sizes)
    which = rng.permutation(np.repeat(np.arange(classes), sizes))
    middles = rng.normal(size=(classes, 4))
    widths = rng.permutation(np.linspace(0.1, 1, classes))
    features = middles[which] + widths[which, None] * rng.normal(size=(len(which), 4))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    # Level by level fewer nodes; two classes meet where they are in one for the first time.
    nodes = [np.arange(classes)]
    for level in range(1, height + 1):
        left = max(1, classes * (height - level) // height)
        nodes.append(nodes[-1] % left if level < height else np.zeros(classes, int))
    levels = np.array(
        [
            [
                next(level for level, node in enumerate(nodes) if node[i] == node[j])
                for j in range(classes)
            ]
            for i in range(classes)
        ]
    )
    return {
        "name": name,
        "features": features.astype(dtype),
        "labels": which,
        "levels": levels,
        "height": height,
        "beta": beta,
    }


def _margin_probe(htl_margin: Callable, case: Case) -> Answer:
    features, labels, levels = (
        torch.tensor(case[name]) for name in ("features", "labels", "levels")
    )
    features.requires_grad_(case.get("gradient", False))
    result = htl_margin(features, labels, levels, case["height"], case["beta"])
    margins = _plain_tensor(result)
    if result.requires_grad:
        message = "no gradient may flow through the margins: detach() the features, or no_grad()"
        raise CheckFailed("gradient_flows", message)
    after = {"features": plain(features), "labels": plain(labels), "levels": plain(levels)}
    return {"margins": margins, **after}


def _within(features: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """Return of each class its squared distances between different pictures, each pair twice."""
    found = []
    for value in range(labels.max() + 1):
        own = np.flatnonzero(labels == value)
        pairs = [((features[i] - features[j]) ** 2).sum() for i in own for j in own if i != j]
        found.append(np.array(pairs))
    return found


def _margins(levels, height, beta, spread: np.ndarray, d0: float, highest=HIGHEST) -> np.ndarray:
    return beta + levels * (highest - d0) / height + d0 - spread[:, None]


def _margin_judge(case: Case, answer: Answer) -> None:
    features, labels, levels = case["features"].astype(float), case["labels"], case["levels"]
    _judge_unchanged(case, answer)
    after = take(answer, "levels", levels.shape, "the levels afterwards")
    if not np.array_equal(after, levels):
        raise CheckFailed("input_changed", "this changes the levels in place: leave them")
    actual = take(answer, "margins", levels.shape, "the table of margins", finite=False)
    off = ~np.eye(len(levels), dtype=bool)  # the diagonal has no use
    if not np.isfinite(actual[off]).all():
        raise CheckFailed("not_finite", "the margins are not finite: NaN or infinity came out")
    within = _within(features, labels)
    spread = np.array([pairs.mean() for pairs in within])
    right = _margins(levels, case["height"], case["beta"], spread, spread.mean())
    wrong = [
        (cause, values[off], message) for cause, values, message in _wrong_margins(case, within)
    ]
    compare(actual[off], right[off], "the table of margins", wrong)


def _wrong_margins(case: Case, within: list[np.ndarray]) -> Iterator[Wrong]:
    """Yield what typical mistakes give for the margins."""
    levels, height, beta = case["levels"], case["height"], case["beta"]
    s = np.array([pairs.mean() for pairs in within])
    counts = np.bincount(case["labels"])
    right = _margins(levels, height, beta, s, s.mean())

    def with_spread(s: np.ndarray) -> np.ndarray:
        return _margins(levels, height, beta, s, s.mean())

    message = "pictures are compared with themselves: n (n - 1) pairs of different ones, not n^2"
    yield "n_squared", with_spread(s * (counts - 1) / counts), message
    yield "n_squared", _margins(levels, height, beta, s * (counts - 1) / counts, s.mean()), message
    yield (
        "n_squared",
        _margins(levels, height, beta, s, (s * (counts - 1) / counts).mean()),
        message,
    )
    message = "s is that of the anchor's class, the first axis: not of the negative's"
    yield "negatives_spread", right + s[:, None] - s, message
    upside_down = np.where(levels > 0, height + 1 - levels, 0)
    message = "the margin is larger inside an alphabet than outside: look the level up as it is"
    yield "upside_down", _margins(upside_down, height, beta, s, s.mean()), message
    roots = np.array([np.sqrt(pairs).mean() for pairs in within])
    message = "the distances are not squared: d_0, s and the 4 are of squared distances"
    yield "not_squared", with_spread(roots), message
    yield "not_squared", with_spread(np.sqrt(s)), message
    message = "the highest threshold is 4, the largest squared distance of unit vectors, not 2"
    for spread in (s, roots):
        yield "highest_2", _margins(levels, height, beta, spread, spread.mean(), 2.0), message
    yield "beta_missing", right - beta, "beta is not added"
    yield "beta_subtracted", right - 2 * beta, "beta is to be added"
    yield "beta_fixed", right - beta + 0.1, "beta is not always 0.1: use what is given"
    yield "spread_missing", right + s[:, None], "subtract s, the anchor's class's own spread"
    yield "spread_added", right + 2 * s[:, None], "subtract s, do not add it"
    message = "subtract the spread of the anchor's class: this is d_0, the mean of all"
    yield "mean_spread", right + s[:, None] - s.mean(), message
    message = "+ d_0 is missing: d_l = l (4 - d_0) / L + d_0"
    yield "d0_missing", right - s.mean(), message
    no_d0 = _margins(levels, height, beta, s, 0.0)
    yield "d0_missing", no_d0, "d_0 is missing: d_l = l (4 - d_0) / L + d_0"
    yield "d0_not_subtracted", no_d0 + s.mean(), "the 4 less d_0: d_l = l (4 - d_0) / L + d_0"
    pooled = np.concatenate(within).mean()
    message = "d_0 is the mean over the classes of s, each counted once"
    yield "pooled", _margins(levels, height, beta, s, pooled), message
    by_picture = np.average(s, weights=counts)
    yield "pooled", _margins(levels, height, beta, s, by_picture), message
    yield "height_ignored", _margins(levels, 2, beta, s, s.mean()), "divide by L, the height"
    message = "L is the height, the levels above the classes: not height + 1, the classes' own too"
    yield "height_and_one", _margins(levels, height + 1, beta, s, s.mean()), message
    message = "the level is off by one: at level 0 the threshold is d_0, at the highest 4"
    for shift in (-1, 1):
        yield "wrong_level", _margins(levels + shift, height, beta, s, s.mean()), message
    half = "each pair of pictures counts once in the sum, so divide by n (n - 1) / 2"
    yield "half", with_spread(s / 2), half
    yield "half", with_spread(s * 2), half


htl_margin = Check(
    "htl_margin",
    _margin_cases,
    _margin_probe,
    _margin_judge,
    metric.htl_margin,
    (metric.class_distances, metric.level_thresholds),
)

# --- htl_loss -----------------------------------------------------------------------------------


def _htl_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    f32, f64 = np.float32, np.float64
    if seed == VISIBLE:
        return [
            _htl_case(rng, "4 of 6 characters", [3] * 4, 6, f32),
            _htl_case(rng, "each picture alone in its class", [1] * 3, 4, f32),
            {**_one_point("all at one point", [3, 3], f32), "margin": np.full((2, 2), 0.5, f32)},
        ]
    p, k = int(rng.integers(4, 7)), int(rng.integers(3, 6))
    return [
        _htl_case(rng, "unit vectors", [k] * p, p + 3, f32, unit=True),
        _htl_case(rng, "different sizes, float64", rng.integers(2, 6, p), p + 1, f64),
        _htl_case(rng, "every character", [k] * p, p, f32),
        _htl_case(rng, "a picture alone in its class", [1, k, k, k], 9, f32),
        _htl_case(rng, "each picture alone in its class", [1] * p, p + 1, f64),
        {**_one_point("all at one point", [3, k], f64), "margin": rng.uniform(0.5, 3, (2, 2))},
    ]


def _htl_case(rng, name: str, sizes: Sequence[int], classes: int, dtype, *, unit=False) -> Case:
    """Draw a batch of some classes, and a table of margins of all of which a few are kept."""
    values = rng.permutation(classes)[: len(sizes)]
    while True:
        case = _batch(rng, name, sizes, dtype, unit=unit)
        features = case["features"].astype(float)
        names = sorted(set(case["labels"].tolist()))
        labels = np.array([values[names.index(label)] for label in case["labels"]])
        triplets = _mined(features, labels)
        bare = _hinges(features, triplets, 0.0, (2, 2))[0]
        scale = np.abs(bare).max() if triplets else 1.0
        margins = rng.uniform(0.1, 1, (classes, classes)) * scale
        hinges = bare + _of_triplets(margins, labels, triplets)
        active = hinges > 0
        clear = not triplets or np.abs(hinges).min() > 0.01 * min(1, scale)
        clear = clear and (not triplets or _is_clear(features, labels))
        if clear and (not triplets or (active.any() and not active.all())):
            return {**case, "labels": labels, "margin": margins.astype(dtype)}


def _of_triplets(margins: np.ndarray, labels: np.ndarray, triplets: Triplets) -> np.ndarray:
    return np.array([margins[labels[a], labels[n]] for a, _, n in triplets])


def _htl_judge(case: Case, answer: Answer) -> None:
    features, labels = case["features"].astype(float), case["labels"]
    _judge_unchanged(case, answer)
    triplets = _mined(features, labels)
    margins = _of_triplets(case["margin"].astype(float), labels, triplets)
    values, to_p, _ = _hinges(features, triplets, margins, (2, 2))
    right = _mean(np.maximum(values, 0))
    at_zero = not to_p.any()
    if at_zero and triplets:  # two classes at one point: which is the negative is clear
        _judge_loss_value(answer, right, True, True, [])
        _judge_finite(answer, features.shape)
        return
    _judge_loss_value(answer, right, bool(triplets), False, _wrong_htl_losses(case))
    _judge_loss_gradient(answer, _loss_gradients(features, triplets, values > 0, 2))


def _wrong_htl_losses(case: Case) -> Iterator[Wrong]:
    """Yield what typical mistakes give for the hierarchical triplet loss."""
    features, labels = case["features"].astype(float), case["labels"]
    table, triplets = case["margin"].astype(float), _mined(features, labels)
    if not triplets:
        return
    margins = _of_triplets(table, labels, triplets)

    def loss(margins, powers=(2, 2)) -> float:
        return _mean(np.maximum(_hinges(features, triplets, margins, powers)[0], 0))

    message = "the margins are those of squared distances: square the distances, too"
    yield "not_squared", loss(margins, (1, 1)), message
    for powers in ((2, 1), (1, 2)):
        yield "squared_mixed", loss(margins, powers), "one distance is squared, the other is not"
    message = "anchor and negative are swapped in the table: margins[y_a, y_n]"
    yield "transposed", loss(_of_triplets(table.T, labels, triplets)), message
    a, p, n = np.array(triplets).T
    message = "this is the margin at the positive's class: look up margins[y_a, y_n]"
    yield "positives_margin", loss(table[labels[a], labels[p]]), message
    values = _hinges(features, triplets, margins, (2, 2))[0]
    bare = values - margins
    yield (
        "all_pairs",
        _mean(np.maximum(bare[:, None] + table[labels[a]][:, labels[n]], 0)),
        ("every anchor's class meets every negative's: margins[y_a, y_n] pairs the two"),
    )
    for constant in (table.mean(), margins.mean(), table.max()):
        yield "one_margin", loss(constant), "the margin is one for all triplets: it is by class"
    yield from _wrong_means(values, margins)
    message = "this is half of the mean, as in the paper: here the mean itself is asked for"
    yield "half", loss(margins) / 2, message
    message = "positive and negative are swapped: d(a, p)^2 - d(a, n)^2 + margin"
    yield "swapped", _mean(np.maximum(margins - bare, 0)), message
    values, which = np.unique(labels, return_inverse=True)
    message = "the batch has some of the classes: the labels, not their ranks, are the positions"
    yield "ranks", loss(_of_triplets(table, which, triplets)), message
    yield from _wrongly_mined(features, labels, table, 2)


htl_loss = Check("htl_loss", _htl_cases, _loss_probe, _htl_judge, metric.htl_loss)

# --- merged_tree --------------------------------------------------------------------------------


def _merged_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    if seed == VISIBLE:
        chain = np.array([[0.1, 1, 3], [1, 0.1, 1], [3, 1, 0.1]], np.float32)
        return [
            {
                "name": "a chain of three",
                "distances": chain,
                "thresholds": np.array([0.1, 2, 4], np.float32),
            },
            _merged_case(rng, "8 classes, 4 levels", 8, 4, np.float32),
        ]
    c = int(rng.integers(7, 12))
    order = rng.permutation(7)
    chain = 0.1 * (order[:, None] - order) ** 2.0 + 0.02 * np.eye(7)
    return [
        {"name": "a long chain", "distances": chain, "thresholds": np.array([0.03, 0.2, 4])},
        _merged_case(rng, "4 levels", c, 4, np.float32),
        _merged_case(rng, "6 levels, float64", c, 6, np.float64),
        _merged_case(rng, "2 levels", c, 2, np.float32),
        _merged_case(rng, "1 level", 4, 1, np.float32),
    ]


def _merged_case(rng: np.random.Generator, name: str, classes: int, height: int, dtype) -> Case:
    """Draw until some classes are joined by a chain alone, and at every level there is a pair."""
    while True:
        places = rng.permutation(rng.normal(0, 1.5, (classes, 2)))
        distances = ((places[:, None] - places) ** 2).sum(2)
        distances *= 3.9 / distances.max()
        spread = rng.uniform(0.02, 0.3, classes)  # within the classes
        np.fill_diagonal(distances, spread)
        thresholds = np.linspace(spread.mean(), 4, height + 1)
        case = {"name": name, "distances": distances, "thresholds": thresholds}
        near = np.abs(distances[..., None] - thresholds).min()
        levels = _merged_levels(distances, thresholds)
        direct = _direct_levels(distances, thresholds)
        if near < 1e-3 or (height > 1 and (levels == direct).all()):
            continue
        if height <= 2 or len(set(levels.flatten().tolist())) >= 3:
            arrays = {"distances": distances.astype(dtype), "thresholds": thresholds.astype(dtype)}
            return {**case, **arrays}


def _merged_levels(distances: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Return the levels by nodes that take each other in, level by level."""
    classes, top = len(distances), len(thresholds) - 1
    levels = np.full((classes, classes), top)
    for level in reversed(range(top)):
        node = list(range(classes))
        for i in range(classes):
            for j in range(classes):
                if i != j and distances[i, j] < thresholds[level] and node[i] != node[j]:
                    old, new = node[j], node[i]
                    node = [new if one == old else one for one in node]
        levels[np.equal.outer(node, node)] = level
    np.fill_diagonal(levels, 0)
    return levels


def _direct_levels(distances: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Return the levels without chains."""
    levels = (distances[..., None] >= thresholds[:-1]).sum(2)
    np.fill_diagonal(levels, 0)
    return levels


def _merged_probe(merged_tree: Callable, case: Case) -> Answer:
    distances, thresholds = torch.tensor(case["distances"]), torch.tensor(case["thresholds"])
    levels = _plain_tensor(merged_tree(distances, thresholds))
    return {"levels": levels, "distances": plain(distances), "thresholds": plain(thresholds)}


def _merged_judge(case: Case, answer: Answer) -> None:
    for name in ("distances", "thresholds"):
        after = take(answer, name, case[name].shape, f"the {name} afterwards")
        if not np.allclose(after, case[name]):
            raise CheckFailed("input_changed", f"this changes the {name} in place: copy them")
    distances, thresholds = case["distances"].astype(float), case["thresholds"].astype(float)
    levels = take(answer, "levels", distances.shape, "the table of levels")
    right, direct = _merged_levels(distances, thresholds), _direct_levels(distances, thresholds)
    top = len(thresholds) - 1
    if np.array_equal(levels, right):
        if answer["levels"].dtype.kind not in "iu":
            message = "levels are whole numbers (they will be positions)"
            raise CheckFailed("wrong_dtype", message)
        return
    off = ~np.eye(len(levels), dtype=bool)
    if np.array_equal(levels[off], right[off]):
        raise CheckFailed("diagonal", "a class and itself are at level 0: mind the diagonal")
    own = np.where(off, 0, (distances[..., None] >= thresholds[:-1]).sum(2))
    for cause, wrong, message in (
        ("no_chains", direct, "classes that a chain of near ones joins are in one node, too"),
        ("no_chains", direct + own, "classes that a chain of near ones joins are in one node, too"),
        ("upside_down", top - right, "the levels are upside down: the nearest meet at the lowest"),
        ("from_one", right + 1, "levels begin at 0"),
    ):
        if np.array_equal(levels[off], wrong[off]):
            raise CheckFailed(cause, message)
    if (levels != levels.T).any():
        raise CheckFailed("not_symmetric", "two classes have one level, whichever comes first")
    wrong = int((levels != right).sum())
    raise CheckFailed("wrong_values", f"{wrong} of {right.size} levels are not right")


merged_tree = Check("merged_tree", _merged_cases, _merged_probe, _merged_judge, metric.merged_tree)

# --- query_gallery_split ------------------------------------------------------------------------


def _split_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    if seed == VISIBLE:
        kinds = [
            ("20 pictures each, a share of 0.2", [20] * 5, 0.2),
            ("a share rounded up", [7, 9, 12, 6], 0.3),
            ("a picture alone in its class", [1, 8, 8, 1], 0.25),
            ("25 pictures each, a share of 0.28", [25] * 3, 0.28),
        ]
    else:
        sizes = rng.integers(5, 14, 6)
        kinds = [
            ("a share rounded up", sizes, _share(rng, sizes)),
            ("20 pictures each, a share of 0.2", [20] * int(rng.integers(3, 7)), 0.2),
            ("a share of a half", [8, 6, 9, 4, 11], 0.5),
            ("pictures alone and in pairs", [1, 2, *sizes, 1, 2], _share(rng, sizes)),
            ("100 and 25 pictures, a share of 0.28", [100, 25, 25], 0.28),
            ("100 pictures each, a share of 0.07", [100] * 2, 0.07),
        ]
    cases = []
    for name, sizes, share in kinds:
        values = rng.choice(np.arange(-30, 70), len(sizes), replace=False)
        labels = rng.permutation(np.repeat(values, sizes))
        seeds = rng.choice(10_000, 2, replace=False)
        cases.append({"name": name, "labels": labels, "share": share, "seeds": seeds})
    return cases


def _share(rng: np.random.Generator, sizes: np.ndarray) -> float:
    """Draw a share of which no class's part is near a whole number; those have their own cases."""
    while True:
        share = round(float(rng.uniform(0.15, 0.45)), 3)
        parts = share * np.asarray(sizes)
        if np.abs(parts - parts.round()).min() > 0.05:
            return share


def _split_probe(query_gallery_split: Callable, case: Case) -> Answer:
    seed, other = case["seeds"].tolist()
    states = np.random.get_state(), random.getstate()  # noqa: NPY002
    answer, alone = {}, True
    try:
        for number, (name, one) in enumerate(
            (("queries", seed), ("again", seed), ("other", other))
        ):
            for set_seed in (torch.manual_seed, np.random.seed, random.seed):
                set_seed(number)
            labels, before = torch.tensor(case["labels"]), _global_states()
            with _any_labels(case["labels"]):
                result = query_gallery_split(labels, case["share"], one)
            alone = alone and _global_states() == before
            if isinstance(result, (tuple, list)):
                message = "return one mask, True for a query: the gallery is what is left (~)"
                raise CheckFailed("not_a_mask", message)
            answer[name] = _plain_tensor(result)
    finally:
        np.random.set_state(states[0])  # noqa: NPY002
        random.setstate(states[1])
    return {**answer, "labels": plain(labels), "globals_left_alone": np.array(alone)}


def _global_states() -> tuple:
    """Return the states of the global random generators, to be compared."""
    numpy_state = np.random.get_state()  # noqa: NPY002
    torch_state = torch.get_rng_state().numpy().tobytes()
    return torch_state, numpy_state[1].tobytes(), numpy_state[2], random.getstate()


def _split_judge(case: Case, answer: Answer) -> None:
    labels, share = case["labels"], case["share"]
    if not np.array_equal(take(answer, "labels", labels.shape, "the labels afterwards"), labels):
        raise CheckFailed("input_changed", "this changes the labels that it is given")
    value = answer.get("queries")
    if isinstance(value, np.ndarray) and value.dtype.kind in "iu" and value.ndim == 1:
        message = "return a mask (N,) of True and False, not rows and not 0 and 1"
        raise CheckFailed("not_a_mask", message)
    masks = {}
    for name in ("queries", "again", "other"):
        masks[name] = take(answer, name, labels.shape, "the mask") > 0
        if answer[name].dtype != np.bool_:
            raise CheckFailed("not_a_mask", f"a mask is bool, not {answer[name].dtype}")
    for name in ("queries", "other"):
        _judge_shares(masks[name], labels, share)
    if not np.array_equal(masks["queries"], masks["again"]):
        message = (
            "the same seed gives another choice the second time: draw from a generator of your own "
            "with that seed, torch.Generator().manual_seed(seed)"
        )
        raise CheckFailed("not_reproducible", message)
    if np.array_equal(masks["queries"], masks["other"]):
        message = "another seed gives the same queries: nothing is random, or seed is not used"
        raise CheckFailed("seed_ignored", message)
    if not take_flag(answer, "globals_left_alone"):
        message = (
            "this seeds or uses the global generator, which changes everybody's random numbers: "
            "take one of your own, torch.Generator().manual_seed(seed)"
        )
        raise CheckFailed("global_generator", message)


def _judge_shares(queries: np.ndarray, labels: np.ndarray, share: float) -> None:
    values, sizes = np.unique(labels, return_counts=True)
    counts = np.array([int(queries[labels == value].sum()) for value in values])
    # 0.28 * 25 is 7.000000000000001 to a computer, and means 7.
    wanted = np.minimum(np.ceil(share * sizes - 1e-6).astype(int), sizes - 1)
    if np.array_equal(counts, wanted):
        return
    if np.array_equal(sizes - counts, wanted):
        message = "queries and gallery are swapped: the share, the smaller part, is of queries"
        raise CheckFailed("swapped", message)
    inside = (values >= 0) & (values < len(values))
    right = counts == wanted
    if right[inside].all() and not counts[~inside].any() and wanted[~inside].any():
        message = "labels may have any values, not only 0 to C - 1: labels.unique() gives them"
        raise CheckFailed("labels_from_zero", message)
    if np.array_equal(counts, np.minimum(np.ceil(share * sizes), sizes - 1)):
        i = int((~right).argmax())
        message = (
            f"to a computer {share} * {sizes[i]} is {float(share * sizes[i])!r}, and rounded up "
            f"{counts[i]}: subtract a tiny number first"
        )
        raise CheckFailed("no_tolerance", message)
    alone = sizes == 1
    rounded_up = np.ceil(share * sizes - 1e-6)
    for cause, other, message in (
        ("no_gallery", rounded_up, "at least one picture of each class must stay in the gallery"),
        ("rounded_down", np.floor(share * sizes), "round the number of queries up, not down"),
        ("rounded", np.round(share * sizes), "round the number of queries up, not to the nearest"),
        ("rounded_down", np.maximum(1, np.floor(share * sizes)), "round up, not down"),
    ):
        if np.array_equal(counts, other) or np.array_equal(counts, np.where(alone, 0, other)):
            raise CheckFailed(cause, message)
    if counts.sum() in (wanted.sum(), np.ceil(share * len(labels)), int(share * len(labels))):
        message = "the share is of all pictures together: it must be of each class"
        raise CheckFailed("not_by_class", message)
    i = int((counts != wanted).argmax())
    message = f"of a class of {sizes[i]} pictures {counts[i]} are queries; expected {wanted[i]}"
    raise CheckFailed("wrong_number", message)


query_gallery_split = Check(
    "query_gallery_split", _split_cases, _split_probe, _split_judge, metric.query_gallery_split
)

# --- cmc ----------------------------------------------------------------------------------------


def _cmc_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    f32, f64 = np.float32, np.float64
    if seed == VISIBLE:
        return [
            _cmc_case(rng, "5 classes", 5, 12, 20, [1, 3, 5], f32),
            {
                # Each query's own picture is its third, its second and its third nearest.
                "name": "three queries on a line",
                "query": np.array([[3.0], [0.4], [0.0]], f32),
                "query_labels": np.arange(3),
                "gallery": np.array([[0.0], [1.0], [3.0]], f32),
                "gallery_labels": np.arange(3),
                "topk": [1, 2, 3],
            },
            _cmc_case(
                rng, "a class without a picture in the gallery", 5, 12, 20, [1, 3], f32, True
            ),
            _cmc_case(rng, "k is larger than the gallery", 4, 8, 6, [1, 2, 10], f32),
            _on_a_grid(rng, "right and wrong ones equally near", 4, 12, f32),
            _cmc_at_one_point(f32),
        ]
    classes = int(rng.integers(5, 9))
    q, g = int(rng.integers(10, 20)), int(rng.integers(25, 45))
    return [
        _cmc_case(rng, "many classes", classes, q, g, [1, 5, 10], f32),
        _cmc_case(rng, "float64, another order of k", classes, g, q + classes, [4, 1, 2], f64),
        _cmc_case(rng, "a class without a picture in the gallery", 6, q, g, [1, 2, 6], f32, True),
        _cmc_case(rng, "k is the whole gallery", 4, q, 9, [2, 9], f64),
        _cmc_case(rng, "k is larger than the gallery", 4, q, 9, [2, 9, 20], f32),
        _on_a_grid(rng, "right and wrong ones equally near", 12, 20, f32),
        _on_a_grid(rng, "right and wrong ones equally near, float64", 6, 10, f64),
        _cmc_at_one_point(f64),
        _cmc_case(rng, "one query", 4, 1, g, [1, 2, 3, 4, 5], f32),
    ]


def _cmc_case(
    rng, name: str, classes: int, q: int, g: int, topk: list[int], dtype, missing: bool = False
) -> Case:
    """Draw embeddings of unequal lengths until no two distances of a query are nearly equal."""
    names = rng.choice(np.arange(-20, 40), classes, replace=False)
    while True:
        middles = rng.normal(size=(classes, 4))
        which = [np.arange(n) % classes for n in (q, g)]
        if missing:
            which[1] = np.maximum(which[1], 1)  # class 0 has queries alone
        query, gallery = (middles[w] + 1.2 * rng.normal(size=(len(w), 4)) for w in which)
        case = {
            "name": name,
            "query": query.astype(dtype),
            "query_labels": names[which[0]],
            "gallery": gallery.astype(dtype),
            "gallery_labels": names[which[1]],
            "topk": topk,
        }
        distances = np.sort([_distances_to(row, gallery) for row in query], 1)
        first = _shares(_matches(case), topk)
        varied = q == 1 or 0.1 < first.min() < first.max()
        if np.diff(distances, axis=1).min() > 1e-4 and varied:
            return case


def _on_a_grid(rng: np.random.Generator, name: str, q: int, g: int, dtype: type) -> Case:
    """Draw whole numbers until it matters which of equals comes first.

    Q + G is a power of two: then the distances are exact also of points less their common mean.
    """
    while True:
        query, gallery = rng.integers(-1, 2, (q, 2)), rng.integers(-1, 2, (g, 2))
        case = {
            "name": name,
            "query": query.astype(dtype),
            "query_labels": rng.integers(0, 4, q),
            "gallery": gallery.astype(dtype),
            "gallery_labels": rng.integers(0, 4, g),
            "topk": [1, 2, 3],
        }
        last, first = (_shares(_matches(case, right_first=r), [1, 2, 3]) for r in (False, True))
        stable = _shares(_in_order(case), [1, 2, 3])
        if (last < first).all() and (last < stable).all():
            return case


def _cmc_at_one_point(dtype: type) -> Case:
    """Return a case where all are equally near, each query's own picture first or last."""
    return {
        "name": "all at one point",
        "query": np.ones((2, 3), dtype),
        "query_labels": np.array([8, 5]),
        "gallery": np.ones((6, 3), dtype),
        "gallery_labels": np.array([8, 2, 2, 2, 2, 5]),
        "topk": [1, 5, 6],
    }


def _matches(
    case: Case, order: Callable = _distances_to, *, right_first: bool = False
) -> np.ndarray:
    """Return whether the j-th nearest of the gallery is of the query's class: bool (Q, G).

    Of equals the wrong one comes first, or the right one.
    """
    query, gallery = case["query"].astype(float), case["gallery"].astype(float)
    found = []
    for row, label in zip(query, case["query_labels"], strict=True):
        same = case["gallery_labels"] == label
        found.append(same[np.lexsort((same ^ right_first, order(row, gallery)))])
    return np.array(found)


def _in_order(case: Case) -> np.ndarray:
    """Return the same where of equals the earlier one comes first, as a stable sort has it."""
    gallery = case["gallery"].astype(float)
    rows = [_distances_to(row, gallery).argsort(kind="stable") for row in case["query"]]
    return case["gallery_labels"][np.array(rows)] == case["query_labels"][:, None]


def _shares(matches: np.ndarray, topk: Sequence[int]) -> np.ndarray:
    return np.array([np.mean([any(row[:k]) for row in matches]) for k in topk])


CMC_INPUTS = ("query", "query_labels", "gallery", "gallery_labels")


def _cmc_probe(cmc: Callable, case: Case) -> Answer:
    given = {name: torch.tensor(case[name]) for name in CMC_INPUTS}
    result = cmc(*given.values(), tuple(case["topk"]))
    if not isinstance(result, dict):
        plain(result)
        kind = type(result).__name__
        raise CheckFailed("not_a_dictionary", f"return a dictionary {{k: share}}, not a {kind}")
    if set(result) != set(case["topk"]):
        message = f"the dictionary's keys are {list(result)}, not the values of k, {case['topk']}"
        raise CheckFailed("wrong_keys", message[:200])
    shares = [plain_scalar(result[k], f"CMC@{k}") for k in case["topk"]]
    after = {name: plain(value) for name, value in given.items()}
    return {"shares": np.array(shares, float), **after}


def _cmc_judge(case: Case, answer: Answer) -> None:
    for name in CMC_INPUTS:
        after = take(answer, name, case[name].shape, f"the {name} afterwards")
        if not np.allclose(after, case[name]):
            raise CheckFailed("input_changed", f"this changes the {name} in place")
    topk = case["topk"]
    actual = take(answer, "shares", (len(topk),), "the table of shares")
    right = _shares(_matches(case), topk)
    best = _shares(_matches(case, right_first=True), topk)
    between = (right - 1e-6 <= actual).all() and (actual <= best + 1e-6).all()
    if between and not close(actual, right):  # only where some are equally near
        message = (
            "of a right and a wrong picture that are equally near the wrong one counts first; "
            "otherwise a network that maps everything to one point looks perfect"
        )
        raise CheckFailed("ties", message)
    compare(actual, right, f"CMC at k = {topk}", _wrong_cmcs(case))


def _wrong_cmcs(case: Case) -> Iterator[Wrong]:
    """Yield what typical mistakes give for CMC."""
    topk, matches = case["topk"], _matches(case)
    right = _shares(matches, topk)
    message = "the picture itself is found: the queries must not be in the gallery"
    yield "query_in_gallery", np.ones(len(topk)), message
    message = "this is the mean share of right ones among the k: a query counts once, found or not"
    yield "precision", [matches[:, :k].mean() for k in topk], message
    counts = matches.sum(1)
    message = "this is the share of the class's pictures that is found: one is enough"
    recall = [np.mean(matches[:, :k].sum(1) / np.maximum(1, counts)) for k in topk]
    yield "recall", recall, message
    hits = [matches[:, :k].sum(1).mean() for k in topk]
    yield "hits_counted", hits, "this counts every right one among the k: a query counts once"
    yield "percent", 100 * right, "a share is 0 to 1, not a percentage"
    yield "count", len(matches) * right, "divide by the number of queries"
    yield "farthest", _shares(matches[:, ::-1], topk), "these are the farthest k, not the nearest"
    message = "this looks at the k-th nearest alone: any of the first k will do"
    yield "kth_only", [matches[:, :k][:, -1].mean() for k in topk], message
    yield "all_of_k", [matches[:, :k].all(1).mean() for k in topk], "one of the k is enough"
    yield "first_only", [matches[:, 0].mean()] * len(topk), "this is CMC@1 whatever k is"
    message = "k is off by one"
    yield "off_by_one", _shares(matches, [k + 1 for k in topk]), message
    yield "off_by_one", _shares(matches, [k - 1 for k in topk]), message
    message = "the first, which is left out here, is no picture of the query itself: count it"
    yield "first_dropped", _shares(matches[:, 1:], topk), message
    found = matches.any(1)
    message = "a query whose class is not in the gallery is never found, but it counts"
    yield "missing_found", [(matches[:, :k].any(1) | ~found).mean() for k in topk], message
    if found.any():
        yield "missing_left_out", _shares(matches[found], topk), message
    voted = [2 * matches[:, :k].sum(1) > k for k in topk]
    yield "majority", [v.mean() for v in voted], "one of the k is enough, it need not be most"
    by_product = _matches(case, lambda row, gallery: -(gallery @ row))
    message = "the nearest are those of the smallest Euclidean distance: these need no unit vectors"
    yield "similarity", _shares(by_product, topk), message

    def cosine(row: np.ndarray, gallery: np.ndarray) -> np.ndarray:
        return -(gallery @ row) / np.maximum(np.linalg.norm(gallery, axis=1), 1e-12)

    yield "similarity", _shares(_matches(case, cosine), topk), message


cmc = Check("cmc", _cmc_cases, _cmc_probe, _cmc_judge, metric.cmc, (metric.cmc_from_distances,))
