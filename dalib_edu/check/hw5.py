"""Checks of homework 5, metric learning.

What is expected comes from plain loops over pictures and classes. Where two pictures are equally
far, an honest solution may take either: a judge looks at the distances, not at the rows.
"""

import random
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
    compare,
    differ,
    plain,
    plain_scalar,
    take,
)

# --- pk_batches ---------------------------------------------------------------------------------

EPOCHS = 24  # that are pulled: a picture that has a chance in each is then missing in no honest one


def _pk_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    if seed == VISIBLE:
        kinds = [("12 classes, P = 4, K = 3", [5] * 12, 4, 3)]
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
            pulled.append(plain(next(batches), "a batch"))
        except StopIteration:
            message = f"it ends after {number} batches: it must go on for ever"
            raise CheckFailed("exhausted", message) from None
        if name == "again":
            torch.rand(1), np.random.rand(), random.random()  # noqa: NPY002
    shapes = {batch.shape for batch in pulled}
    if shapes == {(case["p"], case["k"])}:
        raise CheckFailed("not_flat", "a batch is (p * k,), one row after the other: flatten it")
    if len(shapes) > 1:
        sizes = sorted(shapes)[:2]
        message = f"batches differ in their sizes, for example {sizes[0]} and {sizes[1]}"
        raise CheckFailed("sizes_differ", message)
    if not np.array_equal(plain(labels), case["labels"]):
        raise CheckFailed("input_changed", "this changes the labels that it is given")
    return np.stack(pulled)


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
    keys = np.sort(which[table] * len(labels) + table).reshape(-1, p, k)  # class by class
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


def _on_a_line(name: str = "four pictures on a line") -> Case:
    return {
        "name": name,
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
    ]


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
        if apart and margin > 0.05 + to_n.min():
            return {**case, "margin": round(float(margin), 4)}


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
    slack = 1e-3 * np.abs(total).max() + 1e-6

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
    yield "margin_outside", _mean(bare) + margin, "the margin belongs inside max(..., 0)"
    if values.max() > 2 * margin:
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
