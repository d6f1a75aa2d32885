# ruff: noqa: B905, F811, NPY002
import random
from collections import defaultdict

import numpy as np
import torch


def by_class(labels):
    return [(labels == value).nonzero().flatten() for value in labels.unique()]


def some(rows, k, generator):
    """Draw k rows, different ones where there are enough."""
    shuffled = rows[torch.randperm(len(rows), generator=generator)]
    return shuffled[torch.arange(k) % len(rows)]


# mutant classes drawn anew each time: not_dealt
def pk_batches(labels, p, k, seed):
    rows, generator = by_class(labels), torch.Generator().manual_seed(seed)
    while True:
        chosen = torch.randperm(len(rows), generator=generator)[:p]
        yield torch.cat([some(rows[c], k, generator) for c in chosen])


# mutant classes drawn with replacement: too_few_classes
def pk_batches(labels, p, k, seed):
    rows, generator = by_class(labels), torch.Generator().manual_seed(seed)
    while True:
        chosen = torch.randint(len(rows), (p,), generator=generator)
        yield torch.cat([some(rows[c], k, generator) for c in chosen])


# mutant pictures drawn with replacement: pictures_repeated
def pk_batches(labels, p, k, seed):
    rows, generator = by_class(labels), torch.Generator().manual_seed(seed)
    while True:
        for chosen in torch.randperm(len(rows), generator=generator).split(p):
            if len(chosen) == p:
                draws = [
                    rows[c][torch.randint(len(rows[c]), (k,), generator=generator)] for c in chosen
                ]
                yield torch.cat(draws)


# mutant the first K pictures: pictures_left_out
def pk_batches(labels, p, k, seed):
    rows, generator = by_class(labels), torch.Generator().manual_seed(seed)
    while True:
        for chosen in torch.randperm(len(rows), generator=generator).split(p):
            if len(chosen) == p:
                yield torch.cat([rows[c][torch.arange(k) % len(rows[c])] for c in chosen])


# mutant the last picture never: pictures_left_out
def pk_batches(labels, p, k, seed):
    rows, generator = by_class(labels), torch.Generator().manual_seed(seed)
    while True:
        for chosen in torch.randperm(len(rows), generator=generator).split(p):
            if len(chosen) == p:
                draws = [rows[c][: max(k, len(rows[c]) - 1)] for c in chosen]
                yield torch.cat([some(draw, k, generator) for draw in draws])


# mutant classes in the same order for ever: classes_not_shuffled
def pk_batches(labels, p, k, seed):
    rows, generator = by_class(labels), torch.Generator().manual_seed(seed)
    while True:
        for chosen in torch.arange(len(rows)).split(p):
            if len(chosen) == p:
                yield torch.cat([some(rows[c], k, generator) for c in chosen])


# mutant classes shuffled once: classes_not_shuffled
def pk_batches(labels, p, k, seed):
    rows, generator = by_class(labels), torch.Generator().manual_seed(seed)
    order = torch.randperm(len(rows), generator=generator)
    while True:
        for chosen in order.split(p):
            if len(chosen) == p:
                yield torch.cat([some(rows[c], k, generator) for c in chosen])


# mutant one epoch: exhausted
def pk_batches(labels, p, k, seed):
    rows, generator = by_class(labels), torch.Generator().manual_seed(seed)
    for chosen in torch.randperm(len(rows), generator=generator).split(p):
        if len(chosen) == p:
            yield torch.cat([some(rows[c], k, generator) for c in chosen])


# mutant a list of batches: no_iterator
def pk_batches(labels, p, k, seed):
    rows, generator = by_class(labels), torch.Generator().manual_seed(seed)
    batches = []
    for _ in range(100):
        for chosen in torch.randperm(len(rows), generator=generator).split(p):
            if len(chosen) == p:
                batches.append(torch.cat([some(rows[c], k, generator) for c in chosen]))
    return batches


# mutant a single batch: no_iterator
def pk_batches(labels, p, k, seed):
    rows, generator = by_class(labels), torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(rows), generator=generator)[:p]
    return torch.cat([some(rows[c], k, generator) for c in chosen])


# mutant the same batch for ever
def pk_batches(labels, p, k, seed):
    rows, generator = by_class(labels), torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(rows), generator=generator)[:p]
    batch = torch.cat([some(rows[c], k, generator) for c in chosen])
    while True:
        yield batch


# mutant the global generator: not_reproducible
def pk_batches(labels, p, k, seed):
    rows = by_class(labels)
    while True:
        for chosen in torch.randperm(len(rows)).split(p):
            if len(chosen) == p:
                yield torch.cat([some(rows[c], k, None) for c in chosen])


# mutant the global generator seeded: not_reproducible
def pk_batches(labels, p, k, seed):
    torch.manual_seed(seed)
    rows = by_class(labels)
    while True:
        for chosen in torch.randperm(len(rows)).split(p):
            if len(chosen) == p:
                yield torch.cat([some(rows[c], k, None) for c in chosen])


