# ruff: noqa: F811
import torch
import torch.nn.functional as F

from dalib_edu import m3sda
from dalib_edu.m3sda import discrepancy


# mutant once: once
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(1):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
    return {"discrepancy": gap.item()}


# mutant always four times: always_four
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(4):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
    return {"discrepancy": gap.item()}


# mutant one time too many: one_more
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats + 1):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
    return {"discrepancy": gap.item()}


# mutant one time too few: one_less
def phase3_step(model, optimizers, target, repeats, scaler):
    gap = torch.zeros(())
    for _ in range(1, repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
    return {"discrepancy": gap.item()}


# mutant the discrepancy made large: maximised
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(-gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
    return {"discrepancy": gap.item()}


# mutant one forward: one_forward
def phase3_step(model, optimizers, target, repeats, scaler):
    features = model.feature_extractor(target)
    for _ in range(repeats):
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward(retain_graph=True)
        scaler.step(optimizers.features)
        scaler.update()
    return {"discrepancy": gap.item()}


# mutant one forward and one discrepancy: one_forward
def phase3_step(model, optimizers, target, repeats, scaler):
    features = model.feature_extractor(target)
    gap = discrepancy(model.classifier1(features), model.classifier2(features))
    for _ in range(repeats):
        optimizers.features.zero_grad()
        scaler.scale(gap).backward(retain_graph=True)
        scaler.step(optimizers.features)
        scaler.update()
    return {"discrepancy": gap.item()}


# mutant one step along the sum: summed
def phase3_step(model, optimizers, target, repeats, scaler):
    optimizers.features.zero_grad()
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        scaler.scale(gap).backward()
    scaler.step(optimizers.features)
    scaler.update()
    return {"discrepancy": gap.item()}


# mutant zero_grad before the loop: accumulated
def phase3_step(model, optimizers, target, repeats, scaler):
    optimizers.features.zero_grad()
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
    return {"discrepancy": gap.item()}


# mutant no zero_grad: never_zeroed
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
    return {"discrepancy": gap.item()}


# mutant zero_grad after the step, as in the circulating code: stale_features
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
        optimizers.features.zero_grad()
    return {"discrepancy": gap.item()}


# mutant zero_grad of the classifiers alone: never_zeroed
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.classifiers.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
    return {"discrepancy": gap.item()}


# mutant divided by the repeats: averaged
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap / repeats).backward()
        scaler.step(optimizers.features)
        scaler.update()
    return {"discrepancy": gap.item()}


# mutant both optimisers stepped: classifiers_moved
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.step(optimizers.classifiers)
        scaler.update()
    return {"discrepancy": gap.item()}


# mutant the classifiers' optimiser alone: classifiers_moved
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.classifiers.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.classifiers)
        scaler.update()
    return {"discrepancy": gap.item()}


# mutant both stepped, the classifiers away: classifiers_moved
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        optimizers.classifiers.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.step(optimizers.classifiers)
        scaler.update()
    return {"discrepancy": gap.item()}


# mutant classifier 1 detached: logits1_detached
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features).detach(), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
    return {"discrepancy": gap.item()}


# mutant classifier 2 detached: logits2_detached
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features).detach())
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
    return {"discrepancy": gap.item()}


# mutant classifiers under no_grad: raised
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        with torch.no_grad():
            gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
    return {"discrepancy": gap.item()}


# mutant features detached: no_gradient
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target).detach()
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
    return {"discrepancy": gap.item()}


# mutant classifiers left frozen: left_frozen
def phase3_step(model, optimizers, target, repeats, scaler):
    model.classifier1.requires_grad_(False)
    model.classifier2.requires_grad_(False)
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
    return {"discrepancy": gap.item()}


# mutant features frozen in place of the classifiers: no_gradient
def phase3_step(model, optimizers, target, repeats, scaler):
    model.feature_extractor.requires_grad_(False)
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
    model.feature_extractor.requires_grad_(True)
    return {"discrepancy": gap.item()}


# mutant no step: no_step
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
    return {"discrepancy": gap.item()}


# mutant no step but an update: no_scaler_step
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        scaler.update()
    return {"discrepancy": gap.item()}


# mutant two steps each: stepped_twice
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
        optimizers.features.step()
    return {"discrepancy": gap.item()}


# mutant scaled, but plain steps: not_unscaled
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        optimizers.features.step()
    return {"discrepancy": gap.item()}


# mutant scaled, plain steps and updates: no_scaler_step
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        optimizers.features.step()
        scaler.update()
    return {"discrepancy": gap.item()}


