# ruff: noqa: F811, F841
import inspect

import torch
import torch.nn.functional as F
from torch import nn

from dalib_edu import dann_alexnet
from dalib_edu.reversal import gradient_reversal


# mutant zero_grad before each pass: last_pass_only
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    optimizer.zero_grad()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    optimizer.zero_grad()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant zero_grad after the class pass: no_class
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    optimizer.zero_grad()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant no backward of the class loss: no_class
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant a step after each pass: three_steps
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    optimizer.step()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    optimizer.step()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant a step and zero_grad after each pass: three_steps
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant two steps: wrong_steps
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant no step: no_step
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant step by hand: no_step
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 0.2 * parameter.grad
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant no zero_grad: stale
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant zero_grad at the end alone: stale_once
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant one label for both domains: same_label
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.zeros(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant both domains are 1: all_ones
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.ones(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant labels swapped: swapped_labels
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.ones(len(source), dtype=torch.long)
    ones = torch.zeros(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant alpha on the class loss: alpha_on_class_loss
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    (alpha * class_loss).backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant alpha on all three: alpha_on_everything
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    (alpha * class_loss).backward()
    source_loss = F.cross_entropy(model(source, 1.0), zeros)
    (alpha * source_loss).backward()
    target_loss = F.cross_entropy(model(target, 1.0), ones)
    (alpha * target_loss).backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant alpha on the domain losses, too: alpha_twice
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    (alpha * source_loss).backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    (alpha * target_loss).backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant alpha on the domain losses instead: alpha_on_domain_loss
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, 1.0), zeros)
    (alpha * source_loss).backward()
    target_loss = F.cross_entropy(model(target, 1.0), ones)
    (alpha * target_loss).backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant alpha not passed on: alpha_ignored
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, 1.0), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, 1.0), ones)
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant minus alpha: reversed_again
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, -alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, -alpha), ones)
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant domain losses subtracted: negated
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    (-source_loss).backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    (-target_loss).backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant domain passes through the label head: label_head
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target), ones)
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant class pass through the domain head
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source, alpha), labels.clamp(max=1))
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant labels of the source for the target
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    if len(labels) >= len(target):
        F.cross_entropy(model(target), labels[: len(target)]).backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant source not shown to the domain head: no_source
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant target not shown to the domain head: no_target
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant step before the third pass: no_target
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    optimizer.step()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant class pass alone: class_only
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    target_loss = F.cross_entropy(model(target, alpha), ones)
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant source in the target's place: source_twice
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(source, alpha), torch.ones_like(zeros))
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant one mixed batch: one_batch
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    target_loss = F.cross_entropy(
        model(torch.cat([source, target]), alpha), torch.cat([zeros, ones])
    )
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": target_loss.item()}


# mutant mean of the two domain losses: mean_of_means
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    (source_loss / 2).backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    (target_loss / 2).backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant mean of the three losses: by_thirds
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    target_loss = F.cross_entropy(model(target, alpha), ones)
    ((class_loss + source_loss + target_loss) / 3).backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant sums over the batch: sums
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels, reduction="sum")
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros, reduction="sum")
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones, reduction="sum")
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant detached features: detached
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    with torch.no_grad():
        f_source, f_target = (model.avgpool(model.features(x)).flatten(1) for x in (source, target))
    source_loss = F.cross_entropy(model.domain_classifier(f_source), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model.domain_classifier(f_target), ones)
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant softmax before the cross-entropy
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source).softmax(1), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant gradients clipped
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 0.1)
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant backward missing altogether: no_backward
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    target_loss = F.cross_entropy(model(target, alpha), ones)
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant an optimizer of its own: no_step
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    torch.optim.SGD(model.parameters(), lr=0.2).step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant loss in place of figures: figures
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    return class_loss.item()


# mutant figures of other names: figures
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    return {"loss": class_loss.item()}


# mutant losses of the whole batch as figures: not_scalar
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.detach().expand(2), "domain_loss": source_loss.item()}


# mutant no return: returned_none
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()


# mutant sum of the two domain losses as a figure: loss_sum
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item()}


# mutant the source's domain loss alone as a figure: loss_of_one_pass
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": source_loss.item()}


# mutant the last loss alone as a figure: loss_of_one_pass
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": target_loss.item()}


# mutant figures swapped: losses_swapped
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    domain_loss = (source_loss + target_loss) / 2
    return {"class_loss": domain_loss.item(), "domain_loss": class_loss.item()}


# mutant all three losses as one figure: loss_of_all
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    total = class_loss + source_loss + target_loss
    return {"class_loss": total.item(), "domain_loss": (source_loss + target_loss).item() / 2}


# mutant figures that are always 0: wrong_values
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    return {"class_loss": 0.0, "domain_loss": 0.0}


# mutant losses after the step as figures: wrong_values
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    with torch.no_grad():
        class_loss = F.cross_entropy(model(source), labels)
        source_loss = F.cross_entropy(model(source, alpha), zeros)
        target_loss = F.cross_entropy(model(target, alpha), ones)
    domain_loss = (source_loss + target_loss).item() / 2
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss}


