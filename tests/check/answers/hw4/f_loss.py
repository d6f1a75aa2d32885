# ruff: noqa: F811
import torch
import torch.nn as nn
import torch.nn.functional as F


def bce(logits, label):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


# mutant target weight alone: target_weight_alone
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_source.classes, labels)
    of_target = bce(fake_target.data, 1.0)
    return class_loss + a * of_source + t * of_target


# mutant target weight unused: target_weight_unused
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_source.classes, labels)
    of_target = bce(fake_target.data, 1.0)
    return class_loss + a * (of_source + of_target)


# mutant no weights: weights_unused
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_source.classes, labels)
    of_target = bce(fake_target.data, 1.0)
    return class_loss + of_source + of_target


# mutant adversarial weight unused: adversarial_weight_unused
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_source.classes, labels)
    of_target = bce(fake_target.data, 1.0)
    return class_loss + of_source + t * of_target


# mutant class loss of the fakes in full: class_unweighted
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_source.classes, labels)
    of_target = bce(fake_target.data, 1.0)
    return class_loss + of_source + a * t * of_target


# mutant target weight on the source: weights_on_class
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_source.classes, labels)
    of_target = bce(fake_target.data, 1.0)
    return class_loss + a * (t * of_source + of_target)


# mutant weights swapped: weights_swapped
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_source.classes, labels)
    of_target = bce(fake_target.data, 1.0)
    return class_loss + t * (of_source + a * of_target)


# mutant everything weighted: all_weighted
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_source.classes, labels)
    of_target = bce(fake_target.data, 1.0)
    return a * (class_loss + of_source + t * of_target)


# mutant called fake: called_fake
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_source.classes, labels)
    of_target = bce(fake_target.data, 0.0)
    return class_loss + a * (of_source + t * of_target)


# mutant target subtracted: target_subtracted
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_source.classes, labels)
    of_target = bce(fake_target.data, 1.0)
    return class_loss + a * (of_source - t * of_target)


# mutant minimax: saturating
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_source.classes, labels)
    of_target = bce(fake_target.data, 0.0)
    return class_loss + a * (of_source - t * of_target)


# mutant class loss subtracted: class_subtracted
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_source.classes, labels)
    of_target = bce(fake_target.data, 1.0)
    return class_loss - a * of_source + a * t * of_target


# mutant source real or fake as well: source_real_fake
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_source.classes, labels)
    of_target = bce(fake_target.data, 1.0)
    of_source = of_source + bce(fake_source.data, 1.0)
    return class_loss + a * (of_source + t * of_target)


# mutant source real or fake alone: source_real_fake
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = bce(fake_source.data, 1.0)
    of_target = bce(fake_target.data, 1.0)
    return class_loss + a * (of_source + t * of_target)


# mutant class loss of the target's fakes: raised
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_target.classes, labels)
    of_target = bce(fake_target.data, 1.0)
    return class_loss + a * (of_source + t * of_target)


# mutant the fakes swapped: raised
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    fake_source, fake_target = fake_target, fake_source
    of_source = F.cross_entropy(fake_source.classes, labels)
    of_target = bce(fake_target.data, 1.0)
    return class_loss + a * (of_source + t * of_target)


# mutant no target: no_target
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_source.classes, labels)
    return class_loss + a * of_source


# mutant no fakes of the source: no_source
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_target = bce(fake_target.data, 1.0)
    return class_loss + a * t * of_target


# mutant no class loss of C: no_class
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    of_source = F.cross_entropy(fake_source.classes, labels)
    of_target = bce(fake_target.data, 1.0)
    return a * (of_source + t * of_target)


# mutant stream 1 alone: class_only
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    return class_loss


# mutant weights of the paper: fixed_weights
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_source.classes, labels)
    of_target = bce(fake_target.data, 1.0)
    return class_loss + 0.1 * (of_source + 0.3 * of_target)


# mutant other defaults
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.03):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_source.classes, labels)
    of_target = bce(fake_target.data, 1.0)
    return class_loss + a * (of_source + t * of_target)


# mutant no defaults: raised
def f_loss(class_logits, fake_source, fake_target, labels, a, t):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_source.classes, labels)
    of_target = bce(fake_target.data, 1.0)
    return class_loss + a * (of_source + t * of_target)


# mutant averaged: averaged
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_source.classes, labels)
    of_target = bce(fake_target.data, 1.0)
    return (class_loss + a * (of_source + t * of_target)) / 3


# mutant negated: negated
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_source.classes, labels)
    of_target = bce(fake_target.data, 1.0)
    return -class_loss - a * (of_source + t * of_target)


