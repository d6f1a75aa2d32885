# ruff: noqa: F811, F841
from itertools import combinations

import torch
import torch.nn.functional as F

from dalib_edu.check import hw1 as check


def moments(features, order):
    return (features**order).mean(dim=0)


norm = torch.linalg.vector_norm


# mutant the circulating one: sample_wise
def euclidean(x1, x2):
    return ((x1 - x2) ** 2).sum().sqrt()


def moment_distance(sources, target, orders=(1, 2)):
    domains = [rows - rows.mean(0) for rows in (*sources, target)]
    distance = 0
    for order in orders:
        if order == 1:
            distance = distance + sum(euclidean(a, b) for a, b in combinations(domains, 2))
        else:
            powers = [(rows**order).mean(0) for rows in domains]
            distance = distance + sum(euclidean(a, b) for a, b in combinations(powers, 2))
    return distance


# mutant the circulating one with means: sample_wise
def moment_distance(sources, target, orders=(1, 2)):
    *centred, centre = [rows - rows.mean(0) for rows in (*sources, target)]
    distance = 0
    for order in orders:
        of_sources, of_target = centred, centre
        if order > 1:
            of_sources = [(rows**order).mean(0) for rows in centred]
            of_target = (centre**order).mean(0)
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        distance = distance + sum(pairs) / max(1, len(pairs))
    return distance


# mutant row by row, not centred: sample_wise
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = target if order == 1 else moments(target, order)
        of_sources = [s if order == 1 else moments(s, order) for s in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant norms of whole batches
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = target**order
        of_sources = [source**order for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant centred first: centred
def moment_distance(sources, target, orders=(1, 2)):
    sources = [rows - rows.mean(0) for rows in sources]
    target = target - target.mean(0)
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant central from order 2 on: central
def moment_distance(sources, target, orders=(1, 2)):
    def moments(rows, order):
        return rows.mean(0) if order == 1 else ((rows - rows.mean(0)) ** order).mean(0)

    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant mean and variance: central
def moment_distance(sources, target, orders=(1, 2)):
    def moments(rows, order):
        return rows.mean(0) if order == 1 else rows.var(0, correction=0)

    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant no pairs of sources: no_pairs
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
    return distance


# mutant no target: no_target
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant pairs summed: pairs_summed
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        distance = distance + sum(pairs)
    return distance


# mutant each pair twice: pairs_twice
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a in of_sources for b in of_sources if a is not b]
        distance = distance + sum(pairs) / max(1, len(pairs) / 2)
    return distance


# mutant each pair twice, and summed: pairs_twice
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        distance = distance + sum(norm(a - b) for a in of_sources for b in of_sources)
    return distance


# mutant 2 over N times N less 1, on all ordered pairs: pairs_twice
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        n = len(sources)
        if n > 1:
            distance = distance + 2 * 2 / (n * (n - 1)) * sum(pairs)
    return distance


# mutant pairs with themselves: wrong_number
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a in of_sources for b in of_sources]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant one over N squared: wrong_number
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        distance = distance + sum(pairs) / len(sources) ** 2
    return distance


# mutant sources summed: sources_summed
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant everything summed: sources_summed
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs)
    return distance


