"""People who overlap must not exchange limbs: a place in the picture is one person's wrist, not two people's.

Each crop is read on its own, so the trunk may put a hidden wrist on the neighbour's, which looks like one. DeepCut
(Pishchulin et al., CVPR 2016) labels and groups all candidates of a picture together; here crops are centred on people
already, and what is left to settle is whose a place is: every cell of a heatmap is weighted by the person's share of
all claims on that place for that limb, the left one or the right one, and the points are read again. What the others
claim, they claim by their own weighted heatmaps, hence two rounds.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import cv2
import numpy as np

from engines.keypoints import POINT_MIRROR
from kernels.decode_heatmaps import MASS_RADIUS, decode_heatmaps

_MIRROR = list(POINT_MIRROR)

ROUNDS = 2
BLUR_CELLS = 3
"""Claims are compared over so many cells: two crops do not agree to a cell."""
SAME_REACH = 0.05
SAME_MASS = 0.1
SAME_SHARE = 0.7
"""Where more than this share of the points that two crops are both sure of lie within reach (of the smaller crop's
side), both show one person: that is the tracker's business, and neither may take points from the other."""


def find_rivals(
    points_px: np.ndarray, centers_px: np.ndarray, sides_px: np.ndarray, pictures: Sequence[Hashable]
) -> dict[int, list[int]]:
    """Row -> rows of others whose crops overlap its own and show somebody else; arguments as `part_people`."""
    first = {picture: row for row, picture in reversed(list(enumerate(pictures)))}
    picture = np.array([first[one] for one in pictures])
    apart = np.abs(centers_px[:, None] - centers_px).max(-1)
    meet = (picture[:, None] == picture) & (apart < (sides_px[:, None] + sides_px) / 2)
    i, j = np.nonzero(np.triu(meet, 1))
    if not len(i):
        return {}
    one, other = points_px[i], points_px[j]
    sure = (one[..., 2] >= SAME_MASS) & (other[..., 2] >= SAME_MASS)
    distance = np.linalg.norm(one[..., :2] - other[..., :2], axis=-1)
    near = sure & (distance < SAME_REACH * np.minimum(sides_px[i], sides_px[j])[:, None])
    two = near.sum(1) <= SAME_SHARE * sure.sum(1)
    rivals: dict[int, list[int]] = {}
    for a, b in zip(i[two].tolist(), j[two].tolist(), strict=True):
        rivals.setdefault(a, []).append(b)
        rivals.setdefault(b, []).append(a)
    return {row: sorted(rivals[row]) for row in sorted(rivals)}


def part_people(
    points_px: np.ndarray,
    heatmaps: np.ndarray | Mapping[int, np.ndarray],
    centers_px: np.ndarray,
    sides_px: np.ndarray,
    pictures: Sequence[Hashable],
) -> np.ndarray:
    """Points of people who overlap, read again so that nobody takes another one's limbs.

    points_px (B, 41, 3) x, y in source pixels and mass in the peak, of heatmaps (B, 41, n, n) of square crops with
    centers_px (B, 2) and sides_px (B,); crops of equal ``pictures`` show the same picture. Of the heatmaps the rows of
    `find_rivals` are enough. Returns the points; rows of people who stand alone are as they were, and where there are
    no others, it is the array that was given.
    """
    rivals = find_rivals(points_px, centers_px, sides_px, pictures)
    if not rivals:
        return points_px
    # Cells first, points last: OpenCV's order.
    whole = {i: np.ascontiguousarray(heatmaps[i].transpose(1, 2, 0), np.float32) for i in rivals}
    # Who claims what is settled on a grid half as fine: shares are smooth, and the whole takes 0.3 of the time.
    coarse = {i: 4 * cv2.resize(own, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for i, own in whole.items()}
    now, shares = dict(coarse), dict(coarse)
    for _ in range(ROUNDS):
        # OpenCV's running sums end a little below zero where nothing is left.
        claims = {
            i: np.maximum(cv2.blur(own, (BLUR_CELLS, BLUR_CELLS), borderType=cv2.BORDER_CONSTANT), 0)
            for i, own in now.items()
        }
        either = {i: np.maximum(own, own[..., _MIRROR]) for i, own in claims.items()}
        for i, others in rivals.items():
            most = _seen_from(either[others[0]], centers_px, sides_px, i, others[0])
            for j in others[1:]:
                np.maximum(most, _seen_from(either[j], centers_px, sides_px, i, j), out=most)
            shares[i] = claims[i] / (claims[i] + most + 1e-9)
            now[i] = _weighted(coarse[i], shares[i])
    out = points_px.copy()
    rows = list(rivals)
    shares = {i: cv2.resize(shares[i], whole[i].shape[1::-1], interpolation=cv2.INTER_LINEAR) for i in rows}
    found = decode_heatmaps(np.stack([_weighted(whole[i], shares[i]).transpose(2, 0, 1) for i in rows]), 1.0)
    out[rows, :, :2] = centers_px[rows, None] + (found[..., :2] - 0.5) * sides_px[rows, None, None]
    for row, places in zip(rows, found, strict=True):
        out[row, :, 2] = _confidence(whole[row], shares[row], places)
    return out


def _weighted(heatmaps: np.ndarray, shares: np.ndarray) -> np.ndarray:
    # The share is the probability that the limb there is this person's; its power 1.5 parts more of them.
    return heatmaps * shares * np.sqrt(shares)


def _confidence(whole: np.ndarray, shares: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(P,) the mass around places (P, 2+) in crop fractions, unweighted but where a place is rather somebody else's."""
    cells = whole.shape[0]
    window = 2 * MASS_RADIUS + 1
    mass = cv2.boxFilter(whole, -1, (window, window), normalize=False, borderType=cv2.BORDER_CONSTANT)
    x, y = np.floor(places[:, :2] * cells).astype(int).clip(0, cells - 1).T
    points = np.arange(len(places))
    return np.minimum(mass[y, x, points], 1) * np.minimum(2 * shares[y, x, points], 1)


def _seen_from(claims: np.ndarray, centers_px: np.ndarray, sides_px: np.ndarray, i: int, j: int) -> np.ndarray:
    """Claims (n, n, P) in the cells of crop j -> in those of crop i, as much per cell as they would be there."""
    cells = claims.shape[0]
    step = sides_px[i] / sides_px[j]
    first = ((centers_px[i] - centers_px[j]) / sides_px[j] + 0.5 - 0.5 * step) * cells + 0.5 * step - 0.5
    matrix = np.array([[step, 0, first[0]], [0, step, first[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(claims, matrix, (cells, cells), flags=flags) * np.float32(step**2)
