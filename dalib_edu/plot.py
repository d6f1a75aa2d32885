"""Pictures of data and results, in colours that colour-blind readers can tell apart."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from torch import Tensor

from dalib_edu import settings

# Okabe and Ito's palette; source and target keep their colours throughout the course.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
SOURCE_COLOUR, TARGET_COLOUR = COLOURS[:2]
DASHES = (":", "--", "-.")
_MARKERS = "osD^vP"


def image_grid(
    images: Tensor, titles: Sequence[str] = (), *, columns: int = 10, title: str = ""
) -> Figure:
    """Show pictures row by row.

    Args:
        images: uint8 (0 to 255) or float (0 to 1), (N, 1 or 3, H, W).
        titles: one above each picture, or none.
        columns: pictures a row.
        title: above all.
    """
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(columns * 0.95, rows * (1.15 if titles else 0.95) + 0.4),
        squeeze=False,
        layout="constrained",
    )
    for axis in axes.flat:
        axis.axis("off")
    for i, (axis, picture) in enumerate(zip(axes.flat, images, strict=False)):
        _show(axis, picture, titles[i] if i < len(titles) else "")
    if title:
        figure.suptitle(title, fontsize=11)
    return _done(figure)


def _show(axis: Axes, picture: Tensor, title: str) -> None:
    pixels = picture.permute(1, 2, 0).squeeze(-1).cpu().numpy()  # (C, H, W) -> (H, W[, 3])
    top = 255 if picture.dtype == torch.uint8 else 1
    axis.imshow(pixels, cmap="gray", vmin=0, vmax=top, interpolation="nearest")
    axis.set_title(title, fontsize=8)


def picture_rows(rows: Mapping[str, Tensor], columns: Sequence[str], *, title: str = "") -> Figure:
    """Show rows of pictures to compare column by column, each row with its name on the left.

    Args:
        rows: by name, pictures as for ``image_grid``, as many in each as there are columns.
        columns: what stands above each column.
        title: above all.
    """
    figure, axes = plt.subplots(
        len(rows),
        len(columns),
        figsize=(1.4 + 0.8 * len(columns), 0.85 * len(rows) + 0.5),
        squeeze=False,
        layout="constrained",
    )
    for row, (name, pictures) in zip(axes, rows.items(), strict=True):
        for axis, picture in zip(row, pictures, strict=True):
            _show(axis, picture, "")
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    for axis, column in zip(axes[0], columns, strict=True):
        axis.set_title(column, fontsize=9)
    if title:
        figure.suptitle(title, fontsize=11)
    return _done(figure)


class LiveCurves:
    """Curves that grow in the notebook while a network trains.

    At grading scale nothing is drawn: a few steps make no curve, and a picture costs as much time
    as they do.

    Args:
        panels: for each panel its y label and the names of the figures in it, for example
            ``{"loss": ["class_loss", "domain_loss"], "accuracy": ["source", "target"]}``.
        title: above all.
        chance: dotted levels that mean "no better than guessing", by y label.
    """

    def __init__(
        self,
        panels: Mapping[str, Sequence[str]],
        *,
        title: str = "",
        chance: Mapping[str, float] | None = None,
    ) -> None:
        self._panels, self._title, self._chance = panels, title, dict(chance or {})
        self._points: dict[str, list[tuple[int, float]]] = {}
        self._handle = None

    def add(self, step: int, **figures: float) -> None:
        """Add one point to each named curve and redraw."""
        for name, value in figures.items():
            self._points.setdefault(name, []).append((step, value))
        self._redraw()

    def points(self, name: str) -> list[tuple[int, float]]:
        """Return the (step, value) pairs of one curve so far."""
        return list(self._points.get(name, []))

    def _redraw(self) -> None:
        from IPython.display import display

        if settings.scale() == "grading":
            return
        figure = self.figure()
        if self._handle is None:
            self._handle = display(figure, display_id=True)
        else:
            self._handle.update(figure)
        plt.close(figure)

    def figure(self) -> Figure:
        """Return the picture as it stands."""
        figure, axes = plt.subplots(
            1,
            len(self._panels),
            figsize=(4.6 * len(self._panels), 3),
            squeeze=False,
            layout="constrained",
        )
        for axis, (label, names) in zip(axes.flat, self._panels.items(), strict=True):
            _curves(axis, {name: self._points.get(name, []) for name in names})
            if label in self._chance:
                axis.axhline(self._chance[label], color="#666666", ls=":", label="chance")
            axis.set(xlabel="step", ylabel=label)
            axis.legend(fontsize=8)
        figure.suptitle(self._title, fontsize=11)
        return figure


def _curves(axis: Axes, curves: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    for i, (name, points) in enumerate(curves.items()):
        steps, values = zip(*points, strict=True) if points else ((), ())
        axis.plot(
            steps,
            values,
            color=COLOURS[i % len(COLOURS)],
            marker=_MARKERS[i % len(_MARKERS)],
            markersize=3,
            label=name.replace("_", " "),
        )
    axis.grid(alpha=0.3)


def lines(
    curves: Mapping[str, Sequence[tuple[float, float]]], *, title: str, xlabel: str, ylabel: str
) -> Figure:
    """Plot named curves, each a sequence of (x, y)."""
    figure, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
    _curves(axis, curves)
    axis.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axis.legend(fontsize=8)
    return _done(figure)


def panels(
    curves: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]],
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    levels: Mapping[str, float] | None = None,
) -> Figure:
    """Plot several sets of named curves side by side, with one y axis for all.

    Args:
        curves: for each panel's title its curves, as for ``lines``.
        title: above all.
        xlabel, ylabel: what the axes are.
        levels: dotted and dashed lines by their name in the legend, in every panel.
    """
    figure, axes = plt.subplots(
        1,
        len(curves),
        figsize=(max(5, 0.6 + 2.9 * len(curves)), 3.5),
        squeeze=False,
        sharey=True,
        layout="constrained",
    )
    for axis, (name, each) in zip(axes.flat, curves.items(), strict=True):
        _curves(axis, each)
        for dash, (level, value) in zip(cycle(DASHES), (levels or {}).items(), strict=False):
            axis.axhline(value, color="#666666", ls=dash, label=level)
        axis.set_title(name, fontsize=10)
        axis.set_xlabel(xlabel)
    axes[0, 0].set_ylabel(ylabel)
    # Beside the panels, where it hides no curve.
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, fontsize=8, ncols=2, loc="outside lower center")
    figure.suptitle(title, fontsize=11)
    return _done(figure)


def spread(
    groups: Mapping[str, Sequence[float]],
    *,
    title: str,
    ylabel: str,
    levels: Mapping[str, float] | None = None,
) -> Figure:
    """Show repeated runs: a dot for each, and the mean with its standard deviation beside them.

    Args:
        groups: for each name, which stands below, the values of its runs, one or more.
        title: above all.
        ylabel: what the values are.
        levels: dotted lines by their name in the legend, for example ``{"chance": 10}``.
    """
    figure, axis = plt.subplots(figsize=(1.2 + 1.5 * len(groups), 3.2), layout="constrained")
    for i, values in enumerate(groups.values()):
        colour = COLOURS[i % len(COLOURS)]
        axis.scatter(np.full(len(values), i - 0.12), values, s=16, c=colour, alpha=0.6, lw=0)
        deviation = np.std(values, ddof=1) if len(values) > 1 else 0
        bar = {"fmt": "D", "ms": 5, "capsize": 4, "color": colour}
        axis.errorbar(i + 0.12, np.mean(values), deviation, **bar)
    for level, value in (levels or {}).items():
        axis.axhline(value, color="#666666", ls=":", label=level)
    if levels:
        axis.legend(fontsize=8)
    axis.set(title=title, ylabel=ylabel, xlim=(-0.5, len(groups) - 0.5))
    axis.set_xticks(range(len(groups)), list(groups), fontsize=8)
    axis.grid(alpha=0.3, axis="y")
    return _done(figure)


def choices(
    scores: Mapping[str, Sequence[float]], values: Sequence[float], *, title: str, ylabel: str
) -> Figure:
    """Show what choosing by each score would have brought: a panel each, its choice in a ring.

    Args:
        scores: by name, one a setting, the higher the better; NaN is not shown.
        values: what each setting is worth, in the same order.
        title: above all.
        ylabel: what the values are.
    """
    figure, axes = plt.subplots(
        1,
        len(scores),
        figsize=(2.6 * len(scores), 3),
        squeeze=False,
        sharey=True,
        layout="constrained",
    )
    for axis, (name, each) in zip(axes.flat, scores.items(), strict=True):
        axis.scatter(each, values, s=14, c=COLOURS[0], alpha=0.7, lw=0, label="a setting")
        chosen = int(np.nanargmax(each))
        at = each[chosen], values[chosen]
        axis.scatter(*at, s=90, facecolors="none", edgecolors=COLOURS[1], label="chosen")
        axis.axhline(max(values), color="#666666", ls=":", label="the best there is")
        axis.set(xlabel=name)
        axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel(ylabel)
    axes[0, 0].legend(fontsize=7)
    figure.suptitle(title, fontsize=11)
    return _done(figure)


def smooth(values: Sequence[float], window: int = 10) -> list[tuple[int, float]]:
    """Return (step, mean of the last ``window`` values) for every step that has as many."""
    means = np.convolve(values, np.full(window, 1 / window), mode="valid")
    return [(i + window - 1, float(mean)) for i, mean in enumerate(means)]


def tsne(features: Tensor, *, seed: int = 0) -> np.ndarray:
    """Map features (N, D) to the plane (N, 2): PCA to 50 dimensions, then t-SNE (scikit-learn)."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    points = features.cpu().numpy()
    components = min(50, *points.shape)
    points = PCA(components, random_state=seed).fit_transform(points)
    perplexity = min(30, (len(points) - 1) / 3)
    mapper = TSNE(init="pca", perplexity=perplexity, max_iter=500, random_state=seed)
    return mapper.fit_transform(points)


