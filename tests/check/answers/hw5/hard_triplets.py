# ruff: noqa: F811
import numpy as np
import torch
import torch.nn.functional as F


def distances_and_masks(features, labels):
    distances = torch.cdist(features, features)
    same = labels[:, None] == labels
    return distances, same, same & ~torch.eye(len(labels), dtype=torch.bool)


def pick(distances, same, positive):
    """The right choice by any distance."""
    p = distances.masked_fill(~positive, -torch.inf).argmax(1)
    n = distances.masked_fill(same, torch.inf).argmin(1)
    a = torch.arange(len(same))[positive.any(1)]
    return a, p[a], n[a]


# mutant its own positive: own_positive
def hard_triplets(features, labels):
    distances, same, positive = distances_and_masks(features, labels)
    p = distances.masked_fill(~same, torch.inf).argmin(1)
    n = distances.masked_fill(same, torch.inf).argmin(1)
    a = torch.arange(len(labels))
    return a, p, n


# mutant itself among the positives, which shows with equal pictures alone: own_positive
def hard_triplets(features, labels):
    distances, same, _ = distances_and_masks(features, labels)
    p = distances.masked_fill(~same, -torch.inf).argmax(1)
    n = distances.masked_fill(same, torch.inf).argmin(1)
    a = torch.arange(len(labels))[same.sum(1) > 1]
    return a, p[a], n[a]


# mutant the farthest of all as positive: other_class_positive
def hard_triplets(features, labels):
    distances, same, positive = distances_and_masks(features, labels)
    _, _, n = pick(distances, same, positive)
    a = torch.arange(len(labels))[positive.any(1)]
    return a, distances[a].argmax(1), n


# mutant the nearest other picture as negative: same_class_negative
def hard_triplets(features, labels):
    distances, same, positive = distances_and_masks(features, labels)
    a, p, _ = pick(distances, same, positive)
    eye = torch.eye(len(labels), dtype=torch.bool)
    return a, p, distances.masked_fill(eye, torch.inf)[a].argmin(1)


# mutant itself as negative: same_class_negative
def hard_triplets(features, labels):
    distances, same, positive = distances_and_masks(features, labels)
    a, p, _ = pick(distances, same, positive)
    return a, p, distances[a].argmin(1)


# mutant masked by zeros: same_class_negative
def hard_triplets(features, labels):
    distances, same, positive = distances_and_masks(features, labels)
    a, p, _ = pick(distances, same, positive)
    return a, p, (distances * ~same)[a].argmin(1)


# mutant the farthest negative: farthest_negative
def hard_triplets(features, labels):
    distances, same, positive = distances_and_masks(features, labels)
    a, p, _ = pick(distances, same, positive)
    return a, p, distances.masked_fill(same, -1)[a].argmax(1)


# mutant the nearest positive: nearest_positive
def hard_triplets(features, labels):
    distances, same, positive = distances_and_masks(features, labels)
    a, _, n = pick(distances, same, positive)
    return a, distances.masked_fill(~positive, torch.inf)[a].argmin(1), n


# mutant both the easiest: nearest_positive
def hard_triplets(features, labels):
    distances, same, positive = distances_and_masks(features, labels)
    return pick(-distances, same, positive)


# mutant positives and negatives swapped: other_class_positive
def hard_triplets(features, labels):
    a, p, n = pick(*distances_and_masks(features, labels))
    return a, n, p


# mutant normalised first: normalised
def hard_triplets(features, labels):
    _, same, positive = distances_and_masks(features, labels)
    unit = F.normalize(features)
    return pick(torch.cdist(unit, unit), same, positive)


# mutant manhattan: other_distance
def hard_triplets(features, labels):
    _, same, positive = distances_and_masks(features, labels)
    return pick(torch.cdist(features, features, p=1), same, positive)


# mutant similarity for distance: other_distance
def hard_triplets(features, labels):
    _, same, positive = distances_and_masks(features, labels)
    return pick(-(features @ features.T), same, positive)


# mutant all triplets: several_triplets
def hard_triplets(features, labels):
    _, same, positive = distances_and_masks(features, labels)
    return (positive[:, :, None] & ~same[:, None]).nonzero(as_tuple=True)


# mutant a random positive
def hard_triplets(features, labels):
    distances, same, positive = distances_and_masks(features, labels)
    a, _, n = pick(distances, same, positive)
    return a, (torch.rand(distances.shape) * positive)[a].argmax(1), n


# mutant a semi-hard negative
def hard_triplets(features, labels):
    distances, same, positive = distances_and_masks(features, labels)
    a, p, n = pick(distances, same, positive)
    beyond = distances[a].masked_fill(
        same[a] | (distances[a] <= distances[a, p][:, None]), torch.inf
    )
    return a, p, torch.where(beyond.amin(1).isfinite(), beyond.argmin(1), n)


# mutant features in place of rows: features_returned
def hard_triplets(features, labels):
    return tuple(features[rows] for rows in pick(*distances_and_masks(features, labels)))


# mutant distances in place of rows: not_rows
def hard_triplets(features, labels):
    a, p, n = pick(*distances_and_masks(features, labels))
    distances = torch.cdist(features, features)
    return a, distances[a, p], distances[a, n]


# mutant positives and negatives alone: not_three
def hard_triplets(features, labels):
    return pick(*distances_and_masks(features, labels))[1:]


# mutant lonely pictures are anchors: lonely_anchor
def hard_triplets(features, labels):
    distances, same, positive = distances_and_masks(features, labels)
    p = distances.masked_fill(~positive, -torch.inf).argmax(1)
    n = distances.masked_fill(same, torch.inf).argmin(1)
    return torch.arange(len(labels)), p, n


