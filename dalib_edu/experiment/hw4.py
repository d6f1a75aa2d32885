"""Source-only against adapted, over seeds: Generate To Adapt on digits, at either scale.

A classifier learns from labelled digits of one kind (house numbers) and is tested on another
(handwriting), of which it sees other pictures without labels. Beside the baseline and the method
stand what a part of the method reaches alone, and controls, in which the target cannot help: where
the method is right and the world honest, they must not gain as it does. F is updated equally
often in all of them. F has no BatchNorm, so that no gain can come from its averages.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from dalib_edu import gta
from dalib_edu.data import ImageSet, digits
from dalib_edu.data.batches import endless_batches
from dalib_edu.data.drawings import hide_labels
from dalib_edu.data.transforms import to_signed
from dalib_edu.evaluate import accuracy
from dalib_edu.experiment.core import Result, check_method, split
from dalib_edu.fit import History, fit
from dalib_edu.settings import UserError

METHODS = {
    "source_only": "the baseline, stream 1: F and C on the labelled source alone",
    "real_fake": "stream 2 without the auxiliary classifier: D tells real from fake alone (C1)",
    "gta": "all of it: C1 and the auxiliary classifier (C2)",
    "labels_shown": "as gta, but G is told the class of every source picture, as the paper has it",
    "no_target_term": "control: as gta, but nothing comes back to F from target pictures",
    "source_as_target": "control: as gta, but other source pictures stand in for the target",
    "shuffled_labels": "control: as gta, but stream 2 gets the source's labels in random order",
}
DEFAULT = ("source_only", "real_fake", "gta")
SOURCES, TARGET = ("house_numbers",), "digits"
DOMAINS = ("house_numbers", "SVHN", "MNIST", "digits")
PRESETS = gta.PRESETS
CONTROLS = ("no_target_term", "source_as_target", "shuffled_labels")


# --- the data -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """What every method gets: RGB pictures, uint8 (N, 3, size, size).

    ``target`` is what the training may see of the target domain; its labels are all -1.
    ``source_test`` and ``target_test`` are other pictures, for measuring alone.
    """

    source: ImageSet
    target: ImageSet
    source_test: ImageSet
    target_test: ImageSet


def make_task(
    config: gta.Config, *, data: str | Path | None, sources: Sequence[str], target: str
) -> Task:
    """Return a task from two of ``DOMAINS``.

    House numbers are drawn, and ``digits`` are scikit-learn's: they need no data. Of MNIST and SVHN
    the training and the test part are taken where they are there; where MNIST's test part alone is
    there, three tenths of it are tested on.

    Args:
        config: its size is the pictures'.
        data: the data folder, for MNIST and SVHN; by default ``settings.data_folder()``.
        sources: one domain.
        target: another one.

    Raises:
        UserError: several sources, an unknown domain, or one that is not there.
    """
    if len(sources) != 1:
        raise UserError(f"hw4 adapts from one source, not {len(sources)}")
    if sources[0] == target:
        raise UserError(f"source and target are both {target}")
    source, source_test = _domain(sources[0], config.size, data)
    target_train, target_test = _domain(target, config.size, data)
    return Task(source, hide_labels(target_train), source_test, target_test)


def _domain(name: str, size: int, data: str | Path | None) -> tuple[ImageSet, ImageSet]:
    """Return a domain's pictures to train on and to test on."""
    from dalib_edu.data import real

    if name == "house_numbers":
        parts = ((400, 0), (50, 1))
        return tuple(
            digits.load_house_numbers(per_class=count, size=size, seed=seed)
            for count, seed in parts
        )
    if name == "digits":
        return digits.split_handwritten(digits.handwritten(size))
    if name == "SVHN":
        parts = [real.load_svhn(train=train, folder=data) for train in (True, False)]
    elif name == "MNIST":
        parts = _mnist(data)
    else:
        raise UserError(f"there is no domain {name!r}; the domains are {', '.join(DOMAINS)}")
    return tuple(digits.as_rgb(part, size) for part in parts)


def _mnist(data: str | Path | None) -> Sequence[ImageSet]:
    from dalib_edu.data import real

    test = real.load_mnist(train=False, folder=data)
    if not (real.locate("MNIST", data) / "raw/train-images-idx3-ubyte").exists():
        return split(test)
    return real.load_mnist(train=True, folder=data), test


def describe(task: Task) -> str:
    """Return a line on the pictures of a task."""
    counts = f"{len(task.source)} labelled, {len(task.target)} unlabelled"
    return f"{counts}, tested on {len(task.target_test)}"


# --- one run ------------------------------------------------------------------------------------