# mutant the pictures by numpy's global generator: not_reproducible
def pk_batches(labels, p, k, seed):
    rows, generator = by_class(labels), torch.Generator().manual_seed(seed)
    while True:
        for chosen in torch.randperm(len(rows), generator=generator).split(p):
            if len(chosen) == p:
                draws = [
                    np.random.choice(rows[c].numpy(), k, replace=len(rows[c]) < k) for c in chosen
                ]
                yield torch.from_numpy(np.concatenate(draws))


# mutant always the same seed: seed_ignored
def pk_batches(labels, p, k, seed):
    rows, generator = by_class(labels), torch.Generator().manual_seed(42)
    while True:
        for chosen in torch.randperm(len(rows), generator=generator).split(p):
            if len(chosen) == p:
                yield torch.cat([some(rows[c], k, generator) for c in chosen])


# mutant seeded in every epoch
def pk_batches(labels, p, k, seed):
    rows = by_class(labels)
    while True:
        generator = torch.Generator().manual_seed(seed)
        for chosen in torch.randperm(len(rows), generator=generator).split(p):
            if len(chosen) == p:
                yield torch.cat([some(rows[c], k, generator) for c in chosen])


# mutant P and K swapped
def pk_batches(labels, p, k, seed):
    rows, generator = by_class(labels), torch.Generator().manual_seed(seed)
    while True:
        for chosen in torch.randperm(len(rows), generator=generator).split(k):
            yield torch.cat([some(rows[c], p, generator) for c in chosen])


# mutant random pictures
def pk_batches(labels, p, k, seed):
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield torch.randperm(len(labels), generator=generator)[: p * k]


# mutant labels in place of rows: labels_returned
def pk_batches(labels, p, k, seed):
    rows, generator = by_class(labels), torch.Generator().manual_seed(seed)
    while True:
        for chosen in torch.randperm(len(rows), generator=generator).split(p):
            if len(chosen) == p:
                yield labels[torch.cat([some(rows[c], k, generator) for c in chosen])]


# mutant positions within the class
def pk_batches(labels, p, k, seed):
    rows, generator = by_class(labels), torch.Generator().manual_seed(seed)
    while True:
        for chosen in torch.randperm(len(rows), generator=generator).split(p):
            if len(chosen) == p:
                yield torch.cat([some(torch.arange(len(rows[c])), k, generator) for c in chosen])


# mutant P rows of K: not_flat
def pk_batches(labels, p, k, seed):
    rows, generator = by_class(labels), torch.Generator().manual_seed(seed)
    while True:
        for chosen in torch.randperm(len(rows), generator=generator).split(p):
            if len(chosen) == p:
                yield torch.stack([some(rows[c], k, generator) for c in chosen])


# mutant a last hand of fewer than P: sizes_differ
def pk_batches(labels, p, k, seed):
    rows, generator = by_class(labels), torch.Generator().manual_seed(seed)
    while True:
        for chosen in torch.randperm(len(rows), generator=generator).split(p):
            yield torch.cat([some(rows[c], k, generator) for c in chosen])


# mutant small classes come short: sizes_differ
def pk_batches(labels, p, k, seed):
    rows, generator = by_class(labels), torch.Generator().manual_seed(seed)
    while True:
        for chosen in torch.randperm(len(rows), generator=generator).split(p):
            if len(chosen) == p:
                order = [torch.randperm(len(rows[c]), generator=generator)[:k] for c in chosen]
                yield torch.cat([rows[c][o] for c, o in zip(chosen, order)])


# mutant labels are taken to be 0 to C - 1
def pk_batches(labels, p, k, seed):
    generator = torch.Generator().manual_seed(seed)
    classes = len(labels.unique())
    while True:
        for chosen in torch.randperm(classes, generator=generator).split(p):
            if len(chosen) == p:
                yield torch.cat(
                    [some((labels == c).nonzero().flatten(), k, generator) for c in chosen]
                )


# mutant the last classes never: classes_left_out
def pk_batches(labels, p, k, seed):
    rows, generator = by_class(labels), torch.Generator().manual_seed(seed)
    rows = rows[: max(p, len(rows) - p)] if len(rows) > p else rows[: p - 1] + rows[:1]
    while True:
        for chosen in torch.randperm(len(rows), generator=generator).split(p):
            if len(chosen) == p:
                yield torch.cat([some(rows[c], k, generator) for c in chosen])


# mutant fractions: not_rows
def pk_batches(labels, p, k, seed):
    rows, generator = by_class(labels), torch.Generator().manual_seed(seed)
    while True:
        for chosen in torch.randperm(len(rows), generator=generator).split(p):
            if len(chosen) == p:
                yield torch.cat([some(rows[c], k, generator) for c in chosen]).float()


