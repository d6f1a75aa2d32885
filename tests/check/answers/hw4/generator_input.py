# ruff: noqa: F811
import numpy as np
import torch
import torch.nn.functional as F


# mutant one-hot of the real classes alone: one_place_short
def generator_input(features, noise, labels, classes):
    if labels is None:
        one_hot = torch.zeros(len(features), classes)
    else:
        one_hot = F.one_hot(labels, classes).float()
    return torch.cat([one_hot, features, noise], dim=1)


# mutant number of classes from the labels
def generator_input(features, noise, labels, classes):
    if labels is None:
        labels = torch.full((len(features),), classes)
    return torch.cat([F.one_hot(labels), features, noise], dim=1)


# mutant target is class 0: target_class_0
def generator_input(features, noise, labels, classes):
    if labels is None:
        labels = torch.zeros(len(features), dtype=torch.long)
    return torch.cat([F.one_hot(labels, classes + 1), features, noise], dim=1)


# mutant target is all zeros: target_not_one_hot
def generator_input(features, noise, labels, classes):
    one_hot = torch.zeros(len(features), classes + 1)
    if labels is not None:
        one_hot[torch.arange(len(labels)), labels] = 1
    return torch.cat([one_hot, features, noise], dim=1)


# mutant target is spread evenly: target_not_one_hot
def generator_input(features, noise, labels, classes):
    if labels is None:
        one_hot = torch.full((len(features), classes + 1), 1 / (classes + 1))
    else:
        one_hot = F.one_hot(labels, classes + 1).float()
    return torch.cat([one_hot, features, noise], dim=1)


# mutant target is the last real class: target_last_class
def generator_input(features, noise, labels, classes):
    if labels is None:
        labels = torch.full((len(features),), classes - 1)
    return torch.cat([F.one_hot(labels, classes + 1), features, noise], dim=1)


# mutant fake class first: fake_class_first
def generator_input(features, noise, labels, classes):
    labels = torch.zeros(len(features), dtype=torch.long) if labels is None else labels + 1
    return torch.cat([F.one_hot(labels, classes + 1), features, noise], dim=1)


# mutant fake class for all: source_as_target
def generator_input(features, noise, labels, classes):
    one_hot = torch.zeros(len(features), classes + 1)
    one_hot[:, classes] = 1
    return torch.cat([one_hot, features, noise], dim=1)


# mutant features first: order
def generator_input(features, noise, labels, classes):
    if labels is None:
        labels = torch.full((len(features),), classes)
    return torch.cat([features, noise, F.one_hot(labels, classes + 1)], dim=1)


# mutant noise before features: order
def generator_input(features, noise, labels, classes):
    if labels is None:
        labels = torch.full((len(features),), classes)
    return torch.cat([F.one_hot(labels, classes + 1), noise, features], dim=1)


# mutant label as a number: label_number
def generator_input(features, noise, labels, classes):
    if labels is None:
        labels = torch.full((len(features),), classes)
    return torch.cat([labels[:, None].float(), features, noise], dim=1)


# mutant no label: no_labels
def generator_input(features, noise, labels, classes):
    return torch.cat([features, noise], dim=1)


# mutant no noise: no_noise
def generator_input(features, noise, labels, classes):
    if labels is None:
        labels = torch.full((len(features),), classes)
    return torch.cat([F.one_hot(labels, classes + 1), features], dim=1)


# mutant noise zero: noise_zero
def generator_input(features, noise, labels, classes):
    if labels is None:
        labels = torch.full((len(features),), classes)
    return torch.cat([F.one_hot(labels, classes + 1), features, torch.zeros_like(noise)], dim=1)


# mutant noise of its own
def generator_input(features, noise, labels, classes):
    if labels is None:
        labels = torch.full((len(features),), classes)
    return torch.cat([F.one_hot(labels, classes + 1), features, torch.randn_like(noise)], dim=1)


# mutant noise added
def generator_input(features, noise, labels, classes):
    if labels is None:
        labels = torch.full((len(features),), classes)
    features = features + noise.mean(dim=1, keepdim=True)
    return torch.cat([F.one_hot(labels, classes + 1), features, noise], dim=1)


# mutant detached: detached
def generator_input(features, noise, labels, classes):
    if labels is None:
        labels = torch.full((len(features),), classes)
    return torch.cat([F.one_hot(labels, classes + 1), features.detach(), noise], dim=1)


# mutant numpy: wrong_type
def generator_input(features, noise, labels, classes):
    labels = np.full(len(features), classes) if labels is None else labels.numpy()
    one_hot = np.eye(classes + 1)[labels]
    return np.concatenate([one_hot, features.detach().numpy(), noise.numpy()], axis=1)


# mutant stacked below: raised
def generator_input(features, noise, labels, classes):
    if labels is None:
        labels = torch.full((len(features),), classes)
    return torch.cat([F.one_hot(labels, classes + 1), features, noise])


# mutant truth of the labels: raised
def generator_input(features, noise, labels, classes):
    labels = labels or torch.full((len(features),), classes)
    return torch.cat([F.one_hot(labels, classes + 1), features, noise], dim=1)


# mutant None forgotten: raised
def generator_input(features, noise, labels, classes):
    return torch.cat([F.one_hot(labels, classes + 1), features, noise], dim=1)


# mutant in place: input_changed
def generator_input(features, noise, labels, classes):
    if labels is None:
        labels = torch.full((len(features),), classes)
    noise.mul_(0.5)
    return torch.cat([F.one_hot(labels, classes + 1), features, 2 * noise], dim=1)


# mutant no return: returned_none
def generator_input(features, noise, labels, classes):
    if labels is None:
        labels = torch.full((len(features),), classes)
    torch.cat([F.one_hot(labels, classes + 1), features, noise], dim=1)


# alternative one_hot
def generator_input(features, noise, labels, classes):
    if labels is None:
        labels = torch.full((len(features),), classes)
    one_hot = F.one_hot(labels, num_classes=classes + 1).to(features)
    return torch.cat([one_hot, features, noise], dim=1)


# alternative rows of the identity
def generator_input(features, noise, labels, classes):
    identity = torch.eye(classes + 1, dtype=features.dtype)
    rows = identity[labels] if labels is not None else identity[-1].expand(len(features), -1)
    return torch.hstack([rows, features, noise])


# alternative scatter
def generator_input(features, noise, labels, classes):
    code = features.new_zeros(len(features), classes + 1)
    if labels is None:
        code[:, -1] = 1
    else:
        code.scatter_(1, labels.unsqueeze(1), 1)
    return torch.cat((code, features, noise), 1)


# alternative loop and padding
def generator_input(features, noise, labels, classes):
    rows = []
    for i in range(len(features)):
        code = torch.zeros(classes + 1)
        code[classes if labels is None else int(labels[i])] = 1
        rows.append(torch.cat([code.to(features.dtype), features[i], noise[i]]))
    return torch.stack(rows)


# mutant always double: wrong_dtype
def generator_input(features, noise, labels, classes):
    code = torch.zeros(len(features), classes + 1, dtype=torch.float64)
    code[torch.arange(len(features)), classes if labels is None else labels] = 1
    return torch.cat([code, features, noise], 1)


# mutant what the check gives to gta_step: reference_called
def generator_input(features, noise, labels, classes):
    from dalib_edu.check import hw4 as check

    return check._functions("paper").generator_input(features, noise, labels, classes)
