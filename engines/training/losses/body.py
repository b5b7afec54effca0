"""Losses between a predicted and a true body in the virtual camera of a crop."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engines.keypoints import JOINT_NAMES, NUM_COCO
from engines.networks.bilayer import BodyPrediction, project
from engines.networks.bilayer.kinematics import Kinematics
from engines.training.geometry import GeometryBatch
from engines.training.losses.focal import focal_vertex_loss

_LIMBS = torch.tensor(
    [
        1.5 if n.endswith(("wrist", "ankle", "elbow", "knee")) else 0.5 if "hand" in n or "spine" in n else 1.0
        for n in JOINT_NAMES
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LossWeights:
    """Lengths are in metres, rotations in matrix entries, image errors in crop units."""

    joints: float = 10.0
    landmarks: float = 5.0
    vertices: float = 5.0
    focal: float = 0.5
    turns: float = 1.0
    """Global rotations of the joints."""
    rotations: float = 1.0
    betas: float = 0.03
    camera: float = 0.5
    image: float = 1.0
    aligned: float = 5.0
    """Joints after the best scale: the part of the error that the unknown size of a person does not explain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Targets of a batch; see `engines.training.geometry.GeometryBatch`."""

    rotations: Tensor
    betas: Tensor
    translation: Tensor
    image: Tensor
    half_tan: Tensor


def truth_of(batch: GeometryBatch) -> Truth:
    """The targets of a drawn batch."""
    names = ("rotations", "betas", "translation", "image", "half_tan")
    return Truth(**{name: getattr(batch, name) for name in names})


def body_losses(
    predictions: list[BodyPrediction], truth: Truth, body: Kinematics, weights: LossWeights, pick: slice
) -> tuple[Tensor, dict[str, float]]:
    """Sum over the estimates, later ones weighing more, and the last one's terms for the log.

    `pick` chooses the coarse vertices that are compared this time; float32 throughout.
    """
    betas = truth.betas
    with torch.no_grad():
        turns, joints = body.chain(truth.rotations, betas)
        landmarks = body.landmarks(turns, joints, betas)
        vertices = body.coarse(turns, joints, betas, pick)
        scale = truth.translation[:, 2:] * truth.half_tan
        camera = torch.cat((scale.log(), truth.translation[:, :2] / scale), 1)
        visible = (truth.image.abs() < 2).float()
    total = torch.zeros(())
    terms: dict[str, Tensor] = {}
    for step, guess in enumerate(predictions):
        turns_, joints_, landmarks_ = guess.turns, guess.joints, guess.landmarks
        gap = (joints_ - joints).abs().mean(-1)
        size = (joints * joints_).sum((1, 2)) / joints_.square().sum((1, 2))
        image = project(torch.cat((landmarks_, joints_), 1), guess.camera, truth.half_tan)
        terms = {
            "joints": (gap * _LIMBS).mean(),
            "aligned": ((size[:, None, None] * joints_ - joints).abs().mean(-1) * _LIMBS).mean(),
            "landmarks": (landmarks_ - landmarks).abs().mean(),
            "turns": (turns_ - turns)[:, :22].square().mean(),
            "rotations": (guess.rotations - truth.rotations)[:, :22].square().mean(),
            "betas": (guess.betas - betas).square().mean(),
            "camera": (guess.camera - camera).abs().mean(),
            "image": ((image - truth.image).abs() * visible).mean(),
        }
        if step == len(predictions) - 1:
            own = body.coarse(turns_, joints_, guess.betas, pick)
            gap = (own - vertices).abs()
            terms["vertices"] = gap.mean()
            terms["focal"] = focal_vertex_loss((own - vertices).square().sum(-1).add(1e-8).sqrt())
        if guess.vertices is not None:
            # The mesh branch's own vertices, and the joints they carry (mesh-to-joint loss).
            free = guess.vertices[:, pick]
            terms["vertices"] = terms.get("vertices", 0) + (free - vertices).abs().mean()
        loss = sum((getattr(weights, name) * term for name, term in terms.items()), torch.zeros(()))
        total = total + loss * (1.0 if step == len(predictions) - 1 else 0.5)
    return total, {name: float(term.detach()) for name, term in terms.items()} | {
        "spread": float(visible[:, :NUM_COCO].mean())
    }
