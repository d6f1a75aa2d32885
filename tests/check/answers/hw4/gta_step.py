# ruff: noqa: B905, F811
import copy

import torch
import torch.nn.functional as F


# mutant discriminator not stepped: no_discriminator
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant discriminator not cleared: stale_discriminator
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant generator not stepped: no_generator
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant generator not cleared: stale_generator
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant classifier not stepped: no_label_classifier
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant classifier not cleared: stale_label_classifier
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant features not stepped: no_feature_extractor
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant features not cleared: stale_feature_extractor
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant nothing cleared: stale_all
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant no detach and F not cleared: stale_feature_extractor
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    def draw():
        code = functions.generator_input
        of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw()
    judged = [model.discriminator(x) for x in (source, fake_source, fake_target)]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    fake_source, _ = draw()
    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model(source), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw()
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model(source), *judged, labels)
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant no detach and G not cleared: stale_generator
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    def draw():
        code = functions.generator_input
        of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw()
    judged = [model.discriminator(x) for x in (source, fake_source, fake_target)]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    fake_source, _ = draw()
    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model(source), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw()
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model(source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant no detach and nothing cleared: stale_all
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    def draw():
        code = functions.generator_input
        of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw()
    judged = [model.discriminator(x) for x in (source, fake_source, fake_target)]
    d_loss = functions.d_loss(*judged, labels)
    d_loss.backward()
    optimizers.discriminator.step()

    fake_source, _ = draw()
    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model(source), labels)
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw()
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model(source), *judged, labels)
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant no detach, cleared at the start alone: zero_at_the_start
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()

    def draw():
        code = functions.generator_input
        of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw()
    judged = [model.discriminator(x) for x in (source, fake_source, fake_target)]
    d_loss = functions.d_loss(*judged, labels)
    d_loss.backward()
    optimizers.discriminator.step()

    fake_source, _ = draw()
    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model(source), labels)
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw()
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model(source), *judged, labels)
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant D's loss steps G and F: twice_generator
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    def draw():
        code = functions.generator_input
        of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw()
    judged = [model.discriminator(x) for x in (source, fake_source, fake_target)]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()
    optimizers.generator.step()
    optimizers.features.step()

    fake_source, _ = draw()
    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model(source), labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw()
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model(source), *judged, labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant D's loss steps F: twice_feature_extractor
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    def draw():
        code = functions.generator_input
        of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw()
    judged = [model.discriminator(x) for x in (source, fake_source, fake_target)]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()
    optimizers.features.step()

    fake_source, _ = draw()
    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model(source), labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw()
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model(source), *judged, labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant D's loss steps G: twice_generator
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    def draw():
        code = functions.generator_input
        of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw()
    judged = [model.discriminator(x) for x in (source, fake_source, fake_target)]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()
    optimizers.generator.step()

    fake_source, _ = draw()
    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model(source), labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw()
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model(source), *judged, labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant G's loss steps F: twice_feature_extractor
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    def draw():
        code = functions.generator_input
        of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw()
    judged = [model.discriminator(x) for x in (source, fake_source, fake_target)]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    fake_source, _ = draw()
    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    g_loss.backward()
    optimizers.generator.step()
    optimizers.features.step()

    c_loss = functions.c_loss(model(source), labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw()
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model(source), *judged, labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant G's loss steps D: twice_discriminator
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    def draw():
        code = functions.generator_input
        of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw()
    judged = [model.discriminator(x) for x in (source, fake_source, fake_target)]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    fake_source, _ = draw()
    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    g_loss.backward()
    optimizers.generator.step()
    optimizers.discriminator.step()

    c_loss = functions.c_loss(model(source), labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw()
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model(source), *judged, labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant C's loss steps F: twice_feature_extractor
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    def draw():
        code = functions.generator_input
        of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw()
    judged = [model.discriminator(x) for x in (source, fake_source, fake_target)]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    fake_source, _ = draw()
    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model(source), labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()
    optimizers.features.step()

    fake_source, fake_target = draw()
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model(source), *judged, labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant F's loss steps C: twice_label_classifier
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    def draw():
        code = functions.generator_input
        of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw()
    judged = [model.discriminator(x) for x in (source, fake_source, fake_target)]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    fake_source, _ = draw()
    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model(source), labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw()
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model(source), *judged, labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    optimizers.classifier.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant F's loss steps G: twice_generator
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    def draw():
        code = functions.generator_input
        of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw()
    judged = [model.discriminator(x) for x in (source, fake_source, fake_target)]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    fake_source, _ = draw()
    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model(source), labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw()
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model(source), *judged, labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    optimizers.generator.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant F's loss steps G and D: twice_discriminator
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    def draw():
        code = functions.generator_input
        of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw()
    judged = [model.discriminator(x) for x in (source, fake_source, fake_target)]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    fake_source, _ = draw()
    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model(source), labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw()
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model(source), *judged, labels)
    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    optimizers.generator.step()
    optimizers.discriminator.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant F detached in its own update: detached
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant the target detached: target_detached
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target.detach())
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant C's logits of before: old_label_classifier
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    old = copy.deepcopy(model.label_classifier)
    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(old(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant pictures of before for F: old_generator
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    old = copy.deepcopy(model.generator)
    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    code = functions.generator_input
    fake_source = old(code(of_source, noise_source, labels, model.classes))
    fake_target = old(code(of_target, noise_target, None, model.classes))
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant D of before: old_discriminator
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    old = copy.deepcopy(model.discriminator)
    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(old(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = old(fake_source), old(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant all losses first: old_everything
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source, of_target)
    judged = [model.discriminator(x) for x in (source, fake_source, fake_target)]
    logits = model.label_classifier(of_source)
    losses = {
        "d_loss": functions.d_loss(*judged, labels),
        "g_loss": functions.g_loss(judged[1], labels),
        "c_loss": functions.c_loss(logits, labels),
        "f_loss": functions.f_loss(logits, *judged[1:], labels),
    }
    networks = [model.discriminator, model.generator]
    networks += [model.label_classifier, model.feature_extractor]
    each = [optimizers.discriminator, optimizers.generator]
    each += [optimizers.classifier, optimizers.features]
    gradients = [
        torch.autograd.grad(loss, list(network.parameters()), retain_graph=True)
        for loss, network in zip(losses.values(), networks)
    ]
    for network, optimizer, gradient in zip(networks, each, gradients):
        for weight, values in zip(network.parameters(), gradient):
            weight.grad = values
        optimizer.step()
    return {name: loss.item() for name, loss in losses.items()}


# mutant the published order with one graph: raised
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source, of_target)
    judged = [model.discriminator(x) for x in (source, fake_source, fake_target)]
    logits = model.label_classifier(of_source)
    losses = {
        "d_loss": functions.d_loss(*judged, labels),
        "g_loss": functions.g_loss(judged[1], labels),
        "c_loss": functions.c_loss(logits, labels),
        "f_loss": functions.f_loss(logits, *judged[1:], labels),
    }
    each = [optimizers.discriminator, optimizers.generator]
    each += [optimizers.classifier, optimizers.features]
    for loss, optimizer in zip(losses.values(), each):
        optimizer.zero_grad()
        loss.backward(retain_graph=True)
        optimizer.step()
    return {name: loss.item() for name, loss in losses.items()}


# mutant the sum of all losses: sum
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source, of_target)
    judged = [model.discriminator(x) for x in (source, fake_source, fake_target)]
    logits = model.label_classifier(of_source)
    losses = {
        "d_loss": functions.d_loss(*judged, labels),
        "g_loss": functions.g_loss(judged[1], labels),
        "c_loss": functions.c_loss(logits, labels),
        "f_loss": functions.f_loss(logits, *judged[1:], labels),
    }
    each = [optimizers.discriminator, optimizers.generator]
    each += [optimizers.classifier, optimizers.features]
    for optimizer in each:
        optimizer.zero_grad()
    sum(losses.values()).backward()
    for optimizer in each:
        optimizer.step()
    return {name: loss.item() for name, loss in losses.items()}


# mutant the order GDCF: order
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    def draw():
        code = functions.generator_input
        of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, _ = draw()
    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    fake_source, fake_target = draw()
    judged = [model.discriminator(x) for x in (source, fake_source, fake_target)]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    c_loss = functions.c_loss(model(source), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw()
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model(source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant the order CFDG: order
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    def draw():
        code = functions.generator_input
        of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    c_loss = functions.c_loss(model(source), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw()
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model(source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()

    fake_source, fake_target = draw()
    judged = [model.discriminator(x) for x in (source, fake_source, fake_target)]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    fake_source, _ = draw()
    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant the order FDGC: order
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    def draw():
        code = functions.generator_input
        of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw()
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model(source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()

    fake_source, fake_target = draw()
    judged = [model.discriminator(x) for x in (source, fake_source, fake_target)]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    fake_source, _ = draw()
    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model(source), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant the order DFGC: order
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    def draw():
        code = functions.generator_input
        of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw()
    judged = [model.discriminator(x) for x in (source, fake_source, fake_target)]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    fake_source, fake_target = draw()
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model(source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()

    fake_source, _ = draw()
    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model(source), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant the order DGFC: order
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    def draw():
        code = functions.generator_input
        of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw()
    judged = [model.discriminator(x) for x in (source, fake_source, fake_target)]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    fake_source, _ = draw()
    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    fake_source, fake_target = draw()
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model(source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()

    c_loss = functions.c_loss(model(source), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant labels for the target: target_labels
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(
                code(
                    of_target,
                    noise_target,
                    labels[: len(target)].repeat(len(target))[: len(target)],
                    model.classes,
                )
            ),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant no labels for the source: source_None
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, None, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant fakes swapped: swapped_fakes
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_target, noise_target, None, model.classes)),
            model.generator(code(of_source, noise_source, labels, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant fakes swapped in D's loss: swapped_in_d
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_target.detach(), fake_source.detach())]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant target as real: target_in_d
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [
        model.discriminator(x)
        for x in (
            target[: len(source)].repeat(len(source), 1, 1, 1)[: len(source)],
            fake_source.detach(),
            fake_target.detach(),
        )
    ]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant a target term for G: target_in_g
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    g_loss = g_loss + F.softplus(-model.discriminator(fake_target).data).mean()
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant no noise: no_noise
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    noise_source, noise_target = 0 * noise_source, 0 * noise_target

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant noise of its own
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    noise_source, noise_target = torch.randn_like(noise_source), torch.randn_like(noise_target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant D judges the real pictures alone
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, source, source)]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant functions not used: own_losses
def bce(logits, label):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


def own_d_loss(real, fake_source, fake_target, labels):
    data = bce(real.data, 1.0) + bce(fake_source.data, 0.0) + bce(fake_target.data, 0.0)
    return F.cross_entropy(real.classes, labels) + data


def own_g_loss(fake_source, labels):
    return F.cross_entropy(fake_source.classes, labels) + bce(fake_source.data, 1.0)


def own_f_loss(class_logits, fake_source, fake_target, labels, a=0.1, t=0.3):
    adversarial = F.cross_entropy(fake_source.classes, labels) + t * bce(fake_target.data, 1.0)
    return F.cross_entropy(class_logits, labels) + a * adversarial


def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = own_d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = own_g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = own_f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant no return: returned_none
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()


# mutant a tuple: figures
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    return d_loss.item(), g_loss.item(), c_loss.item(), f_loss.item()


# mutant other names: figures
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"D": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant figures of D and G swapped: wrong_figures
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": g_loss, "g_loss": d_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# mutant D's loss of after: wrong_figures
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    d_loss = functions.d_loss(model.discriminator(source), *judged, labels)
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# alternative cleared at the start alone, nothing else reached
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    optimizers.discriminator.zero_grad()
    optimizers.generator.zero_grad()
    optimizers.classifier.zero_grad()
    optimizers.features.zero_grad()
    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# alternative as the course's
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# alternative no detach, own clearing
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    def draw():
        code = functions.generator_input
        of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw()
    judged = [model.discriminator(x) for x in (source, fake_source, fake_target)]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    fake_source, _ = draw()
    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model(source), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw()
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model(source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# alternative the order DCGF, which changes nothing
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    optimizers.discriminator.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    optimizers.classifier.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    optimizers.generator.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    optimizers.features.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# alternative everything cleared each time
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)

    def draw(of_source, of_target):
        code = functions.generator_input
        return (
            model.generator(code(of_source, noise_source, labels, model.classes)),
            model.generator(code(of_target, noise_target, None, model.classes)),
        )

    fake_source, fake_target = draw(of_source.detach(), of_target.detach())
    judged = [model.discriminator(x) for x in (source, fake_source.detach(), fake_target.detach())]
    d_loss = functions.d_loss(*judged, labels)
    model.zero_grad()
    d_loss.backward()
    optimizers.discriminator.step()

    g_loss = functions.g_loss(model.discriminator(fake_source), labels)
    model.zero_grad()
    g_loss.backward()
    optimizers.generator.step()

    c_loss = functions.c_loss(model.label_classifier(of_source.detach()), labels)
    model.zero_grad()
    c_loss.backward()
    optimizers.classifier.step()

    fake_source, fake_target = draw(of_source, of_target)
    judged = model.discriminator(fake_source), model.discriminator(fake_target)
    f_loss = functions.f_loss(model.label_classifier(of_source), *judged, labels)
    model.zero_grad()
    f_loss.backward()
    optimizers.features.step()
    losses = {"d_loss": d_loss, "g_loss": g_loss, "c_loss": c_loss, "f_loss": f_loss}
    return {name: loss.item() for name, loss in losses.items()}


# alternative backward to the own weights alone
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    def update(optimizer, loss):
        weights = [w for group in optimizer.param_groups for w in group["params"]]
        optimizer.zero_grad(set_to_none=False)
        loss.backward(inputs=weights)
        optimizer.step()
        return float(loss)

    def fakes():
        code, networks = functions.generator_input, (model.feature_extractor, model.generator)
        f, g = networks
        made = g(code(f(source), noise_source, labels, model.classes))
        return made, g(code(f(target), noise_target, None, model.classes))

    judge, figures = model.discriminator, {}
    loss = functions.d_loss(judge(source), *map(judge, fakes()), labels)
    figures["d_loss"] = update(optimizers.discriminator, loss)
    loss = functions.g_loss(judge(fakes()[0]), labels)
    figures["g_loss"] = update(optimizers.generator, loss)
    loss = functions.c_loss(model(source), labels)
    figures["c_loss"] = update(optimizers.classifier, loss)
    loss = functions.f_loss(model(source), *map(judge, fakes()), labels)
    figures["f_loss"] = update(optimizers.features, loss)
    return figures


# alternative torch.autograd.grad
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    code = functions.generator_input
    features = model.feature_extractor(source), model.feature_extractor(target)

    def move(optimizer, network, loss):
        weights = list(network.parameters())
        for weight, gradient in zip(weights, torch.autograd.grad(loss, weights, retain_graph=True)):
            weight.grad = gradient
        optimizer.step()
        return loss

    def fakes():
        return [
            model.generator(code(f, z, y, model.classes))
            for f, z, y in zip(features, (noise_source, noise_target), (labels, None))
        ]

    first = [model.discriminator(x) for x in (source, *fakes())]
    d = move(optimizers.discriminator, model.discriminator, functions.d_loss(*first, labels))
    second = model.discriminator(fakes()[0])
    g = move(optimizers.generator, model.generator, functions.g_loss(second, labels))
    logits = model.label_classifier(features[0])
    c = move(optimizers.classifier, model.label_classifier, functions.c_loss(logits, labels))
    logits, third = model.label_classifier(features[0]), [model.discriminator(x) for x in fakes()]
    f = move(optimizers.features, model.feature_extractor, functions.f_loss(logits, *third, labels))
    return {"d_loss": d, "g_loss": g, "c_loss": c, "f_loss": f}


# alternative networks frozen in turn
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    networks = {
        "discriminator": model.discriminator,
        "generator": model.generator,
        "classifier": model.label_classifier,
        "features": model.feature_extractor,
    }

    def only(name):
        for other, network in networks.items():
            network.requires_grad_(other == name)
            network.zero_grad()

    def draw(features, noise, labels):
        return model.generator(functions.generator_input(features, noise, labels, model.classes))

    figures = {}
    for name, key in zip(networks, ("d_loss", "g_loss", "c_loss", "f_loss")):
        only(name)
        of_source, of_target = model.feature_extractor(source), model.feature_extractor(target)
        if name == "classifier":
            loss = functions.c_loss(model.label_classifier(of_source), labels)
        else:
            fakes = draw(of_source, noise_source, labels), draw(of_target, noise_target, None)
            judged = [model.discriminator(fake) for fake in fakes]
            if name == "discriminator":
                loss = functions.d_loss(model.discriminator(source), *judged, labels)
            elif name == "generator":
                loss = functions.g_loss(judged[0], labels)
            else:
                logits = model.label_classifier(of_source)
                loss = functions.f_loss(logits, *judged, labels)
        loss.backward()
        getattr(optimizers, name).step()
        figures[key] = loss.item()
    for network in networks.values():
        network.requires_grad_(True)
    return figures


# mutant evaluation mode: evaluation_mode
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    model.eval()
    fe, G, D, C = (
        model.feature_extractor,
        model.generator,
        model.discriminator,
        model.label_classifier,
    )

    def go(optimizer, loss):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    def drawn():
        code = functions.generator_input
        return (
            G(code(fe(source), noise_source, labels, model.classes)),
            G(code(fe(target), noise_target, None, model.classes)),
        )

    def judged():
        return [D(pictures) for pictures in drawn()]

    return {
        "d_loss": go(optimizers.discriminator, functions.d_loss(D(source), *judged(), labels)),
        "g_loss": go(optimizers.generator, functions.g_loss(judged()[0], labels)),
        "c_loss": go(optimizers.classifier, functions.c_loss(C(fe(source)), labels)),
        "f_loss": go(optimizers.features, functions.f_loss(C(fe(source)), *judged(), labels)),
    }


# mutant always three classes
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    fe, G, D, C = (
        model.feature_extractor,
        model.generator,
        model.discriminator,
        model.label_classifier,
    )

    def go(optimizer, loss):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    def drawn():
        code = functions.generator_input
        return (
            G(code(fe(source), noise_source, labels, 3)),
            G(code(fe(target), noise_target, None, 3)),
        )

    def judged():
        return [D(pictures) for pictures in drawn()]

    return {
        "d_loss": go(optimizers.discriminator, functions.d_loss(D(source), *judged(), labels)),
        "g_loss": go(optimizers.generator, functions.g_loss(judged()[0], labels)),
        "c_loss": go(optimizers.classifier, functions.c_loss(C(fe(source)), labels)),
        "f_loss": go(optimizers.features, functions.f_loss(C(fe(source)), *judged(), labels)),
    }


# mutant its own generator's input: own_input
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    def own(features, noise, labels, classes):
        if labels is None:
            labels = torch.full((len(features),), classes)
        return torch.cat([F.one_hot(labels, classes + 1).to(features), features, noise], 1)

    fe, G, D, C = (
        model.feature_extractor,
        model.generator,
        model.discriminator,
        model.label_classifier,
    )

    def go(optimizer, loss):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    def drawn():
        code = own
        return (
            G(code(fe(source), noise_source, labels, model.classes)),
            G(code(fe(target), noise_target, None, model.classes)),
        )

    def judged():
        return [D(pictures) for pictures in drawn()]

    return {
        "d_loss": go(optimizers.discriminator, functions.d_loss(D(source), *judged(), labels)),
        "g_loss": go(optimizers.generator, functions.g_loss(judged()[0], labels)),
        "c_loss": go(optimizers.classifier, functions.c_loss(C(fe(source)), labels)),
        "f_loss": go(optimizers.features, functions.f_loss(C(fe(source)), *judged(), labels)),
    }


# mutant its own loss of C: own_c_loss
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    fe, G, D, C = (
        model.feature_extractor,
        model.generator,
        model.discriminator,
        model.label_classifier,
    )

    def go(optimizer, loss):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    def drawn():
        code = functions.generator_input
        return (
            G(code(fe(source), noise_source, labels, model.classes)),
            G(code(fe(target), noise_target, None, model.classes)),
        )

    def judged():
        return [D(pictures) for pictures in drawn()]

    return {
        "d_loss": go(optimizers.discriminator, functions.d_loss(D(source), *judged(), labels)),
        "g_loss": go(optimizers.generator, functions.g_loss(judged()[0], labels)),
        "c_loss": go(optimizers.classifier, F.cross_entropy(C(fe(source)), labels)),
        "f_loss": go(optimizers.features, functions.f_loss(C(fe(source)), *judged(), labels)),
    }


# mutant frozen in the end: frozen
def gta_step(model, optimizers, functions, source, labels, target, noise_source, noise_target):
    fe, G, D, C = (
        model.feature_extractor,
        model.generator,
        model.discriminator,
        model.label_classifier,
    )

    def go(optimizer, loss):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    def drawn():
        code = functions.generator_input
        return (
            G(code(fe(source), noise_source, labels, model.classes)),
            G(code(fe(target), noise_target, None, model.classes)),
        )

    def judged():
        return [D(pictures) for pictures in drawn()]

    losses = {
        "d_loss": go(optimizers.discriminator, functions.d_loss(D(source), *judged(), labels)),
        "g_loss": go(optimizers.generator, functions.g_loss(judged()[0], labels)),
        "c_loss": go(optimizers.classifier, functions.c_loss(C(fe(source)), labels)),
        "f_loss": go(optimizers.features, functions.f_loss(C(fe(source)), *judged(), labels)),
    }
    model.requires_grad_(False)
    return losses
