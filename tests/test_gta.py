"""Generate To Adapt: against the paper's oracle, plain loops, and a step done the slow way."""

import copy
import math
from functools import partial

import pytest
import torch
from torch import nn

from dalib_edu import gta
from dalib_edu.gta import Functions, Gta, Judgement, Optimizers


def judgement(rows, classes=10, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Judgement(
        3 * torch.randn(rows, generator=generator),
        3 * torch.randn(rows, classes, generator=generator),
    )


def labels(rows, classes=10, seed=0):
    return torch.randint(classes, (rows,), generator=torch.Generator().manual_seed(seed))


# Plain loops, in double precision, from the definitions.


def cross_entropy(logits, wanted):
    total = 0.0
    for row, label in zip(logits.tolist(), wanted.tolist(), strict=True):
        total += math.log(sum(math.exp(value) for value in row)) - row[label]
    return total / len(logits)


def binary(logits, real):
    total = 0.0
    for value in logits.tolist():
        probability = 1 / (1 + math.exp(-value))
        total -= math.log(probability if real else 1 - probability)
    return total / len(logits)


# --- the generator's input ----------------------------------------------------------------------


def test_source_rows_carry_their_class_then_features_then_noise():
    rows = gta.generator_input(
        torch.tensor([[0.5, -1.0], [2.0, 3.0]]),
        torch.tensor([[7.0], [8.0]]),
        torch.tensor([2, 0]),
        3,
    )
    assert rows.tolist() == [[0, 0, 1, 0, 0.5, -1, 7], [1, 0, 0, 0, 2, 3, 8]]


def test_target_rows_carry_the_extra_class():
    rows = gta.generator_input(torch.zeros(2, 2), torch.ones(2, 1), None, 3)
    assert rows.tolist() == [[0, 0, 0, 1, 0, 0, 1]] * 2


@pytest.mark.parametrize("given", [None, torch.tensor([1, 0, 4])])
def test_the_input_has_the_features_dtype_and_passes_their_gradient(given):
    features = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    rows = gta.generator_input(features, torch.zeros(3, 2, dtype=torch.float64), given, 5)
    assert rows.shape == (3, 5 + 1 + 4 + 2)
    assert rows.dtype == torch.float64
    rows.sum().backward()
    assert features.grad.tolist() == [[1.0] * 4] * 3


def test_hiding_shows_the_class_of_the_last_rows_alone():
    features, noise, wanted = torch.randn(8, 2), torch.randn(8, 3), labels(8, 4)
    told = gta.generator_input(features, noise, wanted, 4)
    untold = gta.generator_input(features, noise, None, 4)
    for share, hidden in ((0.0, 0), (0.25, 2), (0.5, 4), (1.0, 8)):
        rows = gta.hiding(share)(features, noise, wanted, 4)
        assert torch.equal(rows, torch.cat([untold[:hidden], told[hidden:]]))
        assert torch.equal(gta.hiding(share)(features, noise, None, 4), untold)
    calls = []
    gta.hiding(1.0, lambda *rows: calls.append(len(rows[0])) or told)(features, noise, wanted, 4)
    assert set(calls) == {8}  # another's function never sees an empty batch


# --- the losses ---------------------------------------------------------------------------------


def test_the_oracle_where_d_and_c_know_nothing():
    nothing, wanted = Judgement(torch.zeros(7), torch.zeros(7, 10)), labels(7)
    ln10, ln2 = math.log(10), math.log(2)
    expected = (
        (gta.d_loss(nothing, nothing, nothing, wanted), ln10 + 3 * ln2, 4.382027),
        (gta.g_loss(nothing, wanted), ln10 + ln2, 2.995732),
        (
            gta.f_loss(torch.zeros(7, 10), nothing, nothing, wanted),
            1.1 * ln10 + 0.03 * ln2,
            2.553638,
        ),
        (gta.c_loss(torch.zeros(7, 10), wanted), ln10, 2.302585),
    )
    for loss, formula, number in expected:
        assert loss.shape == ()
        assert loss.item() == pytest.approx(formula, rel=1e-6)
        assert loss.item() == pytest.approx(number, abs=1e-6)
    assert gta.lr_at(1000, 5e-4, 1e-4) == pytest.approx(4.54545e-4, rel=1e-5)
    assert gta.lr_at(0, 5e-4, 1e-4) == 5e-4


@pytest.mark.parametrize("seed", range(3))
def test_losses_are_what_plain_loops_give(seed):
    real, source, target = (judgement(5 + i, 4, seed=10 * seed + i) for i in (0, 0, 3))
    source = judgement(5, 4, seed=99 + seed)
    logits, wanted = judgement(5, 4, seed=7 + seed).classes, labels(5, 4, seed)
    assert gta.d_loss(real, source, target, wanted).item() == pytest.approx(
        cross_entropy(real.classes, wanted)
        + binary(real.data, True)
        + binary(source.data, False)
        + binary(target.data, False),
        rel=1e-5,
    )
    assert gta.g_loss(source, wanted).item() == pytest.approx(
        cross_entropy(source.classes, wanted) + binary(source.data, True), rel=1e-5
    )
    assert gta.c_loss(logits, wanted).item() == pytest.approx(
        cross_entropy(logits, wanted), rel=1e-5
    )
    for weights in ({}, {"adversarial_weight": 0.7, "target_weight": 0.2}):
        a, t = weights.get("adversarial_weight", 0.1), weights.get("target_weight", 0.3)
        assert gta.f_loss(logits, source, target, wanted, **weights).item() == pytest.approx(
            cross_entropy(logits, wanted)
            + a * cross_entropy(source.classes, wanted)
            + a * t * binary(target.data, True),
            rel=1e-5,
        )


def test_sure_and_wrong_is_dear_but_finite():
    sure = Judgement(torch.full((3,), 1e4), torch.eye(10)[:3] * 1e4)
    for loss in (
        gta.d_loss(sure, sure, sure, labels(3)),
        gta.g_loss(sure, torch.tensor([9, 9, 9])),
    ):
        assert torch.isfinite(loss)


def test_win_rate():
    assert gta.win_rate(torch.tensor([1.0, 2.0]), torch.tensor([-1.0])) == 1
    assert gta.win_rate(torch.tensor([-1.0, -2.0]), torch.tensor([1.0])) == 0
    assert gta.win_rate(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0])) == 0.5
    assert gta.win_rate(torch.tensor([1.0, -1.0]), torch.tensor([-1.0, -1.0, -1.0])) == 0.75
    assert gta.win_rate(torch.zeros(4), torch.zeros(4)) == 0