# mutant a lonely picture is its own positive: lonely_anchor
def hard_triplets(features, labels):
    distances, same, positive = distances_and_masks(features, labels)
    p = distances.masked_fill(~same, -torch.inf).argmax(1)
    n = distances.masked_fill(same, torch.inf).argmin(1)
    return torch.arange(len(labels)), p, n


# mutant the seed's loops: raised
def hard_triplets(features, labels):
    distances = torch.cdist(features, features).detach()
    everything = set(range(len(labels)))
    a, p, n = [], [], []
    for i, label in enumerate(labels):
        mine = set(np.flatnonzero(labels == label).tolist())
        own, others = np.array(list(mine - {i}), int), np.array(list(everything - mine), int)
        a.append(i)
        p.append(own[distances[i, own].argmax()])
        n.append(others[distances[i, others].argmin()])
    return a, p, n


# mutant one anchor a class: anchors_missing
def hard_triplets(features, labels):
    a, p, n = pick(*distances_and_masks(features, labels))
    first = [i for i, row in enumerate(a) if labels[row] not in labels[a[:i]]]
    return a[first], p[first], n[first]


# mutant rows within the class
def hard_triplets(features, labels):
    a, p, n = [], [], []
    distances = torch.cdist(features, features)
    for i, label in enumerate(labels):
        own = (labels == label).nonzero().flatten()
        others = (labels != label).nonzero().flatten()
        if len(own) > 1:
            a.append(i)
            p.append(int(distances[i, own].argmax()))
            n.append(int(distances[i, others].argmin()))
    return a, p, n


# mutant no triplet gives fractions: not_rows
def hard_triplets(features, labels):
    a, p, n = pick(*distances_and_masks(features, labels))
    return torch.tensor(a.tolist()), torch.tensor(p.tolist()), torch.tensor(n.tolist())


# mutant equal class sizes taken for granted
def hard_triplets(features, labels):
    order = labels.argsort(stable=True)
    classes = len(labels.unique())
    table = order.view(classes, -1)
    distances = torch.cdist(features, features)
    a, p, n = [], [], []
    for c in range(classes):
        others = torch.cat([table[:c], table[c + 1 :]]).flatten()
        for i in table[c].tolist():
            own = table[c][table[c] != i]
            if len(own):
                a.append(i)
                p.append(int(own[distances[i, own].argmax()]))
                n.append(int(others[distances[i, others].argmin()]))
    return a, p, n


# mutant centred in place: input_changed
def hard_triplets(features, labels):
    with torch.no_grad():
        features -= features.mean(0)
    return pick(*distances_and_masks(features, labels))


# mutant rows as fractions: not_rows
def hard_triplets(features, labels):
    return [rows.float() for rows in pick(*distances_and_masks(features, labels))]


# alternative cdist and masks
def hard_triplets(features, labels):
    return pick(*distances_and_masks(features, labels))


# alternative loops
def hard_triplets(features, labels):
    a, p, n = [], [], []
    for i in range(len(labels)):
        best_p = best_n = None
        for j in range(len(labels)):
            d = torch.dist(features[i], features[j]).item()
            if labels[j] == labels[i] and j != i and (best_p is None or d >= best_p[0]):
                best_p = d, j
            if labels[j] != labels[i] and (best_n is None or d <= best_n[0]):
                best_n = d, j
        if best_p and best_n:
            a.append(i)
            p.append(best_p[1])
            n.append(best_n[1])
    return a, p, n


# alternative Gram, and numpy for the choice
def hard_triplets(features, labels):
    x, y = features.detach().numpy(), labels.numpy()
    square = (x**2).sum(1)
    squares = square[:, None] + square - 2 * x @ x.T
    same = y[:, None] == y
    own = np.where(same, squares, -np.inf)
    np.fill_diagonal(own, -np.inf)
    n = np.where(same, np.inf, squares).argmin(1)
    usable = np.isfinite(own).any(1)
    return np.flatnonzero(usable), own.argmax(1)[usable], n[usable]


# alternative class by class
def hard_triplets(features, labels):
    distances = torch.cdist(features.detach(), features.detach())
    found = []
    for value in labels.unique():
        own, others = (labels == value).nonzero()[:, 0], (labels != value).nonzero()[:, 0]
        if len(own) < 2:
            continue
        block = distances[own][:, own].fill_diagonal_(-1)
        found.append(
            torch.stack([own, own[block.argmax(1)], others[distances[own][:, others].argmin(1)]])
        )
    if not found:
        return [torch.empty(0, dtype=torch.long)] * 3
    return list(torch.cat(found, 1))


# alternative the last among ties, by sorting
@torch.no_grad()
def hard_triplets(features, labels):
    squares = (features[:, None] - features).pow(2).sum(2)
    same = labels.view(-1, 1).eq(labels.view(1, -1))
    own = squares.where(same, torch.tensor(-2.0, dtype=squares.dtype))
    own.fill_diagonal_(-1.0)
    p = own.sort(1).indices[:, -1]
    n = squares.masked_fill(same, float("inf")).sort(1, descending=True).indices[:, -1]
    keep = same.sum(1) > 1
    return torch.arange(len(labels))[keep], p[keep], n[keep]


# alternative another order of the anchors
def hard_triplets(features, labels):
    a, p, n = pick(*distances_and_masks(features, labels))
    order = torch.randperm(len(a))
    return a[order], p[order], n[order]
