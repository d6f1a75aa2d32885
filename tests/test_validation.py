import json
import math
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import time
from itertools import product

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch
from sklearn.metrics import mutual_info_score

from dalib_edu import validation
from dalib_edu.settings import UserError
from dalib_edu.validation import (
    Row,
    average,
    best,
    choose,
    cross_domain_grid,
    grid,
    information_maximisation,
    label_free_scores,
    mean_entropy,
    on,
    rank_agreement,
    read_results,
    regret,
)

SETTINGS = [{"learning_rate": rate, "alpha": a} for rate in (0.1, 0.01) for a in (0.0, 0.5, 1.0)]
TARGETS = ("cartoon", "sketch")


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv("DALIB_EDU_PROGRESS", "off")


def accuracy_of(setting, target):
    """Best at learning rate 0.01 and alpha 0.5, and lower on sketches."""
    miss = (setting["learning_rate"] != 0.01) + abs(setting["alpha"] - 0.5)
    return 0.9 - 0.2 * miss - 0.1 * (target == "sketch")


class Recorder:
    """A run that remembers its calls, and fails at one of them if told to."""

    def __init__(self, fail_at=None, error=None, wrong=None):
        self.calls, self.fail_at, self.error, self.wrong = [], fail_at, error, wrong

    def __call__(self, setting, target):
        self.calls.append((dict(setting), target))
        if len(self.calls) == self.fail_at:
            if self.error:
                raise self.error
            return self.wrong
        return {"accuracy": accuracy_of(setting, target), "entropy": -len(target) / 7}


# --- the grid -----------------------------------------------------------------------------------


def test_grid_is_the_product_in_order():
    values = {"learning_rate": [0.1, 0.01], "alpha": (0, 0.5), "steps": range(10, 40, 10)}
    combinations = list(product([0.1, 0.01], [0, 0.5], [10, 20, 30]))
    assert [tuple(each.values()) for each in grid(values)] == combinations
    assert {tuple(each) for each in grid(values)} == {("learning_rate", "alpha", "steps")}
    assert grid({"alpha": np.logspace(-2, 0, 3)}) == [
        {"alpha": pytest.approx(a)} for a in (0.01, 0.1, 1)
    ]
    assert grid({}) == [{}]


@pytest.mark.parametrize("values", [0.1, "0.1", [], ()])
def test_an_axis_that_is_no_list_is_named(values):
    with pytest.raises(UserError, match="alpha"):
        grid({"steps": [1], "alpha": values})


# --- cross-domain validation --------------------------------------------------------------------


def test_every_setting_meets_every_target_once_and_no_other_domain():
    run = Recorder()
    rows = cross_domain_grid(run, SETTINGS, TARGETS)
    assert run.calls == [(s, t) for s in SETTINGS for t in TARGETS]
    assert [row.setting for row in rows] == SETTINGS
    for row in rows:
        assert list(row.scores) == ["cartoon", "sketch"]
        wanted = [accuracy_of(row.setting, target) for target in TARGETS]
        assert list(row.scores.values()) == wanted
        assert row.mean == pytest.approx(sum(wanted) / 2)
        assert row.figures["sketch"] == {"accuracy": wanted[1], "entropy": -6 / 7}
    assert best(rows).setting == {"learning_rate": 0.01, "alpha": 0.5}


def test_best_is_the_first_of_equals_by_the_mean_and_not_by_one_target():
    def row(name, *scores):
        return Row({"name": name}, dict(zip("ab", scores, strict=True)), sum(scores) / 2, {})

    rows = [row("low", 0.1, 0.2), row("even", 0.5, 0.5), row("twin", 0.5, 0.5), row("max", 0.9, 0)]
    assert best(rows).setting == {"name": "even"}
    with pytest.raises(UserError, match="no rows"):
        best([])