# --- the training step --------------------------------------------------------------------------

NETWORKS = ("feature_extractor", "label_classifier", "generator", "discriminator")
OPTIMIZERS = dict(
    zip(NETWORKS, ("features", "classifier", "generator", "discriminator"), strict=True)
)


def small(seed=0, **options):
    torch.manual_seed(seed)
    return Gta(5, size=16, **{"width": 4, "filters": 4, "noise": 3} | options).train()


def batch(seed=0, rows=6, others=8):
    generator = torch.Generator().manual_seed(seed)

    def random(*shape):
        return torch.randn(*shape, generator=generator)

    source, target = random(rows, 3, 16, 16).tanh(), random(others, 3, 16, 16).tanh()
    return source, labels(rows, 5, seed), target, random(rows, 3), random(others, 3)


def sgd(model, rate=0.1):
    return Optimizers(
        **{OPTIMIZERS[n]: torch.optim.SGD(getattr(model, n).parameters(), rate) for n in NETWORKS}
    )


def weights(network):
    return [parameter.detach().clone() for parameter in network.parameters()]


def slow_step(model, source, wanted, target, noise_source, noise_target, rate=0.1):
    """Do the step with everything computed anew for each network, and the losses by hand."""
    bce, ce = nn.BCEWithLogitsLoss(), nn.CrossEntropyLoss()
    F, C, G, D = (getattr(model, name) for name in NETWORKS)

    def fakes():
        rows, others = len(source), len(target)
        one_hot = torch.zeros(rows, 6)
        one_hot[range(rows), wanted] = 1
        unknown = torch.zeros(others, 6)
        unknown[:, 5] = 1
        first = torch.cat([one_hot, F(source), noise_source], 1)
        second = torch.cat([unknown, F(target), noise_target], 1)
        return D(G(first)), D(G(second))

    def move(network, loss):
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(network.parameters(), gradients, strict=True):
                parameter -= rate * gradient

    real, (first, second) = D(source), fakes()
    one, nought = torch.ones, torch.zeros
    loss = ce(real[1], wanted) + bce(real[0], one(len(source)))
    move(D, loss + bce(first[0], nought(len(source))) + bce(second[0], nought(len(target))))
    first, _ = fakes()
    move(G, ce(first[1], wanted) + bce(first[0], one(len(source))))
    move(C, ce(C(F(source)), wanted))
    first, second = fakes()
    loss = ce(C(F(source)), wanted) + 0.1 * ce(first[1], wanted)
    move(F, loss + 0.03 * bce(second[0], one(len(target))))


def test_the_step_is_the_slow_step():
    model = small()
    slow = copy.deepcopy(model)
    optimizers = sgd(model)
    for seed in range(3):
        gta.train_step(model, optimizers, Functions(), *batch(seed))
        slow_step(slow, *batch(seed))
    for name in NETWORKS:
        pairs = zip(weights(getattr(model, name)), weights(getattr(slow, name)), strict=True)
        for mine, other in pairs:
            torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


def test_each_loss_moves_its_own_network_alone():
    def nothing(*arguments):
        for argument in arguments:
            for tensor in argument if isinstance(argument, tuple) else (argument,):
                if tensor.requires_grad:
                    return 0 * tensor.sum()
        raise AssertionError("nobody could learn from this loss")

    for name, loss in zip(NETWORKS, ("f_loss", "c_loss", "g_loss", "d_loss"), strict=True):
        model = small()
        before = {n: weights(getattr(model, n)) for n in NETWORKS}
        others = {n: nothing for n in ("f_loss", "c_loss", "g_loss", "d_loss") if n != loss}
        gta.train_step(model, sgd(model), Functions(**others), *batch())
        for n in NETWORKS:
            moved = any(
                not torch.equal(a, b)
                for a, b in zip(before[n], weights(getattr(model, n)), strict=True)
            )
            assert moved == (n == name), (loss, n)


