"""Averaged weights and the learning rate's course."""

from __future__ import annotations

import math

import torch


class Average:
    """Exponential moving average of weights; the rate starts fast so that the average is useful early."""

    def __init__(self, net: torch.nn.Module, decay: float = 0.998) -> None:
        self.decay, self.steps = decay, 0
        self.values = {name: value.detach().clone() for name, value in net.state_dict().items()}

    @torch.no_grad()
    def update(self, net: torch.nn.Module) -> None:
        self.steps += 1
        rate = 1 - min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, value in net.state_dict().items():
            self.values[name].lerp_(value, rate)


@torch.no_grad()
def follow(average: torch.nn.Module, network: torch.nn.Module, decay: float, step: int) -> None:
    """Move an averaged network, norms' statistics included, towards the trained one after step ``step`` (from 1)."""
    rate = 1 - min(decay, (step + 1) / (step + 10))
    for slow, fast in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if slow.dtype.is_floating_point:
            slow.lerp_(fast, rate)


def rate_at(progress: float, steps: int, peak: float) -> float:
    """Warm-up over 300 steps, then a cosine from the peak to 2 % of it at progress 1."""
    return peak * min(1.0, (steps + 1) / 300) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))))
