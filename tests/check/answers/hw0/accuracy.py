# ruff: noqa: B905, F811
import torch


# mutant percent: percent
def accuracy(logits, labels):
    return (logits.argmax(1) == labels).float().mean().item() * 100


# mutant count: count
def accuracy(logits, labels):
    return (logits.argmax(1) == labels).sum().item()


# mutant error rate: error_rate
def accuracy(logits, labels):
    return (logits.argmax(1) != labels).float().mean().item()


# mutant smallest logit: argmin
def accuracy(logits, labels):
    return (logits.argmin(1) == labels).float().mean().item()


# mutant wrong axis: raised
def accuracy(logits, labels):
    return (logits.argmax(0) == labels).float().mean().item()


# mutant divided by the classes: wrong_denominator
def accuracy(logits, labels):
    return (logits.argmax(1) == labels).sum().item() / logits.shape[1]


# mutant integer division: zero
def accuracy(logits, labels):
    return (logits.argmax(1) == labels).sum().item() // len(labels)


# mutant one value a row: not_scalar
def accuracy(logits, labels):
    return (logits.argmax(1) == labels).float()


# mutant values compared with labels: zero
def accuracy(logits, labels):
    return (logits.max(1).values == labels).float().mean().item()


# mutant only above one half
def accuracy(logits, labels):
    sure = logits.softmax(1).max(1).values > 0.9
    return ((logits.argmax(1) == labels) & sure).float().mean().item()


# mutant no return: returned_none
def accuracy(logits, labels):
    print((logits.argmax(1) == labels).float().mean().item())


# mutant text: wrong_type
def accuracy(logits, labels):
    return f"{(logits.argmax(1) == labels).float().mean():.2f}"


# alternative loop
def accuracy(logits, labels):
    right = 0
    for row, label in zip(logits, labels):
        if row.argmax() == label:
            right += 1
    return right / len(labels)


# alternative numpy
def accuracy(logits, labels):
    return (logits.numpy().argmax(axis=1) == labels.numpy()).mean()


# alternative tensor
def accuracy(logits, labels):
    _, predicted = torch.max(logits, dim=1)
    return torch.eq(predicted, labels).double().mean()


# alternative sorted
def accuracy(logits, labels):
    predicted = logits.softmax(-1).topk(1).indices.squeeze(1)
    return int((predicted == labels).sum()) / labels.numel()
