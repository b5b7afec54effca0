"""Opening networks that read points, and laying their bodies on those points: what all lifters share."""

from __future__ import annotations

import numpy as np

from engines.body import BodyModel
from engines.camera import Intrinsics
from engines.fitting.consistency import Consistency
from engines.fitting.image_evidence import ImageEvidence
from engines.methods.bodies import Bodies
from engines.runtime import Engine, load_engine
from engines.runtime.engine import Precision, Runtime


def open_point_network(name: str, preset: str, runtime: Runtime, precision: Precision) -> Engine:
    """A shipped network. Kilobytes of points in, rotations out: int8 would save nothing, "auto" means float32. Nor
    would a second thread, which takes a core from others (1.34 ms a body of `bilayer` on one, 1.49 on two).

    Raises EngineError where it cannot run here.
    """
    from engines.methods import WEIGHTS

    exact: Precision = "f32" if precision in ("auto", "int8") else precision
    return load_engine(WEIGHTS / f"{name}-{preset}.onnx", runtime, exact, 1)


def pulled(
    pose: np.ndarray,
    betas: np.ndarray,
    translation: np.ndarray,
    consistency: Consistency | None,
    body: BodyModel,
    points_px: np.ndarray,
    depth_m: np.ndarray | None,
    intrinsics: list[Intrinsics],
    centers_px: np.ndarray,
) -> Bodies:
    """Bodies laid on the points (B, 41, 3) of their crops, see `engines.fitting.consistency`; None leaves them."""
    if consistency is not None:
        seen = ImageEvidence.of(points_px, depth_m, intrinsics, centers_px, consistency.pull.noise.confidence_power)
        pose, translation = consistency.pull_to_points(pose, betas, translation, seen)
    return Bodies.of(body, pose, betas, translation)
