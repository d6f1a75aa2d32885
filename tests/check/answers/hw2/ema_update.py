# ruff: noqa: B905, F811
import copy

import torch


# mutant beta swapped: beta_swapped
@torch.no_grad()
def ema_update(teacher, student, beta):
    new = student.state_dict()
    for name, value in teacher.state_dict().items():
        if value.is_floating_point():
            value.copy_((1 - beta) * value + beta * new[name])
        else:
            value.copy_(new[name])


# mutant buffers skipped: buffers_skipped
@torch.no_grad()
def ema_update(teacher, student, beta):
    for old, new in zip(teacher.parameters(), student.parameters()):
        old.mul_(beta).add_(new, alpha=1 - beta)


# mutant buffers copied: buffers_copied
@torch.no_grad()
def ema_update(teacher, student, beta):
    for old, new in zip(teacher.parameters(), student.parameters()):
        old.mul_(beta).add_(new, alpha=1 - beta)
    for old, new in zip(teacher.buffers(), student.buffers()):
        old.copy_(new)


# mutant integer buffers averaged: integer_buffers
@torch.no_grad()
def ema_update(teacher, student, beta):
    new = student.state_dict()
    for name, value in teacher.state_dict().items():
        value.copy_(beta * value + (1 - beta) * new[name])


# mutant integer buffers left alone: integer_buffers
@torch.no_grad()
def ema_update(teacher, student, beta):
    new = student.state_dict()
    for name, value in teacher.state_dict().items():
        if value.is_floating_point():
            value.lerp_(new[name], 1 - beta)


# mutant integer buffers made float: integer_made_float
@torch.no_grad()
def ema_update(teacher, student, beta):
    for old, new in zip(teacher.parameters(), student.parameters()):
        old.lerp_(new, 1 - beta)
    for old, new in zip(teacher.modules(), student.modules()):
        for name, value in new.named_buffers(recurse=False):
            if name == "num_batches_tracked":
                old.num_batches_tracked = value.float()
            else:
                getattr(old, name).lerp_(value, 1 - beta)


# mutant integer buffers in place: raised
@torch.no_grad()
def ema_update(teacher, student, beta):
    new = student.state_dict()
    for name, value in teacher.state_dict().items():
        value.mul_(beta).add_(new[name], alpha=1 - beta)


# mutant a new dictionary: nothing_changed
def ema_update(teacher, student, beta):
    new = student.state_dict()
    return {
        name: beta * value + (1 - beta) * new[name] for name, value in teacher.state_dict().items()
    }


# mutant name bound anew: nothing_changed
def ema_update(teacher, student, beta):
    for old, new in zip(teacher.parameters(), student.parameters()):
        old = beta * old + (1 - beta) * new


# mutant a new teacher: nothing_changed
def ema_update(teacher, student, beta):
    teacher = copy.deepcopy(student)
    return teacher


# mutant copied: student_copied
def ema_update(teacher, student, beta):
    teacher.load_state_dict(student.state_dict())


# mutant storage shared: shared
@torch.no_grad()
def ema_update(teacher, student, beta):
    new = student.state_dict()
    for name, value in teacher.state_dict().items():
        if value.is_floating_point():
            value.lerp_(new[name], 1 - beta)
    for old, new in zip(teacher.modules(), student.modules()):
        if hasattr(new, "num_batches_tracked"):
            old.num_batches_tracked = new.num_batches_tracked


# mutant student moves too: student_changed
@torch.no_grad()
def ema_update(teacher, student, beta):
    new = student.state_dict()
    for name, value in teacher.state_dict().items():
        if value.is_floating_point():
            value.mul_(beta).add_(new[name].mul_(1 - beta))
        else:
            value.copy_(new[name])


# mutant graph attached: graph_attached
def ema_update(teacher, student, beta):
    for old, new in zip(teacher.parameters(), student.parameters()):
        old.mul_(beta).add_(new, alpha=1 - beta)
    for old, new in zip(teacher.buffers(), student.buffers()):
        if old.is_floating_point():
            old.mul_(beta).add_(new, alpha=1 - beta)
        else:
            old.copy_(new)


# mutant averaged twice: beta_twice
@torch.no_grad()
def ema_update(teacher, student, beta):
    new = student.state_dict()
    for name, value in teacher.state_dict().items():
        if value.is_floating_point():
            value.lerp_(new[name], 1 - beta)
            value.lerp_(new[name], 1 - beta)
        else:
            value.copy_(new[name])


# mutant beta 0.5: half
@torch.no_grad()
def ema_update(teacher, student, beta):
    new = student.state_dict()
    for name, value in teacher.state_dict().items():
        value.copy_((value + new[name]) / 2 if value.is_floating_point() else new[name])


# mutant outer layers only: some_untouched
@torch.no_grad()
def ema_update(teacher, student, beta):
    for old, new in zip(teacher.children(), student.children()):
        for name in ("weight", "bias", "running_mean", "running_var"):
            if hasattr(old, name):
                getattr(old, name).lerp_(getattr(new, name), 1 - beta)


# mutant weights without biases: some_untouched
@torch.no_grad()
def ema_update(teacher, student, beta):
    new = student.state_dict()
    for name, value in teacher.state_dict().items():
        if not value.is_floating_point():
            value.copy_(new[name])
        elif "bias" not in name:
            value.lerp_(new[name], 1 - beta)


# mutant sum
@torch.no_grad()
def ema_update(teacher, student, beta):
    new = student.state_dict()
    for name, value in teacher.state_dict().items():
        if value.is_floating_point():
            value.copy_(beta * value + new[name])
        else:
            value.copy_(new[name])


# alternative lerp
@torch.no_grad()
def ema_update(teacher, student, beta):
    new = student.state_dict()
    for name, value in teacher.state_dict().items():
        if value.is_floating_point():
            value.lerp_(new[name], 1 - beta)
        else:
            value.copy_(new[name])


# alternative load_state_dict
def ema_update(teacher, student, beta):
    old, new = teacher.state_dict(), student.state_dict()
    mixed = {}
    for name in old:
        if old[name].dtype in (torch.float32, torch.float64):
            mixed[name] = beta * old[name] + (1 - beta) * new[name]
        else:
            mixed[name] = new[name]
    teacher.load_state_dict(mixed)


# alternative parameters and buffers
def ema_update(teacher, student, beta):
    with torch.no_grad():
        for old, new in zip(teacher.parameters(), student.parameters()):
            old.mul_(beta).add_(new, alpha=1 - beta)
        for old, new in zip(teacher.buffers(), student.buffers()):
            if old.dtype.is_floating_point:
                old.mul_(beta).add_(new, alpha=1 - beta)
            else:
                old.copy_(new)


# alternative data
def ema_update(teacher, student, beta):
    for old, new in zip(teacher.parameters(), student.parameters()):
        old.data = beta * old.data + (1 - beta) * new.data
    for old, new in zip(teacher.buffers(), student.buffers()):
        if old.is_floating_point():
            old.data = beta * old.data + (1 - beta) * new.data
        else:
            old.data = new.data.clone()


# alternative by name
@torch.no_grad()
def ema_update(teacher, student, beta):
    buffers = dict(teacher.named_buffers())
    parameters = dict(teacher.named_parameters())
    for name, value in student.named_parameters():
        parameters[name].add_((1 - beta) * (value - parameters[name]))
    for name, value in student.named_buffers():
        mixed = beta * buffers[name] + (1 - beta) * value
        buffers[name].copy_(value if name.endswith("num_batches_tracked") else mixed)
