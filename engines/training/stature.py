"""Bodies at their full stature.

A network that learns by distances answers too short: limbs whose direction is unsure cost less when they are short, and
the shape coefficients pay for it. How unsure it is of one person says next to nothing of that person's stature
(correlation 0.03 to 0.25 on rendered people), so the shortfall is one number, measured on held-out bodies and added to
what the last refinement answers.
"""

from __future__ import annotations

import torch
from torch import nn

from engines.keypoints import NUM_JOINTS
from engines.networks.bilayer import BilayerNet
from engines.training.geometry import GeometryBatch

LEVEL = "2.5%"
"""Of `validate_lifting.LEVELS`: held-out performers whose points are so far off are what it is measured on."""
STATURE = NUM_JOINTS * 6
"""The first shape coefficient among the parameters of `BilayerNet`: a metre and two thirds grow by 6 % with it."""


@torch.no_grad()
def restore_stature(net: BilayerNet, batch: GeometryBatch) -> float:
    """Add the mean shortfall of the first shape coefficient over a batch to the network's answers; returns it."""
    blank = tuple(torch.zeros(len(batch.points), channels, 1, 1) for channels in net.config.feature_channels)
    found = net.eval()(batch.points, batch.camera, blank)[-1].betas[:, 0]
    short = float((batch.betas[:, 0] - found).mean())
    last = net.get_submodule(f"refinements.{len(net.refinements) - 1}.out") if len(net.refinements) else net.first
    assert isinstance(last, nn.Linear)
    last.bias[STATURE] += short
    print(f"stature: {short:+.2f} added to the first shape coefficient", flush=True)
    return short
