"""Train SMPLR's regressors, the body stage of `engines.training.train_smplr`: clean points -> rotations and shape.

L1 on rotations, shape and gender; from half of the schedule on jointly with an L1 through the body model, on joints,
landmarks and coarse vertices. They read true points with noise; in the second half every other body is one that the
autoencoder has answered with.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from torch import Tensor, nn

from engines.body import load_body
from engines.body.model import BodyModel
from engines.keypoints import NUM_POINTS
from engines.metrics import LIMB_JOINTS, pa_mpjpe
from engines.networks.bilayer.kinematics import Kinematics
from engines.networks.points import build_cloud, build_regressors, export
from engines.networks.smplr import BodyRegressors
from engines.training.geometry import GeometryBatch, GeometrySource
from engines.training.mixed_precision import mixed_precision
from engines.training.motion_capture import read_poses
from engines.training.run import TrainingRun, run_options
from engines.training.shape_traits import body_mass_index, gender_of
from engines.training.start_weights import load_shipped
from engines.training.train_points import AVERAGE_EVERY, OPTIONS, WEIGHTS, adamw, true_cloud
from engines.training.validate_lifting import validation_batches

THROUGH_BODY_FROM = 0.5
VERTEX_STRIDE = 6
NOISE_M = (0.002, 0.04)
MOVING = 22
"""Joints whose rotation shows in the points: all but the hands."""


def body_loss(net: BodyRegressors, cloud: Tensor, batch: GeometryBatch, through_body: bool, step: int) -> Tensor:
    """L1 of one batch of points (B, 41, 3)."""
    with mixed_precision():
        found = net(cloud)
    loss = (found.rotations - batch.rotations)[:, :MOVING].abs().mean()
    loss = loss + 0.1 * (found.betas - batch.betas).abs().mean()
    loss = loss + 0.02 * (found.gender - gender_of(batch.betas)).abs().mean()
    if through_body:
        pick = slice(step % VERTEX_STRIDE, None, VERTEX_STRIDE)
        body = net.kinematics
        with torch.no_grad():
            turns, _ = body.chain(batch.rotations, batch.betas)
            vertices = body.coarse(turns, batch.joints, batch.betas, pick)
        gap = torch.cat((found.landmarks, found.joints), 1) - true_cloud(batch)
        loss = loss + 4 * gap.abs().mean()
        loss = loss + 4 * (body.coarse(found.turns, found.joints, found.betas, pick) - vertices).abs().mean()
    return loss


def noisy(cloud: Tensor, generator: torch.Generator) -> Tensor:
    """Points with Gaussian noise of a strength that each body draws for itself."""
    low, high = NOISE_M
    sigma = low * (high / low) ** torch.rand(len(cloud), 1, 1, generator=generator)
    return cloud + sigma * torch.randn(cloud.shape, generator=generator)


def regressor_errors(
    net: BodyRegressors, model: BodyModel, batch: GeometryBatch, clouds: dict[str, Tensor]
) -> dict[str, float]:
    """Per kind of points: PA-MPJPE of 12 limb joints and per-vertex error, mm; for the shape the slope and the
    correlation of the body mass index against the true one (both 0: everybody is average) and right genders, %."""
    limbs, out = list(LIMB_JOINTS), dict[str, float]()
    body = net.kinematics
    turns, _ = body.chain(batch.rotations, batch.betas)
    truth = body.coarse(turns, batch.joints, batch.betas).numpy()
    true_index = body_mass_index(batch.betas.numpy(), model)
    for name, cloud in clouds.items():
        with torch.no_grad():
            found = net(cloud)
            mesh = body.coarse(found.turns, found.joints, found.betas).numpy()
        joints = found.joints.numpy()[:, limbs]
        index = body_mass_index(found.betas.numpy(), model)
        right = (found.gender.sign() == gender_of(batch.betas)).float().mean()
        out |= {
            f"{name}_pa12": 1000 * float(pa_mpjpe(joints, batch.joints.numpy()[:, limbs]).mean()),
            f"{name}_pve": 1000 * float(np.linalg.norm(mesh - truth, axis=-1).mean()),
            f"{name}_bmi_slope": float(np.polyfit(true_index, index, 1)[0]),
            f"{name}_bmi_r": float(np.corrcoef(true_index, index)[0, 1]),
            f"{name}_gender": 100 * float(right),
        }
    return out


def denoiser(args: argparse.Namespace) -> nn.Module | None:
    """The autoencoder that the regressors will stand behind, frozen; None before there is one."""
    net = build_cloud("smplr", args.preset)
    checkpoint, shipped = args.points_run / "checkpoint.pt", WEIGHTS / f"smplr-{args.preset}.safetensors"
    if checkpoint.is_file():
        net.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])
    elif shipped.is_file():
        load_shipped(net, shipped, "")
    else:
        return None
    return net.eval().requires_grad_(False)


def train_regressors(args: argparse.Namespace) -> int:
    """Arguments of `train_smplr`; returns an exit code."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    model = load_body()
    net = build_regressors(args.preset, landmarks=not args.no_landmarks)
    if args.start:
        load_shipped(net, args.start, "")
    before = denoiser(args)
    mocap = args.shared / "data" / "mocap"
    check = validation_batches(read_poses(mocap, val=True), Kinematics(model))["depth"]
    clouds = {
        "true": true_cloud(check),
        "1cm": true_cloud(check) + 0.01 * torch.randn(len(check.points), NUM_POINTS, 3),
    }
    if before is not None:
        with torch.no_grad():
            clouds["net"] = before(check.points, check.camera)
    run = TrainingRun(
        run_options(args, f"regressors-{args.preset}"), net, adamw(net, args.rate), vars(args),
        average_every=AVERAGE_EVERY,
    )  # fmt: skip
    source = GeometrySource(read_poses(mocap, val=False), net.kinematics, OPTIONS, args.seed + 7919 * (run.step + 1))
    for step in run.steps():
        batch = source.batch(args.batch)
        cloud = true_cloud(batch)
        through_body = run.progress > THROUGH_BODY_FROM
        half = len(cloud) // 2 if through_body and before is not None else len(cloud)
        given = noisy(cloud[:half], source.generator)
        if before is not None and half < len(cloud):
            with torch.no_grad(), mixed_precision():
                given = torch.cat((given, before(batch.points[half:], batch.camera[half:])))
        loss = body_loss(net, given, batch, through_body, step)
        loss.backward()
        run.descend(args.batch, loss=loss.detach())
        if run.validation_due():
            run.record(regressor_errors(run.average, model, check, clouds))
    run.record(regressor_errors(run.average, model, check, clouds))
    if args.export:
        export("regressors", args.preset, run.average.state_dict(), WEIGHTS)
    return 0
