# ruff: noqa: F811
import torch


# mutant through D: through_D
def predict(model, images, batch_size):
    model.eval()
    with torch.no_grad():
        batches = images.split(batch_size)
        return torch.cat([model.discriminator(batch).classes.argmax(1) for batch in batches])


# mutant through G and D: through_G
def predict(model, images, batch_size):
    model.eval()
    found = []
    with torch.no_grad():
        for batch in images.split(batch_size):
            code = torch.zeros(len(batch), model.classes + 1)
            code[:, -1] = 1
            features = model.feature_extractor(batch)
            noise = torch.randn(len(batch), model.noise)
            drawn = model.generator(torch.cat([code, features, noise], dim=1))
            found.append(model.discriminator(drawn).classes.argmax(1))
    return torch.cat(found)


# mutant C and D together: through_D
def predict(model, images, batch_size):
    model.eval()
    with torch.no_grad():
        logits = model(images) + model.discriminator(images).classes
    return logits.argmax(1)


# mutant F in train mode: train_mode
def predict(model, images, batch_size):
    model.label_classifier.eval()
    with torch.no_grad():
        batches = images.split(batch_size)
        return torch.cat(
            [model.label_classifier(model.feature_extractor(b)).argmax(1) for b in batches]
        )


# mutant features alone
def predict(model, images, batch_size):
    model.eval()
    with torch.no_grad():
        return torch.cat([model.feature_extractor(b).argmax(1) for b in images.split(batch_size)])


# mutant train mode: train_mode
def predict(model, images, batch_size):
    with torch.no_grad():
        return torch.cat([model(batch).argmax(1) for batch in images.split(batch_size)])


# mutant squeeze: squeezed
def predict(model, images, batch_size):
    model.eval()
    with torch.no_grad():
        parts = [model(batch).argmax(1) for batch in images.split(batch_size)]
    return torch.cat(parts).squeeze()


# mutant squeeze of each batch: raised
def predict(model, images, batch_size):
    model.eval()
    with torch.no_grad():
        parts = [model(batch).squeeze().argmax(-1) for batch in images.split(batch_size)]
    return torch.cat(parts)


# mutant whole batches only: batch_dropped
def predict(model, images, batch_size):
    model.eval()
    parts = []
    with torch.no_grad():
        for number in range(len(images) // batch_size):
            batch = images[number * batch_size : (number + 1) * batch_size]
            parts.append(model(batch).argmax(1))
    return torch.cat(parts)


# mutant logits: logits
def predict(model, images, batch_size):
    model.eval()
    with torch.no_grad():
        return torch.cat([model(batch) for batch in images.split(batch_size)])


# mutant probabilities: logits
def predict(model, images, batch_size):
    model.eval()
    with torch.no_grad():
        return torch.cat([model(batch).softmax(1) for batch in images.split(batch_size)])


# mutant first batch only: batch_dropped
def predict(model, images, batch_size):
    model.eval()
    with torch.no_grad():
        for batch in images.split(batch_size):
            return model(batch).argmax(1)


# mutant shuffled: wrong_values
def predict(model, images, batch_size):
    model.eval()
    loader = torch.utils.data.DataLoader(images, batch_size, shuffle=True)
    with torch.no_grad():
        return torch.cat([model(batch).argmax(1) for batch in loader])


# mutant largest values: wrong_dtype
def predict(model, images, batch_size):
    model.eval()
    with torch.no_grad():
        return torch.cat([model(batch).max(1).values for batch in images.split(batch_size)])


# mutant gradients on: gradient_kept
def predict(model, images, batch_size):
    model.eval()
    return torch.cat([model(batch).argmax(1) for batch in images.split(batch_size)])


# mutant float classes: wrong_dtype
def predict(model, images, batch_size):
    model.eval()
    with torch.no_grad():
        return torch.cat([model(batch).argmax(1).float() for batch in images.split(batch_size)])


# mutant a column: wrong_shape
def predict(model, images, batch_size):
    model.eval()
    with torch.no_grad():
        parts = [model(batch).argmax(1, keepdim=True) for batch in images.split(batch_size)]
    return torch.cat(parts)


# mutant smallest: wrong_values
def predict(model, images, batch_size):
    model.eval()
    with torch.no_grad():
        return torch.cat([model(batch).argmin(1) for batch in images.split(batch_size)])


# mutant statistics reset: statistics_moved
def predict(model, images, batch_size):
    model.eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
    with torch.no_grad():
        return torch.cat([model(batch).argmax(1) for batch in images.split(batch_size)])


# mutant no return: returned_none
def predict(model, images, batch_size):
    model.eval()
    with torch.no_grad():
        torch.cat([model(batch).argmax(1) for batch in images.split(batch_size)])


# alternative split
def predict(model, images, batch_size):
    model.eval()
    with torch.no_grad():
        return torch.cat([model(batch).argmax(dim=1) for batch in images.split(batch_size)])


# alternative inference mode and loop
@torch.inference_mode()
def predict(model, images, batch_size):
    model.train(False)
    found = torch.empty(len(images), dtype=torch.long)
    for start in range(0, len(images), batch_size):
        logits = model(images[start : start + batch_size])
        found[start : start + batch_size] = logits.max(1).indices
    return found


# alternative the decorator that the course uses elsewhere
@torch.no_grad()
def predict(model, images, batch_size):
    was_training = model.training
    model.eval()
    found = torch.cat([model(batch).softmax(1).argmax(1) for batch in images.split(batch_size)])
    model.train(was_training)
    return found


# alternative loader and list
def predict(model, images, batch_size):
    from torch.utils.data import DataLoader, TensorDataset

    model.eval()
    labels = []
    for (batch,) in DataLoader(TensorDataset(images), batch_size=batch_size, shuffle=False):
        with torch.no_grad():
            labels += model(batch).argmax(1).tolist()
    return labels


# alternative numpy
def predict(model, images, batch_size):
    model.eval()
    with torch.no_grad():
        return model(images).numpy().argmax(axis=-1)


# alternative F, then C
def predict(model, images, batch_size):
    model.feature_extractor.eval()
    model.label_classifier.eval()
    labels = []
    for start in range(0, len(images), batch_size):
        with torch.no_grad():
            features = model.feature_extractor(images[start : start + batch_size])
            labels.append(model.label_classifier(features).argmax(dim=-1))
    return torch.cat(labels)
