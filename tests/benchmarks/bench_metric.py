"""Metric learning a picture at a time, as the homework's code does it, and in whole batches.

    python tests/benchmarks/bench_metric.py [--rounds 15]

- hard triplets and hard clusters: 64 classes x 16 pictures, 64 numbers each. *Loop* follows the
  homework's sampler, written anew from its description: a distance matrix, then anchor by anchor
  with Python sets of row numbers; its clusters follow its formula class by class. The forward and
  backward of the loss are in the figures for clusters.
- pictures: from PNG files in Omniglot's layout to the network's door. *Per picture* reads, shrinks,
  turns and normalises each file in a Dataset with a DataLoader (0 or 2 workers), as the homework
  does with albumentations, here with the OpenCV calls beneath it; *batched* is this package:
  decoded once, turned in uint8 batches.
- CMC: 624 queries, 2,496 in the gallery, 64 numbers each. *Loop* sorts the gallery query by query.

Where it is installed, pytorch-metric-learning's miner takes part. The ways take turns in one
process; a ratio is the median over the rounds, with the smallest and the largest. What they return
is compared before they are timed. Each group ends in a line that says what was aimed at.

Run it on an idle machine: what mostly waits for memory suffers less from a busy neighbour than a
matrix product does, so the ratios of a loaded machine are too small.
"""

import argparse
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

import dalib_edu  # before torch: it says how idle threads wait

# isort: split
import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dalib_edu import metric
from dalib_edu.data import characters

P, K, D = 64, 16, 64
CLOCK = time.perf_counter
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


# --- the homework's way -------------------------------------------------------------------------


def loop_triplets(features: Tensor, labels: Tensor) -> tuple[list[int], list[int], list[int]]:
    """Return the hard triplets, anchor by anchor, by sets of row numbers."""
    distances = torch.cdist(features, features)
    labels = labels.tolist()
    everyone = set(range(len(labels)))
    anchors, positives, negatives = [], [], []
    for anchor, label in enumerate(labels):
        own = set(rows_with(labels, label))
        same = np.array(list(own - {anchor}), int)
        others = np.array(list(everyone - own), int)
        anchors.append(anchor)
        positives.append(same[distances[anchor, same].argmax()])
        negatives.append(others[distances[anchor, others].argmin()])
    return anchors, positives, negatives


def rows_with(labels: list[int], label: int) -> list[int]:
    """Return the rows that have a label."""
    return [row for row, other in enumerate(labels) if other == label]


