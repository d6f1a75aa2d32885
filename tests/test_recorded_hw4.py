"""What homework 4 shows as recorded runs: as the record has it, and as the code has it."""

import ast
import json
import re
from dataclasses import asdict
from pathlib import Path
from statistics import mean, stdev

from dalib_edu import gta
from dalib_edu.check import hw4 as check
from dalib_edu.experiment import hw4

ROOT = Path(__file__).parents[1]
RECORD = json.loads((ROOT / "course/results/hw4_ablation.json").read_text(encoding="utf-8"))
# The notebook's names, and the methods of the record.
NAMES = {
    "stream 1: source-only": "source_only",
    "+ real or drawn alone": "real_fake",
    "all terms": "gta",
    "all terms, G told the class": "labels_shown",
    "control: no target term": "no_target_term",
    "control: source as target": "source_as_target",
    "control: shuffled labels": "shuffled_labels",
}


def recorded(method, runs="runs"):
    """Return {seed: accuracy in %} of a method."""
    return {
        result["seed"]: round(100 * result["target_accuracy"], 1)
        for run in RECORD[runs]
        for result in run["results"]
        if result["method"] == method
    }


def shown(name):
    """Return the literal that the notebook gives a name."""
    source = (ROOT / "course/source/hw4_gta.py").read_text(encoding="utf-8")
    (found,) = (
        ast.literal_eval(node.value)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name
    )
    return found


def test_the_notebook_shows_the_record_every_seed_of_it():
    expected = {name: list(recorded(method).values()) for name, method in NAMES.items()}
    assert shown("recorded") == expected
    for method in NAMES.values():
        seeds = list(recorded(method))
        assert seeds == list(range(len(seeds)))
    assert len(recorded("source_only")) == len(recorded("gta")) == 5


def test_no_recorded_method_is_left_out():
    assert {r["method"] for run in RECORD["runs"] for r in run["results"]} == set(NAMES.values())
    assert set(NAMES.values()) <= set(hw4.METHODS)


def test_the_record_is_that_of_the_preset():
    for run in RECORD["runs"] + RECORD["another_processor"]:
        assert run["config"] == asdict(gta.EMBEDDED)


def gains(method, runs="runs"):
    """Return what a method gains over source-only, seed by seed, in points."""
    both = (recorded(m, runs).values() for m in (method, "source_only"))
    return [a - b for a, b in zip(*both, strict=True)]


def mean_and_spread(values):
    return f"{mean(values):.1f} +- {stdev(values):.1f}"


def test_what_the_prose_says_of_the_seeds():
    assert [round(gain, 1) for gain in gains("gta")] == [25.0, 7.3, 16.0, 6.3, 18.2]
    assert mean_and_spread(gains("gta")) == "14.6 +- 7.8"
    assert mean_and_spread(gains("real_fake")) == "0.9 +- 1.6"
    controls = ("no_target_term", "source_as_target", "shuffled_labels")
    assert [mean_and_spread(gains(c)) for c in controls] == [
        "1.2 +- 0.9",
        "1.0 +- 1.3",
        "0.0 +- 1.4",
    ]
    assert mean_and_spread(recorded("labels_shown").values()) == "54.5 +- 10.9"


def test_the_method_beats_stream_1_by_ten_points_and_no_control_does():
    assert mean(gains("gta")) > 10
    assert min(gains("gta")) > 0
    for method in set(NAMES.values()) - {"gta", "source_only"}:
        assert mean(gains(method)) < 2


def test_the_gain_holds_on_another_processor_seed_by_seed_it_does_not():
    there = recorded("gta", "another_processor")
    assert list(there) == list(recorded("gta"))
    assert all(there[seed] != value for seed, value in recorded("gta").items())
    assert mean_and_spread(gains("gta", "another_processor")) == "14.2 +- 6.1"
    baseline = recorded("source_only", "another_processor")
    notebook = (ROOT / "course/source/hw4_gta.py").read_text(encoding="utf-8")
    for values in (there, baseline):
        *others, last = map(str, values.values())
        assert f"{', '.join(others)} and {last}" in notebook
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"{' '.join(map(str, there.values()))}, a gain of +14.2 +- 6.1" in readme
    assert "a gain of 14.2 +- 6.1 points" in notebook


def test_the_readme_shows_the_record():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for method in set(NAMES.values()) - {"source_only"}:
        values = mean_and_spread(recorded(method).values())
        gain = mean_and_spread(gains(method))
        assert re.search(
            rf"\| [^|]*{re.escape(values)}\)? \| [+-]?{re.escape(gain.lstrip('-'))} \|", text
        )


def test_the_bar_is_below_every_recorded_run_and_far_above_d():
    assert 0.3 < check.ENOUGH < min(recorded("gta").values()) / 100
