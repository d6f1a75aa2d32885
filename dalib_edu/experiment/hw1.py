"""Source-only against adapted, over seeds: the homework "Drawn Apart" at either scale.

A classifier learns from two labelled sources and is tested on sketches, of which it may have seen
others without labels. All methods get the same pictures, the same first weights and the same number
of updates of the feature extractor: an iteration of M3SDA has one in phase 1 and ``repeats`` in
phase 3, so that the methods without a phase 3 do 1 + ``repeats`` times as many iterations, and see
that many more labelled batches.

BatchNorm's running averages move with every forward in train mode: in M3SDA more than half of their
weight is the target's. Beside the baseline and the method stand its parts, each source alone, and
three controls with the very weights of the baseline and other averages: the target's share is a
third in ``batch_norm``, M3SDA's own in ``m3sda_averages``, and all in ``adabn`` (Li et al. 2016,
arXiv 1603.04779). Every network is measured with the averages that it ends with, and once more on
each domain with that domain's own.
"""

import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from dalib_edu import m3sda
from dalib_edu.data import ImageSet
from dalib_edu.data.batches import endless_batches
from dalib_edu.data.drawn_apart import (
    PER_CLASS,
    centre_crop,
    flip_and_normalise,
    normalise,
)
from dalib_edu.evaluate import accuracy
from dalib_edu.experiment import core
from dalib_edu.experiment.core import check_method, domains_folder, split
from dalib_edu.fit import History, fit
from dalib_edu.settings import UserError

METHODS = {
    "source_only": "the baseline: all networks on the labelled sources alone",
    "m3sda": "the three phases: moments are matched, classifiers disagree, features follow",
    "moments": "phase 1 alone: moments are matched",
    "discrepancy": "the three phases without the moment distance",
    "batch_norm": "control: phase 1 without the moment distance; BatchNorm sees the target",
    "m3sda_averages": "control: as source_only, then BatchNorm's averages move as m3sda moves them",
    "adabn": "control: as source_only, then BatchNorm's averages are those of the target",
    "first_source": "m3sda from the first source alone",
    "second_source": "m3sda from the second source alone",
}
DEFAULT = ("source_only", "m3sda")
SOURCES, TARGET = ("cartoon", "photo"), "sketch"
PRESETS = m3sda.PRESETS

# What no target picture reaches while the weights are learned.
_BASELINES = ("source_only", "adabn", "m3sda_averages")

# Which part of the method each has: does the moment distance count, and are there phases 2 and 3?
_PARTS = {
    "m3sda": (True, True),
    "moments": (True, False),
    "discrepancy": (False, True),
    "batch_norm": (False, False),
    "first_source": (True, True),
    "second_source": (True, True),
}


