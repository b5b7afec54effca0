"""What a 2D network does to points: heavy-tailed noise, missing limbs, swapped sides, strangers, odd definitions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engines.fitting.image_evidence import PELVIS
from engines.keypoints import COCO_NAMES, JOINT_NAMES, NUM_COCO, POINT_MIRROR, POINT_NAMES

_BODY_OF_LIMB = {
    "left_arm": ("left_elbow", "left_wrist", "left_hand"),
    "right_arm": ("right_elbow", "right_wrist", "right_hand"),
    "left_leg": ("left_knee", "left_ankle", "left_foot"),
    "right_leg": ("right_knee", "right_ankle", "right_foot"),
}


def _chain(names: tuple[str, ...]) -> list[list[int]]:
    """Point indices of a limb, from the middle joint outwards; each step holds the landmark and the joint."""
    return [[i for i, p in enumerate(POINT_NAMES) if p.removeprefix("joint_") == name] for name in names]


LIMBS = [_chain(names) for names in _BODY_OF_LIMB.values()]
_HEAD = [
    i
    for i, p in enumerate(POINT_NAMES)
    if p.removeprefix("joint_") in ("nose", "left_eye", "right_eye", "left_ear", "right_ear", "head")
]

COMPANION = tuple(
    COCO_NAMES.index(name)
    if name in COCO_NAMES
    else {"head": 0, "neck": 0, "left_foot": 15, "right_foot": 16, "left_hand": 9, "right_hand": 10}.get(name, -1)
    for name in JOINT_NAMES
)
"""For each of the 24 joints the landmark whose error it shares, or -1."""

METRES_TALL = 1.6
"""What the long side of the points' box stands for."""

_SHARE = torch.tensor([0.0 if c < 0 else 0.75 for c in COMPANION])
_HARD = torch.tensor(
    [
        1.6 if p.endswith(("wrist", "ankle", "hand", "foot")) else 1.2 if p.endswith(("elbow", "knee")) else 1.0
        for p in POINT_NAMES
    ]
)
_TORSO = torch.tensor([0.02 if p.endswith(("hip", "shoulder")) else 0.012 for p in COCO_NAMES])


@dataclass(frozen=True, slots=True, kw_only=True)
class Corruption:
    """Noise model. Lengths are fractions of the person's box; probabilities per sample unless said otherwise."""

    sigma: tuple[float, float] = (0.005, 0.07)
    """Each sample draws its noise level log-uniformly from here."""
    unevenness: float = 0.8
    """Standard deviation of the logarithm of a point's noise within a sample."""
    heatmap_like: float = 0.6
    """Confidence falls as the mass in a heatmap's peak does, else linearly and at a slope of its own per sample."""
    definition: float = 1.0
    """Scale of the constant offsets between what annotators and what the body model calls a hip or an ear."""
    drop_limb: float = 0.08
    """Per limb."""
    drop_point: float = 0.03
    """Per point."""
    swap: float = 0.05
    outlier: float = 0.03
    """Per point."""
    drop_joints: float = 0.35
    """The 24 joints are missing altogether: points come from a COCO front end."""
    drop_depth: float = 0.5
    depth_shares: tuple[float, float] = (0.55, 0.33)
    """How much of the relief a soft-argmax shows, mean and spread over samples; below zero: backs taken for fronts."""
    depth_turn: tuple[float, float] = (0.27, 0.2)
    """Metres by which depths are off per metre across and down the picture, spread over samples: a network misjudges
    how a body is turned and how it leans, all of its points together."""
    keep_lost: float = 0.25
    """A point outside the picture is guessed nevertheless, badly."""
    certain: float = 0.15
    """Confidences are all one: hand-made or uncalibrated points."""


