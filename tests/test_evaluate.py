"""Predictions leave a model as it was; the proxy A-distance has its known values."""

import copy

import pytest
import torch
from torch import nn

from dalib_edu.evaluate import (
    a_distance,
    accuracy,
    evaluating,
    predict_labels,
    predict_logits,
    proxy_a_distance,
)


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.BatchNorm2d(2), nn.Dropout(0.5), nn.Flatten(), nn.Linear(8, 5), nn.BatchNorm1d(5)
    )
    model[0].running_mean.fill_(0.7)
    model[0].eval()  # a submodule of its own mode
    return model


def pictures(n):
    return torch.randn(n, 2, 2, 2, generator=torch.Generator().manual_seed(n))


@pytest.mark.parametrize(("n", "batch_size"), [(1, 4), (5, 4), (8, 4), (3, 1), (3, 100)])
def test_labels_are_those_of_each_picture_alone(model, n, batch_size):
    labels = predict_labels(model, pictures(n), batch_size)
    assert labels.dtype == torch.int64
    assert labels.shape == (n,)
    alone = copy.deepcopy(model).eval()
    with torch.no_grad():
        expected = [max(range(5), key=alone(x[None])[0].tolist().__getitem__) for x in pictures(n)]
    assert labels.tolist() == expected


def test_a_model_is_left_as_it_was(model):
    before, modes = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
    assert len(set(modes)) == 2
    logits = predict_logits(model, pictures(7), 3)
    assert not logits.requires_grad
    assert [m.training for m in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.is_grad_enabled()


def test_modes_come_back_after_an_exception(model):
    modes = [m.training for m in model.modules()]
    inside = []

    def fail():
        with evaluating(model):
            inside.extend(m.training for m in model.modules())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not any(inside)
    assert [m.training for m in model.modules()] == modes
    assert torch.is_grad_enabled()


def test_accuracy_counts():
    logits = torch.tensor([[3.0, 0, 0], [0, 3, 0], [0, 0, 3], [0, 3, 0]]).view(4, 3, 1, 1)
    assert accuracy(nn.Flatten(), logits, torch.tensor([0, 1, 2, 2])) == 0.75
    assert accuracy(nn.Flatten(), logits[:1], torch.tensor([1])) == 0.0


@pytest.mark.parametrize(("error", "distance"), [(0.5, 0), (0.25, 1), (0, 2), (0.7, 0)])
def test_a_distance(error, distance):
    assert a_distance(error) == distance


def test_proxy_a_distance_of_one_and_of_two_distributions():
    generator = torch.Generator().manual_seed(0)
    one, same, other = (torch.randn(400, 6, generator=generator) for _ in range(3))
    assert proxy_a_distance(one, same) < 0.35
    assert proxy_a_distance(one, other + 8) == 2
    assert proxy_a_distance(one, one[:150] + 8) == 2  # sets of two sizes
    shifts = [proxy_a_distance(one, other + shift) for shift in (0, 0.3, 0.6, 1.2)]
    assert shifts == sorted(shifts)
    assert proxy_a_distance(one, other, seed=3) == proxy_a_distance(one, other, seed=3)


def test_proxy_a_distance_of_a_known_overlap():
    # One feature: N(-1, 1) and N(1, 1) are told apart with error Phi(-1) = 0.158655.
    generator = torch.Generator().manual_seed(1)
    source, target = (torch.randn(20_000, 1, generator=generator) + m for m in (-1, 1))
    assert proxy_a_distance(source, target) == pytest.approx(2 * (1 - 2 * 0.158655), abs=0.03)


def test_the_a_distance_of_sets_of_unequal_size():
    generator = torch.Generator().manual_seed(0)
    few = torch.randn(500, 16, generator=generator)
    many = torch.randn(5000, 16, generator=generator)
    assert proxy_a_distance(few, many) < 0.3
    assert proxy_a_distance(few + 6, many) > 1.9
