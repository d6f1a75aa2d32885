"""Source-only against adapted, over seeds: the drawings homework at either scale.

A classifier learns from the edges of labelled photographs and is tested on drawings, of which it
may have seen others without labels. The same preparation and training serve the embedded world
and real pictures. Beside the baseline and the method stand controls, which are DANN with one thing
taken away: where the method is right and the world honest, they must not gain as DANN does.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm.auto import tqdm

from dalib_edu import dann, settings
from dalib_edu.data import ImageSet
from dalib_edu.data.batches import endless_batches
from dalib_edu.data.drawings import SIZE, hide_labels, prepare_drawings, prepare_photos
from dalib_edu.data.transforms import flip_and_rotate, to_float
from dalib_edu.evaluate import accuracy
from dalib_edu.fit import History, fit
from dalib_edu.settings import UserError, show_progress

METHODS = {
    "source_only": "the baseline: F and C on labelled photographs alone",
    "dann": "F against D through a gradient reversal layer",
    "dann_alternating": "F against D in two alternating steps",
    "lambda_0": "control: as dann, but D's gradient does not reach F; BatchNorm sees the target",
    "shuffled_domains": "control: as dann, but the domain labels are shuffled",
    "flipped_sign": "control: as dann, but without the minus sign, so that F helps D",
}
CONTROLS = ("lambda_0", "shuffled_domains", "flipped_sign")


# --- the data -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """What every method gets: prepared pictures, uint8 (N, 1, 32, 32), bright lines on black.

    ``target`` is what the training may see of the target domain; its labels are all -1.
    ``source_test`` and ``target_test`` are other pictures, for measuring alone.
    """

    source: ImageSet
    target: ImageSet
    source_test: ImageSet
    target_test: ImageSet


def make_task(
    source: ImageSet,
    target: ImageSet,
    source_test: ImageSet,
    target_test: ImageSet,
    *,
    prepare_source: Callable[[ImageSet], ImageSet],
    prepare_target: Callable[[ImageSet], ImageSet] = prepare_drawings,
) -> Task:
    """Prepare two domains of the same classes, and hide the labels of the target's training part.

    Args:
        source, source_test: labelled pictures of the source, to train and to test on.
        target, target_test: pictures of the target; the labels of ``target`` are not used.
        prepare_source, prepare_target: make of each domain's pictures uint8 (N, 1, 32, 32).

    Raises:
        UserError: the sets name different classes, or a set that needs labels lacks some.
    """
    named = {"source_test": source_test, "target": target, "target_test": target_test}
    for name, data in named.items():
        if data.classes != source.classes:
            raise UserError(f"{name} has the classes {data.classes}, source has {source.classes}")
    for name, data in {"source": source, **named}.items():
        if len(data) == 0:
            raise UserError(f"{name} has no pictures")
        if name != "target" and bool((data.labels < 0).any()):
            raise UserError(f"{name} has pictures without a label")
    return Task(
        prepare_source(source),
        prepare_target(hide_labels(target)),
        prepare_source(source_test),
        prepare_target(target_test),
    )


def embedded_task(
    config: dann.Config = dann.EMBEDDED,
    *,
    source: str = "photo",
    target: str = "sketch",
    per_class: int = 200,
    seed: int = 0,
) -> Task:
    """Return a task from the embedded world, by default 2,000 photographs and 2,000 drawings.

    Args:
        config: its Canny thresholds are used where the source is ``"photo"`` or ``"art"``; other
            styles have lines of their own and are only brought to bright on dark.
        source, target: styles of ``dalib_edu.data.pictures``.
        per_class: pictures of each class to train on; half as many are tested on.
        seed: of the world, not of the training.

    Raises:
        UserError: an unknown style.
    """
    from dalib_edu.data import pictures

    def load(style: str, part: int, count: int) -> ImageSet:
        size = 28 if style == "sketch" else SIZE
        return pictures.load(style, per_class=count, size=size, seed=4 * seed + part)

    half = max(1, per_class // 2)
    return make_task(
        load(source, 0, per_class),
        load(target, 1, per_class),
        load(source, 2, half),
        load(target, 3, half),
        prepare_source=_preparation(source, config.canny),
        prepare_target=_preparation(target, config.canny),
    )


def _preparation(style: str, canny: tuple[int, int]) -> Callable[[ImageSet], ImageSet]:
    if style in ("photo", "art", "art_painting"):
        return partial(prepare_photos, canny=canny)
    return prepare_drawings


# --- one run ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """What one method reached with one seed, measured on the last state of the network."""

    method: str
    seed: int
    target_accuracy: float  # 0 to 1
    source_accuracy: float  # 0 to 1, on source pictures that were not trained on
    seconds: float  # training and measuring
    history: Mapping[str, list[float]]  # the losses, one value a step


def run_one(
    method: str, task: Task, config: dann.Config, *, seed: int, device: str = "cpu"
) -> Result:
    """Train one network with one method and one seed, and measure its last state.

    Args:
        method: one of ``METHODS``.
        task: the pictures.
        config: the training.
        seed: of the network's first weights, of the batches and of their augmentation.
        device: where to train.

    Raises:
        UserError: an unknown method.
    """
    begun = time.perf_counter()
    model, history = train(method, task, config, seed=seed, device=device)

    def measure(data: ImageSet) -> float:
        return accuracy(model, to_float(data.images).to(device), data.labels.to(device))

    target, source = measure(task.target_test), measure(task.source_test)
    return Result(method, seed, target, source, time.perf_counter() - begun, history)


def train(
    method: str, task: Task, config: dann.Config, *, seed: int, device: str = "cpu"
) -> tuple[dann.Dann, History]:
    """Return the trained network and its losses. Arguments and errors as ``run_one``."""
    if method not in METHODS:
        raise UserError(f"there is no method {method!r}; the methods are {', '.join(METHODS)}")
    torch.manual_seed(seed)
    model = dann.Dann(1, len(task.source.classes), config.width, config.domain_layers)
    # With the channels last in memory a convolution takes half the time on a CPU.
    model = model.to(device, memory_format=torch.channels_last).train()
    optimizers = dann.Optimizers.adam(model, config.learning_rate, config.beta1)
    update = _update(method, model, optimizers, seed)
    batches = _batches(method, task, config, seed, device)

    def step(batch: tuple[Tensor, ...], p: float) -> dict[str, float]:
        return update(*batch, dann.lambda_at(p, config.schedule, config.lambda_))

    return model, fit(step, batches, config.steps, title=f"{method}, seed {seed}")


def _batches(method, task, config, seed, device) -> Iterator[tuple[Tensor, ...]]:
    """Yield (source, labels) for the baseline, which no target picture may reach, or with target.

    The source's batches are the same ones for every method.
    """
    size = config.batch_size
    source = endless_batches(
        task.source, size, seed=2 * seed, transform=flip_and_rotate, device=device
    )
    if method == "source_only":
        yield from source
    target = endless_batches(
        task.target, size, seed=2 * seed + 1, transform=flip_and_rotate, device=device
    )
    for (images, labels), (target_images, _) in zip(source, target, strict=False):
        yield images, labels, target_images


def _update(method, model, optimizers, seed) -> Callable[..., dict[str, float]]:
    """Return ``update(source, labels, target, lambda_)``, without target for the baseline."""
    if method == "source_only":
        return lambda source, labels, _: dann.source_only_step(model, optimizers, source, labels)
    if method == "shuffled_domains":
        generator = torch.Generator().manual_seed(seed)
        return lambda *batch: _shuffled_step(model, optimizers, *batch, generator)
    if method == "dann_alternating":
        return lambda *batch: dann.alternating_step(model, optimizers, *batch)
    sign = {"dann": 1.0, "lambda_0": 0.0, "flipped_sign": -1.0}[method]
    return lambda *batch: dann.reversal_step(model, optimizers, *batch[:-1], sign * batch[-1])


def _shuffled_step(model, optimizers, source, labels, target, lambda_, generator):
    """Do ``dann.reversal_step``, but with the domain labels in random order."""
    features = model.feature_extractor(torch.cat([source, target]))
    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    domains = dann.domain_labels(source, target)
    domains = domains[torch.randperm(len(domains), generator=generator).to(domains.device)]
    logits = model.domain_classifier(dann.gradient_reversal(features, lambda_))
    d_loss = dann.domain_loss(logits, domains)
    optimizers.features.zero_grad()
    optimizers.domain.zero_grad()
    (class_loss + d_loss).backward()
    optimizers.features.step()
    optimizers.domain.step()
    return {"class_loss": class_loss.item(), "domain_loss": d_loss.item()}


# --- many runs ----------------------------------------------------------------------------------


def run(
    task: Task,
    config: dann.Config,
    *,
    methods: Sequence[str] = ("source_only", "dann"),
    seeds: Sequence[int] = (0,),
    device: str = "cpu",
    jobs: int = 1,
) -> list[Result]:
    """Train every method with every seed.

    Args:
        task, config, device: see ``run_one``.
        methods: names from ``METHODS``.
        seeds: one run of each method a seed.
        jobs: processes side by side; above 1 each computes with one thread.

    Returns:
        the results, method by method and in each seed by seed. They do not depend on ``jobs``
        but for rounding (sums run in another order with another number of threads).

    Raises:
        UserError: an unknown method.
    """
    for method in methods:
        if method not in METHODS:
            raise UserError(f"there is no method {method!r}; the methods are {', '.join(METHODS)}")
    runs = [(method, seed) for method in methods for seed in seeds]
    if min(jobs, len(runs)) <= 1:
        return [run_one(m, task, config, seed=s, device=device) for m, s in runs]
    from joblib import Parallel, delayed

    workers = Parallel(
        n_jobs=min(jobs, len(runs)), backend="loky", inner_max_num_threads=1, return_as="generator"
    )
    results = workers(delayed(_run_alone)(m, task, config, s, device) for m, s in runs)
    # Beside each other, the runs' own bars would overwrite one another.
    return list(tqdm(results, "runs", len(runs), leave=False, disable=not show_progress()))


def _run_alone(method, task, config, seed, device) -> Result:
    import os

    os.environ["DALIB_EDU_PROGRESS"] = "off"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return run_one(method, task, config, seed=seed, device=device)
    finally:
        torch.set_num_threads(threads)


# --- what came out ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Summary:
    """One method over its seeds; ``gap`` is its target accuracy less the baseline's, seed by seed.

    The standard deviations are those of a sample (n - 1), and 0 for a single seed.
    """

    method: str
    seeds: int
    target_mean: float
    target_std: float
    source_mean: float
    gap_mean: float
    gap_std: float
    seconds: float  # mean of one run


def summarise(results: Sequence[Result], baseline: str = "source_only") -> list[Summary]:
    """Return a line for each method, in the order of the results.

    Raises:
        UserError: a method was run with a seed that the baseline was not run with.
    """
    base = {r.seed: r.target_accuracy for r in results if r.method == baseline}
    lines = []
    for method in dict.fromkeys(r.method for r in results):
        mine = [r for r in results if r.method == method]
        missing = [r.seed for r in mine if r.seed not in base]
        if missing:
            raise UserError(f"{method} has a result for seed {missing[0]}, {baseline} has none")
        target = [r.target_accuracy for r in mine]
        gaps = [r.target_accuracy - base[r.seed] for r in mine]
        lines.append(
            Summary(
                method,
                len(mine),
                statistics.fmean(target),
                _std(target),
                statistics.fmean(r.source_accuracy for r in mine),
                statistics.fmean(gaps),
                _std(gaps),
                statistics.fmean(r.seconds for r in mine),
            )
        )
    return lines


def _std(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def table(results: Sequence[Result]) -> str:
    """Return the summary as text, in percent and points."""
    rows = [
        f"{'method':<18}{'seeds':>5}  {'target':>13}  {'source':>6}  {'gain':>14}  {'s/run':>6}"
    ]
    for line in summarise(results):
        target = f"{100 * line.target_mean:.1f} +- {100 * line.target_std:.1f}"
        gain = f"{100 * line.gap_mean:+.1f} +- {100 * line.gap_std:.1f}"
        rows.append(
            f"{line.method:<18}{line.seeds:>5}  {target:>13}  {100 * line.source_mean:>6.1f}  "
            f"{'' if line.method == 'source_only' else gain:>14}  {line.seconds:>6.1f}"
        )
    return "\n".join(rows)


def to_json(results: Sequence[Result], config: dann.Config) -> dict[str, object]:
    """Return everything of an experiment as what ``json`` can write."""
    return {
        "config": asdict(config),
        "results": [{**asdict(r), "history": dict(r.history)} for r in results],
        "summary": [asdict(line) for line in summarise(results)],
    }


def curves(results: Sequence[Result], *, window: int = 20) -> dict[str, dict[str, list[float]]]:
    """Return each method's losses for a plot: the mean over seeds, smoothed over ``window`` steps.

    Returns:
        ``{method: {loss: values}}``; the value i is the mean of ``window`` steps from i on.
    """
    smooth: dict[str, dict[str, list[float]]] = {}
    for method in dict.fromkeys(r.method for r in results):
        histories = [r.history for r in results if r.method == method]
        smooth[method] = {}
        for name in histories[0]:
            mean = torch.tensor([h[name] for h in histories]).mean(0)
            wide = min(window, len(mean))
            smooth[method][name] = mean.unfold(0, wide, 1).mean(1).tolist()
    return smooth


# --- the command --------------------------------------------------------------------------------

TEST_SHARE = 0.3  # of a real domain's pictures
PLOT_ENDINGS = (".png", ".pdf", ".svg")


def real_task(
    folder: str | Path, source: str, target: str, canny: tuple[int, int] = dann.EMBEDDED.canny
) -> Task:
    """Return a task from two folders of real pictures, ``folder/<domain>/<class>/*.jpg``.

    Photographs and paintings become edges; cartoons and sketches have lines of their own and are
    only turned to bright on dark. Three tenths of each domain, the same ones for every method and
    seed, are kept to test on.

    Args:
        folder: of the domains, or the data folder that PACS lies in.
        source, target: names of domains.
        canny: thresholds.

    Raises:
        UserError: a folder, class or picture is missing or broken; the classes differ.
    """
    from dalib_edu.data import folders, real

    folder = Path(folder).expanduser()
    if not (folder / source).is_dir() and (folder / "PACS").is_dir():
        folder = real.locate("PACS", folder)
    pair = folders.load_pair(folder, source, target, size=SIZE)
    (source_train, source_test), (target_train, target_test) = map(_split, pair)
    return make_task(
        source_train,
        target_train,
        source_test,
        target_test,
        prepare_source=_preparation(source, canny),
        prepare_target=_preparation(target, canny),
    )


def _split(data: ImageSet) -> tuple[ImageSet, ImageSet]:
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))
    tested = round(TEST_SHARE * len(data))
    return data.subset(order[tested:]), data.subset(order[:tested])


def report(
    *,
    scale: str | None = None,
    data: str | Path | None = None,
    source: str = "photo",
    target: str = "sketch",
    methods: Sequence[str] = ("source_only", "dann"),
    seeds: Sequence[int] = (0,),
    steps: int | None = None,
    jobs: int = 1,
    json_file: Path | None = None,
    plot_file: Path | None = None,
) -> list[Result]:
    """Run an experiment as ``dalib-edu run hw2`` does, and print its table.

    Args:
        scale: the preset, by default ``settings.scale()``.
        data: a folder for ``real_task``; None: the embedded world.
        source, target: domains.
        methods, seeds, jobs: see ``run``.
        steps: updates, in place of the preset's.
        json_file, plot_file: where to write all figures, and the curves of the losses.

    Raises:
        UserError: bad arguments or data.
    """
    scale = scale or settings.scale()
    if scale not in dann.PRESETS:
        raise UserError(f"the scale is one of {', '.join(dann.PRESETS)}, not {scale!r}")
    for file in filter(None, (json_file, plot_file)):
        if not Path(file).absolute().parent.is_dir():
            raise UserError(f"{file}: there is no folder {Path(file).absolute().parent}")
    # Refused now, not after minutes of training.
    if plot_file and Path(plot_file).suffix.lower() not in PLOT_ENDINGS:
        raise UserError(f"{plot_file}: a plot's name ends in {', '.join(PLOT_ENDINGS)}")
    config = dann.PRESETS[scale]
    config = replace(config, steps=steps or config.steps)
    if data is not None:
        task = real_task(data, source, target, config.canny)
    else:
        task = embedded_task(config, source=source, target=target)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(
        f"{source} -> {target}: {len(task.source)} labelled, {len(task.target)} unlabelled, "
        f"tested on {len(task.target_test)}; {config.steps} steps, last checkpoint"
    )
    results = run(task, config, methods=methods, seeds=seeds, device=device, jobs=jobs)
    print(table(results))
    if json_file:
        _write(Path(json_file), json.dumps(to_json(results, config), indent=1) + "\n")
    if plot_file:
        _draw_losses(results, Path(plot_file))
    return results


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None


def _draw_losses(results: Sequence[Result], path: Path) -> None:
    from dalib_edu import plot

    named = {
        f"{method}, {loss}": list(enumerate(values))
        for method, losses in curves(results).items()
        for loss, values in losses.items()
    }
    figure = plot.lines(named, title="Losses, mean over seeds", xlabel="step", ylabel="loss")
    try:
        figure.savefig(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None
