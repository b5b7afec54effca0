"""People in a picture that stands alone: the locator looks several times, and what the looks agree on counts.

A video's next frame mends what a look missed; a single picture has none. So the whole picture is seen at two sizes and
in overlapping parts at a third, each as it is and mirrored, and boxes of one person are averaged, weighted by their
scores, after Solovyev, Wang, Gabruseva: Weighted boxes fusion (Image and Vision Computing, 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import ceil

import numpy as np

from engines.boxes import box_area, overlap, suppress
from engines.turned_picture import turned_boxes, turned_picture

SIZES = (0.77, 1.0, 1.46)
"""The picture's longer side over the network's: 320, 416 and 608 px for the small preset."""
STEP = 0.6
"""Neighbouring parts begin no farther apart than this share of a part's side."""
SAME_IOU = 0.6
"""Boxes with such an overlap are one person's, seen twice."""
WHOLE = 0.98
"""A look whose part of the picture holds so much of a person might have seen them."""
EDGE = 0.01
"""A box this close to where a part ends inside the picture, in sides of the part, is of somebody cut in two."""

SURE = 0.4
"""Where the best box scores less, people may hang, lie or dive: the picture is looked at turned by right angles too.
Of 91 upright photographs 5 are then turned and AP is 0.2 points lower; turned by 90 or 180 degrees themselves, they
gain 17 and 9."""
TURNED_SCORE = 0.7
"""What is left of a score of a turned look: most people stand."""

Look = Callable[[np.ndarray, float], np.ndarray]
"""Part of a picture, and its longer side over the network's -> boxes (N, 5) in the part's pixels."""


def search(look: Look, image: np.ndarray, max_iou: float) -> np.ndarray:
    """(H, W, 3) uint8 RGB -> (N, 5) float32 as `engines.locator.Locator.detect`."""
    upright = _looked(look, image, SIZES, max_iou)
    if len(upright) and upright[0, 4] >= SURE:
        return upright
    found = [upright]
    for turns in (1, 2, 3):
        turned = turned_picture(image, turns)
        boxes = _looked(look, turned, (1.0,), max_iou)
        boxes[:, :4] = turned_boxes(boxes[:, :4], (turned.shape[1], turned.shape[0]), 4 - turns)
        found.append(boxes * (1, 1, 1, 1, TURNED_SCORE))
    return _apart(np.concatenate(found).astype(np.float32), max_iou)


def _looked(look: Look, image: np.ndarray, sizes: Sequence[float], max_iou: float) -> np.ndarray:
    size = image.shape[1], image.shape[0]
    found, seen = [], []
    for relative in sizes:
        for x0, y0, x1, y1 in parts(size, relative):
            part = image[y0:y1, x0:x1]
            share = min(1.0, relative * max(part.shape[:2]) / max(size))
            for mirror in (False, True):
                boxes = look(np.ascontiguousarray(part[:, ::-1]) if mirror else part, share)
                if mirror:
                    boxes[:, [0, 2]] = x1 - x0 - boxes[:, [2, 0]]
                boxes[:, :4] += (x0, y0, x0, y0)
                found.append(boxes[~_cut(boxes, (x0, y0, x1, y1), size)])
                seen.append((x0, y0, x1, y1))
    return fused(np.concatenate(found), np.array(seen, np.float32), max_iou)


def parts(size: tuple[int, int], relative: float) -> Iterator[tuple[int, int, int, int]]:
    """x0, y0, x1, y1 of the parts in which a picture of ``size`` (width, height) fills the network's square, its longer
    side ``relative`` times as long as that."""
    side = max(size) / max(relative, 1.0)

    def spans(length: int) -> list[tuple[int, int]]:
        more = ceil(max(0.0, length - side) / (STEP * side))
        starts = np.linspace(0, max(0.0, length - side), more + 1)
        return [(round(start), min(length, round(start + side))) for start in starts]

    for (x0, x1), (y0, y1) in product(spans(size[0]), spans(size[1])):
        yield x0, y0, x1, y1


def fused(boxes: np.ndarray, seen: np.ndarray, max_iou: float) -> np.ndarray:
    """Boxes (N, 5) of looks at the parts ``seen`` (L, 4) of a picture -> (M, 5), one for each person, best first.

    A person's score is the sum of its boxes' over the number of looks that might have seen it: who is seen once counts
    less than who is seen always.
    """
    boxes = boxes[box_area(boxes) >= 1]  # Clipping leaves nothing of some.
    boxes = boxes[np.argsort(-boxes[:, 4])]
    same = overlap(boxes, boxes)[0] > SAME_IOU
    left, people = np.ones(len(boxes), bool), []
    for row in range(len(boxes)):
        if left[row]:
            group = boxes[same[row] & left]
            left &= ~same[row]
            box = np.average(group[:, :4], axis=0, weights=group[:, 4])
            looks = max(1, int((overlap(box[None], seen)[1] > WHOLE).sum()))
            people.append((*box, group[:looks, 4].sum() / looks))
    return _apart(np.array(people, np.float32).reshape(-1, 5), max_iou)


def _apart(boxes: np.ndarray, max_iou: float) -> np.ndarray:
    boxes = boxes[np.argsort(-boxes[:, 4])]
    return boxes[suppress(boxes, max_iou)]


def _cut(boxes: np.ndarray, part: Sequence[int], size: tuple[int, int]) -> np.ndarray:
    """(N,) bool: who ends where the part does, though the picture does not."""
    x0, y0, x1, y1 = part
    near = EDGE * max(x1 - x0, y1 - y0)
    low = (boxes[:, :2] < np.add((x0, y0), near)) & (np.array((x0, y0)) > 0)
    high = (boxes[:, 2:4] > np.subtract((x1, y1), near)) & (np.array((x1, y1)) < size)
    return np.asarray((low | high).any(1))
