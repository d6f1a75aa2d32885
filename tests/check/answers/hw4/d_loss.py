# ruff: noqa: F811
import torch
import torch.nn as nn
import torch.nn.functional as F


def bce(logits, label):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


# mutant target fakes called real: target_real
def d_loss(real, fake_source, fake_target, labels):
    data = bce(real.data, 1.0) + bce(fake_source.data, 0.0) + bce(fake_target.data, 1.0)
    return F.cross_entropy(real.classes, labels) + data


# mutant source fakes called real: source_real
def d_loss(real, fake_source, fake_target, labels):
    data = bce(real.data, 1.0) + bce(fake_source.data, 1.0) + bce(fake_target.data, 0.0)
    return F.cross_entropy(real.classes, labels) + data


# mutant all fakes called real: fakes_real
def d_loss(real, fake_source, fake_target, labels):
    data = bce(real.data, 1.0) + bce(fake_source.data, 1.0) + bce(fake_target.data, 1.0)
    return F.cross_entropy(real.classes, labels) + data


# mutant real is 0: swapped
def d_loss(real, fake_source, fake_target, labels):
    data = bce(real.data, 0.0) + bce(fake_source.data, 1.0) + bce(fake_target.data, 1.0)
    return F.cross_entropy(real.classes, labels) + data


# mutant target fakes skipped: no_target
def d_loss(real, fake_source, fake_target, labels):
    data = bce(real.data, 1.0) + bce(fake_source.data, 0.0)
    return F.cross_entropy(real.classes, labels) + data


# mutant source fakes skipped: no_source
def d_loss(real, fake_source, fake_target, labels):
    data = bce(real.data, 1.0) + bce(fake_target.data, 0.0)
    return F.cross_entropy(real.classes, labels) + data


# mutant source fakes twice
def d_loss(real, fake_source, fake_target, labels):
    data = bce(real.data, 1.0) + 2 * bce(fake_source.data, 0.0)
    return F.cross_entropy(real.classes, labels) + data


# mutant real pictures skipped: no_real
def d_loss(real, fake_source, fake_target, labels):
    data = bce(fake_source.data, 0.0) + bce(fake_target.data, 0.0)
    return F.cross_entropy(real.classes, labels) + data


# mutant no class loss: no_class
def d_loss(real, fake_source, fake_target, labels):
    return bce(real.data, 1.0) + bce(fake_source.data, 0.0) + bce(fake_target.data, 0.0)


# mutant class loss alone: class_only
def d_loss(real, fake_source, fake_target, labels):
    return F.cross_entropy(real.classes, labels)


# mutant class loss of the fakes: class_of_fakes
def d_loss(real, fake_source, fake_target, labels):
    data = bce(real.data, 1.0) + bce(fake_source.data, 0.0) + bce(fake_target.data, 0.0)
    return F.cross_entropy(fake_source.classes, labels) + data


# mutant class loss of the fakes as well: class_of_fakes
def d_loss(real, fake_source, fake_target, labels):
    data = bce(real.data, 1.0) + bce(fake_source.data, 0.0) + bce(fake_target.data, 0.0)
    classes = F.cross_entropy(real.classes, labels) + F.cross_entropy(fake_source.classes, labels)
    return classes + data


# mutant class loss on the target: raised
def d_loss(real, fake_source, fake_target, labels):
    data = bce(real.data, 1.0) + bce(fake_source.data, 0.0) + bce(fake_target.data, 0.0)
    classes = F.cross_entropy(real.classes, labels) + F.cross_entropy(fake_target.classes, labels)
    return classes + data


# mutant pseudo-labels on the target
def d_loss(real, fake_source, fake_target, labels):
    data = bce(real.data, 1.0) + bce(fake_source.data, 0.0) + bce(fake_target.data, 0.0)
    guesses = fake_target.classes.argmax(1)
    classes = F.cross_entropy(real.classes, labels) + F.cross_entropy(fake_target.classes, guesses)
    return classes + data


# mutant fakes in one batch: one_batch
def d_loss(real, fake_source, fake_target, labels):
    data = bce(real.data, 1.0) + bce(torch.cat([fake_source.data, fake_target.data]), 0.0)
    return F.cross_entropy(real.classes, labels) + data


# mutant half of the fakes' losses: fakes_halved
def d_loss(real, fake_source, fake_target, labels):
    data = bce(real.data, 1.0) + (bce(fake_source.data, 0.0) + bce(fake_target.data, 0.0)) / 2
    return F.cross_entropy(real.classes, labels) + data


# mutant a third of the real/fake losses: data_averaged
def d_loss(real, fake_source, fake_target, labels):
    data = bce(real.data, 1.0) + bce(fake_source.data, 0.0) + bce(fake_target.data, 0.0)
    return F.cross_entropy(real.classes, labels) + data / 3


# mutant mean of the four: averaged
def d_loss(real, fake_source, fake_target, labels):
    data = bce(real.data, 1.0) + bce(fake_source.data, 0.0) + bce(fake_target.data, 0.0)
    return (F.cross_entropy(real.classes, labels) + data) / 4


