# ruff: noqa: F811, NPY002
import math
import random

import numpy as np
import torch


def number(size, share):
    return min(math.ceil(share * size - 1e-9), size - 1)


def split(labels, seed, number):
    """A right split, but for the number of queries of a class."""
    generator = torch.Generator().manual_seed(seed)
    queries = torch.zeros(len(labels), dtype=torch.bool)
    for value in labels.unique():
        rows = (labels == value).nonzero().flatten()
        order = torch.randperm(len(rows), generator=generator)
        queries[rows[order[: number(len(rows))]]] = True
    return queries


# mutant queries and gallery swapped: swapped
def query_gallery_split(labels, query_share, seed):
    return ~split(labels, seed, lambda size: number(size, query_share))


# mutant rounded down: rounded_down
def query_gallery_split(labels, query_share, seed):
    return split(labels, seed, lambda size: int(query_share * size))


# mutant rounded to the nearest: rounded
def query_gallery_split(labels, query_share, seed):
    return split(labels, seed, lambda size: round(query_share * size))


# mutant no picture left for the gallery: no_gallery
def query_gallery_split(labels, query_share, seed):
    return split(labels, seed, lambda size: math.ceil(query_share * size - 1e-9))


# mutant the share of all pictures: not_by_class
def query_gallery_split(labels, query_share, seed):
    generator = torch.Generator().manual_seed(seed)
    queries = torch.zeros(len(labels), dtype=torch.bool)
    wanted = math.ceil(query_share * len(labels))
    queries[torch.randperm(len(labels), generator=generator)[:wanted]] = True
    return queries


# mutant the first of each class: seed_ignored
def query_gallery_split(labels, query_share, seed):
    queries = torch.zeros(len(labels), dtype=torch.bool)
    for value in labels.unique():
        rows = (labels == value).nonzero().flatten()
        queries[rows[: number(len(rows), query_share)]] = True
    return queries


# mutant the global generator: not_reproducible
def query_gallery_split(labels, query_share, seed):
    queries = torch.zeros(len(labels), dtype=torch.bool)
    for value in labels.unique():
        rows = (labels == value).nonzero().flatten()
        chosen = torch.randperm(len(rows))[: number(len(rows), query_share)]
        queries[rows[chosen]] = True
    return queries


# mutant numpy's global generator, as the homework circulates: not_reproducible
def query_gallery_split(labels, query_share, seed):
    queries = np.zeros(len(labels), dtype=bool)
    for value in np.unique(labels):
        rows = np.flatnonzero(labels == value)
        size = number(len(rows), query_share)
        queries[np.random.choice(rows, size=size, replace=False)] = True
    return torch.from_numpy(queries)


# mutant the same seed always: seed_ignored
def query_gallery_split(labels, query_share, seed):
    return split(labels, 0, lambda size: number(size, query_share))


# mutant rows in place of a mask: not_a_mask
def query_gallery_split(labels, query_share, seed):
    return split(labels, seed, lambda size: number(size, query_share)).nonzero().flatten()


# mutant a mask of 0 and 1: not_a_mask
def query_gallery_split(labels, query_share, seed):
    return split(labels, seed, lambda size: number(size, query_share)).long()


# mutant both parts: not_a_mask
def query_gallery_split(labels, query_share, seed):
    queries = split(labels, seed, lambda size: number(size, query_share))
    return queries.nonzero().flatten(), (~queries).nonzero().flatten()


# mutant one query a class: wrong_number
def query_gallery_split(labels, query_share, seed):
    return split(labels, seed, lambda size: min(1, size - 1))


# mutant drawn with replacement
def query_gallery_split(labels, query_share, seed):
    generator = torch.Generator().manual_seed(seed)
    queries = torch.zeros(len(labels), dtype=torch.bool)
    for value in labels.unique():
        rows = (labels == value).nonzero().flatten()
        wanted = number(len(rows), query_share)
        queries[rows[torch.randint(len(rows), (wanted,), generator=generator)]] = True
    return queries