def test_a_plain_number_is_an_accuracy():
    rows = cross_domain_grid(lambda setting, target: torch.tensor(0.25), [{}], ["art"])
    assert rows == [Row({}, {"art": 0.25}, 0.25, {"art": {"accuracy": 0.25}})]


def test_a_run_that_takes_its_setting_apart_changes_nothing(tmp_path):
    def greedy(setting, target):
        rate = setting.pop("rate")
        setting["other"] = object()
        return rate

    settings = [{"rate": 0.1}, {"rate": 0.3}]
    rows = cross_domain_grid(greedy, settings, TARGETS, results=tmp_path / "results.jsonl")
    assert settings == [{"rate": 0.1}, {"rate": 0.3}]
    assert [row.mean for row in rows] == pytest.approx([0.1, 0.3])


@pytest.mark.parametrize(
    ("settings", "targets", "says"),
    [
        ([], TARGETS, "no settings"),
        (SETTINGS, [], "targets must be a list"),
        (SETTINGS, "sketch", "targets must be a list"),
        ([{"rate": object()}], TARGETS, "numbers and texts"),
        ([{"rate": math.nan}], TARGETS, "numbers and texts"),
    ],
)
def test_senseless_arguments_run_nothing(settings, targets, says):
    run = Recorder()
    with pytest.raises(UserError, match=says):
        cross_domain_grid(run, settings, targets)
    assert run.calls == []


def test_rows_on_some_of_their_targets_are_those_of_a_grid_on_them():
    rows = cross_domain_grid(Recorder(), SETTINGS, ("cartoon", "sketch", "art"))
    wanted = cross_domain_grid(Recorder(), SETTINGS, ("art", "cartoon"))
    assert on(rows, ["art", "cartoon"]) == wanted
    with pytest.raises(UserError, match="went to cartoon, sketch, art, not to photo"):
        on(rows, ["art", "photo"])


def test_rows_are_averaged_over_seeds():
    rows = [
        Row({"a": a, "seed": seed}, {}, 0, {"art": {"accuracy": value, "entropy": entropy}})
        for a, seed, value, entropy in [
            (1, 0, 0.2, 1.0),
            (2, 0, 0.5, 2.0),
            (1, 1, 0.4, math.nan),
            (2, 1, 0.6, 4.0),
        ]
    ]
    one, two = average(rows)
    assert (one.setting, two.setting) == ({"a": 1}, {"a": 2})
    assert (one.mean, two.mean) == (pytest.approx(0.3), pytest.approx(0.55))
    assert two.scores == {"art": pytest.approx(0.55)}
    assert two.figures["art"]["entropy"] == 3
    assert math.isnan(one.figures["art"]["entropy"])
    with pytest.raises(UserError, match="no fold"):
        average(rows, over="fold")


# --- the file of results ------------------------------------------------------------------------


def test_a_second_call_runs_only_what_is_new(tmp_path):
    file = tmp_path / "results.jsonl"
    first = cross_domain_grid(Recorder(), SETTINGS[:3], ["cartoon"], results=file)
    run = Recorder()
    rows = cross_domain_grid(run, SETTINGS, TARGETS, results=file)
    assert len(run.calls) == 9
    assert all((s, "cartoon") not in run.calls for s in SETTINGS[:3])
    assert rows == cross_domain_grid(Recorder(), SETTINGS, TARGETS)
    # The order of the hyper-parameters makes no other setting; a further call runs nothing.
    turned = [dict(reversed(s.items())) for s in SETTINGS[:3]]
    nothing = Recorder()
    again = cross_domain_grid(nothing, turned, ["cartoon"], results=file)
    assert nothing.calls == []
    assert [row.scores for row in again] == [row.scores for row in first]


