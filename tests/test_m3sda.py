"""M3SDA's equations against printed values, plain loops and finite differences; its phases."""

import copy
import math
import urllib.error

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from dalib_edu import m3sda
from dalib_edu.m3sda import M3sda, Optimizers
from dalib_edu.settings import UserError

OFF = torch.amp.GradScaler("cpu", enabled=False)


def random(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


# --- moments ------------------------------------------------------------------------------------

X1, X2 = torch.tensor([[0.0, 0], [2, 0]]), torch.tensor([[1.0, 1], [1, 1]])
TARGET = torch.tensor([[3.0, 0], [3, 0]])


def test_the_printed_example():
    """Order 1: (2 + sqrt 5) / 2 + 1. Order 2 of the squares: (7 + sqrt 65) / 2 + sqrt 2."""
    assert m3sda.moment_distance([X1, X2], TARGET, (1,)).item() == pytest.approx(3.118034, abs=1e-6)
    assert m3sda.moment_distance([X1, X2], TARGET).item() == pytest.approx(12.063376, abs=1e-6)
    assert m3sda.moment_distance([X1, X2], TARGET, (2,)).item() == pytest.approx(
        (7 + math.sqrt(65)) / 2 + math.sqrt(2), abs=1e-6
    )


def test_central_moments_would_be_another_distance():
    def central(features):
        return (features - features.mean(0)).pow(2).mean(0)

    seconds = [central(x)[None] for x in (X1, X2, TARGET)]
    means = m3sda.moment_distance([X1, X2], TARGET, (1,))
    variant = means + m3sda.moment_distance(seconds[:2], seconds[2], (1,))
    # The variances are (1, 0), (0, 0) and (0, 0): 3.118 + (1 + 0) / 2 + 1.
    assert variant.item() == pytest.approx(4.618034, abs=1e-6)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_moments_by_numpy(order):
    features = random(7, 3)
    expected = (features.numpy() ** order).mean(axis=0)
    np.testing.assert_allclose(m3sda.moments(features, order).numpy(), expected, rtol=1e-12)


def by_hand(sources, target, orders):
    """Return the paper's definition 1 with plain loops over numbers."""

    def moment(features, order):
        rows = features.tolist()
        return [sum(row[d] ** order for row in rows) / len(rows) for d in range(len(rows[0]))]

    total = 0.0
    for order in orders:
        ours = [moment(source, order) for source in sources]
        n = len(ours)
        total += sum(math.dist(m, moment(target, order)) for m in ours) / n
        pairs = [math.dist(ours[i], ours[j]) for i in range(n) for j in range(n) if i < j]
        if pairs:
            total += 2 / (n * (n - 1)) * sum(pairs)
    return total


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("orders", [(1,), (2,), (1, 2), (1, 2, 3, 4, 5)])
def test_any_number_of_sources_of_any_size(count, orders):
    sources = [random(3 + 2 * i, 4, seed=i) + i / 3 for i in range(count)]
    target = random(6, 4, seed=9)
    found = m3sda.moment_distance(sources, target, orders).item()
    assert found == pytest.approx(by_hand(sources, target, orders), rel=1e-12)


def test_the_order_of_rows_does_not_matter_and_a_shift_does():
    one, two, target = (random(8, 5, seed=i) for i in range(3))
    before = m3sda.moment_distance([one, two], target)
    after = m3sda.moment_distance([one.flip(0), two.roll(3, 0)], target[torch.randperm(8)])
    torch.testing.assert_close(before, after)
    shuffled = m3sda.moment_distance([one, one.flip(0)], one.roll(2, 0))
    assert shuffled.item() < 1e-12
    # A shift by 10 in every one of 5 features lies sqrt(500) away, from both sources alike.
    assert m3sda.moment_distance([one, one], one + 10, (1,)).item() == pytest.approx(500**0.5)


def test_the_gradient_by_finite_differences():
    inputs = [random(4, 3, seed=i).requires_grad_() for i in range(3)]
    assert torch.autograd.gradcheck(
        lambda a, b, t: m3sda.moment_distance([a, b], t, (1, 2, 3)), inputs
    )


def test_the_gradient_of_equal_domains_is_zero_where_a_plain_root_gives_nan():
    features = random(4, 3).requires_grad_()
    m3sda.moment_distance([features, features.clone()], features.clone()).backward()
    assert torch.equal(features.grad, torch.zeros(4, 3, dtype=torch.float64))
    features.grad = None
    ((features - features.clone()) ** 2).sum().sqrt().backward()
    assert features.grad.isnan().any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_does_not_overflow(dtype):
    features = torch.full((4, 2), 20.0, dtype=dtype)  # 20**5 is 3.2 million, float16 ends at 65504
    assert m3sda.moments(features, 5).tolist() == [3.2e6, 3.2e6]
    distance = m3sda.moment_distance([features], torch.zeros(3, 2, dtype=dtype), (5,))
    assert distance.item() == pytest.approx(3.2e6 * math.sqrt(2))


@pytest.mark.parametrize("order", [0, -1])
def test_no_moment_of_order_0(order):
    with pytest.raises(ValueError, match="1 or more"):
        m3sda.moments(X1, order)


def test_nothing_to_average():
    with pytest.raises(ValueError, match="no features"):
        m3sda.moments(torch.zeros(0, 3), 1)
    with pytest.raises(ValueError, match="one source"):
        m3sda.moment_distance([], TARGET)


# --- two classifiers ----------------------------------------------------------------------------


def test_discrepancy_of_two_sure_classifiers():
    sure = torch.eye(3)[:2] * 1e4
    assert m3sda.discrepancy(sure[:1], sure[1:]).item() == pytest.approx(2 / 3)
    assert m3sda.discrepancy(sure, sure + 5).item() == 0  # a constant changes no probability


def test_discrepancy_by_hand():
    logits1, logits2 = random(5, 4), random(5, 4, seed=1)
    total = 0.0
    for one, two in zip(logits1.tolist(), logits2.tolist(), strict=True):
        powers1, powers2 = ([math.exp(v) for v in row] for row in (one, two))
        total += sum(
            abs(a / sum(powers1) - b / sum(powers2)) for a, b in zip(powers1, powers2, strict=True)
        )
    assert m3sda.discrepancy(logits1, logits2).item() == pytest.approx(total / 20)
    assert m3sda.discrepancy(logits2, logits1).item() == pytest.approx(total / 20)


def test_ensemble_is_the_mean_of_probabilities():
    # Logits 4 against 0: the mean logit says class 0, and so does the mean probability. In the
    # second row one classifier is very sure, and the mean logit would go with it.
    logits1 = torch.tensor([[4.0, 0, 0], [0.0, 0, 9.0]])
    logits2 = torch.tensor([[0.0, 1, 0], [1.0, 6, -9.0]])
    predicted = m3sda.ensemble(logits1, logits2)
    assert predicted.dtype == torch.int64
    p1, p2 = (
        np.exp(x) / np.exp(x).sum(1, keepdims=True) for x in (logits1.numpy(), logits2.numpy())
    )
    assert predicted.tolist() == (p1 + p2).argmax(1).tolist() == [0, 2]
    assert (logits1 + logits2).argmax(1).tolist() == [0, 1]
    np.testing.assert_allclose(m3sda.mean_probabilities(logits1, logits2), (p1 + p2) / 2, rtol=1e-5)


def test_choose_by_weighted_f1():
    labels = [0, 0, 0, 1]
    # Accuracy 3/4 both. Weighted F1: always 0 gives 3/4 * 6/7 = 0.643; the other one has
    # F1 0.8 of class 0 and 2/3 of class 1: 0.767.
    predictions = {"first": [0, 0, 0, 0], "second": torch.tensor([0, 0, 1, 1])}
    assert m3sda.choose_classifier(predictions, labels) == "second"
    assert m3sda.choose_classifier(predictions, torch.tensor(labels)) == "second"


def test_of_equals_the_first_is_chosen():
    same = {"b": [1, 0], "a": [1, 0], "c": [0, 0]}
    assert m3sda.choose_classifier(same, [1, 0]) == "b"


def test_nothing_to_choose_from():
    with pytest.raises(ValueError, match="no predictions"):
        m3sda.choose_classifier({}, [0])
    with pytest.raises(ValueError, match="inconsistent"):
        m3sda.choose_classifier({"a": [0, 1]}, [0])


# --- the model ----------------------------------------------------------------------------------


def test_the_small_model():
    torch.manual_seed(0)
    model = M3sda.build(3, 10, width=0.05)
    probabilities = model(torch.randn(4, 3, 32, 32))
    assert probabilities.shape == (4, 10)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(4))
    # Two equal classifiers would never disagree.
    assert not torch.equal(model.classifier1.weight, model.classifier2.weight)


