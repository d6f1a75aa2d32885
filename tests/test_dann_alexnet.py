"""AlexNet's third branch against torchvision, plain loops and finite differences."""

import copy
import itertools
import math
import urllib.error
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from dalib_edu import dann_alexnet
from dalib_edu.dann_alexnet import DannAlexNet, alexnet, collapsed, load_pretrained
from dalib_edu.settings import UserError

WIDTH = 1 / 16
HIDDEN = [f"{layer}.{kind}" for layer in (1, 4) for kind in ("weight", "bias")]
FRESH = [
    f"{head}.6.{k}" for head in ("classifier", "domain_classifier") for k in ("weight", "bias")
]


def pictures(n, size=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (n, 3, size, size), generator=generator, dtype=torch.uint8)


def narrow(classes=7, seed=0, **kinds):
    torch.manual_seed(seed)
    return alexnet(classes, WIDTH, grid=1, **kinds)


def plain_state(classes, seed=1):
    """Return what an AlexNet without a domain classifier would have saved."""
    state = narrow(classes, seed).state_dict()
    return {name: v for name, v in state.items() if not name.startswith("domain_classifier.")}


class Tiny:
    """Four parts without dropout, in double precision, for derivatives."""

    def __new__(cls, seed=0):
        torch.manual_seed(seed)
        features = nn.Sequential(nn.Conv2d(3, 2, 2), nn.Tanh())
        classifier = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 3))
        head = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2))
        return DannAlexNet(features, nn.AdaptiveAvgPool2d(1), classifier, head).double()


def batch(source=5, target=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    xs = torch.randn(source, 3, 3, 3, generator=generator, dtype=torch.float64)
    xt = torch.randn(target, 3, 3, 3, generator=generator, dtype=torch.float64) + 0.5
    return xs, torch.randint(3, (source,), generator=generator), xt


# --- preprocessing ------------------------------------------------------------------------------


def test_caffe_preprocess_by_a_plain_loop():
    images = pictures(2, size=5)
    got = dann_alexnet.caffe_preprocess(images)
    assert got.dtype == torch.float32
    assert got.shape == images.shape
    for n, row, column in itertools.product(range(2), range(5), range(5)):
        red, green, blue = images[n, :, row, column].tolist()
        assert got[n, :, row, column].tolist() == [blue - 104, green - 117, red - 123]


def test_imagenet_preprocess_is_torchvisions():
    weights = torchvision.models.AlexNet_Weights.IMAGENET1K_V1
    theirs = weights.transforms(crop_size=32, resize_size=32)
    images = pictures(3, size=32)
    torch.testing.assert_close(dann_alexnet.imagenet_preprocess(images), theirs(images))


@pytest.mark.parametrize("name", dann_alexnet.PREPROCESSING)
def test_preprocessing_leaves_the_pictures_as_they_are(name):
    images = pictures(2)
    before = images.clone()
    dann_alexnet.PREPROCESSING[name](images)
    assert torch.equal(images, before)


# --- the model ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_at_full_width_it_is_torchvisions_alexnet():
    theirs = torchvision.models.alexnet().eval()
    ours = alexnet(1000).eval()
    assert load_pretrained(ours, theirs.state_dict()) == FRESH[2:]
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(images))


def test_a_narrow_one_has_torchvisions_layers_and_strides():
    with torch.device("meta"):
        theirs, ours = torchvision.models.alexnet(), alexnet(1000, WIDTH)

    def layout(model, part):
        geometry = ("kernel_size", "stride", "padding", "dilation", "output_size", "p")
        return [
            (type(m), [getattr(m, name, None) for name in geometry])
            for m in getattr(model, part).modules()
        ]

    for part in ("features", "avgpool", "classifier"):
        assert layout(ours, part) == layout(theirs, part)


def test_alpha_zero_reaches_the_domain_head():
    model, images = narrow().eval(), torch.randn(3, 3, 64, 64)
    assert model(images).shape == (3, 7)
    for alpha in (0.0, 0, 1.0, torch.tensor(0.0)):
        assert model(images, alpha).shape == (3, 2)
    assert torch.equal(model(images, 0.0), model(images, 5.0))  # alpha is not in the values


