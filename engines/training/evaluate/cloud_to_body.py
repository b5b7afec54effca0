"""From 3D points to a body, two ways: `python -m engines.training.evaluate.cloud_to_body --shared FOLDER`.

The regressors of `smplr` against inverse kinematics, alone and leaning on the regressors' rotations, on true points,
noisy points, and points that the shipped networks answer; motion that no training has seen.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from engines.body import load_body
from engines.methods import WEIGHTS
from engines.methods.inverse_kinematics import solve_rotations
from engines.metrics import LIMB_JOINTS, pa_mpjpe
from engines.networks.bilayer.kinematics import Kinematics
from engines.runtime import load_engine
from engines.training.motion_capture import read_poses
from engines.training.train_points import true_cloud
from engines.training.validate_lifting import validation_batches

LEVELS = ("depth", "trunk")


def main(argv: list[str] | None = None) -> int:
    """Command line; prints PA-MPJPE of 12 limb joints and per-vertex errors about the pelvis, mm."""
    parser = argparse.ArgumentParser(prog="python -m engines.training.evaluate.cloud_to_body", description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder with data/mocap/ in it")
    parser.add_argument("--bodies", type=int, default=500)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    model = load_body()
    body, limbs = Kinematics(model), list(LIMB_JOINTS)
    checks = validation_batches(read_poses(args.shared / "data" / "mocap", val=True), body, args.bodies)
    engines = {name: load_engine(WEIGHTS / f"{name}-small.onnx", "openvino", "f32", 1) for name in ("smplr", "ordinal")}
    regressors = load_engine(WEIGHTS / "regressors-small.onnx", "openvino", "f32", 1)
    truth = checks[LEVELS[0]]
    cloud = true_cloud(truth).numpy()
    noise = 0.01 * np.random.default_rng(0).standard_normal(cloud.shape)
    clouds = {"true points": cloud, "1 cm noise": (cloud + noise).astype(np.float32)}
    for level in LEVELS:
        inputs = {"points": checks[level].points.numpy(), "camera": checks[level].camera.numpy()}
        for name, engine in engines.items():
            own = {spec.name: inputs[spec.name] for spec in engine.inputs}
            clouds[f"{name}, {level}"] = engine(own)["cloud"]
    turns, joints = body.chain(truth.rotations, truth.betas)
    mesh = body.coarse(turns, joints, truth.betas).numpy()
    print(f"{'PA12 / PVE mm':16s} {'points':>8s} {'regressors':>16s} {'IK':>16s} {'IK leaning':>16s}")
    for name, points in clouds.items():
        answer = regressors({"cloud": points})
        ways = (
            answer["rotations"],
            solve_rotations(points, answer["betas"], model),
            solve_rotations(points, answer["betas"], model, answer["rotations"]),
        )
        cells = []
        for rotations in ways:
            betas = torch.from_numpy(answer["betas"])
            turns, posed = body.chain(torch.from_numpy(rotations), betas)
            error = 1000 * pa_mpjpe(posed.numpy()[:, limbs], joints.numpy()[:, limbs]).mean()
            vertices = body.coarse(turns, posed, betas).numpy()
            cells.append(f"{error:8.1f} /{1000 * np.linalg.norm(vertices - mesh, axis=-1).mean():6.1f}")
        raw = 1000 * pa_mpjpe(points[:, 17:][:, limbs], joints.numpy()[:, limbs]).mean()
        print(f"{name:16s} {raw:8.1f} " + " ".join(cells), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
