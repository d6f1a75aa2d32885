import json
from dataclasses import replace

import pytest
import torch

from dalib_edu import m3sda
from dalib_edu.data import ImageSet, drawn_apart, export
from dalib_edu.evaluate import accuracy
from dalib_edu.experiment import core, hw1
from dalib_edu.experiment.hw1 import METHODS, Task, embedded_task, prepared_task, run_one
from dalib_edu.settings import UserError

TINY = replace(m3sda.EMBEDDED, width=0.05, batch_size=8, steps=3, repeats=2)
NAMES = ("bar", "cross")


def pictures(count, seed, size=32):
    """Bars and crosses, bright on dark; each domain has its own colour."""
    generator = torch.Generator().manual_seed(seed)
    colour = torch.rand(3, generator=generator) * 155 + 100
    images = torch.zeros(count, 3, size, size, dtype=torch.uint8)
    labels = torch.arange(count) % 2
    for image, label in zip(images, labels, strict=True):
        row, column = torch.randint(10, size - 10, (2,), generator=generator).tolist()
        image[:, row - 1 : row + 1, 4:-4] = colour.byte()[:, None, None]
        if label:
            image[:, 4:-4, column - 1 : column + 1] = colour.byte()[:, None, None]
    return ImageSet(images, labels, NAMES)


@pytest.fixture
def sets():
    return {
        "sources": [pictures(24, 0), pictures(16, 1)],
        "target": pictures(32, 2),
        "sources_test": [pictures(12, 3), pictures(10, 4)],
        "target_test": pictures(16, 5),
    }


@pytest.fixture
def task(sets):
    return prepared_task(**sets, size=32)


# --- preparation --------------------------------------------------------------------------------


def test_pictures_are_cut_as_evaluation_cuts_them(sets, task):
    given = [*sets["sources"], sets["target"], *sets["sources_test"], sets["target_test"]]
    made = [*task.sources, task.target, *task.sources_test, task.target_test]
    for before, after in zip(given, made, strict=True):
        seen = drawn_apart.normalise(after.images)
        torch.testing.assert_close(seen, drawn_apart.eval_transform(32)(before.images))


def test_the_target_labels_are_gone_before_any_method_runs(task):
    assert (task.target.labels == -1).all()
    assert (task.target_test.labels >= 0).all()


def test_the_embedded_task_has_the_homeworks_pictures():
    made = embedded_task(per_class=3)
    world = drawn_apart.load("grading")

    def rows(images):
        return sorted(image.numpy().tobytes() for image in images)

    for in_task, in_world in (
        (made.sources[0], world.cartoon),
        (made.sources[1], world.photo),
        (made.target, world.sketch),
        (made.target_test, world.test),
        (made.sources_test[0], world.cartoon_test),
        (made.sources_test[1], world.photo_test),
    ):
        assert rows(in_task.images) == rows(drawn_apart.centre_crop(in_world.images, 32))


@pytest.mark.parametrize(
    ("name", "fault", "says"),
    [
        ("target", "other classes", "target has the classes"),
        ("target_test", "no labels", "target_test has pictures without a label"),
        ("target", "empty", "target has no pictures"),
        ("sources", "other classes", "source 2 has the classes"),
        ("sources", "no labels", "source 2 has pictures without a label"),
        ("sources_test", "empty", "source 2's test has no pictures"),
    ],
)
def test_sets_that_do_not_fit_are_refused_by_name(sets, name, fault, says):
    def spoil(data):
        return {
            "other classes": lambda: replace(data, classes=("a", "b")),
            "no labels": lambda: replace(data, labels=torch.full_like(data.labels, -1)),
            "empty": lambda: data.subset(torch.arange(0)),
        }[fault]()

    given = sets[name]
    sets[name] = [given[0], spoil(given[1])] if isinstance(given, list) else spoil(given)
    with pytest.raises(UserError, match=says):
        prepared_task(**sets, size=32)


@pytest.mark.parametrize(
    ("sources", "target", "says"),
    [
        ((), "sketch", "one or two sources, not 0"),
        (("cartoon", "photo", "art"), "sketch", "one or two sources, not 3"),
        (("cartoon", "cartoon"), "sketch", "stands there twice"),
        (("cartoon", "sketch"), "sketch", "stands there twice"),
        (("cartoon", "clipart"), "sketch", "no style 'clipart'"),
    ],
)
def test_domains_that_make_no_task(sources, target, says):
    with pytest.raises(UserError, match=says):
        hw1.make_task(m3sda.GRADING, data=None, sources=sources, target=target)


