"""Validation of networks that lift points to bodies: performers never trained on, several levels of corruption."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from engines.metrics import LIMB_JOINTS, mpjpe, pa_mpjpe
from engines.networks.bilayer import BilayerNet, BodyPrediction
from engines.networks.bilayer.export import DeployedBilayer
from engines.networks.bilayer.kinematics import Kinematics
from engines.training.corruption import Corruption
from engines.training.geometry import GeometryBatch, GeometryOptions, GeometrySource
from engines.training.motion_capture import PoseBank

_MEDIUM = Corruption(sigma=(0.02, 0.02), unevenness=0.5, heatmap_like=0.0, drop_joints=0.0, drop_depth=1.0, certain=0.0)
LEVELS: dict[str, Corruption] = {
    "1%": replace(_MEDIUM, sigma=(0.01, 0.01), swap=0.0, outlier=0.0, drop_limb=0.0),
    "2.5%": replace(_MEDIUM, sigma=(0.025, 0.025)),
    "5%": replace(_MEDIUM, sigma=(0.05, 0.05)),
    "coco17": replace(_MEDIUM, drop_joints=1.0),
    "depth": replace(_MEDIUM, drop_depth=0.0),
    "trunk": replace(_MEDIUM, sigma=(0.04, 0.04), unevenness=0.8, heatmap_like=1.0, drop_depth=0.0),
}
"""Named kinds of input. `coco17` has the 17 landmarks alone and 2 % noise; `depth` adds noisy depths to 2 %;
`trunk` is like a small trunk's answers."""


def validation_batches(bank: PoseBank, body: Kinematics, count: int = 2000) -> dict[str, GeometryBatch]:
    """The same bodies and cameras at each level: true frames of held-out performers, whole bodies in view."""
    out = {}
    for name, corruption in LEVELS.items():
        options = GeometryOptions(
            mix=0.0, sit=0.0, tumble=0.0, turn_noise_deg=0.0, upper_only=0.0, cut=0.0, corruption=corruption
        )
        out[name] = GeometrySource(bank, body, options, seed=1).batch(count)
    return out


def lifting_errors(
    predict: Callable[[GeometryBatch], BodyPrediction], body: Kinematics, batches: dict[str, GeometryBatch]
) -> dict[str, dict[str, float]]:
    """Per level: PA-MPJPE of the 12 limb joints and of all 24, MPJPE, PVE (coarse mesh), millimetres."""
    out = {}
    for name, batch in batches.items():
        with torch.no_grad():
            guess = predict(batch)
            true_turns, true_joints = body.chain(batch.rotations, batch.betas)
            mesh = body.coarse(guess.turns, guess.joints, guess.betas).numpy()
            true_mesh = body.coarse(true_turns, true_joints, batch.betas).numpy()
        ours, truth = guess.joints.numpy(), true_joints.numpy()
        limbs = list(LIMB_JOINTS)
        out[name] = {
            "pa12": float(1000 * pa_mpjpe(ours[:, limbs], truth[:, limbs]).mean()),
            "pa24": float(1000 * pa_mpjpe(ours, truth).mean()),
            "mpjpe12": float(1000 * mpjpe(ours[:, limbs], truth[:, limbs], root=(6, 7)).mean()),
            "pve": float(1000 * np.linalg.norm(mesh - true_mesh, axis=-1).mean()),
        }
    return out


def lifting_words(errors: dict[str, dict[str, float]]) -> str:
    """PA-MPJPE of the limb joints and PVE of every level on one line."""
    return "  ".join(f"{level}: {row['pa12']:.1f}/{row['pve']:.1f}" for level, row in errors.items())


def deployed_predictor(net: BilayerNet) -> Callable[[GeometryBatch], BodyPrediction]:
    """What ships of the network: the mean of what it says of points and of their mirror image, no picture seen."""
    deployed = DeployedBilayer(net)

    def predict(batch: GeometryBatch) -> BodyPrediction:
        side = 2 * net.config.patch
        unseen = [torch.zeros(len(batch.points), channels, side, side) for channels in net.config.feature_channels]
        training = net.training
        net.eval()
        try:
            rotations, betas, camera, landmarks, joints = deployed(batch.points, batch.camera, *unseen)
        finally:
            net.train(training)
        turns, _ = net.body.chain(rotations, betas)
        return BodyPrediction(rotations, betas, camera, turns, joints, landmarks)

    return predict


def network_predictor(net: BilayerNet, step: int = -1) -> Callable[[GeometryBatch], BodyPrediction]:
    """The network's estimate after `step` refinements, as a predictor; switches to inference mode while it runs."""

    def predict(batch: GeometryBatch) -> BodyPrediction:
        training = net.training
        net.eval()
        try:
            return net(batch.points, batch.camera)[step]
        finally:
            net.train(training)

    return predict


def mean_pose_predictor(bank: PoseBank, body: Kinematics) -> Callable[[GeometryBatch], BodyPrediction]:
    """The baseline that knows nothing of the image but the true heading: the training data's mean pose."""
    mean = mean_rotations(bank)

    def predict(batch: GeometryBatch) -> BodyPrediction:
        rotations = mean.repeat(len(batch.points), 1, 1, 1)
        rotations[:, 0] = batch.rotations[:, 0]
        betas = torch.zeros_like(batch.betas)
        turns, joints = body.chain(rotations, betas)
        return BodyPrediction(rotations, betas, torch.zeros(len(betas), 3), turns, joints, joints[:, :17])

    return predict


def mean_rotations(bank: PoseBank) -> torch.Tensor:
    """(24, 3, 3): the rotation nearest to the weighted mean matrix of each joint; the root faces the camera."""
    mean = (bank.rotations * bank.weights[:, None, None, None]).sum(0)
    u, _, vt = torch.linalg.svd(mean)
    sign = torch.ones(len(mean), 3)
    sign[:, 2] = torch.det(u @ vt)
    out = (u * sign[:, None]) @ vt
    out[0] = torch.diag(torch.tensor((1.0, -1.0, -1.0)))
    return out
