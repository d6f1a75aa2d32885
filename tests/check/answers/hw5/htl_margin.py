# ruff: noqa: F811
import torch


def spreads(features, labels, pairs=lambda n: n * (n - 1), power=2):
    found = []
    for value in range(int(labels.max()) + 1):
        own = features.detach()[labels == value]
        found.append((own[:, None] - own).norm(dim=2).pow(power).sum() / pairs(len(own)))
    return torch.stack(found)


def thresholds(d0, height, highest=4):
    return torch.arange(height + 1) * (highest - d0) / height + d0


# mutant n^2 pairs: n_squared
def htl_margin(features, labels, levels, height, beta):
    s = spreads(features, labels, lambda n: n**2)
    return beta + thresholds(s.mean(), height)[levels] - s[:, None]


# mutant n^2 pairs by mean: n_squared
def htl_margin(features, labels, levels, height, beta):
    rows = [features[labels == c] for c in range(len(levels))]
    s = torch.stack([torch.cdist(own, own).pow(2).mean() for own in rows])
    return beta + thresholds(s.mean(), height)[levels] - s[:, None]


# mutant the negative's spread: negatives_spread
def htl_margin(features, labels, levels, height, beta):
    s = spreads(features, labels)
    return beta + thresholds(s.mean(), height)[levels] - s


# mutant larger inside an alphabet: upside_down
def htl_margin(features, labels, levels, height, beta):
    s = spreads(features, labels)
    return beta + thresholds(s.mean(), height)[(height + 1 - levels) % (height + 1)] - s[:, None]


# mutant not squared: not_squared
def htl_margin(features, labels, levels, height, beta):
    s = spreads(features, labels, power=1)
    return beta + thresholds(s.mean(), height)[levels] - s[:, None]


# mutant the highest is 2: highest_2
def htl_margin(features, labels, levels, height, beta):
    s = spreads(features, labels)
    return beta + thresholds(s.mean(), height, 2)[levels] - s[:, None]


# mutant not squared, and the highest is 2: highest_2
def htl_margin(features, labels, levels, height, beta):
    s = spreads(features, labels, power=1)
    return beta + thresholds(s.mean(), height, 2)[levels] - s[:, None]


# mutant no beta: beta_missing
def htl_margin(features, labels, levels, height, beta):
    s = spreads(features, labels)
    return thresholds(s.mean(), height)[levels] - s[:, None]


# mutant beta always 0.1: beta_fixed
def htl_margin(features, labels, levels, height, beta):
    s = spreads(features, labels)
    return 0.1 + thresholds(s.mean(), height)[levels] - s[:, None]


# mutant no spread: spread_missing
def htl_margin(features, labels, levels, height, beta):
    return beta + thresholds(spreads(features, labels).mean(), height)[levels]


# mutant the spread added: spread_added
def htl_margin(features, labels, levels, height, beta):
    s = spreads(features, labels)
    return beta + thresholds(s.mean(), height)[levels] + s[:, None]


# mutant the mean spread: mean_spread
def htl_margin(features, labels, levels, height, beta):
    d0 = spreads(features, labels).mean()
    return beta + thresholds(d0, height)[levels] - d0


# mutant d_0 not added: d0_missing
def htl_margin(features, labels, levels, height, beta):
    s = spreads(features, labels)
    return beta + (levels * (4 - s.mean()) / height) - s[:, None]


# mutant d_0 not subtracted: d0_not_subtracted
def htl_margin(features, labels, levels, height, beta):
    s = spreads(features, labels)
    return beta + levels * 4 / height + s.mean() - s[:, None]


# mutant every pair alike: pooled
def htl_margin(features, labels, levels, height, beta):
    s, counts = spreads(features, labels), labels.bincount()
    weights = counts * (counts - 1)
    d0 = (s * weights).sum() / weights.sum()
    return beta + thresholds(d0, height)[levels] - s[:, None]


# mutant every picture alike: pooled
def htl_margin(features, labels, levels, height, beta):
    s = spreads(features, labels)
    return beta + thresholds(s[labels].mean(), height)[levels] - s[:, None]


# mutant a level too many: height_and_one
def htl_margin(features, labels, levels, height, beta):
    s = spreads(features, labels)
    return beta + thresholds(s.mean(), height + 1)[levels] - s[:, None]


# mutant a gradient flows: gradient_flows
def htl_margin(features, labels, levels, height, beta):
    s = torch.stack([2 * features[labels == c].var(0).sum() for c in range(len(levels))])
    return beta + thresholds(s.mean(), height)[levels] - s[:, None]


# mutant always two levels: height_ignored
def htl_margin(features, labels, levels, height, beta):
    s = spreads(features, labels)
    return (
        beta
        + thresholds(s.mean(), 2).tolist()[1] * 0
        + levels * (4 - s.mean()) / 2
        + (s.mean() - s[:, None])
    )


# mutant level off by one: wrong_level
def htl_margin(features, labels, levels, height, beta):
    s = spreads(features, labels)
    d0 = s.mean()
    return beta + (levels - 1) * (4 - d0) / height + d0 - s[:, None]


# mutant each pair once: half
def htl_margin(features, labels, levels, height, beta):
    s = spreads(features, labels) / 2
    return beta + thresholds(s.mean(), height)[levels] - s[:, None]


# mutant one row a picture: wrong_shape
def htl_margin(features, labels, levels, height, beta):
    s = spreads(features, labels)
    margins = beta + thresholds(s.mean(), height)[levels] - s[:, None]
    return margins[labels][:, labels]


# mutant the spread around the mean
def htl_margin(features, labels, levels, height, beta):
    rows = [features[labels == c] for c in range(len(levels))]
    s = torch.stack([(own - own.mean(0)).norm(dim=1).mean() for own in rows])
    return beta + thresholds(s.mean(), height)[levels] - s[:, None]


# alternative class by class
def htl_margin(features, labels, levels, height, beta):
    s = spreads(features, labels)
    return beta + thresholds(s.mean(), height)[levels] - s[:, None]


# alternative by twice the variance
@torch.no_grad()
def htl_margin(features, labels, levels, height, beta):
    s = torch.stack([2 * features[labels == c].var(0).sum() for c in range(len(levels))])
    d0 = s.mean()
    return beta + d0 + levels * (4 - d0) / height - s.view(-1, 1)


# alternative pdist, and no value on the diagonal
def htl_margin(features, labels, levels, height, beta):
    s = [torch.pdist(features[labels == c]).square().mean().item() for c in range(len(levels))]
    d0 = sum(s) / len(s)
    margins = torch.full(levels.shape, torch.nan)
    for a in range(len(s)):
        for n in range(len(s)):
            if a != n:
                margins[a, n] = beta + (4 - d0) * int(levels[a, n]) / height + d0 - s[a]
    return margins


# alternative a matrix product over all pictures, with numpy
def htl_margin(features, labels, levels, height, beta):
    import numpy as np

    x, y = features.detach().numpy().astype(float), labels.numpy()
    one_hot = np.eye(len(levels))[y]
    squares = (x**2).sum(1)
    distances = np.maximum(squares[:, None] + squares - 2 * x @ x.T, 0)
    n = one_hot.sum(0)
    s = np.diag(one_hot.T @ distances @ one_hot) / (n * (n - 1))
    d = np.linspace(s.mean(), 4, height + 1)
    return torch.tensor(beta + d[levels.numpy()] - s[:, None])
