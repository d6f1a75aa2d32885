# ruff: noqa: F811
import torch
import torch.nn.functional as F
from torch import nn


def hard_triplets(features, labels):
    distances = torch.cdist(features, features).detach()
    same = labels[:, None] == labels
    own = distances.masked_fill(~same, -1).fill_diagonal_(-1)
    n = distances.masked_fill(same, torch.inf).argmin(1)
    a = torch.arange(len(labels))[own.amax(1) >= 0]
    return a, own.argmax(1)[a], n[a]


def gaps(features, labels):
    a, p, n = hard_triplets(features, labels)
    to_p = torch.linalg.vector_norm(features[a] - features[p], dim=1)
    return to_p, torch.linalg.vector_norm(features[a] - features[n], dim=1)


def mean(values):
    return values.sum() / max(1, len(values))


# mutant both squared: squared
def triplet_loss(features, labels, margin):
    to_p, to_n = gaps(features, labels)
    return mean((to_p**2 - to_n**2 + margin).relu())


# mutant the positive squared: squared_mixed
def triplet_loss(features, labels, margin):
    to_p, to_n = gaps(features, labels)
    return mean((to_p**2 - to_n + margin).relu())


# mutant the negative squared: squared_mixed
def triplet_loss(features, labels, margin):
    to_p, to_n = gaps(features, labels)
    return mean((to_p - to_n**2 + margin).relu())


# mutant the sum: sum_not_mean
def triplet_loss(features, labels, margin):
    to_p, to_n = gaps(features, labels)
    return (to_p - to_n + margin).relu().sum()


# mutant mean over those above 0: mean_over_active
def triplet_loss(features, labels, margin):
    to_p, to_n = gaps(features, labels)
    hinges = (to_p - to_n + margin).relu()
    return hinges.sum() / (hinges > 0).sum().clamp_min(1)


# mutant no clamp: no_clamp
def triplet_loss(features, labels, margin):
    to_p, to_n = gaps(features, labels)
    return mean(to_p - to_n + margin)


# mutant clamp after the mean: no_clamp
def triplet_loss(features, labels, margin):
    to_p, to_n = gaps(features, labels)
    return mean(to_p - to_n + margin).relu()


# mutant the margin is missing: margin_missing
def triplet_loss(features, labels, margin):
    to_p, to_n = gaps(features, labels)
    return mean((to_p - to_n).relu())


# mutant the margin outside: margin_outside
def triplet_loss(features, labels, margin):
    to_p, to_n = gaps(features, labels)
    return mean((to_p - to_n).relu()) + margin


# mutant the margin is subtracted: margin_subtracted
def triplet_loss(features, labels, margin):
    to_p, to_n = gaps(features, labels)
    return mean((to_p - to_n - margin).relu())


# mutant swapped: swapped
def triplet_loss(features, labels, margin):
    to_p, to_n = gaps(features, labels)
    return mean((to_n - to_p + margin).relu())


# mutant softplus: softplus
def triplet_loss(features, labels, margin):
    to_p, to_n = gaps(features, labels)
    return mean(F.softplus(to_p - to_n))


# mutant softplus with the margin: softplus
def triplet_loss(features, labels, margin):
    to_p, to_n = gaps(features, labels)
    return mean(F.softplus(to_p - to_n + margin))


# mutant all triplets: all_triplets
def triplet_loss(features, labels, margin):
    distances = torch.cdist(features, features)
    same = labels[:, None] == labels
    positive = same & ~torch.eye(len(labels), dtype=torch.bool)
    hinges = (distances[:, :, None] - distances[:, None] + margin).relu()
    return mean(hinges[positive[:, :, None] & ~same[:, None]])


# mutant the nearest positive: not_hardest
def triplet_loss(features, labels, margin):
    a, _, n = hard_triplets(features, labels)
    same = labels[:, None] == labels
    near = torch.cdist(features, features).masked_fill(~same, torch.inf).fill_diagonal_(torch.inf)
    to_p = near[a].argmin(1)
    to_p, to_n = (F.pairwise_distance(features[a], features[other]) for other in (to_p, n))
    return mean((to_p - to_n + margin).relu())


# mutant the farthest negative: not_hardest
def triplet_loss(features, labels, margin):
    a, p, _ = hard_triplets(features, labels)
    far = torch.cdist(features, features).masked_fill(labels[:, None] == labels, -1)[a].argmax(1)
    to_p, to_n = (F.pairwise_distance(features[a], features[other]) for other in (p, far))
    return mean((to_p - to_n + margin).relu())


# mutant its own positive: own_positive
def triplet_loss(features, labels, margin):
    to_p, to_n = gaps(features, labels)
    return mean((margin - to_n).relu())


# mutant normalised first: normalised
def triplet_loss(features, labels, margin):
    to_p, to_n = gaps(F.normalize(features), labels)
    return mean((to_p - to_n + margin).relu())


