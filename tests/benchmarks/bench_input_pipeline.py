"""Images a second from a folder to the network's door: a picture at a time, and in whole batches.

    python tests/benchmarks/bench_input_pipeline.py [--rounds 5]

The embedded world is written out in the layout of real_or_drawing. *Per image* is how the homework
is usually solved: ImageFolder, a chain of torchvision transforms on PIL pictures, a DataLoader with
0 or 2 workers (kept between epochs). *Batched* is this package: pictures decoded once, mirrored and
turned in uint8 batches, with the edges found for each batch, or once for all as the package's own
runs do. The ways take turns in one process, an epoch each; a ratio
is the median over the rounds, with the smallest and the largest.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import dalib_edu  # before torch: it says how idle threads wait

# isort: split
import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader
from torchvision import transforms as tv
from torchvision.datasets import ImageFolder

from dalib_edu.data import ImageSet, export, folders
from dalib_edu.data.batches import endless_batches
from dalib_edu.data.transforms import edges, flip_and_rotate

LOW, HIGH = 170, 300
BATCH = 128


def canny(picture) -> np.ndarray:
    return cv2.Canny(np.array(picture), LOW, HIGH)


def per_image(source: bool, interpolation=tv.InterpolationMode.NEAREST) -> tv.Compose:
    """Return the usual chain for photographs (``source``) or drawings."""
    first = (
        [tv.Grayscale(), tv.Lambda(canny), tv.ToPILImage()]
        if source
        else [tv.Grayscale(), tv.Resize((32, 32))]
    )
    return tv.Compose(
        [
            *first,
            tv.RandomHorizontalFlip(),
            tv.RandomRotation(15, interpolation=interpolation, fill=(0,)),
            tv.ToTensor(),
        ]
    )


def batched(find_edges: bool) -> Callable[[torch.Tensor, torch.Generator], torch.Tensor]:
    """Return the same for uint8 batches (N, 3 or 1, 32, 32)."""

    def transform(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return flip_and_rotate(edges(images, LOW, HIGH) if find_edges else images, generator)

    return transform


def loader(folder: Path, source: bool, workers: int) -> DataLoader:
    data = ImageFolder(folder, transform=per_image(source))
    return DataLoader(
        data,
        BATCH,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )


def speed(batches: Iterator) -> float:
    """Return images a second."""
    start, images = time.perf_counter(), 0
    for batch, _ in batches:
        images += len(batch)
    return images / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=1280, help="of each domain")
    options = parser.parse_args()
    os.environ.setdefault("DALIB_EDU_PROGRESS", "off")
    threads = f"{torch.get_num_threads()} threads, {os.cpu_count()} cores"
    print(f"dalib_edu {dalib_edu.__version__}, torch {torch.__version__}, {threads}, batch {BATCH}")
    with tempfile.TemporaryDirectory() as place:
        os.environ["DALIB_EDU_CACHE"] = f"{place}/cache"
        root = Path(place, "real_or_drawing")
        export.export_real_or_drawing(
            root, per_class=options.pictures // 10, drawings=options.pictures
        )
        for start in ("cold", "from the cache"):
            begin = time.perf_counter()
            domains = folders.load_real_or_drawing(root)
            seconds = time.perf_counter() - begin
            print(f"reading {2 * options.pictures} pictures, {start}: {seconds:.2f} s")
        for source, data in zip((True, False), domains, strict=True):
            folder = root / ("train_data" if source else "test_data")
            compare(folder, data, source, options.rounds)


def compare(folder: Path, data: ImageSet, source: bool, rounds: int) -> None:
    loaders = {workers: loader(folder, source, workers) for workers in (0, 2)}
    ways = {f"per image, {n} workers": lambda n=n: speed(iter(loaders[n])) for n in loaders}
    if source:
        ways["batched, edges each time"] = several_epochs(data, batched(True))
        begin = time.perf_counter()
        data = replace(data, images=edges(data.images, LOW, HIGH))
        print(f"finding the edges of all, once: {time.perf_counter() - begin:.2f} s")
    ways["batched"] = several_epochs(data, batched(False))
    for way in ways.values():
        way()  # starts the workers and warms up
    speeds = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            speeds[name].append(way())
    title = "photographs as edges" if source else "drawings"
    print(f"\n{title}: images a second (median), and by how much batched is faster")
    for name, values in speeds.items():
        ratios = [ours / it for ours, it in zip(speeds["batched"], values, strict=True)]
        print(
            f"  {name:25s} {statistics.median(values):8.0f}   {statistics.median(ratios):5.1f}x "
            f"({min(ratios):.1f} to {max(ratios):.1f})"
        )


def several_epochs(data: ImageSet, transform, epochs: int = 10) -> Callable[[], float]:
    batches = endless_batches(data, BATCH, seed=0, transform=transform)
    return lambda: speed(islice(batches, epochs * (len(data) // BATCH)))


if __name__ == "__main__":
    main()
