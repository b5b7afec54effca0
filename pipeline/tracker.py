"""Who is who, in one stream: boxes follow people's own keypoints, detections only find those not followed.

One frame goes through it in this order:

    tracker.advance(frame)
    if tracker.needs_detection():
        tracker.merge_detections(locator.detect(frame.image))
    for target in tracker.targets():                 # crops; what is seen in them are the points
        tracker.update(target.track_id, points_px, score)
    people = tracker.finish()                        # those to publish
    tracker.remember_body(track_id, body)            # once it is known; the next frame may have begun

A track is *new* from its detection until its own keypoints confirm it, then *followed*; where they fail it is *lost*:
not cropped, its box predicted, until a detection finds it again or `max_age_s` has passed. When two tracks come to lie
on one person, as happens when one walks behind another, the one whose own motion led there keeps the person and the
other is lost, so that both ids survive a crossing.
"""

from __future__ import annotations

import math

import numpy as np

from engines.boxes import box_area, overlap
from pipeline.appearance import colour_distance, torso_colours
from pipeline.association import FORBIDDEN, SURE_DETECTION, assign, box_costs, distinct_detections, not_parts
from pipeline.box_motion import BoxMotion
from pipeline.person_box import enclosing_box, keypoint_similarity, person_box, visible_fraction
from pipeline.person_score import least_estimate, person_score
from pipeline.refusals import CLEARLY_NOBODY, RefusedPlaces
from pipeline.track import Extent, Track, TrackState
from pipeline.tracker_settings import TrackerSettings
from pipeline.types import Frame

_REACH = 0.6
"""How far, in sizes, a detection may lie from where its track is expected ..."""
_REACH_PER_S = 1.0
"""... and how much farther per second of absence: brisk walking is about one body height per second."""
_COLOUR_WEIGHT = 0.7
_OTHER_CLOTHES = 0.85
"""Histograms farther apart than this are not the same person."""
_COLOUR_MEMORY = 0.9
_STAY_BONUS = 1.2
"""A followed person counts as so much larger where only the largest are kept, so that two alike do not alternate."""
_VISIBLE = 0.1
"""Who has less than this of their box in the picture has left it."""
_JUST_GONE_S = 0.4
"""So long the next frame is looked at too where a detection only seemed to be them."""
_SHORT_STEP_S = 0.07
"""Frames closer than this look alike to the locator."""
_LONGEST_GAP_S = 1.0
"""Between two frames, however short the memory of lost people is."""
_EVIDENCE_POINTS = 8
"""A track's confidence is the mean of its best eight points: half a person, from behind a desk, is a person."""