def test_resnet34_without_its_weights_gives_features_to_both_classifiers():
    model = M3sda.resnet34(7, pretrained=False).eval()
    with torch.no_grad():
        assert model.feature_extractor(torch.zeros(1, 3, 64, 64)).shape == (1, 512)
        assert [logits.shape for logits in model.logits(torch.zeros(2, 3, 64, 64))] == [(2, 7)] * 2


@pytest.mark.parametrize(
    "error",
    [urllib.error.URLError("no route to host"), RuntimeError("invalid hash value")],
)
def test_weights_that_cannot_be_had(monkeypatch, error):
    def fail(weights):
        raise error

    monkeypatch.setattr(torchvision.models, "resnet34", fail)
    with pytest.raises(UserError, match="cannot be downloaded") as caught:
        M3sda.resnet34(7)
    message = str(caught.value)
    assert "\n" not in message
    assert "resnet34-" in message
    assert any(part in message for part in ("no route to host", "invalid hash value"))


def test_optimizers_own_each_weight_once():
    model = M3sda.build(3, 4, width=0.05)
    optimizers = Optimizers.adamw(model, 3e-4, 5e-4, beta1=0.5)
    owned = [
        [id(p) for group in optimizer.param_groups for p in group["params"]]
        for optimizer in (optimizers.features, optimizers.classifiers)
    ]
    assert owned[0] == [id(p) for p in model.feature_extractor.parameters()]
    assert sorted(owned[0] + owned[1]) == sorted(id(p) for p in model.parameters())
    for optimizer in (optimizers.features, optimizers.classifiers):
        assert type(optimizer) is torch.optim.AdamW
        group = optimizer.param_groups[0]
        assert (group["lr"], group["weight_decay"], group["betas"]) == (3e-4, 5e-4, (0.5, 0.999))


