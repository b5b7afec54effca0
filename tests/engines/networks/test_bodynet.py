"""The shape network: its factorised pose volume, its outputs, its export."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engines.keypoints import NUM_POINTS
from engines.networks.bodynet import (
    COARSE_PARTS,
    DEPTH_CHANNELS,
    PRESETS,
    BodyNet,
    BodyNetPreset,
    DeployedBodyNet,
    build_bodynet,
    evidence_maps,
)
from engines.networks.bodynet_export import export
from engines.runtime import load_engine
from engines.runtime.weight_file import decoded, encoded

TINY = BodyNetPreset(grid=16, width=16, levels=2, input_px=32)


def inputs(count: int = 2, side: int = 32):
    rng = torch.Generator().manual_seed(0)
    crops = torch.randint(0, 256, (count, side, side, 3), generator=rng, dtype=torch.uint8)
    heatmaps = torch.randn(count, NUM_POINTS, side // 4, side // 4, generator=rng).flatten(2).softmax(-1)
    parts = torch.randn(count, 16, side // 4, side // 4, generator=rng)
    depth = 0.3 * torch.randn(count, NUM_POINTS, generator=rng)
    return crops, heatmaps.unflatten(-1, (side // 4, side // 4)), parts, depth


def test_pose_branch_is_a_1x1_convolution_over_the_laid_out_volume():
    torch.manual_seed(0)
    net = BodyNet(TINY)
    near = torch.rand(2, 57, net.side, net.side)
    depth = torch.randn(2, NUM_POINTS) * 0.5
    step = 2 / (DEPTH_CHANNELS - 1)
    bump = torch.exp(-0.5 * ((depth[..., None] - torch.linspace(-1, 1, DEPTH_CHANNELS)) / step) ** 2)
    volume = near[:, :NUM_POINTS, None] * bump[..., None, None]
    expected = torch.nn.functional.conv2d(volume.flatten(1, 2), net.pose.flatten(1)[..., None, None])
    torch.testing.assert_close(net._pose(near, depth), expected, rtol=1e-4, atol=1e-4)


def test_starts_empty():
    crops, heatmaps, parts, depth = inputs()
    occupancy = DeployedBodyNet(BodyNet(TINY).eval())(crops, heatmaps, parts, depth)
    assert occupancy.shape == (2, 16, 16, 16)
    assert occupancy.max() < 0.1


def test_multi_class_probabilities_sum_to_one_and_start_as_background():
    preset = BodyNetPreset(grid=16, width=16, levels=2, input_px=32, classes=7)
    classes = DeployedBodyNet(BodyNet(preset).eval())(*inputs())
    assert classes.shape == (2, 7, 16, 16, 16)
    torch.testing.assert_close(classes.sum(1), torch.ones(2, 16, 16, 16))
    assert (classes.argmax(1) == 0).all()


def test_coarse_parts_keep_sides_apart():
    from engines.keypoints import PART_MIRROR, PART_NAMES

    mirrored = {0: 0, 1: 1, 2: 2, 3: 4, 4: 3, 5: 6, 6: 5}
    assert len(COARSE_PARTS) == len(PART_NAMES)
    for part, coarse in enumerate(COARSE_PARTS):
        assert COARSE_PARTS[PART_MIRROR[part]] == mirrored[coarse]


def test_maps_are_roots_and_shares():
    _, heatmaps, parts, _ = inputs()
    maps = evidence_maps(heatmaps, parts)
    assert maps.min() >= 0 and maps.max() <= 1.001
    torch.testing.assert_close(maps[:, NUM_POINTS:].sum(1), torch.ones(2, 8, 8))
    torch.testing.assert_close(maps[:, :NUM_POINTS] ** 2, heatmaps, rtol=0, atol=1e-5)


def test_grids_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="must divide input_px 100"):
        BodyNet(BodyNetPreset(grid=64, width=16, levels=3, input_px=100))


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_presets_can_be_built(preset):
    with torch.device("meta"):
        net = build_bodynet(preset)
    assert sum(p.numel() for p in net.parameters()) > 4e5


def test_exported_network_answers_as_the_module(tmp_path):
    torch.manual_seed(1)
    net = build_bodynet("small").eval()
    for parameter in net.net.head.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    path = export({k.removeprefix("net."): v for k, v in net.state_dict().items()}, "small", tmp_path)
    arrays = inputs(1, 160)
    net.load_state_dict(decoded(encoded(net.state_dict())))
    with torch.inference_mode():
        expected = net(*arrays).numpy()
    named = {name: array.numpy() for name, array in zip(net.inputs, arrays, strict=True)}
    for runtime in ("openvino", "torch"):
        with load_engine(path, runtime, "f32", 1) as engine:
            np.testing.assert_allclose(engine(named)["occupancy"], expected, atol=2e-3)
