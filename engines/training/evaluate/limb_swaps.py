"""For how long a limb and its other side stay exchanged against the teacher. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engines.training.evaluate.agreement import LIMB_POINTS, REACH_TORSOS, Pair, confident_limbs

LIMB_PAIRS = tuple((LIMB_POINTS.index(left), LIMB_POINTS.index(left + 1)) for left in (7, 9, 13, 15))
"""Left and right elbow, wrist, knee, ankle among the limb points."""
APART_TORSOS = 0.3
"""Sides that the teacher sees nearer to each other cannot be told apart."""


def swapped_pairs(pair: Pair, limbs: np.ndarray) -> np.ndarray:
    """(4,) float: 1 where both points of a limb pair of ``limbs`` (12, 2+) are within reach of the teacher's other side
    and out of reach of their own, 0 where not, NaN where the teacher is not sure or sees both sides at one place."""
    teacher, sure = pair.teacher[LIMB_POINTS, :2], confident_limbs(pair.teacher)
    reach = REACH_TORSOS * pair.torso_px
    found = np.full(len(LIMB_PAIRS), np.nan)
    for row, sides in enumerate(LIMB_PAIRS):
        own, seen = teacher[list(sides)], limbs[list(sides), :2]
        if sure[list(sides)].all() and np.linalg.norm(own[0] - own[1]) >= APART_TORSOS * pair.torso_px:
            to_own, to_other = np.linalg.norm(seen - own, axis=-1), np.linalg.norm(seen - own[::-1], axis=-1)
            found[row] = (to_other <= reach).all() and (to_own > reach).all()
    return found


def longest_swap(pairs: Sequence[Pair], tracks: Sequence[int], limbs: Sequence[np.ndarray]) -> int:
    """Frames of the longest run in which one limb pair of one track is swapped.

    ``tracks``: identity per pair; ``limbs``: (12, 2+) points per pair. Frames that cannot tell neither count nor end a
    run; frames without the person end it.
    """
    longest = 0
    runs: dict[int, tuple[int, np.ndarray]] = {}
    for row in sorted(range(len(pairs)), key=lambda row: pairs[row].frame):
        frame, track = pairs[row].frame, tracks[row]
        swapped = swapped_pairs(pairs[row], limbs[row])
        last, run = runs.get(track, (frame, np.zeros(len(LIMB_PAIRS), int)))
        if frame - last > 1:
            run = np.zeros_like(run)
        run = np.where(swapped == 0, 0, run + (swapped == 1))
        runs[track] = frame, run
        longest = max(longest, int(run.max()))
    return longest
