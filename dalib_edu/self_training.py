"""Self-training with a slow teacher: the second stage of the drawings homework.

A teacher labels the target pictures that it is sure of, a student learns them beside the labelled
source, and the teacher follows the student slowly (an exponential moving average, EMA).

Source: the homework ML2022 HW11, in the manner of DIRT-T (Shu, Bui, Narui and Ermon, "A DIRT-T
Approach to Unsupervised Domain Adaptation", ICLR 2018, arXiv 1802.08735). DIRT-T itself has soft
targets, a conditional entropy and a virtual adversarial term, no source loss, and averages at
every step (0.998); here the targets are hard, the source loss stays, and the average is taken
once an epoch (0.9).
"""

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# --- the equations ------------------------------------------------------------------------------


def make_teacher(student: nn.Module) -> nn.Module:
    """Return a copy of ``student`` in eval mode, whose parameters take no gradient."""
    return copy.deepcopy(student).eval().requires_grad_(False)


@torch.no_grad()
def ema_update(teacher: nn.Module, student: nn.Module, beta: float) -> None:
    """Move the teacher towards the student, in place: teacher = beta teacher + (1 - beta) student.

    BatchNorm's running statistics are averaged like the weights; what is no floating point
    number (BatchNorm's ``num_batches_tracked``) cannot be averaged and is copied.

    Args:
        teacher, student: of the same architecture.
        beta: share of the old teacher that stays, 0 to 1.
    """
    students = student.state_dict()
    for name, value in teacher.state_dict().items():
        if value.is_floating_point():
            value.lerp_(students[name], 1 - beta)
        else:
            value.copy_(students[name])


def pseudo_label_loss(
    student_logits: Tensor, teacher_logits: Tensor, threshold: float = 0.95
) -> tuple[Tensor, float]:
    """Return the cross-entropy against the teacher's labels where it is sure, and how often it is.

    Args:
        student_logits: (N, K), with gradient.
        teacher_logits: (N, K); takes no gradient.
        threshold: the teacher's largest probability must be above this, 0 to 1.

    Returns:
        the mean loss over the sure rows, a scalar (0, with gradient 0, where there is none), and
        the share of sure rows, 0 to 1.
    """
    confidence, pseudo_labels = teacher_logits.detach().softmax(1).max(1)
    sure = confidence > threshold
    losses = F.cross_entropy(student_logits, pseudo_labels, reduction="none")
    return (losses * sure).sum() / sure.sum().clamp(min=1), sure.float().mean().item()


# --- the training step --------------------------------------------------------------------------


def self_training_step(
    student: nn.Module,
    teacher: nn.Module,
    optimizer: torch.optim.Optimizer,
    source: Tensor,
    labels: Tensor,
    target: Tensor,
    threshold: float,
) -> dict[str, float]:
    """Learn the source labels and the teacher's sure labels in one update of the student.

    Args:
        student, teacher: pictures (N, C, H, W) -> logits (N, K); see ``make_teacher``.
        optimizer: of the student.
        source, labels, target: as in ``dann.reversal_step``.
        threshold: see ``pseudo_label_loss``.

    Returns:
        both losses and the used rate (share of sure target pictures).
    """
    with torch.no_grad():
        teacher_logits = teacher(target)
    logits = student(torch.cat([source, target]))
    source_logits, target_logits = logits.split([len(source), len(target)])
    class_loss = F.cross_entropy(source_logits, labels)
    target_loss, used_rate = pseudo_label_loss(target_logits, teacher_logits, threshold)
    optimizer.zero_grad()
    (class_loss + target_loss).backward()
    optimizer.step()
    return {
        "class_loss": class_loss.item(),
        "pseudo_label_loss": target_loss.item(),
        "used_rate": used_rate,
    }


# --- the configuration --------------------------------------------------------------------------


@dataclass(frozen=True)
class Config:
    """The second stage's settings."""

    steps: int  # updates of the student
    learning_rate: float  # Adam's
    beta: float = 0.9  # share of the teacher that stays; it moves once an epoch of the source
    threshold: float = 0.95


# The homework's own: 1100 epochs of 5000 // 256 batches, Adam with 2e-3.
FULL = Config(steps=20_900, learning_rate=2e-3)

# Two cores, under half a minute.
EMBEDDED = Config(steps=200, learning_rate=1e-3)

GRADING = Config(steps=4, learning_rate=1e-3)

PRESETS = {"embedded": EMBEDDED, "full": FULL, "grading": GRADING}
