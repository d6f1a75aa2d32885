"""Metric learning over seeds: three ways to pick triplets, measured by CMC on unseen alphabets.

A network learns from the characters of some alphabets and is measured on alphabets that it has not
seen: a fifth of each character's pictures are queries and look for their own kind among the rest.
*Target accuracy* is CMC@1 there; *source accuracy* is CMC@1 among the training characters, on
pictures that were trained on. The same code serves the embedded world, Omniglot, and Omniglot's
small sets.
"""

import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from dalib_edu import metric
from dalib_edu.data import ImageSet, characters
from dalib_edu.data.transforms import to_float
from dalib_edu.evaluate import features
from dalib_edu.experiment.core import Result, check_method, summarise
from dalib_edu.fit import History, fit
from dalib_edu.settings import UserError

METHODS = {
    "raw_pixels": "the baseline: the pictures themselves, without a network",
    "untrained": "the network with random weights",
    "hard_triplets": "each picture's farthest positive and nearest negative",
    "cluster": "each class's mean, its farthest picture and the nearest other mean",
    "htl": "hard triplets with a margin from the tree of alphabets",
    "htl_all": "the same over all triplets of the batch, as the paper has it",
    "htl_data": "as htl_all, with the paper's tree of the data and batches of neighbouring classes",
    "shuffled_labels": "control: hard triplets of labels that mean nothing",
}
DEFAULT = ("raw_pixels", "untrained", "hard_triplets", "cluster", "htl")
SOURCES, TARGET = ("train",), "evaluation"
PRESETS = metric.PRESETS
CONTROLS = ("shuffled_labels",)
TOPK = (1, 5, 10)
SIZE = 32  # pixels a side


# --- the data -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Retrieval:
    """Labelled pictures of which some are queries and the others the gallery.

    Attributes:
        images: uint8 (N, 1, 32, 32), bright on black.
        labels: int64 (N,).
        queries: bool (N,).
    """

    images: Tensor
    labels: Tensor
    queries: Tensor

    def cmc(self, embed: Callable[[Tensor], Tensor]) -> dict[int, float]:
        """Return CMC@1, 5 and 10 of embeddings: float (N, 1, 32, 32) -> (N, D)."""
        found = embed(to_float(self.images))
        asked, labels = self.queries.to(found.device), self.labels.to(found.device)
        return metric.cmc(found[asked], labels[asked], found[~asked], labels[~asked], TOPK)


@dataclass(frozen=True)
class Task:
    """What every method gets: pictures bright on black, uint8 (N, 1, 32, 32).

    Attributes:
        train: to learn from.
        alphabets: of the training characters, int64 (C,).
        seen: queries and gallery among the training pictures.
        unseen: queries and gallery of other alphabets.
    """

    train: ImageSet
    alphabets: Tensor
    seen: Retrieval
    unseen: Retrieval


def prepared_task(train: ImageSet, evaluation: ImageSet) -> Task:
    """Return a task from two sets of characters, black on white or white on black.

    Raises:
        UserError: an alphabet is in both, a set is empty, or a character has a single picture.
    """
    (names, which), (others, _) = map(characters.alphabets_of, (train.classes, evaluation.classes))
    both = sorted(set(names) & set(others))
    if both:
        raise UserError(f"alphabets to evaluate on were trained on: {', '.join(both)}")
    for name, data in (("train", train), ("evaluation", evaluation)):
        if len(data) == 0:
            raise UserError(f"{name} has no pictures")
        single = (data.labels.bincount(minlength=len(data.classes)) < 2).nonzero().flatten()
        if len(single):
            raise UserError(f"{data.classes[single[0]]} in {name} needs two pictures or more")
    train, evaluation = characters.ink(train), characters.ink(evaluation)
    return Task(train, which, _retrieval(train), _retrieval(evaluation))


def _retrieval(data: ImageSet) -> Retrieval:
    return Retrieval(data.images, data.labels, metric.query_gallery_split(data.labels, seed=0))


