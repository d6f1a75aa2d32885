"""Source-only against adapted, over seeds: what the homeworks' experiments share.

Each homework has a module ``dalib_edu.experiment.hwN`` with

- ``METHODS``: a line on each; the first is the baseline. ``DEFAULT``: those that run unless told
  otherwise;
- ``PRESETS``: the configuration of each scale;
- ``SOURCES``, ``TARGET``: the domains, unless told otherwise;
- ``make_task(config, data=, sources=, target=)``: the pictures, which every method gets alike;
- ``describe(task)``: a line on them;
- ``run_one(method, task, config, seed=, device=)``: trains a network and measures its last state;
- ``table(results, baseline)``, if it has more to show than the one here.
"""

import importlib
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import ModuleType

import torch

from dalib_edu import settings
from dalib_edu.data import ImageSet
from dalib_edu.jobs import parallel
from dalib_edu.settings import UserError

HOMEWORKS = ("hw1", "hw2", "hw3", "hw4", "hw5")
PLOT_ENDINGS = (".png", ".pdf", ".svg")


def module_of(homework: str) -> ModuleType:
    """Return a homework's experiment; ``homework`` is its number ("hw2") or its full name.

    Raises:
        UserError: there is none of this name.
    """
    name = homework.split("_")[0]
    if name not in HOMEWORKS:
        raise UserError(f"this command knows {', '.join(HOMEWORKS)}, not {homework!r}")
    return importlib.import_module(f"dalib_edu.experiment.{name}")


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


# --- many runs ----------------------------------------------------------------------------------


def run(
    homework: ModuleType,
    task,
    config,
    *,
    methods: Sequence[str],
    seeds: Sequence[int] = (0,),
    device: str = "cpu",
    jobs: int = 1,
    cluster: str | None = None,
) -> list[Result]:
    """Train every method with every seed.

    Args:
        homework: from ``module_of``.
        task, config, device: see its ``run_one``.
        methods: names from its ``METHODS``.
        seeds: one run of each method a seed.
        jobs, cluster: where they run, see ``dalib_edu.jobs.parallel``.

    Returns:
        the results, method by method and in each seed by seed. They do not depend on ``jobs``
        but for rounding (sums run in another order with another number of threads).

    Raises:
        UserError: an unknown method.
    """
    for method in methods:
        check_method(method, homework.METHODS)
    runs = [(homework.__name__, m, task, config, s, device) for m in methods for s in seeds]
    results = dict(parallel(_run_one, runs, jobs=jobs, cluster=cluster))
    return [results[i] for i in range(len(runs))]


def check_method(method: str, methods: Mapping[str, str]) -> None:
    """Raise ``UserError`` where there is no method of this name."""
    if method not in methods:
        raise UserError(f"there is no method {method!r}; the methods are {', '.join(methods)}")


def _run_one(module: str, method: str, task, config, seed: int, device: str) -> Result:
    # By name: a module itself cannot be sent to another process.
    return importlib.import_module(module).run_one(method, task, config, seed=seed, device=device)


# --- what came out ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Summary:
    """One method over its seeds; ``gap`` is its target accuracy less the baseline's, seed by seed.

    The standard deviations are those of a sample (n - 1), and 0 for a single seed. Where the
    baseline was not run with all of the method's seeds there is no gap: None.
    """

    method: str
    seeds: int
    target_mean: float
    target_std: float
    source_mean: float
    gap_mean: float | None
    gap_std: float | None
    seconds: float  # mean of one run

    def gain(self) -> str:
        """Return the gap as text, in points; empty without one."""
        if self.gap_mean is None or self.gap_std is None:
            return ""
        return f"{100 * self.gap_mean:+.1f} +- {100 * self.gap_std:.1f}"


def summarise(results: Sequence[Result], baseline: str = "source_only") -> list[Summary]:
    """Return a line for each method, in the order of the results.

    Args:
        results: of all methods.
        baseline: the method that the others are compared with.
    """
    base = {r.seed: r.target_accuracy for r in results if r.method == baseline}
    lines = []
    for method in dict.fromkeys(r.method for r in results):
        mine = [r for r in results if r.method == method]
        target = [r.target_accuracy for r in mine]
        gaps = [r.target_accuracy - base[r.seed] for r in mine if r.seed in base]
        comparable = len(gaps) == len(mine)
        lines.append(
            Summary(
                method,
                len(mine),
                statistics.fmean(target),
                _std(target),
                statistics.fmean(r.source_accuracy for r in mine),
                statistics.fmean(gaps) if comparable else None,
                _std(gaps) if comparable else None,
                statistics.fmean(r.seconds for r in mine),
            )
        )
    return lines


