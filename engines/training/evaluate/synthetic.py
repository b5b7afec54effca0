"""3D accuracy of a method on rendered people whose truth is known: ``python -m engines.training.evaluate.synthetic``.

Runs the product's own method (engines, not torch) on the crops of the factory's validation shards: poses, backgrounds
and seeds that no training has seen.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from engines.body import BodyModel, load_body
from engines.camera import Intrinsics
from engines.estimate import BodyEstimate
from engines.keypoints import JOINT_NAMES
from engines.methods import CropRequest, Method, create_method
from engines.metrics import LIMB_JOINTS, distances, mpjpe, pa_mpjpe, pve
from engines.training.factory.cropview import STORED_PADDING
from engines.training.synthetic_source import SyntheticSource

VERTEX_LEVEL = 1
MIN_VISIBLE = 12
"""People of whose 24 joints fewer lie in the picture are reported apart: nobody can know what is not seen."""


def estimate_all(method: Method, source: SyntheticSource, limit: int | None, batch: int = 8) -> list[BodyEstimate]:
    """One estimate per sample, in order."""
    count = min(len(source), limit or len(source))
    found: list[BodyEstimate] = []
    for start in range(0, count, batch):
        requests = []
        for index in range(start, min(start + batch, count)):
            shard, row = source.at(index)
            image = shard.image(row)
            fx, fy, cx, cy = (float(value) for value in shard.K[row])
            side = image.shape[0]
            requests.append(
                CropRequest(
                    image=image,
                    center_px=np.array([side / 2, side / 2]),
                    side_px=side / STORED_PADDING,
                    intrinsics=Intrinsics(fx=fx, fy=fy, cx=cx, cy=cy),
                )
            )
        found += method.estimate(requests, {})
    return found


def accuracy(estimates: list[BodyEstimate], source: SyntheticSource, body: BodyModel) -> dict[str, float]:
    """Means over all samples with most of their joints in view, millimetres."""
    rows = [source.at(index) for index in range(len(estimates))]
    truth = {
        name: np.stack([getattr(shard, name)[row] for shard, row in rows])
        for name in ("joints_cam", "pose", "betas", "translation", "points")
    }
    whole = (truth["points"][:, 17:, 2] > 0).sum(1) >= MIN_VISIBLE
    joints = np.stack([estimate.joints for estimate in estimates])
    pose = np.stack([estimate.pose for estimate in estimates])
    betas = np.stack([estimate.betas for estimate in estimates])
    zero = np.zeros((len(estimates), 3), np.float32)
    vertices = body.forward(pose, betas, zero, VERTEX_LEVEL).vertices
    true_vertices = body.forward(truth["pose"], truth["betas"], zero, VERTEX_LEVEL).vertices
    limbs = list(LIMB_JOINTS)
    errors = {
        "PA-MPJPE 12": pa_mpjpe(joints[:, limbs], truth["joints_cam"][:, limbs]),
        "PA-MPJPE 24": pa_mpjpe(joints, truth["joints_cam"]),
        "MPJPE 24": mpjpe(joints, truth["joints_cam"]),
        "PVE": pve(vertices, true_vertices),
        "distance": distances(joints[:, :1], truth["joints_cam"][:, :1])[:, 0],
    }
    return {name: float(value[whole].mean() * 1000) for name, value in errors.items()} | {"people": float(whole.sum())}


def mean_pose_estimates(source: SyntheticSource, body: BodyModel, count: int) -> list[BodyEstimate]:
    """The baseline that is told the true heading, place and nothing else: arms down, mean shape."""
    pose = np.zeros((24, 3), np.float32)
    pose[JOINT_NAMES.index("left_shoulder"), 2], pose[JOINT_NAMES.index("right_shoulder"), 2] = -1.2, 1.2
    found = []
    for index in range(count):
        shard, row = source.at(index)
        own = pose.copy()
        own[0] = shard.pose[row, 0]
        joints = body.joints(own[None], np.zeros((1, 10), np.float32), shard.translation[row][None])[0]
        found.append(
            BodyEstimate(
                pose=own, betas=np.zeros(10, np.float32), translation=shard.translation[row], joints=joints,
                points_px=np.zeros((41, 3), np.float32), score=1.0, quality=float("nan"),
            )
        )  # fmt: skip
    return found


def plain_lifter_accuracy(weights: Path, estimates: list[BodyEstimate], source: SyntheticSource) -> dict[str, float]:
    """The baseline that sees the trunk's 17 points alone and answers with 12 joints, millimetres."""
    import torch

    from engines.networks.lifter import PlainLifter

    net = PlainLifter().eval()
    net.load_state_dict(torch.load(weights, weights_only=True))
    points = torch.from_numpy(np.stack([estimate.points_px[:17] for estimate in estimates]))
    with torch.inference_mode():
        joints = net(points).numpy()
    rows = [source.at(index) for index in range(len(estimates))]
    truth = np.stack([shard.joints_cam[row] for shard, row in rows])[:, list(LIMB_JOINTS)]
    whole = np.array([(shard.points[row, 17:, 2] > 0).sum() >= MIN_VISIBLE for shard, row in rows])
    return {"PA-MPJPE 12": float(pa_mpjpe(joints, truth)[whole].mean() * 1000), "people": float(whole.sum())}


def main(argv: list[str] | None = None) -> int:
    """Command line; see --help."""
    parser = argparse.ArgumentParser(prog="python -m engines.training.evaluate.synthetic", description=__doc__)
    parser.add_argument("--synthetic", type=Path, required=True, help="folder of factory shards")
    parser.add_argument("--method", default="bilayer")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--lifter", type=Path, help="weights of the plain lifter, a baseline: the trunk's points in")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args(argv)
    body = load_body()
    source = SyntheticSource(arguments.synthetic, "val")
    method = create_method(arguments.method, body=body, runtime="openvino", precision=arguments.precision)
    estimates = estimate_all(method, source, arguments.limit)
    method.close()
    table = {
        "mean pose": accuracy(mean_pose_estimates(source, body, len(estimates)), source, body),
        arguments.method: accuracy(estimates, source, body),
    }
    if arguments.lifter:
        table["plain lifter"] = plain_lifter_accuracy(arguments.lifter, estimates, source)
    for name, row in table.items():
        print(f"{name:12s}", "  ".join(f"{key} {value:.1f}" for key, value in row.items()))
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
