# ruff: noqa: B905, F811, F841
import torch
import torch.nn.functional as F

from dalib_edu import m3sda
from dalib_edu.check import hw1 as check
from dalib_edu.m3sda import discrepancy, moment_distance


def class_loss(model, features, labels):
    return sum(
        F.cross_entropy(classifier(f), y)
        for f, y in zip(features, labels, strict=True)
        for classifier in (model.classifier1, model.classifier2)
    )


# mutant plus: plus_sign
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant no discrepancy: no_discrepancy
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant no class loss: no_class_loss
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(-gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant the sign turned: all_negative
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(gap - loss).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant discrepancy on the sources: on_sources
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    f = torch.cat(features[:-1])
    gap = discrepancy(model.classifier1(f), model.classifier2(f))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant discrepancy on everything: on_everything
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    f = torch.cat(features)
    gap = discrepancy(model.classifier1(f), model.classifier2(f))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant classifier 1 detached: logits1_detached
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]).detach(), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant classifier 2 detached: logits2_detached
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]).detach())
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant discrepancy under no_grad: no_discrepancy
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
        gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant both optimisers stepped: features_moved
def phase2_step(model, optimizers, sources, labels, target, scaler):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.step(optimizers.features)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant features stepped along what was left: features_moved
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.step(optimizers.features)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant the features' optimiser alone: features_moved
def phase2_step(model, optimizers, sources, labels, target, scaler):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.features.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.features)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant gradients left in the features, as in the circulating code: leaks
def phase2_step(model, optimizers, sources, labels, target, scaler):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant gradients left by the target alone: leaks
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in sources]
    features.append(model.feature_extractor(target))
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant gradients left by a moment distance: leaks
def phase2_step(model, optimizers, sources, labels, target, scaler):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    distance = moment_distance(features[:-1], features[-1])
    scaler.scale(loss + 0.1 * distance - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant zero_grad of the features before the backward: leaks
def phase2_step(model, optimizers, sources, labels, target, scaler):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    optimizers.features.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant classifier 1 alone in the class loss: classifier1_only
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = sum(F.cross_entropy(model.classifier1(f), y) for f, y in zip(features, labels))
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant classifier 2 alone in the class loss: classifier2_only
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = sum(F.cross_entropy(model.classifier2(f), y) for f, y in zip(features, labels))
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant the first source alone: first_source_only
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:1], labels[:1])
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant a classifier for each source: a_classifier_each
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    classifiers = (model.classifier1, model.classifier2)
    loss = sum(F.cross_entropy(c(f), y) for c, f, y in zip(classifiers, features, labels))
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant mean over the sources: mean_of_sources
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels) / len(sources)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant sources in one batch: sources_joined
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, [torch.cat(features[:-1])], [torch.cat(list(labels))])
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant classifier 1 frozen: classifier1_still
def phase2_step(model, optimizers, sources, labels, target, scaler):
    model.classifier1.requires_grad_(False)
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    for p in model.classifier1.parameters():
        p.grad = None
    scaler.step(optimizers.classifiers)
    scaler.update()
    model.classifier1.requires_grad_(True)
    return {"discrepancy_before": gap.item()}


# mutant no zero_grad: stale_classifiers
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant zero_grad of the features alone: stale_classifiers
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.features.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant zero_grad after the step: stale_classifiers
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    optimizers.classifiers.zero_grad()
    return {"discrepancy_before": gap.item()}


# mutant zero_grad after the backward: no_gradient
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    scaler.scale(loss - gap).backward()
    optimizers.classifiers.zero_grad()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant no step: no_step
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    return {"discrepancy_before": gap.item()}


# mutant no step but an update: no_scaler_step
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant two steps: stepped_twice
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    optimizers.classifiers.step()
    return {"discrepancy_before": gap.item()}


# mutant scaled, but a plain step: not_unscaled
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    optimizers.classifiers.step()
    return {"discrepancy_before": gap.item()}


# mutant scaled, a plain step and an update: no_scaler_step
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    optimizers.classifiers.step()
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant not scaled, but a step of the scaler: not_scaled
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    (loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant no scaler: scaler_unused
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    (loss - gap).backward()
    optimizers.classifiers.step()
    return {"discrepancy_before": gap.item()}


# mutant no update of the scaler: no_update
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    return {"discrepancy_before": gap.item()}


# mutant features left frozen: left_frozen
def phase2_step(model, optimizers, sources, labels, target, scaler):
    model.feature_extractor.requires_grad_(False)
    features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant no figures: returned_none
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()


# mutant another figure: figures
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy": gap.item()}


# mutant the negative discrepancy returned: wrong_figures
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": -gap.item()}


# mutant the discrepancy after the step: wrong_figures
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    return {"discrepancy_before": gap.item()}


# mutant the whole loss returned: wrong_figures
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": (loss - gap).item()}


# mutant a tensor with its graph: keeps_graph
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap}


# mutant features left in eval mode: left_in_eval
def phase2_step(model, optimizers, sources, labels, target, scaler):
    model.feature_extractor.eval()
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant evaluation mode for the features: in_eval
def phase2_step(model, optimizers, sources, labels, target, scaler):
    model.feature_extractor.eval()
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    model.feature_extractor.train()
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# mutant the course's own phase from its features: reference_called
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    return m3sda._disagree(model, optimizers, features, labels, scaler)


# mutant the simulation of the check: reference_called
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = check._class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# alternative no_grad
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# alternative detached
def phase2_step(model, optimizers, sources, labels, target, scaler):
    features = [model.feature_extractor(x).detach() for x in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# alternative features frozen for a while
def phase2_step(model, optimizers, sources, labels, target, scaler):
    model.feature_extractor.requires_grad_(False)
    features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    model.feature_extractor.requires_grad_(True)
    return {"discrepancy_before": gap.item()}


# alternative one forward for all
def phase2_step(model, optimizers, sources, labels, target, scaler):
    sizes = [len(images) for images in (*sources, target)]
    with torch.no_grad():
        features = model.feature_extractor(torch.cat([*sources, target])).split(sizes)
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# alternative every gradient cleared
def phase2_step(model, optimizers, sources, labels, target, scaler):
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad(set_to_none=False)
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# alternative inputs of the backward named
def phase2_step(model, optimizers, sources, labels, target, scaler):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    weights = [*model.classifier1.parameters(), *model.classifier2.parameters()]
    scaler.scale(loss - gap).backward(inputs=weights)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.item()}


# alternative a loop and two backwards
def phase2_step(model, optimizers, sources, labels, target, scaler):
    model.zero_grad()
    for images, its_labels in zip(sources, labels):
        with torch.inference_mode():
            features = model.feature_extractor(images)
        features = features.clone()
        for classifier in (model.classifier1, model.classifier2):
            scaler.scale(F.cross_entropy(classifier(features), its_labels)).backward()
    with torch.no_grad():
        features = model.feature_extractor(target)
    p1, p2 = model.classifier1(features).softmax(1), model.classifier2(features).softmax(1)
    gap = (p1 - p2).abs().mean()
    scaler.scale(-gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"discrepancy_before": gap.detach()}


# alternative classifiers in evaluation mode, which they do not have
def phase2_step(model, optimizers, sources, labels, target, scaler):
    model.classifier1.eval()
    model.classifier2.eval()
    with torch.no_grad():
        features = [model.feature_extractor(images) for images in (*sources, target)]
    gap = discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    loss = class_loss(model, features[:-1], labels)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - gap).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    model.train()
    return {"discrepancy_before": gap.detach().numpy()}