def _std(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def table(results: Sequence[Result], baseline: str = "source_only") -> str:
    """Return the summary as text, in percent and points."""
    rows = [
        f"{'method':<18}{'seeds':>5}  {'target':>13}  {'source':>6}  {'gain':>14}  {'s/run':>6}"
    ]
    for line in summarise(results, baseline):
        target = f"{100 * line.target_mean:.1f} +- {100 * line.target_std:.1f}"
        rows.append(
            f"{line.method:<18}{line.seeds:>5}  {target:>13}  {100 * line.source_mean:>6.1f}  "
            f"{'' if line.method == baseline else line.gain():>14}  {line.seconds:>6.1f}"
        )
    return "\n".join(rows)


def to_json(results: Sequence[Result], config, baseline: str = "source_only") -> dict[str, object]:
    """Return everything of an experiment as what ``json`` can write."""
    return {
        "config": asdict(config),
        "results": [{**asdict(r), "history": dict(r.history)} for r in results],
        "summary": [asdict(line) for line in summarise(results, baseline)],
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


# --- what the homeworks' tasks share ------------------------------------------------------------

TEST_SHARE = 0.3  # of a real domain's pictures


def split(data: ImageSet) -> tuple[ImageSet, ImageSet]:
    """Return a part to train on and three tenths to test on, the same for every run."""
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))
    tested = round(TEST_SHARE * len(data))
    return data.subset(order[tested:]), data.subset(order[:tested])


def domains_folder(data: str | Path, *domains: str) -> Path:
    """Return the folder that holds the domains' folders: ``data``, or PACS in it."""
    from dalib_edu.data import real

    folder = Path(data).expanduser()
    if not all((folder / domain).is_dir() for domain in domains) and (folder / "PACS").is_dir():
        return real.locate("PACS", folder)
    return folder


# --- the command --------------------------------------------------------------------------------


def report(
    homework: str,
    *,
    scale: str | None = None,
    data: str | Path | None = None,
    sources: Sequence[str] = (),
    target: str | None = None,
    methods: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    steps: int | None = None,
    changes: Sequence[str] = (),
    jobs: int = 1,
    cluster: str | None = None,
    json_file: Path | None = None,
    plot_file: Path | None = None,
) -> list[Result]:
    """Run an experiment as ``dalib-edu run`` does, and print its table.

    Args:
        homework: see ``module_of``.
        scale: the preset, by default ``settings.scale()``.
        data: a folder of real domains; None: the embedded world.
        sources, target, methods: by default the homework's own.
        seeds, jobs, cluster: see ``run``.
        steps, changes: see ``preset``.
        json_file, plot_file: where to write all figures, and the curves of the losses.

    Raises:
        UserError: bad arguments or data.
    """
    module = module_of(homework)
    config = preset(module, scale, steps, changes)
    # Refused now, not after minutes of training.
    for file in filter(None, (json_file, plot_file)):
        check_writable(Path(file))
    if plot_file and Path(plot_file).suffix.lower() not in PLOT_ENDINGS:
        raise UserError(f"{plot_file}: a plot's name ends in {', '.join(PLOT_ENDINGS)}")
    methods = methods or module.DEFAULT
    for method in methods:
        check_method(method, module.METHODS)
    sources, target = tuple(sources or module.SOURCES), target or module.TARGET
    task = module.make_task(config, data=data, sources=sources, target=target)
    domains = f"{' + '.join(sources)} -> {target}"
    print(f"{domains}: {module.describe(task)}; {config.steps} steps, last checkpoint")
    results = run(
        module,
        task,
        config,
        methods=methods,
        seeds=seeds,
        device="cuda" if torch.cuda.is_available() else "cpu",
        jobs=jobs,
        cluster=cluster,
    )
    baseline = next(iter(module.METHODS))
    print(getattr(module, "table", table)(results, baseline))
    if json_file:
        write_text(Path(json_file), json.dumps(to_json(results, config, baseline), indent=1) + "\n")
    if plot_file:
        _draw_losses(results, Path(plot_file))
    return results


def preset(
    module: ModuleType, scale: str | None, steps: int | None = None, changes: Sequence[str] = ()
):
    """Return a homework's configuration at a scale, changed where the user says so.

    Args:
        module: from ``module_of``.
        scale: a name in its ``PRESETS``; None: ``settings.scale()``.
        steps: updates, in place of the preset's.
        changes: ``"name=value"`` for other fields that are a number, a text, true or false.

    Raises:
        UserError: an unknown scale or field, or a value of another kind than the preset's.
    """
    scale = scale or settings.scale()
    if scale not in module.PRESETS:
        raise UserError(f"the scale is one of {', '.join(module.PRESETS)}, not {scale!r}")
    config = module.PRESETS[scale]
    changed = dict(_change(config, text) for text in changes)
    return replace(config, **changed | ({"steps": steps} if steps else {}))


def _change(config, text: str) -> tuple[str, object]:
    """Return the field and the value of ``"name=value"``, of the kind that the field has."""
    name, equals, value = text.partition("=")
    kinds = {n: type(v) for n, v in asdict(config).items() if type(v) in (bool, int, float, str)}
    if not equals or name not in kinds:
        raise UserError(f"--set takes NAME=VALUE with a name of {', '.join(kinds)}, not {text!r}")
    words = {"true": True, "false": False}
    try:
        return name, words[value.lower()] if kinds[name] is bool else kinds[name](value)
    except (KeyError, ValueError):
        wanted = {bool: "true or false", int: "a whole number", float: "a number"}[kinds[name]]
        raise UserError(f"{name} must be {wanted}, not {value!r}") from None


def check_writable(file: Path) -> None:
    """Raise ``UserError`` where a file's folder is not there."""
    if not file.absolute().parent.is_dir():
        raise UserError(f"{file}: there is no folder {file.absolute().parent}")


def write_text(path: Path, text: str) -> None:
    """Write a file; raises ``UserError`` where that fails."""
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
