"""Metric learning against printed values, plain loops, pytorch-metric-learning, SciPy, sklearn."""

import ast
import inspect
import itertools
import math
import random

import numpy as np
import pytest
import torch
from pytorch_metric_learning import losses, miners
from pytorch_metric_learning.distances import LpDistance
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import cdist, squareform
from sklearn.neighbors import NearestNeighbors
from torch import nn

from dalib_edu import metric
from dalib_edu.metric import EmbeddingNet
from dalib_edu.settings import UserError


def some_features(n=40, d=6, seed=0, dtype=torch.float64, unit=False):
    features = torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return nn.functional.normalize(features) if unit else features


def some_labels(n=40, classes=5, seed=0):
    return torch.randint(classes, (n,), generator=torch.Generator().manual_seed(seed)) * 7 - 3


LAYOUTS = {
    "any labels": some_labels(),
    "P x K": torch.arange(8).repeat_interleave(5),
    "P x K, odd names": torch.tensor([9, -4, 7, 0]).repeat_interleave(10),
    "K x P": torch.arange(8).repeat(5),
    "the same class in two places": torch.tensor([0, 1, 0, 2]).repeat_interleave(10),
    "unequal classes": torch.arange(5).repeat_interleave(torch.tensor([2, 3, 5, 10, 20])),
    "a class of one": torch.tensor([3] + [0] * 20 + [1] * 19),
    "two classes": torch.tensor([0] * 20 + [1] * 20),
}


# --- batches ------------------------------------------------------------------------------------


def take(iterator, count):
    return list(itertools.islice(iterator, count))


def test_a_batch_has_p_classes_with_k_different_pictures_class_by_class():
    labels = torch.arange(12).repeat(20)[torch.randperm(240)]
    for batch in take(metric.pk_batches(labels, 5, 8, seed=0), 10):
        assert batch.dtype == torch.int64
        assert len(set(batch.tolist())) == 40
        table = labels[batch].view(5, 8)
        assert (table == table[:, :1]).all()
        assert len(table[:, 0].unique()) == 5


def test_each_class_comes_once_before_any_comes_again():
    labels = torch.arange(12).repeat_interleave(3)
    batches = take(metric.pk_batches(labels, 4, 2, seed=1), 12)
    for i in range(0, 12, 3):
        dealt = torch.cat([labels[batch] for batch in batches[i : i + 3]])
        assert sorted(dealt.unique().tolist()) == list(range(12))


def test_every_picture_comes_about_as_often_as_any_other():
    labels = torch.tensor([5] * 6 + [1] * 6 + [9] * 6)
    count = torch.cat(take(metric.pk_batches(labels, 2, 3, seed=0), 900)).bincount(minlength=18)
    assert count.sum() == 900 * 6
    assert (count - 300).abs().max() < 6 * math.sqrt(300)


def test_a_small_class_repeats_its_pictures_evenly():
    labels = torch.tensor([0, 0, 0, 1])
    (batch,) = take(metric.pk_batches(labels, 2, 7, seed=0), 1)
    assert sorted(batch.bincount().tolist()[:3]) == [2, 2, 3]
    assert batch.bincount()[3] == 7


def test_batches_depend_on_their_seed_alone():
    labels = some_labels(200, 9)
    one, two, other = (
        torch.stack(take(metric.pk_batches(labels, 3, 4, seed=s), 20)) for s in (3, 3, 4)
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert len({tuple(batch.tolist()) for batch in one}) == 20


def test_batches_leave_the_global_random_state_alone():
    before = torch.get_rng_state()
    take(metric.pk_batches(some_labels(), 3, 4, seed=0), 3)
    metric.query_gallery_split(some_labels())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("p", "k"), [(0, 2), (2, 0), (-1, 2)])
def test_a_batch_of_nothing_is_refused_at_once(p, k):
    with pytest.raises(ValueError, match="1 class and 1 picture"):
        metric.pk_batches(some_labels(), p, k, seed=0)


def test_too_few_classes_for_a_batch():
    with pytest.raises(UserError, match="batch of 6 classes.*there are 5"):
        metric.pk_batches(some_labels(), 6, 2, seed=0)
    with pytest.raises(UserError, match="there are 0"):
        metric.pk_batches(torch.empty(0, dtype=torch.int64), 1, 2, seed=0)


# --- distances ----------------------------------------------------------------------------------


@pytest.mark.parametrize("squared", [False, True])
def test_pairwise_distances_are_scipys(squared):
    features = some_features()
    expected = cdist(features, features, "sqeuclidean" if squared else "euclidean")
    found = metric.pairwise_distances(features, squared)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-7)
    assert (found.diagonal() == 0).all()


