"""Shipped files: positive gains, kernels whose codes outlive a folded norm, one copy of the weights."""

import copy

import numpy as np
import onnx
import torch
from torch import nn

from engines.networks.ship import make_gains_positive, write_graph
from engines.runtime.onnx_norms import fold_norms
from engines.runtime.weight_file import decoded, encoded


def convolutions() -> nn.Sequential:
    torch.manual_seed(0)
    first, second = nn.Conv2d(32, 48, 3, bias=False), nn.Conv2d(48, 32, 3, bias=False)
    net = nn.Sequential(first, nn.BatchNorm2d(48), nn.ReLU(), second, nn.BatchNorm2d(32)).eval()
    for norm in (net[1], net[4]):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
        nn.init.normal_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.5, 2)
    return net


def test_the_same_network_with_positive_gains():
    net = convolutions()
    before = copy.deepcopy(net)
    make_gains_positive(net)
    assert (before[1].weight < 0).any() and (net[1].weight >= 0).all() and (net[4].weight >= 0).all()
    pictures = torch.randn(2, 32, 9, 9)
    with torch.inference_mode():
        torch.testing.assert_close(net(pictures), before(pictures))


def test_a_folded_norm_leaves_the_codes(tmp_path):
    net = convolutions()
    make_gains_positive(net)
    stored = encoded(net.state_dict())
    net.load_state_dict(decoded(stored))
    path = tmp_path / "net.onnx"
    write_graph(net, {"x": torch.zeros(1, 32, 9, 9)}, ("y",), path)
    folded = fold_norms(onnx.load(path))
    kernels = [value for value in map(onnx.numpy_helper.to_array, folded.graph.initializer) if value.ndim == 4]
    assert len(kernels) == 2
    for kernel, name in zip(kernels, ("0.weight", "3.weight"), strict=True):
        again = encoded({"w": torch.from_numpy(np.array(kernel))})["w"]
        assert torch.equal(again, stored[name])