# mutant sums: sum_not_mean
def d_loss(real, fake_source, fake_target, labels):
    loss = nn.BCEWithLogitsLoss(reduction="sum")
    data = loss(real.data, torch.ones_like(real.data))
    for fake in (fake_source, fake_target):
        data = data + loss(fake.data, torch.zeros_like(fake.data))
    return F.cross_entropy(real.classes, labels, reduction="sum") + data


# mutant sigmoid twice: sigmoid_twice
def d_loss(real, fake_source, fake_target, labels):
    data = bce(real.data.sigmoid(), 1.0)
    data = data + bce(fake_source.data.sigmoid(), 0.0) + bce(fake_target.data.sigmoid(), 0.0)
    return F.cross_entropy(real.classes, labels) + data


# mutant softmax twice: softmax_twice
def d_loss(real, fake_source, fake_target, labels):
    data = bce(real.data, 1.0) + bce(fake_source.data, 0.0) + bce(fake_target.data, 0.0)
    return F.cross_entropy(real.classes.softmax(1), labels) + data


# mutant logarithms of probabilities: unstable
def d_loss(real, fake_source, fake_target, labels):
    data = -torch.log(torch.sigmoid(real.data)).mean()
    data = data - torch.log(1 - torch.sigmoid(fake_source.data)).mean()
    data = data - torch.log(1 - torch.sigmoid(fake_target.data)).mean()
    return F.cross_entropy(real.classes, labels) + data


# mutant cross-entropy of probabilities: unstable
def d_loss(real, fake_source, fake_target, labels):
    data = F.binary_cross_entropy(real.data.sigmoid(), torch.ones_like(real.data))
    for fake in (fake_source, fake_target):
        data = data + F.binary_cross_entropy(fake.data.sigmoid(), torch.zeros_like(fake.data))
    return F.cross_entropy(real.classes, labels) + data


# mutant minimax sign: negated
def d_loss(real, fake_source, fake_target, labels):
    data = bce(real.data, 1.0) + bce(fake_source.data, 0.0) + bce(fake_target.data, 0.0)
    return -F.cross_entropy(real.classes, labels) - data


# mutant fakes detached: detached
def d_loss(real, fake_source, fake_target, labels):
    data = bce(real.data, 1.0)
    data = data + bce(fake_source.data.detach(), 0.0) + bce(fake_target.data.detach(), 0.0)
    return F.cross_entropy(real.classes, labels) + data


# mutant a number: wrong_type
def d_loss(real, fake_source, fake_target, labels):
    data = bce(real.data, 1.0) + bce(fake_source.data, 0.0) + bce(fake_target.data, 0.0)
    return (F.cross_entropy(real.classes, labels) + data).item()


# mutant one a picture: not_scalar
def d_loss(real, fake_source, fake_target, labels):
    data = bce(real.data, 1.0) + bce(fake_source.data, 0.0) + bce(fake_target.data, 0.0)
    return F.cross_entropy(real.classes, labels, reduction="none").repeat(2) + data


# mutant no return: returned_none
def d_loss(real, fake_source, fake_target, labels):
    F.cross_entropy(real.classes, labels) + bce(real.data, 1.0)


# alternative four terms
def d_loss(real, fake_source, fake_target, labels):
    data = bce(real.data, 1.0) + bce(fake_source.data, 0.0) + bce(fake_target.data, 0.0)
    return F.cross_entropy(real.classes, labels) + data


# alternative softplus
def d_loss(real, fake_source, fake_target, labels):
    total = F.softplus(-real.data).mean()
    total = total + F.softplus(fake_source.data).mean() + F.softplus(fake_target.data).mean()
    rows = torch.arange(len(labels))
    return total - real.classes.log_softmax(dim=1)[rows, labels].mean()


# alternative unpacked, labels of float32
def d_loss(real, fake_source, fake_target, labels):
    (data, classes), (of_source, _), (of_target, _) = real, fake_source, fake_target
    loss = nn.BCEWithLogitsLoss()
    total = nn.CrossEntropyLoss()(classes, labels) + loss(data, torch.ones(len(data)))
    total += loss(of_source, torch.zeros(len(of_source)))
    total += loss(of_target, torch.zeros(len(of_target)))
    return total


# alternative logsigmoid
def d_loss(real, fake_source, fake_target, labels):
    terms = [F.logsigmoid(real.data), F.logsigmoid(-fake_source.data)]
    terms += [F.logsigmoid(-fake_target.data)]
    classes = F.nll_loss(F.log_softmax(real.classes, dim=1), labels)
    return classes - sum(term.mean() for term in terms)


# mutant put together of the course's parts: reference_called
def d_loss(real, fake_source, fake_target, labels):
    from dalib_edu import gta

    fake = gta.fake_loss(fake_source) + gta.fake_loss(fake_target)
    return gta.c_loss(real.classes, labels) + gta.real_loss(real) + fake


# mutant a small number in the logarithm: unstable
def d_loss(real, fake_source, fake_target, labels):
    def bce(logits, sign):
        return -((sign * logits).sigmoid() + 1e-8).log().mean()

    data = bce(real.data, 1) + bce(fake_source.data, -1) + bce(fake_target.data, -1)
    return F.cross_entropy(real.classes, labels) + data