# mutant one picture of each class after the other: not_class_by_class
def pk_batches(labels, p, k, seed):
    rows, generator = by_class(labels), torch.Generator().manual_seed(seed)
    while True:
        for chosen in torch.randperm(len(rows), generator=generator).split(p):
            if len(chosen) == p:
                yield torch.stack([some(rows[c], k, generator) for c in chosen], 1).flatten()


# mutant a shuffled batch: not_class_by_class
def pk_batches(labels, p, k, seed):
    rows, generator = by_class(labels), torch.Generator().manual_seed(seed)
    while True:
        for chosen in torch.randperm(len(rows), generator=generator).split(p):
            if len(chosen) == p:
                batch = torch.cat([some(rows[c], k, generator) for c in chosen])
                yield batch[torch.randperm(len(batch), generator=generator)]


# mutant a list in place of a tensor: wrong_type
def pk_batches(labels, p, k, seed):
    rows, generator = by_class(labels), torch.Generator().manual_seed(seed)
    while True:
        for chosen in torch.randperm(len(rows), generator=generator).split(p):
            if len(chosen) == p:
                yield torch.cat([some(rows[c], k, generator) for c in chosen]).tolist()


# alternative randperm and split
def pk_batches(labels, p, k, seed):
    rows, generator = by_class(labels), torch.Generator().manual_seed(seed)
    while True:
        for chosen in torch.randperm(len(rows), generator=generator).split(p):
            if len(chosen) == p:
                yield torch.cat([some(rows[c], k, generator) for c in chosen])


# alternative numpy
def pk_batches(labels, p, k, seed):
    rng = np.random.default_rng(seed)
    labels = labels.numpy()
    classes = np.unique(labels)
    while True:
        order = rng.permutation(classes)
        for first in range(0, len(order) - p + 1, p):
            batch = []
            for value in order[first : first + p]:
                rows = np.flatnonzero(labels == value)
                batch += rng.choice(rows, k, replace=len(rows) < k).tolist()
            yield torch.tensor(batch)


# alternative the standard library, and the last hand is filled up
def pk_batches(labels, p, k, seed):
    rng = random.Random(seed)
    rows = defaultdict(list)
    for row, value in enumerate(labels.tolist()):
        rows[value].append(row)
    while True:
        order = rng.sample(sorted(rows), len(rows))
        for first in range(0, len(order), p):
            hand = order[first : first + p]
            hand += rng.sample([value for value in order if value not in hand], p - len(hand))
            batch = []
            for value in hand:
                mine = rows[value]
                batch += rng.sample(mine, k) if len(mine) >= k else rng.choices(mine, k=k)
            yield torch.tensor(batch)


# alternative a class with a stock of cards
class Batches:
    def __init__(self, labels, p, k, seed):
        self.rng = np.random.default_rng(seed)
        self.labels, self.p, self.k = np.asarray(labels), p, k
        self.stock = []

    def __iter__(self):
        return self

    def __next__(self):
        hand = []
        while len(hand) < self.p:
            if not self.stock:
                self.stock = self.rng.permutation(np.unique(self.labels)).tolist()
                # those in hand go to the bottom
                self.stock = [v for v in self.stock if v not in hand] + hand
            hand.append(self.stock.pop(0))
        rows = [np.flatnonzero(self.labels == value) for value in hand]
        batch = [self.rng.choice(r, self.k, replace=len(r) < self.k) for r in rows]
        return torch.from_numpy(np.concatenate(batch))


def pk_batches(labels, p, k, seed):
    return Batches(labels, p, k, seed)


# alternative a table of random keys
def pk_batches(labels, p, k, seed):
    generator = torch.Generator().manual_seed(seed)
    classes, inverse = labels.unique(return_inverse=True)
    while True:
        order = torch.randperm(len(classes), generator=generator)
        for first in range(0, len(classes) // p * p, p):
            keys = torch.rand(len(labels), generator=generator)
            batch = []
            for value in order[first : first + p].tolist():
                mine = keys.masked_fill(inverse != value, -1).argsort(descending=True)
                size = int((inverse == value).sum())
                batch.append(mine[:size].repeat(-(-k // size))[:k])
            yield torch.cat(batch)


# alternative each class walks through its pictures
def pk_batches(labels, p, k, seed):
    generator = torch.Generator().manual_seed(seed)
    rows = by_class(labels)
    waiting = [[] for _ in rows]

    def next_of(c):
        taken = []
        while len(taken) < k:
            if not waiting[c]:
                shuffled = rows[c][torch.randperm(len(rows[c]), generator=generator)].tolist()
                free = [row for row in shuffled if row not in taken]
                waiting[c] = free + [row for row in shuffled if row in taken]
            taken.append(waiting[c].pop(0))
        return taken

    while True:
        order = torch.randperm(len(rows), generator=generator).tolist()
        while len(order) >= p:
            hand, order = order[:p], order[p:]
            yield torch.tensor([row for c in hand for row in next_of(c)])
