"""How people are tracked: numbers for `pipeline.tracker`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engines.locator import MIN_SCORE
from pipeline.person_score import NEW, STAYS, STILL_NEW


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerSettings:
    """How people are tracked. Raises ValueError on values that make no sense."""

    max_people: int = 8
    """The largest so many are followed."""
    still_max_people: int = 20
    """The same in pictures that stand alone, where no next frame waits: OKS 0.631 to 0.636 over 185 people of 91."""
    max_doubtful: int = 3
    """So many strangers of whom the locator is unsure are looked at per detection of a video: the trunk decides."""
    detect_every_s: float = 0.23
    """Time between detections while everybody is followed ..."""
    relocate_every_s: float = 0.1
    """... and while somebody is lost or nobody is there."""
    max_age_s: float = 1.5
    """How long a lost person is remembered."""
    min_detection_score: float = 0.15
    min_stranger_score: float = 0.23
    """The same for those who are looked at in videos: less sure ones would need a body of a score of 0.72 or more. With
    0.17 and other limits the street clip took a fifth more looks, and 91 in place of 90 % of its people were found."""
    still_detection_score: float = MIN_SCORE
    """The same in pictures that stand alone."""
    min_new_score: float = NEW
    """From this `person_score` on a candidate of the locator is a person."""
    still_new_score: float = STILL_NEW
    """The same in pictures that stand alone."""
    min_score: float = STAYS
    """Below this `person_score` somebody who was followed is lost."""
    min_confidence: float = 0.5
    """Likewise for the keypoints' confidence."""
    duplicate_similarity: float = 0.7
    """Keypoints more alike than this are one person's."""

    def __post_init__(self) -> None:
        for name in ("max_people", "still_max_people", "max_doubtful"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, it must be at least 1")
        for name in ("detect_every_s", "relocate_every_s", "max_age_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} is {value}, it must be a time of at least 0 s")
        shares = (
            "min_detection_score",
            "min_stranger_score",
            "still_detection_score",
            "min_new_score",
            "still_new_score",
            "min_score",
        )
        for name in (*shares, "min_confidence", "duplicate_similarity"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name} is {value}, it must lie between 0 and 1")
