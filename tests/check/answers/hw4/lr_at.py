# ruff: noqa: F811
import math

import torch


# mutant no decay: no_decay
def lr_at(step, learning_rate, decay):
    return learning_rate


# mutant linear: linear
def lr_at(step, learning_rate, decay):
    return learning_rate * (1 - decay * step)


# mutant linear in the rate: linear
def lr_at(step, learning_rate, decay):
    return learning_rate - decay * step


# mutant linear, never below 0
def lr_at(step, learning_rate, decay):
    return max(0.0, learning_rate * (1 - decay * step))


# mutant exponential: exponential
def lr_at(step, learning_rate, decay):
    return learning_rate * math.exp(-decay * step)


# mutant power: exponential
def lr_at(step, learning_rate, decay):
    return learning_rate * (1 - decay) ** step


# mutant power of the decay: exponential
def lr_at(step, learning_rate, decay):
    return learning_rate * decay**step


# mutant power in the denominator: exponential
def lr_at(step, learning_rate, decay):
    return learning_rate / (1 + decay) ** step


# mutant brackets: brackets
def lr_at(step, learning_rate, decay):
    return learning_rate / 1 + decay * step


# mutant multiplied: rising
def lr_at(step, learning_rate, decay):
    return learning_rate * (1 + decay * step)


# mutant no one: raised
def lr_at(step, learning_rate, decay):
    return learning_rate / (decay * step)


# mutant first step is one: off_by_one
def lr_at(step, learning_rate, decay):
    return learning_rate / (1 + decay * (step + 1))


# mutant squared: squared
def lr_at(step, learning_rate, decay):
    return learning_rate / (1 + decay * step) ** 2


# mutant root: root
def lr_at(step, learning_rate, decay):
    return learning_rate / math.sqrt(1 + decay * step)


# mutant decay unused: step_unscaled
def lr_at(step, learning_rate, decay):
    return learning_rate / (1 + step)


# mutant rate unused: decay_only
def lr_at(step, learning_rate, decay):
    return 1 / (1 + decay * step)


# mutant decay of the paper
def lr_at(step, learning_rate, decay):
    return learning_rate / (1 + 1e-4 * step)


# mutant no return: returned_none
def lr_at(step, learning_rate, decay):
    learning_rate / (1 + decay * step)


# alternative as it stands
def lr_at(step, learning_rate, decay):
    return learning_rate / (1 + decay * step)


# alternative power of minus one
def lr_at(step, learning_rate, decay):
    factor = (1.0 + step * decay) ** -1
    return factor * learning_rate


# alternative torch
def lr_at(step, learning_rate, decay):
    return torch.tensor(learning_rate) / (1 + torch.tensor(decay) * step)
