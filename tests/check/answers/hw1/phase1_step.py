# ruff: noqa: B905, F811
import numpy as np
import torch
import torch.nn.functional as F

from dalib_edu import m3sda
from dalib_edu.m3sda import discrepancy, moment_distance


def class_loss(model, features, labels):
    return sum(
        F.cross_entropy(classifier(f), y)
        for f, y in zip(features, labels, strict=True)
        for classifier in (model.classifier1, model.classifier2)
    )


# mutant weight ignored: weight_ignored
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant no moment distance: no_moments
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant moment distance of detached features: no_moments
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    detached = [f.detach() for f in features]
    distance = moment_distance(detached[:-1], detached[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant minus: moments_negative
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss - weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant weight on everything: weight_on_everything
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(weight * (loss + distance)).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant classifiers see detached features: class_detached
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, [f.detach() for f in features[:-1]], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant everything detached: no_gradient
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(x).detach() for x in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant orders ignored: orders_ignored
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1])
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant sources joined for the moments: moments_joined
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance([torch.cat(features[:-1])], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant the first source's moments alone: moments_first_source
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant classifier 1 alone: classifier1_only
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = sum(F.cross_entropy(model.classifier1(f), y) for f, y in zip(features, labels))
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant classifier 2 alone: classifier2_only
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = sum(F.cross_entropy(model.classifier2(f), y) for f, y in zip(features, labels))
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant the first source alone: first_source_only
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:1], labels[:1])
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant the last source alone: last_source_only
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[-2:-1], labels[-1:])
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant a classifier for each source: a_classifier_each
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    classifiers = (model.classifier1, model.classifier2)
    loss = sum(F.cross_entropy(c(f), y) for c, f, y in zip(classifiers, features, labels))
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant mean over the sources: mean_of_sources
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels) / len(sources)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant mean over the classifiers: mean_of_classifiers
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels) / 2
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant mean over both: mean_of_all
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels) / (2 * len(sources))
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant sources in one batch: sources_joined
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, [torch.cat(features[:-1])], [torch.cat(list(labels))])
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant the ensemble's cross-entropy: ensemble_loss
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    logits = [(model.classifier1(f) + model.classifier2(f)) / 2 for f in features[:-1]]
    loss = sum(F.cross_entropy(logit, y) for logit, y in zip(logits, labels))
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant sum over the pictures: sum_over_rows
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = sum(
        F.cross_entropy(c(f), y, reduction="sum")
        for f, y in zip(features, labels)
        for c in (model.classifier1, model.classifier2)
    )
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant with the discrepancy: with_discrepancy
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(
        loss
        + weight * distance
        + discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    ).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant with minus the discrepancy: minus_discrepancy
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(
        loss
        + weight * distance
        - discrepancy(model.classifier1(features[-1]), model.classifier2(features[-1]))
    ).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant features not stepped: features_still
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant classifiers not stepped: classifiers_still
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant nothing stepped: no_scaler_step
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant nothing stepped or updated: no_step
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant no zero_grad: stale
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant zero_grad of the features alone: stale_classifiers
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant zero_grad of the classifiers alone: stale_features
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant zero_grad after the step, as in the circulating code: stale
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant zero_grad after the backward: no_gradient
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    scaler.scale(loss + weight * distance).backward()
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant scaled, but plain steps: not_unscaled
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    optimizers.features.step()
    optimizers.classifiers.step()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant scaled, plain steps and an update: no_scaler_step
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    optimizers.features.step()
    optimizers.classifiers.step()
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant not scaled, but steps of the scaler: not_scaled
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    (loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant no scaler: scaler_unused
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    (loss + weight * distance).backward()
    optimizers.features.step()
    optimizers.classifiers.step()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant no update of the scaler: no_update
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant no figures: returned_none
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()


# mutant another figure: figures
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"loss": loss.item(), "moment_distance": distance.item()}


# mutant the weighted distance returned: wrong_figures
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": weight * distance.item()}


# mutant the whole loss returned: wrong_figures
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": (loss + weight * distance).item(), "moment_distance": distance.item()}