def feature_maps(
    maps: Sequence[np.ndarray],
    labels: Tensor,
    n_source: int,
    classes: Sequence[str],
    *,
    titles: Sequence[str],
    domains: Mapping[str, int] | None = None,
) -> Figure:
    """Show maps of features, coloured by domain above and by class (source alone) below.

    Args:
        maps: each (N, 2), the first ``n_source`` rows from the source or the sources.
        labels: the source's classes, int64 (n_source,).
        classes: names, written where their pictures lie.
        titles: one a map.
        domains: each domain's name and number of rows, in order, the target last; by default
            source and target.
    """
    domains = domains or {"source": n_source, "target": len(maps[0]) - n_source}
    figure, axes = plt.subplots(
        2, len(maps), figsize=(3.6 * len(maps), 7), squeeze=False, layout="constrained"
    )
    for column, (points, title) in enumerate(zip(maps, titles, strict=True)):
        _by_domain(axes[0, column], points, domains)
        _by_class(axes[1, column], points[:n_source], labels.numpy(), classes)
        axes[0, column].set_title(f"{title}: by domain", fontsize=10)
        axes[1, column].set_title(f"{title}: source by class", fontsize=10)
    axes[0, 0].legend(fontsize=8, markerscale=2)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[], xlabel="t-SNE 1", ylabel="t-SNE 2")
    return _done(figure)


