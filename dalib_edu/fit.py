"""The one training loop."""

from collections.abc import Callable, Collection, Iterator
from typing import Any

from torch import Tensor
from tqdm.auto import tqdm

from dalib_edu.settings import show_progress

History = dict[str, list[float]]


def fit(
    step: Callable[..., dict[str, float]],
    batches: Iterator[tuple[Tensor, ...]],
    steps: int,
    *,
    marks: Collection[int] = (),
    on_mark: Callable[[int], Any] | None = None,
    title: str = "training",
) -> History:
    """Call ``step`` on ``steps`` batches and keep what it reports.

    Args:
        step: ``step(batch, p)`` does one update and returns figures by name; ``p`` in [0, 1) is
            the part of the training that is done.
        batches: an endless iterator.
        steps: the number of updates.
        marks: numbers of finished updates (0: before the first) after which to call ``on_mark``.
        on_mark: called with the number of finished updates; evaluate or save there.
        title: stands before the progress bar.

    Returns:
        each figure's values, one a step.
    """
    history: History = {}
    bar = tqdm(range(steps), desc=title, disable=not show_progress(), leave=False, mininterval=0.5)
    for done in bar:
        if on_mark and done in marks:
            on_mark(done)
        for name, value in step(next(batches), done / steps).items():
            history.setdefault(name, []).append(value)
        if done % 20 == 0:
            bar.set_postfix({name: f"{values[-1]:.3f}" for name, values in history.items()})
    if on_mark and steps in marks:
        on_mark(steps)
    return history