# mutant the losses after the update: wrong_figures
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant features frozen at the end: left_frozen
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    model.feature_extractor.requires_grad_(True)
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    model.feature_extractor.requires_grad_(False)
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant the moments of the pictures: no_moments
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    flat = [images.flatten(1) for images in (*sources, target)]
    distance = moment_distance(flat[:-1], flat[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant sources under no_grad: sources_detached
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    with torch.no_grad():
        f_sources = [model.feature_extractor(images) for images in sources]
    f_target = model.feature_extractor(target)
    loss = class_loss(model, f_sources, labels)
    distance = moment_distance(f_sources, f_target, orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant the moments' sources detached: moments_sources_detached
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance([f.detach() for f in features[:-1]], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant the moments' target detached: moments_target_detached
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1].detach(), orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant tensors with their graph returned: keeps_graph
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss, "moment_distance": distance}


# mutant one figure with its graph: keeps_graph
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance}


# mutant features left in eval mode: left_in_eval
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    model.feature_extractor.eval()
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant everything left in eval mode: left_in_eval
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    model.eval()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant evaluation mode during the step: in_eval
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    model.eval()
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    model.train()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant the target alone in evaluation mode: in_eval
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in sources]
    model.feature_extractor.eval()
    features.append(model.feature_extractor(target))
    model.feature_extractor.train()
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant the mean class loss returned: wrong_figures
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item() / 2 / len(labels), "moment_distance": distance.item()}


# mutant the library's class loss: reference_called
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = m3sda.class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# mutant an iteration without repeats: reference_called
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    return m3sda.train_step(
        model, optimizers, sources, labels, target, weight=weight, repeats=0, scaler=scaler,
        orders=orders,
    )  # fmt: skip


# mutant the update of the course: reference_called
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    loss = loss + weight * distance
    m3sda._update(loss, [optimizers.features, optimizers.classifiers], scaler)
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# alternative one forward a domain
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# alternative one forward for all
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    sizes = [len(images) for images in (*sources, target)]
    features = model.feature_extractor(torch.cat([*sources, target])).split(sizes)
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.item(), "moment_distance": distance.item()}


# alternative loops and two backwards
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    model.zero_grad()
    features = []
    total = torch.zeros(())
    for images, its_labels in zip(sources, labels, strict=True):
        features.append(model.feature_extractor(images))
        total = total + torch.nn.CrossEntropyLoss()(model.classifier1(features[-1]), its_labels)
        total = total + torch.nn.CrossEntropyLoss()(model.classifier2(features[-1]), its_labels)
    distance = moment_distance(features, model.feature_extractor(target), orders)
    scaler.scale(total).backward(retain_graph=True)
    scaler.scale(weight * distance).backward()
    for optimizer in (optimizers.classifiers, optimizers.features):
        scaler.step(optimizer)
    scaler.update()
    return {"class_loss": float(total), "moment_distance": float(distance), "weight": weight}


# alternative moments by hand, and tensors returned
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    f_sources = [model.feature_extractor(images) for images in sources]
    f_target = model.feature_extractor(target)
    distance = 0
    for k in orders:
        means, mean = [(f**k).mean(0) for f in f_sources], (f_target**k).mean(0)
        distance = distance + sum((one - mean).norm() for one in means) / len(means)
        pairs = [(means[i] - means[j]).norm() for i in range(len(means)) for j in range(i)]
        distance = distance + (sum(pairs) / len(pairs) if pairs else 0)
    loss = 0
    for f, y in zip(f_sources, labels):
        for classifier in (model.classifier1, model.classifier2):
            log_probabilities = classifier(f).log_softmax(dim=1)
            loss = loss - log_probabilities[torch.arange(len(y)), y].mean()
    for optimizer in (optimizers.features, optimizers.classifiers):
        optimizer.zero_grad(set_to_none=False)
    scaler.scale(loss + weight * distance).backward()
    scaler.unscale_(optimizers.features)
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {"class_loss": loss.detach(), "moment_distance": distance.detach()}


# alternative training mode is asked for, and figures by numpy
def phase1_step(model, optimizers, sources, labels, target, weight, scaler, orders=(1, 2)):
    model.train()
    features = [model.feature_extractor(images) for images in (*sources, target)]
    loss = class_loss(model, features[:-1], labels)
    distance = moment_distance(features[:-1], features[-1], orders)
    optimizers.features.zero_grad()
    optimizers.classifiers.zero_grad()
    scaler.scale(loss + weight * distance).backward()
    scaler.step(optimizers.features)
    scaler.step(optimizers.classifiers)
    scaler.update()
    return {
        "moment_distance": np.float32(distance.item()),
        "class_loss": loss.detach().numpy(),
        "loss": float(loss + weight * distance),
    }