# mutant both domain losses as one figure: not_scalar
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    both = [source_loss.item(), target_loss.item()]
    return {"class_loss": class_loss.item(), "domain_loss": both}


# mutant figures that keep their graph: keeps_graph
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss, "domain_loss": (source_loss + target_loss) / 2}


# mutant left in evaluation mode: left_in_eval
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    model.eval()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item() / 2}


# mutant domain head left in evaluation mode: left_in_eval
def three_pass_step(model, optimizer, source, labels, target, alpha):
    model.domain_classifier.eval()
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item() / 2}


# mutant the course's source text run again: reference_called
exec(inspect.getsource(dann_alexnet.three_pass_step), vars(dann_alexnet).copy(), globals())


# alternative as the homework has it
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item() / 2}


# alternative one backward
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = torch.zeros(len(source), dtype=torch.long)
    ones = torch.ones(len(target), dtype=torch.long)
    class_loss = F.cross_entropy(model(source), labels)
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    target_loss = F.cross_entropy(model(target, alpha), ones)
    domain_loss = source_loss + target_loss
    optimizer.zero_grad()
    (class_loss + domain_loss).backward()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item() / 2}


# alternative loop and CrossEntropyLoss
def three_pass_step(model, optimizer, source, labels, target, alpha):
    criterion = nn.CrossEntropyLoss()
    optimizer.zero_grad(set_to_none=False)
    class_loss = criterion(model(source), labels)
    class_loss.backward()
    domain_loss = 0.0
    for domain, images in enumerate([source, target]):
        logits = model(images, alpha=alpha)
        loss = criterion(logits, torch.full((len(images),), domain))
        loss.backward()
        domain_loss += loss.item() / 2
    optimizer.step()
    return {"class_loss": float(class_loss), "domain_loss": domain_loss}


# alternative shared features
def three_pass_step(model, optimizer, source, labels, target, alpha):
    model.zero_grad()
    f_source, f_target = (model.avgpool(model.features(x)).flatten(1) for x in (source, target))
    class_loss = F.cross_entropy(model.classifier(f_source), labels)
    d_source = model.domain_classifier(gradient_reversal(f_source, alpha))
    d_target = model.domain_classifier(gradient_reversal(f_target, alpha))
    # log p(source) of a source picture, log p(target) of a target picture
    domain_loss = -(d_source.log_softmax(1)[:, 0].mean() + d_target.log_softmax(1)[:, 1].mean())
    (class_loss + domain_loss).backward()
    optimizer.step()
    return {"class_loss": class_loss.detach(), "domain_loss": domain_loss.detach() / 2}


# alternative one forward, split
def three_pass_step(model, optimizer, source, labels, target, alpha):
    optimizer.zero_grad()
    logits = model(torch.cat([source, target]), alpha)
    d_source, d_target = logits.split([len(source), len(target)])
    source_loss = F.softplus(d_source[:, 1] - d_source[:, 0]).mean()
    target_loss = F.softplus(d_target[:, 0] - d_target[:, 1]).mean()
    class_loss = F.cross_entropy(model(source), labels)
    for loss in (target_loss + source_loss, class_loss):
        loss.backward()
    optimizer.step()
    of_source, of_target = source_loss.item(), target_loss.item()
    figures = {"class_loss": class_loss.item(), "domain_loss": (of_source + of_target) / 2}
    return {**figures, "source_loss": of_source, "target_loss": of_target}


# alternative zero_grad at the end, too
def three_pass_step(model, optimizer, source, labels, target, alpha):
    zeros = labels.new_zeros(len(labels))
    ones = torch.ones(target.shape[0]).long()
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    source_loss = F.cross_entropy(model(source, alpha), zeros)
    source_loss.backward()
    target_loss = F.cross_entropy(model(target, alpha), ones)
    target_loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return {"class_loss": class_loss.item(), "domain_loss": (source_loss + target_loss).item() / 2}


# alternative BCE on the difference of the logits
def three_pass_step(model, optimizer, source, labels, target, alpha):
    optimizer.zero_grad()
    class_loss = F.cross_entropy(model(source), labels)
    class_loss.backward()
    domain_loss = 0
    for images, domain in ((source, 0.0), (target, 1.0)):
        logits = model(images, alpha)
        logit = logits[:, 1] - logits[:, 0]
        loss = F.binary_cross_entropy_with_logits(logit, torch.full_like(logit, domain))
        loss.backward()
        domain_loss = domain_loss + 0.5 * loss.item()
    optimizer.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss}


# alternative training mode set, detached figures
def three_pass_step(model, optimizer, source, labels, target, alpha):
    model.train()
    optimizer.zero_grad()
    losses = [F.cross_entropy(model(source), labels)]
    for domain, images in enumerate((source, target)):
        domains = torch.full((len(images),), domain)
        losses.append(F.cross_entropy(model(images, alpha), domains))
    for loss in losses:
        loss.backward()
    optimizer.step()
    class_loss, *domain_losses = (loss.detach() for loss in losses)
    return {"class_loss": class_loss, "domain_loss": torch.stack(domain_losses).mean()}