def test_alpha_zero_gives_the_features_no_gradient_and_the_head_its_own():
    model, (xs, _, _) = Tiny(), batch()
    model(xs, 0.0).square().sum().backward()
    assert all(p.grad.abs().max() == 0 for p in model.features.parameters())
    at_zero = [p.grad.clone() for p in model.domain_classifier.parameters()]
    model.zero_grad()
    model(xs, 3.0).square().sum().backward()
    for own, p in zip(at_zero, model.domain_classifier.parameters(), strict=True):
        assert torch.equal(own, p.grad)
        assert p.grad.abs().max() > 0


# --- the domain classifier ----------------------------------------------------------------------


def test_init_domain_head_copies_values_and_shares_nothing():
    classifier = narrow().classifier
    head = dann_alexnet.init_domain_head(classifier, domains=3)
    assert [type(layer) for layer in head] == [type(layer) for layer in classifier]
    assert head[-1].out_features == 3
    for name in HIDDEN:
        assert torch.equal(head.state_dict()[name], classifier.state_dict()[name])
    storages = {p.untyped_storage().data_ptr() for p in classifier.parameters()}
    assert not storages & {p.untyped_storage().data_ptr() for p in head.parameters()}
    before = copy.deepcopy(classifier.state_dict())
    with torch.no_grad():
        for p in head.parameters():
            p.add_(1)
    assert all(torch.equal(v, before[name]) for name, v in classifier.state_dict().items())


@pytest.mark.parametrize("kind", dann_alexnet.DOMAIN_HEADS)
def test_every_domain_head_tells_two_domains(kind):
    model = narrow(domain_head=kind)
    assert model(torch.randn(2, 3, 64, 64), 1.0).shape == (2, 2)
    linears = [m for m in model.domain_classifier if isinstance(m, nn.Linear)]
    assert len(linears) == {"copy": 3, "small": 2, "linear": 1}[kind]


# --- pretrained weights -------------------------------------------------------------------------


def test_a_head_of_other_classes_is_left_out():
    model, state = narrow(7), plain_state(1000)
    fresh = copy.deepcopy(model.state_dict())
    with pytest.raises(RuntimeError, match="size mismatch"):  # what strict=False does not forgive
        copy.deepcopy(model).load_state_dict(state, strict=False)
    assert load_pretrained(model, state) == FRESH
    own = model.state_dict()
    for name in FRESH:
        assert torch.equal(own[name], fresh[name])
    for name in state:
        if name not in FRESH:
            assert torch.equal(own[name], state[name])
    for name in HIDDEN:
        assert torch.equal(own[f"domain_classifier.{name}"], state[f"classifier.{name}"])


def test_a_head_of_as_many_classes_is_loaded():
    model, state = narrow(7), plain_state(7)
    assert load_pretrained(model, state) == FRESH[2:]
    assert torch.equal(model.classifier[-1].weight, state["classifier.6.weight"])


def test_after_loading_the_branches_part():
    model, state = narrow(7), plain_state(7)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)  # made before: it must still be in charge
    load_pretrained(model, state)
    model.train()
    x = torch.randn(4, 3, 64, 64)
    dann_alexnet.source_only_step(model, optimizer, x, torch.arange(4))
    assert torch.equal(model.domain_classifier[1].weight, state["classifier.1.weight"])
    assert not torch.equal(model.classifier[1].weight, state["classifier.1.weight"])
    assert not torch.equal(model.classifier[-1].weight, state["classifier.6.weight"])  # no alias
    assert torch.equal(plain_state(7)["classifier.6.weight"], state["classifier.6.weight"])


def test_a_whole_checkpoint_keeps_its_domain_head():
    trained, model = narrow(7, seed=3), narrow(7)
    with torch.no_grad():
        trained.domain_classifier[1].weight.add_(1)
    assert load_pretrained(model, trained.state_dict()) == []
    assert torch.equal(model.domain_classifier[1].weight, trained.domain_classifier[1].weight)


def test_another_kind_of_domain_head_stays_fresh():
    model = narrow(7, domain_head="small")
    fresh = copy.deepcopy(model.domain_classifier.state_dict())
    kept = load_pretrained(model, plain_state(15))
    assert kept == FRESH[:2] + [f"domain_classifier.{name}" for name in fresh]
    assert all(torch.equal(v, fresh[n]) for n, v in model.domain_classifier.state_dict().items())