def test_real_folders_as_pacs_and_as_the_contest(tmp_path):
    export.export_pacs(tmp_path / "PACS", per_class=4, size=40)
    export.export_drawn_apart(tmp_path / "drawn_apart", per_class=3)
    task = hw1.make_task(TINY, data=tmp_path, sources=("cartoon", "photo"), target="art_painting")
    assert [len(data) for data in task.sources] == [28, 28]
    assert (len(task.target), len(task.target_test)) == (28, 12)
    assert task.target.images.shape[1:] == (3, 32, 32)
    assert (task.target.labels == -1).all()
    task = hw1.make_task(
        TINY, data=tmp_path / "drawn_apart", sources=("cartoon", "photograph"), target="sketch"
    )
    assert hw1.describe(task) == "21 + 21 labelled, 140 unlabelled, tested on 60"


# --- the methods --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_every_method_makes_the_same_number_of_updates(method, task, monkeypatch):
    steps = []
    step = torch.optim.AdamW.step

    def counted(self, *arguments, **options):
        steps.append(len(self.param_groups[0]["params"]))
        return step(self, *arguments, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", counted)
    result = run_one(method, task, TINY, seed=0)
    of_features = len(list(m3sda.build(TINY, 2).feature_extractor.parameters()))
    assert steps.count(of_features) == TINY.steps * (1 + TINY.repeats)
    assert len(result.history["class_loss"]) == hw1.updates(method, TINY)
    assert 0 <= result.target_accuracy <= 1
    assert 0 <= result.source_accuracy <= 1


class Untouchable(ImageSet):
    """An image set whose pictures must not be looked at."""

    def __getattribute__(self, name):
        if name in ("images", "labels"):
            raise AssertionError("these pictures were touched")
        return super().__getattribute__(name)

    def __len__(self):
        raise AssertionError("these pictures were touched")

    def __post_init__(self):
        pass


def untouchable(data):
    return Untouchable(None, None, data.classes)


def test_the_baseline_never_touches_the_target(task):
    hw1.train("source_only", replace(task, target=untouchable(task.target)), TINY, seed=0)
    with pytest.raises(AssertionError, match="touched"):
        hw1.train("batch_norm", replace(task, target=untouchable(task.target)), TINY, seed=0)


@pytest.mark.parametrize(("method", "other"), [("first_source", 1), ("second_source", 0)])
def test_a_single_source_leaves_the_other_alone(task, method, other):
    sources = list(task.sources)
    sources[other] = untouchable(sources[other])
    hw1.train(method, replace(task, sources=tuple(sources)), TINY, seed=0)
    with pytest.raises(AssertionError, match="touched"):
        hw1.train("m3sda", replace(task, sources=tuple(sources)), TINY, seed=0)


@pytest.mark.parametrize("method", METHODS)
def test_no_method_touches_what_it_is_tested_on(task, method):
    sealed = replace(
        task,
        target_test=untouchable(task.target_test),
        sources_test=tuple(map(untouchable, task.sources_test)),
    )
    hw1.train(method, sealed, replace(TINY, steps=1), seed=0)


def test_the_parts_of_the_method(task):
    config = replace(TINY, steps=1)

    def figures(method, **changes):
        _, history = hw1.train(method, task, replace(config, **changes), seed=0)
        return {name: values[0] for name, values in history.items()}

    whole, alone = figures("m3sda"), figures("discrepancy")
    assert whole.keys() == alone.keys()
    assert whole.keys() >= {"moment_distance", "discrepancy_before", "discrepancy"}
    assert whole["class_loss"] == alone["class_loss"]  # the same first weights and batches
    assert alone == figures("m3sda", weight=0.0)
    assert whole["discrepancy"] != alone["discrepancy"]
    for method in ("moments", "batch_norm"):
        assert figures(method).keys() == {"class_loss", "moment_distance"}
    assert figures("source_only").keys() == {"class_loss"}


def test_the_control_differs_from_the_baseline_in_batchnorms_memory_alone(task):
    (plain, _), (control, _) = (
        hw1.train(method, task, TINY, seed=0) for method in ("source_only", "batch_norm")
    )
    differing = [
        name
        for (name, a), b in zip(
            plain.state_dict().items(), control.state_dict().values(), strict=True
        )
        if not torch.equal(a, b)
    ]
    assert differing
    assert all("running_" in name or "num_batches" in name for name in differing)


def test_adabn_is_the_baseline_with_the_targets_averages(task):
    plain, adapted = (hw1.train(m, task, TINY, seed=0)[0] for m in ("source_only", "adabn"))
    weights = dict(adapted.named_parameters())
    assert all(torch.equal(p, weights[name]) for name, p in plain.named_parameters())
    first = plain.feature_extractor.blocks[0]
    with torch.no_grad():
        responses = first(drawn_apart.normalise(task.target.images))  # (N, C, H, W)
    norm = adapted.feature_extractor.blocks[1]
    mean, variance = responses.double().mean((0, 2, 3)), responses.double().var((0, 2, 3))
    torch.testing.assert_close(norm.running_mean.double(), mean, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(norm.running_var.double(), variance, rtol=1e-3, atol=1e-3)
    assert norm.momentum == plain.feature_extractor.blocks[1].momentum


def test_m3sdas_averages_in_the_baselines_network(task):
    plain, mixed = (hw1.train(m, task, TINY, seed=0)[0] for m in ("source_only", "m3sda_averages"))
    weights = dict(mixed.named_parameters())
    assert all(torch.equal(p, weights[name]) for name, p in plain.named_parameters())
    # A network that cannot learn: what M3SDA's phases then move are the averages alone.
    still = replace(TINY, learning_rate=0.0, weight_decay=0.0)
    expected = hw1.train("m3sda", task, still, seed=0)[0].state_dict()
    torch.manual_seed(0)
    model = m3sda.build(still, 2).to(memory_format=torch.channels_last)
    batches = hw1._batches("m3sda", task.sources, task.target, still, 0, "cpu")
    hw1.mix_batch_norm(model.train(), batches, still)
    for name, found in model.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(found, expected[name], rtol=1e-5, atol=1e-6)


def test_each_domain_with_its_own_averages(task):
    plain, adapted = (run_one(method, task, TINY, seed=0) for method in ("source_only", "adabn"))
    assert plain.target_own_averages == adapted.target_accuracy == adapted.target_own_averages
    # On a source, AdaBN to that source.
    right = []
    for training, tested in zip(task.sources, task.sources_test, strict=True):
        model, _ = hw1.train("adabn", replace(task, target=training), TINY, seed=0)
        right.append(accuracy(model, drawn_apart.normalise(tested.images), tested.labels))
    assert plain.source_own_averages == pytest.approx(sum(right) / 2)


def test_the_table_has_the_own_averages_beside_the_rest():
    results = [
        hw1.Result(method, seed, 0.5, 0.6, 1.0, {}, 0.7 + seed / 50, 0.8)
        for method in ("source_only", "adabn")
        for seed in (0, 1)
    ]
    header, *lines = hw1.table(results).splitlines()
    assert header.endswith("own averages: target, source")
    assert [line.split()[0] for line in lines] == ["source_only", "adabn"]
    assert [line.split()[-2:] for line in lines] == [["71.0", "80.0"]] * 2


def test_deterministic_and_different_by_seed(task):
    one, again, other = (run_one("m3sda", task, TINY, seed=seed) for seed in (0, 0, 1))
    assert replace(one, seconds=0) == replace(again, seconds=0)
    assert one.history != other.history


def test_one_source_is_enough_but_not_for_the_second(sets):
    sets |= {name: sets[name][:1] for name in ("sources", "sources_test")}
    task = prepared_task(**sets, size=32)
    assert run_one("m3sda", task, TINY, seed=0).history["moment_distance"]
    with pytest.raises(UserError, match="needs two sources"):
        run_one("second_source", task, TINY, seed=0)


def test_an_unknown_method(task):
    with pytest.raises(UserError, match="no method 'dann'"):
        run_one("dann", task, TINY, seed=0)


def test_too_few_pictures_for_a_batch(task):
    with pytest.raises(UserError, match="a batch of 17"):
        run_one("m3sda", task, replace(TINY, batch_size=17), seed=0)


def test_accuracy_is_over_all_pictures(task, monkeypatch):
    """More pictures than are measured at once, of which the last batch is smaller."""
    labels = torch.arange(700) % 2
    images = torch.zeros(700, 3, 1, 1, dtype=torch.uint8)
    many = ImageSet(images, labels, NAMES)

    class Always(torch.nn.Module):
        feature_extractor = torch.nn.Identity()

        def forward(self, images):
            return torch.tensor([[1.0, 0.0]]).repeat(len(images), 1)

    monkeypatch.setattr(hw1, "train", lambda *_, **__: (Always(), {}))
    task = Task(task.sources, task.target, (many, many.subset(labels == 1)), many)
    result = run_one("m3sda", task, TINY, seed=0)
    assert result.target_accuracy == pytest.approx(0.5)
    assert result.source_accuracy == pytest.approx(0.25)  # the mean of 1/2 and 0


def test_the_command(tmp_path, capsys):
    path = tmp_path / "out.json"
    core.report("hw1", scale="grading", methods=("source_only", "moments"), json_file=path)
    shown = capsys.readouterr().out
    assert shown.startswith("cartoon + photo -> sketch: 30 + 30 labelled, 200 unlabelled")
    assert "moments" in shown
    results = json.loads(path.read_text())["results"]
    assert [result["method"] for result in results] == ["source_only", "moments"]


@pytest.mark.slow
def test_m3sda_gains_and_more_than_batchnorm_alone():
    """One seed, a third of the baseline's updates; the gain reported over seeds is far larger."""
    task = embedded_task()
    accuracy = {
        method: run_one(method, task, m3sda.EMBEDDED, seed=7).target_accuracy
        for method in ("source_only", "batch_norm", "m3sda")
    }
    assert accuracy["m3sda"] > accuracy["source_only"] + 0.05
    assert accuracy["m3sda"] > accuracy["batch_norm"]
