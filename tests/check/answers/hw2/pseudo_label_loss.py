# ruff: noqa: B905, F811
import torch
import torch.nn.functional as F


# mutant mean over all rows: mean_over_all
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    confidence, labels = teacher_logits.detach().softmax(1).max(1)
    sure = confidence > threshold
    losses = F.cross_entropy(student_logits, labels, reduction="none")
    return (losses * sure).mean(), sure.float().mean().item()


# mutant threshold on the logits: threshold_on_logits
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    confidence, labels = teacher_logits.detach().max(1)
    sure = confidence > threshold
    losses = F.cross_entropy(student_logits, labels, reduction="none")
    return (losses * sure).sum() / sure.sum().clamp(min=1), sure.float().mean().item()


# mutant the student's confidence: student_sure
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    labels = teacher_logits.detach().argmax(1)
    sure = student_logits.detach().softmax(1).max(1).values > threshold
    losses = F.cross_entropy(student_logits, labels, reduction="none")
    return (losses * sure).sum() / sure.sum().clamp(min=1), sure.float().mean().item()


# mutant the student's labels: student_labels
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    sure = teacher_logits.detach().softmax(1).max(1).values > threshold
    losses = F.cross_entropy(student_logits, student_logits.argmax(1), reduction="none")
    return (losses * sure).sum() / sure.sum().clamp(min=1), sure.float().mean().item()


# mutant the student alone: student_sure
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    confidence, labels = student_logits.detach().softmax(1).max(1)
    sure = confidence > threshold
    losses = F.cross_entropy(student_logits, labels, reduction="none")
    return (losses * sure).sum() / sure.sum().clamp(min=1), sure.float().mean().item()


# mutant soft targets: soft_targets
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    probabilities = teacher_logits.detach().softmax(1)
    sure = probabilities.max(1).values > threshold
    losses = F.cross_entropy(student_logits, probabilities, reduction="none")
    return (losses * sure).sum() / sure.sum().clamp(min=1), sure.float().mean().item()


# mutant soft targets that learn: soft_targets
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    probabilities = teacher_logits.softmax(1)
    sure = probabilities.max(1).values > threshold
    losses = F.cross_entropy(student_logits, probabilities, reduction="none")
    return (losses * sure).sum() / sure.sum().clamp(min=1), sure.float().mean().item()


# mutant gradient into the teacher: teacher_gradient
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    confidence, labels = teacher_logits.softmax(1).max(1)
    sure = confidence > threshold
    losses = F.cross_entropy(student_logits, labels, reduction="none")
    losses = losses * confidence / confidence.detach()
    return (losses * sure).sum() / sure.sum().clamp(min=1), sure.float().mean().item()


# mutant NaN where none is sure: nan_when_none
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    confidence, labels = teacher_logits.detach().softmax(1).max(1)
    sure = confidence > threshold
    return F.cross_entropy(student_logits[sure], labels[sure]), sure.float().mean().item()


# mutant plain zero where none is sure: no_backward
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    confidence, labels = teacher_logits.detach().softmax(1).max(1)
    sure = confidence > threshold
    if not sure.any():
        return 0.0, 0.0
    return F.cross_entropy(student_logits[sure], labels[sure]), sure.float().mean().item()


# mutant constant tensor where none is sure: no_backward
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    confidence, labels = teacher_logits.detach().softmax(1).max(1)
    sure = confidence > threshold
    if not sure.any():
        return torch.tensor(0.0), 0.0
    return F.cross_entropy(student_logits[sure], labels[sure]), sure.float().mean().item()


# mutant below the threshold: below_threshold
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    confidence, labels = teacher_logits.detach().softmax(1).max(1)
    sure = confidence < threshold
    losses = F.cross_entropy(student_logits, labels, reduction="none")
    return (losses * sure).sum() / sure.sum().clamp(min=1), sure.float().mean().item()


# mutant rate is a count: rate_is_count
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    confidence, labels = teacher_logits.detach().softmax(1).max(1)
    sure = confidence > threshold
    losses = F.cross_entropy(student_logits, labels, reduction="none")
    return (losses * sure).sum() / sure.sum().clamp(min=1), sure.sum().item()


