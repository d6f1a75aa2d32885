# ruff: noqa: F811
import math

import numpy as np
import torch
import torch.nn.functional as F

from dalib_edu.check import hw3 as check


def entropy(p):
    return torch.special.entr(p).sum(-1)


# mutant sign: sign
def information_maximisation(logits):
    p = logits.softmax(1)
    return (entropy(p).mean() - entropy(p.mean(0))).item()


# mutant added: sum
def information_maximisation(logits):
    p = logits.softmax(1)
    return (entropy(p.mean(0)) + entropy(p).mean()).item()


# mutant entropy of the mean alone: one_entropy
def information_maximisation(logits):
    return entropy(logits.softmax(1).mean(0)).item()


# mutant mean entropy alone: one_entropy
def information_maximisation(logits):
    return entropy(logits.softmax(1)).mean().item()


# mutant minus the mean entropy alone: one_entropy
def information_maximisation(logits):
    return -entropy(logits.softmax(1)).mean().item()


# mutant 0 log 0: not_stable
def information_maximisation(logits):
    p = logits.softmax(1)
    mean = p.mean(0)
    return (-(mean * mean.log()).sum() + (p * p.log()).sum(1).mean()).item()


# mutant exp without a shift: not_stable
def information_maximisation(logits):
    p = logits.exp() / logits.exp().sum(1, keepdim=True)
    return (entropy(p.mean(0)) - entropy(p).mean()).item()


# mutant bits: bits
def information_maximisation(logits):
    p = logits.softmax(1)
    return ((entropy(p.mean(0)) - entropy(p).mean()) / math.log(2)).item()


# mutant share of log K: share
def information_maximisation(logits):
    p = logits.softmax(1)
    return ((entropy(p.mean(0)) - entropy(p).mean()) / math.log(p.shape[1])).item()


# mutant softmax over the rows: over_rows
def information_maximisation(logits):
    p = logits.softmax(0)
    return (entropy(p.mean(0)) - entropy(p).mean()).item()


# mutant mean of the logits: mean_of_logits
def information_maximisation(logits):
    return (entropy(logits.mean(0).softmax(0)) - entropy(logits.softmax(1)).mean()).item()


# mutant sum over the rows: sum_over_rows
def information_maximisation(logits):
    p = logits.softmax(1)
    return (entropy(p.mean(0)) - entropy(p).sum()).item()


# mutant mean over all: mean_over_classes
def information_maximisation(logits):
    p = logits.softmax(1)
    return (entropy(p.mean(0)) - torch.special.entr(p).mean()).item()


# mutant mean over the classes: mean_over_classes
def information_maximisation(logits):
    p = logits.softmax(1)
    return (torch.special.entr(p.mean(0)).mean() - torch.special.entr(p).mean()).item()


# mutant no softmax: not_stable
def information_maximisation(logits):
    return (entropy(logits.mean(0)) - entropy(logits).mean()).item()


# mutant sigmoid
def information_maximisation(logits):
    p = logits.sigmoid()
    return (entropy(p.mean(0)) - entropy(p).mean()).item()


# mutant entropy of the labels alone
def information_maximisation(logits):
    share = F.one_hot(logits.argmax(1), logits.shape[1]).float().mean(0)
    return entropy(share).item()


# mutant mean over the wrong axis
def information_maximisation(logits):
    p = logits.softmax(1)
    return (entropy(p.mean(1)) - entropy(p).mean()).item()


# mutant one a row: not_scalar
def information_maximisation(logits):
    p = logits.softmax(1)
    return entropy(p.mean(0)) - entropy(p)


# mutant large probabilities cut off
def information_maximisation(logits):
    p = logits.softmax(1).clamp(0.05, 0.95)
    return (entropy(p.mean(0)) - entropy(p).mean()).item()


# mutant in place: input_changed
def information_maximisation(logits):
    logits -= logits.max(1, keepdim=True).values
    p = logits.exp() / logits.exp().sum(1, keepdim=True)
    return (entropy(p.mean(0)) - entropy(p).mean()).item()


# mutant no return: returned_none
def information_maximisation(logits):
    p = logits.softmax(1)
    entropy(p.mean(0)) - entropy(p).mean()


# mutant the check's own entropy: reference_called
def information_maximisation(logits):
    p = logits.softmax(1).double().numpy()
    return float(check._entropy(p.mean(0)) - check._entropy(p).mean())


# alternative entr
def information_maximisation(logits):
    p = logits.softmax(1)
    return (entropy(p.mean(0)) - entropy(p).mean()).item()


# alternative log-softmax and xlogy
def information_maximisation(logits):
    log_p = F.log_softmax(logits, dim=1)
    p = log_p.exp()
    mean = p.mean(0)
    return -torch.xlogy(mean, mean).sum() + (p * log_p).sum(1).mean()


# alternative a small number in the logarithm
def information_maximisation(logits):
    p = torch.softmax(logits, dim=1)
    mean = p.mean(dim=0)
    conditional = -(p * torch.log(p + 1e-8)).sum(dim=1).mean()
    marginal = -(mean * torch.log(mean + 1e-8)).sum()
    return float(marginal - conditional)


# alternative divergence from the mean
def information_maximisation(logits):
    p = logits.double().softmax(1)
    ratio = torch.where(p > 0, p / p.mean(0).clamp_min(1e-30), torch.ones_like(p))
    return (p * ratio.log()).sum(1).mean()


# alternative distributions
def information_maximisation(logits):
    from torch.distributions import Categorical

    each = Categorical(logits=logits, validate_args=False)
    return Categorical(probs=each.probs.mean(0)).entropy() - each.entropy().mean()


# alternative scipy
def information_maximisation(logits):
    from scipy.special import softmax
    from scipy.stats import entropy

    p = softmax(logits.numpy().astype(float), axis=1)
    return entropy(p.mean(axis=0)) - entropy(p, axis=1).mean()


# alternative loops
def information_maximisation(logits):
    rows = [[math.exp(v - max(row)) for v in row] for row in logits.tolist()]
    rows = [[v / sum(row) for v in row] for row in rows]

    def of(probabilities):
        return -sum(v * math.log(v) for v in probabilities if v > 0)

    mean = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    return of(mean) - np.mean([of(row) for row in rows])
