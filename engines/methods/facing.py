"""Which way people face, from frame to frame, so that backs are not taken for fronts nor left for right.

Where the trunk is in doubt about somebody's facing, the heatmap of a left knee has one peak on either knee, and so has
that of the right one: read one by one they give both knees on one leg, crossed arms, another choice in every frame. But
a body has one facing. A person who is followed has log odds for showing the back, of two kinds of evidence:

- looks: of all left and right points together, how much more of the heatmaps' mass lies where a back has it, a short
  mean over time; pairs and frames err together, so that they count as one opinion;
- walking: people walk forwards. Who came away from the camera shows the back, who comes nearer the front. It counts
  while they stand, too, and is forgotten in time, and at once where they are seen from the side: nobody turns round
  otherwise.

The heatmaps are weighted by what this says of each place (a back's left is on the left of the picture) and read then.
Sure heatmaps keep their peaks, as does somebody seen from the side, and a wrist may cross: weights are no mask.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engines.estimate import BodyEstimate
from engines.keypoints import JOINT_NAMES, NUM_POINTS, POINT_MIRROR, POINT_NAMES
from engines.methods.evidence import CropRequest
from engines.methods.recent_people import RecentPeople
from engines.methods.walked import Place, walked_away
from engines.methods.weighted_maps import weighted
from kernels.decode_heatmaps import decode_heatmaps

LOOK_S = 0.5
"""Looks are averaged over so many seconds."""
WALK_NATS_PER_M = 4.0
"""A metre walked away makes a back fifty times as likely as a front."""
WALK_S = 60.0
"""What was walked is forgotten in so many seconds, ..."""
TURN_S = 1.0
"""... and in so many of somebody seen from the side."""
SUREST = math.log(50)
"""Neither kind of evidence is surer than fifty to one."""
SURE_SCORE = 0.65
"""Bodies that score less stand anywhere: people who come in, half in the picture, a metre too far or too near."""
STALE_S = 0.5
"""A person who was away for longer may have turned."""
BROAD = 0.3
"""Shoulders of somebody seen from the front or the back lie so far from the body's axis, in lengths neck to pelvis."""
BLUR = 0.05
"""Places nearer to the axis than this, in the same lengths, are on neither side."""
SHORTEST = 0.05
"""Of the crop's side: bodies whose neck is nearer to their pelvis have no axis in the picture."""

_CROSSING = {"elbow": 0.03, "knee": 0.15, "wrist": 0.1, "hand": 0.15, "ankle": 0.3, "foot": 0.3}
_LEFT = [point for point, name in enumerate(POINT_NAMES) if "left" in name]
_RIGHT = [POINT_MIRROR[point] for point in _LEFT]
CROSSING = np.array([_CROSSING.get(POINT_NAMES[point].split("_")[-1], 0.02) for point in _LEFT], np.float32)
"""(17,) how likely a point of each pair lies across the axis of somebody seen from the front or the back, as in motion
capture (joints of 1,900 broad ones of 6,000 poses; landmarks and head like the shoulders)."""
_TELLING = [point for point, crossing in zip(_LEFT, CROSSING, strict=True) if crossing < 0.1]
_TELLING_MIRROR = [POINT_MIRROR[point] for point in _TELLING]
_SHOULDERS = [POINT_NAMES.index("left_shoulder"), POINT_NAMES.index("right_shoulder")]
_PELVIS, _NECK = JOINT_NAMES.index("pelvis"), JOINT_NAMES.index("neck")
_NECK_PELVIS = [POINT_NAMES.index("joint_neck"), POINT_NAMES.index("joint_pelvis")]


@dataclass(slots=True, kw_only=True)
class _Memory:
    """Of one person; log odds of the back over the front."""

    time_s: float
    looks: float = 0.0
    """Sum of looks, discounted, and ..."""
    weight: float = 0.0
    """... of their weights."""
    walked: float = 0.0
    seen: Place | None = None
    """In the last frame."""
    average: Place | None = None
    """See `walked_away`."""