def test_the_figures_are_the_losses_that_were_given():
    model = small()
    constant = {
        "d_loss": lambda real, first, second, wanted: 0 * real.data.sum() + 1,
        "g_loss": lambda first, wanted: 0 * first.data.sum() + 2,
        "c_loss": lambda logits, wanted: 0 * logits.sum() + 3,
        "f_loss": lambda logits, first, second, wanted: (
            0 * logits.sum() + 4 + 0 * second.data.sum()
        ),
    }
    figures = gta.train_step(model, sgd(model), Functions(**constant), *batch())
    assert figures == {"d_loss": 1, "g_loss": 2, "c_loss": 3, "f_loss": 4}


def test_what_an_earlier_loss_left_is_not_used():
    clean, dirty = small(), small()
    for parameter in dirty.parameters():
        parameter.grad = torch.full_like(parameter, 1e3)
    for model in (clean, dirty):
        gta.train_step(model, sgd(model), Functions(), *batch())
    for name in NETWORKS:
        pairs = zip(weights(getattr(clean, name)), weights(getattr(dirty, name)), strict=True)
        assert all(torch.equal(mine, other) for mine, other in pairs)


def test_weights_are_bound_from_outside():
    model, other = small(), small()
    gta.train_step(
        model, sgd(model), Functions(f_loss=partial(gta.f_loss, adversarial_weight=0)), *batch()
    )
    alone = sgd(other)
    source, wanted, *_ = batch()
    # Without the adversarial part F's gradient is stream 1's; C has moved before.
    for optimizer in (alone.classifier, alone.features):
        loss = gta.c_loss(other(source), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    pairs = zip(weights(model.feature_extractor), weights(other.feature_extractor), strict=True)
    for mine, its in pairs:
        torch.testing.assert_close(mine, its, rtol=1e-5, atol=1e-6)


def test_the_baselines_step_leaves_g_and_d_alone():
    model = small()
    before = {n: weights(getattr(model, n)) for n in NETWORKS}
    source, wanted, *_ = batch()
    figures = gta.source_only_step(model, sgd(model), source, wanted)
    assert figures.keys() == {"c_loss"}
    for n in NETWORKS:
        same = all(
            torch.equal(a, b) for a, b in zip(before[n], weights(getattr(model, n)), strict=True)
        )
        assert same == (n in ("generator", "discriminator"))


def test_the_rate_of_g_stays():
    optimizers = Optimizers.adam(small(), 1e-3)
    optimizers.set_learning_rate(1e-4)
    rates = {n: getattr(optimizers, n).param_groups[0]["lr"] for n in OPTIMIZERS.values()}
    generator = rates.pop("generator")
    assert generator > 1e-4
    assert set(rates.values()) == {1e-4}


# --- the networks -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [16, 32])
def test_shapes_and_ranges(size):
    model = Gta(7, size=size, width=6, filters=5, noise=4)
    images = torch.rand(3, 3, size, size) * 2 - 1
    assert model(images).shape == (3, 7)
    features = model.feature_extractor(images)
    assert features.shape == (3, 12)
    rows = gta.generator_input(features, torch.randn(3, 4), None, 7)
    drawn = model.generator(rows)
    assert drawn.shape == (3, 3, size, size)
    assert drawn.abs().max() <= 1
    judged = model.discriminator(drawn)
    assert judged.data.shape == (3,)
    assert judged.classes.shape == (3, 7)


def test_without_the_auxiliary_classifier_nobody_learns_classes_from_d():
    discriminator = gta.Discriminator(3, 16, 4, 5, auxiliary=False)
    images = torch.randn(6, 3, 16, 16, requires_grad=True)
    judged = discriminator(images)
    assert torch.equal(judged.classes, torch.zeros(6, 5))
    loss = nn.functional.cross_entropy(judged.classes, labels(6, 5))
    assert loss.item() == pytest.approx(math.log(5))
    assert not loss.requires_grad
    # The step still works: real against fake is left.
    model = small(auxiliary=False)
    figures = gta.train_step(model, sgd(model), Functions(), *batch())
    assert all(math.isfinite(value) for value in figures.values())


def test_the_full_preset_is_the_reports():
    full = gta.FULL
    assert (full.size, full.width, full.filters, full.noise) == (32, 64, 64, 512)
    assert (full.batch_size, full.learning_rate, full.beta1, full.decay) == (100, 5e-4, 0.8, 1e-4)
    assert (full.adversarial_weight, full.target_weight) == (0.1, 0.3)
    assert full.steps == 100 * (60_000 // full.batch_size)  # epochs of the shorter domain, MNIST
    model = gta.build(full, 10)
    assert model.feature_extractor.out_features == 128
    rows = torch.zeros(2, 11 + 128 + 512)
    assert model.generator(rows).shape == (2, 3, 32, 32)
