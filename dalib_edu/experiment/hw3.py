"""Source-only against DANN with AlexNet, over seeds: the PACS homework at either scale.

The protocol is the homework's: all of the target's pictures are trained on, without their labels,
and then tested on (transductive). Of real source pictures a tenth is kept from the training, for
the source accuracy; the notebook trains on all of them. No picture is augmented. Every method
starts from the same weights and sees the same source batches. Beside the baseline (3A) and the
method (3B) stand controls, which are DANN with one thing taken away. AlexNet has no BatchNorm, so
that the target can reach a network through G_d's gradient alone: with alpha 0, G_f and G_y are
trained as in 3A, but for the chance of dropout.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm.auto import tqdm

from dalib_edu import dann_alexnet
from dalib_edu.dann_alexnet import DannAlexNet, collapse_warning
from dalib_edu.data import ImageSet
from dalib_edu.data.batches import endless_batches
from dalib_edu.data.drawings import hide_labels
from dalib_edu.data.export import PACS_DOMAINS
from dalib_edu.evaluate import predict_logits
from dalib_edu.experiment.core import Result, check_method, domains_folder
from dalib_edu.fit import History, fit
from dalib_edu.reversal import lambda_at
from dalib_edu.settings import UserError

METHODS = {
    "source_only": "3A: G_f and G_y on labelled pictures of the source alone",
    "dann": "3B: G_f against G_d through the gradient reversal layer",
    "alpha_0": "control: as dann, but G_d's gradient does not reach G_f",
    "shuffled_domains": "control: as dann, but the domain labels are shuffled",
    "flipped_sign": "control: as dann, but without the minus sign, so that G_f helps G_d",
}
DEFAULT = ("source_only", "dann")
# The homework's own target is art_painting. The embedded world's paintings are so near to its
# photographs that nothing is to be won there: without adaptation 81 % of them are right, of
# photographs 85 % (hw3_grid.jsonl, this preset, seed 0). Its sketches are far away.
SOURCES, TARGET = ("photo",), "sketch"
PRESETS = dann_alexnet.PRESETS
CONTROLS = ("alpha_0", "shuffled_domains", "flipped_sign")

# Seven of the embedded world's things; the pretext set has the others.
CLASSES = ("cat", "cup", "flower", "hand", "horse", "telephone", "umbrella")


# --- the data -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """What every method gets: RGB pictures, uint8 (N, 3, size, size).

    ``target`` is what the training may see of the target domain; its labels are all -1.
    ``target_test`` has the same pictures, and their labels, for measuring alone. ``source_test``
    are source pictures that no training sees.
    """

    source: ImageSet
    target: ImageSet
    source_test: ImageSet
    target_test: ImageSet


def transductive_task(source: ImageSet, target: ImageSet, source_test: ImageSet) -> Task:
    """Return a task in which the adaptation set and the test set coincide.

    Args:
        source, source_test: labelled pictures of the source, to train and to test on.
        target: labelled pictures of the target; the training sees a copy without the labels.

    Raises:
        UserError: the sets name different classes, or a picture has no label.
    """
    named = {"source": source, "target": target, "source_test": source_test}
    for name, data in named.items():
        if data.classes != source.classes:
            raise UserError(f"{name} has the classes {data.classes}, source has {source.classes}")
        if len(data) == 0:
            raise UserError(f"{name} has no pictures")
        if bool((data.labels < 0).any()):
            raise UserError(f"{name} has pictures without a label")
    return Task(source, hide_labels(target), source_test, target)


def embedded_task(
    config: dann_alexnet.Config = dann_alexnet.EMBEDDED,
    *,
    source: str = SOURCES[0],
    target: str = TARGET,
    seed: int = 0,
) -> Task:
    """Return a task from the embedded world.

    Args:
        config: its ``size`` and ``per_class`` decide the pictures'.
        source, target: PACS's names of the domains, or the styles of ``dalib_edu.data.pictures``.
        seed: of the world, not of the training.

    Raises:
        UserError: an unknown domain.
    """
    from dalib_edu.data import pictures

    style_of = {domain: style for domain, style, _ in PACS_DOMAINS}

    def load(domain: str, part: int, count: int) -> ImageSet:
        style, size = style_of.get(domain, domain), min(config.size, pictures.LARGEST)
        return pictures.load(
            style, per_class=count, size=size, seed=2 * seed + part, classes=CLASSES
        )

    count = config.per_class
    return transductive_task(
        load(source, 0, count), load(target, 0, count), load(source, 1, max(1, count // 4))
    )


def real_task(folder: str | Path, source: str, target: str, *, size: int) -> Task:
    """Return a task from two folders of real pictures, ``folder/<domain>/<class>/*.jpg``.

    All of the target is adapted to and tested on. Of the source a tenth, the same for every method
    and seed, is kept from the training, to measure the source accuracy on.

    Args:
        folder: of the domains, or the data folder that PACS lies in.
        source, target: names of domains.
        size: of the pictures, in pixels.

    Raises:
        UserError: a folder, class or picture is missing or broken; the classes differ.
    """
    from dalib_edu.data import folders

    folder = domains_folder(folder, source, target)
    pictures, target_pictures = folders.load_pair(folder, source, target, size=size)
    order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(0))
    kept = max(1, len(pictures) // 10)
    return transductive_task(
        pictures.subset(order[kept:]), target_pictures, pictures.subset(order[:kept])
    )


def make_task(
    config: dann_alexnet.Config, *, data: str | Path | None, sources: Sequence[str], target: str
) -> Task:
    """Return ``real_task`` where there is a folder of data, otherwise ``embedded_task``.

    Raises:
        UserError: as these, or several sources.
    """
    if len(sources) != 1:
        raise UserError(f"hw3 adapts from one source, not {len(sources)}")
    if data is not None:
        return real_task(data, sources[0], target, size=config.size)
    return embedded_task(config, source=sources[0], target=target)


def describe(task: Task) -> str:
    """Return a line on the pictures of a task."""
    return f"{len(task.source)} labelled, {len(task.target)} unlabelled and tested on"


# --- one run ------------------------------------------------------------------------------------


def run_one(
    method: str, task: Task, config: dann_alexnet.Config, *, seed: int, device: str = "cpu"
) -> Result:
    """Train one network with one method and one seed, and measure its last state.

    A network that ends up calling every target picture the same is named in a line of output.

    Args:
        method: one of ``METHODS``.
        task: the pictures.
        config: the training.
        seed: of the fresh weights, of the batches and of dropout.
        device: where to train.

    Raises:
        UserError: an unknown method, or weights that cannot be had.
    """
    begun = time.perf_counter()
    model, history = train(method, task, config, seed=seed, device=device)
    preprocess = dann_alexnet.PREPROCESSING[config.preprocess]

    def logits(data: ImageSet) -> Tensor:
        parts = data.images.split(512)
        return torch.cat([predict_logits(model, preprocess(p.to(device))).cpu() for p in parts])

    def accuracy(predicted: Tensor, data: ImageSet) -> float:
        return (predicted.argmax(1) == data.labels).float().mean().item()

    on_target = logits(task.target_test)
    if warning := collapse_warning(on_target, task.target_test.classes):
        tqdm.write(f"{method}, seed {seed}: {warning}")
    target = accuracy(on_target, task.target_test)
    source = accuracy(logits(task.source_test), task.source_test)
    return Result(method, seed, target, source, time.perf_counter() - begun, history)


def train(
    method: str, task: Task, config: dann_alexnet.Config, *, seed: int, device: str = "cpu"
) -> tuple[DannAlexNet, History]:
    """Return the trained network and its losses. Arguments and errors as ``run_one``."""
    check_method(method, METHODS)
    torch.manual_seed(seed)
    model = dann_alexnet.build(config, len(task.source.classes))
    # With the channels last in memory a convolution is faster on a CPU.
    model = model.to(device, memory_format=torch.channels_last).train()
    optimizer = dann_alexnet.sgd(model, config)
    rate = dann_alexnet.rate_schedule(optimizer, config)
    update = _update(method, model, optimizer, seed)
    batches = _batches(method, task, config, seed, device)

    def step(batch: tuple[Tensor, ...], p: float) -> dict[str, float]:
        figures = update(*batch, lambda_at(p, config.schedule, config.alpha))
        rate.step()
        return figures

    return model, fit(step, batches, config.steps, title=f"{method}, seed {seed}")


def _batches(method, task, config, seed, device) -> Iterator[tuple[Tensor, ...]]:
    """Yield (source, labels) for the baseline, which no target picture may reach, or with target.

    The source's batches are the same ones for every method.
    """
    preprocess = dann_alexnet.PREPROCESSING[config.preprocess]

    def batches(data: ImageSet, stream: int) -> Iterator[tuple[Tensor, Tensor]]:
        return endless_batches(
            data,
            min(config.batch_size, len(data)),
            seed=2 * seed + stream,
            transform=lambda images, _: preprocess(images),
            device=device,
        )

    source = batches(task.source, 0)
    if method == "source_only":
        yield from source
    for (images, labels), (target, _) in zip(source, batches(task.target, 1), strict=False):
        yield images, labels, target


def _update(method, model, optimizer, seed) -> Callable[..., dict[str, float]]:
    """Return ``update(source, labels, target, alpha)``, without target for the baseline."""
    if method == "source_only":
        return lambda source, labels, _: dann_alexnet.source_only_step(
            model, optimizer, source, labels
        )
    if method == "shuffled_domains":
        generator = torch.Generator().manual_seed(seed)
        return lambda *batch: _shuffled_step(model, optimizer, *batch, generator)
    sign = {"dann": 1.0, "alpha_0": 0.0, "flipped_sign": -1.0}[method]
    return lambda *batch: dann_alexnet.three_pass_step(
        model, optimizer, *batch[:-1], sign * batch[-1]
    )


def _shuffled_step(model, optimizer, source, labels, target, alpha, generator):
    """Do ``dann_alexnet.three_pass_step``, but with each picture in the pass of a random domain."""
    both = torch.cat([source, target])
    both = both[torch.randperm(len(both), generator=generator).to(both.device)]
    passes = both[: len(source)], both[len(source) :]
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    domain_loss = 0.0
    for domain, images in enumerate(passes):
        domains = torch.full((len(images),), domain, device=images.device)
        loss = F.cross_entropy(model(images, alpha), domains)
        loss.backward()
        domain_loss += loss.item() / 2
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss}
