"""Weights as codes and halves: what comes back, and how far it is from what went in."""

import numpy as np
import torch
from safetensors.torch import save_file

from engines.runtime.weight_file import MIN_VALUES, SCALE, decoded, encoded, read_weights

RNG = torch.Generator().manual_seed(0)


def state() -> dict[str, torch.Tensor]:
    kernel = torch.randn(64, 32, 3, 3, generator=RNG) * torch.logspace(-3, 3, 64).view(-1, 1, 1, 1)
    kernel[7] = 0
    return {
        "conv.weight": kernel,
        "linear.weight": torch.randn(128, 64, generator=RNG),
        "conv.bias": torch.randn(MIN_VALUES, generator=RNG),
        "small.weight": torch.randn(8, 8, generator=RNG),
        "norm.num_batches_tracked": torch.tensor(12345678901),
    }


def test_every_output_is_rounded_on_its_own_scale():
    before = state()
    stored = encoded(before)
    assert stored["conv.weight"].dtype == torch.int8 and stored["conv.weight" + SCALE].shape == (64,)
    after = decoded(stored)
    assert after.keys() == before.keys()
    for name in ("conv.weight", "linear.weight"):
        apart = (after[name] - before[name]).flatten(1).abs().amax(1)
        assert (apart <= before[name].flatten(1).abs().amax(1) / 253).all()
    assert (after["conv.weight"][7] == 0).all()


def test_short_and_small_ones_are_halves_and_numbers_stay():
    before, stored = state(), encoded(state())
    assert stored["conv.bias"].dtype == stored["small.weight"].dtype == torch.float16
    assert decoded(stored)["norm.num_batches_tracked"] == before["norm.num_batches_tracked"]


def test_coding_what_was_decoded_changes_nothing():
    once = encoded(state())
    twice = encoded(decoded(once))
    assert all(torch.equal(once[name], twice[name]) for name in once if not name.endswith(SCALE))


def test_a_file_of_codes_and_a_file_of_floats_are_read(tmp_path):
    before = state()
    save_file(encoded(before), tmp_path / "codes.safetensors")
    save_file(before, tmp_path / "floats.safetensors")
    codes, floats = (read_weights(tmp_path / f"{name}.safetensors") for name in ("codes", "floats"))
    for name, value in before.items():
        assert torch.equal(floats[name], value)
        assert codes[name].shape == value.shape
    np.testing.assert_allclose(codes["linear.weight"], before["linear.weight"], atol=0.02)
