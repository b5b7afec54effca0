"""What all methods share: crops, the trunk, a lifter of their own, and the agreement with the segmentation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from engines.body import BodyModel
from engines.estimate import BodyEstimate, Sighting
from engines.keypoints import NUM_COCO
from engines.methods.bodies import OUTLINE_LEVEL, Bodies
from engines.methods.evidence import PRESENCE, CropRequest, Evidence, EvidenceReader, TrunkReader, averaged
from engines.methods.expected_error import shipped_expectation
from engines.methods.face_looks import face_squares, with_faces
from engines.methods.facing import Facing
from engines.methods.last_places import LastPlaces
from engines.methods.look import Look
from engines.methods.presence import Presence, doubt
from engines.methods.quality import body_quality
from engines.methods.span import span
from engines.runtime import Engine, load_engine
from engines.runtime.engine import Precision, Runtime
from kernels.decode_heatmaps import MASS_RADIUS, decode_heatmaps
from kernels.silhouette import silhouette_iou, splat_silhouette

SCORED_POINTS = 12
"""The score is the mean confidence of so many best landmarks: half a body in view is a body."""
MASS_ALONE = "mass_alone"
"""Among `Evidence.outputs`: (B, 41) mass of the peaks before `LastPlaces`."""
SPREAD = 0.4
"""Power from the mass of a peak to a published confidence."""


class Lifter(Protocol):
    """From what the trunk sees to bodies: where the methods differ."""

    engines: Sequence[Engine]
    """Its networks beside the trunk; may be empty."""

    def __call__(self, evidence: Evidence, requests: list[CropRequest]) -> Bodies:
        """One body per request, in their order; there is at least one."""


def published_confidence(mass: np.ndarray) -> np.ndarray:
    """Mass in a heatmap's peak -> confidence 0..1 on the scale of other keypoint networks.

    A perfect heatmap of the training targets has mass 0.8 in the window; the power spreads out the small values, where
    most of the hard points lie. With crops of 256 px it gives the same people the same scores (a tenth of them below
    0.64, half below 0.86) as the square root did with 192 px, whose cells are larger; limits on scores rest on that.
    """
    return np.minimum(mass / 0.8, 1.0) ** SPREAD


def peak_mass(confidence: np.ndarray) -> np.ndarray:
    """The other way round: confidences of other keypoint networks as lifters know them."""
    return 0.8 * np.power(confidence, 1 / SPREAD)


def load_trunk(
    preset: str, runtime: Runtime, precision: Precision, threads: int, *, mirror: bool | None
) -> TrunkReader:
    """The trunk, ready for one crop at a time and for several; ``mirror`` as in `TrunkReader`."""
    from engines.methods import WEIGHTS

    engine = load_engine(WEIGHTS / f"trunk-{preset}.onnx", runtime, precision, threads, side_by_side=True)
    return TrunkReader(engine, mirror=mirror, presence=learned_presence(preset))


def learned_presence(preset: str) -> Presence | None:
    """What doubts newcomers by the trunk's features; None where none was fitted to it."""
    from engines.methods import WEIGHTS

    learned = WEIGHTS / f"presence-{preset}.npz"
    return Presence.load(learned) if learned.is_file() else None


