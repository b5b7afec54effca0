"""bfloat16 where the machine computes in it; elsewhere it is emulated, on AVX2 a tenth of float32's speed."""

from __future__ import annotations

import functools

import torch


@functools.cache
def native_bfloat16(device_type: str) -> bool:
    """Whether products of bfloat16 are an instruction of this machine's processor ("cpu"), or of its GPU ("cuda")."""
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Older versions of torch do not tell.
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(bool(has) for name, has in capabilities.items() if name.endswith("bf16"))


def mixed_precision(device_type: str = "cpu") -> torch.autocast:
    """The autocast in which every network here is trained and looked through."""
    return torch.autocast(device_type, torch.bfloat16, enabled=native_bfloat16(device_type))
