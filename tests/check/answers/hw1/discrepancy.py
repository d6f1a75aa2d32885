# ruff: noqa: F811, F841
import torch
import torch.nn.functional as F

from dalib_edu.check import hw1 as check


# mutant on logits: on_logits
def discrepancy(logits1, logits2):
    p1, p2 = logits1, logits2
    return (p1 - p2).abs().mean()


# mutant sum: sum_not_mean
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return (p1 - p2).abs().sum()


# mutant sum over the classes: sum_over_classes
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return (p1 - p2).abs().sum(dim=1).mean()


# mutant sum over the rows: mean_over_classes
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return (p1 - p2).abs().mean(dim=1).sum()


# mutant signed: signed
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return (p1 - p2).mean()


# mutant absolute value of the mean: signed
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return (p1 - p2).mean().abs()


# mutant absolute values of the means: signed
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return (p1 - p2).mean(dim=0).abs().mean()


# mutant squared: squared
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return ((p1 - p2) ** 2).mean()


# mutant mean L2 norm: l2
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return torch.linalg.vector_norm(p1 - p2, dim=1).mean()


# mutant one L2 norm: l2
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return torch.linalg.vector_norm(p1 - p2)


# mutant root mean square: l2
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return ((p1 - p2) ** 2).mean().sqrt()


# mutant KL divergence: kl
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return F.kl_div(logits1.log_softmax(dim=1), p2, reduction="batchmean")


# mutant KL divergence over all entries: kl
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return (p1 * (logits1.log_softmax(dim=1) - logits2.log_softmax(dim=1))).mean()


# mutant half: half
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return (p1 - p2).abs().mean() / 2


# mutant total variation: half
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return (p1 - p2).abs().sum(dim=1).mean() / 2


# mutant largest difference
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return (p1 - p2).abs().amax(dim=1).mean()


# mutant negative: negative
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return -(p1 - p2).abs().mean()


# mutant classes that differ: no_gradient
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return (p1.argmax(dim=1) != p2.argmax(dim=1)).float().mean()


# mutant no mean: not_scalar
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return (p1 - p2).abs()


# mutant one a row: not_scalar
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return (p1 - p2).abs().mean(dim=1)


# mutant a number without gradient: no_gradient
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return (p1 - p2).abs().mean().item()


# mutant the first detached: detached
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return (p1.detach() - p2).abs().mean()


# mutant the second detached: detached
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return (p1 - p2.detach()).abs().mean()


# mutant softmax over the rows: wrong_axis
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=0), logits2.softmax(dim=0)
    return (p1 - p2).abs().mean()


# mutant log-probabilities: log_probabilities
def discrepancy(logits1, logits2):
    p1, p2 = logits1.log_softmax(dim=1), logits2.log_softmax(dim=1)
    return (p1 - p2).abs().mean()


# mutant sigmoid: sigmoid
def discrepancy(logits1, logits2):
    p1, p2 = logits1.sigmoid(), logits2.sigmoid()
    return (p1 - p2).abs().mean()


# mutant exponentials that overflow: overflow
def discrepancy(logits1, logits2):
    p1, p2 = (x.exp() / x.exp().sum(dim=1, keepdim=True) for x in (logits1, logits2))
    return (p1 - p2).abs().mean()


# mutant in place: input_changed
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    with torch.no_grad():
        logits1.sub_(1)
    return (p1 - p2).abs().mean()


# mutant no return: returned_none
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    (p1 - p2).abs().mean()


# mutant the check's own: reference_called
def discrepancy(logits1, logits2):
    return check._discrepancy(logits1, logits2)


# alternative abs and mean
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return (p1 - p2).abs().mean()


# alternative l1_loss
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return F.l1_loss(p1, p2)


# alternative torch.mean
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return torch.mean(torch.abs(F.softmax(logits1, -1) - F.softmax(logits2, -1)))


# alternative sum by hand
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return (p2 - p1).abs().sum() / p1.numel()


# alternative logarithms first
def discrepancy(logits1, logits2):
    p1, p2 = logits1.log_softmax(dim=-1).exp(), logits2.log_softmax(dim=-1).exp()
    return (p1 - p2).abs().mean()


# alternative larger less smaller
def discrepancy(logits1, logits2):
    p1, p2 = logits1.softmax(dim=1), logits2.softmax(dim=1)
    return (torch.maximum(p1, p2) - torch.minimum(p1, p2)).mean()


# alternative loops
def discrepancy(logits1, logits2):
    total = 0.0
    for row1, row2 in zip(logits1, logits2, strict=True):
        p1, p2 = torch.softmax(row1, 0), torch.softmax(row2, 0)
        for one, two in zip(p1, p2, strict=True):
            total = total + (one - two).abs()
    return total / (logits1.shape[0] * logits1.shape[1])


# alternative the largest logit taken off
def probabilities(logits):
    powers = torch.exp(logits - logits.max(dim=1, keepdim=True).values)
    return powers / powers.sum(dim=1, keepdim=True)


def discrepancy(logits1, logits2):
    return (
        torch.linalg.vector_norm(probabilities(logits1) - probabilities(logits2), ord=1)
        / logits1.numel()
    )