def make_task(
    config: metric.Config, *, data: str | Path | None, sources: Sequence[str], target: str
) -> Task:
    """Return a task of the course's world, or of folders in Omniglot's layout.

    Args:
        config: its preset decides the scale of the world, see ``characters.load``.
        data: the folder that the folders ``sources`` and ``target`` lie in; None: the world.
            Alphabets that are in a source are left out of the target.
        sources: one folder of alphabets, for example ``images_background``.
        target: another, for example ``images_evaluation``.

    Raises:
        UserError: a folder or picture is missing or broken; several sources; other names than
            ``train`` and ``evaluation`` without a data folder.
    """
    if len(sources) != 1:
        raise UserError(f"hw5 learns from one folder of alphabets, not {len(sources)}")
    if data is None:
        if (tuple(sources), target) != (SOURCES, TARGET):
            raise UserError(
                "without a folder of data there are the parts train and evaluation alone"
            )
        world = characters.load(_scale_of(config), size=SIZE)
        return prepared_task(world.train, world.evaluation)
    folder = Path(data).expanduser()
    train = characters.load_folder(folder / sources[0], size=SIZE)
    names, _ = characters.alphabets_of(train.classes)
    return prepared_task(train, characters.load_folder(folder / target, size=SIZE, without=names))


def _scale_of(config: metric.Config) -> str:
    """Return the preset that a configuration is, or is with another number of steps."""
    for scale, preset in PRESETS.items():
        if replace(config, steps=preset.steps) == preset:
            return scale
    return "embedded"


def describe(task: Task) -> str:
    """Return a line on the pictures of a task."""
    unseen, queries = task.unseen, int(task.unseen.queries.sum())
    return (
        f"{len(task.train)} pictures of {len(task.train.classes)} characters; {queries} queries in "
        f"{len(unseen.labels) - queries} pictures of {len(unseen.labels.unique())} unseen ones"
    )


# --- one run ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RetrievalResult(Result):
    """A result with all of CMC, 0 to 1, on the unseen alphabets.

    Attributes:
        cmc: CMC@1, 5 and 10 at the end.
        curve: the same after some steps, ``{steps: {k: share}}``.
        note: what ``metric.diagnose`` said of the training; empty without one.
    """

    cmc: Mapping[int, float]
    curve: Mapping[int, Mapping[int, float]]
    note: str


def run_one(
    method: str, task: Task, config: metric.Config, *, seed: int, device: str = "cpu"
) -> RetrievalResult:
    """Train one network with one method and one seed, and measure its last state.

    Args:
        method: one of ``METHODS``.
        task: the pictures.
        config: the training.
        seed: of the network's first weights, of the batches and of their augmentation.
        device: where to train.

    Raises:
        UserError: an unknown method, or fewer classes than a batch has.
    """
    check_method(method, METHODS)
    begun = time.perf_counter()
    history: History = {}
    curve: dict[int, dict[int, float]] = {}
    note = ""
    if method == "raw_pixels":
        embed = _flat
    elif method == "untrained":
        torch.manual_seed(seed)
        embed = _embedder(metric.EmbeddingNet(config.width, config.dropout).to(device), device)
    else:
        model, history, curve, note = train(method, task, config, seed=seed, device=device)
        embed = _embedder(model, device)
    target, source = task.unseen.cmc(embed), task.seen.cmc(embed)
    seconds = time.perf_counter() - begun
    return RetrievalResult(
        method, seed, target[1], source[1], seconds, history, target, curve, note
    )


def _flat(images: Tensor) -> Tensor:
    return images.flatten(1)


def _embedder(model: nn.Module, device: str) -> Callable[[Tensor], Tensor]:
    return lambda images: features(model, images.to(device))


def train(
    method: str, task: Task, config: metric.Config, *, seed: int, device: str = "cpu"
) -> tuple[metric.EmbeddingNet, History, dict[int, dict[int, float]], str]:
    """Return the trained network, its losses, CMC on the way, and how the training stands.

    Arguments and errors as ``run_one``. A training that collapsed says so in a line.
    """
    check_method(method, METHODS)
    torch.manual_seed(seed)
    model = metric.EmbeddingNet(config.width, config.dropout)
    model = model.to(device).train()
    optimizer = torch.optim.RAdam(model.parameters(), config.learning_rate)
    decay = [max(1, round(config.decay_at * config.steps))]
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, decay)
    objective = _Objective(method, task, config, model, device)
    curve: dict[int, dict[int, float]] = {}

    def step(batch: tuple[Tensor, ...], p: float) -> dict[str, float]:
        figures = metric.train_step(model, optimizer, *batch, objective)
        scheduler.step()
        return figures

    def measure(done: int) -> None:
        curve[done] = task.unseen.cmc(_embedder(model, device))

    history = fit(
        step,
        _batches(method, task, config, objective, seed, device),
        config.steps,
        marks=range(0, config.steps + 1, config.evaluate_every),
        on_mark=measure,
        title=f"{method}, seed {seed}",
    )
    note = metric.diagnose(history, objective.at_one_point())
    if not note.startswith("learning"):
        print(f"{method}, seed {seed}: {note}")
    return model, history, curve, note


