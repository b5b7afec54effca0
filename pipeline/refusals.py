"""Places where the locator saw a person and the trunk did not: not asked again every time.

The locator's threshold is low, so that it proposes a coat on a stand whenever it looks; each proposal costs a crop and
a run of the trunk. A place that was refused is left alone for a while, twice as long each time it is refused again, and
looked at before that where the locator has become clearly surer: then somebody may have come to stand there. Where the
trunk half recognises somebody the pause stays as short as the first. People who were followed and lost are not looked
for in such a place either.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engines.boxes import overlap

CLEARLY_NOBODY = 0.5
"""Below this score of the estimate there is nobody. In the clip of people who come one by one, 99.6 % of what scored
lower were no people, and of the people who were refused at first four in five scored higher."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.3, 2.4
SAME_PLACE_IOU = 0.6
CLEARLY_SURER = 0.1
"""Rise of the locator's score."""


@dataclass(frozen=True, slots=True, eq=False)
class _Refusal:
    box: np.ndarray
    score: float
    time_s: float
    pause_s: float


class RefusedPlaces:
    """Of one stream. Times are media time, boxes (4,) x0, y0, x1, y1 in pixels."""

    def __init__(self) -> None:
        self._refusals: list[_Refusal] = []

    def clear(self) -> None:
        """Forget all: what comes now is another picture."""
        self._refusals.clear()

    def add(self, box: np.ndarray, score: float, now_s: float, *, clearly: bool = True) -> None:
        """The trunk saw nobody in ``box``, of which the locator was sure by ``score``, or not ``clearly`` somebody."""
        pause_s = FIRST_PAUSE_S
        for refusal in self._at(box):
            if clearly:
                pause_s = max(pause_s, min(2 * refusal.pause_s, LONGEST_PAUSE_S))
            self._refusals.remove(refusal)
        self._refusals.append(_Refusal(np.array(box, np.float32), score, now_s, pause_s))

    def hold(self, box: np.ndarray, score: float, now_s: float) -> bool:
        """Whether ``box`` should not be looked at now."""
        # A pause after its end still counts when the next one is measured.
        self._refusals = [r for r in self._refusals if now_s < r.time_s + 2 * r.pause_s]
        return any(now_s < r.time_s + r.pause_s and score < r.score + CLEARLY_SURER for r in self._at(box))

    def _at(self, box: np.ndarray) -> list[_Refusal]:
        if not self._refusals:
            return []
        iou, _ = overlap(box[None], np.stack([refusal.box for refusal in self._refusals]))
        return [r for r, iou in zip(self._refusals, iou[0].tolist(), strict=True) if iou >= SAME_PLACE_IOU]
