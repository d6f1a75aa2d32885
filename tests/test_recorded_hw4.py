"""What homework 4 shows as recorded runs: as the record has it, and as the code has it."""

import ast
import json
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
    "control: no target term": "no_target_term",
}


def recorded(method, domain="target"):
    """Return {seed: accuracy in %} of a method."""
    return {
        result["seed"]: round(100 * result[f"{domain}_accuracy"], 1)
        for run in RECORD["runs"]
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
    for run in RECORD["runs"]:
        assert run["config"] == asdict(gta.EMBEDDED)


def test_what_the_prose_says_of_the_seeds():
    gains = [
        a - b for a, b in zip(*(recorded(m).values() for m in ("gta", "source_only")), strict=True)
    ]
    assert [round(gain, 1) for gain in gains] == [13.3, 4.2, 13.0, -16.7, -1.3]
    assert round(mean(gains), 1) == 2.5
    assert round(stdev(gains), 1) == 12.4
    without = list(recorded("no_target_term").values())
    assert all(
        abs(a - b) < 2.5 for a, b in zip(without, recorded("source_only").values(), strict=False)
    )


def test_the_bar_is_below_every_recorded_run_and_far_above_d():
    assert 0.3 < check.ENOUGH < min(recorded("gta").values()) / 100
