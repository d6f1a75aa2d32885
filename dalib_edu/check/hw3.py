"""Checks of homework 3, DANN with AlexNet on PACS.

The tiny networks here have no BatchNorm, and dropout only where it does nothing, so that one
forward for both domains and a forward for each give the same, and an honest solution may do either.
The judges compute in double precision from the weights alone, without a module or a reversal.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dalib_edu import dann_alexnet, reversal, validation
from dalib_edu.check.core import (
    VISIBLE,
    Answer,
    Case,
    Check,
    CheckFailed,
    Wrong,
    close,
    compare,
    differ,
    plain,
    plain_scalar,
    take,
    take_flag,
)

# --- a tiny AlexNet: G_f, G_y and G_d -------------------------------------------------------------

IMAGE = (3, 5, 6)
FILTERS, GRID = 3, 2
FLAT = FILTERS * GRID * GRID
PARTS = ("features", "classifier", "domain_classifier")
NAMES = {"features": "G_f", "classifier": "G_y", "domain_classifier": "G_d"}

Weights = dict[str, Tensor]


def _alexnet_head(hidden: int, outputs: int, dropout: float = 0.0) -> list[str]:
    """Describe the layers of AlexNet's classifier, with ``hidden`` in place of 4096 units."""
    drop = f"dropout {dropout}"
    layers = [drop, f"linear {FLAT} {hidden}", "relu", drop, f"linear {hidden} {hidden}", "relu"]
    return [*layers, f"linear {hidden} {outputs}"]


def _small_head(outputs: int) -> list[str]:
    return [f"linear {FLAT} 4", "tanh", f"linear 4 {outputs}"]


def _layer(described: str) -> nn.Module:
    kind, *numbers = described.split()
    if kind == "linear":
        return nn.Linear(*map(int, numbers))
    if kind == "dropout":
        return nn.Dropout(float(numbers[0]))
    return {"relu": nn.ReLU, "tanh": nn.Tanh}[kind]()


def _draw(rng: np.random.Generator, dtype: type, **heads: list[str]) -> dict[str, np.ndarray]:
    """Draw the weights of G_f and of the heads that are described, by their names in a model."""
    shapes = {"features.0": (FILTERS, IMAGE[0], 3, 3)}
    for name, layers in heads.items():
        for place, layer in enumerate(layers):
            if layer.startswith("linear"):
                inputs, outputs = map(int, layer.split()[1:])
                shapes[f"{name}.{place}"] = (outputs, inputs)
    weights = {}
    for name, shape in shapes.items():
        spread = 1.5 / np.sqrt(np.prod(shape[1:]))
        weights[f"{name}.weight"] = rng.normal(0, spread, shape).astype(dtype)
        weights[f"{name}.bias"] = rng.normal(0, 0.3, shape[0]).astype(dtype)
    return weights


def _model_case(
    rng: np.random.Generator,
    label_head: list[str],
    domain_head: list[str],
    dtype: type = np.float32,
) -> Case:
    heads = {"classifier": label_head, "domain_classifier": domain_head}
    weights = _draw(rng, dtype, **heads)
    return {**heads, **{f"model {name}": value for name, value in weights.items()}}


def _under(case: Case, prefix: str) -> dict[str, np.ndarray]:
    return {k.removeprefix(prefix): v for k, v in case.items() if k.startswith(prefix)}


def _images(rng: np.random.Generator, number: int, mean: float = 0.0) -> np.ndarray:
    return rng.normal(mean, 1, (number, *IMAGE)).astype(np.float32)


class _Tiny(nn.Module):
    """What the course's model is, small. The probes alone use it."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(IMAGE[0], FILTERS, 3), nn.Tanh())
        self.avgpool = nn.AdaptiveAvgPool2d((GRID, GRID))
        self.classifier = nn.Sequential(*map(_layer, case["classifier"]))
        self.domain_classifier = nn.Sequential(*map(_layer, case["domain_classifier"]))
        state = {name: torch.tensor(value) for name, value in _under(case, "model ").items()}
        self.to(state["features.0.weight"].dtype).load_state_dict(state)

    def forward(self, images: Tensor, alpha: float | None = None) -> Tensor:
        features = self.avgpool(self.features(images)).flatten(1)  # (N, C, h, w) -> (N, D)
        if alpha is None:
            return self.classifier(features)
        return self.domain_classifier(reversal.gradient_reversal(features, alpha))


def _flat(values: dict[str, Tensor], part: str) -> np.ndarray:
    """Return all values of one part of the model, in the order of their names."""
    names = sorted(name for name in values if name.startswith(f"{part}."))
    return plain(torch.cat([values[name].flatten() for name in names]))


def _gradients(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in parameters.items()}


def _in_mode(module: nn.Module, training: bool) -> np.ndarray:
    """Return whether the module and all within it are in that mode."""
    return np.array(all(each.training == training for each in module.modules()))


def _exact(case: Case) -> Weights:
    """Return the model's weights for the judges, in double precision."""
    return {
        name: torch.tensor(value.astype(np.float64), requires_grad=True)
        for name, value in _under(case, "model ").items()
    }


def _flat_features(weights: Weights, images: np.ndarray) -> Tensor:
    images = torch.tensor(images.astype(np.float64))
    maps = F.conv2d(images, weights["features.0.weight"], weights["features.0.bias"])
    return F.adaptive_avg_pool2d(maps.tanh(), GRID).flatten(1)  # (N, C, h, w) -> (N, D)


def _logits(case: Case, weights: Weights, head: str, features: Tensor) -> Tensor:
    for place, layer in enumerate(case[head]):
        kind = layer.split()[0]
        if kind == "linear":
            name = f"{head}.{place}"
            features = F.linear(features, weights[f"{name}.weight"], weights[f"{name}.bias"])
        elif kind in ("relu", "tanh"):
            features = getattr(torch, kind)(features)
    return features


def _gradients_of(loss: Tensor, weights: Weights) -> dict[str, Tensor]:
    gradients = torch.autograd.grad(
        loss, list(weights.values()), retain_graph=True, allow_unused=True
    )
    pairs = zip(weights.items(), gradients, strict=True)
    return {name: torch.zeros_like(w) if g is None else g for (name, w), g in pairs}


# --- caffe_preprocess ---------------------------------------------------------------------------


def _caffe_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    if seed == VISIBLE:
        shapes = [("two pictures", (2, 3, 4, 5)), ("one picture", (1, 3, 2, 4))]
    else:
        height, width = int(rng.integers(4, 9)), int(rng.integers(10, 14))
        shapes = [
            ("a batch", (int(rng.integers(4, 9)), 3, height, width)),
            ("three pictures of 3 x 3", (3, 3, 3, 3)),
            ("one picture", (1, 3, width, height)),
            ("one pixel", (2, 3, 1, 1)),
        ]
    cases = []
    for name, shape in shapes:
        # Each channel has a range of its own, and there is always a black and a white pixel.
        images = rng.integers(0, 256, shape) // np.array([1, 2, 4]).reshape(3, 1, 1)
        images[0, :, 0, 0], images[-1, :, -1, -1] = 0, 255
        cases.append({"name": name, "images": images.astype(np.uint8)})
    return cases


def _caffe_probe(caffe_preprocess: Callable, case: Case) -> Answer:
    images = torch.tensor(case["images"])
    result = plain(caffe_preprocess(images))
    return {"result": result, "images": plain(images)}


def _caffe_judge(case: Case, answer: Answer) -> None:
    images = case["images"].astype(np.float64)
    result = take(answer, "result", images.shape, "the result")
    if not close(take(answer, "images", images.shape, "the pictures afterwards"), images):
        raise CheckFailed("input_changed", "this changes the pictures in place: leave them alone")
    mean = np.array([104.0, 117.0, 123.0]).reshape(3, 1, 1)
    expected = images[:, ::-1] - mean
    compare(result, expected, "the result", _wrong_caffe(images, mean))
    if answer["result"].dtype != np.float32:
        raise CheckFailed("wrong_dtype", f"the result is {answer['result'].dtype}, not float32")


def _wrong_caffe(rgb: np.ndarray, mean: np.ndarray) -> list[Wrong]:
    bgr = rgb[:, ::-1]
    still = "the channels are still in the order RGB: turn them into BGR"
    scaled = "the values must stay in 0 to 255: do not divide by 255"
    order = "the mean belongs to BGR: 104 is blue's, 123 is red's"
    none = "the mean (104, 117, 123) is not subtracted"
    wrapped = "uint8 has no negative numbers: turn the pictures into float before the subtraction"
    imagenet = (rgb / 255 - [[[0.485]], [[0.456]], [[0.406]]]) / [[[0.229]], [[0.224]], [[0.225]]]
    return [
        ("rgb", rgb - mean, still),
        ("rgb", rgb - mean[::-1], still),
        ("rgb", rgb, f"{still}, and subtract the mean"),
        ("mean_order", bgr - mean[::-1], order),
        ("no_mean", bgr, none),
        ("mean_added", bgr + mean, "the mean is added: subtract it"),
        ("wrapped", (bgr - mean) % 256, wrapped),
        ("wrapped", (rgb - mean) % 256, wrapped),
        ("clipped", np.maximum(bgr - mean, 0), "negative values are cut off: they belong there"),
        ("scaled", bgr / 255 - mean, scaled),
        ("scaled", (bgr - mean) / 255, scaled),
        ("scaled", bgr / 255, scaled),
        ("imagenet", imagenet, "this is torchvision's preprocessing, not Caffe's"),
        *(
            ("wrong_axis", np.flip(rgb, axis) - mean, "another axis than the channels' is reversed")
            for axis in (0, 2, 3, (0, 1, 2, 3))
        ),
    ]


