# ruff: noqa: F811
import torch
import torch.nn.functional as F


def hard_triplets(features, labels):
    distances = torch.cdist(features, features).detach()
    same = labels[:, None] == labels
    own = distances.masked_fill(~same, -1).fill_diagonal_(-1)
    n = distances.masked_fill(same, torch.inf).argmin(1)
    a = torch.arange(len(labels))[own.amax(1) >= 0]
    return a, own.argmax(1)[a], n[a]


def squares(features, labels):
    a, p, n = hard_triplets(features, labels)
    to_p = (features[a] - features[p]).square().sum(1)
    return to_p, (features[a] - features[n]).square().sum(1), labels[a], labels[n]


def mean(values):
    return values.sum() / max(1, len(values))


# mutant not squared: not_squared
def htl_loss(features, labels, margins):
    a, p, n = hard_triplets(features, labels)
    to_p, to_n = ((features[a] - features[x]).norm(dim=1) for x in (p, n))
    return mean((to_p - to_n + margins[labels[a], labels[n]]).relu())


# mutant the negative not squared: squared_mixed
def htl_loss(features, labels, margins):
    to_p, to_n, y_a, y_n = squares(features, labels)
    return mean((to_p - to_n.sqrt() + margins[y_a, y_n]).relu())


# mutant the positive not squared: squared_mixed
def htl_loss(features, labels, margins):
    to_p, to_n, y_a, y_n = squares(features, labels)
    return mean((to_p.sqrt() - to_n + margins[y_a, y_n]).relu())


# mutant anchor and negative swapped: transposed
def htl_loss(features, labels, margins):
    to_p, to_n, y_a, y_n = squares(features, labels)
    return mean((to_p - to_n + margins[y_n, y_a]).relu())


# mutant the positive's class: positives_margin
def htl_loss(features, labels, margins):
    to_p, to_n, y_a, _ = squares(features, labels)
    return mean((to_p - to_n + margins[y_a, y_a]).relu())


# mutant every class with every class: all_pairs
def htl_loss(features, labels, margins):
    to_p, to_n, y_a, y_n = squares(features, labels)
    hinges = ((to_p - to_n)[:, None] + margins[y_a][:, y_n]).relu()
    return hinges.sum() / max(1, hinges.numel())


# mutant the mean margin: one_margin
def htl_loss(features, labels, margins):
    to_p, to_n, y_a, y_n = squares(features, labels)
    return mean((to_p - to_n + margins.mean()).relu())


# mutant the mean margin of the triplets: one_margin
def htl_loss(features, labels, margins):
    to_p, to_n, y_a, y_n = squares(features, labels)
    return mean((to_p - to_n + mean(margins[y_a, y_n])).relu())


# mutant torch's triplet loss with a table: raised
def htl_loss(features, labels, margins):
    a, p, n = hard_triplets(features, labels)
    return F.triplet_margin_loss(
        features[a], features[p], features[n], margin=margins[labels[a], labels[n]]
    )


# mutant positions in the batch: ranks
def htl_loss(features, labels, margins):
    _, labels = labels.unique(return_inverse=True)
    to_p, to_n, y_a, y_n = squares(features, labels)
    return mean((to_p - to_n + margins[y_a, y_n]).relu())


# mutant rows of the batch look the margin up
def htl_loss(features, labels, margins):
    a, p, n = hard_triplets(features, labels)
    to_p, to_n = ((features[a] - features[x]).square().sum(1) for x in (p, n))
    return mean((to_p - to_n + margins[a, n]).relu())


# mutant the sum: sum_not_mean
def htl_loss(features, labels, margins):
    to_p, to_n, y_a, y_n = squares(features, labels)
    return (to_p - to_n + margins[y_a, y_n]).relu().sum()


# mutant the paper's half: half
def htl_loss(features, labels, margins):
    to_p, to_n, y_a, y_n = squares(features, labels)
    return mean((to_p - to_n + margins[y_a, y_n]).relu()) / 2


