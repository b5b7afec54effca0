"""Endless training data for lifting: posed bodies before cameras, and the points a network would have seen of them.

Everything is a batched torch operation on one thread: thousands of samples a second. The geometry of a sample lives in
the *virtual camera* of its crop, see `engines.networks.bilayer.view`: the optical axis passes through the crop's
centre and image coordinates run from -1 to 1 over the crop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engines.body.rotations import rotation_matrices
from engines.networks.bilayer.kinematics import Kinematics
from engines.training.corruption import Corruption, corrupt
from engines.training.motion_capture import PoseBank

UPPER = (3, 6, 9, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23)
ARMS = ((13, 16, 18, 20, 22), (14, 17, 19, 21, 23))


@dataclass(frozen=True, slots=True, kw_only=True)
class GeometryOptions:
    """How varied the bodies and cameras are. Probabilities per sample; angles in degrees."""

    mix: float = 0.3
    """Upper body of one pose on the lower body of another; half of these also swap in a third pose's arm."""
    sit: float = 0.08
    """Thighs and knees bent as on a seat: motion capture hardly sits."""
    tumble: float = 0.05
    """Any orientation at all: lying, hanging, diving."""
    turn_noise_deg: float = 4.0
    upper_only: float = 0.2
    """Crop around the upper body, as a webcam sees it."""
    cut: float = 0.1
    """One side of the crop lies outside the picture."""
    corruption: Corruption = field(default_factory=Corruption)


@dataclass(frozen=True, slots=True, kw_only=True)
class GeometryBatch:
    """Network inputs and their truth, in the crop's virtual camera."""

    points: Tensor
    """(B, 41, 5): x, y in crop units, confidence, depth relative to the pelvis in metres, 1 where it is known."""
    camera: Tensor
    """(B, 1): logarithm of the tangent of half the crop's opening, as believed."""
    rotations: Tensor
    """(B, 24, 3, 3)"""
    betas: Tensor
    """(B, 10)"""
    joints: Tensor
    """(B, 24, 3) metres, relative to the pelvis."""
    landmarks: Tensor
    """(B, 17, 3) metres, relative to the pelvis."""
    translation: Tensor
    """(B, 3) metres: the pelvis."""
    image: Tensor
    """(B, 41, 2): true places of the points in crop units."""
    half_tan: Tensor
    """(B, 1): true tangent of half the crop's opening."""