# mutant rate in percent: rate_is_percent
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    confidence, labels = teacher_logits.detach().softmax(1).max(1)
    sure = confidence > threshold
    losses = F.cross_entropy(student_logits, labels, reduction="none")
    return (losses * sure).sum() / sure.sum().clamp(min=1), 100 * sure.float().mean().item()


# mutant rate of the unsure: rate_of_unsure
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    confidence, labels = teacher_logits.detach().softmax(1).max(1)
    sure = confidence > threshold
    losses = F.cross_entropy(student_logits, labels, reduction="none")
    return (losses * sure).sum() / sure.sum().clamp(min=1), (~sure).float().mean().item()


# mutant sum: sum_not_mean
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    confidence, labels = teacher_logits.detach().softmax(1).max(1)
    sure = confidence > threshold
    losses = F.cross_entropy(student_logits, labels, reduction="none")
    return (losses * sure).sum(), sure.float().mean().item()


# mutant no threshold: all_rows
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    confidence, labels = teacher_logits.detach().softmax(1).max(1)
    return F.cross_entropy(student_logits, labels), (confidence > threshold).float().mean().item()


# mutant fixed threshold
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    confidence, labels = teacher_logits.detach().softmax(1).max(1)
    sure = confidence > 0.999
    losses = F.cross_entropy(student_logits, labels, reduction="none")
    return (losses * sure).sum() / sure.sum().clamp(min=1), sure.float().mean().item()


# mutant logits zeroed instead of rows left out
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    confidence, labels = teacher_logits.detach().softmax(1).max(1)
    sure = confidence > threshold
    masked = student_logits * sure[:, None]
    return F.cross_entropy(masked, labels), sure.float().mean().item()


# mutant one row a loss: not_scalar
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    confidence, labels = teacher_logits.detach().softmax(1).max(1)
    sure = confidence > threshold
    losses = F.cross_entropy(student_logits, labels, reduction="none")
    return losses * sure, sure.float().mean().item()


# mutant loss alone: not_two
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    confidence, labels = teacher_logits.detach().softmax(1).max(1)
    sure = confidence > threshold
    losses = F.cross_entropy(student_logits, labels, reduction="none")
    return (losses * sure).sum() / sure.sum().clamp(min=1)


# mutant student detached: no_backward
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    confidence, labels = teacher_logits.detach().softmax(1).max(1)
    sure = confidence > threshold
    losses = F.cross_entropy(student_logits.detach(), labels, reduction="none")
    return (losses * sure).sum() / sure.sum().clamp(min=1), sure.float().mean().item()


# alternative mask
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    with torch.no_grad():
        confidence, labels = F.softmax(teacher_logits, dim=1).max(dim=1)
    sure = (confidence > threshold).to(student_logits.dtype)
    losses = F.cross_entropy(student_logits, labels, reduction="none")
    return (losses * sure).sum() / max(sure.sum().item(), 1), sure.mean()


# alternative indexing and a branch
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    confidence, labels = teacher_logits.detach().softmax(1).max(1)
    sure = confidence > threshold
    if not sure.any():
        return student_logits.sum() * 0, 0.0
    return F.cross_entropy(student_logits[sure], labels[sure]), sure.float().mean().item()


# alternative log-softmax and a small denominator
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    probabilities = torch.softmax(teacher_logits.detach(), dim=-1)
    sure = probabilities.amax(-1) > threshold
    picked = student_logits.log_softmax(-1).gather(1, probabilities.argmax(-1, keepdim=True))
    loss = -(picked.squeeze(1) * sure).sum() / (sure.sum() + 1e-8)
    return loss, sure.sum() / len(sure)


# alternative ignored labels
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    confidence, labels = teacher_logits.detach().softmax(1).max(1)
    sure = confidence > threshold
    labels = labels.masked_fill(~sure, -100)
    total = F.nll_loss(F.log_softmax(student_logits, dim=1), labels, reduction="sum")
    return total / max(1, int(sure.sum())), float(sure.sum()) / sure.numel()


# alternative loop
def pseudo_label_loss(student_logits, teacher_logits, threshold):
    losses = []
    for mine, theirs in zip(student_logits, teacher_logits.detach()):
        probabilities = theirs.softmax(0)
        if probabilities.max() > threshold:
            losses.append(torch.logsumexp(mine, 0) - mine[probabilities.argmax()])
    if losses:
        return torch.stack(losses).mean(), len(losses) / len(student_logits)
    return 0 * student_logits.sum(), 0.0
