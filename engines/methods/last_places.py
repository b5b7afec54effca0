"""Where a person's points were a moment ago says where to look for them now.

Read frame by frame, a heatmap with two peaks alike gives one now and the other then: an elbow jumps to the hip and
back, both feet lie on one. Each map of somebody who is followed is therefore weighted, before it is read, by

    w(x) = 1 + GAIN c (g(x - p) + MIRRORED g(x - p'))

g a bell around the last place p of the point and p' of its mirror image on the body, c its confidence there. Weights
are at least one, so that a sure peak elsewhere wins: who jumps is followed at once. The places of both sides count,
since left and right change places in the maps of somebody seen from the side, and a choice once made must not keep
itself alive. Weighted maps sum to one again, so that a point's confidence is what the past frames and this one say; a
body's score is what this one says alone: leaves that are taken for people would grow sure of themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engines.estimate import Sighting
from engines.keypoints import NUM_POINTS, POINT_MIRROR
from engines.methods.evidence import CropRequest
from engines.methods.recent_people import RecentPeople
from engines.methods.weighted_maps import weighted

GAIN = 2.0
"""1 does half as much. With 4, backs and fronts once confused stay so."""
SPREAD = 0.05
"""Of the bell, in sides of the crop; 0.035 and 0.07 do nearly as well. Letting places move on at the last velocity did
worse than letting them rest."""
MIRRORED = 0.7
"""1 gives away half of the gain, 0 lets legs that were exchanged stay so for half a second."""
SURE = 0.5
"""From this confidence on a place counts in full."""
STALE_S = 0.25
"""Places older than this say nothing."""
CLOSE = 0.3
"""Where the middles of two people's squares are less of the squares' mean side apart, the past says nothing of either:
it would hold on to the other one's limbs."""

_MIRROR = np.array(POINT_MIRROR)
_SHARES = np.stack([np.full(NUM_POINTS, GAIN), np.where(np.arange(NUM_POINTS) == _MIRROR, 0, GAIN * MIRRORED)], 1)
"""(41, 2): what the bells at a point's own place and at its mirror image's are multiplied by."""


@dataclass(frozen=True, slots=True)
class _Seen:
    time_s: float
    points_px: np.ndarray
    """(41, 3) of the picture, with confidences."""


class LastPlaces:
    """Remembers people by `CropRequest.person`; nothing changes for somebody unknown or seen for the first time, nor
    where a picture stands alone."""

    def __init__(self) -> None:
        self._people = RecentPeople[_Seen]()

    def settle(self, heatmaps: np.ndarray, requests: Sequence[CropRequest]) -> np.ndarray:
        """(B, 41, n, n) of the requests' crops, each map summing to one -> the same, weighted: the array that was given
        where nothing is known of anybody."""
        weights = {}
        for row, request in enumerate(requests):
            last = self._people.get(request.person)
            if last is None or request.alone or not 0 < request.time_s - last.time_s <= STALE_S:
                continue
            if any(_close(request, other) for other in requests if other is not request):
                continue
            places = (last.points_px[:, :2] - (request.center_px - request.side_px / 2)) / request.side_px
            weights[row] = bells(heatmaps[row], places, last.points_px[:, 2])
        return weighted(heatmaps, weights)

    def keep(self, requests: Sequence[CropRequest], seen: Sequence[Sighting]) -> None:
        """What was seen of the people of the requests."""
        for request, one in zip(requests, seen, strict=True):
            if request.person is not None and not request.alone:
                self._people.put(request.person, _Seen(request.time_s, one.points_px))


def _close(one: CropRequest, other: CropRequest) -> bool:
    """Whether another person who is followed is in the way."""
    if other.person is None or one.image is not other.image:
        return False
    apart = np.abs(one.center_px - other.center_px).max()
    return bool(apart < CLOSE * (one.side_px + other.side_px) / 2)


def bells(heatmaps: np.ndarray, places: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """(41, n, n) float32 for the heatmaps (41, n, n) of one person whose points were last at places (41, 2), fractions
    of the crop, with confidences (41,): over the mean of the weights in each map."""
    middle = (np.arange(heatmaps.shape[-1], dtype=np.float32) + 0.5) / heatmaps.shape[-1]
    near = np.exp(-0.5 * np.square((middle - places[..., None].astype(np.float32)) / SPREAD))
    both = np.stack([near, near[_MIRROR]], 1)  # (41, own and mirrored, x and y, n)
    sure = np.minimum(confidence / SURE, 1)
    shares = _SHARES * np.stack([sure, sure[_MIRROR]], 1)
    across, down = both[:, :, 0], both[:, :, 1] * shares[..., None].astype(np.float32)
    # Sums and products of whole maps as two small matrix products each: maps are large, and passes over them cost.
    mean = 1 + ((heatmaps @ across.swapaxes(1, 2)) * down.swapaxes(1, 2)).sum((1, 2))
    ones = np.ones((NUM_POINTS, 1, len(middle)), np.float32)
    down, across = np.concatenate([down, ones], 1), np.concatenate([across, ones], 1)
    found: np.ndarray = (down / mean[:, None, None]).swapaxes(1, 2) @ across
    return found