class TrunkMethod:
    """A trunk, or what stands in for it, and a lifter as a `engines.methods.Method`; owns their engines."""

    def __init__(self, trunk: EvidenceReader, lifter: Lifter, body: BodyModel) -> None:
        self._body = body
        self._engines = (trunk.engine, *lifter.engines)
        self._trunk = trunk
        self._lifter = lifter
        self._facing = Facing()
        self._last_places = LastPlaces()
        self.weights = {engine.describe().model: engine.describe().sha256 for engine in self._engines}

    def estimate(self, requests: list[CropRequest], spans_ms: dict[str, float]) -> list[BodyEstimate]:
        """See `engines.methods.Method.estimate`."""
        look = self.look(requests, [-math.inf] * len(requests), spans_ms)
        bodies = self.lift(look, range(len(requests)), spans_ms)
        self.remember(requests, bodies)
        return bodies

    def look(self, requests: list[CropRequest], least_scores: Sequence[float], spans_ms: dict[str, float]) -> Look:
        """See `engines.methods.Method.look`."""
        if not requests:
            return Look(requests=requests, seen=[])
        evidence = self._see(requests, spans_ms)
        seen = self._sightings(evidence, requests)
        rows = _sure(seen, least_scores)
        # Where nobody is, nobody claims limbs; and who scores too little alone scores no more beside others.
        evidence, sure = evidence.of(rows), [requests[row] for row in rows]
        with span(spans_ms, "decode_points"):
            settled = self._trunk.part(evidence, sure)
        settled = self._closely(settled, sure, spans_ms)
        if settled is not evidence:
            evidence = settled
            for row, own in zip(rows, self._sightings(evidence, sure), strict=True):
                seen[row] = own
        self._last_places.keep(requests, seen)
        return Look(requests=requests, seen=seen, evidence=evidence, rows=rows)

    def lift(self, look: Look, rows: Sequence[int], spans_ms: dict[str, float]) -> list[BodyEstimate]:
        """See `engines.methods.Method.lift`."""
        if not rows or look.evidence is None:
            return []
        requests = [look.requests[row] for row in rows]
        evidence = look.evidence.of([look.rows.index(row) for row in rows])
        with span(spans_ms, "lift"):
            bodies = self._lifter(evidence, requests)
        with span(spans_ms, "quality"):
            ious = self._silhouette_ious(bodies, evidence, requests)
            return to_estimates(bodies, [look.seen[row] for row in rows], ious, requests)

    def remember(self, requests: Sequence[CropRequest], bodies: Sequence[BodyEstimate]) -> None:
        """See `engines.methods.Method.remember`."""
        self._facing.place(requests, bodies)

    def _see(self, requests: list[CropRequest], spans_ms: dict[str, float]) -> Evidence:
        with span(spans_ms, "crop"):
            crops = self._trunk.crops(requests)
        with span(spans_ms, "trunk"):
            outputs = self._trunk.infer(crops, closely=any(request.alone for request in requests))
        with span(spans_ms, "decode_points"):
            if "heatmaps" in outputs:
                faced = self._facing.settle(outputs["heatmaps"], requests)
                settled = self._last_places.settle(faced, requests)
                outputs = outputs | {"heatmaps": settled}
                if settled is not faced:
                    outputs[MASS_ALONE] = decode_heatmaps(faced, 1.0, MASS_RADIUS)[..., 2]
            return self._trunk.read(outputs, crops, requests)

    @staticmethod
    def _sightings(evidence: Evidence, requests: Sequence[CropRequest]) -> list[Sighting]:
        alone, presence = evidence.outputs.get(MASS_ALONE), evidence.outputs.get(PRESENCE)
        fresh = alone if alone is None else np.minimum(alone, evidence.points_px[..., 2])
        return sightings(evidence.points_px, fresh, doubt(presence, [request.doubted for request in requests]))

    def _closely(self, evidence: Evidence, requests: list[CropRequest], spans_ms: dict[str, float]) -> Evidence:
        """With the looks at other `CropRequest.scales`, and closer ones at faces; maps stay those of the first."""
        scales = sorted({scale for request in requests for scale in request.scales})
        if not scales:
            return evidence
        looks = [[look] for look in zip(evidence.points_px, evidence.depth_m, strict=True)]
        for scale in scales:
            rows = [row for row, request in enumerate(requests) if scale in request.scales]
            wider = [replace(requests[row], side_px=requests[row].side_px * scale) for row in rows]
            more = self._trunk.part(self._see(wider, spans_ms), wider)
            for row, points, depths in zip(rows, more.points_px, more.depth_m, strict=True):
                looks[row].append((points, depths))
        points_px, depth_m = (np.stack(values) for values in zip(*map(averaged, looks), strict=True))
        faces = [
            face_squares(points, one) if one.scales else [] for points, one in zip(points_px, requests, strict=True)
        ]
        if any(faces):
            closer = iter(self._see([square for own in faces for square in own], spans_ms).points_px)
            for row, own in enumerate(faces):
                if own:
                    points_px[row] = with_faces(points_px[row], [next(closer) for _ in own])
        return replace(evidence, points_px=points_px, depth_m=depth_m)

    def _silhouette_ious(self, bodies: Bodies, evidence: Evidence, requests: list[CropRequest]) -> np.ndarray:
        """(B,) of the bodies' outlines with the segmentation; NaN without one."""
        ious = np.full(len(requests), np.nan)
        if evidence.person is None:
            return ious
        vertices = bodies.vertices
        if vertices is None:
            vertices = self._body.forward(bodies.pose, bodies.betas, bodies.translation, OUTLINE_LEVEL).vertices
        for row, request in enumerate(requests):
            pixels = request.intrinsics.project(vertices[row]) - (request.center_px - request.side_px / 2)
            silhouette = splat_silhouette(pixels, evidence.person.shape[-1], request.side_px)
            ious[row] = silhouette_iou(silhouette, evidence.person[row])
        return ious

    def close(self) -> None:
        """See `engines.methods.Method.close`."""
        for engine in self._engines:
            engine.close()


def sightings(
    points_px: np.ndarray, fresh: np.ndarray | None = None, presence: np.ndarray | None = None
) -> list[Sighting]:
    """What is published of points (B, 41, 3) with the mass of their peaks, whether or not bodies are made of them;
    ``fresh`` (B, 41): the masses that count for the score, where they are others; ``presence`` (B,): what the scores
    are multiplied by."""
    points = points_px.copy()
    points[..., 2] = published_confidence(points[..., 2])
    scored = points[..., 2] if fresh is None else published_confidence(fresh)
    best = np.sort(scored[:, :NUM_COCO], axis=1)[:, -SCORED_POINTS:].mean(1)
    if presence is not None:
        best = best * presence
    return [Sighting(points_px=own, score=score) for own, score in zip(points, best.tolist(), strict=True)]


def _sure(seen: list[Sighting], least_scores: Sequence[float]) -> list[int]:
    """The rows that score enough; those whose score is no number stay."""
    return [row for row, (one, least) in enumerate(zip(seen, least_scores, strict=True)) if not one.score < least]


def to_estimates(
    bodies: Bodies, seen: list[Sighting], ious: np.ndarray, requests: list[CropRequest]
) -> list[BodyEstimate]:
    """What is published of bodies, what was seen of them, and silhouette IoUs (B,)."""
    points = np.stack([one.points_px for one in seen])
    joints_px = np.stack([r.intrinsics.project(joints) for r, joints in zip(requests, bodies.joints, strict=True)])
    sides = np.array([request.side_px for request in requests])
    expected_m = shipped_expectation()(bodies.pose, points[..., 2])
    qualities = body_quality(ious, joints_px, points[:, NUM_COCO:], sides, expected_m)
    return [
        BodyEstimate(
            pose=bodies.pose[row],
            betas=bodies.betas[row],
            translation=bodies.translation[row],
            joints=bodies.joints[row],
            points_px=seen[row].points_px,
            score=seen[row].score,
            quality=float(qualities[row]),
            silhouette_iou=float(ious[row]),
            surface=bodies.surfaces[row] if bodies.surfaces else None,
        )
        for row in range(len(requests))
    ]
