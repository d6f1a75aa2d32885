# ruff: noqa: F811
import numpy as np
import torch


# mutant over all pictures: over_all
def win_rate(real, fake):
    right = torch.cat([real > 0, fake < 0])
    return right.float().mean().item()


# mutant threshold of a half: threshold
def win_rate(real, fake):
    return ((real > 0.5).float().mean().item() + (fake < 0.5).float().mean().item()) / 2


# mutant threshold of the probability at 0: threshold
def win_rate(real, fake):
    right = (real.sigmoid() > 0).float().mean() + (fake.sigmoid() < 0).float().mean()
    return right.item() / 2


# mutant count: count
def win_rate(real, fake):
    return ((real > 0).sum() + (fake < 0).sum()).item()


# mutant percent: percent
def win_rate(real, fake):
    return 50 * ((real > 0).float().mean().item() + (fake < 0).float().mean().item())


# mutant added: sum_of_shares
def win_rate(real, fake):
    return (real > 0).float().mean().item() + (fake < 0).float().mean().item()


# mutant how often G wins: reversed
def win_rate(real, fake):
    return ((real < 0).float().mean().item() + (fake > 0).float().mean().item()) / 2


# mutant called real: reversed
def win_rate(real, fake):
    return ((real > 0).float().mean().item() + (fake > 0).float().mean().item()) / 2


# mutant real alone: real_only
def win_rate(real, fake):
    return (real > 0).float().mean().item()


# mutant generated alone: fake_only
def win_rate(real, fake):
    return (fake < 0).float().mean().item()


# mutant mean probability: mean_probability
def win_rate(real, fake):
    return (real.sigmoid().mean().item() + (1 - fake.sigmoid()).mean().item()) / 2


# mutant rounded: wrong_values
def win_rate(real, fake):
    return round(((real > 0).float().mean().item() + (fake < 0).float().mean().item()) / 2)


# mutant pairs
def win_rate(real, fake):
    return (real[:, None] > fake[None, :]).float().mean().item()


# mutant one a picture: not_scalar
def win_rate(real, fake):
    return torch.cat([real > 0, fake < 0]).float()


# mutant two shares: not_scalar
def win_rate(real, fake):
    return (real > 0).float().mean().item(), (fake < 0).float().mean().item()


# mutant no return: returned_none
def win_rate(real, fake):
    ((real > 0).float().mean() + (fake < 0).float().mean()) / 2


# alternative mean of two shares
def win_rate(real, fake):
    return ((real > 0).float().mean().item() + (fake < 0).float().mean().item()) / 2


# alternative probabilities
def win_rate(real, fake):
    of_real = (real.sigmoid() > 0.5).double().mean()
    of_fake = (fake.sigmoid() < 0.5).double().mean()
    return 0.5 * (of_real + of_fake)


# alternative numpy
def win_rate(real, fake):
    return np.mean([np.mean(real.numpy() > 0), np.mean(fake.numpy() <= 0)])


# alternative counting
def win_rate(real, fake):
    hits = sum(1 for logit in real.tolist() if logit >= 0) / len(real)
    misses = sum(1 for logit in fake.tolist() if logit > 0) / len(fake)
    return (hits + 1 - misses) / 2


# mutant a probability of 0.51
def win_rate(real, fake):
    right = (torch.sigmoid(real) > 0.51).double().mean() + (
        torch.sigmoid(fake) < 0.49
    ).double().mean()
    return right.item() / 2