def run_one(
    method: str, task: Task, config: gta.Config, *, seed: int, device: str = "cpu"
) -> Result:
    """Train the networks with one method and one seed, and measure F and C at their last state.

    Args:
        method: one of ``METHODS``.
        task: the pictures.
        config: the training.
        seed: of the first weights, of the batches and of the noise.
        device: where to train.

    Raises:
        UserError: an unknown method.
    """
    begun = time.perf_counter()
    model, history = train(method, task, config, seed=seed, device=device)

    def measure(data: ImageSet) -> float:
        return accuracy(model, to_signed(data.images).to(device), data.labels.to(device))

    target, source = measure(task.target_test), measure(task.source_test)
    return Result(method, seed, target, source, time.perf_counter() - begun, history)


def train(
    method: str, task: Task, config: gta.Config, *, seed: int, device: str = "cpu"
) -> tuple[gta.Gta, History]:
    """Return the trained networks and their losses. Arguments and errors as ``run_one``."""
    check_method(method, METHODS)
    torch.manual_seed(seed)
    model = gta.build(config, len(task.source.classes), auxiliary=method != "real_fake")
    # With the channels last in memory a convolution takes half the time on a CPU.
    model = model.to(device, memory_format=torch.channels_last).train()
    optimizers = gta.Optimizers.adam(
        model, config.learning_rate, generator_rate=config.generator_rate, beta1=config.beta1
    )
    functions = _functions(method, config, seed)
    batches = _batches(method, task, config, seed, device)

    def with_target(functions: gta.Functions, done: int) -> gta.Functions:
        weight = gta.target_weight_at(done, config.target_weight, config.target_from)
        weight = 0.0 if method == "no_target_term" else weight
        return replace(functions, f_loss=partial(functions.f_loss, target_weight=weight))

    def step(batch: tuple[Tensor, ...], p: float) -> dict[str, float]:
        done = round(p * config.steps)
        optimizers.set_learning_rate(gta.lr_at(done, config.learning_rate, config.decay))
        if method == "source_only" or done < config.warmup:
            return gta.source_only_step(model, optimizers, *batch[:2])
        return gta.train_step(model, optimizers, with_target(functions, done), *batch)

    return model, fit(step, batches, config.steps, title=f"{method}, seed {seed}")


def _batches(method, task, config, seed, device) -> Iterator[tuple[Tensor, ...]]:
    """Yield (source, labels) for the baseline, which no target picture may reach, or with (target,
    noise for the source, noise for the target).

    The source's batches are the same ones for every method.
    """

    def batches(data: ImageSet, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        size = config.batch_size
        return endless_batches(data, size, seed=seed, transform=_signed, device=device)

    source = batches(task.source, 2 * seed)
    if method == "source_only":
        yield from source
    other = task.source if method == "source_as_target" else task.target
    generator = torch.Generator().manual_seed(seed)
    for (images, labels), (target, _) in zip(source, batches(other, 2 * seed + 1), strict=False):
        noise = torch.randn(2, config.batch_size, config.noise, generator=generator).to(device)
        yield images, labels, target, *noise


def _signed(images: Tensor, generator: torch.Generator) -> Tensor:
    return to_signed(images)


def _functions(method: str, config: gta.Config, seed: int) -> gta.Functions:
    """Return the losses of a method; how much the target counts in F's is not set yet."""
    f_loss = partial(gta.f_loss, adversarial_weight=config.adversarial_weight)
    share = 0.0 if method == "labels_shown" else config.hidden
    functions = gta.Functions(generator_input=gta.hiding(share), f_loss=f_loss)
    return _shuffled(functions, seed) if method == "shuffled_labels" else functions


def _shuffled(functions: gta.Functions, seed: int) -> gta.Functions:
    """Return the same, but that what D, G and F's adversarial part hear of classes is wrong."""
    generator = torch.Generator().manual_seed(seed)

    def shuffle(labels: Tensor) -> Tensor:
        return labels[torch.randperm(len(labels), generator=generator).to(labels.device)]

    def f_loss(class_logits, fake_source, fake_target, labels, **weights):
        # The class term stays right: stream 1 is not what is tested here.
        right = gta.c_loss(class_logits, labels)
        wrong = shuffle(labels)
        adversarial = functions.f_loss(class_logits, fake_source, fake_target, wrong, **weights)
        return right + adversarial - gta.c_loss(class_logits, wrong)

    return replace(
        functions,
        d_loss=lambda *judged: functions.d_loss(*judged[:3], shuffle(judged[3])),
        g_loss=lambda fake_source, labels: functions.g_loss(fake_source, shuffle(labels)),
        f_loss=f_loss,
    )