def loop_clusters(features: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Return the hard cluster loss, class by class, as its formula reads."""
    classes = sorted(set(labels.tolist()))
    rows = {c: [i for i, other in enumerate(labels.tolist()) if other == c] for c in classes}
    means = {c: features[rows[c]].mean(0) for c in classes}
    total = features.new_zeros(())
    for c in classes:
        intra = torch.stack([((features[i] - means[c]) ** 2).sum() for i in rows[c]]).max()
        inter = [((means[c] - means[other]) ** 2).sum() for other in classes if other != c]
        total = total + (intra - torch.stack(inter).min() + margin).clamp_min(0)
    return total


def loop_cmc(query, query_labels, gallery, gallery_labels, topk=(1, 5, 10)) -> dict[int, float]:
    """Return CMC, query by query."""
    hits = dict.fromkeys(topk, 0)
    for one, label in zip(query, query_labels, strict=True):
        order = torch.argsort(((gallery - one) ** 2).sum(1))
        for k in topk:
            hits[k] += int((gallery_labels[order[:k]] == label).any())
    return {k: count / len(query) for k, count in hits.items()}


class Files(Dataset):
    """Pictures read one at a time, with labels."""

    def __init__(self, files: list[Path], labels: Tensor) -> None:
        self.files, self.labels = files, labels

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        picture = cv2.cvtColor(cv2.imread(str(self.files[row])), cv2.COLOR_BGR2RGB)
        return per_picture(picture), int(self.labels[row])

    def __len__(self) -> int:
        return len(self.files)


def per_picture(picture: np.ndarray) -> Tensor:
    """Shrink to 32, turn half of the pictures by up to 30 degrees, normalise, average the colours.

    (It is the homework's chain, with its mirrored corners and its mean over normalised colours.)
    """
    picture = cv2.resize(picture, (32, 32), interpolation=cv2.INTER_LINEAR)
    if torch.rand(()) < 0.5:
        angle = float(torch.rand(()) * 60 - 30)
        matrix = cv2.getRotationMatrix2D((15.5, 15.5), angle, 1.0)
        picture = cv2.warpAffine(
            picture, matrix, (32, 32), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
    floats = picture.astype(np.float32)
    floats -= np.array(MEAN, np.float32) * 255
    floats *= 1 / (np.array(STD, np.float32) * 255)
    return torch.from_numpy(floats.transpose(2, 0, 1)).mean(0, keepdim=True)  # (1, 32, 32)


# --- timing -------------------------------------------------------------------------------------

Ways = dict[str, Callable[[], object]]


def compare(
    title: str, ways: Ways, rounds: int, *, goal: float, unit: float = 1.0
) -> dict[str, float]:
    """Time ways in turn, print a line on each, and return how much faster the last one is.

    Args:
        title: what they do.
        ways: the first is the homework's, the last the package's own.
        rounds: how often.
        goal: how many times as fast as the first the last one should be.
        unit: things done in a call, to print a rate; 1 prints milliseconds.
    """
    times = {name: [] for name in ways}
    repeats = {}
    for name, way in ways.items():
        way()
        begun = CLOCK()
        way()
        # A turn lasts long enough for other processes to be fair to all.
        repeats[name] = max(1, math.ceil(0.1 / (CLOCK() - begun)))
    for _ in range(rounds):
        for name, way in ways.items():
            begun = CLOCK()
            for _ in range(repeats[name]):
                way()
            times[name].append((CLOCK() - begun) / repeats[name])
    print(f"\n{title}")
    own, speedups = list(ways)[-1], {}
    for name, values in times.items():
        ratios = [it / ours for ours, it in zip(times[own], values, strict=True)]
        speedups[name] = statistics.median(ratios)
        middle = statistics.median(values)
        shown = f"{1000 * middle:9.2f} ms" if unit == 1 else f"{unit / middle:9.0f} /s"
        spread = f"({min(ratios):.1f} to {max(ratios):.1f})"
        print(f"  {name:34s} {shown}   {speedups[name]:6.1f}x {spread}")
    first = speedups[list(ways)[0]]
    print(f"  goal: {goal:g}x; {'reached' if first >= goal else 'NOT reached'}: {first:.1f}x")
    return speedups


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    os.environ.setdefault("DALIB_EDU_PROGRESS", "off")
    threads = f"{torch.get_num_threads()} threads, {os.cpu_count()} cores"
    print(f"dalib_edu {dalib_edu.__version__}, torch {torch.__version__}, {threads}")
    print("(how much faster the last line of each group is)")
    triplets(options.rounds)
    clusters(options.rounds)
    retrieval(options.rounds)
    pictures(options.rounds)


def batch(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = torch.nn.functional.normalize(torch.randn(P * K, D, generator=generator))
    return features, torch.arange(P).repeat_interleave(K)


def triplets(rounds: int) -> None:
    features, labels = batch()
    generator = torch.Generator().manual_seed(1)
    shuffle = torch.randperm(P * K, generator=generator)
    unequal = torch.randint(P, (P * K,), generator=generator)
    features.requires_grad_()  # as in training
    for title, x, y, goal in (
        ("hard triplets, P x K side by side", features, labels, 35),
        ("hard triplets, P x K in any order", features, labels[shuffle], 35),
        ("hard triplets, classes of any size in any order", features, unequal, 12),
    ):
        ways: Ways = {"loop": lambda x=x, y=y: loop_triplets(x, y)}
        check_triplets(x, ways["loop"](), metric.hard_triplets(x, y))
        if (miner := peer()) is not None:
            ways["pytorch-metric-learning"] = lambda x=x, y=y, miner=miner: miner(x, y)
        ways["dalib_edu"] = lambda x=x, y=y: metric.hard_triplets(x, y)
        compare(title, ways, rounds, goal=goal)


def peer():
    """Return pytorch-metric-learning's miner, or None where it is not installed."""
    try:
        from pytorch_metric_learning import distances, miners
    except ImportError:
        return None
    return miners.BatchHardMiner(distance=distances.LpDistance(normalize_embeddings=False))


def check_triplets(features: Tensor, loop, ours) -> None:
    """Raise where the two ways' triplets differ by more than rounding."""
    exact = torch.cdist(features.double(), features.double()).detach()
    assert loop[0] == ours[0].tolist()
    for theirs, own in zip(loop[1:], ours[1:], strict=True):
        gap = exact[loop[0], torch.as_tensor(np.array(theirs))] - exact[ours[0], own]
        assert gap.abs().max() < 1e-5


def clusters(rounds: int) -> None:
    features, labels = batch()
    shuffle = torch.randperm(P * K, generator=torch.Generator().manual_seed(1))

    def run(loss, x, y) -> Tensor:
        x = x.clone().requires_grad_()
        loss(x, y, 0.3).backward()
        return x.grad

    torch.testing.assert_close(
        run(loop_clusters, features, labels), run(metric.cluster_loss, features, labels)
    )
    for title, x, y in (
        ("hard clusters, forward and backward, classes side by side", features, labels),
        ("hard clusters, forward and backward, any order", features[shuffle], labels[shuffle]),
    ):
        ways = {
            "loop": lambda x=x, y=y: run(loop_clusters, x, y),
            "dalib_edu": lambda x=x, y=y: run(metric.cluster_loss, x, y),
        }
        compare(title, ways, rounds, goal=60)


def retrieval(rounds: int) -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(156).repeat_interleave(20)
    points = torch.randn(156, D, generator=generator)[labels]
    points = points + 1.5 * torch.randn(len(labels), D, generator=generator)
    points = torch.nn.functional.normalize(points)
    asked = metric.query_gallery_split(labels)
    sets = points[asked], labels[asked], points[~asked], labels[~asked]
    assert loop_cmc(*sets) == metric.cmc(*sets)
    ways = {"loop": lambda: loop_cmc(*sets), "dalib_edu": lambda: metric.cmc(*sets)}
    compare(f"CMC@1, 5, 10: {len(sets[0])} x {len(sets[2])} x {D}", ways, rounds, goal=15)


def pictures(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        os.environ["DALIB_EDU_CACHE"] = f"{place}/cache"
        root = Path(place, "omniglot-py")
        characters.export_characters(root)
        folder = root / "images_background"
        files = sorted(folder.rglob("*.png"))
        begun = time.perf_counter()
        data = characters.ink(characters.load_folder(folder))
        print(f"\nreading {len(files)} files, once: {time.perf_counter() - begun:.2f} s")
        count = 2  # batches in a turn
        ways: Ways = {}
        for workers in (0, 2):
            loader = DataLoader(
                Files(files, data.labels),
                batch_sampler=Epoch(data.labels, count),
                num_workers=workers,
                persistent_workers=workers > 0,
            )
            ways[f"per picture, {workers} workers"] = lambda loader=loader: exhaust(loader)
        rows = metric.pk_batches(data.labels, P, K, seed=0)
        batches = characters.turned_batches(data, rows, degrees=30, seed=0)
        ways["dalib_edu"] = lambda: exhaust(islice(batches, count))
        compare("pictures from files to the network", ways, rounds, goal=8, unit=count * P * K)


class Epoch:
    """A batch sampler for a DataLoader: some P-K batches, new ones each time."""

    def __init__(self, labels: Tensor, count: int) -> None:
        self.batches, self.count = metric.pk_batches(labels, P, K, seed=0), count

    def __iter__(self):
        return (rows.tolist() for rows in islice(self.batches, self.count))

    def __len__(self) -> int:
        return self.count


def exhaust(batches: Iterable) -> int:
    return sum(len(images) for images, _ in batches)


if __name__ == "__main__":
    main()
