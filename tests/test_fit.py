"""The training loop."""

import itertools

import pytest

from dalib_edu.fit import fit


def test_history_p_and_marks():
    seen, marked = [], []

    def step(batch, p):
        seen.append((batch, p))
        return {"loss": float(batch), "p": p}

    history = fit(step, itertools.count(), 8, marks={0, 3, 8, 9}, on_mark=marked.append)
    assert seen == [(i, i / 8) for i in range(8)]
    assert history == {"loss": [0, 1, 2, 3, 4, 5, 6, 7], "p": [i / 8 for i in range(8)]}
    assert marked == [0, 3, 8]


def test_marks_count_finished_updates():
    done = []
    fit(
        lambda batch, p: done.append(batch) or {},
        itertools.count(),
        5,
        marks=(2, 5),
        on_mark=lambda n: done.append(f"mark {n}"),
    )
    assert done == [0, 1, "mark 2", 2, 3, 4, "mark 5"]


@pytest.mark.parametrize("steps", [0, 1])
def test_few_steps(steps):
    marked = []
    history = fit(
        lambda b, p: {"x": 1.0}, itertools.count(), steps, marks=(0,), on_mark=marked.append
    )
    assert history == ({"x": [1.0]} if steps else {})
    assert marked == [0]


def test_no_batch_is_drawn_in_vain():
    batches = itertools.count()
    fit(lambda b, p: {}, batches, 4)
    assert next(batches) == 4


def test_progress_can_be_switched_off(capsys, monkeypatch):
    monkeypatch.setenv("DALIB_EDU_PROGRESS", "off")
    fit(lambda b, p: {"x": 1.0}, itertools.count(), 40)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("DALIB_EDU_PROGRESS", "on")
    fit(lambda b, p: {"x": 1.0}, itertools.count(), 40, title="a title")
    assert "a title" in capsys.readouterr().err
