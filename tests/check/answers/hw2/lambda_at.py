# ruff: noqa: F811
import math

import numpy as np
import torch


# mutant positive exponent: sign_of_exponent
def lambda_at(p, kind):
    if kind == "paper":
        return 2 / (1 + math.exp(10 * p)) - 1
    if kind == "log":
        return math.log(1.02 + 1.7 * p)
    raise ValueError(kind)


# mutant no minus one: minus_one
def lambda_at(p, kind):
    if kind == "paper":
        return 2 / (1 + math.exp(-10 * p))
    if kind == "log":
        return math.log(1.02 + 1.7 * p)
    raise ValueError(kind)


# mutant sigmoid: one_over
def lambda_at(p, kind):
    if kind == "paper":
        return 1 / (1 + math.exp(-10 * p))
    if kind == "log":
        return math.log(1.02 + 1.7 * p)
    raise ValueError(kind)


# mutant factor 5: gamma
def lambda_at(p, kind):
    if kind == "paper":
        return 2 / (1 + math.exp(-5 * p)) - 1
    if kind == "log":
        return math.log(1.02 + 1.7 * p)
    raise ValueError(kind)


# mutant factor 1: gamma
def lambda_at(p, kind):
    if kind == "paper":
        return 2 / (1 + math.exp(-p)) - 1
    if kind == "log":
        return math.log(1.02 + 1.7 * p)
    raise ValueError(kind)


# mutant decimal logarithm: log10
def lambda_at(p, kind):
    if kind == "paper":
        return 2 / (1 + math.exp(-10 * p)) - 1
    if kind == "log":
        return math.log10(1.02 + 1.7 * p)
    raise ValueError(kind)


# mutant 1.2 for 1.02: wrong_constant
def lambda_at(p, kind):
    if kind == "paper":
        return 2 / (1 + math.exp(-10 * p)) - 1
    if kind == "log":
        return math.log(1.2 + 1.7 * p)
    raise ValueError(kind)


# mutant brackets: raised
def lambda_at(p, kind):
    if kind == "paper":
        return 2 / (1 + math.exp(-10 * p)) - 1
    if kind == "log":
        return math.log((1.02 + 1.7) * p)
    raise ValueError(kind)


# mutant brackets in numpy: not_finite
def lambda_at(p, kind):
    if kind == "paper":
        return 2 / (1 + np.exp(-10 * p)) - 1
    if kind == "log":
        return np.log((1.02 + 1.7) * p)
    raise ValueError(kind)


# mutant the paper's for both: wrong_curve
def lambda_at(p, kind):
    if kind not in ("paper", "log"):
        raise ValueError(kind)
    return 2 / (1 + math.exp(-10 * p)) - 1


# mutant swapped: wrong_curve
def lambda_at(p, kind):
    if kind == "log":
        return 2 / (1 + math.exp(-10 * p)) - 1
    if kind == "paper":
        return math.log(1.02 + 1.7 * p)
    raise ValueError(kind)


# mutant percent: percent
def lambda_at(p, kind):
    p = p / 100
    if kind == "paper":
        return 2 / (1 + math.exp(-10 * p)) - 1
    if kind == "log":
        return math.log(1.02 + 1.7 * p)
    raise ValueError(kind)


# mutant unknown kind passes in silence: unknown_kind
def lambda_at(p, kind):
    if kind == "paper":
        return 2 / (1 + math.exp(-10 * p)) - 1
    if kind == "log":
        return math.log(1.02 + 1.7 * p)


# mutant everything else is log: unknown_kind
def lambda_at(p, kind):
    if kind == "paper":
        return 2 / (1 + math.exp(-10 * p)) - 1
    return math.log(1.02 + 1.7 * p)


# mutant another exception: raised
def lambda_at(p, kind):
    return {
        "paper": 2 / (1 + math.exp(-10 * p)) - 1,
        "log": math.log(1.02 + 1.7 * p),
    }[kind]


# mutant no return: returned_none
def lambda_at(p, kind):
    print(2 / (1 + math.exp(-10 * p)) - 1)


# mutant division first
def lambda_at(p, kind):
    if kind == "paper":
        return 2 / 1 + math.exp(-10 * p) - 1
    if kind == "log":
        return math.log(1.02 + 1.7 * p)
    raise ValueError(kind)


# mutant constant
def lambda_at(p, kind):
    if kind not in ("paper", "log"):
        raise ValueError(kind)
    return 1.0


# alternative tanh
def lambda_at(p, kind):
    if kind == "paper":
        return math.tanh(5 * p)
    elif kind == "log":
        return math.log(1.02 + 1.7 * p)
    else:
        raise ValueError("no such kind")


# alternative numpy
def lambda_at(p, kind):
    if kind == "paper":
        return 2 / (1 + np.exp(-10 * p)) - 1
    if kind == "log":
        return np.log(1.02 + 1.7 * p)
    raise ValueError(f"unknown kind {kind}")


# alternative torch
def lambda_at(p, kind):
    p = torch.tensor(p)
    match kind:
        case "paper":
            return 2 * torch.sigmoid(10 * p) - 1
        case "log":
            return torch.log(1.02 + 1.7 * p)
        case _:
            raise ValueError(kind)


# alternative table of functions
def lambda_at(p, kind):
    curves = {
        "paper": lambda p: -math.expm1(-10 * p) / (1 + math.exp(-10 * p)),
        "log": lambda p: math.log1p(0.02 + 1.7 * p),
    }
    if kind not in curves:
        raise ValueError(f"kind must be one of {list(curves)}")
    return curves[kind](p)