# mutant detached: no_gradient
def triplet_loss(features, labels, margin):
    to_p, to_n = gaps(features.detach(), labels)
    return mean((to_p - to_n + margin).relu())


# mutant the anchors detached: detached
def triplet_loss(features, labels, margin):
    a, p, n = hard_triplets(features, labels)
    anchors = features[a].detach()
    to_p, to_n = (torch.linalg.vector_norm(anchors - features[x], dim=1) for x in (p, n))
    return mean((to_p - to_n + margin).relu())


# mutant the negatives detached: detached
def triplet_loss(features, labels, margin):
    a, p, n = hard_triplets(features, labels)
    to_p = torch.linalg.vector_norm(features[a] - features[p], dim=1)
    to_n = torch.linalg.vector_norm(features[a] - features[n].detach(), dim=1)
    return mean((to_p - to_n + margin).relu())


# mutant a number: no_gradient
def triplet_loss(features, labels, margin):
    to_p, to_n = gaps(features, labels)
    return mean((to_p - to_n + margin).relu()).item()


# mutant square root: nan_gradient
def triplet_loss(features, labels, margin):
    a, p, n = hard_triplets(features, labels)
    to_p, to_n = ((features[a] - features[x]).pow(2).sum(1).sqrt() for x in (p, n))
    return mean((to_p - to_n + margin).relu())


# mutant square root of a Gram matrix: nan_gradient
def triplet_loss(features, labels, margin):
    a, p, n = hard_triplets(features, labels)
    square = (features**2).sum(1)
    distances = (square[:, None] + square - 2 * features @ features.T).sqrt()
    return mean((distances[a, p] - distances[a, n] + margin).relu())


# mutant mean of nothing: nan_when_none
def triplet_loss(features, labels, margin):
    to_p, to_n = gaps(features, labels)
    return (to_p - to_n + margin).relu().mean()


# mutant torch's own, mean of nothing: nan_when_none
def triplet_loss(features, labels, margin):
    a, p, n = hard_triplets(features, labels)
    return nn.TripletMarginLoss(margin)(features[a], features[p], features[n])


# mutant nothing to learn from where there is no triplet: no_gradient
def triplet_loss(features, labels, margin):
    a, p, n = hard_triplets(features, labels)
    if len(a) == 0:
        return torch.tensor(0.0)
    return F.triplet_margin_loss(features[a], features[p], features[n], margin)


# mutant one term a triplet: not_scalar
def triplet_loss(features, labels, margin):
    to_p, to_n = gaps(features, labels)
    return (to_p - to_n + margin).relu()


# mutant the hardest triplet alone: hardest_only
def triplet_loss(features, labels, margin):
    to_p, to_n = gaps(features, labels)
    return torch.cat([(to_p - to_n + margin).relu(), features.flatten()[:1] * 0]).max()


# alternative vector_norm
def triplet_loss(features, labels, margin):
    to_p, to_n = gaps(features, labels)
    return mean((to_p - to_n + margin).relu())


# alternative torch's own
def triplet_loss(features, labels, margin):
    a, p, n = hard_triplets(features, labels)
    if len(a) == 0:
        return features.sum() * 0
    return nn.TripletMarginLoss(margin=margin)(features[a], features[p], features[n])


# alternative the course's hard_triplets, as pick may have bound them
def triplet_loss(features, labels, margin):
    from dalib_edu.metric import hard_triplets

    a, p, n = hard_triplets(features, labels)
    to_p, to_n = (F.pairwise_distance(features[a], features[x]) for x in (p, n))
    hinges = torch.clamp(to_p - to_n + margin, min=0)
    return hinges.mean() if len(hinges) else hinges.sum()


# alternative amax and amin of cdist
def triplet_loss(features, labels, margin):
    distances = torch.cdist(features, features)
    same = labels[:, None] == labels
    positive = same & ~torch.eye(len(labels), dtype=torch.bool)
    to_p = distances.masked_fill(~positive, -torch.inf).max(1).values
    to_n = distances.masked_fill(same, torch.inf).min(1).values
    usable = positive.any(1)
    hinges = torch.where(usable, to_p - to_n + margin, 0).clamp(min=0)
    return hinges.sum() / usable.sum().clamp(min=1)


# alternative a loop, and an epsilon under the root
def triplet_loss(features, labels, margin):
    total, count = features.sum() * 0, 0
    for a, p, n in zip(*hard_triplets(features, labels), strict=True):
        to_p = ((features[a] - features[p]).square().sum() + 1e-10).sqrt()
        to_n = ((features[a] - features[n]).square().sum() + 1e-10).sqrt()
        total = total + torch.relu(to_p - to_n + margin)
        count += 1
    return total / max(count, 1)


# alternative a Gram matrix whose root is safe
def triplet_loss(features, labels, margin):
    a, p, n = hard_triplets(features, labels)
    square = (features**2).sum(1)
    distances = (square[:, None] + square - 2 * features @ features.T).clamp_min(1e-12).sqrt()
    return mean(F.relu(distances[a, p] - distances[a, n] + margin))
