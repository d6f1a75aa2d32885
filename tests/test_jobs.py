"""Runs side by side, on cores and on a cluster of two workers on this machine."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from dalib_edu.jobs import parallel
from dalib_edu.settings import UserError


def work(a, b):
    return a * b, os.getpid(), torch.get_num_threads(), os.environ.get("DALIB_EDU_PROGRESS")


def say(a):
    print(f"run {a} says so")
    return a


@pytest.mark.parametrize("where", [{}, {"jobs": 2}, {"cluster": "local:2"}], ids=str)
def test_what_a_run_prints_is_seen(where, capsys):
    if "cluster" in where:
        pytest.importorskip("distributed", reason="dask is not installed")
    assert sorted(r for _, r in parallel(say, [(1,), (2,)], **where)) == [1, 2]
    lines = capsys.readouterr().out.splitlines()
    assert sorted(lines) == ["run 1 says so", "run 2 says so"]


def fail(a):
    raise UserError(f"run {a} failed")


ARGUMENTS = [(i, i + 1) for i in range(6)]


def test_one_after_another_in_this_process():
    threads = torch.get_num_threads()
    found = list(parallel(work, ARGUMENTS))
    assert [(i, result[0]) for i, result in found] == [(i, i * (i + 1)) for i in range(6)]
    assert {result[1] for _, result in found} == {os.getpid()}
    assert torch.get_num_threads() == threads


def test_at_grading_scale_no_process_is_started(monkeypatch):
    monkeypatch.setenv("DALIB_EDU_SCALE", "grading")
    assert {result[1] for _, result in parallel(work, ARGUMENTS, jobs=2)} == {os.getpid()}


@pytest.mark.parametrize("where", [{"jobs": 2}, {"cluster": "local:2"}], ids=str)
def test_side_by_side_with_one_thread_each(where):
    if "cluster" in where:
        pytest.importorskip("distributed", reason="dask is not installed")
    found = dict(parallel(work, ARGUMENTS, **where))
    assert {i: result[0] for i, result in found.items()} == {i: i * (i + 1) for i in range(6)}
    assert os.getpid() not in {result[1] for result in found.values()}
    assert {result[2:] for result in found.values()} == {(1, "off")}


def wait_long(folder):
    (folder / str(os.getpid())).touch()
    time.sleep(300)


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX systems do")
def test_workers_end_with_who_started_them_even_where_that_is_killed(tmp_path):
    code = (
        "import pathlib, sys, test_jobs; folder = pathlib.Path(sys.argv[1]); "
        "list(test_jobs.parallel(test_jobs.wait_long, [(folder,)] * 2, jobs=2))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        start_new_session=True,
    )
    try:
        assert soon(lambda: len(list(tmp_path.iterdir())) == 2, 120)
        workers = [int(path.name) for path in tmp_path.iterdir()]
        process.kill()
        process.wait()
        assert soon(lambda: not any(psutil.pid_exists(pid) for pid in workers), 20)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.skipif(os.name != "posix", reason="parents are told apart as POSIX systems do")
def test_a_worker_whose_parent_is_gone_before_it_begins_ends_too():
    code = "import time; from dalib_edu.jobs import _end_with; _end_with(0); time.sleep(300)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 1


def soon(condition, seconds):
    """Return whether something becomes true within some seconds."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    return condition()


@pytest.mark.parametrize("where", [{}, {"jobs": 2}, {"cluster": "local:2"}], ids=str)
def test_a_failure_is_passed_on(where):
    if "cluster" in where:
        pytest.importorskip("distributed", reason="dask is not installed")
    with pytest.raises(UserError, match="run . failed"):
        list(parallel(fail, [(1,), (2,)], **where))


@pytest.mark.parametrize("cluster", ["local:", "local:none", "local:0", "tcp://127.0.0.1:1"])
def test_a_cluster_that_is_none_is_one_line(cluster):
    pytest.importorskip("distributed", reason="dask is not installed")
    with pytest.raises(UserError) as failed:
        list(parallel(work, ARGUMENTS, cluster=cluster))
    assert "\n" not in str(failed.value)
    assert cluster in str(failed.value)


def test_nothing_to_do():
    assert list(parallel(work, [], jobs=2)) == []
