"""The PACS homework's experiment: its tasks, its methods, and what it says of a collapse."""

from dataclasses import replace

import pytest
import torch

from dalib_edu import dann_alexnet
from dalib_edu.data import ImageSet
from dalib_edu.data.export import export_pacs
from dalib_edu.experiment import core, hw3
from dalib_edu.settings import UserError

CONFIG = replace(dann_alexnet.GRADING, per_class=8, batch_size=8, steps=2, pretrained=False)


@pytest.fixture(scope="module")
def task():
    return hw3.embedded_task(CONFIG)


def noise(n, classes=("a", "b"), seed=0, label=None):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (n, 3, 64, 64), dtype=torch.uint8, generator=generator)
    labels = torch.arange(n) % len(classes) if label is None else torch.full((n,), label)
    return ImageSet(images, labels, classes)


def test_the_target_is_adapted_to_and_tested_on_without_its_labels(task):
    assert torch.equal(task.target.images, task.target_test.images)
    assert (task.target.labels == -1).all()
    assert task.target_test.labels.bincount().tolist() == [8] * 7
    assert len(task.source) == 56
    seen = {picture.numpy().tobytes() for picture in task.source.images}
    assert not seen & {picture.numpy().tobytes() for picture in task.source_test.images}


def test_domains_go_by_pacs_names_or_by_the_worlds(task):
    art, painting = (hw3.embedded_task(CONFIG, target=t) for t in ("art", "art_painting"))
    assert torch.equal(art.target.images, painting.target.images)
    assert not torch.equal(art.target.images, task.target.images)
    with pytest.raises(UserError, match="oils"):
        hw3.embedded_task(CONFIG, target="oils")


def test_tasks_that_do_not_fit_are_refused():
    with pytest.raises(UserError, match="target has the classes"):
        hw3.transductive_task(noise(4), noise(4, ("a", "c")), noise(4))
    with pytest.raises(UserError, match="without a label"):
        hw3.transductive_task(noise(4, label=-1), noise(4), noise(4))
    with pytest.raises(UserError, match="no pictures"):
        hw3.transductive_task(noise(4), noise(0), noise(4))
    with pytest.raises(UserError, match="one source"):
        hw3.make_task(CONFIG, data=None, sources=("photo", "sketch"), target="cartoon")


def test_a_folder_in_pacs_layout(tmp_path):
    export_pacs(tmp_path / "PACS", per_class=5, size=64, classes=hw3.CLASSES)
    task = hw3.make_task(CONFIG, data=tmp_path, sources=("photo",), target="art_painting")
    assert (len(task.source), len(task.source_test)) == (32, 3)  # a tenth of 35 is kept
    assert len(task.target) == len(task.target_test) == 35
    assert hw3.describe(task) == "32 labelled, 35 unlabelled and tested on"
    assert task.source.images.shape[2:] == (CONFIG.size, CONFIG.size)
    result = hw3.run_one("dann", task, CONFIG, seed=0)
    assert 0 <= result.target_accuracy <= 1
    with pytest.raises(UserError, match="painting"):
        hw3.make_task(CONFIG, data=tmp_path, sources=("photo",), target="painting")


@pytest.mark.parametrize("method", hw3.METHODS)
def test_every_method_trains_and_repeats_itself(task, method):
    one, two = (hw3.run_one(method, task, CONFIG, seed=3) for _ in range(2))
    assert one.history == two.history
    assert one.target_accuracy == two.target_accuracy
    assert all(len(values) == CONFIG.steps for values in one.history.values())
    assert ("domain_loss" in one.history) == (method != "source_only")


def weights(model, part):
    return torch.cat([p.detach().flatten() for p in getattr(model, part).parameters()])


def trained(method, task, **changes):
    torch.manual_seed(0)
    return hw3.train(method, task, replace(CONFIG, **changes), seed=0)[0]


def test_each_control_lacks_one_thing(task, monkeypatch):
    # Without dropout nothing is left to chance, and what a control takes away can be seen.
    monkeypatch.setattr(torch.nn.functional, "dropout", lambda x, *_: x)
    same = {"schedule": "constant", "alpha": 1.0}
    models = {method: trained(method, task, **same) for method in hw3.METHODS}
    features = {method: weights(model, "features") for method, model in models.items()}
    torch.testing.assert_close(features["alpha_0"], features["source_only"])
    for method in ("dann", "shuffled_domains", "flipped_sign"):
        assert (features[method] - features["source_only"]).abs().max() > 1e-6
    assert torch.equal(
        features["dann"],
        weights(trained("flipped_sign", task, **same | {"alpha": -1.0}), "features"),
    )
    untouched = weights(models["source_only"], "domain_classifier")
    assert not torch.equal(weights(models["alpha_0"], "domain_classifier"), untouched)


@pytest.mark.parametrize("method", ["source_only", "dann"])
def test_the_learning_rate_falls_over_the_configured_steps(task, monkeypatch, method):
    rates = []
    name = {"source_only": "source_only_step", "dann": "three_pass_step"}[method]
    step = getattr(dann_alexnet, name)

    def spy(model, optimizer, *batch):
        rates.append(optimizer.param_groups[0]["lr"])
        return step(model, optimizer, *batch)

    monkeypatch.setattr(dann_alexnet, name, spy)
    trained(method, task, learning_rate=0.01, rate_schedule="paper", steps=2)
    assert rates == pytest.approx([0.01, 0.0026085], rel=1e-4)  # p = 0 and a half: 6^0.75
    rates.clear()
    trained(method, task, learning_rate=0.01, rate_schedule="constant", steps=2)
    assert rates == [0.01, 0.01]


def test_the_source_batches_are_the_same_for_every_method(task):
    batches = [next(iter(hw3._batches(m, task, CONFIG, 4, "cpu"))) for m in ("source_only", "dann")]
    assert torch.equal(batches[0][0], batches[1][0])
    assert torch.equal(batches[0][1], batches[1][1])
    assert [len(batch) for batch in batches] == [2, 3]


def test_an_unknown_method_is_refused(task):
    with pytest.raises(UserError, match="no method 'magic'"):
        hw3.run_one("magic", task, CONFIG, seed=0)


def test_a_collapse_is_named(task, capsys, monkeypatch):
    def constant(model, images, **_):
        return torch.eye(7)[torch.full((len(images),), hw3.CLASSES.index("horse"))]

    monkeypatch.setattr(hw3, "predict_logits", constant)
    result = hw3.run_one("dann", task, CONFIG, seed=0)
    assert "'horse'" in capsys.readouterr().out
    assert result.target_accuracy == pytest.approx(1 / 7)


def test_the_protocol_of_experiments():
    module = core.module_of("hw3")
    assert module is hw3
    assert next(iter(module.METHODS)) == "source_only"
    assert set(module.DEFAULT) | set(module.CONTROLS) == set(module.METHODS)
    assert set(module.PRESETS) >= {"embedded", "full", "grading"}