def test_the_file_is_lines_of_strict_json_with_its_command_in_the_first(tmp_path):
    file = tmp_path / "results.jsonl"
    run = Recorder(2, wrong={"accuracy": np.float32(0.5), "entropy": math.inf, "a": math.nan})
    command = "dalib-edu validate hw3"
    version = {"preset": "embedded"}
    rows = cross_domain_grid(run, SETTINGS, TARGETS, results=file, version=version, command=command)

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    lines = [json.loads(s, parse_constant=refuse) for s in file.read_text().splitlines()]
    assert lines[0] == {"grid_results": 1, "version": version, "command": command}
    assert lines[2] == {
        "setting": SETTINGS[0],
        "target": "sketch",
        "figures": {"accuracy": 0.5, "entropy": None, "a": None},
    }
    assert len(lines) == 1 + len(SETTINGS) * len(TARGETS)
    fresh = rows[0].figures["sketch"]
    assert math.isnan(fresh["entropy"])
    assert math.isnan(fresh["a"])
    read = cross_domain_grid(Recorder(1), SETTINGS, TARGETS, results=file, version=version)
    assert read[1:] == rows[1:]
    assert str(read[0]) == str(rows[0])  # NaN equals nothing


def test_numpy_numbers_in_a_setting_are_numbers(tmp_path):
    file = tmp_path / "results.jsonl"
    cross_domain_grid(Recorder(), [{"learning_rate": 0.5, "alpha": 2}], ["a"], results=file)
    run = Recorder()
    settings = [{"learning_rate": np.float32(0.5), "alpha": np.int64(2)}]
    cross_domain_grid(run, settings, ["a"], results=file)
    assert run.calls == []


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_torn_last_line_is_dropped_and_run_again(tmp_path, cut):
    file = tmp_path / "results.jsonl"
    whole = cross_domain_grid(Recorder(), SETTINGS, TARGETS, results=file)
    content = file.read_bytes()
    file.write_bytes(content[:-cut])
    run = Recorder()
    assert cross_domain_grid(run, SETTINGS, TARGETS, results=file) == whole
    assert run.calls == [(SETTINGS[-1], "sketch")]
    assert file.read_bytes() == content


@pytest.mark.parametrize("kept", [0, 5, 30])
def test_a_torn_first_line_is_an_empty_file(tmp_path, kept):
    file = tmp_path / "results.jsonl"
    whole = cross_domain_grid(Recorder(), SETTINGS, TARGETS, results=file)
    content = file.read_bytes()
    file.write_bytes(content[:kept])
    assert cross_domain_grid(Recorder(), SETTINGS, TARGETS, results=file) == whole
    assert file.read_bytes() == content


def test_another_version_is_refused_with_what_differs(tmp_path):
    file = tmp_path / "results.jsonl"
    made = {"preset": "embedded", "size": 32}
    cross_domain_grid(Recorder(), SETTINGS, TARGETS, results=file, version=made)
    before = file.read_bytes()
    run = Recorder()
    for other, says in [
        ({"preset": "full", "size": 32}, r"preset \('embedded', now 'full'\)"),
        ({"preset": "embedded"}, r"size \(32, now None\)"),
        ({**made, "data": None}, r"data \(None, now None\)"),
        (None, "another preset"),
    ]:
        with pytest.raises(UserError, match=says):
            cross_domain_grid(run, SETTINGS, TARGETS, results=file, version=other)
    assert run.calls == []
    assert file.read_bytes() == before
    # The command is no part of the version, and the order of the version's entries none either.
    turned = dict(reversed(made.items()))
    cross_domain_grid(run, SETTINGS, TARGETS, results=file, version=turned, command="other")
    assert run.calls == []