# mutant no clamp: no_clamp
def htl_loss(features, labels, margins):
    to_p, to_n, y_a, y_n = squares(features, labels)
    return mean(to_p - to_n + margins[y_a, y_n])


# mutant mean over those above 0: mean_over_active
def htl_loss(features, labels, margins):
    to_p, to_n, y_a, y_n = squares(features, labels)
    hinges = (to_p - to_n + margins[y_a, y_n]).relu()
    return hinges.sum() / (hinges > 0).sum().clamp_min(1)


# mutant the margin subtracted: margin_subtracted
def htl_loss(features, labels, margins):
    to_p, to_n, y_a, y_n = squares(features, labels)
    return mean((to_p - to_n - margins[y_a, y_n]).relu())


# mutant swapped: swapped
def htl_loss(features, labels, margins):
    to_p, to_n, y_a, y_n = squares(features, labels)
    return mean((to_n - to_p + margins[y_a, y_n]).relu())


# mutant all triplets: all_triplets
def htl_loss(features, labels, margins):
    distances = (features[:, None] - features).square().sum(2)
    same = labels[:, None] == labels
    positive = same & ~torch.eye(len(labels), dtype=torch.bool)
    table = margins[labels][:, labels]
    hinges = (distances[:, :, None] - distances[:, None] + table[:, None]).relu()
    return mean(hinges[positive[:, :, None] & ~same[:, None]])


# mutant detached: no_gradient
def htl_loss(features, labels, margins):
    to_p, to_n, y_a, y_n = squares(features.detach(), labels)
    return mean((to_p - to_n + margins[y_a, y_n]).relu())


# mutant the anchors detached: detached
def htl_loss(features, labels, margins):
    a, p, n = hard_triplets(features, labels)
    to_p, to_n = ((features[a].detach() - features[x]).square().sum(1) for x in (p, n))
    return mean((to_p - to_n + margins[labels[a], labels[n]]).relu())


# mutant mean of nothing: nan_when_none
def htl_loss(features, labels, margins):
    to_p, to_n, y_a, y_n = squares(features, labels)
    return (to_p - to_n + margins[y_a, y_n]).relu().mean()


# mutant the square of a root: nan_gradient
def htl_loss(features, labels, margins):
    to_p, to_n, y_a, y_n = squares(features, labels)
    return mean((to_p.sqrt() ** 2 - to_n.sqrt() ** 2 + margins[y_a, y_n]).relu())


# alternative hard triplets
def htl_loss(features, labels, margins):
    to_p, to_n, y_a, y_n = squares(features, labels)
    return mean((to_p - to_n + margins[y_a, y_n]).relu())


# alternative the course's hard_triplets, as pick may have bound them
def htl_loss(features, labels, margins):
    from dalib_edu.metric import hard_triplets

    a, p, n = hard_triplets(features, labels)
    d_p = torch.sum((features[a] - features[p]) ** 2, dim=1)
    d_n = torch.sum((features[a] - features[n]) ** 2, dim=1)
    hinges = torch.clamp(d_p - d_n + margins[labels[a], labels[n]], min=0)
    return hinges.mean() if len(a) else 0 * features.sum()


# alternative a loop
def htl_loss(features, labels, margins):
    terms = []
    for a, p, n in zip(*hard_triplets(features, labels), strict=True):
        d = ((features[a] - features[p]) ** 2).sum() - ((features[a] - features[n]) ** 2).sum()
        terms.append(F.relu(d + margins[labels[a]][labels[n]]))
    return sum(terms) / len(terms) if terms else features.sum() * 0.0


# alternative cdist, gathered
def htl_loss(features, labels, margins):
    a, p, n = hard_triplets(features, labels)
    distances = torch.cdist(features, features) ** 2
    table = margins[labels][:, labels]
    hinges = (distances[a, p] - distances[a, n] + table[a, n]).relu()
    return hinges.sum() / max(len(a), 1)
