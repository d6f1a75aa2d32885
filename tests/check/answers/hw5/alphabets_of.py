# ruff: noqa: F811
import numpy as np
import torch


def numbered(names):
    alphabets = sorted(set(names))
    return alphabets, torch.tensor([alphabets.index(name) for name in names])


# mutant the first underscore: first_underscore
def alphabets_of(classes):
    return numbered([name.split("_")[0] for name in classes])


# mutant partition: first_underscore
def alphabets_of(classes):
    return numbered([name.partition("_")[0] for name in classes])


# mutant whole names: characters
def alphabets_of(classes):
    return numbered(classes)


# mutant the characters' names: wrong_names
def alphabets_of(classes):
    return numbered([name.split("_")[-1] for name in classes])


# mutant the underscore stays: wrong_names
def alphabets_of(classes):
    return numbered([name[: name.rindex("_") + 1] for name in classes])


# mutant the first two words: wrong_names
def alphabets_of(classes):
    return numbered(["_".join(name.split("_")[:2]) for name in classes])


# mutant each character's alphabet as a name: names_repeated
def alphabets_of(classes):
    names = [name.rsplit("_", 1)[0] for name in classes]
    return names, torch.arange(len(names))


# mutant a set without order: wrong_positions
def alphabets_of(classes):
    names = [name.rsplit("_", 1)[0] for name in classes]
    alphabets = sorted(set(names))
    return alphabets[::-1], torch.tensor([alphabets.index(name) for name in names])


# mutant counted from 1: wrong_positions
def alphabets_of(classes):
    names, positions = numbered([name.rsplit("_", 1)[0] for name in classes])
    return names, positions + 1


# mutant the classes taken to be sorted: wrong_positions
def alphabets_of(classes):
    names, positions = numbered([name.rsplit("_", 1)[0] for name in classes])
    return names, positions.sort().values


# mutant names alone: not_two
def alphabets_of(classes):
    return [name.rsplit("_", 1)[0] for name in classes]


# mutant names for positions: wrong_type
def alphabets_of(classes):
    names = [name.rsplit("_", 1)[0] for name in classes]
    return sorted(set(names)), names


# alternative rsplit
def alphabets_of(classes):
    return numbered([name.rsplit("_", 1)[0] for name in classes])


# alternative in the order of coming
def alphabets_of(classes):
    position = {}
    which = [position.setdefault(name[: name.rindex("_")], len(position)) for name in classes]
    return tuple(position), torch.tensor(which)


# alternative numpy
def alphabets_of(classes):
    names = ["_".join(name.split("_")[:-1]) for name in classes]
    alphabets, inverse = np.unique(names, return_inverse=True)
    return alphabets.tolist(), torch.from_numpy(inverse)