caffe_preprocess = Check(
    "caffe_preprocess", _caffe_cases, _caffe_probe, _caffe_judge, dann_alexnet.caffe_preprocess
)

# --- init_domain_head ---------------------------------------------------------------------------

KINDS = (nn.Dropout, nn.Linear, nn.ReLU, nn.Tanh)
LARGEST_FRESH = 10.0  # of a weight as PyTorch draws it, and far more


def _head_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    alexnet = _alexnet_head(5, 7, 0.5)
    if seed == VISIBLE:
        kinds = [
            ("AlexNet's layers", alexnet, 2),
            ("one hidden layer", _small_head(6), 2),
            ("three domains", _small_head(5), 3),
        ]
    else:
        a, b, c, d = (int(n) for n in rng.integers(3, 9, 4))
        deep = [
            *(f"linear {a} {b}", "relu", "dropout 0.3", f"linear {b} {c}", "relu", "dropout 0.1"),
            *(f"linear {c} {d}", "tanh", f"linear {d} {d}", "relu", f"linear {d} 5"),
        ]
        kinds = [
            ("AlexNet's layers", _alexnet_head(int(rng.integers(3, 8)), 9, 0.25), 2),
            ("many layers", deep, 2),
            ("two classes", _alexnet_head(4, 2, 0.5), 2),
            ("one linear layer", [f"linear {a} {b}"], 2),
            ("three domains", _alexnet_head(4, 6, 0.5), 3),
            ("as many domains as classes", _small_head(4), 4),
        ]
    return [_head_case(rng, *kind) for kind in kinds]


def _head_case(rng: np.random.Generator, name: str, layers: list[str], domains: int) -> Case:
    weights = _draw(rng, np.float32, classifier=layers)
    of_head = {f"model {k}": v for k, v in weights.items() if k.startswith("classifier")}
    inputs = int(next(layer for layer in layers if layer.startswith("linear")).split()[1])
    batch = rng.normal(size=(4, inputs)).astype(np.float32)
    return {"name": name, "classifier": layers, "domains": domains, "inputs": batch, **of_head}


def _leaves(module: nn.Module) -> list[nn.Module]:
    """Return the layers in order, those of a Sequential inside a Sequential among them."""
    if isinstance(module, nn.Sequential):
        return [leaf for layer in module for leaf in _leaves(layer)]
    return [module]


def _structure(head: nn.Module) -> np.ndarray:
    """Return a row for each layer: kind, inputs, outputs, dropout's p, has it a bias."""
    rows = []
    for layer in _leaves(head):
        kind = next((n for n, type_ in enumerate(KINDS) if isinstance(layer, type_)), -1)
        row = [kind, 0, 0, 0, 0]
        if isinstance(layer, nn.Linear):
            row[1:3] = layer.weight.shape[1], layer.weight.shape[0]
            row[4] = layer.bias is not None
        if isinstance(layer, nn.Dropout):
            row[3] = layer.p
        rows.append(row)
    return np.array(rows, float).reshape(-1, 5)