# mutant one average over all pairs: one_average
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        pairs = [norm(a - b) for a, b in combinations([*of_sources, of_target], 2)]
        distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant squared norms: squared
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) ** 2 for one in of_sources) / len(sources)
        pairs = [norm(a - b) ** 2 for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant mean squares: mean_square
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(F.mse_loss(one, of_target) for one in of_sources) / len(sources)
        pairs = [F.mse_loss(a, b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant root mean squares: root_mean
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(
            ((one - of_target) ** 2).mean().sqrt() for one in of_sources
        ) / len(sources)
        pairs = [((a - b) ** 2).mean().sqrt() for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant L1: l1
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum((one - of_target).abs().sum() for one in of_sources) / len(
            sources
        )
        pairs = [(a - b).abs().sum() for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant mean absolute differences: l1
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum((one - of_target).abs().mean() for one in of_sources) / len(
            sources
        )
        pairs = [(a - b).abs().mean() for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant largest difference: largest
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum((one - of_target).abs().max() for one in of_sources) / len(
            sources
        )
        pairs = [(a - b).abs().max() for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant always orders 1 and 2: orders_ignored
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in (1, 2):
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant up to the largest order: orders_ignored
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in range(1, max(orders) + 1):
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant orders from 0
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in range(len(orders)):
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant mean over the orders: mean_over_orders
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance / len(orders)


# mutant only the last order: orders_ignored
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant power of the mean: power_of_mean
def moment_distance(sources, target, orders=(1, 2)):
    def moments(rows, order):
        return rows.mean(0) ** order

    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant sources joined: sources_joined
def moment_distance(sources, target, orders=(1, 2)):
    sources = [torch.cat(list(sources))]
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant the first source alone: first_source_only
def moment_distance(sources, target, orders=(1, 2)):
    sources = sources[:1]
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant two sources exactly
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        distance = distance + norm(of_sources[0] - of_sources[1])
    return distance


# mutant negative: negative
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return -distance


# mutant a pair is needed
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant mean of no pairs
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        distance = (
            distance
            + torch.stack([*pairs, target.new_zeros(0).mean()][: max(1, len(pairs))]).mean()
        )
    return distance


# mutant square root: nan_gradient
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(
            ((one - of_target) ** 2).sum().sqrt() for one in of_sources
        ) / len(sources)
        pairs = [((a - b) ** 2).sum().sqrt() for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant power one half: nan_gradient
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(
            ((one - of_target) ** 2).sum() ** 0.5 for one in of_sources
        ) / len(sources)
        pairs = [((a - b) ** 2).sum() ** 0.5 for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant square root of everything
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance.sqrt()


# mutant the target detached: detached
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target.detach(), order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant the sources detached: detached
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source.detach(), order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant no gradient: no_gradient
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance.item()


# mutant no return: returned_none
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)


# mutant one number an order: not_scalar
def moment_distance(sources, target, orders=(1, 2)):
    parts = []
    distance = 0
    for order in orders:
        distance = 0
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
        parts.append(distance)
    return torch.stack(parts * 2)


# mutant in place: input_changed
def moment_distance(sources, target, orders=(1, 2)):
    for rows in sources:
        rows -= rows.mean(0)
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# mutant the check's own distance: reference_called
def moment_distance(sources, target, orders=(1, 2)):
    return check._distance([*sources, target], orders)


# mutant the check's own terms: reference_called
def moment_distance(sources, target, orders=(1, 2)):
    to_target, between = check._terms([*sources, target], orders)
    n = len(sources)
    return sum(to_target) / n + sum(between) / max(1, n * (n - 1) / 2)


# alternative combinations
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# alternative loops over everything
def moment_distance(sources, target, orders=(1, 2)):
    total = torch.zeros((), dtype=target.dtype)
    n = len(sources)
    for k in orders:
        for i in range(n):
            difference = sources[i].pow(k).mean(0) - target.pow(k).mean(0)
            total = total + difference.norm() / n
            for j in range(i + 1, n):
                difference = sources[i].pow(k).mean(0) - sources[j].pow(k).mean(0)
                total = total + 2 / (n * (n - 1)) * difference.norm()
    return total


# alternative norms by hand with an epsilon
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(
            (((one - of_target) ** 2).sum() + 1e-8).sqrt() for one in of_sources
        ) / len(sources)
        pairs = [(((a - b) ** 2).sum() + 1e-8).sqrt() for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# alternative torch.dist
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(torch.dist(one, of_target) for one in of_sources) / len(sources)
        pairs = [torch.dist(a, b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# alternative pairwise_distance
def moment_distance(sources, target, orders=(1, 2)):
    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(F.pairwise_distance(one, of_target) for one in of_sources) / len(
            sources
        )
        pairs = [F.pairwise_distance(a, b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# alternative nothing at exactly zero
def moment_distance(sources, target, orders=(1, 2)):
    def norm(d):
        square = (d * d).sum()
        return square.sqrt() if square > 0 else square

    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# alternative the course's moments, as pick may have bound them
def moment_distance(sources, target, orders=(1, 2)):
    from dalib_edu.m3sda import moments

    distance = 0
    for order in orders:
        of_target = moments(target, order)
        of_sources = [moments(source, order) for source in sources]
        distance = distance + sum(norm(one - of_target) for one in of_sources) / len(sources)
        pairs = [norm(a - b) for a, b in combinations(of_sources, 2)]
        if pairs:
            distance = distance + sum(pairs) / len(pairs)
    return distance


# alternative einsum and a matrix of distances
def moment_distance(sources, target, orders=(1, 2)):
    n, distance = len(sources), 0
    first, second = torch.triu_indices(n, n, 1)
    for order in orders:
        every = [torch.einsum("nd->d", rows**order) / len(rows) for rows in (*sources, target)]
        every = torch.stack(every)  # (n + 1, D)
        distance = distance + torch.linalg.norm(every[:n] - every[n], dim=1).mean()
        if n > 1:
            distance = distance + torch.linalg.norm(every[first] - every[second], dim=1).mean()
    return distance


# alternative cdist
def moment_distance(sources, target, orders=(1, 2)):
    n, parts = len(sources), []
    for order in orders:
        every = torch.stack([(rows**order).mean(0) for rows in [*sources, target]])
        between = torch.cdist(every, every, compute_mode="donot_use_mm_for_euclid_dist")
        parts.append(between[n, :n].mean())
        if n >= 2:
            parts.append(between[:n, :n].sum() / (n * (n - 1)))
    return sum(parts)
