"""Figures of a method's bodies: on rendered people whose truth is known, and against the masks of photographs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np
from scipy.stats import spearmanr

from engines.body import BodyModel
from engines.body.rotations import rotation_matrices
from engines.camera import Intrinsics
from engines.estimate import BodyEstimate
from engines.keypoints import JOINT_NAMES
from engines.methods import CropRequest, Method
from engines.metrics import mpjpe, pa_mpjpe, pve
from engines.training.evaluate.figure import Figure
from engines.training.evaluate.sheets import WorstCase
from engines.training.evaluate.synthetic import BATCH, MIN_VISIBLE, VERTEX_LEVEL, accuracy, request_of
from engines.training.factory.shards import SynthShard
from engines.training.photos.person_crops import STORED_MARGIN, STORED_SIZE_PX, PersonCrops
from engines.training.synthetic_source import SyntheticSource
from kernels.silhouette import splat_silhouette

PHOTO_FOV_DEG = 28.0
"""Opening of a stored photograph crop: people fill about half of photographs taken at 55 degrees."""


def estimate_in_batches(method: Method, requests: Iterable[CropRequest]) -> list[BodyEstimate]:
    """In order; requests are drawn a batch at a time."""
    remaining = iter(requests)
    batches = iter(lambda: list(islice(remaining, BATCH)), [])
    return [estimate for batch in batches for estimate in method.estimate(batch, {})]


@dataclass(frozen=True, slots=True)
class BodyErrors:
    """Per rendered person, millimetres."""

    pa_mpjpe: np.ndarray
    mpjpe: np.ndarray
    pve: np.ndarray
    counted: np.ndarray
    """(N,) bool: most of their joints are in the picture."""


def body_errors(estimates: list[BodyEstimate], source: SyntheticSource, body: BodyModel) -> BodyErrors:
    """Of one estimate per sample, in order."""
    rows = [source.at(index) for index in range(len(estimates))]
    truth = {n: np.stack([getattr(s, n)[r] for s, r in rows]) for n in ("joints_cam", "pose", "betas", "points")}
    joints = np.stack([e.joints for e in estimates])
    zero = np.zeros((len(estimates), 3), np.float32)
    pose, betas = np.stack([e.pose for e in estimates]), np.stack([e.betas for e in estimates])
    mesh = body.forward(pose, betas, zero, VERTEX_LEVEL).vertices
    true_mesh = body.forward(truth["pose"], truth["betas"], zero, VERTEX_LEVEL).vertices
    return BodyErrors(
        1000 * pa_mpjpe(joints, truth["joints_cam"]),
        1000 * mpjpe(joints, truth["joints_cam"]),
        1000 * pve(mesh, true_mesh),
        (truth["points"][:, 17:, 2] > 0).sum(1) >= MIN_VISIBLE,
    )


def pose_kinds(pose: np.ndarray) -> dict[str, np.ndarray]:
    """(N, 24, 3) true poses -> kind -> (N,) bool. Facing and lean are of the pelvis, bent of hips and knees."""
    turns = rotation_matrices(pose)
    forward, up = turns[:, 0, :, 2], turns[:, 0, :, 1]
    thighs = [JOINT_NAMES.index(f"{side}_hip") for side in ("left", "right")]
    raised = [JOINT_NAMES.index(f"{side}_shoulder") for side in ("left", "right")]
    flexed = (turns[:, thighs, 1, 1] < 0.6).all(1)
    arms_up = (turns[:, raised][:, :, 1, 1] > 0.9).any(1)
    lying = up[:, 1] > -0.6
    return {
        "from the front": (forward[:, 2] < -0.5) & ~lying,
        "from the side": (np.abs(forward[:, 2]) <= 0.5) & ~lying,
        "from behind": (forward[:, 2] > 0.5) & ~lying,
        "lying or bent over": lying,
        "sitting or crouching": flexed & ~lying,
        "an arm level or raised": arms_up & ~lying,
    }


def synthetic_figures(
    method: Method, source: SyntheticSource, body: BodyModel, limit: int | None
) -> tuple[list[Figure], list[WorstCase]]:
    """Errors, their dependence on pose and occlusion, and whether the quality ranks them."""
    count = min(len(source), limit or len(source))
    estimates = estimate_in_batches(method, (request_of(source, index) for index in range(count)))
    section = "rendered people"
    units = {"people": ""}
    figures = [
        Figure(section, name, value, units.get(name, "mm")) for name, value in accuracy(estimates, source, body).items()
    ]
    errors = body_errors(estimates, source, body)
    rows = [source.at(index) for index in range(count)]
    seen = np.array([(s.points[r, 17:, 2] == 1).mean() for s, r in rows])
    groups = {
        "three quarters of the joints visible": seen >= 0.75,
        "half to three quarters": (seen >= 0.5) & (seen < 0.75),
        "less than half": seen < 0.5,
    } | pose_kinds(np.stack([s.pose[r] for s, r in rows]))
    for name, chosen in groups.items():
        chosen = chosen & errors.counted
        if chosen.any():
            words = f"PA-MPJPE 24, {name} ({chosen.sum()})"
            figures.append(Figure(section, words, float(errors.pa_mpjpe[chosen].mean()), "mm"))
    joints = np.stack([e.joints - e.joints[:1] for e in estimates])
    true = np.stack([s.joints_cam[r] - s.joints_cam[r][:1] for s, r in rows])
    per_joint = 1000 * np.linalg.norm(joints - true, axis=-1)[errors.counted].mean(0)
    figures += [
        Figure(section, f"MPJPE {name}", float(e), "mm") for name, e in zip(JOINT_NAMES, per_joint, strict=True)
    ]
    for kind in ("quality", "silhouette_iou", "score"):
        value = np.array([getattr(e, kind) for e in estimates])
        use = errors.counted & np.isfinite(value)
        for name in ("pa_mpjpe", "mpjpe", "pve"):
            rank = -spearmanr(value[use], getattr(errors, name)[use]).statistic if use.sum() > 2 else float("nan")
            figures.append(
                Figure("ranking (Spearman)", f"{kind} against {name.upper().replace('_', '-')}", float(rank))
            )
    order = np.argsort(np.where(errors.counted, -errors.pa_mpjpe, 0))[:12]
    return figures, [_synthetic_case(estimates[i], rows[i], float(errors.pa_mpjpe[i])) for i in order]


def _synthetic_case(estimate: BodyEstimate, at: tuple[SynthShard, int], error_mm: float) -> WorstCase:
    shard, row = at
    fx, fy, cx, cy = (float(v) for v in shard.K[row])
    found = Intrinsics(fx=fx, fy=fy, cx=cx, cy=cy).project(estimate.joints)
    return WorstCase(
        shard.image(row), np.column_stack([found, np.ones(len(found))]), np.array(shard.points[row, 17:]),
        f"PA-MPJPE {error_mm:.0f} mm, quality {estimate.quality:.2f}",
    )  # fmt: skip


def silhouette_figures(method: Method, crops: PersonCrops, body: BodyModel) -> list[Figure]:
    """Mean IoU of the bodies' outlines with the photographs' masks, where the mask is known, per kind of label."""
    masked = np.flatnonzero((np.asarray(crops.masks) == 1).any((1, 2)))
    camera = Intrinsics.from_fov(STORED_SIZE_PX, STORED_SIZE_PX, PHOTO_FOV_DEG)
    requests = [
        CropRequest(
            image=np.asarray(crops.images[row]),
            center_px=np.full(2, STORED_SIZE_PX / 2),
            side_px=STORED_SIZE_PX / STORED_MARGIN,
            intrinsics=camera,
        )
        for row in masked
    ]
    estimates = estimate_in_batches(method, requests)
    ious = []
    for row, estimate in zip(masked, estimates, strict=True):
        posed = body.forward(estimate.pose, estimate.betas, estimate.translation, VERTEX_LEVEL)
        mask = np.asarray(crops.masks[row])
        outline = splat_silhouette(camera.project(posed.vertices[0]), mask.shape[0], STORED_SIZE_PX)
        known = mask != 255
        union = ((mask == 1) | outline)[known].sum()
        ious.append(((mask == 1) & outline)[known].sum() / max(int(union), 1))
    found = np.array(ious)
    human = np.asarray(crops.human)[masked]
    return [
        Figure("outlines on masks", f"IoU, {name} ({chosen.sum()})", float(found[chosen].mean()))
        for name, chosen in (("coco_people", human), ("people", ~human))
        if chosen.any()
    ]