# mutant each picture by chance
def query_gallery_split(labels, query_share, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(len(labels), generator=generator) < query_share


# mutant the share of the gallery: swapped
def query_gallery_split(labels, query_share, seed):
    return split(labels, seed, lambda size: size - number(size, query_share))


# mutant numpy's array: wrong_type
def query_gallery_split(labels, query_share, seed):
    return split(labels, seed, lambda size: number(size, query_share)).numpy()


# mutant labels as positions: labels_as_positions
def query_gallery_split(labels, query_share, seed):
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    sizes, taken = torch.zeros(len(labels.unique())), torch.zeros(len(labels.unique()))
    for label in labels:
        sizes[label] += 1
    queries = torch.zeros(len(labels), dtype=torch.bool)
    for row in order:
        if taken[labels[row]] < number(int(sizes[labels[row]]), query_share):
            queries[row] = True
            taken[labels[row]] += 1
    return queries


# mutant labels from 0 to C - 1: labels_from_zero
def query_gallery_split(labels, query_share, seed):
    generator = torch.Generator().manual_seed(seed)
    queries = torch.zeros(len(labels), dtype=torch.bool)
    for value in range(len(labels.unique())):
        rows = (labels == value).nonzero().flatten()
        order = torch.randperm(len(rows), generator=generator)
        queries[rows[order[: number(len(rows), query_share)]]] = True
    return queries


# mutant rounded up without a tolerance: no_tolerance
def query_gallery_split(labels, query_share, seed):
    return split(labels, seed, lambda size: min(math.ceil(query_share * size), size - 1))


# mutant the global generator seeded: global_generator
def query_gallery_split(labels, query_share, seed):
    torch.manual_seed(seed)
    queries = torch.zeros(len(labels), dtype=torch.bool)
    for value in labels.unique():
        rows = (labels == value).nonzero().flatten()
        queries[rows[torch.randperm(len(rows))[: number(len(rows), query_share)]]] = True
    return queries


# mutant numpy's global generator seeded: global_generator
def query_gallery_split(labels, query_share, seed):
    np.random.seed(seed)
    queries = torch.zeros(len(labels), dtype=torch.bool)
    for value in labels.unique():
        rows = (labels == value).nonzero().flatten()
        order = torch.from_numpy(np.random.permutation(len(rows)))
        queries[rows[order[: number(len(rows), query_share)]]] = True
    return queries


# mutant the last of a class in place of a random choice: seed_ignored
def query_gallery_split(labels, query_share, seed):
    queries = torch.zeros(len(labels), dtype=torch.bool)
    for value in labels.unique():
        rows = (labels == value).nonzero().flatten()
        queries[rows[len(rows) - number(len(rows), query_share) :]] = True
    return queries


# alternative class by class
def query_gallery_split(labels, query_share, seed):
    return split(labels, seed, lambda size: number(size, query_share))


# alternative one order for all classes of a size
def query_gallery_split(labels, query_share, seed):
    queries, orders = torch.zeros(len(labels), dtype=torch.bool), {}
    generator = torch.Generator().manual_seed(seed)
    for value in labels.unique():
        rows = (labels == value).nonzero().flatten()
        if len(rows) not in orders:
            orders[len(rows)] = torch.randperm(len(rows), generator=generator)
        queries[rows[orders[len(rows)][: number(len(rows), query_share)]]] = True
    return queries


# alternative numpy
def query_gallery_split(labels, query_share, seed):
    rng = np.random.default_rng(seed)
    y = labels.numpy()
    queries = np.zeros(len(y), dtype=bool)
    for value in np.unique(y):
        rows = np.flatnonzero(y == value)
        wanted = min(int(np.ceil(len(rows) * query_share - 1e-9)), len(rows) - 1)
        queries[rng.choice(rows, wanted, replace=False)] = True
    return torch.from_numpy(queries)


# alternative the standard library
def query_gallery_split(labels, query_share, seed):
    rng, chosen = random.Random(seed), set()
    labels = labels.tolist()
    for value in sorted(set(labels)):
        rows = [row for row, label in enumerate(labels) if label == value]
        wanted = math.ceil(round(query_share * len(rows), 6))
        chosen |= set(rng.sample(rows, min(len(rows) - 1, wanted)))
    return torch.tensor([row in chosen for row in range(len(labels))])


# alternative the first of each class after a shuffle of all, in single precision
def query_gallery_split(labels, query_share, seed):
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    _, inverse, counts = labels.unique(return_inverse=True, return_counts=True)
    wanted = torch.minimum((counts * query_share - 1e-4).ceil(), counts - 1)
    queries = torch.zeros(len(labels), dtype=torch.bool)
    taken = torch.zeros(len(counts))
    for row in order.tolist():
        if taken[inverse[row]] < wanted[inverse[row]]:
            queries[row] = True
            taken[inverse[row]] += 1
    return queries
