# ruff: noqa: F811
import torch
import torch.nn.functional as F
from torch import nn


def cluster_triplets(features, labels):
    classes, inverse = torch.unique(labels, return_inverse=True)
    one_hot = F.one_hot(inverse, len(classes)).to(features.dtype)
    means = one_hot.T @ features / one_hot.sum(0)[:, None]
    gaps = ((features[None] - means[:, None]) ** 2).sum(2).masked_fill(one_hot.T == 0, -1)
    between = ((means[None] - means[:, None]) ** 2).sum(2)
    between = between + torch.diag(torch.full((len(classes),), torch.inf))
    return means, features[gaps.argmax(1)], means[between.argmin(1)]


def squares(features, labels):
    a, p, n = cluster_triplets(features, labels)
    return (a - p).square().sum(1), (a - n).square().sum(1)


# mutant not squared: not_squared
def cluster_loss(features, labels, margin):
    a, p, n = cluster_triplets(features, labels)
    return ((a - p).norm(dim=1) - (a - n).norm(dim=1) + margin).relu().sum()


# mutant the mean: mean_not_sum
def cluster_loss(features, labels, margin):
    intra, inter = squares(features, labels)
    return (intra - inter + margin).relu().mean()


# mutant torch's TripletMarginLoss: pipeline
def cluster_loss(features, labels, margin):
    return nn.TripletMarginLoss(margin)(*cluster_triplets(features, labels))


# mutant intra squared, inter not: squared_mixed
def cluster_loss(features, labels, margin):
    intra, _ = squares(features, labels)
    a, _, n = cluster_triplets(features, labels)
    return (intra - (a - n).norm(dim=1) + margin).relu().sum()


# mutant inter squared, intra not: squared_mixed
def cluster_loss(features, labels, margin):
    _, inter = squares(features, labels)
    a, p, _ = cluster_triplets(features, labels)
    return ((a - p).norm(dim=1) - inter + margin).relu().sum()


# mutant no clamp: no_clamp
def cluster_loss(features, labels, margin):
    intra, inter = squares(features, labels)
    return (intra - inter + margin).sum()


# mutant clamp of the sum: no_clamp
def cluster_loss(features, labels, margin):
    intra, inter = squares(features, labels)
    return (intra - inter + margin).sum().relu()


# mutant its own mean among the others: own_mean
def cluster_loss(features, labels, margin):
    intra, _ = squares(features, labels)
    return (intra + margin).relu().sum()


# mutant swapped: swapped
def cluster_loss(features, labels, margin):
    intra, inter = squares(features, labels)
    return (inter - intra + margin).relu().sum()


# mutant the margin is missing: margin_missing
def cluster_loss(features, labels, margin):
    intra, inter = squares(features, labels)
    return (intra - inter).relu().sum()


# mutant the nearest picture: nearest_positive
def cluster_loss(features, labels, margin):
    a, _, n = cluster_triplets(features, labels)
    rows = [features[labels == value] for value in labels.unique()]
    intra = torch.stack([(own - m).square().sum(1).min() for own, m in zip(rows, a, strict=True)])
    return (intra - (a - n).square().sum(1) + margin).relu().sum()


# mutant the mean distance to the mean: mean_intra
def cluster_loss(features, labels, margin):
    a, _, n = cluster_triplets(features, labels)
    rows = [features[labels == value] for value in labels.unique()]
    intra = torch.stack([(own - m).square().sum(1).mean() for own, m in zip(rows, a, strict=True)])
    return (intra - (a - n).square().sum(1) + margin).relu().sum()


# mutant the farthest mean: farthest_negative
def cluster_loss(features, labels, margin):
    intra, _ = squares(features, labels)
    a = cluster_triplets(features, labels)[0]
    inter = (a[:, None] - a).square().sum(2).amax(1)
    return (intra - inter + margin).relu().sum()


# mutant the mean distance to the others: mean_inter
def cluster_loss(features, labels, margin):
    intra, _ = squares(features, labels)
    a = cluster_triplets(features, labels)[0]
    inter = (a[:, None] - a).square().sum(2).sum(1) / (len(a) - 1)
    return (intra - inter + margin).relu().sum()


# mutant the nearest picture of another class: picture_as_negative
def cluster_loss(features, labels, margin):
    intra, _ = squares(features, labels)
    a = cluster_triplets(features, labels)[0]
    own = labels.unique()[:, None] == labels
    inter = (a[:, None] - features).square().sum(2).masked_fill(own, torch.inf).amin(1)
    return (intra - inter + margin).relu().sum()


# mutant the means detached: detached
def cluster_loss(features, labels, margin):
    a, p, n = cluster_triplets(features, labels)
    a, n = a.detach(), n.detach()
    return ((a - p).square().sum(1) - (a - n).square().sum(1) + margin).relu().sum()


# mutant the other means detached: detached
def cluster_loss(features, labels, margin):
    a, p, n = cluster_triplets(features, labels)
    return ((a - p).square().sum(1) - (a - n.detach()).square().sum(1) + margin).relu().sum()


# mutant no gradient: no_gradient
def cluster_loss(features, labels, margin):
    intra, inter = squares(features.detach(), labels)
    return (intra - inter + margin).relu().sum()


# mutant the square of a root: nan_gradient
def cluster_loss(features, labels, margin):
    intra, inter = squares(features, labels)
    return (intra.sqrt() ** 2 - inter.sqrt() ** 2 + margin).relu().sum()


# mutant one term a class: not_scalar
def cluster_loss(features, labels, margin):
    intra, inter = squares(features, labels)
    return (intra - inter + margin).relu()


# alternative cluster_triplets
def cluster_loss(features, labels, margin):
    intra, inter = squares(features, labels)
    return (intra - inter + margin).relu().sum()


# alternative the course's cluster_triplets, as pick may have bound them
def cluster_loss(features, labels, margin):
    from dalib_edu.metric import cluster_triplets

    a, p, n = cluster_triplets(features, labels)
    d_intra, d_inter = ((a - p) ** 2).sum(1), ((a - n) ** 2).sum(1)
    return torch.clamp(d_intra - d_inter + margin, min=0).sum()


# alternative the formula, class by class
def cluster_loss(features, labels, margin):
    means = {v: features[labels == v].mean(0) for v in labels.unique().tolist()}
    loss = 0
    for v, mean in means.items():
        intra = max(((row - mean) ** 2).sum() for row in features[labels == v])
        inter = min(((mean - other) ** 2).sum() for w, other in means.items() if w != v)
        loss = loss + torch.relu(intra - inter + margin)
    return loss


# alternative distances squared afterwards
def cluster_loss(features, labels, margin):
    a, p, n = cluster_triplets(features, labels)
    d_intra = torch.linalg.vector_norm(a - p, dim=1) ** 2
    d_inter = torch.linalg.vector_norm(a - n, dim=1) ** 2
    return F.relu(d_intra - d_inter + margin).sum()


# alternative cdist, amax and amin
def cluster_loss(features, labels, margin):
    values = labels.unique()
    own = values[:, None] == labels
    means = (own.to(features.dtype) / own.sum(1, keepdim=True)) @ features
    intra = torch.cdist(means, features).pow(2).masked_fill(~own, 0).amax(1)
    inter = torch.cdist(means, means).pow(2)
    inter = inter.masked_fill(torch.eye(len(values), dtype=torch.bool), torch.inf).amin(1)
    return (intra - inter + margin).clamp(min=0).sum()
