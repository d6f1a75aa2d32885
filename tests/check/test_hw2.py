"""Homework 2's table of answers."""

import pytest
import table

from dalib_edu.check import hw2

CHECKS = table.checks(hw2)


def test_every_exercise_has_its_table():
    assert {
        e: [len(answers[k]) >= table.FEWEST[k] for k in answers]
        for e, answers in table.load("hw2").items()
    } == {name: [True, True] for name in CHECKS}


@pytest.mark.parametrize(("exercise", "name", "answer"), table.each("hw2", "mutants"))
def test_mutant_fails_with_its_cause(exercise, name, answer):
    table.assert_refused(CHECKS[exercise], answer)


@pytest.mark.parametrize(("exercise", "name", "answer"), table.each("hw2", "alternatives"))
def test_alternative_passes(exercise, name, answer):
    table.assert_accepted(CHECKS[exercise], answer)


@pytest.mark.parametrize("exercise", CHECKS)
def test_what_is_no_answer_fails(exercise):
    table.assert_no_answer_passes(CHECKS[exercise])


@pytest.mark.parametrize("exercise", CHECKS)
def test_hostile_answers_fail(exercise):
    table.assert_hostile_answers_fail(CHECKS[exercise], table.load("hw2")[exercise])


@pytest.mark.parametrize("exercise", CHECKS)
def test_cases_and_answers_are_plain(exercise):
    table.assert_plain(CHECKS[exercise], table.load("hw2")[exercise])


def test_confusion_table(capsys):
    rows = table.confusion("hw2", hw2)
    with capsys.disabled():
        print(f"\n{'exercise':20}{'mutants':>9}{'refused':>9}{'honest':>9}{'accepted':>9}")
        for row in rows:
            print(f"{row[0]:20}" + "".join(f"{number:9}" for number in row[1:]))
    assert [(row[1], row[3]) for row in rows] == [(row[2], row[4]) for row in rows]
