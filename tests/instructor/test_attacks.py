"""Attacks: each ends in the points that the honest part earns, with the right status, and changes
nothing else.

Each is graded for real, in one class with two honest students; see ``attackers.py``.
"""

import attackers
import pytest

from dalib_edu.instructor import demo

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    root = tmp_path_factory.mktemp("attacks")
    folder = attackers.hand_in_all(root)
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    results = attackers.grade_all(root)
    assert before == {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return results, root / "out"


@pytest.mark.parametrize("name", attackers.NAMES)
def test_everybody_earns_what_the_honest_part_earns(graded, name):
    results, out = graded
    attackers.verify(results[name], out)


def test_nothing_outside_has_changed(graded):
    attackers.verify_outside(*graded)


def test_a_loop_that_never_ends_is_called_that(graded):
    result = graded[0]["loops_in_the_function"]
    assert result.causes == {"test_lambda_at": "took_too_long"}
    place = graded[1] / "feedback" / result.student / attackers.NAME
    page = demo.page_text((place / f"{attackers.NAME}.html").read_text())
    assert f"lambda_at: it took more than {attackers.STOP} s; does a loop never end?" in page


def test_feedback_names_the_cause(graded):
    place = graded[1] / "feedback" / "patches_comparisons" / attackers.NAME
    page = demo.page_text((place / f"{attackers.NAME}.html").read_text())
    assert "Not yet: lambda_at:" in page
    assert "Where points were lost, and why: test_lambda_at: lambda_at:" in page
    assert "881188" not in page