# --- the phases ---------------------------------------------------------------------------------


def small(seed=0):
    """Return F, C1 and C2 without BatchNorm, in double precision."""
    torch.manual_seed(seed)
    extractor = nn.Sequential(nn.Flatten(), nn.Linear(8, 4), nn.Tanh())
    return M3sda(extractor, nn.Linear(4, 3), nn.Linear(4, 3)).double()


def batch(dtype=torch.float64):
    sources = [random(5, 2, 2, 2, dtype=dtype), random(3, 2, 2, 2, seed=1, dtype=dtype) + 0.5]
    labels = [torch.tensor([0, 1, 2, 1, 0]), torch.tensor([2, 0, 1])]
    return sources, labels, random(4, 2, 2, 2, seed=2, dtype=dtype) - 0.5


def sgd(model, rate=0.1):
    classifiers = [*model.classifier1.parameters(), *model.classifier2.parameters()]
    return Optimizers(
        torch.optim.SGD(model.feature_extractor.parameters(), lr=rate),
        torch.optim.SGD(classifiers, lr=rate),
    )


def losses_by_hand(model, sources, labels, target, orders=(1, 2)):
    """Return class loss, moment distance and discrepancy from their definitions."""

    def softmax(row):
        powers = [math.exp(value) for value in row]
        return [power / sum(powers) for power in powers]

    with torch.no_grad():
        features = [model.feature_extractor(x) for x in (*sources, target)]
        class_loss = 0.0
        for classifier in (model.classifier1, model.classifier2):
            for of_source, answers in zip(features[:-1], labels, strict=True):
                rows = [softmax(row) for row in classifier(of_source).tolist()]
                picked = [-math.log(r[y]) for r, y in zip(rows, answers.tolist(), strict=True)]
                class_loss += sum(picked) / len(picked)
        p1, p2 = (
            np.array([softmax(row) for row in classifier(features[-1]).tolist()])
            for classifier in (model.classifier1, model.classifier2)
        )
    distance = by_hand(features[:-1], features[-1], orders)
    return class_loss, distance, np.abs(p1 - p2).mean()