def misspelt(state):
    return {name.replace("features", "feature"): value for name, value in state.items()}


def without(state):
    return {name: value for name, value in state.items() if name != "features.3.bias"}


def cut_off(state):
    return {**state, "classifier.4.weight": state["classifier.4.weight"][:, :-1]}


def other_inputs(state):
    return {**state, "classifier.6.weight": state["classifier.6.weight"][:, :-1]}


def half_a_head(state):
    return {**state, "domain_classifier.9.weight": torch.zeros(2)}


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (misspelt, "feature.0.weight"),
        (without, "features.3.bias"),
        (cut_off, "classifier.4.weight"),
        (other_inputs, "classifier.6.weight"),
        (half_a_head, "domain_classifier.9.weight"),
        (lambda _: {}, "features.0.weight"),
    ],
)
def test_weights_that_do_not_fit_are_refused_and_nothing_is_loaded(spoil, named):
    model = narrow(7)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=named):
        load_pretrained(model, spoil(plain_state(1000)))
    assert all(torch.equal(v, before[name]) for name, v in model.state_dict().items())


def test_without_the_network_one_line_says_what_to_fetch(tmp_path, monkeypatch):
    def no_network(*_, **__):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", no_network)
    monkeypatch.setattr("torch.hub.urlopen", no_network)
    with pytest.raises(UserError) as caught:
        dann_alexnet.pretrained_state("full")
    message = str(caught.value)
    assert "\n" not in message
    assert "no route to host" in message
    assert "alexnet-owt-7be5be79.pth" in message
    assert str(tmp_path) in message
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def put_weights(folder, content):
    file = folder / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth"
    file.parent.mkdir(parents=True)
    content(file)


@pytest.mark.slow
def test_imagenet_weights_put_by_hand_are_used(tmp_path, monkeypatch):
    torch.manual_seed(5)
    theirs = torchvision.models.alexnet().state_dict()
    put_weights(tmp_path, lambda file: torch.save(theirs, file))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    torch.manual_seed(0)
    model = dann_alexnet.build(dann_alexnet.FULL, classes=7)
    for name in ("features.0.weight", "classifier.4.weight"):
        assert torch.equal(model.state_dict()[name], theirs[name])
    assert torch.equal(model.domain_classifier[4].weight, theirs["classifier.4.weight"])
    assert model.classifier[6].weight.shape == (7, 4096)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>"])
def test_a_broken_file_of_weights_is_named(tmp_path, monkeypatch, content):
    put_weights(tmp_path, lambda file: file.write_bytes(content))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(UserError, match="alexnet-owt-7be5be79.pth"):
        dann_alexnet.pretrained_state("full")


def test_the_shipped_weights_fit_the_embedded_network():
    state = dann_alexnet.pretrained_state("embedded")
    assert {value.dtype for value in state.values()} == {torch.float32}
    assert load_pretrained(dann_alexnet.build(dann_alexnet.EMBEDDED, 7), state) == FRESH
    assert dann_alexnet.EMBEDDED_WEIGHTS.stat().st_size < 2_000_000


def test_shipped_weights_that_are_gone_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(dann_alexnet, "EMBEDDED_WEIGHTS", tmp_path / "gone.safetensors")
    with pytest.raises(UserError, match="gone.safetensors"):
        dann_alexnet.pretrained_state("embedded")


# --- the steps ----------------------------------------------------------------------------------


def mean_loss(model, images, labels, head):
    """Return the mean cross-entropy picture by picture, from its definition."""
    losses = []
    with torch.no_grad():
        for image, label in zip(images, labels, strict=True):
            features = model.avgpool(model.features(image[None])).flatten(1)
            powers = [math.exp(value) for value in getattr(model, head)(features)[0].tolist()]
            losses.append(-math.log(powers[label] / sum(powers)))
    return np.mean(losses)


def slopes(objective, parameters, step=1e-5):
    """Return central differences of ``objective()`` in every single weight."""
    found = []
    for parameter in parameters:
        flat = parameter.data.view(-1)
        for i in range(len(flat)):
            value = flat[i].item()
            flat[i] = value + step
            above = objective()
            flat[i] = value - step
            below = objective()
            flat[i] = value
            found.append((above - below) / (2 * step))
    return np.array(found)