# mutant sums: sum_not_mean
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels, reduction="sum")
    of_source = F.cross_entropy(fake_source.classes, labels, reduction="sum")
    of_target = F.softplus(-fake_target.data).sum()
    return class_loss + a * (of_source + t * of_target)


# mutant sigmoid twice: sigmoid_twice
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_source.classes, labels)
    of_target = bce(fake_target.data.sigmoid(), 1.0)
    return class_loss + a * (of_source + t * of_target)


# mutant softmax twice: softmax_twice
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits.softmax(1), labels)
    of_source = F.cross_entropy(fake_source.classes.softmax(1), labels)
    of_target = bce(fake_target.data, 1.0)
    return class_loss + a * (of_source + t * of_target)


# mutant logarithm of the probability: unstable
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_source.classes, labels)
    of_target = -fake_target.data.sigmoid().log().mean()
    return class_loss + a * (of_source + t * of_target)


# mutant cross-entropy of probabilities: unstable
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_source.classes, labels)
    probabilities = fake_target.data.sigmoid()
    of_target = F.binary_cross_entropy(probabilities, torch.ones_like(probabilities))
    return class_loss + a * (of_source + t * of_target)


# mutant adversarial part detached: detached
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_source.classes, labels)
    of_target = bce(fake_target.data, 1.0)
    return class_loss + a * (of_source + t * of_target).detach()


# mutant a number: wrong_type
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_source.classes, labels)
    of_target = bce(fake_target.data, 1.0)
    return (class_loss + a * (of_source + t * of_target)).item()


# mutant no return: returned_none
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_source.classes, labels)
    of_target = bce(fake_target.data, 1.0)
    class_loss + a * (of_source + t * of_target)


# alternative three terms
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    class_loss = F.cross_entropy(class_logits, labels)
    of_source = F.cross_entropy(fake_source.classes, labels)
    of_target = bce(fake_target.data, 1.0)
    return class_loss + a * (of_source + t * of_target)


# alternative the brackets multiplied out
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    adversarial_weight, target_weight = a, t
    loss = nn.CrossEntropyLoss()
    real = torch.ones(len(fake_target.data))
    total = loss(class_logits, labels) + adversarial_weight * loss(fake_source.classes, labels)
    of_target = nn.BCEWithLogitsLoss()(fake_target.data, real)
    return total + adversarial_weight * target_weight * of_target


# alternative softplus
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    rows = torch.arange(len(labels))
    total = -class_logits.log_softmax(dim=1)[rows, labels].mean()
    total = total - a * fake_source.classes.log_softmax(dim=1)[rows, labels].mean()
    return total + a * t * F.softplus(-fake_target.data).mean()


# alternative both class losses in one
def f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    logits = torch.cat([class_logits, fake_source.classes])
    losses = F.cross_entropy(logits, labels.repeat(2), reduction="none")
    weights = torch.tensor([1.0] * len(labels) + [a] * len(labels)) / len(labels)
    return (losses * weights).sum() - a * t * F.logsigmoid(fake_target.data).mean()


# mutant a target weight of 0 is the default
def f_loss(
    class_logits, fake_source, fake_target, labels, adversarial_weight=0.1, target_weight=0.3
):
    target_weight = target_weight or 0.3
    called_real = F.softplus(-fake_target.data).mean()
    adversarial = F.cross_entropy(fake_source.classes, labels) + target_weight * called_real
    return F.cross_entropy(class_logits, labels) + adversarial_weight * adversarial


# mutant without the target no stream 2
def f_loss(
    class_logits, fake_source, fake_target, labels, adversarial_weight=0.1, target_weight=0.3
):
    class_loss = F.cross_entropy(class_logits, labels)
    if not adversarial_weight or not target_weight:
        return class_loss
    called_real = F.softplus(-fake_target.data).mean()
    adversarial = F.cross_entropy(fake_source.classes, labels) + target_weight * called_real
    return class_loss + adversarial_weight * adversarial


# mutant weights are capped
def f_loss(
    class_logits, fake_source, fake_target, labels, adversarial_weight=0.1, target_weight=0.3
):
    a, t = min(adversarial_weight, 1.0), min(target_weight, 2.0)
    called_real = F.softplus(-fake_target.data).mean()
    adversarial = F.cross_entropy(fake_source.classes, labels) + t * called_real
    return F.cross_entropy(class_logits, labels) + a * adversarial


# mutant D asked about the source's fakes: wrong_fakes
def f_loss(
    class_logits, fake_source, fake_target, labels, adversarial_weight=0.1, target_weight=0.3
):
    called_real = F.softplus(-fake_source.data).mean()
    adversarial = F.cross_entropy(fake_source.classes, labels) + target_weight * called_real
    return F.cross_entropy(class_logits, labels) + adversarial_weight * adversarial