@pytest.mark.parametrize(
    "content",
    [
        b"id,label\n0,1\n",
        b"no line end",
        b'{"setting": {}, "target": "art", "figures": {"accuracy": 1}}\n',
        b"[1, 2]\n",
        b'{"grid_results": 2, "version": {}}\n',
        b"\xff\xfe\x00binary",
        b"\n",
    ],
)
def test_a_file_of_another_kind_is_left_alone(tmp_path, content):
    file = tmp_path / "mine"
    file.write_bytes(content)
    run = Recorder()
    with pytest.raises(UserError, match="mine is no file of results"):
        cross_domain_grid(run, SETTINGS, TARGETS, results=file)
    assert run.calls == []
    assert file.read_bytes() == content


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "",
        '{"setting": {}, "target": "art"}',
        '{"setting": {}, "target": "art", "figures": {}}',
        '{"setting": {}, "target": "art", "figures": {"accuracy": null}}',
        '{"setting": {}, "target": "art", "figures": {"accuracy": "high"}}',
        '{"setting": 3, "target": "art", "figures": {"accuracy": 1}}',
    ],
)
def test_a_broken_line_within_is_named(tmp_path, line):
    file = tmp_path / "results.jsonl"
    cross_domain_grid(Recorder(), SETTINGS, TARGETS, results=file)
    lines = file.read_text().splitlines()
    lines.insert(3, line)
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError, match=r"results.jsonl, line 4"):
        cross_domain_grid(Recorder(), SETTINGS, TARGETS, results=file)


def test_results_are_read_without_a_grid(tmp_path):
    file = tmp_path / "results.jsonl"
    cross_domain_grid(Recorder(), SETTINGS, TARGETS, results=file, version={"any": 1})
    lines = file.read_bytes().splitlines(keepends=True)
    twin = lines[1].replace(b'"accuracy": ', b'"accuracy": 9')
    file.write_bytes(b"".join([*lines[:4], twin, *lines[4:]])[:-9])  # one twice, one torn
    before = file.read_bytes()
    expected = [
        (s, t, {"accuracy": accuracy_of(s, t), "entropy": -len(t) / 7})
        for s in SETTINGS
        for t in TARGETS
    ]
    assert read_results(str(file)) == expected[:-1]
    assert file.read_bytes() == before
    with pytest.raises(UserError, match="none.jsonl: no such file"):
        read_results(tmp_path / "none.jsonl")


def test_a_file_that_cannot_be_written_is_said_before_the_first_run(tmp_path):
    run = Recorder()
    with pytest.raises(UserError, match="cannot write .*No such file"):
        cross_domain_grid(run, SETTINGS, TARGETS, results=tmp_path / "none" / "results.jsonl")
    with pytest.raises(UserError, match="cannot read .*directory"):
        cross_domain_grid(run, SETTINGS, TARGETS, results=tmp_path)
    assert run.calls == []


def test_a_complete_file_is_read_and_not_touched(tmp_path, monkeypatch):
    file = tmp_path / "results.jsonl"
    whole = cross_domain_grid(Recorder(), SETTINGS, TARGETS, results=file)
    monkeypatch.setattr(validation, "_append", None)  # it may lie where nothing can be written
    monkeypatch.setattr(validation, "_mend", None)
    assert cross_domain_grid(Recorder(1), SETTINGS, TARGETS, results=str(file)) == whole


# --- runs that fail -----------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failing_run_names_its_setting_and_what_is_finished_stays(tmp_path, jobs):
    def run(setting, target):
        if setting["alpha"] == 1.0 and target == "sketch":
            time.sleep(0.5)
            raise ZeroDivisionError("the cause")
        return accuracy_of(setting, target)

    file = tmp_path / "results.jsonl"
    with pytest.raises(RuntimeError) as caught:
        cross_domain_grid(run, SETTINGS, TARGETS, jobs=jobs, results=file)
    assert "learning_rate 0.1, alpha 1.0 towards sketch" in str(caught.value)
    assert "ZeroDivisionError: the cause" in str(caught.value)
    # Not the line itself: a function that was sent to another process may have lost its file.
    assert re.search(r"line \d+, in run\b", "".join(caught.value.__notes__))
    if jobs == 1:
        assert len(file.read_text().splitlines()) == 1 + 5
    rows = cross_domain_grid(accuracy_of, SETTINGS, TARGETS, results=file)
    assert rows == cross_domain_grid(accuracy_of, SETTINGS, TARGETS)