def _by_domain(axis: Axes, points: np.ndarray, domains: Mapping[str, int]) -> None:
    # Blue circles for the first source, orange triangles for the target, others in between.
    looks = [(SOURCE_COLOUR, "o"), *zip(COLOURS[2:], "sDvP*h", strict=True)][: len(domains) - 1]
    ends = np.cumsum(list(domains.values()))
    rows = np.split(points, ends[:-1])
    for part, (colour, marker), name in zip(
        rows, [*looks, (TARGET_COLOUR, "^")], domains, strict=True
    ):
        axis.scatter(*part.T, s=7, c=colour, marker=marker, alpha=0.6, lw=0, label=name)


def _by_class(axis: Axes, points: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> None:
    for k, name in enumerate(classes):
        rows = points[labels == k]
        colour, marker = COLOURS[k % len(COLOURS)], _MARKERS[k % len(_MARKERS)]
        axis.scatter(*rows.T, s=8, c=colour, marker=marker, alpha=0.6, lw=0)
        if len(rows):
            axis.text(*np.median(rows, axis=0), name, fontsize=8, ha="center", weight="bold")


def retrieval_gallery(queries: Tensor, answers: Tensor, right: Tensor, *, title: str) -> Figure:
    """Show what was found: a row a query, which stands on the left, its answers in their order.

    A right answer has a blue frame and a tick, a wrong one an orange frame and a cross.

    Args:
        queries: uint8 (0 to 255) or float (0 to 1), (Q, 1 or 3, H, W).
        answers: likewise, (Q, K, 1 or 3, H, W).
        right: bool (Q, K).
        title: above all.
    """
    rows, columns = right.shape
    figure, axes = plt.subplots(
        rows,
        columns + 1,
        figsize=(0.75 * (columns + 1), 0.95 * rows + 0.4),
        squeeze=False,
        layout="constrained",
    )
    for row, query in enumerate(queries):
        _show(axes[row, 0], query, "query")
        for axis, picture, good in zip(axes[row, 1:], answers[row], right[row], strict=True):
            _show(axis, picture, "\N{CHECK MARK}" if good else "\N{BALLOT X}")
            colour = SOURCE_COLOUR if good else TARGET_COLOUR
            axis.title.set_color(colour)
            axis.spines[:].set(color=colour, linewidth=2.5)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    figure.suptitle(title, fontsize=11)
    return _done(figure)


def thumbnail_map(
    points: np.ndarray, images: Tensor, groups: Sequence[str], *, title: str, pixels: int = 900
) -> Figure:
    """Draw pictures of strokes where a map has them, in the colour of their group.

    Args:
        points: the map (N, 2), from ``tsne`` for example.
        images: bright strokes on black, uint8 (N, 1, H, W).
        groups: the name of each picture's group, at most eight different ones.
        title: above.
        pixels: height and width of the drawing.
    """
    height, width = images.shape[-2:]
    low, high = points.min(0), points.max(0)
    corners = (points - low) / (high - low) * (pixels - np.array([width, height]))
    names = list(dict.fromkeys(groups))
    paper = np.ones((pixels, pixels, 3))
    for (x, y), picture, name in zip(corners.round().astype(int), images, groups, strict=True):
        ink = picture[0].cpu().numpy()[..., None] / 255  # (1, H, W) -> (H, W, 1)
        colour = np.array(to_rgb(COLOURS[names.index(name)]))
        part = paper[pixels - height - y : pixels - y, x : x + width]  # rows count downwards
        part[:] = (1 - ink) * part + ink * colour
    figure, axis = plt.subplots(figsize=(7.5, 7), layout="constrained")
    axis.imshow(paper, extent=(low[0], high[0], low[1], high[1]), aspect="auto")
    for name, colour in zip(names, COLOURS, strict=False):
        axis.scatter([], [], c=colour, marker="s", label=name.replace("_", " "))
    axis.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    axis.set(title=title, xticks=[], yticks=[], xlabel="t-SNE 1", ylabel="t-SNE 2")
    return _done(figure)


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """Return rows with the same keys as a Markdown table; floats with one decimal."""
    names = list(rows[0])
    cells = [[_cell(row[name]) for name in names] for row in rows]
    widths = [max(len(text) for text in column) for column in zip(names, *cells, strict=True)]
    body = [" | ".join(t.ljust(w) for t, w in zip(row, widths, strict=True)) for row in cells]
    head = " | ".join(n.ljust(w) for n, w in zip(names, widths, strict=True))
    rule = " | ".join("-" * width for width in widths)
    return "\n".join(f"| {line} |" for line in (head, rule, *body))


def _cell(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _done(figure: Figure) -> Figure:
    # A closed figure is shown once, as the cell's result, and not a second time by the backend.
    plt.close(figure)
    return figure
