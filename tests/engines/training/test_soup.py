"""Weights between a start and what was trained from it; export finds them where a run would have left them."""

import pytest
import torch

from engines.methods import WEIGHTS
from engines.training import soup
from engines.training.start_weights import shipped_weights

START = {"a": torch.zeros(2, 3), "count": torch.tensor(3)}
ONE, OTHER = ({"a": torch.full((2, 3), value), "count": torch.tensor(9)} for value in (1.0, 3.0))


def test_the_mean_of_the_runs_by_their_share():
    mixed = soup.blend(START, [ONE, OTHER], 0.25)
    torch.testing.assert_close(mixed["a"], torch.full((2, 3), 0.5))
    assert mixed["count"] == 9
    torch.testing.assert_close(soup.blend(START, [ONE], 1.0)["a"], ONE["a"])
    torch.testing.assert_close(soup.blend(START, [ONE], 0.0)["a"], START["a"])


@pytest.mark.parametrize("other", [{"a": torch.zeros(3, 3)}, {"b": torch.zeros(2, 3)}])
def test_other_networks_are_refused(other):
    with pytest.raises(ValueError, match="average runs of one preset"):
        soup.blend(START, [other], 0.5)


def test_a_run_folder_is_written(tmp_path):
    start = WEIGHTS / "locator-small.safetensors"
    known = shipped_weights(start, "net.")
    tuned = {name: value + 1 if value.is_floating_point() else value for name, value in known.items()}
    torch.save({"average": tuned}, tmp_path / "checkpoint.pt")
    assert soup.main(["locator", str(tmp_path), "--start", str(start), "--out", str(tmp_path / "out")]) == 0
    mixed = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)["average"]
    name = next(name for name, value in known.items() if value.is_floating_point())
    torch.testing.assert_close(mixed[name], known[name] + 0.5)


def test_without_a_start_a_run_named_twice_counts_twice(tmp_path):
    for name, state in (("one", ONE), ("other", OTHER)):
        (tmp_path / name).mkdir()
        torch.save({"average": state}, tmp_path / name / "checkpoint.pt")
    runs = [str(tmp_path / name) for name in ("one", "one", "other")]
    assert soup.main(["trunk", *runs, "--share", "1", "--out", str(tmp_path / "out")]) == 0
    mixed = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)["average"]
    torch.testing.assert_close(mixed["a"], torch.full((2, 3), 5 / 3))


def test_a_share_below_one_needs_the_start(tmp_path, capsys):
    with pytest.raises(SystemExit):
        soup.main(["trunk", str(tmp_path), "--out", "y"])
    assert "give it as --start" in capsys.readouterr().err


def test_a_share_beyond_one_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        soup.main(["trunk", str(tmp_path), "--start", "x", "--share", "1.5", "--out", "y"])
    assert "it lies between 0 and 1" in capsys.readouterr().err
