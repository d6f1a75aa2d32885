"""Wrong answers are rejected and honest ones accepted, on the way that a class's grades take.

Every answer of the tables goes that way in ``tests/benchmarks/bench_grading.py``, which takes
minutes; here some of each homework do.
"""

import os
from pathlib import Path

import generated
import pytest

from dalib_edu.instructor import grade
from dalib_edu.instructor.build import find_root, homeworks_in

pytestmark = pytest.mark.sandbox

PROJECT = Path(__file__).parent / "fixture_attack"  # it draws no pictures


def judged(students, tmp_path, root, capsys):
    results = grade.grade(tmp_path / "in", tmp_path / "out", root=root)
    counts, faults = generated.confusion(students, results)
    with capsys.disabled():
        print("\n" + generated.confusion_table(counts))
    assert faults == []
    assert [r.score for r in results] == [s.score for s in students]
    assert {r.status for r in results} == {"graded"}
    return counts


def test_a_generated_class_earns_what_it_must(tmp_path, capsys):
    students = generated.generate(tmp_path / "in", homeworks_in(PROJECT), 12)
    (counts,) = judged(students, tmp_path, PROJECT, capsys).values()
    assert counts["honest accepted"] >= 3
    assert counts["wrong rejected"] >= 12


@pytest.mark.slow
def test_answers_to_every_homework_are_judged_rightly(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(grade, "draw_ahead", lambda homeworks: None)  # these draw nothing
    homeworks = homeworks_in(find_root())
    seed = int(os.environ.get("ANSWERS_SEED", "0"))
    number = 3 * len(homeworks)
    students = generated.generate(tmp_path / "in", homeworks, number, seed, whole=False)
    counts = judged(students, tmp_path, find_root(), capsys)
    assert list(counts) == [homework.name for homework in homeworks]
    assert sum(map(sum, (row.values() for row in counts.values()))) >= 100
