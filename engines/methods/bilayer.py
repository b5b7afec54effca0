"""The default method: points (and trunk features) of a crop -> pose, shape and place of a body.

After Bilayer-Graph (3DV 2021); see `engines.networks.bilayer`. Everything here is numpy: the network is an engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engines.body import BodyModel
from engines.body.rotations import rotation_vectors
from engines.camera import Intrinsics
from engines.fitting.consistency import Consistency
from engines.keypoints import NUM_COCO, NUM_POINTS
from engines.methods.bodies import Bodies
from engines.methods.evidence import CropRequest, Evidence
from engines.methods.placement import place_body
from engines.methods.point_networks import open_point_network, pulled
from engines.methods.virtual_camera import VirtualCamera
from engines.runtime import Engine
from engines.runtime.engine import Precision, Runtime

MIN_CONFIDENCE = 0.05
"""Points below are as good as missing, and the network is told so."""
OPENING = (-3.3, 0.3)
"""Logarithms of the tangent of half a crop's opening that training covers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Network inputs of B crops and the cameras they were made with."""

    inputs: dict[str, np.ndarray]
    """`points` (B, 41, 5) and `camera` (B, 1) float32; see `prepare`."""
    view: VirtualCamera


def prepare(
    points_px: np.ndarray,
    depth_m: np.ndarray | None,
    intrinsics: list[Intrinsics],
    centers_px: np.ndarray,
    sides_px: np.ndarray,
) -> Prepared:
    """points_px (B, 41, 3) x, y, confidence in source pixels (or (B, 17, 3): landmarks alone); depth_m (B, 41) relative
    to the pelvis, NaN where unknown, or None; one camera, centre and side per crop.

    `points` holds x, y in crop units, confidence, depth, 1 where depth is known; zeros where the point is missing.
    Raises ValueError on other shapes.
    """
    points_px = np.asarray(points_px, np.float32)
    count = len(intrinsics)
    if points_px.shape not in ((count, NUM_POINTS, 3), (count, NUM_COCO, 3)):
        raise ValueError(
            f"points_px has shape {points_px.shape}, {count} cameras need ({count}, {NUM_POINTS}, 3), "
            f"or ({count}, {NUM_COCO}, 3) for landmarks alone"
        )
    given = points_px.shape[1]
    view = VirtualCamera.of_crops(intrinsics, centers_px, sides_px)
    present = np.isfinite(points_px).all(-1) & (points_px[..., 2] >= MIN_CONFIDENCE)
    points = np.zeros((count, NUM_POINTS, 5), np.float32)
    safe = np.where(present[..., None], points_px, 0)
    points[:, :given, :2] = view.to_crop(safe[..., :2])
    points[:, :given, 2] = np.minimum(safe[..., 2], 1)
    if depth_m is not None:
        if depth_m.shape != (count, given):
            raise ValueError(f"depth_m has shape {depth_m.shape}, it must be ({count}, {given}) like the points")
        known = np.isfinite(depth_m)
        points[:, :given, 3] = np.where(known, depth_m, 0)
        points[:, :given, 4] = known
    points[:, :given] *= present[..., None]
    # Far away all openings look alike; the network has seen none smaller or larger than these.
    opening = np.log(view.half_tan).clip(*OPENING)[:, None].astype(np.float32)
    return Prepared(inputs={"points": points, "camera": opening}, view=view)


def finish(outputs: Mapping[str, np.ndarray], prepared: Prepared) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Network outputs `rotations` (B, 24, 3, 3), `betas` (B, 10), `placement` (B, 3), `landmarks` (B, 17, 3) and
    `joints` (B, 24, 3) relative to the pelvis, all in the virtual camera -> pose (B, 24, 3), betas and
    translation (B, 3) in the source camera, float32."""
    view, half_tan = prepared.view, prepared.view.half_tan[:, None]
    scale = np.exp(outputs["placement"][:, :1])
    guess = np.concatenate((outputs["placement"][:, 1:] * scale, scale / half_tan), 1)
    points = np.concatenate((outputs["landmarks"], outputs["joints"]), 1)
    seen = prepared.inputs["points"]
    # Two points of one limb carry the same evidence: squared confidences, landmarks and joints alike.
    translation = place_body(points, seen[..., :2] * half_tan[:, None], seen[..., 2] ** 2, guess)
    rotations = np.array(outputs["rotations"], np.float32)
    rotations[:, 0] = view.R_virtual_source.transpose(0, 2, 1) @ rotations[:, 0]
    pose = rotation_vectors(rotations).astype(np.float32)
    return pose, outputs["betas"].astype(np.float32), view.to_source(translation[:, None])[:, 0]


class BilayerLifter:
    """See `engines.methods.trunk_method.Lifter`; the network as an engine, between `prepare` and `finish`.

    ``consistency``: pulls the network's bodies onto the points; None leaves them as they are.
    """

    def __init__(self, engine: Engine, body: BodyModel, consistency: Consistency | None = None) -> None:
        self.engines: Sequence[Engine] = (engine,)
        self._body, self._consistency = body, consistency
        self._features = next((spec.shape[1:] for spec in engine.inputs if spec.name == "features"), None)

    def __call__(self, evidence: Evidence, requests: list[CropRequest]) -> Bodies:
        """See `engines.methods.trunk_method.Lifter`."""
        return self.lift(
            evidence.points_px,
            evidence.depth_m,
            [request.intrinsics for request in requests],
            np.stack([request.center_px for request in requests]),
            np.array([request.side_px for request in requests]),
            evidence.features,
        )

    def lift(
        self,
        points_px: np.ndarray,
        depth_m: np.ndarray | None,
        intrinsics: list[Intrinsics],
        centers_px: np.ndarray,
        sides_px: np.ndarray,
        features: np.ndarray | None = None,
    ) -> Bodies:
        """Arguments as `prepare`, and the trunk's feature maps (B, C, H, W) float32, which are left aside by networks
        that read points alone; without them the pictures count as unseen. No crops give no bodies."""
        if not intrinsics:
            empty = np.zeros((0, 24, 3), np.float32)
            return Bodies(pose=empty, betas=empty[:, 0, :0].reshape(0, 10), translation=empty[:, 0], joints=empty)
        prepared = prepare(points_px, depth_m, intrinsics, centers_px, sides_px)
        inputs = dict(prepared.inputs)
        if self._features is not None:
            unseen = np.zeros((len(intrinsics), *(size or 1 for size in self._features)), np.float32)
            inputs["features"] = unseen if features is None else features
        found = finish(self.engines[0](inputs), prepared)
        return pulled(*found, self._consistency, self._body, points_px, depth_m, intrinsics, centers_px)


def open_lifter(
    body: BodyModel,
    *,
    runtime: Runtime,
    precision: Precision,
    preset: str,
    threads: int,
    consistent: bool = True,
) -> BilayerLifter:
    """The shipped network; ``consistent``: its bodies are pulled onto the points. Raises EngineError where the network
    cannot run here."""
    engine = open_point_network("bilayer", preset, runtime, precision)
    return BilayerLifter(engine, body, Consistency(body) if consistent else None)
