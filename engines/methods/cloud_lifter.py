"""From 41 image points through clean 3D points to a body: what `smplr` and `ordinal` share.

Two networks one after the other: points -> cloud (the methods differ here) -> rotations and shape.
"""

from __future__ import annotations

import numpy as np

from engines.body import BodyModel
from engines.fitting.consistency import Consistency
from engines.methods.bilayer import finish, prepare
from engines.methods.bodies import Bodies
from engines.methods.evidence import CropRequest, Evidence
from engines.methods.point_networks import open_point_network, pulled
from engines.runtime import Engine
from engines.runtime.engine import Precision, Runtime


def weak_perspective(points: np.ndarray, image: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(B, 3): log of metres per crop unit, and the pelvis' x, y in crop units, by which points lie on their image.

    points (B, P, 3) metres relative to the pelvis; image (B, P, 2) crop units; weights (B, P) >= 0. Sizes are compared
    by weighted spreads; a body of which nothing is seen gets the size of a person that fills the crop.
    """
    weights = weights[..., None] / (weights.sum(1)[:, None, None] + 1e-6)
    middle, there = ((values * weights).sum(1) for values in (points[..., :2], image))
    spread = [
        np.sqrt((((values - centre[:, None]) ** 2) * weights).sum((1, 2)))
        for values, centre in ((points[..., :2], middle), (image, there))
    ]
    scale = np.where((spread[0] > 1e-3) & (spread[1] > 1e-3), spread[0] / np.maximum(spread[1], 1e-3), 1.0)
    place = there - middle / scale[:, None]
    return np.concatenate((np.log(scale)[:, None], place), 1).astype(np.float32)


class CloudLifter:
    """See `engines.methods.trunk_method.Lifter`.

    ``consistency``: pulls the networks' bodies onto the points; None leaves them as they are.
    """

    def __init__(
        self, points: Engine, regressors: Engine, body: BodyModel, consistency: Consistency | None = None
    ) -> None:
        self.engines = (points, regressors)
        self._body, self._consistency = body, consistency

    def __call__(self, evidence: Evidence, requests: list[CropRequest]) -> Bodies:
        """See `engines.methods.trunk_method.Lifter`."""
        intrinsics = [request.intrinsics for request in requests]
        centers_px = np.stack([request.center_px for request in requests])
        sides_px = np.array([request.side_px for request in requests])
        prepared = prepare(evidence.points_px, evidence.depth_m, intrinsics, centers_px, sides_px)
        points, regressors = self.engines
        cloud = points({spec.name: prepared.inputs[spec.name] for spec in points.inputs})["cloud"]
        outputs = dict(regressors({"cloud": cloud}))
        seen = prepared.inputs["points"]
        # Squared confidences, as in the placement that starts from this guess.
        own = np.concatenate((outputs["landmarks"], outputs["joints"]), 1)
        outputs["placement"] = weak_perspective(own, seen[..., :2], seen[..., 2] ** 2)
        found = finish(outputs, prepared)
        return pulled(
            *found, self._consistency, self._body, evidence.points_px, evidence.depth_m, intrinsics, centers_px
        )


def open_cloud_lifter(
    network: str,
    body: BodyModel,
    *,
    runtime: Runtime,
    precision: Precision,
    preset: str,
    threads: int,
    consistent: bool = True,
) -> CloudLifter:
    """The shipped networks; ``consistent``: their bodies are pulled onto the points. Raises EngineError where a network
    cannot run here."""
    first, second = (open_point_network(name, preset, runtime, precision) for name in (network, "regressors"))
    return CloudLifter(first, second, body, Consistency(body) if consistent else None)
