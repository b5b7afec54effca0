"""Bodies at their full stature.

A network that learns by distances answers too short: limbs whose direction is unsure cost less when they are short, and
the shape coefficients pay for it. How unsure it is of one person says next to nothing of that person's stature
(correlation 0.03 to 0.25 on rendered people), so the shortfall is one number, measured on held-out bodies and added to
what the last refinement answers.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from engines.body import load_body
from engines.keypoints import NUM_JOINTS
from engines.networks.bilayer import BilayerNet
from engines.networks.bilayer.kinematics import Kinematics
from engines.training.geometry import GeometryBatch
from engines.training.motion_capture import read_poses
from engines.training.validate_lifting import validation_batches

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
    return short


def restore_trained(net: BilayerNet, shared: Path) -> None:
    """The same by held-out performers whose points are 2.5 % off: what a training does before it exports."""
    bodies = validation_batches(read_poses(shared / "data" / "mocap", val=True), Kinematics(load_body()))
    print(f"stature: {restore_stature(net, bodies['2.5%']):+.2f} added to the first shape coefficient", flush=True)
