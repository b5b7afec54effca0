"""Muon: steps of hidden weights are near-orthogonal, those of other weights are AdamW's."""

import pytest
import torch

from engines.training.memory_format import channels_last
from engines.training.muon import HiddenMuon


def moved(net: torch.nn.Module, optimiser, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
    """One step's change of every weight."""
    before = {name: value.detach().clone() for name, value in net.named_parameters()}
    net(inputs).square().sum().backward()
    optimiser.step()
    optimiser.zero_grad()
    return {name: value.detach() - before[name] for name, value in net.named_parameters()}


def test_step_of_a_kernel_turns_all_directions_alike():
    torch.manual_seed(0)
    net = channels_last(torch.nn.Conv2d(24, 32, 3))
    step = moved(net, HiddenMuon(net, 1e-2, weight_decay=0.0), torch.randn(8, 24, 9, 9))
    singular = torch.linalg.svdvals(step["weight"].flatten(1))
    assert singular.min() > 0.5 * singular.max() > 0
    # The bias goes to AdamW, whose first step is the rate itself, everywhere.
    torch.testing.assert_close(step["bias"].abs(), torch.full((32,), 1e-2), rtol=1e-3, atol=0)


def test_layers_set_apart_go_to_adamw():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(32, 32), torch.nn.Linear(32, 32))
    step = moved(net, HiddenMuon(net, 1e-2, apart=("1.",), weight_decay=0.0), torch.randn(64, 32))
    torch.testing.assert_close(step["1.weight"].abs(), torch.full((32, 32), 1e-2), rtol=1e-2, atol=1e-6)
    assert step["0.weight"].abs().std() > 1e-4


def test_kernels_laid_out_otherwise_are_refused():
    net = torch.nn.Conv2d(24, 32, 3)
    with pytest.raises(ValueError, match="channels last"):
        HiddenMuon(net, 1e-2)
