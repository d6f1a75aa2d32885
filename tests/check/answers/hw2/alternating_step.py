# ruff: noqa: B905, F811, F841
import torch
import torch.nn.functional as F


# mutant no detach: not_detached
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))

    domain_logits = model.domain_classifier(features)
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    optimizers.domain.zero_grad()
    optimizers.features.zero_grad()
    domain_loss.backward(retain_graph=True)
    optimizers.domain.step()

    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    confusion = F.binary_cross_entropy_with_logits(model.domain_classifier(features), domains)
    (class_loss - lambda_ * confusion).backward()
    optimizers.features.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}


# mutant plus sign: plus_sign
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))

    domain_logits = model.domain_classifier(features.detach())
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    optimizers.domain.zero_grad()
    domain_loss.backward()
    optimizers.domain.step()

    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    confusion = F.binary_cross_entropy_with_logits(model.domain_classifier(features), domains)
    optimizers.features.zero_grad()
    (class_loss + lambda_ * confusion).backward()
    optimizers.features.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}


# mutant the features' optimiser stepped twice: features_stepped_twice
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))

    domain_logits = model.domain_classifier(features.detach())
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    optimizers.domain.zero_grad()
    domain_loss.backward()
    optimizers.domain.step()

    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    confusion = F.binary_cross_entropy_with_logits(model.domain_classifier(features), domains)
    optimizers.features.zero_grad()
    (class_loss - lambda_ * confusion).backward()
    optimizers.features.step()
    optimizers.features.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}


# mutant D stepped again: domain_stepped_twice
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))

    domain_logits = model.domain_classifier(features.detach())
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    optimizers.domain.zero_grad()
    domain_loss.backward()
    optimizers.domain.step()

    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    confusion = F.binary_cross_entropy_with_logits(model.domain_classifier(features), domains)
    optimizers.features.zero_grad()
    (class_loss - lambda_ * confusion).backward()
    optimizers.features.step()
    optimizers.domain.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}


# mutant D stepped again with gradients of step 2 alone
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))

    domain_logits = model.domain_classifier(features.detach())
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    optimizers.domain.zero_grad()
    domain_loss.backward()
    optimizers.domain.step()

    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    confusion = F.binary_cross_entropy_with_logits(model.domain_classifier(features), domains)
    optimizers.features.zero_grad()
    optimizers.domain.zero_grad()
    (class_loss - lambda_ * confusion).backward()
    optimizers.features.step()
    optimizers.domain.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}


# mutant no step 1: no_step_1
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))

    domain_logits = model.domain_classifier(features.detach())
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    optimizers.domain.zero_grad()
    domain_loss.backward()

    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    confusion = F.binary_cross_entropy_with_logits(model.domain_classifier(features), domains)
    optimizers.features.zero_grad()
    (class_loss - lambda_ * confusion).backward()
    optimizers.features.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}


# mutant no step 2: no_step_2
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))

    domain_logits = model.domain_classifier(features.detach())
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    optimizers.domain.zero_grad()
    domain_loss.backward()
    optimizers.domain.step()

    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    confusion = F.binary_cross_entropy_with_logits(model.domain_classifier(features), domains)
    optimizers.features.zero_grad()
    (class_loss - lambda_ * confusion).backward()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}


# mutant D's gradients left over: stale_domain
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))

    domain_logits = model.domain_classifier(features.detach())
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    domain_loss.backward()
    optimizers.domain.step()

    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    confusion = F.binary_cross_entropy_with_logits(model.domain_classifier(features), domains)
    optimizers.features.zero_grad()
    (class_loss - lambda_ * confusion).backward()
    optimizers.features.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}


# mutant F's gradients left over: stale_features
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))

    domain_logits = model.domain_classifier(features.detach())
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    optimizers.domain.zero_grad()
    domain_loss.backward()
    optimizers.domain.step()

    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    confusion = F.binary_cross_entropy_with_logits(model.domain_classifier(features), domains)
    (class_loss - lambda_ * confusion).backward()
    optimizers.features.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}


