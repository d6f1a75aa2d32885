# ruff: noqa: F811
import torch
import torch.nn.functional as F


def clusters(features, labels):
    return [features[labels == value] for value in labels.unique()]


def farthest(rows, mean):
    return rows[torch.cdist(rows, mean[None])[:, 0].argmax()]


def nearest(means, c):
    gaps = torch.cdist(means, means).fill_diagonal_(torch.inf)
    return means[gaps[c].argmin()]


# mutant its own mean among the others: own_mean
def cluster_triplets(features, labels):
    rows = clusters(features, labels)
    a = torch.stack([own.mean(0) for own in rows])
    p = torch.stack([farthest(own, mean) for own, mean in zip(rows, a, strict=True)])
    return a, p, a[torch.cdist(a, a).argmin(1)]


# mutant the nearest picture of the class: nearest_positive
def cluster_triplets(features, labels):
    rows = clusters(features, labels)
    a = torch.stack([own.mean(0) for own in rows])
    p = torch.stack(
        [own[(own - mean).norm(dim=1).argmin()] for own, mean in zip(rows, a, strict=True)]
    )
    return a, p, torch.stack([nearest(a, c) for c in range(len(a))])


# mutant the farthest mean: farthest_negative
def cluster_triplets(features, labels):
    rows = clusters(features, labels)
    a = torch.stack([own.mean(0) for own in rows])
    p = torch.stack([farthest(own, mean) for own, mean in zip(rows, a, strict=True)])
    return a, p, a[torch.cdist(a, a).argmax(1)]


# mutant the nearest picture as negative: picture_as_negative
def cluster_triplets(features, labels):
    rows = clusters(features, labels)
    a = torch.stack([own.mean(0) for own in rows])
    p = torch.stack([farthest(own, mean) for own, mean in zip(rows, a, strict=True)])
    other = labels.unique()[:, None] != labels
    return a, p, features[torch.cdist(a, features).masked_fill(~other, torch.inf).argmin(1)]


# mutant the farthest of all as positive: other_class_positive
def cluster_triplets(features, labels):
    rows = clusters(features, labels)
    a = torch.stack([own.mean(0) for own in rows])
    p = features[torch.cdist(a, features).argmax(1)]
    return a, p, torch.stack([nearest(a, c) for c in range(len(a))])


# mutant the means as positives: mean_as_positive
def cluster_triplets(features, labels):
    a = torch.stack([own.mean(0) for own in clusters(features, labels)])
    return a, a, torch.stack([nearest(a, c) for c in range(len(a))])


# mutant sums: sum_not_mean
def cluster_triplets(features, labels):
    rows = clusters(features, labels)
    a = torch.stack([own.sum(0) for own in rows])
    p = torch.stack([farthest(own, mean) for own, mean in zip(rows, a, strict=True)])
    return a, p, torch.stack([nearest(a, c) for c in range(len(a))])


# mutant a picture as anchor: picture_as_anchor
def cluster_triplets(features, labels):
    rows = clusters(features, labels)
    a = torch.stack([own[0] for own in rows])
    p = torch.stack([farthest(own, mean) for own, mean in zip(rows, a, strict=True)])
    return a, p, torch.stack([nearest(a, c) for c in range(len(a))])


# mutant normalised means: normalised
def cluster_triplets(features, labels):
    rows = clusters(features, labels)
    a = torch.stack([F.normalize(own.mean(0), dim=0) for own in rows])
    p = torch.stack([farthest(own, mean) for own, mean in zip(rows, a, strict=True)])
    return a, p, torch.stack([nearest(a, c) for c in range(len(a))])


# mutant labels as positions: labels_as_positions
def cluster_triplets(features, labels):
    classes = len(labels.unique())
    sums = features.new_zeros(classes, features.shape[1]).index_add(0, labels, features)
    a = sums / labels.bincount()[:, None]
    p = torch.stack([farthest(features[labels == c], a[c]) for c in range(classes)])
    return a, p, torch.stack([nearest(a, c) for c in range(classes)])


# mutant equal sizes taken for granted: equal_sizes
def cluster_triplets(features, labels):
    table = features[labels.argsort(stable=True)].view(len(labels.unique()), -1, features.shape[1])
    a = table.mean(1)
    p = torch.stack([farthest(own, mean) for own, mean in zip(table, a, strict=True)])
    return a, p, torch.stack([nearest(a, c) for c in range(len(a))])


# mutant rows taken to lie class by class: wrong_values
def cluster_triplets(features, labels):
    sizes = labels.unique(return_counts=True)[1].tolist()
    rows = features.split(sizes)
    a = torch.stack([own.mean(0) for own in rows])
    p = torch.stack([farthest(own, mean) for own, mean in zip(rows, a, strict=True)])
    return a, p, torch.stack([nearest(a, c) for c in range(len(a))])


