"""3D accuracy of methods on rendered people whose truth is known: ``python -m engines.training.evaluate.synthetic``.

Runs the product's own methods (engines, not torch) on the crops of the factory's validation shards: poses, backgrounds
and seeds that no training has seen. With --true-points each method also lifts what a perfect trunk would have given it,
which tells apart what lifter and trunk owe.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engines.body import BodyModel, load_body
from engines.camera import Intrinsics
from engines.estimate import BodyEstimate
from engines.keypoints import JOINT_NAMES
from engines.methods import METHODS
from engines.methods.evidence import CropRequest, Evidence, EvidenceReader
from engines.methods.keypoint_front_end import open_keypoints
from engines.methods.trunk_method import Lifter, load_trunk
from engines.metrics import LIMB_JOINTS, distances, mpjpe, pa_mpjpe, pve
from engines.training.factory.cropview import STORED_PADDING
from engines.training.synthetic_source import SyntheticSource, relative_depth

if TYPE_CHECKING:
    from engines.networks.lifter import PlainLifter

BATCH = 8
VERTEX_LEVEL = 1
PULLED = ("bilayer", "ordinal", "smplr")
"""Methods whose bodies are pulled onto the points at the end (`engines.fitting.consistency`)."""
MIN_VISIBLE = 12
"""People of whose 24 joints fewer lie in the picture are reported apart: nobody can know what is not seen."""


def request_of(source: SyntheticSource, index: int) -> CropRequest:
    """A sample as a tracker would ask for it."""
    shard, row = source.at(index)
    image = shard.image(row)
    fx, fy, cx, cy = (float(value) for value in shard.K[row])
    side = image.shape[0]
    return CropRequest(
        image=image,
        center_px=np.array([side / 2, side / 2]),
        side_px=side / STORED_PADDING,
        intrinsics=Intrinsics(fx=fx, fy=fy, cx=cx, cy=cy),
        person=index,
    )


def with_truth(evidence: Evidence, source: SyntheticSource, indices: range, *, depths: bool) -> Evidence:
    """The same evidence with the true points of those in the picture, and true depths or none."""
    points, depth = evidence.points_px.copy(), np.full_like(evidence.depth_m, np.nan)
    for slot, index in enumerate(indices):
        shard, row = source.at(index)
        points[slot] = shard.points[row]
        points[slot, :, 2] = shard.points[row, :, 2] > 0
        if depths:
            depth[slot] = relative_depth(shard, row)
    return replace(evidence, points_px=points, depth_m=depth)


def estimate_all(
    reader: EvidenceReader, lifters: Mapping[str, Lifter], source: SyntheticSource, count: int, *, truth: bool
) -> tuple[dict[str, list[BodyEstimate]], np.ndarray]:
    """Estimates per method and kind of points, one per sample in order, and the reader's points (count, 41, 3).

    The reader looks once at each crop for all methods. With ``truth`` each method lifts the true points too.
    """
    found: dict[str, list[BodyEstimate]] = {}
    points = []
    for start in range(0, count, BATCH):
        indices = range(start, min(start + BATCH, count))
        requests = [request_of(source, index) for index in indices]
        crops = reader.crops(requests)
        evidence = reader.read(reader.infer(crops), crops, requests)
        points.append(evidence.points_px)
        kinds = {"": evidence}
        if truth:
            kinds |= {
                words: with_truth(evidence, source, indices, depths=depths)
                for words, depths in ((", true points", False), (", true points and depths", True))
            }
        for (name, lifter), (kind, given) in product(lifters.items(), kinds.items()):
            # A person of its own per kind: methods that remember people must not start from another kind's answer.
            bodies = lifter(given, [replace(request, person=(request.person, kind)) for request in requests])
            found.setdefault(name + kind, []).extend(
                BodyEstimate(
                    pose=bodies.pose[row], betas=bodies.betas[row], translation=bodies.translation[row],
                    joints=bodies.joints[row], points_px=given.points_px[row], score=1.0, quality=float("nan"),
                )
                for row in range(len(requests))
            )  # fmt: skip
    return found, np.concatenate(points)


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


def load_plain_lifter(weights: Path) -> PlainLifter:
    """What a training of it left as ``lifter.pt``. Raises RuntimeError where these are weights of something else."""
    import torch

    from engines.networks.lifter import PlainLifter

    net = PlainLifter().eval()
    net.load_state_dict(torch.load(weights, weights_only=True))
    return net


def plain_lifter_accuracy(net: PlainLifter, points: np.ndarray, source: SyntheticSource) -> dict[str, float]:
    """The baseline that sees the trunk's 17 points alone and answers with 12 joints, millimetres."""
    import torch

    with torch.inference_mode():
        joints = net(torch.from_numpy(points[:, :17])).numpy()
    rows = [source.at(index) for index in range(len(points))]
    truth = np.stack([shard.joints_cam[row] for shard, row in rows])[:, list(LIMB_JOINTS)]
    whole = np.array([(shard.points[row, 17:, 2] > 0).sum() >= MIN_VISIBLE for shard, row in rows])
    return {"PA-MPJPE 12": float(pa_mpjpe(joints, truth)[whole].mean() * 1000), "people": float(whole.sum())}


def main(argv: list[str] | None = None) -> int:
    """Command line; see --help."""
    parser = argparse.ArgumentParser(prog="python -m engines.training.evaluate.synthetic", description=__doc__)
    parser.add_argument("--synthetic", type=Path, required=True, help="folder of factory shards")
    parser.add_argument("--method", nargs="+", default=["bilayer"], choices=list(METHODS), help="one or more")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument(
        "--lifter", type=Path, help="RUN/lifter.pt of the plain lifter, a baseline: the trunk's points in"
    )
    parser.add_argument("--keypoints", type=Path, help="keypoint network in place of the trunk, PATH.onnx")
    parser.add_argument("--true-points", action="store_true", help="lift the true points too, without and with depths")
    parser.add_argument("--no-mirror", action="store_true", help="one look per crop, not two")
    parser.add_argument("--raw", action="store_true", help="networks' bodies as they are, not pulled onto the points")
    parser.add_argument("--limit", type=int, help="only so many people")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args(argv)
    body = load_body()
    source = SyntheticSource(arguments.synthetic, "val")
    count = min(len(source), arguments.limit or len(source))
    plain = load_plain_lifter(arguments.lifter) if arguments.lifter else None
    options = {"runtime": "openvino", "precision": arguments.precision, "threads": arguments.threads}
    reader: EvidenceReader
    if arguments.keypoints:
        reader = open_keypoints(arguments.keypoints, **options)
    else:
        reader = load_trunk("small", **options, mirror=not arguments.no_mirror)
    lifters = {}
    for name in arguments.method:
        raw = {"consistent": False} if arguments.raw and name in PULLED else {}
        lifters[name] = import_module(METHODS[name]).open_lifter(body, preset="small", **options, **raw)
    estimates, points = estimate_all(reader, lifters, source, count, truth=arguments.true_points)
    for engine in (reader.engine, *(engine for lifter in lifters.values() for engine in lifter.engines)):
        engine.close()
    table = {"mean pose": accuracy(mean_pose_estimates(source, body, count), source, body)}
    if plain is not None:
        table["plain lifter"] = plain_lifter_accuracy(plain, points, source)
    table |= {name: accuracy(found, source, body) for name, found in estimates.items()}
    width = max(map(len, table))
    for name, row in table.items():
        print(f"{name:{width}s}", "  ".join(f"{key} {value:.1f}" for key, value in row.items()))
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
