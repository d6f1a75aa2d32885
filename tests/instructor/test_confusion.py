"""Wrong answers are rejected and honest ones accepted, on the way that a class's grades take."""

from pathlib import Path

import generated
import pytest

from dalib_edu.instructor import grade
from dalib_edu.instructor.build import homeworks_in

pytestmark = pytest.mark.sandbox

PROJECT = Path(__file__).parent / "fixture_attack"  # it draws no pictures


def test_a_generated_class_earns_what_it_must(tmp_path):
    """The whole table takes minutes: ``tests/benchmarks/bench_grading.py``."""
    students = generated.generate(tmp_path / "in", homeworks_in(PROJECT), 12)
    results = grade.grade(tmp_path / "in", tmp_path / "out", root=PROJECT)
    counts, faults = generated.confusion(students, results)
    print(counts)
    assert faults == []
    assert counts["honest accepted"] >= 3
    assert counts["wrong rejected"] >= 12
    assert [r.score for r in results] == [s.score for s in students]
    assert {r.status for r in results} == {"graded"}