def _linear_weights(head: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of the linear layers by ``place.name``."""
    return {
        f"{place}.{name}": parameter
        for place, layer in enumerate(_leaves(head))
        if isinstance(layer, nn.Linear)
        for name, parameter in layer.named_parameters()
    }


def _head_probe(init_domain_head: Callable, case: Case) -> Answer:
    classifier = nn.Sequential(*map(_layer, case["classifier"]))
    state = _under(case, "model classifier.")
    classifier.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
    head = init_domain_head(classifier, *([] if case["domains"] == 2 else [case["domains"]]))
    if head is None:
        plain(head, "the head")
    if not isinstance(head, nn.Module):
        raise CheckFailed("wrong_type", f"the head is a {type(head).__name__}, not a Sequential")
    weights = _linear_weights(head)
    answer = {
        "structure": _structure(head),
        "label structure": _structure(classifier),
        "trainable": np.array(all(w.requires_grad for w in weights.values())),
        "in training": _in_mode(head, True),
        "label in training": _in_mode(classifier, True),
        **{f"head {name}": plain(value) for name, value in weights.items()},
        **{f"label {name}": plain(v) for name, v in _linear_weights(classifier).items()},
    }
    if np.array_equal(answer["structure"][:-1], answer["label structure"][:-1]):
        answer["outputs"] = plain(head.eval()(torch.tensor(case["inputs"])))
    answer["shared"] = np.array(_move_together(classifier, weights))
    return answer


def _move_together(module: nn.Module, weights: dict[str, Tensor]) -> bool:
    """Add 1 to all of the module's parameters and return whether any of ``weights`` moved."""
    before = {name: plain(value) for name, value in weights.items()}
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(1)
    return any(not np.array_equal(plain(weights[name]), before[name]) for name in before)


def _described(layers: list[str], outputs: int | None = None) -> np.ndarray:
    """Return what ``_structure`` gives for the layers, the last one with ``outputs``."""
    rows = []
    for layer in layers:
        kind, *numbers = layer.split()
        row = [("dropout", "linear", "relu", "tanh").index(kind), 0, 0, 0, 0]
        if kind == "linear":
            row[1:3], row[4] = map(int, numbers), 1
        if kind == "dropout":
            row[3] = float(numbers[0])
        rows.append(row)
    rows[-1][2] = outputs or rows[-1][2]
    return np.array(rows, float)


def _head_judge(case: Case, answer: Answer) -> None:
    layers = case["classifier"]
    before = {k: v.astype(float) for k, v in _under(case, "model classifier.").items()}
    changed = "the label head itself is changed: build a second one beside it"
    same = _described(layers)
    if not np.array_equal(_structure_of(answer, "label structure"), same):
        raise CheckFailed("label_head_changed", changed)
    for name, value in before.items():
        if not close(take(answer, f"label {name}", value.shape, "the label head"), value):
            raise CheckFailed("label_head_changed", changed)
    if not take_flag(answer, "label in training"):
        message = "the label head is in evaluation mode afterwards: leave it as it is"
        raise CheckFailed("label_head_changed", message)
    _judge_structure(case, _structure_of(answer, "structure"))
    if not take_flag(answer, "trainable"):
        raise CheckFailed("frozen", "the new head's weights take no gradient: it must learn")
    if not take_flag(answer, "in training"):
        message = "the new head is in evaluation mode, where dropout rests: it must be in training"
        raise CheckFailed("in_eval", message)
    hidden, last = _judge_head_weights(case, before, answer)
    if take_flag(answer, "shared"):
        message = (
            "the two heads share their memory, so that training one moves the other: copy the "
            "values (copy.deepcopy, copy_ or load_state_dict)"
        )
        raise CheckFailed("shared", message)
    features, place = torch.tensor(case["inputs"].astype(float)), len(layers) - 1
    weights = {f"classifier.{name}": torch.tensor(v) for name, v in {**hidden, **last}.items()}
    expected = plain(_logits(case, weights, "classifier", features))
    outputs = take(answer, "outputs", expected.shape, "the new head's outputs")
    compare(outputs, expected, f"what comes out of layer {place}", [])


def _structure_of(answer: Answer, name: str) -> np.ndarray:
    value = answer.get(name)
    if type(value) is not np.ndarray or value.ndim != 2 or value.shape[1] != 5:
        raise CheckFailed("malformed", "the layers are missing")
    if len(value) > 99:
        raise CheckFailed("other_layers", f"the new head has {len(value)} layers")
    return take(answer, name, value.shape, "the layers")


def _judge_structure(case: Case, actual: np.ndarray) -> None:
    layers, domains = case["classifier"], case["domains"]
    expected, label_head = _described(layers, domains), _described(layers)
    if np.array_equal(actual, expected):
        return
    if np.array_equal(actual, label_head):
        message = (
            f"the new head has an output for each of the {int(label_head[-1, 2])} classes: its "
            f"last layer must have {domains}, one a domain"
        )
        raise CheckFailed("class_outputs", message)
    if np.array_equal(actual[:-1], expected[:-1]):
        message = f"the last layer must be linear, with a bias and {domains} outputs"
        raise CheckFailed("last_layer", message)
    without = [np.array_equal(actual[:, :3], expected[:, :3]), actual.shape == expected.shape]
    if all(without):
        raise CheckFailed("other_layers", "dropout or biases are not as in the label head")
    if np.array_equal(actual, np.vstack([label_head, actual[-1:]])):
        message = "the last layer comes after the label head's own: it must take its place"
        raise CheckFailed("layer_added", message)
    message = f"layers of the new head: {len(actual)}, of the label head: {len(expected)}"
    if len(actual) == len(expected):
        place = int(np.flatnonzero((actual != expected).any(1))[0])
        message = f"layer {place} is not as in the label head"
    raise CheckFailed("other_layers", f"{message}: G_d has the same architecture as G_y")


def _judge_head_weights(
    case: Case, before: dict[str, np.ndarray], answer: Answer
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the new head's hidden weights and those of its last layer, once they are right."""
    place, domains = len(case["classifier"]) - 1, case["domains"]
    old = {name: value for name, value in before.items() if name.startswith(f"{place}.")}
    hidden = {
        name: take(answer, f"head {name}", value.shape, f"the new head's {name}")
        for name, value in before.items()
        if name not in old
    }
    missed = [name for name, value in hidden.items() if not close(value, before[name])]
    if hidden and len(missed) == len(hidden):
        message = "the hidden layers do not have the label head's weights: copy them"
        raise CheckFailed("hidden_fresh", message)
    if missed:
        message = f"some of the hidden layers' weights are not copied: {', '.join(missed)}"
        raise CheckFailed("some_not_copied", message)
    last = {
        name: take(answer, f"head {name}", (domains, *value.shape[1:]), f"the new head's {name}")
        for name, value in old.items()
    }
    if any(np.abs(value).max() > LARGEST_FRESH for value in last.values()):
        raise CheckFailed("last_large", "the last layer's weights are far too large to start from")
    _judge_fresh(last[f"{place}.weight"], old[f"{place}.weight"])
    return hidden, last


def _judge_fresh(weight: np.ndarray, old: np.ndarray) -> None:
    rows = min(len(weight), len(old))
    for start in (0, len(old) - rows):
        if close(weight[:rows], old[start : start + rows]):
            message = "the last layer is copied from the label head: it must be a fresh one"
            raise CheckFailed("last_copied", message)


init_domain_head = Check(
    "init_domain_head", _head_cases, _head_probe, _head_judge, dann_alexnet.init_domain_head
)

# --- load_pretrained ----------------------------------------------------------------------------

LAST = "classifier.6."  # AlexNet's last layer; in G_d, too
REFUSED = {
    "misspelt": "{name} is not among the model's names, and something else is missing",
    "missing": "the weights lack {name}",
    "unexpected": "the weights have {name}, which the model has not",
    "other_width": "the hidden layers of the weights have another width than the model's",
    "other_features": "the convolutions of the weights have another shape than the model's",
}


def _pretrained_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    if seed == VISIBLE:
        kinds = [
            ("9 classes into 3", 5, 3, 9, ""),
            ("as many classes", 4, 3, 3, ""),
            ("a misspelt name", 4, 3, 9, "misspelt"),
            ("a missing name", 4, 3, 9, "missing"),
        ]
    else:
        width = int(rng.integers(3, 8))
        kinds = [
            ("more classes into fewer", width, 4, int(rng.integers(6, 12)), ""),
            ("fewer classes into more", width, 8, 3, ""),
            ("as many classes", width, 5, 5, ""),
            ("two classes", width, 2, 7, ""),
            ("a misspelt name", width, 3, 9, "misspelt"),
            ("a missing name", width, 3, 3, "missing"),
            ("a name too many", width, 3, 9, "unexpected"),
            ("hidden layers of another width", width, 3, 9, "other_width"),
            ("convolutions of another shape", width, 3, 3, "other_features"),
        ]
    return [_pretrained_case(rng, *kind) for kind in kinds]


def _pretrained_case(
    rng: np.random.Generator, name: str, width: int, classes: int, pretrained: int, fault: str
) -> Case:
    dropout = 0.5
    model = _model_case(
        rng, _alexnet_head(width, classes, dropout), _alexnet_head(width, 2, dropout)
    )
    width += fault == "other_width"
    state = _draw(rng, np.float32, classifier=_alexnet_head(width, pretrained))
    one = str(rng.choice([n for n in sorted(state) if not n.startswith(LAST)]))
    if fault == "misspelt":
        part, rest = one.split(".", 1)
        one = f"{part[:-1]}.{rest}"
        state[one] = state.pop(f"{part}.{rest}")
    if fault == "missing":
        del state[one]
    if fault == "unexpected":
        one = str(rng.choice(["classifier.8.weight", "features.12.bias", "fc7.weight"]))
        state[one] = np.ones(3, np.float32)
    if fault == "other_features":
        state["features.0.weight"] = state["features.0.weight"][..., :2]
    case = {"name": name, "fault": fault, "one": one, **model}
    return {**case, **{f"state {key}": value for key, value in state.items()}}


def _pretrained_probe(load_pretrained: Callable, case: Case) -> Answer:
    model = _Tiny(case)
    names = sorted(model.state_dict())
    state = {name: torch.tensor(value) for name, value in _under(case, "state ").items()}
    if case["fault"]:
        try:
            result = load_pretrained(model, state)
        except NotImplementedError:
            raise
        except Exception:
            return {"refused": np.array(True)}
        if result is None:
            plain(result)
        return {"refused": np.array(False)}
    kept = load_pretrained(model, state)
    if kept is None:
        plain(kept)
    if not isinstance(kept, (list, tuple, set)) or any(type(name) is not str for name in kept):
        raise CheckFailed("no_names", "return a list of names, those that keep their fresh values")
    after = model.state_dict()
    if sorted(after) != names:
        raise CheckFailed("other_layers", "the model has other layers afterwards")
    counts = [list(kept).count(name) for name in names]
    answer = {"kept": np.array([*counts, len(kept) - sum(counts)])}
    answer |= {f"model {name}": plain(value) for name, value in after.items()}
    answer["in training"] = _in_mode(model, True)
    answer["shared"] = np.array(
        _move_together(model.classifier, _linear_weights(model.domain_classifier))
    )
    loaded = [state[name] for name in state if name.startswith("features")]
    given = {str(n): tensor for n, tensor in enumerate(loaded)}
    answer["state shared"] = np.array(_move_together(model.features, given))
    return answer


def _pretrained_judge(case: Case, answer: Answer) -> None:
    if case["fault"]:
        if not take_flag(answer, "refused"):
            what = REFUSED[case["fault"]].format(name=case["one"])
            message = f"this must raise an error and passes in silence: {what}"
            raise CheckFailed(f"accepted_{case['fault']}", message)
        return
    fresh, state = _under(case, "model "), _under(case, "state ")
    actual = {
        name: take(answer, f"model {name}", value.shape, f"{name} afterwards")
        for name, value in fresh.items()
    }
    other_classes = state[f"{LAST}bias"].shape != fresh[f"{LAST}bias"].shape
    _judge_loaded(actual, fresh, state, other_classes)
    _judge_domain_copy(actual, fresh, state)
    if take_flag(answer, "shared"):
        message = "G_y and G_d share their memory, so that training one moves the other: copy"
        raise CheckFailed("shared", message)
    if take_flag(answer, "state shared"):
        message = "the model trains in the memory of the weights that it is given: copy them"
        raise CheckFailed("state_shared", message)
    if not take_flag(answer, "in training"):
        message = "the model is in evaluation mode afterwards: leave the mode as it is"
        raise CheckFailed("left_in_eval", message)
    kept = [f"domain_{LAST}{end}" for end in ("weight", "bias")]
    kept += [f"{LAST}{end}" for end in ("weight", "bias")] if other_classes else []
    _judge_names(answer, sorted(fresh), set(kept))


def _judge_loaded(actual, fresh, state, other_classes: bool) -> None:
    """Judge G_f and G_y."""
    plain_names = [name for name in actual if not name.startswith("domain_")]
    last = [name for name in plain_names if name.startswith(LAST)]
    wanted = {n: fresh[n] if n in last and other_classes else state[n] for n in plain_names}
    missed = [name for name in plain_names if not close(actual[name], wanted[name].astype(float))]
    if not missed:
        return
    if all(close(actual[name], fresh[name].astype(float)) for name in plain_names):
        raise CheckFailed("nothing_loaded", "none of the weights are in the model afterwards")
    if missed == last and other_classes:
        message = f"{last[0]} of another number of classes must be left out: keep the fresh one"
        raise CheckFailed("last_not_fresh", message)
    if missed == last:
        message = "the last layer has as many outputs as there are classes here: load it, too"
        raise CheckFailed("last_left_out", message)
    raise CheckFailed("some_not_loaded", f"not as in the weights: {', '.join(missed)}")


def _judge_domain_copy(actual, fresh, state) -> None:
    names = [name for name in actual if name.startswith("domain_")]
    last = [name for name in names if name.startswith(f"domain_{LAST}")]
    hidden = [name for name in names if name not in last]
    pretrained = {name: state[name.removeprefix("domain_")].astype(float) for name in names}
    missed = [name for name in hidden if not close(actual[name], pretrained[name])]
    if missed == hidden:
        of_old = [fresh[name.removeprefix("domain_")] for name in hidden]
        pairs = zip(hidden, of_old, strict=True)
        message = "G_d's hidden layers are not G_y's pretrained ones: copy them after the loading"
        if all(close(actual[name], old.astype(float)) for name, old in pairs):
            message = "G_d has what G_y was before the loading: copy afterwards"
            raise CheckFailed("copied_too_early", message)
        raise CheckFailed("domain_not_copied", message)
    if missed:
        raise CheckFailed("some_not_copied", f"not copied into G_d: {', '.join(missed)}")
    if any(np.abs(actual[name]).max() > LARGEST_FRESH for name in last):
        raise CheckFailed("last_large", "G_d's last layer is far too large to start from")
    weight = actual[f"domain_{LAST}weight"]
    _judge_fresh(weight, state[f"{LAST}weight"].astype(float))
    _judge_fresh(weight, fresh[f"{LAST}weight"].astype(float))


def _judge_names(answer: Answer, names: list[str], kept: set[str]) -> None:
    counts = take(answer, "kept", (len(names) + 1,), "the names")
    told = {name for name, count in zip(names, counts[:-1], strict=True) if count}
    if counts[-1]:
        raise CheckFailed("unknown_names", "the list has names that are not the model's")
    if told == kept:
        return
    extra, lacking = sorted(told - kept), sorted(kept - told)
    if extra and all(name.startswith("domain_") for name in extra):
        message = (
            f"the list has {extra[0]}, which does not keep its fresh value: it is copied from G_y"
        )
        raise CheckFailed("copied_names", message)
    if extra:
        raise CheckFailed("loaded_names", f"the list has {extra[0]}, which is loaded")
    raise CheckFailed("names_lacking", f"the list lacks {lacking[0]}, which keeps its fresh value")


load_pretrained = Check(
    "load_pretrained",
    _pretrained_cases,
    _pretrained_probe,
    _pretrained_judge,
    dann_alexnet.load_pretrained,
    (dann_alexnet._check_fit, dann_alexnet._copy_hidden_layers),
)

# --- DannAlexNet --------------------------------------------------------------------------------

OUTPUTS = {"class": "the output without alpha", "domain": "the output with alpha"}
ALPHAS = {"float": float, "int": int, "numpy": np.float64}


def _dann_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    if seed == VISIBLE:
        kinds = [
            {"name": "alpha 0.6", "n": 4, "alpha": 0.6},
            {"name": "alpha 0", "n": 3, "alpha": 0.0, "keyword": True},
        ]
    else:
        alpha, large = float(rng.uniform(0.2, 0.8)), float(rng.uniform(1.5, 3))
        kinds = [
            {"name": "large alpha", "n": int(rng.integers(3, 7)), "alpha": large, "classes": 7},
            {"name": "alpha 0", "n": 3, "alpha": 0.0, "classes": 4},
            {"name": "alpha 0, two classes", "n": 3, "alpha": 0.0, "classes": 2, "keyword": True},
            {"name": "alpha 0 as an int", "n": 2, "alpha": 0.0, "kind": "int"},
            {"name": "alpha 2 as an int", "n": 5, "alpha": 2.0, "kind": "int", "keyword": True},
            {"name": "a NumPy alpha", "n": 3, "alpha": alpha, "kind": "numpy"},
            {"name": "alpha 0 of NumPy", "n": 3, "alpha": 0.0, "kind": "numpy"},
            {"name": "one picture", "n": 1, "alpha": alpha},
            {"name": "float64", "n": 3, "alpha": alpha, "dtype": np.float64},
            {"name": "small heads", "n": 4, "alpha": alpha, "heads": "small"},
            {"name": "in eval mode", "n": 6, "alpha": alpha, "dropout": 0.5, "eval": True},
        ]
    return [_dann_case(rng, **kind) for kind in kinds]


def _dann_case(
    rng: np.random.Generator,
    *,
    name: str,
    n: int,
    alpha: float,
    classes: int = 3,
    kind: str = "float",
    heads: str = "alexnet",
    dropout: float = 0.0,
    dtype: type = np.float32,
    **modes: bool,
) -> Case:
    label, domain = (
        _small_head(out) if heads == "small" else _alexnet_head(width, out, dropout)
        for width, out in ((5, classes), (4, 2))
    )
    return {
        "name": name,
        "alpha": alpha,
        "kind": kind,
        "eval": modes.get("eval", False),
        "keyword": modes.get("keyword", False),
        "images": _images(rng, n).astype(dtype),
        "class after": rng.normal(size=(n, classes)).astype(dtype),  # gradients that come back
        "domain after": rng.normal(size=(n, 2)).astype(dtype),
        **_model_case(rng, label, domain, dtype),
    }


def _dann_probe(network: Callable, case: Case) -> Answer:
    tiny = _Tiny(case)
    parts = tiny.features, tiny.avgpool, tiny.classifier, tiny.domain_classifier
    model = network(*parts)
    if model is None:
        plain(model, "the model")
    if not isinstance(model, nn.Module):
        message = f"this makes a {type(model).__name__}, not a torch.nn.Module"
        raise CheckFailed("wrong_type", message)
    model.train(not case["eval"])
    images, alpha = torch.tensor(case["images"]), ALPHAS[case["kind"]](case["alpha"])
    # The domain first: what a model remembers of it must not change the class logits.
    logits = {"domain": model(images, alpha=alpha) if case["keyword"] else model(images, alpha)}
    logits["class"] = model(images)
    found = {id(parameter) for parameter in model.parameters()}
    answer = {
        "registered": np.array(all(id(p) in found for p in tiny.parameters())),
    }
    for which, result in logits.items():
        if isinstance(result, (tuple, list)):
            message = "forward returns several things: the flag asks for one head's logits"
            raise CheckFailed("several", message)
        answer[f"{which} logits"] = plain(result, OUTPUTS[which])
        answer |= _backward(tiny, result, case[f"{which} after"], which)
    answer["mode kept"] = _in_mode(model, not case["eval"])
    return answer


def _backward(tiny: _Tiny, result: Any, after: np.ndarray, which: str) -> Answer:
    """Return each part's gradient, where there is something to go back from."""
    attached = isinstance(result, Tensor) and result.requires_grad
    answer = {f"{which} attached": np.array(attached)}
    tiny.zero_grad()
    if attached and result.shape == after.shape:
        (result * torch.tensor(after)).sum().backward(retain_graph=True)
    gradients = _gradients(dict(tiny.named_parameters()))
    return answer | {f"{which} {part}": _flat(gradients, part) for part in PARTS}


def _dann_judge(case: Case, answer: Answer) -> None:
    weights = _exact(case)
    features = _flat_features(weights, case["images"])
    of_class, of_domain = (
        _logits(case, weights, head, features) for head in ("classifier", "domain_classifier")
    )
    if not take_flag(answer, "registered"):
        message = "the parts' weights are not the model's: keep the parts as attributes"
        raise CheckFailed("not_registered", message)
    _judge_domain_logits(case, answer, weights, plain(of_class), plain(of_domain))
    _judge_class_logits(answer, plain(of_class), plain(of_domain))
    if not take_flag(answer, "mode kept"):
        raise CheckFailed("mode_changed", "forward must not switch between train and eval mode")
    for which in ("class", "domain"):
        if not take_flag(answer, f"{which} attached"):
            message = f"the {which} logits are cut off: no gradient can flow back from them"
            raise CheckFailed("no_gradient", message)
    for which, logits in (("class", of_class), ("domain", of_domain)):
        after = torch.tensor(case[f"{which} after"].astype(float))
        gradients = _gradients_of((logits * after).sum(), weights)
        _judge_branch(case, answer, which, {part: _flat(gradients, part) for part in PARTS})


def _judge_domain_logits(
    case: Case, answer: Answer, weights: Weights, of_class: np.ndarray, of_domain: np.ndarray
) -> None:
    alpha, value = case["alpha"], answer.get("domain logits")
    shape = value.shape if type(value) is np.ndarray and value.dtype.kind == "f" else None
    if shape == of_class.shape and close(value.astype(float), of_class):
        if alpha == 0:
            message = "alpha = 0 goes to the label head: 0 is a number, too, so ask `alpha is None`"
            raise CheckFailed("alpha_zero", message)
        message = "with a number for alpha the domain head must answer, not the label head"
        raise CheckFailed("label_head", message)
    actual = take(answer, "domain logits", of_domain.shape, OUTPUTS["domain"])
    features = _flat_features(weights, case["images"])

    def through(factor: float) -> np.ndarray:
        return plain(_logits(case, weights, "domain_classifier", factor * features))

    forward = "forward must not be changed by alpha: it belongs to the gradient alone"
    wrong = [
        *(("alpha_in_forward", f * of_domain, forward) for f in (alpha, -alpha, -1.0)),
        *(("alpha_in_forward", through(f), forward) for f in (alpha, -alpha, -1.0)),
        *_squashed(of_domain),
    ]
    compare(actual, of_domain, "the domain logits", wrong)


def _judge_class_logits(answer: Answer, of_class: np.ndarray, of_domain: np.ndarray) -> None:
    value = answer.get("class logits")
    shape = value.shape if type(value) is np.ndarray else None
    if shape == of_domain.shape and shape != of_class.shape:
        message = "without alpha the label head must answer, not the domain head"
        raise CheckFailed("domain_head", message)
    actual = take(answer, "class logits", of_class.shape, OUTPUTS["class"])
    wrong = _squashed(of_class)
    if of_domain.shape == of_class.shape:
        wrong.append(("domain_head", of_domain, "without alpha the label head must answer"))
    compare(actual, of_class, "the class logits", wrong)


def _squashed(logits: np.ndarray) -> list[Wrong]:
    tensor = torch.tensor(logits)
    leave = "return the head's outputs as they are: the cross-entropy takes logits"
    return [
        ("softmax", plain(tensor.softmax(1)), f"these are probabilities; {leave}"),
        ("softmax", plain(tensor.log_softmax(1)), f"these are log-probabilities; {leave}"),
        ("softmax", plain(tensor.sigmoid()), f"there is a sigmoid at the end; {leave}"),
        ("softmax", plain(tensor.relu()), f"there is a ReLU at the end; {leave}"),
    ]


def _judge_branch(case: Case, answer: Answer, which: str, own: dict[str, np.ndarray]) -> None:
    """Judge the gradients of one branch; ``own``: those without any reversal."""
    alpha, domain = case["alpha"], which == "domain"
    expected = {part: -alpha * g if domain and part == "features" else g for part, g in own.items()}
    for part in ("domain_classifier", "classifier", "features"):
        what = f"the gradient of {NAMES[part]} from the {which} logits"
        actual = take(answer, f"{which} {part}", own[part].shape, what)
        if not own[part].any() and actual.any():
            message = f"the {which} logits move {NAMES[part]}, which has no part in them"
            raise CheckFailed("other_head", message)
        wrong = (_wrong_reversal if domain else _wrong_class_branch)(part, own[part], alpha)
        compare(actual, expected[part], what, wrong)


def _wrong_class_branch(part: str, own: np.ndarray, alpha: float) -> list[Wrong]:
    message = "the class logits are reversed, too: only the domain head sees the reversed features"
    factors = (-1.0, alpha, -alpha)
    return [
        *(("class_reversed", factor * own, message) for factor in factors),
        ("detached", 0 * own, f"no gradient of the class logits reaches {NAMES[part]}"),
    ]


def _wrong_reversal(part: str, own: np.ndarray, alpha: float) -> list[Wrong]:
    if part == "domain_classifier":
        reversed_ = (
            "the domain classifier's own gradient is reversed: put the reversal before it, on the "
            "features"
        )
        return [
            ("after_domain_classifier", -alpha * own, reversed_),
            ("after_domain_classifier", -own, reversed_),
            ("alpha_on_domain_classifier", alpha * own, "alpha scales the domain classifier, too"),
            ("detached", 0 * own, "no gradient reaches the domain classifier"),
        ]
    return [
        ("no_reversal", own, "the domain gradient reaches G_f unreversed"),
        ("sign_unchanged", alpha * own, "alpha scales the gradient, but its sign is unchanged"),
        ("alpha_ignored", -own, "the gradient is reversed, but alpha does not scale it"),
        ("alpha_twice", -(alpha**2) * own, "alpha is applied twice"),
        ("detached", 0 * own, "no domain gradient reaches G_f: are the features detached?"),
    ]


# It takes a class in place of a function.
DannAlexNet = Check(
    "DannAlexNet",
    _dann_cases,
    _dann_probe,
    _dann_judge,
    dann_alexnet.DannAlexNet,
    (_Tiny.forward,),
)

# --- three_pass_step ----------------------------------------------------------------------------

CALLS = 2
RATE = 0.2
STALE = 0.8  # what every gradient holds before the first call


def _step_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    if seed == VISIBLE:
        kinds = [("two steps", 0.6, "float", 0.0, (6, 4, 5, 5), "alexnet")]
    else:
        alpha, large = float(rng.uniform(0.3, 0.8)), float(rng.uniform(1.5, 2.5))
        kinds = [
            ("more target than source", alpha, "float", 0.0, (5, 8, 7, 3), "alexnet"),
            ("with momentum", alpha, "float", 0.9, (4, 6, 6, 4), "small"),
            ("large alpha", large, "numpy", 0.0, (3, 9, 5, 2), "small"),
            ("alpha 0", 0.0, "float", 0.5, (8, 4, 3, 3), "alexnet"),
            ("alpha 1 as an int", 1.0, "int", 0.0, (4, 3, 2, 5), "small"),
            ("batches of one", alpha, "numpy", 0.0, (1, 1, 1, 1), "alexnet"),
        ]
    return [_step_case(rng, *kind) for kind in kinds]


def _step_case(
    rng: np.random.Generator,
    name: str,
    alpha: float,
    kind: str,
    momentum: float,
    sizes: Sequence[int],
    heads: str,
) -> Case:
    """Draw weights and batches; ``sizes``: of source, of target, of the next source, and so on."""
    classes = 3
    label, domain = (
        _small_head(out) if heads == "small" else _alexnet_head(4, out) for out in (classes, 2)
    )
    case = {"name": name, "alpha": alpha, "kind": kind, "momentum": momentum}
    case |= _model_case(rng, label, domain)
    for call, (source, target) in enumerate(zip(sizes[::2], sizes[1::2], strict=True)):
        case[f"source {call}"] = _images(rng, source, 0.5)
        case[f"target {call}"] = _images(rng, target, -0.5)
        case[f"labels {call}"] = rng.integers(0, classes, source)
    return case


class _Counting(torch.optim.SGD):
    """SGD that counts its steps."""

    steps = 0

    def step(self, closure: Callable | None = None) -> Any:
        self.steps += 1
        return super().step(closure)


def _step_probe(three_pass_step: Callable, case: Case) -> Answer:
    model = _Tiny(case)
    optimizer = _Counting(model.parameters(), lr=RATE, momentum=case["momentum"])
    alpha = ALPHAS[case["kind"]](case["alpha"])
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, STALE)
    answer = {}
    for call in range(CALLS):
        batch = (torch.tensor(case[f"{name} {call}"]) for name in ("source", "labels", "target"))
        figures = three_pass_step(model, optimizer, *batch, alpha)
        if figures is None:
            plain(figures)
        for name in ("class_loss", "domain_loss"):
            if not isinstance(figures, dict) or name not in figures:
                raise CheckFailed("figures", f'return a dictionary of figures, with "{name}"')
            answer[f"{name} {call}"] = _figure(figures[name], f'figure "{name}"')
        answer[f"steps {call}"] = np.array(optimizer.steps)
        answer[f"in training {call}"] = _in_mode(model, True)
        for part in PARTS:
            answer[f"{part} {call}"] = _flat(dict(model.named_parameters()), part)
    return answer


def _figure(value: Any, what: str) -> np.ndarray:
    if isinstance(value, Tensor) and value.requires_grad:
        message = f"{what} is a tensor that keeps its graph: return a plain number, use .item()"
        raise CheckFailed("keeps_graph", message)
    return plain_scalar(value, what)


# The typical mistakes, in the order in which they are looked for.
STEP_FAULTS = {
    "stale": "gradients are left over from before: call optimizer.zero_grad() at the start",
    "stale_once": "gradients are left over from before: call optimizer.zero_grad() at the start",
    "last_pass_only": "only the last pass counts: zero_grad belongs before the first pass alone, "
    "and each pass needs its backward",
    "no_class": "the class loss moves nothing: is its backward missing, or is there a zero_grad "
    "after it?",
    "no_source": "source is not told from target: the pass of the source through the domain "
    "head is missing",
    "no_target": "the target has no pass through the domain head (or the step comes before it)",
    "no_backward": "nothing moves: are the three backwards missing?",
    "label_head": "the domain passes go through the label head: give alpha to the model there",
    "source_twice": "the source is shown as the target: the third pass is that of the target",
    "class_only": "no domain loss moves anything: two of the three passes are missing",
    "swapped_labels": "the domain labels are swapped: source is 0, target is 1",
    "same_label": "source and target have the same domain label: source is 0, target is 1",
    "all_ones": "source and target have the same domain label: source is 0, target is 1",
    "negated": "the domain loss is subtracted: the reversal in the model has that minus already",
    "alpha_on_class_loss": "alpha scales the class loss: it belongs to the domain passes, as an "
    "argument of the model",
    "alpha_on_everything": "alpha scales all three losses: give it to the model instead",
    "alpha_twice": "alpha scales the domain losses, and the model scales by it already",
    "alpha_on_domain_loss": "alpha scales the domain losses, so the domain head learns more "
    "slowly: give it to the model instead",
    "alpha_ignored": "alpha is not given to the model",
    "reversed_again": "the domain gradient reaches G_f unreversed, times alpha",
    "detached": "no domain gradient reaches G_f: are the features detached?",
    "one_batch": "the domain loss is the mean over one mixed batch: take the mean of each domain "
    "and add the two",
    "mean_of_means": "the two domain losses are averaged: add them",
    "sums": "the losses are sums over the batch: take means",
    "by_thirds": "the three losses are averaged: add them",
}


def _three_passes(case: Case, fault: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Do the calls, rightly or with one of ``STEP_FAULTS``; yield each part after each call.

    One at a time, so that a comparison can stop at the first that differs. Before its parts, each
    call yields the losses of its three passes.
    """
    weights = _exact(case)
    left = {name: torch.full_like(weight, STALE) for name, weight in weights.items()}
    velocity = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for call in range(CALLS):
        gradients, losses = _step_gradients(case, weights, call, fault)
        yield f"losses {call}", np.array(losses)
        with torch.no_grad():
            for name, weight in weights.items():
                gradient = gradients[name]
                if fault == "stale" or (fault == "stale_once" and call == 0):
                    gradient = gradient + left[name]
                left[name] = gradient
                velocity[name] = case["momentum"] * velocity[name] + gradient
                weight -= RATE * velocity[name]
        for part in PARTS:
            yield f"{part} {call}", _flat(weights, part)


def _step_gradients(
    case: Case, weights: Weights, call: int, fault: str
) -> tuple[dict[str, Tensor], list[float]]:
    """Return the sum of the passes' gradients, G_f's domain gradient times -alpha; the losses."""
    alpha = case["alpha"]
    labels_of = {"swapped_labels": (1, 0), "same_label": (0, 0), "all_ones": (1, 1)}
    of_source, of_target = labels_of.get(fault, (0, 1))
    source, target, labels = (case[f"{name} {call}"] for name in ("source", "target", "labels"))
    if fault == "source_twice":
        target = source
    head = "classifier" if fault == "label_head" else "domain_classifier"
    passes = (
        ("classifier", source, torch.tensor(labels)),
        (head, source, torch.full((len(source),), of_source)),
        (head, target, torch.full((len(target),), of_target)),
    )
    factors = _pass_factors(fault, alpha, len(source), len(target))
    of_features, of_head = _domain_factors(fault, alpha)
    total, losses = {name: torch.zeros_like(weight) for name, weight in weights.items()}, []
    for (head, images, wanted), factor in zip(passes, factors, strict=True):
        logits = _logits(case, weights, head, _flat_features(weights, images))
        loss = F.cross_entropy(logits, wanted)
        losses.append(loss.item())
        for name, gradient in _gradients_of(loss, weights).items():
            if head == "domain_classifier":
                gradient = gradient * (of_features if name.startswith("features") else of_head)
            total[name] = total[name] + factor * gradient
    return total, losses


def _domain_factors(fault: str, alpha: float) -> tuple[float, float]:
    """Return by what a domain pass's gradient is multiplied on its way into G_f, and into G_d."""
    return {
        "negated": (alpha, -1.0),
        "alpha_twice": (-(alpha**2), alpha),
        "alpha_on_domain_loss": (-alpha, alpha),
        "alpha_on_everything": (-alpha, alpha),
        "alpha_ignored": (-1.0, 1.0),
        "reversed_again": (alpha, 1.0),
        "detached": (0.0, 1.0),
    }.get(fault, (-alpha, 1.0))


def _pass_factors(fault: str, alpha: float, source: int, target: int) -> tuple[float, ...]:
    """Return how much the class pass, the source's and the target's domain pass count."""
    both = source + target
    return {
        "last_pass_only": (0, 0, 1),
        "no_class": (0, 1, 1),
        "no_source": (1, 0, 1),
        "no_target": (1, 1, 0),
        "no_backward": (0, 0, 0),
        "class_only": (1, 0, 0),
        "alpha_on_class_loss": (alpha, 1, 1),
        "alpha_on_everything": (alpha, 1, 1),
        "one_batch": (1, source / both, target / both),
        "mean_of_means": (1, 1 / 2, 1 / 2),
        "sums": (source, source, target),
        "by_thirds": (1 / 3, 1 / 3, 1 / 3),
    }.get(fault, (1, 1, 1))


def _step_judge(case: Case, answer: Answer) -> None:
    right = dict(_three_passes(case))
    _judge_networks(case, answer, right)
    for call in range(CALLS):
        if not take_flag(answer, f"in training {call}"):
            message = "the model is in evaluation mode afterwards: leave the mode as it is"
            raise CheckFailed("left_in_eval", message)
        _judge_figures(case, answer, call, right[f"losses {call}"])


def _judge_networks(case: Case, answer: Answer, right: dict[str, np.ndarray]) -> None:
    actual = {}
    for call in range(CALLS):
        for part in PARTS:
            name = f"{part} {call}"
            actual[name] = take(answer, name, right[name].shape, _what(name))
        _judge_steps(take(answer, f"steps {call}", (), "the number of steps"), call + 1)

    def fits(values: Iterable[tuple[str, np.ndarray]]) -> bool:
        return all(close(actual[name], v, atol=1e-5) for name, v in values if name in actual)

    if fits(right.items()):
        return
    for fault, message in STEP_FAULTS.items():
        if fits(_three_passes(case, fault)):
            raise CheckFailed(fault, message)
    first = next(name for name in actual if not close(actual[name], right[name], atol=1e-5))
    difference = differ(actual[first], right[first])
    raise CheckFailed("wrong_values", f"{_what(first)} is not right: {difference}")


def _judge_figures(case: Case, answer: Answer, call: int, losses: np.ndarray) -> None:
    """Judge what the step returns; ``losses``: of the three passes, before the step."""
    of_class, of_source, of_target = losses
    both = of_source + of_target
    sizes = [len(case[f"{name} {call}"]) for name in ("source", "target")]
    over_all = np.average([of_source, of_target], weights=sizes)
    rightly = "the three branches move rightly, but the figure"
    wrong = {
        "class_loss": [
            ("losses_swapped", both / 2, f"{rightly} class_loss is the domain loss"),
            ("loss_of_all", of_class + both, f"{rightly} class_loss has the domain losses in it"),
            ("loss_sum", sizes[0] * of_class, f"{rightly} class_loss is a sum: return the mean"),
        ],
        "domain_loss": [
            ("losses_swapped", of_class, f"{rightly} domain_loss is the class loss"),
            ("loss_sum", both, f"{rightly} domain_loss is the sum of two losses: take their mean"),
            ("loss_of_one_pass", of_source, f"{rightly} domain_loss is that of the source alone"),
            ("loss_of_one_pass", of_target, f"{rightly} domain_loss is that of the target alone"),
            ("loss_of_all", of_class + both, f"{rightly} domain_loss has the class loss in it"),
            ("loss_over_all", over_all, f"{rightly} domain_loss is the mean over all pictures"),
        ],
    }
    for name, expected in (("class_loss", of_class), ("domain_loss", both / 2)):
        actual = take(answer, f"{name} {call}", (), f'figure "{name}"')
        compare(actual, np.float64(expected), f"{rightly} {name}", wrong[name])


def _judge_steps(steps: np.ndarray, expected: int) -> None:
    if steps == expected:
        return
    if steps == 0:
        raise CheckFailed("no_step", "optimizer.step() is missing: nothing is learnt")
    if steps == 3 * expected:
        message = "three passes, but one step: call optimizer.step() once, after the third backward"
        raise CheckFailed("three_steps", message)
    raise CheckFailed("wrong_steps", "call optimizer.step() once, after the third backward")


def _what(name: str) -> str:
    part, call = name.rsplit(" ", 1)
    return f"{NAMES[part]} after call {int(call) + 1}"


three_pass_step = Check(
    "three_pass_step",
    _step_cases,
    _step_probe,
    _step_judge,
    dann_alexnet.three_pass_step,
    (dann_alexnet._domain,),
)

# --- cycle --------------------------------------------------------------------------------------

PASSES = 3  # that are pulled whole
MOST_PASSES = 40  # more than that without a batch handed on means that there is no end


class _NoEndError(Exception):
    pass


class _Loader:
    """As a DataLoader with ``shuffle=True``: each pass has another order.

    A batch is ``[images, labels]``; its labels are the number of the pass and of the batch.
    """

    def __init__(self, orders: np.ndarray) -> None:
        self.orders = orders
        self.passes = 0

    def __len__(self) -> int:
        return self.orders.shape[1]

    def __iter__(self) -> Iterator[list[Tensor]]:
        if self.passes == MOST_PASSES:
            raise _NoEndError
        self.passes += 1
        return self._batches(self.passes - 1)

    def _batches(self, number: int) -> Iterator[list[Tensor]]:
        for batch in self.orders[number].tolist():
            yield [torch.full((2, 1), float(batch)), torch.tensor([number, batch])]


def _cycle_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    if seed == VISIBLE:
        sizes = [("4 batches", 4), ("no batch", 0)]
    else:
        sizes = [
            ("many batches", int(rng.integers(6, 12))),
            ("two batches", 2),
            ("one batch", 1),
            ("no batch", 0),
        ]
    return [{"name": name, "orders": _orders(rng, size)} for name, size in sizes]


def _orders(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return an order of the batches for each pass: (passes, batches)."""
    return np.array([rng.permutation(size) for _ in range(MOST_PASSES)]).reshape(MOST_PASSES, size)


def _cycle_probe(cycle: Callable, case: Case) -> Answer:
    loader = _Loader(case["orders"])
    if len(loader) == 0:
        return {"refused": np.array(_refuses_empty(cycle, loader))}
    try:
        batches = cycle(loader)
        if batches is None:
            plain(batches)
        if not hasattr(type(batches), "__next__"):
            message = f"this gives a {type(batches).__name__.lstrip('_')}: next() needs an iterator"
            raise CheckFailed("no_iterator", message)
        labels = [_pulled(batches, number) for number in range(PASSES * len(loader) + 1)]
    except _NoEndError:
        message = "this goes round and round before it hands on a batch: yield each as it comes"
        raise CheckFailed("no_end", message) from None
    return {"labels": np.array(labels)}


def _refuses_empty(cycle: Callable, loader: _Loader) -> bool:
    try:
        next(cycle(loader))
    except NotImplementedError:
        raise
    except (StopIteration, _NoEndError):
        return False
    except Exception:
        return True
    return False


def _pulled(batches: Iterator, number: int) -> np.ndarray:
    try:
        batch = next(batches)
    except StopIteration:
        message = f"it ends after {number} batches: it must begin a new pass each time, for ever"
        raise CheckFailed("exhausted", message) from None
    if not isinstance(batch, (list, tuple)) or len(batch) != 2:
        raise CheckFailed("other_batches", "hand on the loader's batches as they are")
    labels = plain(batch[1], "a batch's labels")
    if labels.shape != (2,):
        raise CheckFailed("other_batches", "hand on the loader's batches as they are")
    return labels


def _cycle_judge(case: Case, answer: Answer) -> None:
    orders = case["orders"]
    size = orders.shape[1]
    if size == 0:
        if not take_flag(answer, "refused"):
            message = "a loader without a batch must raise an error: it would go round for ever"
            raise CheckFailed("empty_accepted", message)
        return
    labels = take(answer, "labels", (PASSES * size + 1, 2), "the batches")
    passes, batches = labels.T
    first = int(min(max(passes[0], 0), MOST_PASSES - PASSES - 1))  # a peek takes a pass
    rounds = first + np.arange(len(labels)) // size
    expected = orders[rounds, np.arange(len(labels)) % size]
    if np.array_equal(passes, rounds) and np.array_equal(batches, expected):
        return
    if len(set(passes)) == 1:
        message = (
            "every time round brings the first pass again: a new pass over the loader shuffles "
            "anew (itertools.cycle and list() keep the first)"
        )
        raise CheckFailed("cached", message)
    if size > 1 and np.array_equal(batches, orders[first + np.arange(len(labels)), 0]):
        message = "each batch is the first of a new pass: keep the iterator until it ends"
        raise CheckFailed("first_batch_only", message)
    if sorted(batches[:size]) != list(range(size)) or len(set(passes)) > PASSES + 1:
        raise CheckFailed("batches_lost", "some batches of a pass are left out, or come twice")
    raise CheckFailed("wrong_order", "the batches are not those of one whole pass after the other")


cycle = Check("cycle", _cycle_cases, _cycle_probe, _cycle_judge, dann_alexnet.cycle)

# --- cross_domain_grid --------------------------------------------------------------------------


def _cross_domain_grid(run: Callable, settings: list, targets: list) -> tuple[dict, list[float]]:
    rows = validation.cross_domain_grid(run, settings, targets)
    return dict(validation.best(rows).setting), [row.mean for row in rows]


def _grid_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    if seed == VISIBLE:
        pair = np.array([[30, 50], [58, 10], [40, 46], [41, 41], [20, 12]])
        equals = np.array([[20, 30], [35, 25], [20, 40], [10, 8]])
        kinds = [
            ("five settings", ["cartoon", "sketch"], pair),
            ("three targets", ["photo", "clipart", "quickdraw"], _disagreeing(rng, 3)),
            ("two equals", ["cartoon", "sketch"], equals),
        ]
    else:
        many = rng.integers(5, 60, (int(rng.integers(6, 10)), 4))
        tied = np.array([[20, 30], [40, 20], [30, 30], [35, 25], [10, 8]])
        kinds = [
            ("two targets", ["cartoon", "sketch"], _disagreeing(rng, 2)),
            ("three targets", ["clipart", "quickdraw", "infograph"], _disagreeing(rng, 3)),
            ("four targets", ["photo", "real", "cartoon", "sketch"], many),
            ("ties", ["sketch", "cartoon"], tied[rng.permutation(len(tied))]),
            ("one target", ["sketch"], rng.integers(5, 60, (4, 1))),
            ("one setting", ["cartoon", "sketch"], rng.integers(5, 60, (1, 2))),
            ("no run learns", ["cartoon", "sketch"], np.zeros((3, 2))),
        ]
    return [
        {
            "name": name,
            "targets": targets,
            "settings": _settings(rng, len(table)),
            "accuracies": np.asarray(table) / 64,  # whose means are exact
        }
        for name, targets, table in kinds
    ]


def _disagreeing(rng: np.random.Generator, targets: int) -> np.ndarray:
    """Draw until the mean, the highest, the lowest, the first and the last choose differently."""
    while True:
        table = rng.integers(5, 60, (6, targets))
        means = table.mean(1)
        others = [table.max(1), table.min(1), table[:, 0], table[:, -1]]
        if all(means.argmax() != other.argmax() for other in others):
            return table


def _settings(rng: np.random.Generator, number: int) -> list[dict[str, float]]:
    rates = rng.permutation(number)
    return [
        {"learning_rate": float(10.0 ** -(1 + int(r) % 4)), "alpha": 0.1 * int(r)} for r in rates
    ]


def _grid_probe(cross_domain_grid: Callable, case: Case) -> Answer:
    kept, accuracies = case["settings"], case["accuracies"]
    settings, targets = deepcopy(kept), list(case["targets"])
    calls = np.zeros((len(kept) + 1, len(targets) + 1), np.int64)  # the last: any other

    def run(setting: dict, target: str) -> float:
        if not isinstance(setting, dict) or not isinstance(target, str):
            message = "run takes one setting, a dictionary, and the name of one target"
            raise CheckFailed("other_arguments", message)
        row = kept.index(setting) if setting in kept else len(kept)
        column = case["targets"].index(target) if target in case["targets"] else len(targets)
        calls[row, column] += 1
        known = row < len(kept) and column < len(targets)
        return float(accuracies[row, column]) if known else 1.0

    result = cross_domain_grid(run, settings, targets)
    if result is None:
        plain(result)
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise CheckFailed("not_two", "return two things: the best setting and the means")
    best, means = result
    if isinstance(means, dict) and not isinstance(best, dict):
        raise CheckFailed("swapped", "first the best setting, then the means")
    if not isinstance(best, dict):
        message = f"the best setting is a {type(best).__name__}, not one of the settings"
        raise CheckFailed("no_setting", message)
    return {
        "best": np.array(kept.index(best) if best in kept else -1),
        "means": plain(means, "the means"),
        "calls": calls,
        "kept": np.array(settings == kept and targets == case["targets"]),
    }


def _grid_judge(case: Case, answer: Answer) -> None:
    table = case["accuracies"]
    calls = take(answer, "calls", (len(table) + 1, table.shape[1] + 1), "the calls of run")
    _judge_calls(case, calls)
    if not take_flag(answer, "kept"):
        raise CheckFailed("settings_changed", "this changes the settings or targets: only read")
    means, expected = take(answer, "means", (len(table),), "the list of means"), table.mean(1)
    wrong = [
        ("sum_not_mean", table.sum(1), "these are sums over the targets, not means"),
        ("halves", table.sum(1) / 2, "the sum is halved: divide it by the number of targets"),
        ("highest", table.max(1), "this is the highest over the targets: take the mean"),
        ("lowest", table.min(1), "this is the lowest over the targets: take the mean"),
        ("median", np.median(table, 1), "this is the median over the targets: take the mean"),
        ("one_target", table[:, 0], "only the first target counts: take the mean over all"),
        ("one_target", table[:, -1], "only the last target counts: take the mean over all"),
        ("percent", 100 * expected, "these are percentages: leave the accuracies as they are"),
        ("sorted", np.sort(expected), "the means are sorted: leave them in the settings' order"),
        ("sorted", -np.sort(-expected), "the means are sorted: leave them in their order"),
    ]
    compare(means, expected, "the means", wrong)
    _judge_choice(table, int(take(answer, "best", (), "the best setting")))


def _judge_calls(case: Case, calls: np.ndarray) -> None:
    if calls[:, -1].any():
        message = (
            f"run is called with a target that is not in targets ({', '.join(case['targets'])}): "
            "choosing by the test domain is what must not happen"
        )
        raise CheckFailed("other_target", message)
    if calls[-1].any():
        raise CheckFailed("other_setting", "run is called with something that is no setting")
    if not calls.any():
        raise CheckFailed("never_run", "run is never called")
    if not calls[:-1, :-1].all():
        message = "run is not called for every setting with every target"
        raise CheckFailed("not_all_run", message)
    if calls.max() > 1:
        message = "run trains a network: call it once for each setting and target, keep the result"
        raise CheckFailed("run_again", message)


def _judge_choice(table: np.ndarray, best: int) -> None:
    means = table.mean(1)
    if best == means.argmax():
        return
    if 0 <= best < len(means) and means[best] == means.max():
        raise CheckFailed("last_of_ties", "of several settings with the highest mean, the first")
    choices = [
        ("chosen_lowest_mean", means.argmin(), "this is the setting with the lowest mean"),
        ("chosen_by_highest", table.max(1).argmax(), "chosen by the highest over the targets"),
        ("chosen_by_lowest", table.min(1).argmax(), "chosen by the lowest over the targets"),
        ("chosen_by_one", table[:, 0].argmax(), "chosen by the first target alone"),
        ("chosen_by_one", table[:, -1].argmax(), "chosen by the last target alone"),
    ]
    for cause, index, message in choices:
        if best == index:
            raise CheckFailed(cause, f"{message}: the highest mean is asked for")
    raise CheckFailed("wrong_choice", "the best setting is not the one with the highest mean")


cross_domain_grid = Check(
    "cross_domain_grid",
    _grid_cases,
    _grid_probe,
    _grid_judge,
    _cross_domain_grid,
    (validation.cross_domain_grid, validation.best),
)

# --- information_maximisation -------------------------------------------------------------------


def _information_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    if seed == VISIBLE:
        kinds = [("moderate", 6, 4, 1.5, np.float32), ("large logits", 5, 3, 1e4, np.float32)]
    else:
        n, classes = int(rng.integers(9, 20)), int(rng.integers(4, 8))
        kinds = [
            ("moderate", n, classes, float(rng.uniform(1, 2)), np.float32),
            ("large logits", n, classes, 3e4, np.float32),
            ("logits above 100", n, 3, 300.0, np.float64),
            ("two classes", 7, 2, 1.5, np.float64),
            ("more classes than rows", 3, 10, 2.0, np.float32),
        ]
    cases = [
        {"name": name, "logits": (rng.normal(size=(n, k)) * scale).astype(dtype)}
        for name, n, k, scale, dtype in kinds
    ]
    if seed != VISIBLE:
        one_class = rng.normal(size=(6, 4)) + [0, 0, 1e4, 0]
        flat = np.full((5, 3), rng.normal())
        extra = {"one row": rng.normal(size=(1, 5)), "one class, sure": one_class, "flat": flat}
        cases += [{"name": name, "logits": v.astype(np.float32)} for name, v in extra.items()]
    return cases


def _information_probe(information_maximisation: Callable, case: Case) -> Answer:
    logits = torch.tensor(case["logits"])
    value = plain_scalar(information_maximisation(logits))
    return {"value": value, "logits": plain(logits)}


def _softmax(logits: np.ndarray, axis: int = 1) -> np.ndarray:
    powers = np.exp(logits.astype(float) - logits.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def _entropy(probabilities: np.ndarray) -> np.ndarray:
    """Return the entropy of each row in nats, where 0 log 0 is 0."""
    logs = np.log(np.where(probabilities > 0, probabilities, 1))
    return -(probabilities * logs).sum(-1)


def _information_judge(case: Case, answer: Answer) -> None:
    logits = case["logits"]
    after = take(answer, "logits", logits.shape, "the logits afterwards")
    if not close(after, logits.astype(float)):
        raise CheckFailed("input_changed", "this changes the logits in place: leave them alone")
    value = take(answer, "value", (), "the score", finite=False)
    if not np.isfinite(value):
        message = (
            "the score is not finite: a probability that rounds to 0 has no logarithm (0 log 0 "
            "is 0), and exp of a large logit overflows"
        )
        raise CheckFailed("not_stable", message)
    p = _softmax(logits)
    expected = _entropy(p.mean(0)) - _entropy(p).mean()
    if abs(value - expected) < 2e-5:
        return
    compare(value, expected, "the score", _wrong_information(logits))


def _wrong_information(logits: np.ndarray) -> list[Wrong]:
    p, down = _softmax(logits), _softmax(logits, axis=0)
    of_mean, mean = _entropy(p.mean(0)), _entropy(p).mean()
    of_mean_logits = _entropy(_softmax(logits.mean(0, keepdims=True))[0])
    score, classes = of_mean - mean, logits.shape[1]
    only = "both entropies are needed: that of the mean prediction less the mean entropy"
    rows = "the softmax must run over the classes, dim=1"
    return [
        ("sign", -score, "the sign is reversed: a better network must have a higher score"),
        ("sum", of_mean + mean, "the mean entropy is added: subtract it"),
        ("sum", -of_mean - mean, "a minus is missing: the mean entropy counts against"),
        ("one_entropy", of_mean, f"this is the entropy of the mean prediction alone; {only}"),
        ("one_entropy", mean, f"this is the mean entropy alone; {only}"),
        ("one_entropy", -mean, f"this is minus the mean entropy alone; {only}"),
        ("bits", score / np.log(2), "the entropies are in bits: take the natural logarithm"),
        ("share", score / np.log(classes), "the score is divided by log K: leave it in nats"),
        ("over_rows", _entropy(down.mean(0)) - _entropy(down).mean(), rows),
        (
            "mean_of_logits",
            of_mean_logits - mean,
            "average the probabilities, not the logits",
        ),
        (
            "sum_over_rows",
            of_mean - _entropy(p).sum(),
            "the entropies of the rows are summed: take their mean",
        ),
        (
            "mean_over_classes",
            score / classes,
            "an entropy is a sum over the classes, not a mean",
        ),
        (
            "mean_over_classes",
            of_mean - mean / classes,
            "an entropy is a sum over the classes, not a mean",
        ),
    ]


information_maximisation = Check(
    "information_maximisation",
    _information_cases,
    _information_probe,
    _information_judge,
    validation.information_maximisation,
    (validation.mean_entropy, _entropy),
)

# --- collapsed ----------------------------------------------------------------------------------


def _collapsed(predictions: Tensor) -> bool:
    return dann_alexnet.collapsed(predictions) is not None


def _collapsed_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    if seed == VISIBLE:
        kinds = [
            ("one class", 40, 3, 0, {}),
            ("5 of 1000 are others", 1000, 2, 5, {}),
            ("30 of 1000 are others", 1000, 2, 30, {}),
        ]
    else:
        n, kind = int(rng.integers(400, 900)), int(rng.integers(1, 7))
        kinds = [
            ("one class", n, kind, 0, {}),
            ("a few are others", n, kind, n // 200, {}),
            ("a few are far from it", n, 0, n // 200, {"step": 6}),
            ("a few too many are others", n, kind, n // 50, {}),
            ("a few too many, next to it", n, kind, n // 40, {"step": 1}),
            ("a tenth are others", n, kind, n // 10, {}),
            ("most are one class", n, 0, 2 * n // 5, {}),
            ("all classes alike", n, 0, n, {}),
            ("two classes", n, 1, n // 2, {"classes": 2}),
            ("one picture", 1, kind, 0, {}),
            ("int32", n, kind, 2, {"dtype": np.int32}),
        ]
    return [_collapsed_case(rng, *kind[:-1], **kind[-1]) for kind in kinds]


def _collapsed_case(
    rng: np.random.Generator,
    name: str,
    n: int,
    kind: int,
    others: int,
    *,
    step: int = 0,
    classes: int = 7,
    dtype: type = np.int64,
) -> Case:
    """Draw predictions of which all but ``others`` are ``kind``; the first is one of the others.

    The others are ``step`` away from ``kind``, or any other class where that is 0.
    """
    predictions = np.full(n, kind)
    places = np.concatenate([[0], 1 + rng.permutation(n - 1)])[:others]
    steps = step if step else rng.integers(1, classes, others)
    predictions[places] = (kind + steps) % classes
    return {"name": name, "predictions": predictions.astype(dtype)}


def _collapsed_probe(collapsed: Callable, case: Case) -> Answer:
    predictions = torch.tensor(case["predictions"])
    result = plain(collapsed(predictions))
    return {"collapsed": result, "predictions": plain(predictions)}


def _collapsed_judge(case: Case, answer: Answer) -> None:
    predictions = case["predictions"]
    after = take(answer, "predictions", predictions.shape, "the predictions afterwards")
    if not np.array_equal(after, predictions):
        raise CheckFailed("input_changed", "this changes the predictions: leave them alone")
    value = answer.get("collapsed")
    if type(value) is np.ndarray and (value.dtype.kind in "iuf" or value.ndim):
        raise CheckFailed("not_bool", "the answer must be one True or False, not a number")
    actual, share = (
        take_flag(answer, "collapsed"),
        np.bincount(predictions).max() / len(predictions),
    )
    if actual == (share >= 0.99):
        return
    if actual and share < 0.9:
        message = f"True, but the most frequent class has {share:.0%} of the pictures only"
        raise CheckFailed("too_early", message)
    if actual:
        message = f"True, but the most frequent class has {share:.1%}: 99% are asked for"
        raise CheckFailed("lower_bound", message)
    if share == 1:
        raise CheckFailed("not_seen", "False, but every picture is given one and the same class")
    message = f"False, but one class has {share:.1%}: 99% are enough, it need not be every picture"
    raise CheckFailed("only_constant", message)


collapsed = Check(
    "collapsed",
    _collapsed_cases,
    _collapsed_probe,
    _collapsed_judge,
    _collapsed,
    (dann_alexnet.collapsed,),
)
