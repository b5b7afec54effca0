"""Training computes in bfloat16 only where the machine does."""

import pytest
import torch

from engines.training.mixed_precision import mixed_precision, native_bfloat16


@pytest.fixture(autouse=True)
def _forget():
    native_bfloat16.cache_clear()
    yield
    native_bfloat16.cache_clear()


@pytest.mark.parametrize(
    ("features", "wanted"),
    [
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, torch.float32),
        ({"avx2": True, "avx512_bf16": True, "amx_bf16": False}, torch.bfloat16),
        ({"bf16": True}, torch.bfloat16),
    ],
)
def test_products_are_of_the_type_that_the_processor_multiplies(monkeypatch, features, wanted):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features)
    one = torch.ones(2, 2)
    with mixed_precision():
        assert (one @ one).dtype == wanted