class Facing:
    """Remembers people by `CropRequest.person`; nothing changes for somebody unknown or seen for the first time."""

    def __init__(self) -> None:
        self._people = RecentPeople[_Memory]()

    def settle(self, heatmaps: np.ndarray, requests: Sequence[CropRequest]) -> np.ndarray:
        """(B, 41, n, n) of the requests' crops, each map summing to one -> the same, weighted: the array that was given
        where nothing changes."""
        weights = {}
        for row, request in enumerate(requests):
            if request.person is None:
                continue
            memory = self._people.get(request.person)
            fresh = memory is None or not 0 <= request.time_s - memory.time_s <= STALE_S
            if memory is None or fresh:
                memory = _Memory(time_s=request.time_s)
            self._people.put(request.person, memory)
            sides = picture_left(heatmaps[row])
            if sides is None:
                continue
            on_left, broad = sides
            masses = heatmaps[row].reshape(NUM_POINTS, -1) @ on_left.ravel()
            odds = _log_odds(memory, look(masses), broad, request.time_s)
            if not fresh:
                weights[row] = _weights(on_left, masses, odds, broad)
        return weighted(heatmaps, weights)

    def place(self, requests: Sequence[CropRequest], estimates: Sequence[BodyEstimate]) -> None:
        """Where the people of the requests turned out to be."""
        for request, found in zip(requests, estimates, strict=True):
            memory, camera = self._people.get(request.person), request.intrinsics
            neck, pelvis = found.joints[_NECK].astype(float), found.joints[_PELVIS]
            if memory is None or not (found.score >= SURE_SCORE and np.isfinite(neck).all() and neck[2] > 0):
                continue
            x, y, _ = found.points_px[_NECK_PELVIS[0]].tolist()
            sight = np.array([(x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, 1.0])
            memory.seen = Place(sight=sight, depth_m=float(neck[2]), trunk_m=neck - pelvis)


def picture_left(heatmaps: np.ndarray) -> tuple[np.ndarray, float] | None:
    """Of one body's heatmaps (41, n, n): how far each place lies on its left in the picture, (n, n) float32 from 0 to 1
    across the axis from pelvis to neck, and how broad it is seen, 0 from the side to 1 from the front or the back. None
    where the picture shows no such axis."""
    cells = heatmaps.shape[-1]
    neck, pelvis = decode_heatmaps(heatmaps[None, _NECK_PELVIS], 1.0)[0, :, :2].astype(float)
    up = neck - pelvis
    length = float(np.hypot(*up))
    if length < SHORTEST:
        return None
    across_x, across_y = up[1] / length**2, -up[0] / length**2
    middle = (np.arange(cells, dtype=np.float32) + 0.5) / cells
    across = (middle - pelvis[0]) * across_x + ((middle - pelvis[1]) * across_y)[:, None]
    across = across.astype(np.float32)
    shoulders = heatmaps[_SHOULDERS].sum(0)
    spread = math.sqrt(float((shoulders * across**2).sum() / max(float(shoulders.sum()), 1e-9)))
    return 0.5 + 0.5 * np.tanh(across / (2 * BLUR)), min(spread / BROAD, 1.0) ** 2


def look(masses: np.ndarray) -> float:
    """Log odds of the back from the mass (41,) of each point that lies on the picture's left."""
    left, right = masses[_TELLING], masses[_TELLING_MIRROR]
    least = math.exp(-SUREST)
    return float(np.log((left * (1 - right) + least) / ((1 - left) * right + least)).mean())


def _log_odds(memory: _Memory, seen: float, broad: float, time_s: float) -> float:
    """Takes in what a frame says."""
    past_s = time_s - memory.time_s
    memory.time_s = time_s
    kept = math.exp(-past_s / LOOK_S)
    # A first look counts like one of a steady stream of thirty a second.
    new = 1 - kept if past_s else 1 / (30 * LOOK_S)
    memory.looks = kept * memory.looks + new * seen
    memory.weight = kept * memory.weight + new
    memory.walked *= math.exp(-past_s * (1 / WALK_S + (1 - broad) / TURN_S))
    if memory.seen is not None:
        walked_m, memory.average = walked_away(memory.average or memory.seen, memory.seen, past_s)
        memory.walked = min(max(memory.walked + WALK_NATS_PER_M * broad * walked_m, -SUREST), SUREST)
    return memory.looks / memory.weight + memory.walked


def _weights(on_left: np.ndarray, masses: np.ndarray, odds: float, broad: float) -> np.ndarray:
    """(41, n, n) float32: where left and right points are to be expected, over the mean of that in their heatmaps."""
    across = 0.5 - (0.5 - CROSSING) * broad
    # Left points of a back lie on the picture's left, right points of a front do.
    lean = (1 - 2 * across) * math.tanh(odds / 2)
    # Unsided points are as likely on either side.
    chance = np.full(NUM_POINTS, 0.5)
    chance[_LEFT], chance[_RIGHT] = 0.5 + 0.5 * lean, 0.5 - 0.5 * lean
    total = masses * chance + (1 - masses) * (1 - chance)
    weights = np.multiply.outer(((2 * chance - 1) / total).astype(np.float32), on_left)
    weights += ((1 - chance) / total).astype(np.float32)[:, None, None]
    return weights
