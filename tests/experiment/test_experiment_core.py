"""What the homeworks' experiments share."""

import json
import statistics
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from dalib_edu import dann
from dalib_edu.experiment import core
from dalib_edu.experiment.core import Result
from dalib_edu.settings import UserError


def results():
    figures = {
        "source_only": [(0, 0.5), (1, 0.6), (2, 0.4)],
        "dann": [(0, 0.7), (1, 0.7), (2, 0.7)],
    }
    return [
        Result(method, seed, target, 0.9, 2.0, {"class_loss": [1.0, float(seed)]})
        for method, rows in figures.items()
        for seed, target in rows
    ]


def test_a_result_is_frozen():
    with pytest.raises(FrozenInstanceError):
        results()[0].target_accuracy = 1.0


def test_the_summary_pairs_the_gaps_by_seed():
    base, adapted = core.summarise(results())
    assert (base.method, base.seeds, base.gap_mean, base.gap_std) == ("source_only", 3, 0, 0)
    assert base.target_mean == pytest.approx(0.5)
    assert base.target_std == pytest.approx(statistics.stdev([0.5, 0.6, 0.4]))
    assert adapted.gap_mean == pytest.approx(0.2)
    assert adapted.gap_std == pytest.approx(np.std([0.2, 0.1, 0.3], ddof=1))
    shuffled = [results()[i] for i in (5, 0, 3, 2, 4, 1)]
    again = {line.method: line for line in core.summarise(shuffled)}
    assert again["dann"].gap_std == pytest.approx(adapted.gap_std)


def test_a_method_without_its_baseline_has_no_gain():
    some = [r for r in results() if (r.method, r.seed) != ("source_only", 2)]
    base, adapted = core.summarise(some)
    assert (base.seeds, base.gap_mean) == (2, 0)
    assert adapted.seeds == 3
    assert (adapted.gap_mean, adapted.gap_std, adapted.gain()) == (None, None, "")
    assert core.table(some).splitlines()[-1].split()[-2:] == ["90.0", "2.0"]
    assert (
        json.loads(json.dumps(core.to_json(some, dann.EMBEDDED)))["summary"][1]["gap_mean"] is None
    )


def test_the_table_says_what_the_summary_says():
    header, base, adapted = core.table(results()).splitlines()
    assert header.split() == ["method", "seeds", "target", "source", "gain", "s/run"]
    assert base.split() == ["source_only", "3", "50.0", "+-", "10.0", "90.0", "2.0"]
    assert adapted.split() == [
        "dann",
        "3",
        "70.0",
        "+-",
        "0.0",
        "90.0",
        "+20.0",
        "+-",
        "10.0",
        "2.0",
    ]


def test_everything_can_be_written_as_json():
    text = json.dumps(core.to_json(results(), dann.EMBEDDED), allow_nan=False)
    back = json.loads(text)
    assert back["results"][5]["target_accuracy"] == 0.7
    assert back["summary"][1]["gap_mean"] == pytest.approx(0.2)
    assert back["config"]["steps"] == dann.EMBEDDED.steps


def test_curves_are_means_over_seeds_and_steps():
    curves = core.curves(results(), window=2)
    assert curves["dann"]["class_loss"] == pytest.approx([(1 + 1) / 2])
    curves = core.curves(results(), window=1)
    assert curves["dann"]["class_loss"] == pytest.approx([1, 1])
    assert core.curves(results(), window=50)["dann"]["class_loss"] == pytest.approx([1])


@pytest.mark.parametrize("homework", core.HOMEWORKS)
def test_every_homework_has_what_the_command_needs(homework):
    module = core.module_of(homework)
    assert module is core.module_of(f"{homework}_with_a_long_name")
    assert next(iter(module.METHODS)) == ("raw_pixels" if homework == "hw5" else "source_only")
    assert set(module.DEFAULT) <= set(module.METHODS)
    assert set(module.PRESETS) == {"embedded", "full", "grading"}
    assert module.TARGET not in module.SOURCES
    for name in ("make_task", "describe", "run_one"):
        assert callable(getattr(module, name))


def test_a_homework_without_an_experiment_is_refused():
    with pytest.raises(UserError, match="hw1, hw2, hw3, hw4, hw5, not 'hw0'"):
        core.module_of("hw0")


def test_a_split_keeps_every_picture_once():
    import torch

    from dalib_edu.data import ImageSet

    images = torch.arange(10, dtype=torch.uint8).view(10, 1, 1, 1)
    train, test = core.split(ImageSet(images, torch.arange(10), tuple("abcdefghij")))
    assert (len(train), len(test)) == (7, 3)
    assert sorted([*train.labels.tolist(), *test.labels.tolist()]) == list(range(10))


def test_a_preset_can_be_changed_field_by_field():
    hw3 = core.module_of("hw3")
    changed = core.preset(hw3, "embedded", 7, ["size=96", "pretrained=False", "alpha=1"])
    assert (changed.steps, changed.size, changed.pretrained, changed.alpha) == (7, 96, False, 1.0)
    assert changed.learning_rate == hw3.PRESETS["embedded"].learning_rate
    assert core.preset(hw3, "embedded") == hw3.PRESETS["embedded"]
