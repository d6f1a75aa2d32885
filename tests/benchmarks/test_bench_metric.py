"""The benchmark runs, says what was aimed at, and notices ways that do not return the same."""

import bench_metric as bench
import pytest
import torch

from dalib_edu import metric
from dalib_edu.data import characters


def test_it_runs_and_tells_a_ratio_and_a_goal_for_each_group(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("DALIB_EDU_CACHE", str(tmp_path))
    monkeypatch.setattr(bench, "P", 5)
    monkeypatch.setattr(bench, "K", 16)
    for part, alphabet in (("TRAINING", "Coptic"), ("EVALUATION", "Hebrew")):
        monkeypatch.setattr(characters, part, {alphabet: characters.ALPHABETS[alphabet]})
    monkeypatch.setattr("sys.argv", ["bench", "--rounds", "1", "--threads", "1"])
    bench.main()
    lines = capsys.readouterr().out.splitlines()
    goals = [line.split(":")[1].split(";")[0].strip() for line in lines if "goal" in line]
    assert goals == ["35x", "35x", "12x", "60x", "60x", "15x", "8x"]
    assert len([line for line in lines if line.startswith("  dalib_edu ")]) == len(goals)
    assert len([line for line in lines if line.startswith("  loop ")]) == len(goals) - 1


def test_a_goal_is_reached_or_not(capsys):
    slow, fast = (lambda n=n: sum(range(n)) for n in (200_000, 2_000))
    bench.compare("a sum", {"loop": slow, "dalib_edu": fast}, 3, goal=5)
    bench.compare("a sum", {"loop": slow, "dalib_edu": slow}, 3, goal=5)
    first, second = (line for line in capsys.readouterr().out.splitlines() if "goal" in line)
    assert first.startswith("  goal: 5x; reached: ")
    assert second.startswith("  goal: 5x; NOT reached: ")


def test_triplets_that_differ_are_noticed():
    features, labels = bench.batch()
    loop = bench.loop_triplets(features, labels)
    bench.check_triplets(features, loop, metric.hard_triplets(features, labels))
    anchors, positives, negatives = metric.hard_triplets(features, labels)
    with pytest.raises(AssertionError):
        bench.check_triplets(features, loop, (anchors, positives, negatives.roll(1)))


def test_the_circulating_way_turns_half_of_its_pictures():
    picture = torch.randint(256, (105, 105, 3), dtype=torch.uint8).numpy()
    torch.manual_seed(0)
    many = torch.stack([bench.per_picture(picture) for _ in range(200)])
    assert many.shape == (200, 1, 32, 32)
    plain = many.flatten(1).mode(0).values  # the picture as it is
    assert 70 < (many.flatten(1) == plain).all(1).sum() < 130