def descend(model, modules, objective, rate=0.1, step=1e-5):
    """Move modules' weights down the slope of ``objective()``, found by finite differences."""
    changes = []
    for parameter in (p for module in modules for p in module.parameters()):
        flat = parameter.data.view(-1)
        for i in range(len(flat)):
            value = flat[i].item()
            flat[i] = value + step
            above = objective()
            flat[i] = value - step
            below = objective()
            flat[i] = value
            changes.append((flat, i, -rate * (above - below) / (2 * step)))
    for flat, i, change in changes:
        flat[i] += change


def assert_same_weights(one, two, **tolerance):
    tolerance = tolerance or {"rtol": 0, "atol": 0}
    for (name, a), b in zip(one.state_dict().items(), two.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, msg=lambda m, name=name: f"{name}: {m}", **tolerance)


NEARLY = {"rtol": 1e-6, "atol": 1e-8}


@pytest.mark.parametrize("orders", [(1, 2), (1, 2, 3, 4, 5)])
@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_phase_1_by_finite_differences(weight, orders):
    model, (sources, labels, target) = small(), batch()
    expected = copy.deepcopy(model)
    losses = losses_by_hand(expected, sources, labels, target, orders)

    def objective():
        class_loss, distance, _ = losses_by_hand(expected, sources, labels, target, orders)
        return class_loss + weight * distance

    descend(expected, [expected], objective)
    figures = m3sda.phase1_step(model, sgd(model), sources, labels, target, weight, OFF, orders)
    assert figures == {
        "class_loss": pytest.approx(losses[0]),
        "moment_distance": pytest.approx(losses[1]),
    }
    assert_same_weights(model, expected, **NEARLY)


def test_phase_2_by_finite_differences():
    model, (sources, labels, target) = small(), batch()
    expected = copy.deepcopy(model)
    gap = losses_by_hand(expected, sources, labels, target)[2]

    def objective():
        class_loss, _, discrepancy = losses_by_hand(expected, sources, labels, target)
        return class_loss - discrepancy

    descend(expected, [expected.classifier1, expected.classifier2], objective)
    figures = m3sda.phase2_step(model, sgd(model), sources, labels, target, OFF)
    assert figures == {"discrepancy_before": pytest.approx(gap)}
    assert_same_weights(model, expected, **NEARLY)  # of F, too, which has not moved


@pytest.mark.parametrize("repeats", [1, 3])
def test_phase_3_by_finite_differences(repeats):
    model, (sources, labels, target) = small(), batch()
    expected = copy.deepcopy(model)

    def objective():
        return losses_by_hand(expected, sources, labels, target)[2]

    for _ in range(repeats):
        gap = objective()
        descend(expected, [expected.feature_extractor], objective)
    figures = m3sda.phase3_step(model, sgd(model), target, repeats, OFF)
    assert figures == {"discrepancy": pytest.approx(gap)}
    assert_same_weights(model, expected, **NEARLY)  # of C1 and C2, too, which have not moved


def test_phases_2_and_3_pull_in_opposite_ways():
    model, (sources, labels, target) = small(), batch()

    def gap():
        return losses_by_hand(model, sources, labels, target)[2]

    start = gap()
    for _ in range(100):
        m3sda.phase2_step(model, sgd(model), sources, labels, target, OFF)
    apart = gap()
    m3sda.phase3_step(model, sgd(model, 0.5), target, 100, OFF)
    assert apart > start
    assert gap() < apart


def with_stale_gradients(model):
    for i, parameter in enumerate(model.parameters()):
        parameter.grad = torch.full_like(parameter, 1000.0 * (i + 1))
    return model


