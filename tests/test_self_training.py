"""Self-training against plain loops."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dalib_edu import self_training
from dalib_edu.self_training import ema_update, make_teacher, pseudo_label_loss


def network(seed):
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 4)
    )
    for _ in range(seed + 1):  # so that the running statistics and their count differ
        model(torch.randn(5, 1, 4, 4) * (seed + 1))
    return model


@pytest.mark.parametrize("beta", [0.0, 0.3, 0.9, 1.0])
def test_ema_number_by_number(beta):
    teacher, student = make_teacher(network(0)), network(4)
    before, other = copy.deepcopy(teacher.state_dict()), copy.deepcopy(student.state_dict())
    addresses = [value.data_ptr() for value in teacher.state_dict().values()]
    ema_update(teacher, student, beta)
    for name, value in teacher.state_dict().items():
        assert value.dtype == before[name].dtype
        triples = zip(
            value.flatten().tolist(),
            before[name].flatten().tolist(),
            other[name].flatten().tolist(),
            strict=True,
        )
        for new, old, students in triples:
            if name == "1.num_batches_tracked":
                assert (new, old, students) == (5, 1, 5)
            else:
                assert new == pytest.approx(beta * old + (1 - beta) * students, abs=1e-6)
    assert addresses == [value.data_ptr() for value in teacher.state_dict().values()]
    assert all(torch.equal(value, other[name]) for name, value in student.state_dict().items())
    assert not any(p.requires_grad for p in teacher.parameters())
    assert all(p.requires_grad for p in student.parameters())


def test_teacher_is_a_copy_in_eval_mode():
    student = network(0)
    teacher = make_teacher(student)
    assert not teacher.training
    assert student.training
    assert all(p.requires_grad for p in student.parameters())
    with torch.no_grad():
        student[4].weight.zero_()
    assert teacher[4].weight.abs().sum() > 0


def by_rows(student, teacher, threshold):
    losses = []
    for mine, theirs in zip(student.tolist(), teacher.tolist(), strict=True):
        powers = [math.exp(value) for value in theirs]
        best = max(range(len(powers)), key=powers.__getitem__)
        if powers[best] / sum(powers) > threshold:
            losses.append(math.log(sum(math.exp(value) for value in mine)) - mine[best])
    return (sum(losses) / len(losses) if losses else 0.0), len(losses) / len(student)


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("classes", [2, 10])
def test_pseudo_label_loss_row_by_row(threshold, classes):
    generator = torch.Generator().manual_seed(classes)
    student = torch.randn(20, classes, generator=generator, dtype=torch.float64)
    teacher = torch.randn(20, classes, generator=generator, dtype=torch.float64) * 4
    loss, used_rate = pseudo_label_loss(student, teacher, threshold)
    assert (loss.item(), used_rate) == pytest.approx(by_rows(student, teacher, threshold))
    assert isinstance(used_rate, float)


def test_no_sure_row_gives_no_loss_and_no_gradient():
    student = torch.randn(4, 3, requires_grad=True)
    loss, used_rate = pseudo_label_loss(student, torch.zeros(4, 3), 0.95)
    loss.backward()
    assert (loss.item(), used_rate) == (0, 0)
    assert torch.equal(student.grad, torch.zeros(4, 3))


def test_the_threshold_itself_is_not_above():
    loss, used_rate = pseudo_label_loss(torch.randn(4, 2), torch.zeros(4, 2), 0.5)
    assert (loss.item(), used_rate) == (0, 0)


def test_no_gradient_reaches_the_teacher():
    student, teacher = (torch.randn(4, 3, requires_grad=True) for _ in range(2))
    loss, _ = pseudo_label_loss(student, teacher, 0.0)
    loss.backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0


def test_step_moves_the_student_alone():
    student = network(2)
    teacher, optimizer = make_teacher(network(1)), torch.optim.SGD(student.parameters(), 0.1)
    before = copy.deepcopy(teacher.state_dict())
    source, target = torch.randn(6, 1, 4, 4), torch.randn(9, 1, 4, 4)
    labels = torch.randint(4, (6,))
    expected = copy.deepcopy(student)
    with torch.no_grad():
        teacher_logits = teacher(target)
        logits = expected(torch.cat([source, target]))
    loss, rate = by_rows(logits[6:].double(), teacher_logits.double(), 0.4)
    figures = self_training.self_training_step(
        student, teacher, optimizer, source, labels, target, 0.4
    )
    assert 0 < rate < 1
    assert figures == pytest.approx(
        {
            "class_loss": F.cross_entropy(logits[:6], labels).item(),
            "pseudo_label_loss": loss,
            "used_rate": rate,
        },
        rel=1e-4,
    )
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert not torch.equal(student[4].weight, expected[4].weight)
