# ruff: noqa: F811
import numpy as np
import torch


# mutant the diagonal forgotten: diagonal
def class_tree(alphabets):
    return 2 - (alphabets[:, None] == alphabets).long()


# mutant upside down: upside_down
def class_tree(alphabets):
    levels = 1 + (alphabets[:, None] == alphabets).long()
    return levels.fill_diagonal_(0)


# mutant two levels: two_levels
def class_tree(alphabets):
    return (alphabets[:, None] != alphabets).long()


# mutant two levels, 0 and 2: two_levels
def class_tree(alphabets):
    return 2 * (alphabets[:, None] != alphabets).long()


# mutant counted from 1: from_one
def class_tree(alphabets):
    levels = 3 - (alphabets[:, None] == alphabets).long()
    return levels.fill_diagonal_(1)


# mutant a mask: mask
def class_tree(alphabets):
    return alphabets[:, None] == alphabets


# mutant a mask without the diagonal: mask
def class_tree(alphabets):
    return (alphabets[:, None] == alphabets).fill_diagonal_(False)


# mutant fractions: wrong_dtype
def class_tree(alphabets):
    levels = 2.0 - (alphabets[:, None] == alphabets).float()
    return levels.fill_diagonal_(0)


# mutant how far the alphabets' numbers lie apart
def class_tree(alphabets):
    levels = 1 + (alphabets[:, None] - alphabets).abs()
    return levels.fill_diagonal_(0)


# mutant only neighbours
def class_tree(alphabets):
    levels = torch.full((len(alphabets), len(alphabets)), 2)
    for i in range(len(alphabets) - 1):
        if alphabets[i] == alphabets[i + 1]:
            levels[i, i + 1] = levels[i + 1, i] = 1
    return levels.fill_diagonal_(0)


# mutant alphabets of equal sizes
def class_tree(alphabets):
    size = len(alphabets) // len(alphabets.unique())
    number = torch.arange(len(alphabets)) // size
    levels = 2 - (number[:, None] == number).long()
    return levels.fill_diagonal_(0)


# mutant alphabets in place of characters: wrong_shape
def class_tree(alphabets):
    count = len(alphabets.unique())
    return torch.full((count, count), 2).fill_diagonal_(1)


# mutant half of the table
def class_tree(alphabets):
    levels = 2 - (alphabets[:, None] == alphabets).long()
    return levels.triu(1)


# alternative masks
def class_tree(alphabets):
    levels = 2 - (alphabets[:, None] == alphabets).long()
    return levels.fill_diagonal_(0)


# alternative loops
def class_tree(alphabets):
    count = len(alphabets)
    levels = torch.zeros(count, count, dtype=torch.int64)
    for i in range(count):
        for j in range(count):
            if i != j:
                levels[i, j] = 1 if alphabets[i] == alphabets[j] else 2
    return levels


# alternative levels added up
def class_tree(alphabets):
    different = alphabets.unsqueeze(0) != alphabets.unsqueeze(1)
    return different.int() + (1 - torch.eye(len(alphabets), dtype=torch.int32))


# alternative numpy
def class_tree(alphabets):
    a = alphabets.numpy()
    levels = np.where(np.equal.outer(a, a), 1, 2)
    np.fill_diagonal(levels, 0)
    return torch.from_numpy(levels)


# mutant a list of lists: wrong_type
def class_tree(alphabets):
    levels = 2 - (alphabets[:, None] == alphabets).long()
    return levels.fill_diagonal_(0).tolist()
