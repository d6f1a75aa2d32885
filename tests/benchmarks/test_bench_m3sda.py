"""The benchmark runs, its ways start alike, and what it compares with has the faults it names."""

import bench_m3sda as bench
import pytest
import torch

from dalib_edu import m3sda


def test_it_runs_and_tells_a_ratio_for_each_way(monkeypatch, capsys):
    arguments = ["bench", "--rounds", "2", "--batch", "4", "--width", "0.05"]
    monkeypatch.setattr("sys.argv", arguments)
    bench.main()
    lines = capsys.readouterr().out.splitlines()[2:]
    names = [line.split("  ")[1] for line in lines if line.startswith("  ")]
    assert names == ["circulating", "ours", "ours, channels last", "ours", "ours, channels last"]
    assert lines[0].split()[-1] == "1.00x"
    assert [line.split("; ")[1].split(":")[0] for line in lines[-2:]] == ["goal 1.2x", "goal 1.7x"]


def test_how_much_work_is_left_out():
    """Of 30 forwards' worth (a backward is worth two) 23 are left; but for the first layer."""
    circulating, ours, last = map(bench.operations, bench.ways(4, 0.125).values())
    assert ours == last
    assert circulating / ours == pytest.approx(30 / 23, rel=0.01)


def test_the_ways_start_from_the_same_weights():
    """In the first iteration they differ by the moment term's tiny weight alone."""
    circulating, ours, last = (way() for way in bench.ways(8, 0.05).values())
    assert ours == pytest.approx(last, rel=1e-3)
    assert circulating["discrepancy"] == pytest.approx(ours["discrepancy"], rel=0.05)


def features(seed):
    return torch.randn(64, 16, generator=torch.Generator().manual_seed(seed))


def test_the_circulating_term_is_no_distance_of_moments():
    one = features(0)
    assert bench.circulating_regulariser([one, one, one], 1) == 0
    shuffled = bench.circulating_regulariser([one, one, one.flip(0)], 1)
    assert shuffled > 50  # the same pictures in another order
    shifted = bench.circulating_regulariser([one, one, one + 10], 5)
    assert shifted < 0.1  # another mean
    with pytest.raises(RuntimeError, match="must match"):
        bench.circulating_regulariser([one, one, one[:60]], 1)


def test_the_circulating_loop_leaks_the_gradient_that_it_is_said_to():
    torch.manual_seed(0)
    model = m3sda.M3sda.build(3, 10, 0.05)
    images = [torch.randn(8, 3, 32, 32) for _ in range(3)]
    labels = [torch.randint(10, (8,)) for _ in range(2)]
    bench.circulating_iteration(model, (images[:2], labels, images[2]))()
    # Phase 3 leaves gradients in the classifiers, which the next phase 1 will step along.
    left = [p.grad for p in model.classifier1.parameters()]
    assert all(grad is not None and grad.abs().sum() > 0 for grad in left)