def test_distances_far_from_the_origin_keep_their_digits():
    near = some_features(dtype=torch.float32)
    far = near + 3000
    expected = cdist(far.double(), far.double())
    np.testing.assert_allclose(metric.pairwise_distances(far).numpy(), expected, atol=2e-3)


@pytest.mark.parametrize("squared", [False, True])
def test_the_gradient_is_finite_where_rows_are_equal(squared):
    features = some_features(6).repeat(2, 1).requires_grad_()
    metric.pairwise_distances(features, squared).sum().backward()
    assert features.grad.isfinite().all()
    assert torch.autograd.gradcheck(
        lambda f: metric.pairwise_distances(f, squared), some_features(5).requires_grad_()
    )


# --- hard triplets ------------------------------------------------------------------------------


def triplets_by_loops(features, labels):
    """Return {anchor: (distance of the farthest positive, of the nearest negative)}."""
    distances = cdist(features, features)
    found = {}
    for a, label in enumerate(labels.tolist()):
        positives = [i for i, other in enumerate(labels.tolist()) if other == label and i != a]
        negatives = [i for i, other in enumerate(labels.tolist()) if other != label]
        if positives and negatives:
            found[a] = max(distances[a, positives]), min(distances[a, negatives])
    return found


@pytest.mark.parametrize("labels", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("seed", range(3))
def test_hard_triplets_are_those_of_plain_loops(labels, seed):
    features = some_features(seed=seed)
    a, p, n = metric.hard_triplets(features, labels)
    assert {t.dtype for t in (a, p, n)} == {torch.int64}
    assert (labels[a] == labels[p]).all()
    assert (a != p).all()
    assert (labels[a] != labels[n]).all()
    expected = triplets_by_loops(features, labels)
    assert a.tolist() == list(expected)
    distances = cdist(features, features)
    np.testing.assert_allclose(distances[a, p], [far for far, _ in expected.values()])
    np.testing.assert_allclose(distances[a, n], [near for _, near in expected.values()])


@pytest.mark.parametrize("labels", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("unit", [True, False])
def test_hard_triplets_are_those_of_pytorch_metric_learning(labels, unit):
    features = some_features(unit=unit)
    miner = miners.BatchHardMiner(distance=LpDistance(normalize_embeddings=False))
    for ours, theirs in zip(
        metric.hard_triplets(features, labels), miner(features, labels), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_the_homeworks_batch_against_pytorch_metric_learning():
    labels = torch.arange(64).repeat_interleave(16)
    features = some_features(1024, 64, dtype=torch.float64, unit=True)
    miner = miners.BatchHardMiner(distance=LpDistance(normalize_embeddings=False))
    expected = miner(features, labels)
    shuffle = torch.randperm(1024, generator=torch.Generator().manual_seed(0))
    for ours, theirs in zip(metric.hard_triplets(features, labels), expected, strict=True):
        assert torch.equal(ours, theirs)
    a, p, n = metric.hard_triplets(features[shuffle], labels[shuffle])
    order = shuffle[a].argsort()
    for ours, theirs in zip((shuffle[a], shuffle[p], shuffle[n]), expected, strict=True):
        assert torch.equal(ours[order], theirs)


@pytest.mark.parametrize("labels", LAYOUTS.values(), ids=LAYOUTS)
def test_among_ties_any_index_but_never_a_wrong_one(labels):
    a, p, n = metric.hard_triplets(torch.ones(40, 3), labels)
    assert (labels[a] == labels[p]).all()
    assert (a != p).all()
    assert (labels[a] != labels[n]).all()
    assert len(a) == len(triplets_by_loops(torch.ones(40, 3), labels))


def test_the_example_on_a_line():
    features, labels = torch.tensor([[0.0], [2], [5], [9]]), torch.tensor([0, 0, 1, 1])
    a, p, n = metric.hard_triplets(features, labels)
    assert (a.tolist(), p.tolist(), n.tolist()) == ([0, 1, 2, 3], [1, 0, 3, 2], [2, 2, 1, 1])
    # (2 - 5 + 3, 2 - 3 + 3, 4 - 3 + 3, 4 - 7 + 3) -> (0 + 2 + 4 + 0) / 4
    assert metric.triplet_loss(features, labels, 3.0).item() == 1.5


def test_hard_triplets_of_a_collapsed_network_far_from_the_origin_are_still_the_hardest():
    """Embeddings that differ in the fifth digit: a plain Gram matrix in float32 sees noise."""
    features = 1 + 1e-4 * some_features(seed=3, dtype=torch.float32)
    labels = LAYOUTS["P x K"]
    exact = metric.hard_triplets(features.double(), labels)
    distances = cdist(features.double(), features.double())
    a, p, n = metric.hard_triplets(features, labels)
    np.testing.assert_allclose(distances[a, p], distances[exact[0], exact[1]], rtol=1e-3)
    np.testing.assert_allclose(distances[a, n], distances[exact[0], exact[2]], rtol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_hard_triplets_of_coarse_numbers(dtype):
    features, labels = some_features(dtype=dtype), LAYOUTS["P x K"]
    a, p, n = metric.hard_triplets(features, labels)
    distances = cdist(features.double(), features.double())
    expected = triplets_by_loops(features.double(), labels)
    np.testing.assert_allclose(distances[a, p], [v for v, _ in expected.values()], rtol=1e-3)
    np.testing.assert_allclose(distances[a, n], [v for _, v in expected.values()], rtol=1e-3)


@pytest.mark.parametrize(
    "labels",
    [torch.zeros(4), torch.arange(4), torch.empty(0), torch.zeros(1)],
    ids=["one class", "each alone", "nothing", "one picture"],
)
@pytest.mark.parametrize("loss", ["triplet", "htl", "htl all", "cluster"])
def test_where_there_is_no_triplet_the_loss_is_0_and_so_is_its_gradient(labels, loss):
    labels = labels.long()
    features = some_features(len(labels)).requires_grad_()
    value = {
        "triplet": lambda: metric.triplet_loss(features, labels, 0.3),
        "htl": lambda: metric.htl_loss(features, labels, torch.ones(4, 4)),
        "htl all": lambda: metric.htl_loss(features, labels, torch.ones(4, 4), hardest=False),
        "cluster": lambda: metric.cluster_loss(features, labels[:1].expand_as(labels), 0.3),
    }[loss]()
    assert value.item() == 0
    value.backward()
    assert (features.grad == 0).all()


def test_labels_that_do_not_fit_are_refused():
    for function in (metric.hard_triplets, metric.cluster_triplets):
        with pytest.raises(ValueError, match="4 features but labels of shape"):
            function(torch.zeros(4, 2), torch.zeros(3).long())
        with pytest.raises(ValueError, match="4 features but labels of shape"):
            function(torch.zeros(4, 2), torch.zeros(4, 1).long())


@pytest.mark.parametrize("labels", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("margin", [0.01, 0.3, 5.0])
def test_triplet_loss_is_that_of_torch_over_the_mined_triplets(labels, margin):
    features = some_features()
    expected = nn.TripletMarginLoss(margin)(
        *(features[rows] for rows in metric.hard_triplets(features, labels))
    )
    # torch adds 1e-6 to each difference
    torch.testing.assert_close(
        metric.triplet_loss(features, labels, margin), expected, atol=1e-5, rtol=0
    )


def test_triplet_loss_and_gradient_are_those_of_pytorch_metric_learning():
    labels = LAYOUTS["unequal classes"]
    distance = LpDistance(normalize_embeddings=False)
    theirs = some_features().requires_grad_()
    ours = some_features().requires_grad_()
    reducer = losses.TripletMarginLoss(0.3, distance=distance).reducer.__class__
    assert reducer.__name__ == "AvgNonZeroReducer"  # theirs leaves triplets of loss 0 out
    from pytorch_metric_learning.reducers import MeanReducer

    mined = miners.BatchHardMiner(distance=distance)(theirs, labels)
    expected = losses.TripletMarginLoss(0.3, distance=distance, reducer=MeanReducer())(
        theirs, labels, mined
    )
    loss = metric.triplet_loss(ours, labels, 0.3)
    torch.testing.assert_close(loss, expected)
    expected.backward()
    loss.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_the_loss_at_one_point_is_the_margin_with_a_finite_gradient():
    labels = LAYOUTS["P x K"]
    for loss, expected in (
        (lambda f: metric.triplet_loss(f, labels, 0.3), 0.3),
        (lambda f: metric.cluster_loss(f, labels, 0.3), 8 * 0.3),
        (lambda f: metric.htl_loss(f, labels, torch.full((8, 8), 0.7)), 0.7),
    ):
        features = torch.ones(40, 3).requires_grad_()
        value = loss(features)
        assert value.item() == pytest.approx(expected)
        value.backward()
        assert features.grad.isfinite().all()


def test_embeddings_that_are_not_numbers_give_a_loss_that_is_none():
    for labels in (LAYOUTS["P x K"], LAYOUTS["any labels"]):
        features = torch.full((40, 3), torch.nan)
        assert metric.triplet_loss(features, labels, 0.3).isnan()
        assert metric.cluster_loss(features, labels, 0.3).isnan()


# --- hard clusters ------------------------------------------------------------------------------


def cluster_loss_by_loops(features, labels, margin):
    """The homework's formula, class by class."""
    classes = sorted(set(labels.tolist()))
    rows = {c: [features[i] for i in range(len(labels)) if labels[i] == c] for c in classes}
    means = {c: sum(rows[c]) / len(rows[c]) for c in classes}
    total = 0.0
    for c in classes:
        intra = max(((x - means[c]) ** 2).sum() for x in rows[c])
        inter = min(((means[c] - means[d]) ** 2).sum() for d in classes if d != c)
        total = total + (intra - inter + margin).clamp_min(0)
    return total


@pytest.mark.parametrize("labels", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("margin", [0.0, 0.3, 6.0])
def test_cluster_loss_and_gradient_are_those_of_plain_loops(labels, margin):
    ours, theirs = (some_features().requires_grad_() for _ in range(2))
    loss = metric.cluster_loss(ours, labels, margin)
    expected = cluster_loss_by_loops(theirs, labels, margin)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_cluster_loss_as_worked_out_by_hand():
    features, labels = torch.tensor([[0.0], [2], [5], [9]]), torch.tensor([0, 0, 1, 1])
    anchors, positives, negatives = metric.cluster_triplets(features, labels)
    assert anchors.flatten().tolist() == [1, 7]
    assert ((anchors - positives) ** 2).flatten().tolist() == [1, 4]
    assert negatives.flatten().tolist() == [7, 1]
    assert metric.cluster_loss(features, labels, 35.5).item() == 4.0
    # The same triplets in the homework's pipeline: not squared, and the mean.
    pipeline = nn.TripletMarginLoss(5.5)(anchors, positives, negatives)
    assert pipeline.item() == pytest.approx(1.0, abs=1e-4)


def test_clusters_come_in_the_order_of_their_labels_wherever_their_rows_are():
    features, labels = some_features(), some_labels()
    shuffle = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    for one, two in zip(
        metric.cluster_triplets(features, labels),
        metric.cluster_triplets(features[shuffle], labels[shuffle]),
        strict=True,
    ):
        torch.testing.assert_close(one, two)


# --- the hierarchical triplet loss --------------------------------------------------------------

DEGREES = torch.tensor([0, 10, 30, 40, 120, 130, 150, 160], dtype=torch.float64)


def on_the_circle():
    """Four classes of two unit vectors each; classes 0 and 1 are of one alphabet, 2 and 3."""
    radians = DEGREES * (math.pi / 180)
    features = torch.stack([radians.cos(), radians.sin()], 1)
    return features, torch.arange(4).repeat_interleave(2), torch.tensor([0, 0, 1, 1])


def test_class_distances_are_those_of_plain_loops():
    features = some_features(60, unit=True)
    labels = torch.arange(6).repeat_interleave(torch.tensor([2, 3, 5, 10, 20, 20]))
    found = metric.class_distances(features, labels, 6)
    square = cdist(features, features, "sqeuclidean")
    for p in range(6):
        for q in range(6):
            pairs = [
                square[i, j]
                for i in np.flatnonzero(labels == p)
                for j in np.flatnonzero(labels == q)
                if i != j
            ]
            assert found[p, q].item() == pytest.approx(sum(pairs) / len(pairs), rel=1e-9)


def test_class_distances_of_a_class_of_one_and_of_equal_pictures():
    features = torch.tensor([[1.0, 0], [0, 1], [0, 1]])
    found = metric.class_distances(features, torch.tensor([0, 1, 1]), 2)
    assert found[0, 0] == 0
    assert found[1, 1].item() == pytest.approx(0, abs=1e-6)
    assert found[0, 1].item() == pytest.approx(2)


@pytest.mark.parametrize("labels", [[0, 0, 2], [0, 1, 3]])
def test_a_class_without_a_picture_is_refused(labels):
    with pytest.raises(ValueError, match="0 to 2, each at least once"):
        metric.class_distances(torch.eye(3), torch.tensor(labels), 3)


def test_the_thresholds_and_margins_of_the_example_on_the_circle():
    features, labels, alphabets = on_the_circle()
    within = metric.class_distances(features, labels, 4).diagonal()
    assert within.tolist() == pytest.approx([0.0303845] * 4, abs=5e-8)  # 2 - 2 cos 10 degrees
    thresholds = metric.level_thresholds(within.mean(), 2)
    assert thresholds.tolist() == pytest.approx([0.0304, 2.0152, 4], abs=5e-5)
    margins = metric.htl_margin(features, labels, metric.class_tree(alphabets))
    same, other = margins[0, 1].item(), margins[0, 2].item()
    assert (same, other) == pytest.approx((2.0848, 4.0696), abs=5e-5)
    table = torch.tensor([[0, 1, 2, 2], [1, 0, 2, 2], [2, 2, 0, 1], [2, 2, 1, 0]])
    assert torch.equal(metric.class_tree(alphabets), table)
    expected = torch.tensor([0, same, other], dtype=torch.float64)[table]
    off = ~torch.eye(4, dtype=torch.bool)
    torch.testing.assert_close(margins[off], expected[off])


def test_a_margin_is_by_the_anchors_spread_not_by_the_negatives():
    features = nn.functional.normalize(
        torch.tensor([[1.0, 0.5], [1, -0.5], [-1, 0.01], [-1, -0.01]], dtype=torch.float64)
    )
    margins = metric.htl_margin(
        features, torch.tensor([0, 0, 1, 1]), metric.class_tree(torch.tensor([0, 1])), beta=0.2
    )
    wide = ((features[0] - features[1]) ** 2).sum().item()
    narrow = ((features[2] - features[3]) ** 2).sum().item()
    assert margins[0, 1].item() == pytest.approx(0.2 + 4 - wide)
    assert margins[1, 0].item() == pytest.approx(0.2 + 4 - narrow)


@pytest.mark.parametrize("height", [1, 2, 5, 16])
def test_thresholds_climb_evenly_from_d0_to_4(height):
    found = metric.level_thresholds(0.7, height)
    np.testing.assert_allclose(found, np.linspace(0.7, 4, height + 1), rtol=1e-6)


def test_a_tree_without_levels_is_refused():
    with pytest.raises(ValueError, match="1 level above"):
        metric.level_thresholds(0.5, 0)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("height", [1, 2, 4, 8])
def test_the_tree_of_the_data_is_scipys_single_linkage(seed, height):
    features = some_features(80, 3, seed=seed, unit=True)
    labels = torch.arange(20).repeat_interleave(4)
    distances = metric.class_distances(features, labels, 20)
    thresholds = metric.level_thresholds(distances.diagonal().mean().item(), height)
    levels = metric.merged_tree(distances, thresholds)
    between = distances.clone().fill_diagonal_(0).numpy()
    tree = linkage(squareform(between, checks=False), "single")
    for level, threshold in enumerate(thresholds[:-1].tolist()):
        cluster = fcluster(tree, threshold, "distance")
        same = cluster[:, None] == cluster
        np.testing.assert_array_equal((levels <= level).numpy(), same)
    assert levels.max() <= height
    assert (levels.diagonal() == 0).all()


def test_classes_that_a_chain_joins_are_in_one_node():
    distances = torch.tensor([[0, 1, 3.0], [1, 0, 1], [3, 1, 0]])
    levels = metric.merged_tree(distances, torch.tensor([0.1, 2.0, 4.0]))
    assert levels.tolist() == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    lonely = metric.merged_tree(distances, torch.tensor([0.1, 0.5, 4.0]))
    assert lonely.tolist() == [[0, 2, 2], [2, 0, 2], [2, 2, 0]]


def near_their_class():
    labels = LAYOUTS["unequal classes"]
    features = torch.eye(5, dtype=torch.float64)[labels] + some_features(d=5) / 4
    margins = torch.rand(5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return nn.functional.normalize(features), labels, margins


def test_htl_loss_is_that_of_plain_loops():
    features, labels, margins = near_their_class()
    square, total = cdist(features, features, "sqeuclidean"), []
    for a, label in enumerate(labels.tolist()):
        positive = max((square[a, i], i) for i in range(40) if labels[i].item() == label and i != a)
        negative = min((square[a, i], i) for i in range(40) if labels[i].item() != label)
        margin = margins[label, labels[negative[1]]].item()
        total.append(max(0.0, positive[0] - negative[0] + margin))
    assert 0 < total.count(0) < 30  # some triplets are satisfied
    loss = metric.htl_loss(features, labels, margins)
    assert loss.item() == pytest.approx(sum(total) / len(total))


def test_htl_loss_over_all_triplets_is_that_of_plain_loops():
    features, labels, margins = near_their_class()
    square, total = cdist(features, features, "sqeuclidean"), []
    for a, p, n in itertools.product(range(40), repeat=3):
        if a != p and labels[a] == labels[p] and labels[a] != labels[n]:
            margin = margins[labels[a], labels[n]].item()
            total.append(max(0.0, square[a, p] - square[a, n] + margin))
    loss = metric.htl_loss(features, labels, margins, hardest=False)
    assert loss.item() == pytest.approx(sum(total) / len(total))


def test_the_gradient_of_the_losses():
    features, labels = some_features(12, 3, unit=True), torch.arange(4).repeat_interleave(3)
    margins = torch.full((4, 4), 1.0, dtype=torch.float64)
    for loss in (
        lambda f: metric.triplet_loss(f, labels, 0.3),
        lambda f: metric.cluster_loss(f, labels, 0.3),
        lambda f: metric.htl_loss(f, labels, margins),
        lambda f: metric.htl_loss(f, labels, margins, hardest=False),
    ):
        assert torch.autograd.gradcheck(loss, features.clone().requires_grad_())


def test_a_neighbourhood_has_each_anchor_with_the_classes_nearest_to_it():
    labels = torch.arange(12).repeat(5)
    place = torch.arange(12.0)
    distances = (place[:, None] - place).abs()
    iterator = metric.neighbourhood_batches(labels, distances, anchors=1, neighbours=2, k=3, seed=0)
    for batch in take(iterator, 20):
        assert len(set(batch.tolist())) == 9
        anchor, *others = labels[batch].view(3, 3)[:, 0].tolist()
        assert (
            sorted(distances[anchor, others].tolist())
            == sorted(distances[anchor][torch.arange(12) != anchor].tolist())[:2]
        )


def test_neighbourhoods_share_no_class_and_follow_new_distances():
    labels = torch.arange(9).repeat_interleave(4)
    distances = torch.rand(9, 9, generator=torch.Generator().manual_seed(0))
    iterator = metric.neighbourhood_batches(labels, distances, anchors=3, neighbours=2, k=2, seed=1)
    for batch in take(iterator, 10):
        assert sorted(labels[batch].tolist()) == sorted([*range(9)] * 2)
    one = metric.neighbourhood_batches(labels, distances, anchors=1, neighbours=1, k=1, seed=2)
    for nearest_class in (3, 7):
        distances[:, nearest_class] = 0
        for batch in take(one, 10):
            anchor, other = labels[batch].tolist()
            assert anchor == nearest_class or other == nearest_class
        distances[:, nearest_class] = 1


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"anchors": 0}, ValueError, "0 anchors"),
        ({"neighbours": -1}, ValueError, "-1 neighbours"),
        ({"k": 0}, ValueError, "1 picture"),
        ({"anchors": 3, "neighbours": 2}, UserError, "batch of 9 classes.*there are 5"),
    ],
)
def test_a_neighbourhood_that_cannot_be(wrong, error, says):
    numbers = {"anchors": 1, "neighbours": 1, "k": 2} | wrong
    with pytest.raises(error, match=says):
        metric.neighbourhood_batches(torch.arange(5), torch.zeros(5, 5), seed=0, **numbers)


# --- retrieval ----------------------------------------------------------------------------------


def test_a_fifth_of_each_class_rounded_up_are_queries():
    counts = torch.tensor([20, 5, 1, 2, 35, 7])
    labels = torch.arange(6).repeat_interleave(counts)
    shuffle = torch.randperm(70, generator=torch.Generator().manual_seed(0))
    queries = metric.query_gallery_split(labels[shuffle])
    assert queries.dtype == torch.bool
    found = labels[shuffle][queries].bincount(minlength=6)
    # 20 -> 4, 5 -> 1, a class of one stays in the gallery, 2 -> 1, 35 -> 7, 7 -> 1.4 -> 2
    assert found.tolist() == [4, 1, 0, 1, 7, 2]


@pytest.mark.parametrize(("share", "expected"), [(0, 0), (0.5, 10), (0.51, 11), (1, 19)])
def test_other_shares(share, expected):
    queries = metric.query_gallery_split(torch.zeros(20), share)
    assert queries.sum() == expected


def test_the_split_is_random_and_depends_on_its_seed_alone():
    labels = torch.arange(10).repeat_interleave(20)
    splits = [metric.query_gallery_split(labels, seed=seed) for seed in range(50)]
    assert torch.equal(splits[3], metric.query_gallery_split(labels, seed=3))
    often = torch.stack(splits).double().mean(0)  # each is a query one time in five
    assert often.min() > 0
    assert often.max() < 0.6


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_a_share_that_is_none(share):
    with pytest.raises(ValueError, match="0 to 1"):
        metric.query_gallery_split(torch.zeros(4), share)


def test_cmc_of_the_printed_example():
    distances = torch.tensor([[1, 0.5, 0.2], [2, 3, 4], [0.4, 3, 4]])
    found = metric.cmc_from_distances(distances, torch.eye(3, dtype=torch.bool), (1, 2, 3))
    assert found == {1: 0, 2: pytest.approx(1 / 3), 3: 1}


@pytest.mark.parametrize("seed", range(3))
def test_cmc_is_that_of_sklearns_neighbours(seed):
    query, gallery = some_features(30, 4, seed), some_features(90, 4, seed + 10)
    query_labels, gallery_labels = some_labels(30, 9, seed), some_labels(90, 9, seed + 10)
    order = NearestNeighbors(n_neighbors=90).fit(gallery).kneighbors(query, return_distance=False)
    hits = gallery_labels.numpy()[order] == query_labels.numpy()[:, None]
    found = metric.cmc(query, query_labels, gallery, gallery_labels, topk=(1, 3, 5, 10, 90))
    assert found == {k: pytest.approx(hits[:, :k].any(1).mean()) for k in (1, 3, 5, 10, 90)}
    assert 0 < found[1] < found[5] < 1
    np.testing.assert_array_equal(metric.nearest(query, gallery, 10), order[:, :10])


def test_cmc_is_no_precision():
    """One right answer among five is a hit."""
    distances = torch.tensor([[1.0, 2, 3, 4, 5]])
    same = torch.tensor([[False, False, True, False, False]])
    assert metric.cmc_from_distances(distances, same, (1, 5)) == {1: 0, 5: 1}


def test_more_than_the_gallery_holds_and_a_query_without_its_like():
    distances = torch.tensor([[1.0, 2], [1, 2]])
    same = torch.tensor([[False, True], [False, False]])
    assert metric.cmc_from_distances(distances, same, (1, 2, 50)) == {1: 0, 2: 0.5, 50: 0.5}


def test_a_network_that_embeds_everything_at_one_point_finds_nothing():
    labels = torch.arange(10).repeat_interleave(3)
    points = torch.ones(30, 4)
    assert metric.cmc(points, labels, points, labels, (1, 5, 10)) == {1: 0, 5: 0, 10: 0}
    nothing = torch.full((30, 4), torch.nan)
    assert metric.cmc(nothing, labels, nothing, labels, (1, 5, 30)) == {1: 0, 5: 0, 30: 0}


@pytest.mark.parametrize(
    ("queries", "gallery", "topk", "says"),
    [
        (0, 3, (1,), "0 queries"),
        (3, 0, (1,), "0 in the gallery"),
        (3, 3, (0,), "k of 1 or more"),
        (3, 3, (5, -1), "not -1"),
    ],
)
def test_cmc_of_nothing(queries, gallery, topk, says):
    with pytest.raises(ValueError, match=says):
        metric.cmc(
            torch.zeros(queries, 2),
            torch.zeros(queries),
            torch.zeros(gallery, 2),
            torch.zeros(gallery),
            topk,
        )


# --- the network and its training ---------------------------------------------------------------


@pytest.mark.parametrize("width", [0.05, 1.0, 2.0])
def test_the_network_returns_unit_vectors(width):
    torch.manual_seed(0)
    model = EmbeddingNet(width)
    features = model(torch.rand(5, 1, 32, 32))
    assert features.shape == (5, model.out_features)
    assert features.norm(dim=1).tolist() == pytest.approx([1] * 5, abs=1e-5)


def test_the_network_is_the_homeworks():
    def block(before, after):
        return [
            nn.Conv2d(before, after, 3, padding=1),
            nn.BatchNorm2d(after),
            nn.Dropout(0.2),
            nn.ReLU(),
            nn.MaxPool2d(2, 2),
        ]

    widths = (1, 4, 8, 16, 32, 64)
    theirs = nn.Sequential(
        *(layer for pair in itertools.pairwise(widths) for layer in block(*pair)), nn.Flatten()
    )
    ours = EmbeddingNet()
    theirs.to(memory_format=torch.channels_last)  # dropout draws in the order of the memory
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    images = torch.rand(3, 1, 32, 32)
    for mode in (True, False):
        torch.manual_seed(0)
        expected = theirs.train(mode)(images)
        torch.manual_seed(0)
        torch.testing.assert_close(ours.train(mode)(images), nn.functional.normalize(expected))


def batch(seed=0, p=4, k=4):
    """Pictures of p brightnesses with noise: easy to tell apart."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(p).repeat_interleave(k)
    stripes = (torch.arange(32) // (2 + labels[:, None]) % 2).float()  # (N, 32)
    images = stripes[:, None, None, :].expand(-1, 1, 32, 32)
    return images + 0.2 * torch.rand(p * k, 1, 32, 32, generator=generator), labels


LOSSES = {
    "hard triplets": lambda f, y: metric.triplet_loss(f, y, 0.3),
    "hard clusters": lambda f, y: metric.cluster_loss(f, y, 0.3),
    "hierarchical": lambda f, y: metric.htl_loss(f, y, torch.ones(4, 4)),
}


def run(loss, seed=0, steps=3):
    torch.manual_seed(seed)
    model = EmbeddingNet(0.5)
    optimizer = torch.optim.RAdam(model.parameters(), 1e-2)
    figures = [metric.train_step(model, optimizer, *batch(i), LOSSES[loss]) for i in range(steps)]
    return figures, model.state_dict()


@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_is_deterministic_and_lowers_the_loss(loss):
    (figures, one), (again, two) = run(loss, steps=25), run(loss, steps=25)
    assert figures == again
    assert all(torch.equal(one[name], two[name]) for name in one)
    values = [figure["loss"] for figure in figures]
    assert sum(values[-5:]) < 0.8 * sum(values[:5])
    assert run(loss, seed=1)[0] != figures[:3]


def test_a_step_forgets_older_gradients_and_leaves_none_for_others():
    torch.manual_seed(0)
    one, two = EmbeddingNet(0.2, dropout=0), EmbeddingNet(0.2, dropout=0)
    two.load_state_dict(one.state_dict())
    for parameter in two.parameters():
        parameter.grad = torch.full_like(parameter, 100)
    for model in (one, two):
        metric.train_step(
            model, torch.optim.SGD(model.parameters(), 0.1), *batch(), LOSSES["hard triplets"]
        )
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b)


def test_spread():
    assert metric.spread(torch.ones(10, 3)) == pytest.approx(0, abs=1e-6)
    assert metric.spread(torch.tensor([[1.0, 0], [-1, 0]])) == 1
    unit = some_features(unit=True)
    # Half the mean squared distance of all pairs, each with itself counted.
    assert metric.spread(unit) == pytest.approx(cdist(unit, unit, "sqeuclidean").mean() / 2)
    assert metric.spread(5 * unit) == pytest.approx(metric.spread(unit))


@pytest.mark.parametrize(
    ("loss", "spread", "says"),
    [
        (0.300, 0.000001, "collapsed: all embeddings lie at one point"),
        (0.301, 0.5, "at the margin"),
        (0.305, 0.001, "at the margin"),
        (0.2, 0.5, "learning"),
        (0.45, 0.5, "learning"),
        (math.nan, math.nan, "diverged"),
        (math.inf, 0.5, "diverged"),
    ],
)
def test_a_training_is_told_how_it_stands(loss, spread, says):
    history = {"loss": [9.0] * 50 + [loss] * 20, "spread": [0.9] * 50 + [spread] * 20}
    line = metric.diagnose(history, 0.3)
    assert line.startswith(says)
    assert "\n" not in line


def test_nothing_can_be_said_of_no_training():
    with pytest.raises(ValueError, match="no step"):
        metric.diagnose({"loss": [], "spread": []}, 0.3)


def test_a_rate_that_is_far_too_high_is_seen_to_collapse():
    """The real thing: batch hard with a bad rate ends at one point."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(1024, 8), nn.Linear(8, 4))
    with torch.no_grad():
        model[2].weight.mul_(1e-5)
        model[2].bias.fill_(1.0)
    optimizer = torch.optim.SGD(model.parameters(), 1e-6)
    steps = [
        metric.train_step(model, optimizer, *batch(i), LOSSES["hard triplets"]) for i in range(5)
    ]
    history = {name: [step[name] for step in steps] for name in steps[0]}
    assert history["loss"][-1] == pytest.approx(0.3, abs=0.01)
    assert metric.diagnose(history, 0.3).startswith("collapsed")


def test_the_full_preset_is_the_homeworks():
    full = metric.FULL
    assert (full.p, full.k, full.learning_rate, full.margin) == (64, 16, 1e-2, 0.3)
    assert full.steps // (964 // 64) == 300
    assert full.steps * full.decay_at == pytest.approx(100 * (964 // 64))
    assert full.evaluate_every == 10 * (964 // 64)
    assert set(metric.PRESETS) == {"embedded", "full", "grading"}


def test_no_loop_over_pictures_and_steps_fit_on_a_screen():
    tree = ast.parse(inspect.getsource(metric))
    functions = {f.name: f for f in ast.walk(tree) if isinstance(f, ast.FunctionDef)}
    for name in ("_rows_by_class", "hard_triplets", "cluster_triplets", "class_distances"):
        loops = (ast.For, ast.While, ast.comprehension)
        assert not [node for node in ast.walk(functions[name]) if isinstance(node, loops)], name
    step = functions["train_step"]
    assert step.end_lineno - step.body[1].lineno + 1 <= 30
    for name, function in functions.items():
        assert function.end_lineno - function.lineno < 60, name


def test_random_batches_of_any_shape_against_loops():
    generator = random.Random(0)
    for _ in range(100):
        n, classes, d = generator.randint(1, 12), generator.randint(1, 5), generator.randint(1, 3)
        features = torch.tensor(
            [[generator.gauss(0, 1) for _ in range(d)] for _ in range(n)], dtype=torch.float64
        )
        labels = torch.tensor([generator.randrange(classes) for _ in range(n)])
        if generator.random() < 0.5:
            labels = labels.sort().values
        expected = triplets_by_loops(features, labels)
        a, p, n_ = metric.hard_triplets(features, labels)
        assert a.tolist() == list(expected)
        distances = cdist(features, features)
        for row, (far, near) in enumerate(expected.values()):
            assert distances[a[row], p[row]] == pytest.approx(far)
            assert distances[a[row], n_[row]] == pytest.approx(near)
        if len(labels.unique()) > 1:
            torch.testing.assert_close(
                metric.cluster_loss(features, labels, 0.5),
                cluster_loss_by_loops(features, labels, 0.5),
            )