# mutant not scaled, but steps of the scaler: not_scaled
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        gap.backward()
        scaler.step(optimizers.features)
        scaler.update()
    return {"discrepancy": gap.item()}


# mutant no scaler: scaler_unused
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        gap.backward()
        optimizers.features.step()
    return {"discrepancy": gap.item()}


# mutant update of the scaler after the loop: no_update
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
    scaler.update()
    return {"discrepancy": gap.item()}


# mutant no update of the scaler: no_update
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
    return {"discrepancy": gap.item()}


# mutant no figures: returned_none
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()


# mutant another figure: figures
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
    return {"loss": gap.item()}


# mutant the sum of the discrepancies: wrong_figures
def phase3_step(model, optimizers, target, repeats, scaler):
    total = 0
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        total += gap.item()
        scaler.step(optimizers.features)
        scaler.update()
    return {"discrepancy": total}


# mutant a tensor with its graph: keeps_graph
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
    return {"discrepancy": gap}


# mutant features left in eval mode: left_in_eval
def phase3_step(model, optimizers, target, repeats, scaler):
    model.feature_extractor.eval()
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
    return {"discrepancy": gap.item()}


# mutant classifiers left in eval mode: left_in_eval
def phase3_step(model, optimizers, target, repeats, scaler):
    model.classifier1.eval()
    model.classifier2.eval()
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
    return {"discrepancy": gap.item()}


# mutant evaluation mode in the loop: in_eval
def phase3_step(model, optimizers, target, repeats, scaler):
    model.eval()
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
    model.train()
    return {"discrepancy": gap.item()}


# mutant the last repeats in evaluation mode: in_eval
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
        model.feature_extractor.eval()
    model.feature_extractor.train()
    return {"discrepancy": gap.item()}


# mutant the update of the course: reference_called
def phase3_step(model, optimizers, target, repeats, scaler):
    weights = [*model.classifier1.parameters(), *model.classifier2.parameters()]
    for weight in weights:
        weight.requires_grad_(False)
    for _ in range(repeats):
        gap = discrepancy(*model.logits(target))
        m3sda._update(gap, [optimizers.features], scaler)
    for weight in weights:
        weight.requires_grad_(True)
    return {"discrepancy": gap.item()}


# alternative classifiers take gradients that nobody uses
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
    return {"discrepancy": gap.item()}


# alternative classifiers frozen for a while
def phase3_step(model, optimizers, target, repeats, scaler):
    model.classifier1.requires_grad_(False)
    model.classifier2.requires_grad_(False)
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
    model.classifier1.requires_grad_(True)
    model.classifier2.requires_grad_(True)
    return {"discrepancy": gap.item()}


# alternative every gradient cleared
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        model.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
    return {"discrepancy": gap.item()}


# alternative classifiers cleared afterwards
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
    optimizers.classifiers.zero_grad()
    return {"discrepancy": gap.item()}


# alternative inputs of the backward named
def phase3_step(model, optimizers, target, repeats, scaler):
    for _ in range(repeats):
        features = model.feature_extractor(target)
        gap = discrepancy(model.classifier1(features), model.classifier2(features))
        optimizers.features.zero_grad()
        scaler.scale(gap).backward(inputs=list(model.feature_extractor.parameters()))
        scaler.step(optimizers.features)
        scaler.update()
    return {"discrepancy": gap.item()}


# alternative the model's own logits, and the mean of the figures
def phase3_step(model, optimizers, target, repeats, scaler):
    figures = []
    for _ in range(repeats):
        gap = discrepancy(*model.logits(target))
        figures.append(gap.item())
        optimizers.features.zero_grad()
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
    return {"discrepancy": sum(figures) / len(figures)}


# alternative functional calls and a while
def phase3_step(model, optimizers, target, repeats, scaler):
    frozen = [
        {name: p.detach() for name, p in classifier.named_parameters()}
        for classifier in (model.classifier1, model.classifier2)
    ]
    done = 0
    while done < repeats:
        optimizers.features.zero_grad(set_to_none=False)
        features = model.feature_extractor(target)
        p1 = torch.func.functional_call(model.classifier1, frozen[0], features).softmax(1)
        p2 = torch.func.functional_call(model.classifier2, frozen[1], features).softmax(1)
        gap = F.l1_loss(p1, p2)
        scaler.scale(gap).backward()
        scaler.step(optimizers.features)
        scaler.update()
        done += 1
    return {"discrepancy": gap.detach()}