class Tracker:
    """The people of one stream. Not thread safe: it belongs to the estimator's thread."""

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self.settings = settings or TrackerSettings()
        self._tracks: list[Track] = []
        self._next_id = 1
        self._refused = RefusedPlaces()
        self._unpublished: list[int] = []
        """Ids of candidates that were never confirmed: nobody has seen them, the next candidate takes them, as long as
        nobody above is known: ids grow."""
        self._highest_published = 0
        self._frame: Frame | None = None
        self._now_s = -math.inf
        self._step_s = math.inf
        self._detected_s = -math.inf
        self._gone_s = math.inf
        """When somebody was lost for whom the locator has not looked since; infinite: nobody."""

    def advance(self, frame: Frame) -> None:
        """Moves everybody to the time of ``frame``.

        Forgets everybody where the picture is unrelated to the last, where time ran backwards, or after a gap longer
        than any memory. Their ids are not given again.
        """
        step = frame.pts_s - self._now_s
        if frame.unrelated or not 0 <= step <= max(self.settings.max_age_s, _LONGEST_GAP_S):
            self._tracks.clear()
            self._refused.clear()
            self._detected_s, self._gone_s = -math.inf, math.inf
            step = 0.0
        self._frame, self._now_s, self._step_s = frame, frame.pts_s, step
        for track in self._tracks:
            track.move(track.motion.predicted(step, unseen=track.phase == "lost"))
            track.measured = track.proposed = None
        oldest_s = self._now_s - self.settings.max_age_s
        self._tracks = [track for track in self._tracks if track.phase != "lost" or track.seen_s >= oldest_s]

    def needs_detection(self) -> bool:
        """Whether the locator should look at this frame: on schedule, and as soon as somebody was lost."""
        unsettled = not self._tracks or any(track.phase == "lost" for track in self._tracks)
        interval = self.settings.relocate_every_s if unsettled else self.settings.detect_every_s
        # A millisecond of grace: 15 frames at 30 Hz are half a second whatever the rounding of time stamps.
        return self._gone_s <= self._now_s or self._now_s - self._detected_s >= interval - 1e-3

    def detection_can_wait(self) -> bool:
        """Whether what the locator finds in this frame may be used for one of the next: people need not wait for it."""
        return self._step_s <= _SHORT_STEP_S and any(track.phase == "followed" for track in self._tracks)

    def merge_detections(self, detections: np.ndarray, taken_s: float | None = None) -> None:
        """Takes in what the locator found in this frame, or in one that was taken at ``taken_s``, just before: (N, 5)
        x0, y0, x1, y1, score, pixels."""
        frame = self._current_frame()
        self._detected_s = self._now_s if taken_s is None else taken_s
        if self._gone_s <= self._detected_s:
            self._gone_s = math.inf
        settings = self.settings
        least = settings.still_detection_score if frame.unrelated else settings.min_detection_score
        found = distinct_detections(detections, least)
        found = self._match_followed(found)
        refused = [self._refused.hold(one[:4], float(one[4]), self._now_s) for one in found]
        found = found[~np.array(refused, bool)]
        colours = torso_colours(frame.image, found)
        strangers = self._unmatched_by_lost(found, colours)
        if not frame.unrelated:
            strangers = self._worth_a_look(found, strangers)
        for index in self._keep_largest(found[:, :4], strangers):
            motion = BoxMotion.start(found[index, :4])
            track = Track(self._new_id(), motion, self._now_s, colours=colours[index])
            track.propose(found[index])
            self._tracks.append(track)

    def targets(self) -> tuple[TrackState, ...]:
        """Whom to look at in this frame: at most `TrackerSettings.max_people`, oldest first."""
        return tuple(self._state(track) for track in self._tracks if track.phase != "lost")

    def remember_body(self, track_id: int, body: Extent) -> None:
        """Where the whole body of somebody published lay, also the limbs that no point was sure of: what of it is in
        the picture belongs into the next crops. Of no use for somebody who was lost meanwhile."""
        for track in self._tracks:
            if track.track_id == track_id and track.phase != "lost":
                track.body = body

    def update(self, track_id: int, points_px: np.ndarray, score: float) -> None:
        """What the networks saw in the crop of a target: points (P, 3) x, y, confidence, and their score 0..1."""
        track = next((t for t in self._tracks if t.track_id == track_id and t.phase != "lost"), None)
        if track is None:
            raise ValueError(f"track {track_id} is no target of this frame; update only what targets() gave")
        if points_px.ndim != 2 or points_px.shape[1] != 3:
            raise ValueError(f"points_px has shape {points_px.shape}, it must be (points, 3): x, y, confidence")
        frame = self._current_frame()
        settings = self.settings
        box = person_box(points_px) if np.isfinite(points_px).all() else None
        if box is not None and track.body is not None:
            box = enclosing_box(box, track.body.moved_to(points_px), *frame.size)
        if (
            box is None
            or person_score(score, track.support) < self._least_person_score(track)
            or np.sort(points_px[:, 2])[-_EVIDENCE_POINTS:].mean() < settings.min_confidence
            or visible_fraction(box, *frame.size) < _VISIBLE
        ):
            if track.phase == "new" and track.proposed is not None:
                clearly = score < CLEARLY_NOBODY
                self._refused.add(track.proposed[:4], float(track.proposed[4]), self._now_s, clearly=clearly)
            self._lose(track)
        else:
            track.measured, track.measured_box = np.asarray(points_px, np.float32), box

    def finish(self) -> tuple[TrackState, ...]:
        """Settles which measured points are whose; those followed in this frame, oldest first."""
        frame = self._current_frame()
        self._part_duplicates()
        seen = [track for track in self._tracks if track.measured is not None]
        for track in seen:
            box = track.measured_box
            assert box is not None
            # The detector's box of somebody new and their keypoints' box differ by more than either's noise.
            track.motion = BoxMotion.start(box) if track.phase == "new" else track.motion.corrected(box)
            track.points, track.measured = track.measured, None
            track.phase, track.seen_s = "followed", self._now_s
            self._highest_published = max(self._highest_published, track.track_id)
        self._remember_colours(seen, frame)
        self._frame = None
        return tuple(self._state(track) for track in seen)

    def _state(self, track: Track) -> TrackState:
        least = least_estimate(self._least_person_score(track), track.support)
        return TrackState(track.track_id, track.motion.box, track.phase, self._now_s - track.seen_s, least)

    def _least_person_score(self, track: Track) -> float:
        if track.phase != "new":
            return self.settings.min_score
        alone = self._frame is not None and self._frame.unrelated
        return self.settings.still_new_score if alone else self.settings.min_new_score

    def _new_id(self) -> int:
        self._unpublished = sorted(number for number in self._unpublished if number > self._highest_published)
        if self._unpublished:
            return self._unpublished.pop(0)
        self._next_id += 1
        return self._next_id - 1

    def _current_frame(self) -> Frame:
        if self._frame is None:
            raise RuntimeError("no frame is being processed; call advance(frame) first")
        return self._frame

    def _match_followed(self, found: np.ndarray) -> np.ndarray:
        """Gives detections (N, 5) to those who are followed; returns the detections that are left."""
        active = [track for track in self._tracks if track.phase != "lost"]
        expected = np.array([track.motion.box for track in active], np.float32).reshape(-1, 4)
        whole = not_parts(found, expected)
        if not active:
            return found[whole]
        boxes = found[:, :4]
        reach = np.array([_REACH + 2 * track.motion.uncertainty for track in active])
        iou = overlap(expected, boxes)[0]
        taken, scores = np.zeros(len(boxes), bool), np.zeros(len(active))
        for row, column in assign(box_costs(expected, boxes, reach)):
            taken[column], scores[row] = True, found[column, 4]
            if iou[row, column] < 0.5:
                # Keypoints are the better measurement, unless they have drifted off.
                active[row].move(active[row].motion.found_at(boxes[column]))
        for track, score in zip(active, scores.tolist(), strict=True):
            track.support += 0.5 * (score - track.support)
        return found[~taken & whole & (iou.max(axis=0) < 0.6)]

    def _unmatched_by_lost(self, found: np.ndarray, colours: list[np.ndarray | None]) -> list[int]:
        """Revives lost tracks by the detections (N, 5) that fit them; returns the indices of the other detections."""
        boxes = found[:, :4]
        lost = [track for track in self._tracks if track.phase == "lost"]
        if not lost or not len(boxes):
            return list(range(len(boxes)))
        reach = np.array([_REACH + _REACH_PER_S * (self._now_s - track.seen_s) for track in lost])
        costs = box_costs(np.stack([track.motion.box for track in lost]), boxes, reach)
        for row, track in enumerate(lost):
            for column, seen in enumerate(colours):
                distance = colour_distance(track.colours, seen)
                costs[row, column] += FORBIDDEN if distance > _OTHER_CLOTHES else _COLOUR_WEIGHT * distance
        pairs = assign(costs)
        for row, column in pairs:
            track = lost[row]
            track.move(track.motion.found_at(boxes[column]))
            track.phase = "followed"
            track.propose(found[column])
        matched = {column for _, column in pairs}
        return [index for index in range(len(boxes)) if index not in matched]

    def _worth_a_look(self, found: np.ndarray, strangers: list[int]) -> list[int]:
        """Leaves out all but the surest of those of whom the locator is unsure."""
        asked = [i for i in strangers if found[i, 4] >= self.settings.min_stranger_score]
        sure = sum(float(found[i, 4]) >= SURE_DETECTION for i in asked)
        return asked[: sure + self.settings.max_doubtful]

    def _keep_largest(self, boxes: np.ndarray, strangers: list[int]) -> list[int]:
        """Drops whom strangers outsize where there are too many; returns the strangers to follow."""
        sizes: list[tuple[float, Track | int]] = [
            (_STAY_BONUS * float(box_area(t.motion.box)), t) for t in self._tracks if t.phase != "lost"
        ]
        sizes += [(float(box_area(boxes[index])), index) for index in strangers]
        sizes.sort(key=lambda item: -item[0])
        alone = self._current_frame().unrelated
        most = self.settings.still_max_people if alone else self.settings.max_people
        kept = [item for _, item in sizes[:most]]
        self._tracks = [track for track in self._tracks if track.phase == "lost" or track in kept]
        return [index for index in strangers if index in kept]

    def _part_duplicates(self) -> None:
        """Where two tracks measured the same person, the person stays with one of them."""
        seen = [track for track in self._tracks if track.measured is not None]
        for i, older in enumerate(seen):
            for younger in seen[i + 1 :]:
                if older.measured is None or younger.measured is None:
                    continue
                if keypoint_similarity(older.measured, younger.measured) > self.settings.duplicate_similarity:
                    # The margin keeps the older where both expected to be here, as two tracks of one person do.
                    self._lose(younger if older.own_fit() + 0.1 >= younger.own_fit() else older)

    def _lose(self, track: Track) -> None:
        """Nobody is where the track is; a track that never was confirmed is dropped."""
        track.measured = track.body = None
        if track.phase == "new":
            self._tracks.remove(track)
            self._unpublished.append(track.track_id)
        else:
            track.phase = "lost"
            if track.proposed is None or self._now_s - track.seen_s < _JUST_GONE_S:
                self._gone_s = self._now_s

    def _remember_colours(self, seen: list[Track], frame: Frame) -> None:
        if not seen:
            return
        alone = seen
        if len(self._tracks) > 1:
            boxes = np.stack([track.motion.box for track in self._tracks])
            near = (overlap(boxes, boxes)[0] > 0.1).sum(1)  # themselves among them
            # Not while somebody overlaps: the colours could be theirs.
            alone = [track for track, count in zip(self._tracks, near, strict=True) if count <= 1 and track in seen]
        for track, now in zip(alone, torso_colours(frame.image, [track.motion.box for track in alone]), strict=True):
            if now is not None:
                before = now if track.colours is None else track.colours
                track.colours = _COLOUR_MEMORY * before + (1 - _COLOUR_MEMORY) * now