def axis_rotation(axis: int, angle: Tensor) -> Tensor:
    """Angles (B,) -> rotations (B, 3, 3) about a coordinate axis."""
    out = torch.zeros(len(angle), 3, 3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    out[:, axis, axis] = 1
    out[:, i, i] = out[:, j, j] = angle.cos()
    out[:, j, i] = angle.sin()
    out[:, i, j] = -angle.sin()
    return out


def small_rotations(vectors: Tensor) -> Tensor:
    """Rotation vectors (..., 3) -> matrices (..., 3, 3)."""
    return torch.from_numpy(rotation_matrices(vectors.numpy()))


class GeometrySource:
    """Draws batches. One instance owns one random generator: the same seed gives the same stream."""

    def __init__(self, bank: PoseBank, body: Kinematics, options: GeometryOptions, seed: int) -> None:
        self.bank, self.body, self.options = bank, body, options
        self.generator = torch.Generator().manual_seed(seed)

    def _uniform(self, count: int, low: float, high: float) -> Tensor:
        return torch.rand(count, generator=self.generator) * (high - low) + low

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator)

    def _chance(self, count: int, probability: float) -> Tensor:
        return torch.rand(count, generator=self.generator) < probability

    def poses(self, count: int) -> Tensor:
        """(count, 24, 3, 3) local rotations, the root in a world with y up."""
        options, out = self.options, self.bank.draw(count, self.generator)
        mixed = self._chance(count, options.mix).nonzero()[:, 0]
        if len(mixed):
            other = self.bank.draw(len(mixed), self.generator)
            out[mixed[:, None], list(UPPER)] = other[:, UPPER]
            arm = mixed[: len(mixed) // 2]
            third = self.bank.draw(len(arm), self.generator)
            for side in ARMS:
                pick = self._chance(len(arm), 0.5)
                out[arm[pick][:, None], list(side)] = third[pick][:, side]
        seated = self._chance(count, options.sit).nonzero()[:, 0]
        if len(seated):
            out[seated] = self._seat(out[seated])
        if options.turn_noise_deg:
            noise = (
                self._normal(count, 22, 3)
                * math.radians(options.turn_noise_deg)
                * self._uniform(count, 0, 1.5)[:, None, None]
            )
            noise[:, 0] *= 0.5
            out[:, :22] = out[:, :22] @ small_rotations(noise)
        return out

    def _seat(self, rotations: Tensor) -> Tensor:
        """Bend hips to the front and knees back; the two legs differ a little, often they cross or spread."""
        count, out = len(rotations), rotations.clone()
        bend = self._uniform(count, 50, 110)
        knee = self._uniform(count, 20, 125)
        for hip, knee_joint, side in ((1, 4, 1.0), (2, 5, -1.0)):
            lift = torch.deg2rad(bend + 8 * self._normal(count))
            spread = torch.deg2rad(side * (self._uniform(count, -12, 35)))
            out[:, hip] = axis_rotation(0, -lift) @ axis_rotation(1, spread) @ axis_rotation(2, 0.3 * spread)
            out[:, knee_joint] = axis_rotation(0, torch.deg2rad((knee + 12 * self._normal(count)).clamp(0, 140)))
        # A seated trunk is near upright whatever the standing pose did.
        out[:, 0] = axis_rotation(1, self._uniform(count, -math.pi, math.pi)) @ axis_rotation(
            0, torch.deg2rad(self._uniform(count, -20, 30))
        )
        return out

    def view(self, root: Tensor) -> Tensor:
        """Root rotations in the world -> in a camera of random heading, pitch and roll."""
        count = len(root)
        heading = axis_rotation(1, self._uniform(count, -math.pi, math.pi))
        near = 8 + 9 * self._normal(count)
        pitch = torch.where(self._chance(count, 0.35), self._uniform(count, -25, 45), near)
        roll = 4 * self._normal(count)
        # x left, y up, z forward of the world -> x right, y down, z forward of a level camera: half a turn about x.
        level = torch.diag(torch.tensor((1.0, -1.0, -1.0)))
        camera = axis_rotation(2, torch.deg2rad(roll)) @ axis_rotation(0, torch.deg2rad(pitch)) @ level
        out = camera @ heading @ root
        tumbled = self._chance(count, self.options.tumble)
        out[tumbled] = small_rotations(self._normal(int(tumbled.sum()), 3) * 2.5) @ out[tumbled]
        return out

    @torch.no_grad()
    def batch(self, count: int) -> GeometryBatch:
        """Draw `count` samples."""
        options = self.options
        rotations = self.poses(count)
        rotations[:, 0] = self.view(rotations[:, 0])
        betas = self._normal(count, 10) * self._uniform(count, 0.5, 1.3)[:, None]
        turns, joints = self.body.chain(rotations, betas)
        points = torch.cat((self.body.landmarks(turns, joints, betas), joints), 1)

        upper = self._chance(count, options.upper_only)
        near = torch.where(upper, self._uniform(count, 0, 1) * 2.2 - 0.45, self._uniform(count, 0, 1) * 1.9 + 0.3)
        depth = near.exp() - points[..., 2].amin(1).clamp_max(0) * 0.5
        depth = torch.maximum(depth, 0.35 - points[..., 2].amin(1))
        place = torch.zeros(count, 3)
        place[:, 2] = depth
        inside = torch.ones(count, 41, dtype=torch.bool)
        # A webcam sees down to the hips, the chest or the thighs.
        legs = [11, 12, 13, 14, 15, 16] + [17 + j for j in (0, 1, 2, 4, 5, 7, 8, 10, 11)]
        knees = [13, 14, 15, 16] + [17 + j for j in (4, 5, 7, 8, 10, 11)]
        chest = upper & self._chance(count, 0.5)
        inside[:, knees] &= ~upper[:, None]
        inside[:, legs] &= ~chest[:, None]

        centre, half = self._box(points + place[:, None], inside)
        half = half * self._uniform(count, 0.9, 1.5)
        # Small angles: aiming the camera at the box is moving the body across the axis.
        place[:, :2] = -(centre + 0.12 * half[:, None] * self._normal(count, 2)) * place[:, 2:]
        seen = points + place[:, None]
        half_tan = half[:, None]
        image = seen[..., :2] / seen[..., 2:].clamp_min(0.05) / half_tan[..., None]

        lost = image.abs().amax(-1) > 1.02
        side = self._chance(count, options.cut)
        axis = (self._uniform(count, 0, 1) < 0.5).long()
        sign = torch.where(self._chance(count, 0.5), 1.0, -1.0)
        along = image.gather(2, axis[:, None, None].expand(-1, 41, 1))[..., 0] * sign[:, None]
        lost |= side[:, None] & (along > self._uniform(count, 0.1, 0.8)[:, None])

        observed = corrupt(image, seen[..., 2] - place[:, None, 2], lost, options.corruption, self.generator)
        believed = half_tan.log() + 0.3 * self._normal(count, 1) * self._chance(count, 0.6)[:, None]
        return GeometryBatch(
            points=observed,
            camera=believed,
            rotations=rotations,
            betas=betas,
            joints=joints,
            landmarks=points[:, :17],
            translation=place,
            image=image,
            half_tan=half_tan,
        )

    @staticmethod
    def _box(seen: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
        """Centre (B, 2) and half side (B,) of the box around the projected points that the crop is for, tangents."""
        flat = seen[..., :2] / seen[..., 2:].clamp_min(0.2)
        low = flat.masked_fill(~inside[..., None], math.inf).amin(1)
        high = flat.masked_fill(~inside[..., None], -math.inf).amax(1)
        return (low + high) / 2, ((high - low) / 2).amax(-1).clamp_min(0.02)