def flat(part):
    return torch.cat([p.detach().flatten() for p in part.parameters()]).numpy()


@pytest.mark.parametrize("alpha", [0.0, 0.3, 2.0])
def test_three_pass_step_by_finite_differences(alpha):
    """One SGD step: each branch moves against its own gradient, which is a sum of two means."""
    model, (xs, ys, xt), rate = Tiny(), batch(), 0.1
    expected = copy.deepcopy(model)

    def class_loss():
        return mean_loss(expected, xs, ys.tolist(), "classifier")

    def domain_losses():
        return [
            mean_loss(expected, images, [domain] * len(images), "domain_classifier")
            for domain, images in enumerate((xs, xt))
        ]

    f, y, d = expected.features, expected.classifier, expected.domain_classifier
    moves = {
        "features": slopes(lambda: class_loss() - alpha * sum(domain_losses()), f.parameters()),
        "classifier": slopes(class_loss, y.parameters()),
        "domain_classifier": slopes(lambda: sum(domain_losses()), d.parameters()),
    }
    before = {name: flat(getattr(model, name)) for name in moves}
    figures = dann_alexnet.three_pass_step(
        model, torch.optim.SGD(model.parameters(), rate), xs, ys, xt, alpha
    )
    for name, move in moves.items():
        after = flat(getattr(model, name))
        np.testing.assert_allclose(after, before[name] - rate * move, atol=1e-9, err_msg=name)
    assert figures["class_loss"] == pytest.approx(class_loss())
    assert figures["domain_loss"] == pytest.approx(np.mean(domain_losses()))


def test_three_backwards_give_twice_the_domain_gradient_of_one_mixed_batch():
    (xs, ys, xt), still = batch(source=6, target=6), Tiny()
    dann_alexnet.three_pass_step(still, torch.optim.SGD(still.parameters(), 0.0), xs, ys, xt, 1.0)
    mixed = Tiny()
    domains = torch.tensor([0] * 6 + [1] * 6)
    F.cross_entropy(mixed(torch.cat([xs, xt]), 1.0), domains).backward()
    for ours, theirs in zip(
        still.domain_classifier.parameters(), mixed.domain_classifier.parameters(), strict=True
    ):
        torch.testing.assert_close(ours.grad, 2 * theirs.grad)


def test_stale_gradients_do_not_count():
    (xs, ys, xt), one, two = batch(), Tiny(), Tiny()
    for p in two.parameters():
        p.grad = torch.full_like(p, 9.0)
    for model in (one, two):
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        dann_alexnet.three_pass_step(model, optimizer, xs, ys, xt, 1.0)
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_batch_of_a_single_picture_trains():
    (xs, ys, xt), model = batch(1, 1), Tiny()
    figures = dann_alexnet.three_pass_step(
        model, torch.optim.SGD(model.parameters(), 0.1), xs, ys, xt, 1.0
    )
    assert all(math.isfinite(value) for value in figures.values())


def test_the_baseline_leaves_the_domain_head_alone():
    (xs, ys, _), model = batch(), Tiny()
    before = flat(model.domain_classifier)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=0.5)
    for _ in range(2):
        dann_alexnet.source_only_step(model, optimizer, xs, ys)
    np.testing.assert_array_equal(flat(model.domain_classifier), before)
    expected = Tiny()
    optimizer = torch.optim.SGD(
        [*expected.features.parameters(), *expected.classifier.parameters()],
        0.1,
        momentum=0.9,
        weight_decay=0.5,
    )
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(expected(xs), ys).backward()
        optimizer.step()
    np.testing.assert_allclose(flat(model.features), flat(expected.features))


# --- cycle --------------------------------------------------------------------------------------


def test_cycle_shuffles_anew_each_time_round():
    data = TensorDataset(torch.arange(12))
    generator = torch.Generator().manual_seed(0)
    loader = DataLoader(data, batch_size=4, shuffle=True, generator=generator)
    batches = dann_alexnet.cycle(loader)
    passes = [torch.cat([next(batches)[0] for _ in range(3)]).tolist() for _ in range(4)]
    assert all(sorted(one) == list(range(12)) for one in passes)
    assert len({tuple(one) for one in passes}) > 1