# mutant one label for both domains: same_label
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.ones(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))

    domain_logits = model.domain_classifier(features.detach())
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    optimizers.domain.zero_grad()
    domain_loss.backward()
    optimizers.domain.step()

    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    confusion = F.binary_cross_entropy_with_logits(model.domain_classifier(features), domains)
    optimizers.features.zero_grad()
    (class_loss - lambda_ * confusion).backward()
    optimizers.features.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}


# mutant labels swapped in step 2: flipped_in_step_2
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))

    domain_logits = model.domain_classifier(features.detach())
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    optimizers.domain.zero_grad()
    domain_loss.backward()
    optimizers.domain.step()

    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    confusion = F.binary_cross_entropy_with_logits(model.domain_classifier(features), 1 - domains)
    optimizers.features.zero_grad()
    (class_loss - lambda_ * confusion).backward()
    optimizers.features.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}


# mutant lambda on step 1: lambda_in_step_1
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))

    domain_logits = model.domain_classifier(features.detach())
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    optimizers.domain.zero_grad()
    (lambda_ * domain_loss).backward()
    optimizers.domain.step()

    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    confusion = F.binary_cross_entropy_with_logits(model.domain_classifier(features), domains)
    optimizers.features.zero_grad()
    (class_loss - lambda_ * confusion).backward()
    optimizers.features.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}


# mutant lambda ignored: lambda_ignored
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))

    domain_logits = model.domain_classifier(features.detach())
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    optimizers.domain.zero_grad()
    domain_loss.backward()
    optimizers.domain.step()

    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    confusion = F.binary_cross_entropy_with_logits(model.domain_classifier(features), domains)
    optimizers.features.zero_grad()
    (class_loss - confusion).backward()
    optimizers.features.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}


# mutant class loss alone in step 2: step_2_without_domain
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))

    domain_logits = model.domain_classifier(features.detach())
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    optimizers.domain.zero_grad()
    domain_loss.backward()
    optimizers.domain.step()

    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    confusion = F.binary_cross_entropy_with_logits(model.domain_classifier(features), domains)
    optimizers.features.zero_grad()
    class_loss.backward()
    optimizers.features.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}


# mutant the old D in step 2: old_domain_classifier
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))
    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    confusion = F.binary_cross_entropy_with_logits(model.domain_classifier(features), domains)
    optimizers.features.zero_grad()
    (class_loss - lambda_ * confusion).backward()

    domain_logits = model.domain_classifier(features.detach())
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    optimizers.domain.zero_grad()
    domain_loss.backward()
    optimizers.domain.step()
    optimizers.features.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}


# mutant target left out: source_only
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.ones(len(source), 1)
    features = model.feature_extractor(source)

    domain_logits = model.domain_classifier(features.detach())
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    optimizers.domain.zero_grad()
    domain_loss.backward()
    optimizers.domain.step()

    class_loss = F.cross_entropy(model.label_classifier(features), labels)
    confusion = F.binary_cross_entropy_with_logits(model.domain_classifier(features), domains)
    optimizers.features.zero_grad()
    (class_loss - lambda_ * confusion).backward()
    optimizers.features.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}


# mutant target alone in step 2: target_only_in_step_2
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))

    domain_logits = model.domain_classifier(features.detach())
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    optimizers.domain.zero_grad()
    domain_loss.backward()
    optimizers.domain.step()

    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    confusion = F.binary_cross_entropy_with_logits(
        model.domain_classifier(features[len(source) :]), domains[len(source) :]
    )
    optimizers.features.zero_grad()
    (class_loss - lambda_ * confusion).backward()
    optimizers.features.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}


