"""Encoders in the trunk's place: the papers' sizes, maps that lie where the picture does, deep from shallow."""

import pytest
import torch

from engines.networks.encoders import (
    ENCODERS,
    EncoderPreset,
    EncoderTrunk,
    ResNet50,
    Vgg,
    from_shallow,
    initialise,
)


def tiny(name, *, batch_norm=True):
    torch.manual_seed(0)
    preset = EncoderPreset(name=name, width=0.25, input_px=64, batch_norm=batch_norm, pyramid=16)
    return EncoderTrunk(preset).eval()


@pytest.mark.parametrize(
    ("name", "parameters", "convolutions"),
    # Without classifiers: VGG, table 2 less the fully connected layers; ResNet, table 1.
    [("vgg11", 9_220_480, 8), ("vgg16", 14_714_688, 13), ("resnet50", 23_508_032, 53)],
)
def test_sizes_are_the_papers(name, parameters, convolutions):
    preset = EncoderPreset(name=name, batch_norm=name == "resnet50")
    with torch.device("meta"):
        net = ResNet50(preset) if name == "resnet50" else Vgg(preset)
    assert sum(p.numel() for p in net.parameters()) == parameters
    assert sum(isinstance(m, torch.nn.Conv2d) for m in net.modules()) == convolutions


@pytest.mark.parametrize("name", ENCODERS)
def test_outputs_are_the_trunks_and_lie_where_the_picture_does(name):
    net = tiny(name)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.fill_(1)  # New blocks are their shortcuts, which skip three cells of four.
    crops = torch.full((1, 3, 64, 64), 120.0)
    spot = crops.clone()
    spot[..., 36:44, 12:20] = 255  # cell (2, 5) of stride 8, centre at (16, 40)
    with torch.no_grad():
        plain, lit = net(crops), net(spot)
    assert lit.heatmaps[-1].shape == (1, 41, 16, 16) and lit.parts.shape == (1, 16, 16, 16)
    assert lit.depth.shape == (1, 41, 16)
    torch.testing.assert_close(lit.depth.exp().sum(-1), torch.ones(1, 41), atol=1e-3, rtol=0)
    assert lit.features.shape == (1, net.feature_channels, 8, 8)
    # Coarse levels see far, zero padding bends them, and finer ones hold their share of them.
    for level, reach in zip((lit.features - plain.features).abs().chunk(3, 1), (2.0, 2.5, 3.5), strict=True):
        mass = level[0].sum(0).square()
        centres = (torch.arange(8) + 0.5) * 8
        x, y = (mass.sum(0) @ centres) / mass.sum(), (mass.sum(1) @ centres) / mass.sum()
        assert abs(x - 16) < 8 * reach and abs(y - 40) < 8 * reach
        assert x < y


def test_a_deep_vgg_starts_from_a_shallow_one():
    shallow, deep = tiny("vgg11", batch_norm=False), tiny("vgg16", batch_norm=False)
    with torch.no_grad():
        for parameter in shallow.parameters():
            parameter.fill_(0.5)
    taken = from_shallow(deep, shallow.state_dict())
    convolutions = [name for name in taken if name.startswith("encoder.") and name.endswith("weight")]
    assert len(convolutions) == 4
    assert "lateral.0.weight" in taken and "point_heads.0.conv.weight" in taken
    learned = dict(deep.named_parameters())
    assert {name for name, value in learned.items() if bool((value == 0.5).all())} == set(taken) & set(learned)
    with pytest.raises(ValueError, match="one width and norm"):
        from_shallow(tiny("vgg16"), shallow.state_dict())
    with pytest.raises(ValueError, match="must be VGGs"):
        from_shallow(tiny("resnet50"), tiny("vgg11").state_dict())


def test_he_keeps_the_signal_where_one_variance_for_all_does_not():
    net = Vgg(EncoderPreset(name="vgg16", width=0.5, batch_norm=False))
    picture = torch.randn(1, 3, 64, 64)
    spreads = {}
    for how in ("he", "normal"):
        torch.manual_seed(1)
        initialise(net, how)
        with torch.no_grad():
            spreads[how] = float(net(picture)[-1].std())
    assert 0.1 < spreads["he"] < 10
    assert spreads["normal"] > 1e3


def test_a_preset_is_read_as_it_was_written():
    preset = EncoderPreset(name="vgg16", width=0.25, input_px=96, batch_norm=False)
    assert EncoderPreset.read(str(preset)) == preset
    for words in ("vgg16", "vgg19:1:192:norm", "vgg16:1:192:maybe"):
        with pytest.raises(ValueError, match="NAME:WIDTH:SIDE"):
            EncoderPreset.read(words)
    with pytest.raises(ValueError, match="multiple of 32"):
        EncoderTrunk(EncoderPreset(name="vgg16", input_px=100))
