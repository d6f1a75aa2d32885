# ruff: noqa: F811
import torch
import torch.nn as nn
import torch.nn.functional as F


def bce(logits, label):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


# mutant called fake: called_fake
def g_loss(fake_source, labels):
    return F.cross_entropy(fake_source.classes, labels) + bce(fake_source.data, 0.0)


# mutant minimax: saturating
def g_loss(fake_source, labels):
    return F.cross_entropy(fake_source.classes, labels) - bce(fake_source.data, 0.0)


# mutant no class loss: no_class
def g_loss(fake_source, labels):
    return bce(fake_source.data, 1.0)


# mutant class loss alone: class_only
def g_loss(fake_source, labels):
    return F.cross_entropy(fake_source.classes, labels)


# mutant class loss subtracted: class_subtracted
def g_loss(fake_source, labels):
    return bce(fake_source.data, 1.0) - F.cross_entropy(fake_source.classes, labels)


# mutant both subtracted: negated
def g_loss(fake_source, labels):
    return -bce(fake_source.data, 1.0) - F.cross_entropy(fake_source.classes, labels)


# mutant weighted class loss: weighted
def g_loss(fake_source, labels):
    return bce(fake_source.data, 1.0) + 0.1 * F.cross_entropy(fake_source.classes, labels)


# mutant weighted: weighted
def g_loss(fake_source, labels):
    return 0.1 * (bce(fake_source.data, 1.0) + F.cross_entropy(fake_source.classes, labels))


# mutant averaged: averaged
def g_loss(fake_source, labels):
    return (bce(fake_source.data, 1.0) + F.cross_entropy(fake_source.classes, labels)) / 2


# mutant sums: sum_not_mean
def g_loss(fake_source, labels):
    ones = torch.ones_like(fake_source.data)
    data = F.binary_cross_entropy_with_logits(fake_source.data, ones, reduction="sum")
    return data + F.cross_entropy(fake_source.classes, labels, reduction="sum")


# mutant sigmoid twice: sigmoid_twice
def g_loss(fake_source, labels):
    return bce(fake_source.data.sigmoid(), 1.0) + F.cross_entropy(fake_source.classes, labels)


# mutant softmax twice: softmax_twice
def g_loss(fake_source, labels):
    return bce(fake_source.data, 1.0) + F.cross_entropy(fake_source.classes.softmax(1), labels)


# mutant logarithm of the probability: unstable
def g_loss(fake_source, labels):
    data = -torch.sigmoid(fake_source.data).log().mean()
    return data + F.cross_entropy(fake_source.classes, labels)


# mutant cross-entropy of probabilities: unstable
def g_loss(fake_source, labels):
    probabilities = fake_source.data.sigmoid()
    data = F.binary_cross_entropy(probabilities, torch.ones_like(probabilities))
    return data + F.cross_entropy(fake_source.classes, labels)


# mutant an added constant against infinity
def g_loss(fake_source, labels):
    data = -torch.log(torch.sigmoid(fake_source.data) + 1e-8).mean()
    return data + F.cross_entropy(fake_source.classes, labels)


# mutant the classes' own guess
def g_loss(fake_source, labels):
    guesses = fake_source.classes.argmax(1)
    return bce(fake_source.data, 1.0) + F.cross_entropy(fake_source.classes, guesses)


# mutant real/fake term detached: detached
def g_loss(fake_source, labels):
    return bce(fake_source.data.detach(), 1.0) + F.cross_entropy(fake_source.classes, labels)


# mutant a number: wrong_type
def g_loss(fake_source, labels):
    return bce(fake_source.data, 1.0).item() + F.cross_entropy(fake_source.classes, labels).item()


# mutant all detached: no_backward
def g_loss(fake_source, labels):
    loss = bce(fake_source.data, 1.0) + F.cross_entropy(fake_source.classes, labels)
    return loss.detach()


# mutant a pair: not_scalar
def g_loss(fake_source, labels):
    return [bce(fake_source.data, 1.0).item(), F.cross_entropy(fake_source.classes, labels).item()]


# mutant no return: returned_none
def g_loss(fake_source, labels):
    bce(fake_source.data, 1.0) + F.cross_entropy(fake_source.classes, labels)


# alternative two terms
def g_loss(fake_source, labels):
    return F.cross_entropy(fake_source.classes, labels) + bce(fake_source.data, 1.0)


# alternative softplus and logsumexp
def g_loss(fake_source, labels):
    data, classes = fake_source
    chosen = classes.gather(1, labels[:, None]).squeeze(1)
    return (F.softplus(-data) + classes.logsumexp(dim=1) - chosen).mean()


# alternative modules
def g_loss(fake_source, labels):
    real = torch.ones(len(labels), dtype=fake_source.data.dtype)
    loss = nn.BCEWithLogitsLoss()(fake_source.data, real)
    loss += nn.CrossEntropyLoss()(fake_source.classes, labels)
    return loss


# alternative logsigmoid
def g_loss(fake_source, labels):
    log_probabilities = F.log_softmax(fake_source.classes, dim=1)
    return F.nll_loss(log_probabilities, labels) - F.logsigmoid(fake_source.data).mean()


# mutant log of a small probability
def g_loss(fake_source, labels):
    p = fake_source.classes.softmax(1)[torch.arange(len(labels)), labels]
    return -(p + 1e-9).log().mean() + F.softplus(-fake_source.data).mean()
