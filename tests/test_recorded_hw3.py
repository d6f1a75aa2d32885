"""What homework 3 says of its controls and of a tuned baseline: as the records have it."""

import ast
import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from statistics import mean, stdev

import pytest

from dalib_edu import dann_alexnet
from dalib_edu.experiment import core, hw3

ROOT = Path(__file__).parents[1]


def the_run(name):
    """Return the one run of a record."""
    (run,) = json.loads((ROOT / "course/results" / name).read_text(encoding="utf-8"))["runs"]
    return run


RUN, CONTROLS = the_run("hw3_tuned.json"), the_run("hw3_controls.json")
CHANGES = ("momentum=0.9", "rate_schedule=paper", "learning_rate=0.02", "alpha=0.1")
METHODS = ("source_only", "dann")


def recorded(method, run=RUN):
    """Return the accuracies on the sketches in %, by seed."""
    results = [r for r in run["results"] if r["method"] == method]
    assert [r["seed"] for r in results] == list(range(5))
    return [100 * r["target_accuracy"] for r in results]


def words(name):
    """Return a text without its line breaks and the signs of comments."""
    lines = (ROOT / name).read_text(encoding="utf-8").split("\n")
    return " ".join(line.removeprefix("# ") for line in lines)


def test_the_record_is_of_the_settings_that_the_command_names():
    config = core.preset(hw3, "embedded", None, CHANGES)
    assert RUN["config"] == json.loads(json.dumps(asdict(config)))
    assert all(f"--set {change} " in RUN["command"] for change in CHANGES)
    assert replace(config, **{c.split("=")[0]: 0 for c in CHANGES}) == replace(
        dann_alexnet.EMBEDDED, **{c.split("=")[0]: 0 for c in CHANGES}
    )


@pytest.mark.parametrize("text", ["course/source/hw3_dann_pacs.py", "README.md"])
def test_the_texts_say_how_to_repeat_it(text):
    assert all(f"--set {change}" in words(text) for change in CHANGES)


@pytest.mark.parametrize("method", METHODS)
def test_the_notebook_and_the_readme_show_the_record(method):
    *others, last = (f"{value:.1f}" for value in recorded(method))
    assert f"{', '.join(others)} and {last}" in words("course/source/hw3_dann_pacs.py")
    spread = f"{mean(recorded(method)):.1f} +- {stdev(recorded(method)):.1f}"
    assert spread in words("README.md")


def test_the_controls_are_of_the_preset_and_shown_as_recorded():
    assert CONTROLS["config"] == json.loads(json.dumps(asdict(dann_alexnet.EMBEDDED)))
    methods = [*METHODS, "alpha_0", "flipped_sign", "shuffled_domains"]
    text = (ROOT / "course/source/hw3_dann_pacs.py").read_text(encoding="utf-8")
    shown = ast.literal_eval(re.search(r"^recorded = (\{.*?^\})", text, re.M | re.S)[1])
    assert list(shown.values()) == [[round(v, 1) for v in recorded(m, CONTROLS)] for m in methods]
    for method in methods:
        values = recorded(method, CONTROLS)
        assert f"| {mean(values):.1f} +- {stdev(values):.1f} |" in words("README.md")


def test_the_gain_over_a_tuned_baseline():
    gains = [b - a for a, b in zip(*map(recorded, METHODS), strict=True)]
    assert min(gains) > 0
    assert f"{mean(gains):.1f} +- {stdev(gains):.1f}" == "10.2 +- 3.3"
    assert f"({', '.join(f'{gain:.1f}' for gain in gains)})" in words("README.md")


@pytest.mark.parametrize("method", ["alpha_0", "flipped_sign", "shuffled_domains"])
def test_no_control_gains_beside_a_tuned_baseline(method):
    values = recorded(method)
    gain = mean(values) - mean(recorded("source_only"))
    assert gain < 2
    assert f"{mean(values):.1f} +- {stdev(values):.1f}" in words("README.md")


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_the_record_can_be_repeated(method):
    # Other machines add in another order, and a training carries that on: a few points.
    config = core.preset(hw3, "embedded", None, CHANGES)
    task = hw3.make_task(config, data=None, sources=hw3.SOURCES, target=hw3.TARGET)
    again = core.run(hw3, task, config, methods=[method], seeds=[0])[0]
    assert 100 * again.target_accuracy == pytest.approx(recorded(method)[0], abs=8)
