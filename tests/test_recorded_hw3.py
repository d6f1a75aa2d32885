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
from dalib_edu.fit import fit

ROOT = Path(__file__).parents[1]


def read(name):
    """Return a record."""
    return json.loads((ROOT / "course/results" / name).read_text(encoding="utf-8"))


TUNED, (CONTROLS,) = read("hw3_tuned.json"), read("hw3_controls.json")["runs"]
(RUN,), (ONE_THREAD, TWO_THREADS) = TUNED["runs"], TUNED["another_processor"]
TUNED_RUNS = (RUN, ONE_THREAD, TWO_THREADS)
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
    for run in TUNED_RUNS:
        assert run["config"] == json.loads(json.dumps(asdict(config)))
        assert all(f"--set {change} " in run["command"] for change in CHANGES)
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
    assert spread(recorded(method)) in words("README.md")


def test_the_controls_are_of_the_preset_and_shown_as_recorded():
    assert CONTROLS["config"] == json.loads(json.dumps(asdict(dann_alexnet.EMBEDDED)))
    methods = [*METHODS, "alpha_0", "flipped_sign", "shuffled_domains"]
    text = (ROOT / "course/source/hw3_dann_pacs.py").read_text(encoding="utf-8")
    shown = ast.literal_eval(re.search(r"^recorded = (\{.*?^\})", text, re.M | re.S)[1])
    assert list(shown.values()) == [[round(v, 1) for v in recorded(m, CONTROLS)] for m in methods]
    for method in methods:
        assert f"| {spread(recorded(method, CONTROLS))} |" in words("README.md")


def gains(run):
    """Return what DANN gains over the baseline, by seed, in points."""
    return [b - a for a, b in zip(*(recorded(m, run) for m in METHODS), strict=True)]


def listed(values):
    return f"({', '.join(f'{value:.1f}' for value in values)})"


def spread(values):
    return f"{mean(values):.1f} +- {stdev(values):.1f}"


def test_the_gain_over_a_tuned_baseline():
    assert min(gains(RUN)) > 0
    assert spread(gains(RUN)) == "10.2 +- 3.3"
    assert listed(gains(RUN)) in words("README.md")


def test_what_rounding_does_to_the_gain():
    assert mean(map(mean, map(gains, TUNED_RUNS))) == pytest.approx(10, abs=0.5)
    assert listed(gains(ONE_THREAD)) in words("README.md")
    assert round(gains(ONE_THREAD)[0]) == -5
    for text in ("README.md", "course/source/hw3_dann_pacs.py"):
        said = words(text)
        assert f"{spread(gains(ONE_THREAD))} " in said
        assert f"{spread(gains(TWO_THREADS))} with two" in said


@pytest.mark.parametrize("method", ["alpha_0", "flipped_sign", "shuffled_domains"])
def test_no_control_gains_beside_a_tuned_baseline(method):
    values = recorded(method)
    assert mean(values) - mean(recorded("source_only")) < 2
    assert spread(values) in words("README.md")


@pytest.mark.parametrize("method", METHODS)
def test_the_record_can_be_repeated(method, monkeypatch):
    # Where a run ends depends on the processor's rounding (see the record); how it begins does not.
    def begin(step, batches, steps, **more):
        return fit(lambda batch, p: step(batch, p * 3 / steps), batches, 3, **more)

    monkeypatch.setattr(hw3, "fit", begin)
    config = core.preset(hw3, "embedded", None, CHANGES)
    task = hw3.make_task(config, data=None, sources=hw3.SOURCES, target=hw3.TARGET)
    (again,) = core.run(hw3, task, config, methods=[method], seeds=[0])
    for name, losses in TUNED["first_losses"][method].items():
        assert again.history[name] == pytest.approx(losses, abs=0.01)