PHASES = {
    "phase 1": lambda m, o, s, y, t: m3sda.phase1_step(m, o, s, y, t, 0.3, OFF),
    "phase 2": lambda m, o, s, y, t: m3sda.phase2_step(m, o, s, y, t, OFF),
    "phase 3": lambda m, o, s, y, t: m3sda.phase3_step(m, o, t, 2, OFF),
    "source only": lambda m, o, s, y, t: m3sda.source_only_step(m, o, s, y, OFF),
}


@pytest.mark.parametrize("name", PHASES)
def test_what_gradients_were_left_before_a_phase_changes_nothing(name):
    clean, stale = small(), with_stale_gradients(small())
    results = [PHASES[name](m, sgd(m), *batch()) for m in (clean, stale)]
    assert results[0] == results[1]
    assert_same_weights(clean, stale)


def test_no_phase_writes_gradients_of_what_it_does_not_step():
    model, (sources, labels, target) = small(), batch()
    m3sda.phase2_step(model, sgd(model), sources, labels, target, OFF)
    assert all(p.grad is None for p in model.feature_extractor.parameters())
    model = small()
    m3sda.phase3_step(model, sgd(model), target, 2, OFF)
    for classifier in (model.classifier1, model.classifier2):
        assert all(p.grad is None and p.requires_grad for p in classifier.parameters())


def test_a_frozen_weight_stays_frozen_and_an_error_leaves_none_frozen():
    model, (_, _, target) = small(), batch()
    model.classifier1.bias.requires_grad_(False)
    m3sda.phase3_step(model, sgd(model), target, 1, OFF)
    assert not model.classifier1.bias.requires_grad
    with pytest.raises(RuntimeError):
        m3sda.phase3_step(model, sgd(model), torch.zeros(2, 5, dtype=torch.float64), 1, OFF)
    assert model.classifier1.weight.requires_grad
    assert model.classifier2.bias.requires_grad


def test_phase_3_at_least_once():
    model = small()
    with pytest.raises(ValueError, match="once or more"):
        m3sda.phase3_step(model, sgd(model), batch()[2], 0, OFF)


def test_labels_of_every_source():
    model, (sources, labels, target) = small(), batch()
    for step in (
        lambda: m3sda.phase1_step(model, sgd(model), sources, labels[:1], target, 1.0, OFF),
        lambda: m3sda.phase2_step(model, sgd(model), sources, labels[:1], target, OFF),
        lambda: m3sda.source_only_step(model, sgd(model), sources, labels[:1], OFF),
    ):
        with pytest.raises(ValueError, match="shorter"):
            step()


def adamw(model):
    return Optimizers.adamw(model, 1e-2, 5e-4)


def test_an_iteration_is_the_three_phases_in_order():
    one, two, (sources, labels, target) = small(), small(), batch()
    optimizers1, optimizers2 = adamw(one), adamw(two)
    for _ in range(2):
        figures = m3sda.train_step(
            one, optimizers1, sources, labels, target, weight=0.3, repeats=2, scaler=OFF
        )
        # Apart from each other, and with gradients between them that must not matter.
        apart = m3sda.phase1_step(two, optimizers2, sources, labels, target, 0.3, OFF)
        with_stale_gradients(two)
        apart |= m3sda.phase2_step(two, optimizers2, sources, labels, target, OFF)
        with_stale_gradients(two)
        apart |= m3sda.phase3_step(two, optimizers2, target, 2, OFF)
        with_stale_gradients(two)
    assert figures == apart
    assert set(figures) == {"class_loss", "moment_distance", "discrepancy_before", "discrepancy"}
    assert_same_weights(one, two)


def plain_iteration(model, optimizers, sources, labels, target, weight, repeats):
    """Do the three phases with every forward and every graph, one loss after the other."""
    classifiers = model.classifier1, model.classifier2
    f, c = optimizers.features, optimizers.classifiers
    for phase in (1, 2, *repeats * [3]):
        domains = [target] if phase == 3 else [*sources, target]
        features = [model.feature_extractor(images) for images in domains]
        one, two = (classifier(features[-1]).softmax(1) for classifier in classifiers)
        gap = (one - two).abs().mean()
        loss = gap
        if phase < 3:
            class_loss = sum(
                nn.functional.cross_entropy(classifier(of_source), its_labels)
                for of_source, its_labels in zip(features[:-1], labels, strict=True)
                for classifier in classifiers
            )
            loss = class_loss - gap
        if phase == 1:
            a, b, t = ([x.mean(0), (x * x).mean(0)] for x in features)
            loss = class_loss + weight * sum(
                ((a[k] - t[k]).norm() + (b[k] - t[k]).norm()) / 2 + (a[k] - b[k]).norm()
                for k in range(2)
            )
        model.zero_grad()
        loss.backward()
        for optimizer in {1: (f, c), 2: (c,), 3: (f,)}[phase]:
            optimizer.step()