# mutant mean of two means: mean_of_means
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    weights = domains / len(source) / 2 + (1 - domains) / len(target) / 2
    features = model.feature_extractor(torch.cat([source, target]))

    domain_logits = model.domain_classifier(features.detach())
    domain_loss = F.binary_cross_entropy_with_logits(
        domain_logits, domains, weights, reduction="sum"
    )
    optimizers.domain.zero_grad()
    domain_loss.backward()
    optimizers.domain.step()

    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    logits = model.domain_classifier(features)
    confusion = F.binary_cross_entropy_with_logits(logits, domains, weights, reduction="sum")
    optimizers.features.zero_grad()
    (class_loss - lambda_ * confusion).backward()
    optimizers.features.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}


# mutant no return: returned_none
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))

    domain_logits = model.domain_classifier(features.detach())
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    optimizers.domain.zero_grad()
    domain_loss.backward()
    optimizers.domain.step()

    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    confusion = F.binary_cross_entropy_with_logits(model.domain_classifier(features), domains)
    optimizers.features.zero_grad()
    (class_loss - lambda_ * confusion).backward()
    optimizers.features.step()


# mutant a tuple: figures
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))

    domain_logits = model.domain_classifier(features.detach())
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    optimizers.domain.zero_grad()
    domain_loss.backward()
    optimizers.domain.step()

    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    confusion = F.binary_cross_entropy_with_logits(model.domain_classifier(features), domains)
    optimizers.features.zero_grad()
    (class_loss - lambda_ * confusion).backward()
    optimizers.features.step()
    return class_loss.item(), domain_loss.item()


# mutant domain loss of step 2: wrong_figures
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))

    domain_logits = model.domain_classifier(features.detach())
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    optimizers.domain.zero_grad()
    domain_loss.backward()
    optimizers.domain.step()

    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    confusion = F.binary_cross_entropy_with_logits(model.domain_classifier(features), domains)
    optimizers.features.zero_grad()
    (class_loss - lambda_ * confusion).backward()
    optimizers.features.step()
    return {"class_loss": class_loss.item(), "domain_loss": confusion.item()}


# mutant reversal layer's single step: old_domain_classifier
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))
    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    reversed_ = (1 + lambda_) * features.detach() - lambda_ * features
    domain_loss = F.binary_cross_entropy_with_logits(model.domain_classifier(reversed_), domains)
    optimizers.features.zero_grad()
    optimizers.domain.zero_grad()
    (class_loss + domain_loss).backward()
    optimizers.features.step()
    optimizers.domain.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}


# mutant F before D
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))
    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    confusion = F.binary_cross_entropy_with_logits(model.domain_classifier(features), domains)
    optimizers.features.zero_grad()
    (class_loss - lambda_ * confusion).backward()
    optimizers.features.step()

    features = model.feature_extractor(torch.cat([source, target])).detach()
    domain_loss = F.binary_cross_entropy_with_logits(model.domain_classifier(features), domains)
    optimizers.domain.zero_grad()
    domain_loss.backward()
    optimizers.domain.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}


# alternative as the course's
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))

    domain_logits = model.domain_classifier(features.detach())
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    optimizers.domain.zero_grad()
    domain_loss.backward()
    optimizers.domain.step()

    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    confusion = F.binary_cross_entropy_with_logits(model.domain_classifier(features), domains)
    optimizers.features.zero_grad()
    (class_loss - lambda_ * confusion).backward()
    optimizers.features.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}


# alternative target is 1
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.zeros(len(source), 1), torch.ones(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))

    domain_logits = model.domain_classifier(features.detach())
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    optimizers.domain.zero_grad()
    domain_loss.backward()
    optimizers.domain.step()

    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    confusion = F.binary_cross_entropy_with_logits(model.domain_classifier(features), domains)
    optimizers.features.zero_grad()
    (class_loss - lambda_ * confusion).backward()
    optimizers.features.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}


