"""The training loop: repeatable, resumable, and its averages follow."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engines.training.muon import HiddenMuon
from engines.training.run import RunOptions, TrainingRun, cosine

OPTIONS = RunOptions(
    folder=Path(), minutes=1, steps=40, stop_after=float("inf"), resume=False, rate=1e-2, seed=0, eval_minutes=1
)


def trained(options: RunOptions, *, until: int = 40, width: int = 32) -> TrainingRun:
    """A small regression, left after ``until`` steps."""
    torch.manual_seed(options.seed)
    net = torch.nn.Sequential(torch.nn.Linear(20, width), torch.nn.ReLU(), torch.nn.Linear(width, 16))
    run = TrainingRun(options, net, HiddenMuon(net, options.rate), {"width": width})
    for step in run.steps():
        if step == until:
            run.save()
            break
        x = torch.randn(64, 20, generator=torch.Generator().manual_seed(step))
        loss = (net(x) - x[:, :16].abs()).square().mean()
        loss.backward()
        run.descend(64, loss=loss.detach())
    return run


def weights(run: TrainingRun) -> torch.Tensor:
    return torch.cat([value.flatten() for value in run.average.state_dict().values()])


def test_same_seed_gives_same_weights_and_another_does_not(tmp_path):
    first, again, other = (
        trained(replace(OPTIONS, folder=tmp_path / str(i), seed=seed)) for i, seed in enumerate((0, 0, 1))
    )
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(other))


def test_stopped_and_resumed_run_ends_where_an_unbroken_one_does(tmp_path):
    whole = trained(replace(OPTIONS, folder=tmp_path / "whole"))
    trained(replace(OPTIONS, folder=tmp_path / "parts"), until=17)
    resumed = trained(replace(OPTIONS, folder=tmp_path / "parts", resume=True))
    assert resumed.step == 40
    torch.testing.assert_close(weights(resumed), weights(whole), rtol=0, atol=0)


def test_checkpoint_of_another_network_is_refused(tmp_path):
    trained(replace(OPTIONS, folder=tmp_path))
    with pytest.raises(ValueError, match="another network"):
        trained(replace(OPTIONS, folder=tmp_path, resume=True), width=48)


def test_curve_holds_every_validation(tmp_path):
    run = trained(replace(OPTIONS, folder=tmp_path))
    run.record({"error": 3.0})
    run.record({"error": 2.5})
    assert [line.split(",")[-1] for line in (tmp_path / "curve.csv").read_text().split()] == ["error", "3", "2.5"]
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_rate_falls_from_the_peak_to_a_fiftieth():
    assert cosine(0) == 1 and cosine(1) == pytest.approx(0.02) and cosine(0.5) == pytest.approx(0.51)