@pytest.mark.parametrize("repeats", [1, 2, 4])
def test_an_iteration_is_a_plain_loop_with_fewer_forwards(repeats):
    """With BatchNorm, whose averages must move as often as in the plain loop, too."""
    torch.manual_seed(0)
    one = M3sda.build(3, 3, width=0.05).double()
    two, forwards = copy.deepcopy(one), []
    one.feature_extractor.register_forward_hook(
        lambda _, images, features: forwards.append(features.requires_grad)
    )
    optimizers1, optimizers2 = adamw(one), adamw(two)
    for i in range(3):
        sources, labels, target = pictures(i)
        sources, target = [images.double() for images in sources], target.double()
        m3sda.train_step(
            one, optimizers1, sources, labels, target, weight=0.3, repeats=repeats, scaler=OFF
        )
        plain_iteration(two, optimizers2, sources, labels, target, 0.3, repeats)
    # Phase 1, the sources in phase 2 without a graph, and the target once for each repeat.
    assert forwards == 3 * (3 * [True] + 2 * [False] + repeats * [True])
    found, expected = one.state_dict(), two.state_dict()
    for name in (name for name in found if not name.endswith("num_batches_tracked")):
        torch.testing.assert_close(found[name], expected[name], rtol=1e-9, atol=1e-12)
    norms = [m for m in one.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {nn.BatchNorm2d(1).momentum}


def test_without_its_parts_an_iteration_is_the_baselines():
    one, two, (sources, labels, target) = small(), small(), batch()
    optimizers1, optimizers2 = adamw(one), adamw(two)
    for _ in range(3):
        m3sda.train_step(
            one, optimizers1, sources, labels, target, weight=0.0, repeats=0, scaler=OFF
        )
        m3sda.source_only_step(two, optimizers2, sources, labels, OFF)
    assert_same_weights(one, two)


def pictures(seed=0):
    sources = [random(6, 3, 32, 32, seed=3 * seed + i, dtype=torch.float32) for i in range(2)]
    labels = [torch.arange(6) % 3, torch.arange(6) // 2]
    return sources, labels, random(5, 3, 32, 32, seed=3 * seed + 2, dtype=torch.float32)


def trained(steps=2, seed=0, scaler=OFF, context=None):
    torch.manual_seed(seed)
    model = M3sda.build(3, 3, width=0.05)
    optimizers = Optimizers.adamw(model, 1e-3, 5e-4)
    for i in range(steps):
        with context or torch.autocast("cpu", enabled=False):
            figures = m3sda.train_step(
                model, optimizers, *pictures(i), weight=0.1, repeats=2, scaler=scaler
            )
    return model, figures


def test_steps_are_deterministic_and_finite():
    (one, figures), (two, again) = trained(), trained()
    assert figures == again
    assert_same_weights(one, two)
    assert all(math.isfinite(value) for value in figures.values())
    assert trained(seed=1)[1] != figures


# --- half precision -----------------------------------------------------------------------------


class Recorder:
    """A scaler that notes what is asked of it and multiplies the loss by nothing."""

    def __init__(self):
        self.calls = []

    def scale(self, loss):
        self.calls.append("scale")
        return loss

    def step(self, optimizer):
        self.calls.append(optimizer)
        optimizer.step()

    def update(self):
        self.calls.append("update")


def test_every_step_goes_through_the_scaler():
    model, (sources, labels, target) = small(), batch()
    optimizers, recorder = sgd(model), Recorder()
    m3sda.train_step(
        model, optimizers, sources, labels, target, weight=0.1, repeats=2, scaler=recorder
    )
    f, c = optimizers.features, optimizers.classifiers
    phase1, phase2 = ["scale", f, c, "update"], ["scale", c, "update"]
    assert recorder.calls == phase1 + phase2 + 2 * ["scale", f, "update"]


def test_a_scaled_loss_gives_the_same_steps():
    # The loss times a power of two and its gradient divided by it: not one bit is lost.
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=1000)
    assert_same_weights(trained(scaler=scaler)[0], trained()[0])
    assert scaler.get_scale() == 2.0**10


@pytest.mark.parametrize("name", ["phase 1", "phase 2", "phase 3"])
def test_a_gradient_that_overflows_skips_the_step_and_lowers_the_scale(name):
    model, (sources, labels, target) = small(), batch()
    before = copy.deepcopy(model)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    target[0] = sources[0][0] = math.inf
    steps = {
        "phase 1": lambda o: m3sda.phase1_step(model, o, sources, labels, target, 0.1, scaler),
        "phase 2": lambda o: m3sda.phase2_step(model, o, sources, labels, target, scaler),
        "phase 3": lambda o: m3sda.phase3_step(model, o, target, 2, scaler),
    }
    steps[name](sgd(model))
    assert_same_weights(model, before)
    assert scaler.get_scale() == 2.0 ** (8 if name == "phase 3" else 9)  # half, each time


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_comes_near(dtype):
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    half = torch.autocast("cpu", dtype, cache_enabled=False)
    model, figures = trained(steps=3, scaler=scaler, context=half)
    _, plain = trained(steps=3)
    assert figures != plain
    assert figures == pytest.approx(plain, rel=0.05)
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in model.parameters())