def test_a_users_mistake_in_a_run_stays_one():
    run = Recorder(3, error=UserError("there is no folder PACS"))
    with pytest.raises(UserError, match=r"alpha 0.5 towards cartoon failed: there is no folder"):
        cross_domain_grid(run, SETTINGS, TARGETS)
    assert len(run.calls) == 3


@pytest.mark.parametrize("wrong", [math.nan, math.inf, None, "high", {"entropy": 1.0}, {}, [0.5]])
def test_a_run_without_a_finite_accuracy_is_no_result(tmp_path, wrong):
    file = tmp_path / "results.jsonl"
    with pytest.raises(RuntimeError, match="alpha 0.0 towards sketch"):
        cross_domain_grid(Recorder(2, wrong=wrong), SETTINGS, TARGETS, results=file)
    assert len(file.read_text().splitlines()) == 1 + 1


def test_an_interrupt_ends_the_grid_and_what_is_finished_stays(tmp_path):
    file = tmp_path / "results.jsonl"
    with pytest.raises(KeyboardInterrupt):
        cross_domain_grid(Recorder(4, error=KeyboardInterrupt()), SETTINGS, TARGETS, results=file)
    run = Recorder()
    cross_domain_grid(run, SETTINGS, TARGETS, results=file)
    assert len(run.calls) == 12 - 3


