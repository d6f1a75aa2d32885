"""Plots have a title, axes and a legend; tables say what they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib import colors as mcolors
from matplotlib.collections import PathCollection

from dalib_edu import plot


@pytest.fixture(autouse=True)
def _no_figure_stays_open():
    before = plt.get_fignums()
    yield
    assert plt.get_fignums() == before


def test_image_grid_shows_each_picture_as_it_is():
    images = torch.randint(256, (5, 3, 8, 8), dtype=torch.uint8)
    figure = plot.image_grid(images, list("abcde"), columns=3, title="five")
    shown = [axis for axis in figure.axes if axis.images]
    assert len(figure.axes) == 6
    assert len(shown) == 5
    assert [axis.get_title() for axis in shown] == list("abcde")
    assert np.array_equal(shown[4].images[0].get_array(), images[4].permute(1, 2, 0).numpy())
    assert figure.get_suptitle() == "five"


def test_image_grid_scales_grey_by_type_not_by_content():
    dark = torch.full((1, 1, 4, 4), 10, dtype=torch.uint8)
    (axis,) = plot.image_grid(dark).axes
    assert axis.images[0].get_clim() == (0, 255)
    (axis,) = plot.image_grid(dark.float() / 255).axes
    assert axis.images[0].get_clim() == (0, 1)


def test_picture_rows_name_rows_and_columns():
    rows = {"real": torch.rand(3, 3, 8, 8), "drawn": torch.rand(3, 3, 8, 8)}
    figure = plot.picture_rows(rows, list("abc"), title="two")
    axes = np.array(figure.axes).reshape(2, 3)
    assert [axis.get_title() for axis in axes[0]] == list("abc")
    assert [axis.get_ylabel() for axis in axes[:, 0]] == ["real", "drawn"]
    assert np.array_equal(axes[1, 2].images[0].get_array(), rows["drawn"][2].permute(1, 2, 0))
    with pytest.raises(ValueError, match="zip"):
        plot.picture_rows({"one short": torch.rand(2, 3, 8, 8)}, list("abc"))
    plt.close()


def test_panels_share_their_y_axis_and_show_levels():
    healthy, collapsed = {"D": [(0, 1.0), (1, 2.0)]}, {"D": [(0, 1.0), (1, 9.0)]}
    figure = plot.panels(
        {"healthy": healthy, "collapsed": collapsed},
        title="two",
        xlabel="step",
        ylabel="loss",
        levels={"guess": 0.7, "floor": 0.1},
    )
    left, right = figure.axes
    assert [axis.get_title() for axis in (left, right)] == ["healthy", "collapsed"]
    assert left.get_ylim() == right.get_ylim()
    assert left.get_ylim()[1] > 8
    assert right.lines[0].get_xydata().tolist() == [[0, 1], [1, 9]]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["D", "guess", "floor"]
    assert [line.get_ydata()[0] for line in right.lines[1:]] == [0.7, 0.1]
    assert len({line.get_linestyle() for line in right.lines[1:]}) == 2  # told apart


def test_live_curves_have_labels_legend_and_chance():
    curves = plot.LiveCurves({"loss": ["class_loss"], "accuracy": ["target"]}, chance={"loss": 0.7})
    curves.add(0, class_loss=2.0, target=0.1)
    curves.add(5, class_loss=1.0, target=0.4)
    figure = curves.figure()
    plt.close(figure)
    left, right = figure.axes
    assert left.get_ylabel() == "loss"
    assert left.get_xlabel() == "step"
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["class loss", "chance"]
    assert right.lines[0].get_xydata().tolist() == [[0, 0.1], [5, 0.4]]
    assert curves.points("target") == [(0, 0.1), (5, 0.4)]
    assert curves.points("nothing") == []


@pytest.mark.parametrize(("scale", "drawn"), [("embedded", 1), ("grading", 0)])
def test_live_curves_are_not_drawn_at_grading_scale(monkeypatch, scale, drawn):
    shown = []
    monkeypatch.setenv("DALIB_EDU_SCALE", scale)
    monkeypatch.setattr("IPython.display.display", lambda figure, **_: shown.append(figure))
    curves = plot.LiveCurves({"loss": ["a"]})
    curves.add(0, a=1.0)
    assert len(shown) == drawn
    assert curves.points("a") == [(0, 1.0)]


def test_spread_shows_each_run_the_mean_and_the_deviation_of_a_sample():
    runs = {"before": [1.0, 2.0, 6.0], "after": [4.0]}
    figure = plot.spread(runs, title="two", ylabel="accuracy", levels={"chance": 0.5})
    (axis,) = figure.axes
    assert [text.get_text() for text in axis.get_xticklabels()] == ["before", "after"]
    dots = [c for c in axis.collections if isinstance(c, PathCollection)]
    assert [c.get_offsets()[:, 1].tolist() for c in dots] == [[1.0, 2.0, 6.0], [4.0]]
    means = [c.lines[0].get_ydata()[0] for c in axis.containers]
    assert means == pytest.approx([3.0, 4.0])
    ends = [c.lines[2][0].get_segments()[0][:, 1] for c in axis.containers]
    assert ends[0] == pytest.approx([3 - 7**0.5, 3 + 7**0.5])  # variance (4 + 1 + 9) / 2
    assert ends[1] == pytest.approx([4, 4])
    assert axis.get_ylabel() == "accuracy"
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["chance"]


def test_choices_puts_a_ring_around_the_highest_score():
    scores = {"one": [0.1, 0.3, 0.2], "other": [float("nan"), 5.0, 7.0]}
    figure = plot.choices(scores, [60.0, 40.0, 50.0], title="two", ylabel="accuracy")
    left, right = figure.axes
    for axis, ring in ((left, [0.3, 40]), (right, [7, 50])):
        dots, chosen = axis.collections
        assert len(dots.get_offsets()) == 3
        assert chosen.get_offsets().tolist() == [ring]
        assert axis.lines[0].get_ydata() == pytest.approx([60, 60])
    assert [axis.get_xlabel() for axis in figure.axes] == ["one", "other"]
    assert left.get_ylabel() == "accuracy"
    labels = [text.get_text() for text in left.get_legend().get_texts()]
    assert labels == ["a setting", "chosen", "the best there is"]


def test_smooth_is_a_running_mean():
    values = list(np.random.default_rng(0).normal(size=30))
    smoothed = plot.smooth(values, window=4)
    assert [i for i, _ in smoothed] == list(range(3, 30))
    for i, mean in smoothed:
        assert mean == pytest.approx(sum(values[i - 3 : i + 1]) / 4)


def test_tsne_keeps_well_separated_groups_apart_and_is_deterministic():
    generator = torch.Generator().manual_seed(0)
    groups = torch.arange(3).repeat_interleave(20)
    features = torch.randn(60, 64, generator=generator) + 20 * torch.eye(64)[groups]
    points = plot.tsne(features)
    assert points.shape == (60, 2)
    assert np.array_equal(points, plot.tsne(features))
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    assert (groups.numpy()[distances.argmin(1)] == groups.numpy()).all()


def test_tsne_of_few_points():
    assert plot.tsne(torch.randn(5, 3)).shape == (5, 2)


def test_feature_maps_label_domains_and_classes():
    points = np.random.default_rng(0).normal(size=(30, 2))
    labels = torch.arange(20) % 2
    figure = plot.feature_maps([points, points], labels, 20, ["cat", "cup"], titles=["a", "b"])
    assert [axis.get_title() for axis in figure.axes] == [
        "a: by domain",
        "b: by domain",
        "a: source by class",
        "b: source by class",
    ]
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend == ["source", "target"]
    assert {text.get_text() for text in figure.axes[2].texts} == {"cat", "cup"}


def test_feature_maps_tell_several_sources_apart():
    points = np.arange(24.0).reshape(12, 2)
    domains = {"cartoon": 3, "photo": 5, "sketch": 4}
    labels = torch.arange(8) % 2
    figure = plot.feature_maps([points], labels, 8, ["a", "b"], titles=["t"], domains=domains)
    drawn = figure.axes[0].collections
    assert [part.get_label() for part in drawn] == list(domains)
    assert [len(part.get_offsets()) for part in drawn] == [3, 5, 4]
    assert drawn[2].get_offsets().tolist() == points[8:].tolist()
    colours = [mcolors.to_hex(part.get_facecolor()[0]).upper() for part in drawn]
    assert colours[0] == plot.SOURCE_COLOUR
    assert colours[2] == plot.TARGET_COLOUR
    assert len(set(colours)) == 3


def test_table_is_markdown():
    text = plot.table([{"name": "a", "value": 1.25}, {"name": "longer", "value": 10.0}])
    assert text.splitlines() == [
        "| name   | value |",
        "| ------ | ----- |",
        "| a      | 1.2   |",
        "| longer | 10.0  |",
    ]


def test_a_retrieval_gallery_tells_right_from_wrong_by_colour_and_by_sign():
    queries = torch.randint(256, (2, 1, 8, 8), dtype=torch.uint8)
    answers = torch.randint(256, (2, 3, 1, 8, 8), dtype=torch.uint8)
    right = torch.tensor([[True, False, False], [False, True, True]])
    figure = plot.retrieval_gallery(queries, answers, right, title="found")
    shown = np.array(figure.axes).reshape(2, 4)
    for row in range(2):
        assert np.array_equal(shown[row, 0].images[0].get_array(), queries[row, 0])
        assert shown[row, 0].get_title() == "query"
        for column in range(3):
            axis = shown[row, column + 1]
            assert np.array_equal(axis.images[0].get_array(), answers[row, column, 0])
            good = bool(right[row, column])
            assert axis.get_title() == ("\u2713" if good else "\u2717")
            frame = mcolors.to_hex(axis.spines["left"].get_edgecolor())
            assert frame == (plot.SOURCE_COLOUR if good else plot.TARGET_COLOUR).lower()
    assert figure.get_suptitle() == "found"


def test_a_thumbnail_map_draws_each_picture_at_its_place_in_its_groups_colour():
    points = np.array([[0.0, 0], [4, 0], [4, 2]])  # left below, right below, right above
    images = torch.zeros(3, 1, 10, 10, dtype=torch.uint8)
    images[:, :, 2:5, :] = 255
    figure = plot.thumbnail_map(points, images, ["A_B", "C", "C"], title="a map", pixels=100)
    (axis,) = figure.axes
    paper = axis.images[0].get_array()
    one, other = (np.array(mcolors.to_rgb(colour)) for colour in plot.COLOURS[:2])
    assert np.allclose(paper[93, 5], one)
    assert np.allclose(paper[93, 95], other)
    assert np.allclose(paper[3, 95], other)
    coloured = (paper != 1).any(-1)
    assert coloured.sum() == 3 * 30  # and nothing else
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["A B", "C"]
    assert axis.get_title() == "a map"