def last_of(repeats, context):
    model, target = small().float(), batch(torch.float32)[2]
    with context:
        return m3sda.phase3_step(model, sgd(model, 5.0), target, repeats, OFF)["discrepancy"]


def test_why_autocast_must_not_keep_converted_weights():
    """With PyTorch's cache the repeats of phase 3 look at the weights before the first of them."""
    kept, new = (
        torch.autocast("cpu", torch.bfloat16, cache_enabled=enabled) for enabled in (True, False)
    )
    assert last_of(1, kept) == last_of(4, kept)
    assert last_of(4, new) < last_of(1, new)


def test_autocast_leaves_a_cpu_alone():
    with m3sda.autocast("cpu"):
        assert nn.Linear(2, 2)(torch.ones(1, 2)).dtype == torch.float32
    assert last_of(4, m3sda.autocast("cpu")) == last_of(4, torch.autocast("cpu", enabled=False))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_half_precision_on_a_gpu():
    model = M3sda.build(3, 3, width=0.05).cuda()
    optimizers = Optimizers.adamw(model, 1e-3, 5e-4)
    scaler = torch.amp.GradScaler("cuda")
    sources, labels, target = pictures()
    sources, labels = [x.cuda() for x in sources], [y.cuda() for y in labels]
    for _ in range(20):
        with m3sda.autocast("cuda"):
            assert nn.Linear(2, 2).cuda()(torch.ones(1, 2).cuda()).dtype == torch.float16
            figures = m3sda.train_step(
                model,
                optimizers,
                sources,
                labels,
                target.cuda(),
                weight=0.1,
                repeats=2,
                scaler=scaler,
            )
    assert all(math.isfinite(value) for value in figures.values())
    assert figures["class_loss"] < 3


# --- the configuration --------------------------------------------------------------------------


def test_full_is_the_circulating_solutions():
    full = m3sda.FULL
    assert (full.network, full.size, full.batch_size) == ("resnet34", 224, 256)
    assert (full.learning_rate, full.weight_decay) == (3e-4, 5e-4)
    assert (full.weight, full.orders, full.repeats) == (2e-4, (1, 2, 3, 4, 5), 4)


def test_build_takes_the_configurations_network(monkeypatch):
    assert m3sda.build(m3sda.GRADING, 4)(torch.zeros(2, 3, 32, 32)).shape == (2, 4)
    asked = []
    monkeypatch.setattr(M3sda, "resnet34", asked.append)
    m3sda.build(m3sda.FULL, 4)
    assert asked == [4]
