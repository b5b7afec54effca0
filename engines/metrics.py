"""Error measures of human pose, in numpy, each over the last axes so that leading axes are batches.

Points are (..., N, D). Lengths come back in the unit of the input. Sources: MPJPE and PA-MPJPE as in Ionescu et al.,
"Human3.6M", and Procrustes alignment after Umeyama (1991); PVE as in SMPL evaluations; OKS and its constants from the
COCO keypoint challenge; acceleration error as in Kanazawa et al., "Learning 3D Human Dynamics from Video" (2019).
"""

from __future__ import annotations

import numpy as np

from engines.keypoints import JOINT_NAMES

LIMB_JOINTS = tuple(
    JOINT_NAMES.index(f"{side}_{name}")
    for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in ("left", "right")
)
"""The 12 joints that datasets agree on, as indices into the body's 24."""
COCO_SIGMAS = np.repeat((0.026, 0.025, 0.035, 0.079, 0.072, 0.062, 0.107, 0.087, 0.089), (1, 2, 2, 2, 2, 2, 2, 2, 2))
"""Per COCO point, standard deviation of human annotators over the square root of the person's area."""
AREA_OF_BOX = 0.53
"""Area of a person over the area of the box, where no mask gives the area itself (COCO's convention)."""


def distances(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Euclidean distance of each pair of points: two (..., N, D) -> (..., N)."""
    predicted, truth = _same_shape(predicted, truth)
    return np.linalg.norm(predicted - truth, axis=-1)


def mpjpe(predicted: np.ndarray, truth: np.ndarray, root: tuple[int, ...] = (0,)) -> np.ndarray:
    """Mean distance of joints, (..., N, 3) -> (...), relative to the mean of the ``root`` joints (empty: as given)."""
    if root:
        at = list(root)
        predicted = predicted - predicted[..., at, :].mean(-2, keepdims=True)
        truth = truth - truth[..., at, :].mean(-2, keepdims=True)
    return distances(predicted, truth).mean(-1)


def align(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """``predicted`` moved, turned and scaled (never mirrored) onto ``truth`` with least squared error (Umeyama).

    Both (..., N, D) -> (..., N, D). Where all predicted points coincide they land on the truth's mean.
    """
    predicted, truth = _same_shape(predicted, truth)
    mean_p, mean_t = predicted.mean(-2, keepdims=True), truth.mean(-2, keepdims=True)
    p, t = predicted - mean_p, truth - mean_t
    u, singular, vt = np.linalg.svd(np.swapaxes(t, -1, -2) @ p)
    handedness = np.sign(np.linalg.det(u @ vt))
    singular[..., -1] *= handedness
    u[..., -1] *= handedness[..., None]
    spread = (p**2).sum((-2, -1))
    scale = singular.sum(-1) / np.where(spread > 0, spread, 1.0)
    return scale[..., None, None] * (p @ np.swapaxes(u @ vt, -1, -2)) + mean_t


def pa_mpjpe(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean distance of joints after Procrustes alignment, two (..., N, 3) -> (...)."""
    return distances(align(predicted, truth), truth).mean(-1)


def pve(
    vertices: np.ndarray, truth: np.ndarray, root: np.ndarray | None = None, root_truth: np.ndarray | None = None
) -> np.ndarray:
    """Per-vertex error: mean distance of vertices, (..., V, 3) -> (...), relative to the roots (..., 3) if given."""
    if (root is None) != (root_truth is None):
        raise ValueError("pve takes both roots or neither")
    if root is not None and root_truth is not None:
        vertices, truth = vertices - root[..., None, :], truth - root_truth[..., None, :]
    return distances(vertices, truth).mean(-1)


def oks(predicted: np.ndarray, truth: np.ndarray, visible: np.ndarray, box_xyxy: np.ndarray) -> np.ndarray:
    """Object keypoint similarity, 0..1: two (..., 17, 2) pixels, visible (..., 17) bool, box (..., 4) -> (...).

    Only visible points count; NaN where none is.
    """
    extent = np.maximum(box_xyxy[..., 2:] - box_xyxy[..., :2], 0).astype(np.float64)
    area = np.maximum(AREA_OF_BOX * extent.prod(-1), np.spacing(1.0))
    error = distances(predicted, truth) ** 2 / (2 * area[..., None] * (2 * COCO_SIGMAS) ** 2)
    return _masked_mean(np.exp(-error), visible)


def pck(predicted: np.ndarray, truth: np.ndarray, visible: np.ndarray, reach: np.ndarray | float) -> np.ndarray:
    """Share of visible points within ``reach`` (a number or (...)) of the truth: (..., N, D) -> (...); NaN for none."""
    within = distances(predicted, truth) <= np.asarray(reach, np.float64)[..., None]
    return _masked_mean(within.astype(np.float64), visible)


def acceleration_error(predicted: np.ndarray, truth: np.ndarray, fps: float) -> np.ndarray:
    """Mean distance of accelerations over a motion of T frames: two (T, ..., N, D) -> (...), unit / s^2.

    Central second differences, hence T >= 3.
    """
    if len(predicted) < 3:
        raise ValueError(f"the motion has {len(predicted)} frames, an acceleration needs at least 3")
    if not fps > 0:
        raise ValueError(f"fps is {fps}, it must be positive")
    predicted, truth = _same_shape(predicted, truth)
    difference = np.diff(predicted - truth, n=2, axis=0) * fps**2
    return np.linalg.norm(difference, axis=-1).mean(-1).mean(0)


def jitter(positions: np.ndarray, fps: float) -> np.ndarray:
    """Mean length of the third derivative of a motion, (T, ..., N, D) -> (...), unit / s^3; needs no truth, T >= 4."""
    if len(positions) < 4:
        raise ValueError(f"the motion has {len(positions)} frames, a jerk needs at least 4")
    return np.linalg.norm(np.diff(positions.astype(np.float64), n=3, axis=0) * fps**3, axis=-1).mean(-1).mean(0)


def _same_shape(predicted: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if predicted.shape != truth.shape:
        raise ValueError(f"predicted has shape {predicted.shape} and truth {truth.shape}, they must be equal")
    return predicted.astype(np.float64), truth.astype(np.float64)


def _masked_mean(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    count = mask.sum(-1)
    return np.where(count > 0, (values * mask).sum(-1) / np.maximum(count, 1), np.nan)