def test_cycle_is_lazy():
    drawn = []

    class Loader:
        def __iter__(self):
            for i in range(3):
                drawn.append(i)
                yield i

    batches = dann_alexnet.cycle(Loader())
    assert drawn == []
    assert [next(batches) for _ in range(4)] == [0, 1, 2, 0]
    assert drawn == [0, 1, 2, 0]


def test_cycle_over_nothing_is_an_error_and_no_endless_loop():
    data = TensorDataset(torch.arange(3))
    with pytest.raises(ValueError, match="no batch"):
        next(dann_alexnet.cycle(DataLoader(data, batch_size=4, drop_last=True)))
    once = dann_alexnet.cycle(iter([1]))
    assert next(once) == 1
    with pytest.raises(ValueError, match="no batch"):
        next(once)


# --- collapse -----------------------------------------------------------------------------------


def test_collapse_shares():
    """PACS' art paintings: 379 of 2,048 are dogs, 449 persons; a constant scores these shares."""
    assert f"{379 / 2048:.2%} {449 / 2048:.2%}" == "18.51% 21.92%"
    labels = torch.tensor([0] * 379 + [6] * 449 + [3] * 1220)
    for constant, share in ((0, 379 / 2048), (6, 449 / 2048)):
        predictions = torch.full((2048,), constant)
        assert collapsed(predictions) == constant
        assert (predictions == labels).float().mean().item() == pytest.approx(share)
    assert collapsed(labels) is None


@pytest.mark.parametrize(("others", "expected"), [(0, 0), (20, 0), (21, None), (1000, None)])
def test_nearly_all_is_99_percent(others, expected):
    assert collapsed(torch.tensor([0] * (2000 - others) + [1] * others)) == expected
    assert collapsed(torch.tensor([], dtype=torch.int64)) is None


def test_a_warning_names_the_class():
    logits = F.one_hot(torch.tensor([2] * 199 + [0]), 3).float()
    assert "'house'" in dann_alexnet.collapse_warning(logits, ("dog", "cat", "house"))
    assert dann_alexnet.collapse_warning(torch.eye(3), ("dog", "cat", "house")) == ""
    broken = torch.full((4, 3), float("nan"))
    assert "diverged" in dann_alexnet.collapse_warning(broken, ("dog", "cat", "house"))


# --- the configuration --------------------------------------------------------------------------


def test_presets_build_and_train():
    config = replace(dann_alexnet.GRADING, batch_size=2)
    torch.manual_seed(0)
    model = dann_alexnet.build(config, 7).train()
    images = dann_alexnet.PREPROCESSING[config.preprocess](pictures(2, config.size))
    optimizer = dann_alexnet.sgd(model, config)
    figures = dann_alexnet.three_pass_step(
        model, optimizer, images, torch.tensor([0, 1]), images, config.alpha
    )
    assert math.isfinite(figures["class_loss"])
    group = optimizer.param_groups[0]
    assert (group["lr"], group["momentum"]) == (config.learning_rate, config.momentum)


# The paper's formula, mu_0 = 0.01, worked out by hand: (1 + 10 p) is 1, 2, 6 and 11.
PAPER = {0: 0.01, 1: 0.0059460, 5: 0.0026085, 10: 0.0016556}


@pytest.mark.parametrize(
    ("kind", "rates"), [("paper", PAPER), ("constant", dict.fromkeys(PAPER, 0.01))]
)
def test_the_learning_rate_after_each_tenth_of_the_training(kind, rates):
    config = replace(dann_alexnet.GRADING, learning_rate=0.01, rate_schedule=kind, steps=10)
    optimizer = dann_alexnet.sgd(narrow(), config)
    schedule = dann_alexnet.rate_schedule(optimizer, config)
    found = []
    for _ in range(11):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert {step: found[step] for step in rates} == pytest.approx(rates, rel=1e-4)


def test_an_unknown_schedule_is_refused():
    config = replace(dann_alexnet.GRADING, rate_schedule="cosine")
    with pytest.raises(ValueError, match="no schedule 'cosine' of the learning rate"):
        dann_alexnet.rate_schedule(dann_alexnet.sgd(narrow(), config), config)
