"""Homework 5's judges against printed values, and the course's own answers against them.

The tables of answers are in ``answers/hw5``, see ``test_answers.py``.
"""

import random

import numpy as np
import pytest
import table
import torch
from torch import nn

from dalib_edu import metric
from dalib_edu.check import hw5
from dalib_edu.check.core import CheckFailed

CHECKS, TABLE = table.checks(hw5), table.load("hw5")


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("seed", [0, 1, 2, 3101, 3110])
def test_the_courses_own_answer_is_right(name, seed):
    check = CHECKS[name]
    cases = check.cases(seed)
    check.verdict(cases, [check.probe(check.reference, case) for case in cases])


def visible(name, case):
    (found,) = [one for one in CHECKS[name].cases(0) if one["name"] == case]
    return found


def judged(name, case, **changed):
    """Judge the course's own answer with something changed; return the cause, None if it passes."""
    check = CHECKS[name]
    answer = check.probe(check.reference, case)
    try:
        check.judge(case, answer | {key: np.array(value) for key, value in changed.items()})
    except CheckFailed as failed:
        return failed.cause
    return None


def test_the_loss_of_four_pictures_on_a_line():
    # Of the margin 2.5: 2 - 5, 2 - 3, 4 - 3, 4 - 7, so 0, 1.5, 3.5, 0.
    case = visible("triplet_loss", "four pictures on a line")
    assert judged("triplet_loss", case, loss=1.25) is None
    assert judged("triplet_loss", case, loss=5.0) == "sum_not_mean"
    assert judged("triplet_loss", case, loss=2.5) == "mean_over_active"


def test_the_published_loss_of_clusters_and_that_of_torch():
    case = visible("cluster_loss", "four pictures on a line")
    assert case["margin"] == 35.5
    assert judged("cluster_loss", case, loss=4.0) is None
    assert judged("cluster_loss", case, loss=2.0) == "mean_not_sum"
    clusters = torch.tensor([[1.0], [7]]), torch.tensor([[0.0], [5]]), torch.tensor([[7.0], [1]])
    theirs = nn.TripletMarginLoss(5.5)(*clusters).item()
    assert theirs == pytest.approx(1.0, abs=1e-4)
    assert judged("cluster_loss", case | {"margin": 5.5}, loss=theirs) == "pipeline"


def test_the_published_margins_on_the_circle():
    case = visible("htl_margin", "four characters on a circle")
    table = np.array([[0, 2.0848, 4.0696, 4.0696], [2.0848, 0, 4.0696, 4.0696]])
    table = np.concatenate([table, table[:, [2, 3, 0, 1]]])
    assert judged("htl_margin", case, margins=table) is None
    assert judged("htl_margin", case, margins=table - 0.1) == "beta_missing"
    swapped = np.where(table > 3, table - 1.9848, table + 1.9848)
    assert judged("htl_margin", case, margins=swapped) == "upside_down"


def test_the_published_cmc():
    case = visible("cmc", "three queries on a line")
    assert judged("cmc", case, shares=[0, 1 / 3, 1]) is None
    assert judged("cmc", case, shares=[1, 1, 1]) == "query_in_gallery"


def test_ties_and_points_that_are_all_one():
    # Wrong ones first: the query of class 8 has five wrong ones before its own, and so has 5.
    case = visible("cmc", "all at one point")
    assert judged("cmc", case, shares=[0, 0, 1]) is None
    assert judged("cmc", case, shares=[1, 1, 1]) == "ties"
    assert judged("cmc", case, shares=[0.5, 0.5, 1]) == "ties"


# Which mistakes a student sees at once, not only in the hidden cases.
SEEN = {
    "query_gallery_split": [
        "rounded up without a tolerance",
        "the global generator seeded",
        "labels as positions",
        "labels from 0 to C - 1",
    ],
    "cmc": [
        "of equals the first of the gallery",
        "only nearer ones come before",
        "more neighbours than there are",
        "never found counts as found",
        "queries without their class left out",
    ],
    "pk_batches": [
        "one picture of each class after the other",
        "a list in place of a tensor",
        "a last hand of fewer than P",
        "small classes come short",
    ],
    "hard_triplets": ["itself among the positives, which shows with equal pictures alone"],
    "cluster_triplets": ["equal sizes taken for granted", "labels as positions"],
    "htl_margin": [
        "every picture alike",
        "a level too many",
        "a gradient flows",
        "always two levels",
    ],
    "htl_loss": ["the paper's half"],
}


@pytest.mark.parametrize(("name", "mistake"), [(e, m) for e in SEEN for m in SEEN[e]])
def test_the_visible_cases_show_the_mistake(name, mistake):
    mutant = TABLE[name]["mutants"][mistake]
    assert table.cause(CHECKS[name], mutant.function(name), 0) == mutant.cause


@pytest.mark.parametrize(("share", "size"), [(0.28, 25), (0.07, 100)])
def test_a_share_that_a_computer_rounds_up_wrongly(share, size):
    assert share * size > 7  # by a rounding error
    queries = metric.query_gallery_split(torch.zeros(size, dtype=torch.int64), share)
    assert queries.sum() == 7


def test_the_published_number_of_queries():
    case = visible("query_gallery_split", "20 pictures each, a share of 0.2")
    answer = CHECKS["query_gallery_split"].probe(hw5.query_gallery_split.reference, case)
    for label in set(case["labels"].tolist()):
        assert answer["queries"][case["labels"] == label].sum() == 4


@pytest.mark.parametrize("seed", range(6))
def test_losses_of_the_cases_have_terms_on_both_sides_of_the_clamp_and_none_near_it(seed):
    for case in hw5.triplet_loss.cases(seed):
        features = case["features"].astype(float)
        triplets = hw5._mined(features, case["labels"])
        values = hw5._hinges(features, triplets, case["margin"])[0]
        if "at one point" not in case["name"] and triplets:
            assert values.min() < -1e-3 < 1e-3 < values.max()
            assert np.abs(values).min() > 1e-3


def test_an_unknown_mistake_is_told_in_figures():
    with pytest.raises(CheckFailed, match="expected 1.25, got 0.7"):
        hw5.triplet_loss.judge(
            case := visible("triplet_loss", "four pictures on a line"),
            hw5.triplet_loss.probe(hw5.triplet_loss.reference, case) | {"loss": np.array(0.7)},
        )


def by_parts_of_the_course(features, labels, levels, height, beta):
    within = metric.class_distances(features, labels, len(levels)).diagonal()
    return beta + within.mean() + levels * (4 - within.mean()) / height - within[:, None]


def cmc_by_parts_of_the_course(query, query_labels, gallery, gallery_labels, topk):
    same = query_labels[:, None] == gallery_labels
    return metric.cmc_from_distances(torch.cdist(query, gallery), same, topk)


@pytest.mark.parametrize(
    ("name", "function"),
    [("htl_margin", by_parts_of_the_course), ("cmc", cmc_by_parts_of_the_course)],
)
def test_half_of_the_courses_answer_is_no_answer(name, function):
    assert table.cause(CHECKS[name], function, 0) == "reference_called"


def test_global_generators_are_left_as_they_were():
    states = [torch.get_rng_state(), np.random.get_state()[1], random.getstate()]  # noqa: NPY002
    for name in ("pk_batches", "query_gallery_split"):
        CHECKS[name](next(iter(TABLE[name]["alternatives"].values())).function(name))
    assert torch.equal(states[0], torch.get_rng_state())
    assert (states[1] == np.random.get_state()[1]).all()  # noqa: NPY002
    assert states[2] == random.getstate()