def corrupt(image: Tensor, depth: Tensor, lost: Tensor, options: Corruption, generator: torch.Generator) -> Tensor:
    """True points -> observed points.

    image (B, 41, 2) crop units, depth (B, 41) metres relative to the pelvis, lost (B, 41) bool: not in the picture.
    Returns (B, 41, 5): x, y, confidence, depth, depth known; all zero where a point is missing.
    """
    count, number = depth.shape

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    def heavy(*shape: int) -> Tensor:
        # Student's t with about three degrees of freedom, cut at six scales.
        return (normal(*shape) / (normal(*shape[:-1], 3).square().mean(-1, keepdim=True) + 0.05).sqrt()).clamp(-6, 6)

    box = (image.amax(1) - image.amin(1)).amax(-1).clamp(0.3, 3.0)[:, None, None]
    low, high = options.sigma
    sigma = low * (high / low) ** uniform(count, 1)
    level = (sigma * (options.unevenness * normal(count, number)).exp() * _HARD).clamp_max(0.25)
    joints_level = level[:, NUM_COCO:].clone()
    error = heavy(count, number, 2) * level[..., None]
    stranger = uniform(count, number) < options.outlier
    error = torch.where(stranger[..., None], (uniform(count, number, 2) - 0.5) * uniform(count, number, 1), error)
    share = _SHARE[:, None]
    companion = [max(c, 0) for c in COMPANION]
    # A joint and its landmark are read from the same pixels: they fail together.
    error[:, NUM_COCO:] = share * error[:, companion] + (1 - share) * error[:, NUM_COCO:] * 1.3
    level[:, NUM_COCO:] = share[:, 0] * level[:, companion] + (1 - share[:, 0]) * joints_level
    stranger[:, NUM_COCO:] |= (_SHARE > 0) & stranger[:, companion]
    error[:, :NUM_COCO] += normal(count, NUM_COCO, 2) * (_TORSO * options.definition)[:, None] * uniform(count, 1, 1)
    observed = image + error * box

    # Measured on a trunk: peaks of mass 0.7, 0.4 and 0.1 are 2.5, 6 and 20 % of the box off in the median.
    peak = 1 / (1 + (level / 0.035) ** 1.3) * (0.25 * normal(count, number)).exp()
    # Networks differ in what they call sure: the same order, another scale for every sample.
    linear = (1.0 - level / 0.12 + 0.12 * normal(count, number)).clamp(0.05, 1.0)
    linear = linear ** (uniform(count, 1) * 2 - 0.7).exp()
    confidence = torch.where(uniform(count, 1) < options.heatmap_like, peak, linear)
    confidence = torch.where(stranger, confidence * uniform(count, number), confidence)
    guessed = lost & (uniform(count, number) < options.keep_lost) & (uniform(count, 1) < 0.6)
    observed = torch.where(guessed[..., None], observed.clamp(-1, 1) + 0.15 * normal(count, number, 2), observed)
    confidence = torch.where(guessed, uniform(count, number) * 0.4, confidence)

    known = ~lost | guessed
    known &= uniform(count, number) >= options.drop_point
    for limb in LIMBS:
        gone = uniform(count) < options.drop_limb
        start = (uniform(count) * 2.5).long()
        vague = uniform(count) < 0.4
        for step, points in enumerate(limb):
            hit = (gone & (step >= start))[:, None]
            known[:, points] &= ~hit | vague[:, None]
            # Occluded, yet guessed: far off and, mostly, known to be unsure.
            off = hit & vague[:, None]
            observed[:, points] += off[..., None] * 0.08 * box * normal(count, 1, 2)
            confidence[:, points] = torch.where(off, uniform(count, len(points)) * 0.5, confidence[:, points])
    known[:, _HEAD] &= uniform(count, 1) >= 0.03

    for limbs in ((0, 1), (2, 3)):
        pair = [i for limb in limbs for step in LIMBS[limb] for i in step]
        hit = (uniform(count) < options.swap / 2) | (uniform(count) < options.swap / 4)
        index = torch.arange(number).repeat(count, 1)
        index[:, pair] = torch.where(hit[:, None], torch.tensor(POINT_MIRROR)[pair], torch.tensor(pair))
        observed = observed.gather(1, index[..., None].expand(-1, -1, 2))
        confidence = confidence.gather(1, index)
        known = known.gather(1, index)

    known[:, NUM_COCO:] &= uniform(count, 1) >= options.drop_joints
    confidence = confidence.clamp(0.05, 1.0)
    confidence = torch.where(uniform(count, 1) < options.certain, torch.ones_like(confidence), confidence)

    # Measured on a trunk's rendered people: what is left beside share, turn and lean is 3 to 8 cm.
    mean, deviation = options.depth_shares
    metres = METRES_TALL * (image - image[:, PELVIS, None]) / box
    turn = normal(count, 1, 2) * torch.tensor(options.depth_turn)
    spread = 0.02 + 0.06 * uniform(count, 1)
    depth = depth * (mean + deviation * normal(count, 1)) + (metres * turn).sum(-1) + spread * heavy(count, number)
    deep = known & (uniform(count, 1) >= options.drop_depth)
    present = known.float()
    return torch.stack(
        (observed[..., 0] * present, observed[..., 1] * present, confidence * present, depth * deep, deep.float()), -1
    )