# --- the data -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """What every method gets: pictures as the network sees them, uint8 (N, 3, size, size).

    ``target`` is what the training may see of the target domain; its labels are all -1.
    ``sources_test`` and ``target_test`` are other pictures, for measuring alone.
    """

    sources: tuple[ImageSet, ...]
    target: ImageSet
    sources_test: tuple[ImageSet, ...]
    target_test: ImageSet


def prepared_task(
    sources: Sequence[ImageSet],
    target: ImageSet,
    sources_test: Sequence[ImageSet],
    target_test: ImageSet,
    *,
    size: int,
) -> Task:
    """Cut domains of the same classes to ``size`` and hide the labels of ``target``.

    Args:
        sources, sources_test: labelled pictures of each source, to train and to test on.
        target, target_test: pictures of the target; the labels of ``target`` are not used.
        size: see ``drawn_apart.centre_crop``.

    Raises:
        UserError: the sets name different classes, one is empty, or one that needs labels lacks
            some.
    """
    named = {f"source {i + 1}": data for i, data in enumerate(sources)}
    named |= {f"source {i + 1}'s test": data for i, data in enumerate(sources_test)}
    named |= {"target": target, "target_test": target_test}
    classes = sources[0].classes
    for name, data in named.items():
        if data.classes != classes:
            raise UserError(f"{name} has the classes {data.classes}, source 1 has {classes}")
        if len(data) == 0:
            raise UserError(f"{name} has no pictures")
        if name != "target" and bool((data.labels < 0).any()):
            raise UserError(f"{name} has pictures without a label")

    def cut(data: ImageSet) -> ImageSet:
        return replace(data, images=centre_crop(data.images, size))

    hidden = replace(target, labels=torch.full_like(target.labels, -1))
    return Task(
        tuple(map(cut, sources)), cut(hidden), tuple(map(cut, sources_test)), cut(target_test)
    )


def embedded_task(
    config: m3sda.Config = m3sda.EMBEDDED,
    *,
    sources: Sequence[str] = SOURCES,
    target: str = TARGET,
    per_class: int = PER_CLASS,
    seed: int = 0,
) -> Task:
    """Return a task from the embedded world; by default its pictures are ``drawn_apart``'s.

    Args:
        config: its ``size`` decides the pictures'.
        sources, target: styles of ``dalib_edu.data.pictures``.
        per_class: labelled pictures of each class in each source. Of the target there are 20
            unlabelled ones for each 3, and 10 to test on.
        seed: of the world, not of the training.

    Raises:
        UserError: an unknown style.
    """
    from dalib_edu.data import pictures

    size = min(config.size, pictures.LARGEST)

    def load(style: str, part: int, count: float) -> ImageSet:
        number = max(1, round(count))
        return pictures.load(style, per_class=number, size=size, seed=8 * seed + part)

    # The seeds of drawn_apart.draw; a style's pictures are the same beside another one or alone.
    parts = [{"cartoon": 0, "photo": 1}.get(style, i) for i, style in enumerate(sources)]
    return prepared_task(
        [load(style, part, per_class) for style, part in zip(sources, parts, strict=True)],
        load(target, 2, per_class * 20 / 3),
        [load(style, 5 + p, per_class * 5 / 3) for style, p in zip(sources, parts, strict=True)],
        load(target, 4, per_class * 10 / 3),
        size=config.size,
    )


def real_task(
    folder: str | Path, sources: Sequence[str], target: str, config: m3sda.Config = m3sda.EMBEDDED
) -> Task:
    """Return a task from folders of real pictures, ``folder/<domain>/<class>/*.jpg``.

    Three tenths of each domain, the same ones for every method and seed, are kept to test on.

    Args:
        folder: of the domains, or the data folder that PACS lies in.
        sources, target: names of domains.
        config: its ``size`` decides the pictures'.

    Raises:
        UserError: a folder, class or picture is missing or broken; the classes differ.
    """
    from dalib_edu.data import folders

    folder = domains_folder(folder, *sources, target)
    whole = round(config.size * 8 / 7)
    pairs = [folders.load_pair(folder, source, target, size=whole) for source in sources]
    parts = [split(source) for source, _ in pairs]
    target_train, target_test = split(pairs[0][1])
    return prepared_task(
        [train for train, _ in parts],
        target_train,
        [test for _, test in parts],
        target_test,
        size=config.size,
    )


def make_task(
    config: m3sda.Config, *, data: str | Path | None, sources: Sequence[str], target: str
) -> Task:
    """Return ``real_task`` where there is a folder of data, otherwise ``embedded_task``.

    Raises:
        UserError: as these; also no source, three or more, one twice, or the target among them.
    """
    if not 1 <= len(sources) <= 2:
        raise UserError(f"hw1 adapts from one or two sources, not {len(sources)}")
    if len({*sources, target}) <= len(sources):
        raise UserError(f"{' + '.join(sources)} -> {target}: a domain stands there twice")
    if data is not None:
        return real_task(data, sources, target, config)
    # A grading run has a tenth of the pictures, as the homework's world has.
    per_class = PER_CLASS // 10 if config == m3sda.GRADING else PER_CLASS
    return embedded_task(config, sources=sources, target=target, per_class=per_class)


def describe(task: Task) -> str:
    """Return a line on the pictures of a task."""
    labelled = " + ".join(str(len(data)) for data in task.sources)
    counts = f"{labelled} labelled, {len(task.target)} unlabelled"
    return f"{counts}, tested on {len(task.target_test)}"


# --- one run ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result(core.Result):
    """What one method reached with one seed; also with other averages in BatchNorm."""

    target_own_averages: float  # 0 to 1: accuracy with the averages of the target's pictures
    source_own_averages: float  # 0 to 1: that with those of each source's, the mean over sources


def table(results: Sequence[Result], baseline: str = "source_only") -> str:
    """Return ``core.table`` with the accuracies by each domain's own averages beside it."""
    header, *lines = core.table(results, baseline).splitlines()
    rows = [f"{header}  own averages: target, source"]
    for line, method in zip(lines, dict.fromkeys(r.method for r in results), strict=True):
        mine = [r for r in results if r.method == method]
        target, source = (
            100 * statistics.fmean(getattr(r, f"{domain}_own_averages") for r in mine)
            for domain in ("target", "source")
        )
        rows.append(f"{line}  {target:>21.1f}  {source:>6.1f}")
    return "\n".join(rows)


def run_one(
    method: str, task: Task, config: m3sda.Config, *, seed: int, device: str = "cpu"
) -> Result:
    """Train one network with one method and one seed, and measure its last state.

    Args:
        method: one of ``METHODS``.
        task: the pictures.
        config: the training.
        seed: of the network's first weights, of the batches and of their augmentation.
        device: where to train.

    Returns:
        the result; the source accuracy is the mean over the task's sources, those that a method
        does without included.

    Raises:
        UserError: an unknown method, or one that needs a second source where there is none.
    """
    begun = time.perf_counter()
    model, history = train(method, task, config, seed=seed, device=device)

    def measure(data: ImageSet) -> float:
        # A batch at a time: a whole domain of floats at full size would fill the memory.
        right = [
            accuracy(model, normalise(images.to(device)), labels.to(device)) * len(labels)
            for images, labels in zip(data.images.split(512), data.labels.split(512), strict=True)
        ]
        return sum(right) / len(data)

    def measure_with_own(training: ImageSet, data: ImageSet) -> float:
        average_batch_norm(model, training, device)
        return measure(data)

    target = measure(task.target_test)
    source = statistics.fmean(map(measure, task.sources_test))
    target_own = measure_with_own(task.target, task.target_test)
    source_own = statistics.fmean(map(measure_with_own, task.sources, task.sources_test))
    seconds = time.perf_counter() - begun
    return Result(method, seed, target, source, seconds, history, target_own, source_own)


def train(
    method: str, task: Task, config: m3sda.Config, *, seed: int, device: str = "cpu"
) -> tuple[m3sda.M3sda, History]:
    """Return the trained network and its losses. Arguments and errors as ``run_one``."""
    check_method(method, METHODS)
    sources = _sources(method, task)
    torch.manual_seed(seed)
    model = m3sda.build(config, len(task.target.classes))
    # With the channels last in memory a convolution takes half the time on a CPU.
    model = model.to(device, memory_format=torch.channels_last).train()
    update = _update(method, model, config, device)
    batches = _batches(method, sources, task.target, config, seed, device)
    steps = updates(method, config)
    history = fit(lambda batch, _: update(*batch), batches, steps, title=f"{method}, {seed}")
    if method == "adabn":
        average_batch_norm(model, task.target, device)
    if method == "m3sda_averages":
        batches = _batches("m3sda", sources, task.target, config, seed, device)
        mix_batch_norm(model, batches, config)
    return model, history


def mix_batch_norm(model: m3sda.M3sda, batches: Iterator[tuple], config: m3sda.Config) -> None:
    """Move BatchNorm's averages in F as ``config.steps`` iterations of M3SDA do, and no weight.

    Args:
        model: in train mode, and left in it.
        batches: (sources, labels, target) of each iteration.
        config: its ``steps`` and ``repeats``.
    """
    with torch.no_grad():
        for images, _, target in itertools.islice(batches, config.steps):
            phases_1_and_2 = 2 * [*images, target]
            for pictures in phases_1_and_2 + config.repeats * [target]:
                model.feature_extractor(pictures)


def average_batch_norm(model: m3sda.M3sda, data: ImageSet, device: str = "cpu") -> None:
    """Replace BatchNorm's averages in F by those over a domain, batch after batch of 200.

    The variance is the mean of the batches' variances, a little less than that over all pictures.
    The model is left in train mode.

    Source: Li et al., "Revisiting Batch Normalization For Practical Domain Adaptation", 2016.
    """
    norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
    model.train()
    with torch.no_grad():
        for images in data.images.split(200):
            model.feature_extractor(normalise(images.to(device)))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def updates(method: str, config: m3sda.Config) -> int:
    """Return how many iterations a method does: as many updates of F in all for every method."""
    _, adversarial = _PARTS.get(method, (False, False))
    return config.steps if adversarial else config.steps * (1 + config.repeats)


def _sources(method: str, task: Task) -> tuple[ImageSet, ...]:
    if method == "first_source":
        return task.sources[:1]
    if method == "second_source":
        if len(task.sources) < 2:
            raise UserError("second_source needs two sources; there is one")
        return task.sources[1:2]
    return task.sources


def _batches(method, sources, target, config, seed, device) -> Iterator[tuple]:
    """Yield (sources, labels) for the baseline, which no target picture may reach, or with target.

    The sources' batches are the same ones for every method.
    """

    def endless(data: ImageSet, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        return endless_batches(
            data,
            config.batch_size,
            seed=1000 * seed + number,
            transform=flip_and_normalise,
            device=device,
        )

    labelled = zip(*(endless(data, i) for i, data in enumerate(sources)), strict=True)
    unlabelled = None if method in _BASELINES else endless(target, 999)
    for batch in labelled:
        images, labels = zip(*batch, strict=True)
        yield (images, labels) if unlabelled is None else (images, labels, next(unlabelled)[0])


def _update(method, model, config, device) -> Callable[..., dict[str, float]]:
    """Return ``update(sources, labels, target)``, without target for the baseline."""
    optimizers = m3sda.Optimizers.adamw(
        model, config.learning_rate, config.weight_decay, config.beta1
    )
    kind = torch.device(device).type
    scaler = torch.amp.GradScaler(kind, enabled=kind == "cuda")
    matched, adversarial = _PARTS.get(method, (False, False))

    def update(*batch) -> dict[str, float]:
        with m3sda.autocast(device):
            if method in _BASELINES:
                return m3sda.source_only_step(model, optimizers, *batch, scaler)
            return m3sda.train_step(
                model,
                optimizers,
                *batch,
                weight=config.weight if matched else 0.0,
                repeats=config.repeats if adversarial else 0,
                scaler=scaler,
                orders=config.orders,
            )

    return update