# mutant the means detached: detached
def cluster_triplets(features, labels):
    rows = clusters(features, labels)
    a = torch.stack([own.mean(0) for own in rows]).detach()
    p = torch.stack([farthest(own, mean) for own, mean in zip(rows, a, strict=True)])
    return a, p, torch.stack([nearest(a, c) for c in range(len(a))])


# mutant the negatives detached: detached
def cluster_triplets(features, labels):
    rows = clusters(features, labels)
    a = torch.stack([own.mean(0) for own in rows])
    p = torch.stack([farthest(own, mean) for own, mean in zip(rows, a, strict=True)])
    return a, p, torch.stack([nearest(a.detach(), c) for c in range(len(a))])


# mutant no gradient at all: detached
@torch.no_grad()
def cluster_triplets(features, labels):
    rows = clusters(features, labels)
    a = torch.stack([own.mean(0) for own in rows])
    p = torch.stack([farthest(own, mean) for own, mean in zip(rows, a, strict=True)])
    return a, p, torch.stack([nearest(a, c) for c in range(len(a))])


# mutant one triplet a picture: one_a_picture
def cluster_triplets(features, labels):
    rows = clusters(features, labels)
    a = torch.stack([own.mean(0) for own in rows])
    p = torch.stack([farthest(own, mean) for own, mean in zip(rows, a, strict=True)])
    n = torch.stack([nearest(a, c) for c in range(len(a))])
    _, inverse = labels.unique(return_inverse=True)
    return a[inverse], p[inverse], n[inverse]


# mutant the means alone: not_three
def cluster_triplets(features, labels):
    return torch.stack([own.mean(0) for own in clusters(features, labels)])


# mutant rows in place of features: rows_returned
def cluster_triplets(features, labels):
    rows = clusters(features, labels)
    a = torch.stack([own.mean(0) for own in rows])
    p = torch.stack([torch.cdist(features, mean[None])[:, 0].argmax() for mean in a])
    return a, p, torch.cdist(a, a).fill_diagonal_(torch.inf).argmin(1)


# mutant classes in the order of their first picture: order
def cluster_triplets(features, labels):
    rows = [features[labels == value] for value in dict.fromkeys(labels.tolist())]
    a = torch.stack([own.mean(0) for own in rows])
    p = torch.stack([farthest(own, mean) for own, mean in zip(rows, a, strict=True)])
    return a, p, torch.stack([nearest(a, c) for c in range(len(a))])


# alternative class by class
def cluster_triplets(features, labels):
    rows = clusters(features, labels)
    a = torch.stack([own.mean(0) for own in rows])
    p = torch.stack([farthest(own, mean) for own, mean in zip(rows, a, strict=True)])
    return a, p, torch.stack([nearest(a, c) for c in range(len(a))])


# alternative a matrix product, and scatter
def cluster_triplets(features, labels):
    classes, inverse = torch.unique(labels, return_inverse=True)
    one_hot = F.one_hot(inverse, len(classes)).to(features.dtype)
    means = one_hot.T @ features / one_hot.sum(0)[:, None]
    gaps = ((features[None] - means[:, None]) ** 2).sum(2).masked_fill(one_hot.T == 0, -1)
    between = ((means[None] - means[:, None]) ** 2).sum(2)
    between = between + torch.diag(torch.full((len(classes),), torch.inf))
    return means, features[gaps.argmax(1)], means[between.argmin(1)]


# alternative numpy for the choice
def cluster_triplets(features, labels):
    import numpy as np

    x, y = features.detach().numpy(), labels.numpy()
    values = np.unique(y)
    means = np.array([x[y == value].mean(0) for value in values])
    anchors, positives, negatives = [], [], []
    for c, value in enumerate(values):
        rows = np.flatnonzero(y == value)
        anchors.append(features[rows].mean(0))
        positives.append(features[rows[np.linalg.norm(x[rows] - means[c], axis=1).argmax()]])
        gaps = np.linalg.norm(means - means[c], axis=1)
        gaps[c] = np.inf
        negatives.append(features[y == values[gaps.argmin()]].mean(0))
    return torch.stack(anchors), torch.stack(positives), torch.stack(negatives)


# alternative plain loops, by sorting
def cluster_triplets(features, labels):
    means = {
        v: features[labels == v].sum(0) / (labels == v).sum() for v in sorted(set(labels.tolist()))
    }
    triplets = []
    for value, mean in means.items():
        own = sorted(features[labels == value], key=lambda row: torch.dist(row, mean).item())
        others = [other for v, other in means.items() if v != value]
        others.sort(key=lambda other: torch.dist(other, mean).item())
        triplets.append((mean, own[-1], others[0]))
    return [torch.stack(part) for part in zip(*triplets, strict=True)]