GRID_SCRIPT = """
import hashlib, sys, time
from dalib_edu.validation import cross_domain_grid, grid

pause = 0

def run(setting, target):
    time.sleep(pause)
    digest = hashlib.sha256(repr((setting["a"], setting["b"], target)).encode()).digest()
    return {"accuracy": digest[0] / 255, "entropy": -digest[1] / 7}

def search(file, jobs):
    settings = grid({"a": range(6), "b": [0.1, 0.2]})
    return cross_domain_grid(run, settings, ["cartoon", "sketch"], jobs=jobs, results=file)

if __name__ == "__main__":
    pause = 0.15
    search(sys.argv[1], int(sys.argv[2]))
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_grid_goes_on_to_the_rows_of_an_undisturbed_one(tmp_path, jobs):
    script, file = tmp_path / "grid_script.py", tmp_path / "killed.jsonl"
    script.write_text(GRID_SCRIPT)
    # In a session of its own: a kill -9 of the whole group reaches its workers, too.
    process = subprocess.Popen([sys.executable, script, file, str(jobs)], start_new_session=True)
    deadline = time.monotonic() + 100
    while process.poll() is None and time.monotonic() < deadline:
        if file.exists() and file.read_bytes().count(b"\n") > 2:
            break
        time.sleep(0.005)
    time.sleep(random.uniform(0, 0.3))
    assert process.poll() is None  # otherwise nothing is tested
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished = file.read_bytes().count(b"\n") - 1
    assert 2 <= finished < 24

    here = {"__name__": "grid_script"}
    exec(compile(GRID_SCRIPT, "grid_script", "exec"), here)
    assert here["search"](file, 1) == here["search"](None, 1)
    entries = file.read_text().splitlines()[1:]
    assert len(entries) == len(set(entries)) == 24  # nothing twice


# --- side by side -------------------------------------------------------------------------------


def slow_first():
    """A run defined here, so that it travels by value: a dask worker cannot import this file."""

    def run(setting, target):
        import os
        import time

        time.sleep(0.2 if setting["learning_rate"] == 0.1 else 0.01)
        accuracy = 0.5 + setting["alpha"] / 7 - (target == "sketch") / 3
        return {"accuracy": accuracy, "process": os.getpid()}

    return run


def scores(rows):
    return [(row.setting, row.scores, row.mean) for row in rows]


def test_processes_side_by_side_give_the_rows_of_one(tmp_path):
    one = cross_domain_grid(slow_first(), SETTINGS, TARGETS)
    two = cross_domain_grid(slow_first(), SETTINGS, TARGETS, jobs=2, results=tmp_path / "r")
    assert scores(one) == scores(two)
    processes = {row.figures[t]["process"] for row in two for t in TARGETS}
    assert os.getpid() not in processes
    assert len(processes) == 2


def test_a_dask_cluster_of_two_workers_gives_the_rows_of_loky(tmp_path):
    pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
    loky = cross_domain_grid(slow_first(), SETTINGS, TARGETS, jobs=2)
    file = tmp_path / "results.jsonl"
    dask = cross_domain_grid(slow_first(), SETTINGS, TARGETS, cluster="local:2", results=file)
    assert scores(dask) == scores(loky)
    processes = {row.figures[t]["process"] for row in dask for t in TARGETS}
    assert os.getpid() not in processes
    assert len(processes) == 2
    again = cross_domain_grid(Recorder(1), SETTINGS, TARGETS, results=file)
    assert again == dask


# --- label-free scores --------------------------------------------------------------------------


def random_logits(rows=50, classes=7, scale=2.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(rows, classes, generator=generator)


@pytest.mark.parametrize("scale", [0.1, 2, 30])
def test_entropy_and_information_are_scipys(scale):
    logits = random_logits(scale=scale)
    p = scipy.special.softmax(logits.double().numpy(), axis=1)
    rows = scipy.stats.entropy(p, axis=1).mean()
    assert mean_entropy(logits) == pytest.approx(rows, rel=1e-9)
    information = scipy.stats.entropy(p.mean(0)) - rows
    assert information_maximisation(logits) == pytest.approx(information, rel=1e-6)


def test_information_of_sure_predictions_is_scikit_learns():
    # Where every prediction is sure, picture and class share as much as each picture's class says.
    classes = torch.tensor([0, 0, 1, 2, 2, 2, 2, 3])
    logits = 1e4 * torch.nn.functional.one_hot(classes, 5).float()
    pictures = np.arange(len(classes))
    assert information_maximisation(logits) == pytest.approx(mutual_info_score(pictures, classes))
    assert mean_entropy(logits) == 0


def test_closed_forms():
    assert mean_entropy(torch.zeros(3, 7)) == pytest.approx(math.log(7))
    assert information_maximisation(torch.zeros(3, 7)) == pytest.approx(0, abs=1e-12)
    every_class = 50 * torch.eye(7).repeat(4, 1)  # (28, 7)
    assert information_maximisation(every_class) == pytest.approx(math.log(7), abs=1e-9)
    assert mean_entropy(torch.ones(1, 1)) == 0


@pytest.mark.parametrize("size", [1e3, 1e6, 1e30])
def test_large_logits_stay_finite(size):
    logits = torch.tensor([[size, 0, -size], [-size, size, size], [0, 0, size]])
    # Sure of class 0; undecided between 1 and 2; sure of class 2.
    assert mean_entropy(logits) == pytest.approx(math.log(2) / 3)
    of_mean = scipy.stats.entropy([1 / 3, 1 / 6, 1 / 2])
    assert information_maximisation(logits) == pytest.approx(of_mean - math.log(2) / 3)


def test_scores_ignore_a_shift_of_the_logits_and_leave_them_alone():
    logits = random_logits().requires_grad_()
    before = logits.detach().clone()
    shifted = logits.double() + 1e5 * torch.arange(50.0)[:, None]
    assert information_maximisation(shifted) == pytest.approx(information_maximisation(logits))
    assert torch.equal(logits, before)
    assert isinstance(mean_entropy(logits), float)


@pytest.mark.parametrize("shape", [(0, 7), (5, 0), (7,), (2, 3, 4)])
def test_logits_of_another_shape_are_refused(shape):
    for score in (mean_entropy, information_maximisation):
        with pytest.raises(UserError, match=r"\(N, K\)"):
            score(torch.zeros(shape))


def test_a_collapsed_network_looks_sure_but_informs_of_nothing():
    collapsed = torch.zeros(40, 7)
    collapsed[:, 3] = 30
    healthy = random_logits(40, scale=3)
    features = torch.ones(40, 4) + 1e-3 * random_logits(40, 4)
    of_collapsed = label_free_scores(collapsed, features, features.flip(0))
    shifted = random_logits(40, 4, seed=1)
    of_healthy = label_free_scores(healthy, shifted, shifted + 3)
    assert of_collapsed["entropy"] > of_healthy["entropy"]  # higher is said to be better: wrongly
    assert of_collapsed["information_maximisation"] < of_healthy["information_maximisation"]
    assert of_collapsed["a_distance"] > of_healthy["a_distance"]
    assert of_healthy["entropy"] == pytest.approx(-mean_entropy(healthy))


def test_a_distance_of_separate_and_of_like_features():
    source, target = random_logits(200, 5), random_logits(200, 5, seed=1)
    apart = label_free_scores(source, source, target + 100)["a_distance"]
    assert apart == -2  # 2 (1 - 2 eps) at eps = 0
    assert label_free_scores(source, source, target)["a_distance"] > -0.4  # about 0


@pytest.mark.parametrize("broken", [math.nan, math.inf])
@pytest.mark.parametrize("where", [0, 1, 2])
def test_a_diverged_network_has_no_scores(broken, where):
    arguments = [random_logits(20, 3, seed=i) for i in range(3)]
    arguments[where][4, 1] = broken
    assert all(math.isnan(value) for value in label_free_scores(*arguments).values())


# --- what a choice costs ------------------------------------------------------------------------


def test_choices_and_regret_by_hand():
    accuracies = [0.40, 0.55, 0.50, 0.30]
    assert choose([1, 3, 3, 2]) == 1
    assert choose([math.nan, -5, -7, math.nan]) == 1
    assert choose([math.nan, math.nan]) == 0
    assert regret(accuracies, accuracies) == 0
    assert regret([0, 1, 2, 1], accuracies) == pytest.approx(0.05)
    assert regret([math.nan, 0, 0, 1], accuracies) == pytest.approx(0.25)
    with pytest.raises(UserError, match="no scores"):
        choose([])
    for measure in (regret, rank_agreement):
        with pytest.raises(UserError, match="2 scores for 3"):
            measure([1, 2], [1, 2, 3])


def plain_spearman(one, two):
    """Pearson's correlation of the ranks, equals sharing their mean rank."""

    def ranks(values):
        order = sorted(values)
        return [statistics.fmean(i for i, v in enumerate(order) if v == each) for each in values]

    return statistics.correlation(ranks(one), ranks(two))


def test_rank_agreement_is_a_plain_loops():
    generator = random.Random(0)
    for _ in range(20):
        one = [generator.randint(0, 5) for _ in range(9)]
        two = [generator.random() for _ in range(9)]
        assert rank_agreement(one, two) == pytest.approx(plain_spearman(one, two))
    assert rank_agreement([1, 2, 4], [0.1, 0.2, 0.21]) == pytest.approx(1)
    assert rank_agreement([1, 2, 4], [0.3, 0.2, 0.1]) == pytest.approx(-1)
    # NaN: left out.
    assert rank_agreement([math.nan, 2, 4, 3, math.nan], [0, 2, 3, 1, 5]) == pytest.approx(
        plain_spearman([2, 4, 3], [2, 3, 1])
    )
    assert math.isnan(rank_agreement([math.nan, math.nan], [0.1, 0.2]))


@pytest.mark.filterwarnings("error")
def test_rank_agreement_with_a_constant_is_unknown():
    assert math.isnan(rank_agreement([1, 1, 1], [0.1, 0.2, 0.3]))
    assert math.isnan(rank_agreement([1, 2, 3], [0.1, 0.1, 0.1]))
    assert math.isnan(rank_agreement([1], [0.1]))
