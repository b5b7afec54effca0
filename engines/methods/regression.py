"""`bilayer` from pictures: trunk, lifting network, place, and the agreement with the segmentation."""

from __future__ import annotations

import numpy as np

from engines.body import BodyModel
from engines.estimate import BodyEstimate
from engines.keypoints import NUM_COCO
from engines.methods.bilayer import BilayerLifter, Bodies
from engines.methods.evidence import CropRequest, Evidence, TrunkReader
from engines.methods.span import span
from engines.runtime import load_engine
from engines.runtime.engine import Precision, Runtime
from kernels.silhouette import silhouette_iou, splat_silhouette

SILHOUETTE_LEVEL = 1
"""About 1,750 vertices, 3 cm apart on an adult; a cell of the segmentation is about 4 cm wide there."""
SCORED_POINTS = 12
"""The score is the mean confidence of so many best landmarks: half a body in view is a body."""


def published_confidence(mass: np.ndarray) -> np.ndarray:
    """Mass in a heatmap's peak -> confidence 0..1 on the scale of other keypoint networks.

    A perfect heatmap of the training targets has mass 0.8 in the window; the root spreads out the small values, where
    most of the hard points lie.
    """
    return np.sqrt(np.minimum(mass / 0.8, 1.0))


class RegressionMethod:
    """See `engines.methods.Method`."""

    def __init__(
        self, body: BodyModel, *, runtime: Runtime, precision: Precision, preset: str, threads: int, mirror: bool
    ) -> None:
        from engines.methods import WEIGHTS

        self._body = body
        batches = (2,) if mirror else (1,)
        trunk = load_engine(WEIGHTS / f"trunk-{preset}.onnx", runtime, precision, threads, batches=batches)
        # Kilobytes of points in, rotations out: int8 would save nothing here.
        lifter_precision: Precision = "f32" if precision in ("auto", "int8") else precision
        lifter = load_engine(WEIGHTS / f"bilayer-{preset}.onnx", runtime, lifter_precision, threads)
        self._engines = (trunk, lifter)
        self._trunk = TrunkReader(trunk, mirror=mirror)
        self._lifter = BilayerLifter(lifter, body)
        self.weights = {engine.describe().model: engine.describe().sha256 for engine in self._engines}

    def estimate(self, requests: list[CropRequest], spans_ms: dict[str, float]) -> list[BodyEstimate]:
        """See `engines.methods.Method.estimate`."""
        if not requests:
            return []
        with span(spans_ms, "crop"):
            crops = self._trunk.crops(requests)
        with span(spans_ms, "trunk"):
            outputs = self._trunk.infer(crops)
        with span(spans_ms, "decode_points"):
            evidence = self._trunk.read(outputs, requests)
        with span(spans_ms, "lift"):
            bodies = self._lifter(
                evidence.points_px,
                evidence.depth_m,
                [request.intrinsics for request in requests],
                np.stack([request.center_px for request in requests]),
                np.array([request.side_px for request in requests]),
                evidence.features,
            )
        with span(spans_ms, "quality"):
            qualities = self._agreement(bodies, evidence, requests)
        points = evidence.points_px.copy()
        points[..., 2] = published_confidence(points[..., 2])
        return [
            BodyEstimate(
                pose=bodies.pose[row],
                betas=bodies.betas[row],
                translation=bodies.translation[row],
                joints=bodies.joints[row],
                points_px=points[row],
                score=float(np.sort(points[row, :NUM_COCO, 2])[-SCORED_POINTS:].mean()),
                quality=qualities[row],
            )
            for row in range(len(requests))
        ]

    def _agreement(self, bodies: Bodies, evidence: Evidence, requests: list[CropRequest]) -> list[float]:
        posed = self._body.forward(bodies.pose, bodies.betas, bodies.translation, SILHOUETTE_LEVEL)
        found = []
        for row, request in enumerate(requests):
            pixels = request.intrinsics.project(posed.vertices[row]) - (request.center_px - request.side_px / 2)
            silhouette = splat_silhouette(pixels, evidence.person.shape[-1], request.side_px)
            found.append(silhouette_iou(silhouette, evidence.person[row]))
        return found

    def close(self) -> None:
        """See `engines.methods.Method.close`."""
        for engine in self._engines:
            engine.close()