class _Objective:
    """The loss of a method; the hierarchical ones compute their margins anew now and then."""

    def __init__(self, method, task, config, model, device):
        self.method, self.task, self.config = method, task, config
        self.model, self.device = model, device
        self.classes = len(task.train.classes)
        self.calls = 0
        self.margins = torch.zeros(0)
        self.distances = torch.zeros(self.classes, self.classes)

    def __call__(self, embedded: Tensor, labels: Tensor) -> Tensor:
        if self.method == "cluster":
            return metric.cluster_loss(embedded, labels, self.config.cluster_margin)
        if not self.method.startswith("htl"):
            return metric.triplet_loss(embedded, labels, self.config.margin)
        if self.calls % self.config.tree_every == 0:
            self.grow()
        self.calls += 1
        return metric.htl_loss(embedded, labels, self.margins, hardest=self.method == "htl")

    def grow(self) -> None:
        """Compute the tree and its margins from all training pictures, as the network sees them."""
        train = self.task.train
        embedded = features(self.model, to_float(train.images).to(self.device))
        labels = train.labels.to(self.device)
        height = 2
        levels = metric.class_tree(self.task.alphabets.to(self.device))
        if self.method == "htl_data":
            height = self.config.tree_height
            distances = metric.class_distances(embedded, labels, self.classes)
            self.distances.copy_(distances)  # where the batches look
            thresholds = metric.level_thresholds(distances.diagonal().mean(), height)
            levels = metric.merged_tree(distances, thresholds.to(distances))
        self.margins = metric.htl_margin(embedded, labels, levels, height, self.config.beta)

    def at_one_point(self) -> float:
        """Return the loss of a network that embeds everything at one point."""
        if self.method == "cluster":
            return self.config.p * self.config.cluster_margin
        if self.method.startswith("htl"):
            return self.margins.mean().item()
        return self.config.margin


def _batches(method, task, config, objective, seed, device) -> Iterator[tuple[Tensor, Tensor]]:
    labels, p, k = task.train.labels, config.p, config.k
    data = task.train
    if method == "shuffled_labels":
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
        labels = labels[order]
        data = ImageSet(data.images, labels, data.classes)
    if method == "htl_data":
        together = 1 + config.neighbours
        objective.grow()
        rows = metric.neighbourhood_batches(
            labels,
            objective.distances,
            anchors=max(1, p // together),
            neighbours=config.neighbours,
            k=k,
            seed=2 * seed,
        )
    else:
        rows = metric.pk_batches(labels, p, k, seed=2 * seed)
    return characters.turned_batches(
        data, rows, degrees=config.degrees, seed=2 * seed + 1, device=device
    )


# --- what came out ------------------------------------------------------------------------------


def table(results: Sequence[RetrievalResult], baseline: str = "raw_pixels") -> str:
    """Return CMC on the unseen alphabets as text, in percent: mean and spread over the seeds."""
    heads = "".join(f"{f'CMC@{k}':>14}" for k in TOPK)
    rows = [f"{'method':<16}{'seeds':>6}{heads}{'seen @1':>9}{'gain @1':>15}{'s/run':>8}"]
    for line in summarise(results, baseline):
        mine = [r for r in results if r.method == line.method]
        shares = "".join(f"{_spread([r.cmc[k] for r in mine]):>14}" for k in TOPK)
        rows.append(
            f"{line.method:<16}{line.seeds:>6}{shares}{100 * line.source_mean:>9.1f}"
            f"{'' if line.method == baseline else line.gain():>15}{line.seconds:>8.1f}"
        )
    return "\n".join(rows)


def _spread(values: Sequence[float]) -> str:
    std = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{100 * math.fsum(values) / len(values):.1f} +- {100 * std:.1f}"