# alternative two forwards of F
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source)), torch.zeros(len(target))])
    images = torch.cat([source, target])
    with torch.no_grad():
        features = model.feature_extractor(images)
    domain_loss = F.binary_cross_entropy_with_logits(
        model.domain_classifier(features).squeeze(1), domains
    )
    optimizers.domain.zero_grad()
    domain_loss.backward()
    optimizers.domain.step()

    features = model.feature_extractor(images)
    class_loss = F.cross_entropy(model.label_classifier(features)[: len(source)], labels)
    logits = model.domain_classifier(features).squeeze(1)
    loss = class_loss - lambda_ * F.binary_cross_entropy_with_logits(logits, domains)
    optimizers.features.zero_grad()
    loss.backward()
    optimizers.features.step()
    return {"class_loss": class_loss, "domain_loss": domain_loss}


# alternative D frozen in step 2
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))

    domain_logits = model.domain_classifier(features.detach())
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    optimizers.domain.zero_grad()
    domain_loss.backward()
    optimizers.domain.step()

    model.domain_classifier.requires_grad_(False)
    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    confusion = F.binary_cross_entropy_with_logits(model.domain_classifier(features), domains)
    optimizers.features.zero_grad()
    (class_loss - lambda_ * confusion).backward()
    optimizers.features.step()
    model.domain_classifier.requires_grad_(True)
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}


# alternative zero_grad at the end
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))

    domain_logits = model.domain_classifier(features.detach())
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    domain_loss.backward()
    optimizers.domain.step()

    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    confusion = F.binary_cross_entropy_with_logits(model.domain_classifier(features), domains)
    (class_loss - lambda_ * confusion).backward()
    optimizers.features.step()
    optimizers.features.zero_grad()
    optimizers.domain.zero_grad()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}


# alternative zero_grad at the start
def alternating_step(model, optimizers, source, labels, target, lambda_):
    model.zero_grad()
    is_source = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))
    domain_loss = F.binary_cross_entropy_with_logits(
        model.domain_classifier(features.detach()), is_source
    )
    domain_loss.backward()
    optimizers.domain.step()
    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    confused = F.binary_cross_entropy_with_logits(model.domain_classifier(features), is_source)
    (class_loss - lambda_ * confused).backward()
    optimizers.features.step()
    return {"class_loss": float(class_loss), "domain_loss": float(domain_loss), "lambda": lambda_}


# alternative torch.autograd.grad
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))
    d = list(model.domain_classifier.parameters())
    domain_loss = F.binary_cross_entropy_with_logits(model.domain_classifier(features), domains)
    for weight, gradient in zip(d, torch.autograd.grad(domain_loss, d, retain_graph=True)):
        weight.grad = gradient
    optimizers.domain.step()

    learning = [*model.feature_extractor.parameters(), *model.label_classifier.parameters()]
    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    confusion = F.binary_cross_entropy_with_logits(model.domain_classifier(features), domains)
    total = class_loss - lambda_ * confusion
    for weight, gradient in zip(learning, torch.autograd.grad(total, learning)):
        weight.grad = gradient
    optimizers.features.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}


# alternative a reversal in step 2
def alternating_step(model, optimizers, source, labels, target, lambda_):
    domains = torch.cat([torch.ones(len(source), 1), torch.zeros(len(target), 1)])
    features = model.feature_extractor(torch.cat([source, target]))

    domain_logits = model.domain_classifier(features.detach())
    domain_loss = F.binary_cross_entropy_with_logits(domain_logits, domains)
    optimizers.domain.zero_grad()
    domain_loss.backward()
    optimizers.domain.step()

    class_loss = F.cross_entropy(model.label_classifier(features[: len(source)]), labels)
    reversed_ = (1 + lambda_) * features.detach() - lambda_ * features
    confusion = F.binary_cross_entropy_with_logits(model.domain_classifier(reversed_), domains)
    optimizers.features.zero_grad()
    (class_loss + confusion).backward()
    optimizers.features.step()
    return {"class_loss": class_loss.item(), "domain_loss": domain_loss.item()}
