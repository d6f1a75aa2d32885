"""Seconds an iteration of M3SDA takes: as it circulates, without its useless work, and faster.

    python tests/benchmarks/bench_m3sda.py [--rounds 31] [--threads 1] [--width 0.125]

*Circulating* is the loop that goes round with the homework: phase 2 builds the feature extractor's
graph and computes the moment term, for nothing, phase 3 begins with features that phase 2 has had
and computes gradients of the classifiers that nobody steps, and the moment term is its own (see
``circulating_regulariser``). *Ours* is ``m3sda.train_step`` on the same network, batches and
optimisers; *channels last* is the same with that memory format. The ways take turns in one process,
an iteration each; a ratio is the median over the rounds, with its quartiles. What the ratio could
be at best, if time were arithmetic alone, is told by the counted floating-point operations.
"""

import argparse
import copy
import os
import statistics
import time
from collections.abc import Callable

import dalib_edu  # before torch: it says how idle threads wait

# isort: split
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from dalib_edu import m3sda

WEIGHT, ORDERS, REPEATS, RATE, DECAY = 2e-4, 5, 4, 3e-4, 5e-4  # the circulating loop's
# By how much each way is to be faster than the circulating one.
GOALS = {"ours": 1.2, "ours, channels last": 1.7}
Batch = tuple[list[Tensor], list[Tensor], Tensor]


def circulating_regulariser(features: list[Tensor], orders: int = ORDERS) -> Tensor:
    """Return what circulates in place of the moment distance, for three batches (N, D).

    Its "first moment" compares centred features row by row, and its distances are summed. A
    permutation of a batch changes it, and a shift of a batch does not.
    """
    centred = [f - f.mean(0) for f in features]
    pairs = [(0, 1), (0, 2), (1, 2)]

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return ((a - b) ** 2).sum().sqrt()

    total = sum(distance(centred[i], centred[j]) for i, j in pairs)
    for k in range(2, orders + 1):
        moments = [(f**k).mean(0) for f in centred]
        total = total + sum(distance(moments[i], moments[j]) for i, j in pairs)
    return total


def circulating_iteration(model: m3sda.M3sda, batch: Batch) -> Callable[[], dict[str, float]]:
    """Return one iteration as it circulates, with three optimisers and all losses each time."""
    parts = (model.feature_extractor, model.classifier1, model.classifier2)
    optimizers = [torch.optim.AdamW(p.parameters(), RATE, weight_decay=DECAY) for p in parts]
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    sources, labels, target = batch

    def update(loss: Tensor, stepped: list[torch.optim.Optimizer]) -> None:
        scaler.scale(loss).backward()
        for optimizer in stepped:
            scaler.step(optimizer)
        scaler.update()
        for optimizer in stepped:
            optimizer.zero_grad()

    def supervised() -> tuple[Tensor, Tensor]:
        features = [model.feature_extractor(images) for images in (*sources, target)]
        logits = [[c(f) for f in features] for c in (model.classifier1, model.classifier2)]
        loss = WEIGHT * circulating_regulariser(features)
        for of_classifier in logits:
            for each, its_labels in zip(of_classifier, labels, strict=False):
                loss = loss + F.cross_entropy(each, its_labels)
        return loss, (logits[0][-1].softmax(-1) - logits[1][-1].softmax(-1)).abs().mean()

    def iteration() -> dict[str, float]:
        loss, _ = supervised()
        update(loss, optimizers)
        loss, gap = supervised()
        update(loss - gap, optimizers[1:])
        for _ in range(REPEATS):
            features = model.feature_extractor(target)
            one, two = model.classifier1(features), model.classifier2(features)
            gap = (one.softmax(-1) - two.softmax(-1)).abs().mean()
            update(gap, optimizers[:1])
        return {"loss": loss.item(), "discrepancy": gap.item()}

    return iteration


def our_iteration(model: m3sda.M3sda, batch: Batch) -> Callable[[], dict[str, float]]:
    optimizers = m3sda.Optimizers.adamw(model, RATE, DECAY)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    return lambda: m3sda.train_step(
        model,
        optimizers,
        *batch,
        weight=WEIGHT,
        repeats=REPEATS,
        scaler=scaler,
        orders=tuple(range(1, ORDERS + 1)),
    )


def ways(batch_size: int, width: float) -> dict[str, Callable[[], dict[str, float]]]:
    """Return the iterations to compare, from the same first weights and on the same pictures."""
    torch.manual_seed(0)
    model = m3sda.M3sda.build(3, 10, width)
    images = [torch.randn(batch_size, 3, 32, 32) for _ in range(3)]
    batch = images[:2], [torch.randint(10, (batch_size,)) for _ in range(2)], images[2]
    copies = [copy.deepcopy(model) for _ in range(3)]
    return {
        "circulating": circulating_iteration(copies[0], batch),
        "ours": our_iteration(copies[1], batch),
        "ours, channels last": our_iteration(
            copies[2].to(memory_format=torch.channels_last), batch
        ),
    }


def operations(iteration: Callable[[], dict[str, float]]) -> int:
    """Return the floating-point operations of an iteration's convolutions and matrix products."""
    with FlopCounterMode(display=False) as counter:
        iteration()
    return counter.get_total_flops()


def measure(
    compared: dict[str, Callable[[], dict[str, float]]], rounds: int
) -> dict[str, list[float]]:
    """Return the seconds of each way in each round, after two rounds to warm up."""
    seconds = {name: [] for name in compared}
    for i in range(rounds + 2):
        for name, iteration in compared.items():
            start = time.perf_counter()
            iteration()
            if i >= 2:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=64, help="pictures of each domain")
    parser.add_argument("--width", type=float, default=m3sda.EMBEDDED.width, help="of the network")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    threads = f"{options.threads} of {os.cpu_count()} cores"
    print(
        f"dalib_edu {dalib_edu.__version__}, torch {torch.__version__}, {threads}; "
        f"3 x {options.batch} pictures of 3 x 32 x 32, width {options.width}"
    )
    compared = ways(options.batch, options.width)
    work = {name: operations(iteration) for name, iteration in compared.items()}
    seconds = measure(compared, options.rounds)
    base = "circulating"
    print("seconds an iteration (median); millions of operations, and how many times fewer")
    for name, values in seconds.items():
        print(
            f"  {name:20s} {statistics.median(values):7.4f}   {work[name] / 1e6:8.0f} "
            f"{work[base] / work[name]:5.2f}x"
        )
    print(f"times as fast as the circulating one, median of {options.rounds} rounds (quartiles)")
    for name, goal in GOALS.items():
        ratios = [c / own for c, own in zip(seconds[base], seconds[name], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        verdict = "reached" if middle >= goal else "missed"
        print(f"  {name:20s} {middle:5.2f}x ({low:.2f} to {high:.2f}); goal {goal}x: {verdict}")


if __name__ == "__main__":
    main()
