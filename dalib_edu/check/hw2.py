"""Checks of homework 2, domain-adversarial training on drawings.

The tiny networks here have no BatchNorm, so that one forward for both domains and a forward for
each give the same, and an honest solution may do either.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import product

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from dalib_edu import dann, evaluate, reversal, self_training
from dalib_edu.check.core import (
    VISIBLE,
    Answer,
    Case,
    Check,
    CheckFailed,
    close,
    compare,
    differ,
    plain,
    plain_scalar,
    take,
    take_flag,
)
from dalib_edu.check.predictions import numbered
from dalib_edu.data import transforms

# --- canny_view ---------------------------------------------------------------------------------

# Saturated colours of different luminance: what mixes them wrongly sees other edges. None has a
# whole number for its luminance, which single precision would cut off either way.
COLOURS = np.array(
    [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [0, 255, 255], [255, 0, 255]]
    + [[250, 251, 248], [10, 12, 9], [128, 60, 20], [20, 60, 128]]
)

LUMINANCE = np.array([[0.299, 0.587, 0.114], [0.2989, 0.587, 0.114]])  # as in OpenCV, torchvision


def _canny_view(image: np.ndarray, low: float, high: float) -> np.ndarray:
    picture = torch.from_numpy(image.copy()).permute(2, 0, 1)[None]  # (H, W, 3) -> (1, 3, H, W)
    return transforms.edges(picture, low, high)[0, 0].numpy()


def _canny_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    if seed == VISIBLE:
        sizes = [("48 x 64", 48, 64, 60, 200)]
    else:
        # Many edges, strong ones with their weak ends, strong ones alone.
        ranges = [((20, 50), (70, 110)), ((30, 60), (380, 450)), ((260, 320), (380, 450))]
        sizes = []
        for low, high in ranges:
            height, width = int(rng.integers(40, 70)), int(rng.integers(71, 99))
            thresholds = int(rng.integers(*low)), int(rng.integers(*high))
            sizes.append((f"{height} x {width}", height, width, *thresholds))
    return [
        {"name": name, "image": _patches(rng, h, w), "low": low, "high": high}
        for name, h, w, low, high in sizes
    ]


def _patches(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draw coloured discs, and fainter ones in grey: uint8 (height, width, 3)."""
    image = np.full((height, width, 3), (96, 90, 80), np.int64)
    rows, columns = np.mgrid[:height, :width]
    for number in range(height * width // 60):
        row, column = rng.integers(height), rng.integers(width)
        disc = (rows - row) ** 2 + (columns - column) ** 2 <= rng.integers(3, 8) ** 2
        if number % 2:
            image[disc] = COLOURS[rng.integers(len(COLOURS))]
        else:
            image[disc] = np.clip(image[disc] + rng.integers(-60, 60), 0, 255)
    return image.astype(np.uint8)


def _canny_probe(canny_view: Callable, case: Case) -> Answer:
    image = case["image"].copy()
    edges = plain(canny_view(image, case["low"], case["high"]))
    return {"edges": edges, "image": image}


def _canny_judge(case: Case, answer: Answer) -> None:
    image, low, high = case["image"], case["low"], case["high"]
    actual = take(answer, "edges", image.shape[:2], "the result")
    after = take(answer, "image", image.shape, "the picture afterwards")
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    # Grey values may be rounded or cut off, and the weights too, which moves a few edges.
    cut_off = [(image @ weights).astype(np.uint8) for weights in LUMINANCE]
    right = [cv2.Canny(picture, low, high) for picture in (grey, *cut_off)]

    def like(*pictures: np.ndarray) -> bool:
        return any(np.mean(actual != picture) <= 0.01 for picture in pictures)

    if (after != image).any():
        raise CheckFailed("input_changed", "this changes the picture that it is given: copy it")
    if np.abs(actual - grey).max() <= 2:
        raise CheckFailed("grey_returned", "this is the grey picture: its edges are asked for")
    if like(*(255.0 - edges for edges in right), *(1 - edges / 255 for edges in right)):
        raise CheckFailed("inverted", "edges must be white (255) on black (0), not the reverse")
    if like(*(edges / 255 for edges in right)):
        raise CheckFailed("wrong_range", "edges must have the value 255, not 1 or True")
    if answer["edges"].dtype != np.uint8:
        raise CheckFailed("wrong_dtype", f"the result is {answer['edges'].dtype}, not uint8")
    if like(*right):
        return
    mean = image.mean(2).astype(np.uint8)
    swapped = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    blurred = [cv2.GaussianBlur(grey, (size, size), 0) for size in (3, 5, 7)]
    typical = [(100, 200), (170, 300), (50, 150), (low, 2 * low), (low, low), (high, high)]
    wrong = [
        ("bgr", [cv2.Canny(swapped, low, high)], "the weights of red and blue are swapped"),
        ("colour", [cv2.Canny(image, low, high)], "these are edges of the colours: go grey first"),
        ("mean_grey", [cv2.Canny(mean, low, high)], "grey is luminance, not the channels' mean"),
        (
            "one_channel",
            [cv2.Canny(np.ascontiguousarray(image[..., c]), low, high) for c in range(3)],
            "these are the edges of one channel: turn the picture grey first",
        ),
        ("blurred", [cv2.Canny(g, low, high) for g in blurred], "was the picture blurred first?"),
        (
            "thresholds",
            [cv2.Canny(grey, a, b) for a, b in typical],
            "are low and high both used as Canny's thresholds?",
        ),
    ]
    for cause, pictures, message in wrong:
        if like(*pictures):
            raise CheckFailed(cause, message)
    share = np.mean(actual != right[0])
    raise CheckFailed("wrong_values", f"{share:.0%} of the pixels differ from the right edges")


canny_view = Check(
    "canny_view", _canny_cases, _canny_probe, _canny_judge, _canny_view, (transforms.edges,)
)

# --- gradient_reversal --------------------------------------------------------------------------


def _reversal_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    if seed == VISIBLE:
        kinds = [
            ("lambda 0.7", (4, 3), 0.7, np.float32),
            ("lambda 0", (2, 5), 0.0, np.float32),
            ("pictures", (2, 3, 4, 4), 1.5, np.float32),
        ]
    else:
        kinds = [
            ("float64", (5, 2), rng.uniform(0.2, 0.8), np.float64),
            ("a vector", (6,), rng.uniform(1.2, 3), np.float32),
            ("one row", (1, 4), rng.uniform(0.2, 0.8), np.float32),
            ("three axes", (3, 2, 5), rng.uniform(0.2, 0.8), np.float64),
            ("lambda 0", (3, 4), 0.0, np.float64),
            ("lambda 1", (2, 2, 3, 3), 1.0, np.float32),
        ]
    return [
        {
            "name": name,
            "features": rng.normal(size=shape).astype(dtype),
            "lambda": float(lambda_),
            "after": rng.normal(size=shape).astype(dtype),  # gradient that comes back to the layer
            "beside": rng.normal(size=shape).astype(dtype),  # that of a branch without the layer
        }
        for name, shape, lambda_, dtype in kinds
    ]


def _reversal_probe(gradient_reversal: Callable, case: Case) -> Answer:
    leaf = torch.tensor(case["features"], requires_grad=True)
    features = leaf * 1.0
    result = gradient_reversal(features, case["lambda"])
    answer = {"result": plain(result), "features": plain(features)}
    if not isinstance(result, Tensor):
        raise CheckFailed("wrong_type", f"the result is a {type(result).__name__}, not a tensor")
    if result.shape == leaf.shape:
        loss = (result * torch.tensor(case["after"])).sum()
        # The label classifier uses the same features, and its gradient must stay as it is.
        loss = loss + (features * torch.tensor(case["beside"])).sum()
        loss.backward()
        answer["gradient"] = plain(leaf.grad)
        answer["attached"] = np.array(result.requires_grad)
    return answer


def _reversal_judge(case: Case, answer: Answer) -> None:
    features, lambda_, after, beside = (
        case[name] for name in ("features", "lambda", "after", "beside")
    )
    result = take(answer, "result", features.shape, "the result")
    kept = take(answer, "features", features.shape, "the features afterwards")
    if not close(kept, features):
        raise CheckFailed("input_changed", "this changes the features in place: leave them alone")
    on_the_way = "forward must return the features as they are; lambda belongs to the gradient"
    compare(
        result,
        features,
        "the forward value",
        [
            ("negated_forward", -features, "forward must not change the sign, only backward does"),
            ("lambda_in_forward", lambda_ * features, on_the_way),
            ("lambda_in_forward", -lambda_ * features, on_the_way),
        ],
    )
    if answer["result"].dtype != features.dtype:
        message = f"the result is {answer['result'].dtype}, the features are {features.dtype}"
        raise CheckFailed("wrong_dtype", message)
    if not take_flag(answer, "attached"):
        message = "the result is cut off from the features: no gradient can flow back through it"
        raise CheckFailed("no_gradient", message)
    gradient = take(answer, "gradient", features.shape, "the gradient")
    compare(
        gradient,
        beside - lambda_ * after,
        "the gradient",
        [
            (
                "sign_unchanged",
                beside + lambda_ * after,
                "the gradient came back with its sign unchanged: did you forget the minus?",
            ),
            (
                "lambda_ignored",
                beside - after,
                "the sign is right, but lambda does not reach the gradient",
            ),
            (
                "no_reversal",
                beside + after,
                "the gradient came back unchanged: neither the minus nor lambda is there "
                "(is backward, or your hook, used at all, also for lambda 0?)",
            ),
            ("lambda_twice", beside - lambda_**2 * after, "lambda is applied twice"),
            ("no_gradient", beside, "no gradient comes back through the layer"),
            (
                "all_reversed",
                -lambda_ * (beside + after),
                "the gradient of a branch beside the layer is reversed too: a hook on the "
                "features themselves does that, so put it on a view or a clone of them",
            ),
        ],
    )


gradient_reversal = Check(
    "gradient_reversal",
    _reversal_cases,
    _reversal_probe,
    _reversal_judge,
    reversal.gradient_reversal,
    (reversal._Reversal,),
)

# --- lambda_at ----------------------------------------------------------------------------------


def _lambda_at(p: float, kind: str) -> float:
    return reversal.lambda_at(p, kind)


def _lambda_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    p = np.array([0.25, 0.0, 0.5, 1.0]) if seed == VISIBLE else np.sort(rng.uniform(0, 1, 9))
    edges = np.array([0.0, 1.0])
    unknown = "cosine" if seed == VISIBLE else f"unknown {rng.integers(99)}"
    kinds = [("paper", p), ("log", p), ("paper", edges), ("log", edges), (unknown, p[:1])]
    return [{"name": f"kind {kind!r}", "kind": kind, "p": points} for kind, points in kinds]


def _lambda_probe(lambda_at: Callable, case: Case) -> Answer:
    if case["kind"] in ("paper", "log"):
        values = [lambda_at(float(p), case["kind"]) for p in case["p"]]
        return {"values": np.array([plain_scalar(value) for value in values])}
    try:
        lambda_at(float(case["p"][0]), case["kind"])
    except ValueError:
        return {"refused": np.array(True)}
    return {"refused": np.array(False)}


def _lambda_judge(case: Case, answer: Answer) -> None:
    p, kind = case["p"], case["kind"]
    if kind not in ("paper", "log"):
        if not take_flag(answer, "refused"):
            raise CheckFailed("unknown_kind", "an unknown kind must raise ValueError")
        return
    values = take(answer, "values", p.shape, "lambda")
    paper, log = np.tanh(5 * p), np.log(1.02 + 1.7 * p)
    expected, other = (paper, log) if kind == "paper" else (log, paper)

    def squashed(gamma: float) -> np.ndarray:
        return 2 / (1 + np.exp(-gamma * p)) - 1

    wrong = [
        ("wrong_curve", other, "this is the curve of the other kind"),
        ("sign_of_exponent", squashed(-10), "the exponent lacks its minus: exp(-10 p)"),
        ("minus_one", paper + 1, "is the - 1 at the end missing?"),
        ("one_over", (paper + 1) / 2, "this is the sigmoid: the paper has 2 / (...) - 1"),
        *(("gamma", squashed(g), f"the factor in the exponent is 10, not {g}") for g in (1, 5, 20)),
        ("percent", squashed(0.1), "p is a share, 0 to 1, not a percentage"),
        ("log10", log / np.log(10), "the natural logarithm is meant (math.log), not log10"),
        ("log2", log / np.log(2), "the natural logarithm is meant (math.log), not log2"),
        ("wrong_constant", np.log(1.2 + 1.7 * p), "the constant is 1.02, not 1.2"),
        ("percent", np.log(1.02 + 0.017 * p), "p is a share, 0 to 1, not a percentage"),
    ]
    compare(values, expected, f"lambda of kind {kind!r}", wrong)


lambda_at = Check(
    "lambda_at", _lambda_cases, _lambda_probe, _lambda_judge, _lambda_at, (reversal.lambda_at,)
)

# --- a tiny F, C and D --------------------------------------------------------------------------

CLASSES = 3
CHANNELS, SIDE, FEATURES = 2, 3, 5


class _Tiny(nn.Module):
    def __init__(self, weights: np.ndarray) -> None:
        super().__init__()
        inputs = CHANNELS * SIDE * SIDE
        self.feature_extractor = nn.Sequential(nn.Flatten(), nn.Linear(inputs, FEATURES), nn.Tanh())
        self.label_classifier = nn.Linear(FEATURES, CLASSES)
        self.domain_classifier = nn.Sequential(nn.Linear(FEATURES, 4), nn.Tanh(), nn.Linear(4, 1))
        vector_to_parameters(torch.tensor(weights), self.parameters())

    def forward(self, images: Tensor) -> Tensor:
        return self.label_classifier(self.feature_extractor(images))

    def parts(self) -> dict[str, list[nn.Parameter]]:
        return {
            "feature extractor": list(self.feature_extractor.parameters()),
            "label classifier": list(self.label_classifier.parameters()),
            "domain classifier": list(self.domain_classifier.parameters()),
        }


TINY_WEIGHTS = (
    (CHANNELS * SIDE * SIDE + 1) * FEATURES + (FEATURES + 1) * CLASSES + (FEATURES + 1) * 4 + 5
)


def _tiny_case(rng: np.random.Generator, name: str, lambda_: float, *sizes: int) -> Case:
    """Draw weights and batches; ``sizes``: of source, of target, of the next source, and so on."""
    case = {
        "name": name,
        "lambda": float(lambda_),
        "weights": rng.normal(scale=0.8, size=TINY_WEIGHTS).astype(np.float32),
    }
    for number, (source, target) in enumerate(zip(sizes[::2], sizes[1::2], strict=True)):
        shape = (CHANNELS, SIDE, SIDE)
        case[f"source{number}"] = rng.normal(0.5, 1, (source, *shape)).astype(np.float32)
        case[f"target{number}"] = rng.normal(-0.5, 1, (target, *shape)).astype(np.float32)
        case[f"labels{number}"] = rng.integers(0, CLASSES, source)
    return case


def _batch(case: Case, number: int) -> tuple[Tensor, Tensor, Tensor]:
    return tuple(torch.tensor(case[f"{name}{number}"]) for name in ("source", "labels", "target"))


def _flat(tensors: list[Tensor]) -> np.ndarray:
    return plain(parameters_to_vector(tensors))


# --- reversal_losses ----------------------------------------------------------------------------


def _losses_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    if seed == VISIBLE:
        return [_tiny_case(rng, "lambda 0.6", 0.6, 6, 4)]
    return [
        _tiny_case(rng, "more target than source", rng.uniform(0.3, 0.8), 5, 8),
        _tiny_case(rng, "lambda 0", 0.0, 7, 3),
        _tiny_case(rng, "large lambda", rng.uniform(1.5, 3), 4, 9),
        _tiny_case(rng, "one target picture", rng.uniform(0.3, 0.8), 4, 1),
    ]


def _losses_probe(reversal_losses: Callable, case: Case) -> Answer:
    model = _Tiny(case["weights"])
    losses = reversal_losses(model, *_batch(case, 0), case["lambda"])
    if not isinstance(losses, (tuple, list)) or len(losses) != 2:
        plain(losses)
        raise CheckFailed("not_two_losses", "return two losses: class_loss, domain_loss")
    answer = {
        "class_loss": plain_scalar(losses[0], "the class loss"),
        "domain_loss": plain_scalar(losses[1], "the domain loss"),
    }
    total = sum(loss for loss in losses if isinstance(loss, Tensor) and loss.requires_grad)
    if isinstance(total, Tensor):
        total.backward()
    for name, parameters in model.parts().items():
        answer[name] = _flat(
            [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        )
    return answer


def _gradients(loss: Tensor, model: _Tiny) -> dict[str, np.ndarray]:
    """Return each network's gradient of ``loss``, flat."""
    parameters = list(model.parameters())
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    of = {
        id(p): torch.zeros_like(p) if g is None else g
        for p, g in zip(parameters, gradients, strict=True)
    }
    return {name: _flat([of[id(p)] for p in part]) for name, part in model.parts().items()}


def _losses_judge(case: Case, answer: Answer) -> None:
    model, lambda_ = _Tiny(case["weights"]), case["lambda"]
    source, labels, target = _batch(case, 0)
    class_loss = F.cross_entropy(model(source), labels)
    logits = model.domain_classifier(model.feature_extractor(torch.cat([source, target])))
    logits = logits.flatten()
    is_source = torch.arange(len(logits)) < len(source)
    actual = {name: take(answer, name, (), name) for name in ("class_loss", "domain_loss")}

    # Which domain is called 1 is free: take the choice that comes nearer.
    def domain_loss(ones: Tensor, reduction: str = "mean") -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, ones.float(), reduction=reduction)

    ones = min(
        (is_source, ~is_source),
        key=lambda ones: abs(domain_loss(ones).item() - actual["domain_loss"]),
    )
    figures = plain(class_loss).astype(float), plain(domain_loss(ones)).astype(float)
    if close(actual["class_loss"], figures[1]) or (
        any(close(actual["class_loss"], plain(domain_loss(o)).astype(float)) for o in (ones, ~ones))
        and close(actual["domain_loss"], figures[0])
    ):
        raise CheckFailed("swapped_losses", "the two losses are swapped: first class, then domain")
    compare(
        actual["class_loss"],
        figures[0],
        "the class loss",
        [
            ("sum_not_mean", len(source) * figures[0], "the class loss is a sum: take the mean"),
            *((("lambda_on_class_loss", lambda_ * figures[0], "lambda scales the class loss"),)),
        ],
    )
    compare(
        actual["domain_loss"],
        figures[1],
        "the domain loss",
        [
            wrong
            for choice in (is_source, ~is_source)
            for wrong in _wrong_domain_losses(domain_loss, choice, logits, lambda_)
        ],
    )
    expected = {
        name: gradient - (lambda_ if name == "feature extractor" else -1) * of_domain
        for (name, gradient), of_domain in zip(
            _gradients(class_loss, model).items(),
            _gradients(domain_loss(ones), model).values(),
            strict=True,
        )
    }
    _judge_gradients(answer, expected, class_loss, domain_loss(ones), model, lambda_)


def _wrong_domain_losses(domain_loss: Callable, ones: Tensor, logits: Tensor, lambda_: float):
    """Return what typical mistakes give for the domain loss; ``ones`` are the rows labelled 1."""
    each = plain(domain_loss(ones, "none")).astype(float)
    rows = ones.numpy()
    mean, first, second = each.mean(), each[rows].mean(), each[~rows].mean()
    twice = plain(F.binary_cross_entropy_with_logits(logits.sigmoid(), ones.float()))
    one_label = plain(F.softplus(-logits).mean())
    scaled = "lambda must not scale the domain loss, or D would learn more slowly: it belongs to F"
    one_domain = "the domain loss is that of one domain only: D must see source and target"
    return [
        ("lambda_on_domain_loss", lambda_ * mean, scaled),
        ("negated_domain_loss", -mean, "the domain loss is negative: D must make it small"),
        ("negated_domain_loss", -lambda_ * mean, "the domain loss is negative: D makes it small"),
        ("sum_not_mean", each.sum(), "the domain loss is a sum: take the mean over all pictures"),
        ("cross_entropy_of_one", np.zeros(()), "cross_entropy of a single logit is always 0"),
        ("one_domain", first, one_domain),
        ("one_domain", second, one_domain),
        (
            "mean_of_means",
            (first + second) / 2,
            "this is the mean of two means: take the mean over all pictures of both domains",
        ),
        ("sum_of_means", first + second, "two means are added: take one mean over all pictures"),
        ("same_label", one_label, "source and target have the same domain label"),
        (
            "sigmoid_twice",
            twice,
            "binary_cross_entropy_with_logits takes the logit itself: leave the sigmoid out",
        ),
    ]


def _judge_gradients(answer, expected, class_loss, domain_loss, model, lambda_) -> None:
    of_class, of_domain = _gradients(class_loss, model), _gradients(domain_loss, model)
    f, c, d = expected
    sizes = {name: values.shape for name, values in expected.items()}
    actual = {
        name: take(answer, name, sizes[name], f"the gradient of the {name}") for name in sizes
    }
    not_d = "the domain classifier's gradient is scaled by lambda: it must learn at full strength"
    compare(
        actual[d],
        expected[d],
        "the gradient of the domain classifier",
        [
            ("lambda_on_domain", lambda_ * of_domain[d], not_d),
            (
                "reversed_domain_classifier",
                -lambda_ * of_domain[d],
                "the domain classifier's own gradient is reversed: put the reversal before it, "
                "on the features",
            ),
            (
                "no_gradient",
                0 * of_domain[d],
                "no gradient of the domain loss reaches the domain classifier",
            ),
        ],
    )
    compare(
        actual[f],
        expected[f],
        "the gradient of the feature extractor",
        [
            (
                "no_reversal",
                of_class[f] + of_domain[f],
                "the domain gradient reaches the feature extractor unreversed",
            ),
            ("no_reversal", of_class[f] + lambda_ * of_domain[f], "the minus is missing"),
            (
                "detached",
                of_class[f],
                "no domain gradient reaches the feature extractor: are the features detached?",
            ),
            ("detached", 0 * of_class[f], "no gradient reaches the feature extractor"),
            (
                "class_reversed",
                -lambda_ * (of_class[f] + of_domain[f]),
                "the class loss is reversed too: only the domain classifier sees the features "
                "through the reversal",
            ),
            (
                "class_reversed",
                -lambda_ * of_class[f] + of_domain[f],
                "the class loss is reversed, and the domain loss is not",
            ),
            (
                "lambda_twice",
                of_class[f] - lambda_**2 * of_domain[f],
                "lambda is applied twice on the way to the feature extractor",
            ),
            (
                "lambda_ignored",
                of_class[f] - of_domain[f],
                "the domain gradient is reversed, but lambda is not used",
            ),
        ],
    )
    compare(
        actual[c],
        expected[c],
        "the gradient of the label classifier",
        [("no_gradient", 0 * expected[c], "no gradient reaches the label classifier")],
    )


reversal_losses = Check(
    "reversal_losses", _losses_cases, _losses_probe, _losses_judge, dann.reversal_losses
)

# --- alternating_step ---------------------------------------------------------------------------


def _step_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    if seed == VISIBLE:
        kinds = [("two steps", 0.6, 0.0, (6, 4, 5, 5))]
    else:
        kinds = [
            ("two steps", rng.uniform(0.3, 0.8), 0.0, (5, 8, 7, 3)),
            ("with momentum", rng.uniform(0.3, 0.8), 0.9, (4, 6, 6, 4)),
            ("large lambda", rng.uniform(1.5, 2.5), 0.0, (3, 9, 5, 2)),
            ("lambda 0", 0.0, 0.5, (8, 4, 3, 3)),
        ]
    return [
        {**_tiny_case(rng, name, lambda_, *sizes), "momentum": momentum}
        for name, lambda_, momentum, sizes in kinds
    ]


def _optimizers(model: _Tiny, momentum: float) -> dann.Optimizers:
    f, c, d = model.parts().values()
    return dann.Optimizers(
        features=torch.optim.SGD([*f, *c], lr=0.3, momentum=momentum),
        domain=torch.optim.SGD(d, lr=0.2, momentum=momentum),
    )


def _step_probe(alternating_step: Callable, case: Case) -> Answer:
    model = _Tiny(case["weights"])
    optimizers = _optimizers(model, case["momentum"])
    answer = {}
    for call in range(2):
        figures = alternating_step(model, optimizers, *_batch(case, call), case["lambda"])
        if figures is None:
            plain(figures)
        for name in ("class_loss", "domain_loss"):
            if not isinstance(figures, dict) or name not in figures:
                raise CheckFailed("figures", f'return a dictionary of figures, with "{name}"')
            answer[f"{name} {call}"] = plain_scalar(figures[name], f'figure "{name}"')
        for name, parameters in model.parts().items():
            answer[f"{name} {call}"] = _flat(parameters)
    return answer


# The typical mistakes, as ``_alternate`` makes them, in the order in which they are looked for.
STEP_FAULTS = {
    "no_step_1": "the domain classifier does not learn: step 1 must move it",
    "no_step_2": "the feature extractor and the label classifier do not learn: step 2 moves them",
    "not_detached": "the feature extractor learns in step 1: detach the features there",
    "plus_sign": "step 2 must make the domain loss large: class_loss - lambda_ * domain_loss",
    "step_2_without_domain": "step 2 leaves the domain loss out",
    "lambda_ignored": "lambda_ is not used in step 2",
    "lambda_in_step_1": "lambda_ must not scale step 1: the domain classifier learns at full "
    "strength",
    "domain_stepped_twice": "the domain classifier moves in step 2 too: only step 1 moves it",
    "features_stepped_twice": "the optimiser of the features makes more than one step",
    "old_domain_classifier": "step 2 must ask the domain classifier as it is after step 1",
    "stale_domain": "gradients are left over for the domain classifier: call "
    "optimizers.domain.zero_grad() before the backward of step 1",
    "stale_features": "gradients are left over for the feature extractor: call "
    "optimizers.features.zero_grad() before the backward of step 2",
    "same_label": "source and target have the same domain label",
    "same_label_in_step_2": "source and target have the same domain label in step 2",
    "flipped_in_step_2": "the domain labels are swapped in step 2: the minus is enough",
    "source_only": "the target pictures are left out of the domain loss",
    "target_only": "the source pictures are left out of the domain loss",
    "source_only_in_step_2": "step 2 leaves the target pictures out of the domain loss",
    "target_only_in_step_2": "step 2 leaves the source pictures out of the domain loss",
    "mean_of_means": "this is the mean of two means: take the mean over all pictures",
}


def _alternate(
    case: Case, source_is_one: bool, fault: str = ""
) -> Iterator[tuple[str, np.ndarray]]:
    """Do the two calls, rightly or with one of ``STEP_FAULTS``; yield an answer as the probe's.

    One figure at a time, so that a comparison can stop at the first that differs.
    """
    model, lambda_ = _Tiny(case["weights"]), case["lambda"]
    optimizers = _optimizers(model, case["momentum"])
    f, c, d = model.parts().values()
    weight = {"plus_sign": lambda_, "lambda_ignored": -1.0, "step_2_without_domain": 0.0}
    weight = weight.get(fault, -lambda_)
    left = {"features": 0.0, "domain": 0.0}  # gradients of the first call
    for call in range(2):
        batch = _batch(case, call)
        _, d_loss = _step_losses(model, batch, source_is_one, fault, step=1)
        yield f"domain_loss {call}", plain(d_loss)
        _, confusion = _step_losses(model, batch, source_is_one, fault, step=2)
        old = _flat_gradient(confusion, [*f, *c])
        leaked = _flat_gradient(d_loss, [*f, *c]) if fault == "not_detached" else 0.0
        gradient = _flat_gradient(d_loss, d) * (lambda_ if fault == "lambda_in_step_1" else 1)
        gradient = gradient + (left["domain"] if fault == "stale_domain" else 0.0)
        if fault != "no_step_1":
            _move(optimizers.domain, d, gradient)

        class_loss, confusion = _step_losses(model, batch, source_is_one, fault, step=2)
        left["domain"] = gradient + weight * _flat_gradient(confusion, d)
        against = old if fault == "old_domain_classifier" else _flat_gradient(confusion, [*f, *c])
        gradient = _flat_gradient(class_loss, [*f, *c]) + weight * against + leaked
        gradient = gradient + (left["features"] if fault == "stale_features" else 0.0)
        left["features"] = gradient
        if fault == "domain_stepped_twice":
            _move(optimizers.domain, d, left["domain"])
        for _ in range({"no_step_2": 0, "features_stepped_twice": 2}.get(fault, 1)):
            _move(optimizers.features, [*f, *c], gradient)

        yield f"class_loss {call}", plain(class_loss)
        for name, parameters in model.parts().items():
            yield f"{name} {call}", _flat(parameters)


def _step_losses(
    model: _Tiny, batch: tuple[Tensor, Tensor, Tensor], source_is_one: bool, fault: str, step: int
) -> tuple[Tensor, Tensor]:
    """Return the class loss and the domain loss of one step, with the fault if it has one."""
    source, labels, target = batch
    images = torch.cat([source, target])
    of_source = torch.arange(len(images)) < len(source)
    ones = of_source == source_is_one
    if fault == "same_label" or (fault == "same_label_in_step_2" and step == 2):
        ones = torch.full_like(ones, source_is_one)
    if fault == "flipped_in_step_2" and step == 2:
        ones = ~ones
    logits = model.domain_classifier(model.feature_extractor(images)).flatten()
    losses = F.binary_cross_entropy_with_logits(logits, ones.float(), reduction="none")
    domain_loss = losses.mean()
    if fault == "source_only" or (fault == "source_only_in_step_2" and step == 2):
        domain_loss = losses[of_source].mean()
    if fault == "target_only" or (fault == "target_only_in_step_2" and step == 2):
        domain_loss = losses[~of_source].mean()
    if fault == "mean_of_means":
        domain_loss = (losses[of_source].mean() + losses[~of_source].mean()) / 2
    return F.cross_entropy(model(source), labels), domain_loss


def _flat_gradient(loss: Tensor, parameters: list[nn.Parameter]) -> Tensor:
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    pairs = zip(parameters, gradients, strict=True)
    return parameters_to_vector([torch.zeros_like(p) if g is None else g for p, g in pairs])


def _move(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], gradient: Tensor):
    parts = gradient.split([p.numel() for p in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.grad = part.view_as(parameter)
    optimizer.step()


def _step_judge(case: Case, answer: Answer) -> None:
    both = [dict(_alternate(case, source_is_one)) for source_is_one in (True, False)]
    actual = {name: take(answer, name, value.shape, _what(name)) for name, value in both[0].items()}

    def fits(other: Iterable[tuple[str, np.ndarray]]) -> bool:
        return all(close(actual[name], value) for name, value in other)

    if any(fits(right.items()) for right in both):
        return
    for fault, source_is_one in product(STEP_FAULTS, (True, False)):
        if fits(_alternate(case, source_is_one, fault)):
            raise CheckFailed(fault, STEP_FAULTS[fault])

    def misses(right: Answer) -> list[str]:
        return [name for name, value in right.items() if not close(actual[name], value)]

    right = min(both, key=lambda right: len(misses(right)))
    missed = misses(right)
    if all("loss" in name for name in missed):
        message = (
            "the networks move rightly, but the losses returned are not the class loss before "
            "the update and the domain loss of step 1"
        )
        raise CheckFailed("wrong_figures", message)
    first = next(name for name in missed if "loss" not in name)
    message = f"{_what(first)} is not right: {differ(actual[first], right[first])}"
    raise CheckFailed("wrong_values", message)


def _what(name: str) -> str:
    thing, call = name.rsplit(" ", 1)
    return f"the {thing.replace('_', ' ')} after call {int(call) + 1}"


alternating_step = Check(
    "alternating_step", _step_cases, _step_probe, _step_judge, dann.alternating_step
)

# --- predict ------------------------------------------------------------------------------------


class _Normed(nn.Module):
    """BatchNorm, dropout and a linear layer: what ``eval`` changes."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        channels, classes = len(case["mean"]), case["weight"].shape[0]
        self.norm = nn.BatchNorm2d(channels)
        self.norm.running_mean.copy_(torch.tensor(case["mean"]))
        self.dropout = nn.Dropout(0.5)
        self.linear = nn.Linear(case["weight"].shape[1], classes, bias=False)
        self.linear.weight.data.copy_(torch.tensor(case["weight"]))

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(self.dropout(self.norm(images).flatten(1)))


def _predict_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    if seed == VISIBLE:
        kinds = [("8 in batches of 4", 8, 4, 3), ("7 in batches of 3", 7, 3, 4), ("one", 1, 4, 3)]
    else:
        kinds = [
            ("more than one batch", 16, 8, int(rng.integers(3, 6))),
            ("a remainder of 1", 9, 4, int(rng.integers(3, 6))),
            ("a remainder of 3", 11, 4, int(rng.integers(3, 6))),
            ("one picture", 1, int(rng.integers(1, 9)), 5),
            ("a batch larger than all", 6, 50, 3),
            ("batches of one", 5, 1, 4),
        ]
    return [_predict_case(rng, *kind) for kind in kinds]


def _predict_case(rng: np.random.Generator, name: str, n: int, batch_size: int, classes: int):
    """Draw until prediction in train mode differs and no two classes are nearly equal."""
    while True:
        case = {
            "name": name,
            "images": rng.normal(size=(n, 2, 3, 2)).astype(np.float32),
            "batch_size": batch_size,
            "mean": rng.normal(0, 1.5, 2).astype(np.float32),
            "weight": rng.normal(size=(classes, 12)).astype(np.float32),
        }
        logits = _logits(case)
        top = np.sort(logits, 1)
        apart = (top[:, -1] - top[:, -2]).min() > 0.01
        labels, trained = logits.argmax(1), _logits(case, training=True).argmax(1)
        varied = n == 1 or len(set(labels)) > 1
        if apart and varied and (labels != trained).any():
            return case


def _logits(case: Case, training: bool = False) -> np.ndarray:
    """Return what the model should give; ``training``: BatchNorm by the batch (all as one)."""
    model = _Normed(case).eval()
    model.norm.train(training)
    with torch.no_grad():
        return plain(model(torch.tensor(case["images"])))


def _predict_probe(predict: Callable, case: Case) -> Answer:
    model = _Normed(case)
    modes, graphs = [], []
    hook = model.norm.register_forward_hook(lambda *_: modes.append(model.norm.training))
    last = model.linear.register_forward_hook(lambda *a: graphs.append(a[2].requires_grad))
    try:
        result = plain(predict(model, torch.tensor(case["images"]), case["batch_size"]))
    except Exception:
        # With one picture, train mode may well end in an exception.
        if any(modes):
            raise CheckFailed("train_mode", TRAIN_MODE) from None
        raise
    finally:
        hook.remove()
        last.remove()
    return {
        "labels": result,
        "mean": plain(model.norm.running_mean),
        "variance": plain(model.norm.running_var),
        "trained": np.array(any(modes)),
        "graph": np.array(any(graphs)),
    }


TRAIN_MODE = (
    "the model predicts in train mode, so a picture's class depends on the other pictures of its "
    "batch, and the running statistics move: call model.eval() first"
)


def _predict_judge(case: Case, answer: Answer) -> None:
    logits = _logits(case)
    expected, (n, classes) = logits.argmax(1), logits.shape
    if take_flag(answer, "trained"):
        raise CheckFailed("train_mode", TRAIN_MODE)
    mean = take(answer, "mean", case["mean"].shape, "the running mean")
    variance = take(answer, "variance", case["mean"].shape, "the running variance")
    if not close(mean, case["mean"]) or not close(variance, np.ones_like(mean)):
        raise CheckFailed("statistics_moved", "BatchNorm's running statistics changed")
    labels = answer.get("labels")
    shape = labels.shape if type(labels) is np.ndarray else None
    first, whole = min(n, case["batch_size"]), n - n % case["batch_size"]
    if shape == (n, classes):
        raise CheckFailed("logits", "these are the outputs of all classes: return the class alone")
    if shape == () and n == 1:
        raise CheckFailed("squeezed", "for one picture the result must have shape (1,), not ()")
    if shape in ((whole,), (first,)) and shape != (n,):
        which = ("partial_batch_dropped", "the last, smaller batch is left out")
        if shape == (first,) != (whole,):
            which = ("first_batch_only", "only the first batch comes back")
        raise CheckFailed(which[0], f"{which[1]}: {shape[0]} predictions for {n} pictures")
    labels = take(answer, "labels", (n,), "the result")
    if close(labels, logits.max(1)):
        raise CheckFailed("values", "these are the largest outputs, not where they are: argmax")
    if answer["labels"].dtype.kind not in "iu":
        raise CheckFailed("wrong_dtype", f"classes are whole numbers, not {answer['labels'].dtype}")
    if (labels != expected).any():
        lowest, trained = logits.argmin(1), _logits(case, training=True).argmax(1)
        if (labels == trained).all():
            raise CheckFailed("train_mode", TRAIN_MODE)
        if (labels == lowest).all():
            raise CheckFailed("argmin", "this is the class of the smallest output")
        if sorted(labels) == sorted(expected):
            raise CheckFailed("order", "the classes are right, but not in the pictures' order")
        wrong = int((labels != expected).sum())
        raise CheckFailed("wrong_values", f"{wrong} of {n} predictions are not right")
    if take_flag(answer, "graph"):
        message = "the model runs with gradients on, which costs memory: use torch.no_grad()"
        raise CheckFailed("gradient_kept", message)


predict = Check(
    "predict",
    _predict_cases,
    _predict_probe,
    _predict_judge,
    evaluate.predict_labels,
    (evaluate.predict_logits,),
)

# --- ema_update ---------------------------------------------------------------------------------


def _ema_model(sizes: np.ndarray) -> nn.Sequential:
    inputs, hidden, outputs = (int(size) for size in sizes)
    inner = nn.Sequential(nn.Linear(hidden, outputs), nn.BatchNorm1d(outputs))
    return nn.Sequential(nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden), inner)


def _ema_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    if seed == VISIBLE:
        kinds = [("beta 0.9", 0.9, (3, 4, 2), np.float32)]
    else:
        kinds = [
            ("a small beta", rng.uniform(0.1, 0.4), rng.integers(2, 6, 3), np.float32),
            ("float64", rng.uniform(0.6, 0.95), rng.integers(2, 6, 3), np.float64),
            ("beta 1", 1.0, (2, 3, 2), np.float32),
            ("beta 0", 0.0, (2, 3, 4), np.float32),
        ]
    cases = []
    for name, beta, sizes, dtype in kinds:
        case = {"name": name, "beta": float(beta), "sizes": np.array(sizes)}
        for key, value in _ema_model(case["sizes"]).state_dict().items():
            for who, count in (("teacher", 3), ("student", 100)):
                values = np.array(rng.uniform(0.5, 2, tuple(value.shape)), dtype)
                case[f"{who} {key}"] = values if value.is_floating_point() else np.array(count)
        cases.append(case)
    return cases


def _state(case: Case, who: str) -> dict[str, np.ndarray]:
    return {
        key.removeprefix(f"{who} "): value
        for key, value in case.items()
        if key.startswith(f"{who} ")
    }


def _ema_probe(ema_update: Callable, case: Case) -> Answer:
    models = {}
    for who in ("teacher", "student"):
        state = {key: torch.tensor(value) for key, value in _state(case, who).items()}
        models[who] = _ema_model(case["sizes"]).to(state["0.weight"].dtype)
        models[who].load_state_dict(state)
    teacher, student = models["teacher"].eval().requires_grad_(False), models["student"]
    ema_update(teacher, student, case["beta"])
    answer = {
        f"{who} {key}": plain(value)
        for who, model in models.items()
        for key, value in model.state_dict().items()
    }
    tensors = [*teacher.parameters(), *teacher.buffers()]
    answer["graph"] = np.array(any(value.requires_grad for value in tensors))
    # What the student learns afterwards must not reach the teacher.
    with torch.no_grad():
        for value in [*student.parameters(), *student.buffers()]:
            value.add_(1)
    later = teacher.state_dict()
    moved = [not np.array_equal(plain(later[key]), answer[f"teacher {key}"]) for key in later]
    answer["shared"] = np.array(any(moved))
    return answer


def _ema_judge(case: Case, answer: Answer) -> None:
    teacher, student, beta = _state(case, "teacher"), _state(case, "student"), case["beta"]
    after = {
        key: take(answer, f"teacher {key}", value.shape, f"the teacher's {key}")
        for key, value in teacher.items()
    }
    for key, value in student.items():
        if not close(take(answer, f"student {key}", value.shape, f"the student's {key}"), value):
            raise CheckFailed("student_changed", f"the student's {key} changed: only read it")
    graph, shared = (take_flag(answer, name) for name in ("graph", "shared"))
    _judge_averages(teacher, student, beta, after)
    count = "1.num_batches_tracked"
    if answer[f"teacher {count}"].dtype.kind not in "iu":
        raise CheckFailed("integer_made_float", f"{count} must stay a whole number")
    if shared:
        message = "teacher and student share memory now, so the teacher moves with the student"
        raise CheckFailed("shared", message)
    if graph:
        message = "the teacher takes a gradient now: do the update under torch.no_grad()"
        raise CheckFailed("graph_attached", message)


def _judge_averages(teacher, student, beta, after) -> None:
    def mix(share: float) -> dict[str, np.ndarray]:
        return {key: share * teacher[key] + (1 - share) * student[key] for key in teacher}

    floats = [key for key in teacher if teacher[key].dtype.kind == "f"]
    integers = [key for key in teacher if key not in floats]
    buffers = [key for key in floats if "running" in key]
    weights = [key for key in floats if key not in buffers]

    def like(values: dict[str, np.ndarray], keys: list[str]) -> bool:
        return all(close(after[key], np.asarray(values[key], float)) for key in keys)

    right = mix(beta)
    if like(right, floats):
        if not like(student, integers):
            message = f"{integers[0]} counts batches: copy it from the student as it is"
            raise CheckFailed("integer_buffers", message)
        return
    if like(teacher, [*floats, *integers]):
        raise CheckFailed("nothing_changed", "the teacher did not change: update it in place")
    if like(right, weights) and like(teacher, buffers):
        message = "BatchNorm's running statistics are buffers, not parameters: average them too"
        raise CheckFailed("buffers_skipped", message)
    if like(right, weights) and like(student, buffers):
        message = "BatchNorm's running statistics are copied: average them as the weights"
        raise CheckFailed("buffers_copied", message)
    wrong = [
        ("beta_swapped", 1 - beta, "beta and 1 - beta are swapped: beta is the teacher's share"),
        ("student_copied", 0, "the teacher is a copy of the student now: beta is not used"),
        ("beta_twice", beta**2, "the average is taken twice"),
        ("half", 0.5, "this is the plain mean: beta is not used"),
    ]
    for cause, share, message in wrong:
        if like(mix(share), weights):
            raise CheckFailed(cause, message)
    untouched = [key for key in floats if like(teacher, [key]) and not like(right, [key])]
    if untouched:
        message = f"some of the teacher is left as it was: {', '.join(untouched)}"
        raise CheckFailed("some_untouched", message)
    key = next(key for key in floats if not like(right, [key]))
    difference = differ(after[key], right[key])
    raise CheckFailed("wrong_values", f"the teacher's {key} is not right: {difference}")


ema_update = Check("ema_update", _ema_cases, _ema_probe, _ema_judge, self_training.ema_update)

# --- pseudo_label_loss --------------------------------------------------------------------------


def _pseudo_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    if seed == VISIBLE:
        return [
            _pseudo_case(rng, "some are sure", 8, 4, 0.8, np.float32, 3),
            _pseudo_case(rng, "none is sure", 4, 3, 0.95, np.float32, 0),
        ]
    n, classes = int(rng.integers(9, 20)), int(rng.integers(3, 8))
    low = float(rng.uniform(0.6, 0.8))
    return [
        _pseudo_case(rng, "some are sure", n, classes, low, np.float32, n // 3),
        _pseudo_case(rng, "two classes, float64", 10, 2, 0.9, np.float64, 6),
        _pseudo_case(rng, "none is sure", 5, classes, 0.95, np.float64, 0),
        _pseudo_case(rng, "all are sure", 6, 3, 0.7, np.float32, 6),
        _pseudo_case(rng, "one row", 1, 4, 0.6, np.float32, 1),
        _pseudo_case(rng, "one row, not sure", 1, 4, 0.6, np.float32, 0),
    ]


def _pseudo_case(rng, name, n, classes, threshold, dtype, sure) -> Case:
    """Draw logits of which the first axis holds ``sure`` rows above the threshold, none near it."""
    margin = 0.2 * (1 - threshold)
    rows = []
    while len(rows) < n:
        row = rng.normal(size=classes) * rng.uniform(0.5, 6)
        top = _softmax(row[None]).max()
        wanted = top > threshold + margin if len(rows) < sure else top < threshold - margin
        if wanted:
            rows.append(row + rng.normal(1.5, 2))  # softmax does not see the shift, a logit does
    return {
        "name": name,
        "teacher": np.array(rows)[rng.permutation(n)].astype(dtype),
        "student": (rng.normal(size=(n, classes)) * 2).astype(dtype),
        "threshold": threshold,
    }


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits.astype(float) - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def _pseudo_probe(pseudo_label_loss: Callable, case: Case) -> Answer:
    student = torch.tensor(case["student"], requires_grad=True)
    teacher = torch.tensor(case["teacher"], requires_grad=True)
    result = pseudo_label_loss(student * 1.0, teacher * 1.0, case["threshold"])
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        plain(result)
        raise CheckFailed("not_two", "return two things: the loss and the used rate")
    loss, used_rate = result
    answer = {
        "loss": plain_scalar(loss, "the loss"),
        "used_rate": plain_scalar(used_rate, "the used rate"),
    }
    if not isinstance(loss, Tensor) or not loss.requires_grad:
        message = "the loss has no gradient: backward() must work also where no row is sure"
        raise CheckFailed("no_backward", message)
    loss.backward()
    for name, leaf in (("student", student), ("teacher", teacher)):
        answer[f"{name}_gradient"] = plain(
            torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
        )
    return answer


def _pseudo_judge(case: Case, answer: Answer) -> None:
    student, teacher, threshold = case["student"], case["teacher"], case["threshold"]
    probabilities, log_student = _softmax(teacher), np.log(_softmax(student))
    sure, labels = probabilities.max(1) > threshold, teacher.argmax(1)
    losses = -log_student[np.arange(len(student)), labels]
    loss = take(answer, "loss", (), "the loss", finite=False)
    if not sure.any() and not np.isfinite(loss):
        message = "where no row is sure the loss must be 0, not NaN: mind the division by 0"
        raise CheckFailed("nan_when_none", message)
    loss = take(answer, "loss", (), "the loss")
    right = np.asarray(_mean(losses[sure]))
    compare(loss, right, "the loss", _wrong_pseudo_losses(case, losses, log_student))

    used_rate = take(answer, "used_rate", (), "the used rate")
    rate = np.asarray(sure.mean())
    compare(
        used_rate,
        rate,
        "the used rate",
        [
            ("rate_is_count", sure.sum(), "the used rate is a share, 0 to 1, not a count"),
            ("rate_is_percent", 100 * rate, "the used rate is a share, 0 to 1, no percentage"),
            ("rate_of_unsure", 1 - rate, "this is the share of rows that are not used"),
        ],
    )
    if take(answer, "teacher_gradient", teacher.shape, "the teacher's gradient").any():
        message = "a gradient reaches the teacher's logits: detach them"
        raise CheckFailed("teacher_gradient", message)
    actual = take(answer, "student_gradient", student.shape, "the student's gradient")
    one_hot = np.eye(student.shape[1])[labels]
    gradient = (np.exp(log_student) - one_hot) * sure[:, None] / max(1, sure.sum())
    message = "no gradient reaches the student's logits"
    wrong = [("student_gradient", 0 * gradient, message)]
    compare(actual, gradient, "the student's gradient", wrong)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0


def _wrong_pseudo_losses(case: Case, losses: np.ndarray, log_student: np.ndarray):
    """Return what typical mistakes give for the loss."""
    student, teacher, threshold = case["student"], case["teacher"], case["threshold"]
    probabilities, of_student = _softmax(teacher), _softmax(student)
    sure = probabilities.max(1) > threshold
    own = -log_student[np.arange(len(student)), student.argmax(1)]
    soft = -(probabilities * log_student).sum(1)
    weighted = probabilities.max(1) * losses
    students = "it is the teacher who must be sure, not the student"
    return [
        (
            "mean_over_all",
            losses[sure].sum() / len(losses),
            "the mean is taken over all rows: divide by the number of sure ones",
        ),
        ("sum_not_mean", losses[sure].sum(), "this is the sum over the sure rows, not their mean"),
        ("all_rows", losses.mean(), "every row counts here: leave out where the teacher is unsure"),
        ("below_threshold", _mean(losses[~sure]), "the unsure rows are used, not the sure ones"),
        (
            "threshold_on_logits",
            _mean(losses[teacher.max(1) > threshold]),
            "the threshold is for the teacher's probability: take the softmax first",
        ),
        ("student_sure", _mean(losses[of_student.max(1) > threshold]), students),
        ("student_sure", _mean(own[of_student.max(1) > threshold]), students),
        ("student_labels", _mean(own[sure]), "the labels must be the teacher's, not the student's"),
        ("soft_targets", _mean(soft[sure]), "the targets are soft: take the teacher's argmax"),
        ("weighted", _mean(weighted[sure]), "the rows are weighted by the teacher's probability"),
        ("negative", -_mean(losses[sure]), "the loss is negative: is a minus missing?"),
    ]


pseudo_label_loss = Check(
    "pseudo_label_loss",
    _pseudo_cases,
    _pseudo_probe,
    _pseudo_judge,
    self_training.pseudo_label_loss,
)

# --- submission ---------------------------------------------------------------------------------

ENOUGH = 0.7  # accuracy; source-only stays below, an adapted network has room above

submission = numbered(
    "hw2",
    ENOUGH,
    "Are these the adapted network's predictions, in eval mode, in the order of the pictures?",
)
