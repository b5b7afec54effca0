"""Frames to bodies: locate, track, crop, estimate, smooth. One per process; keeps its own state per stream."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from engines.body import BodyModel
from engines.camera import Intrinsics
from engines.estimate import BodyEstimate
from engines.locator import Locator
from engines.methods import WEIGHTS, CropRequest, Look, Method, create_method
from engines.methods.span import span
from engines.runtime import Engine, EngineError, load_engine
from kernels.launch.crop_pictures import AnyPicture
from pipeline.config import MIRROR, RunConfig
from pipeline.errors import BodystreamError, UsageError
from pipeline.person_box import CROP_SCALE, FOLLOWED_SCALE, STILL_SCALE, crop_square
from pipeline.smoothing import Smoother
from pipeline.still_looks import look_again
from pipeline.track import Extent, TrackState
from pipeline.tracker import Tracker
from pipeline.tracker_settings import TrackerSettings
from pipeline.types import Frame, FrameResult, TrackedBody

STALE_S = 0.2
"""Detections older than this say nothing about where people are now."""
SURE_SCORE = 0.7
"""From here on the estimated body, and not the confident points alone, says where the next crop must reach."""


Detect = Callable[[AnyPicture], np.ndarray]
"""A picture -> people's boxes (N, 5), see `engines.locator.Locator.detect`."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A person to publish."""

    state: TrackState
    row: int
    """Among the requests of the look."""


@dataclass(frozen=True, slots=True)
class _People:
    """Of one frame."""

    frame: Frame
    number: int
    """Of the frame's look, per stream."""
    seen: tuple[_Seen, ...]
    bodies: dict[int, BodyEstimate]
    """By row, of a picture that stands alone: there it takes bodies to tell who is seen."""


@dataclass(slots=True)
class _Search:
    """The locator's work on a frame in which somebody was followed anyway: it is done when their bodies are published,
    and what it found is taken in two looks later, like the bodies."""

    number: int
    """Of the frame's look, per stream."""
    frame: Frame
    boxes: np.ndarray | None = None
    """See `engines.locator.Locator.detect`; None: not done yet."""
    spans_ms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Looked:
    """What `Estimator.look` saw, before bodies are made of it."""

    people: tuple[_People, ...]
    look: Look
    searches: tuple[_Search, ...]
    spans_ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class _Lifted:
    """The people of a frame whose bodies are known, before smoothing."""

    number: int
    requests: list[CropRequest]
    bodies: tuple[TrackedBody, ...]


class Estimator:
    """See `pipeline.runner.FrameEstimator`: `look` and `lift` may run at the same time, each on one thread.

    Raises UsageError for an unknown method, BodystreamError where the networks cannot run here.
    """

    def __init__(
        self,
        config: RunConfig,
        body: BodyModel,
        method: Method | None = None,
        detect: Detect | None = None,
        *,
        look_again: bool = True,
    ) -> None:
        """``method``: in place of the one that the configuration names; the estimator owns it. ``detect``: in place of
        the locator network on the host; somebody else owns that. ``look_again``: at people in pictures that stand
        alone."""
        self._body = body
        self._look_again = look_again
        most = config.max_people
        self._settings = TrackerSettings(max_people=most, still_max_people=most) if most else TrackerSettings()
        self._smoother = Smoother(config.smoothing)
        self._min_quality = config.min_quality
        try:
            self._method = method or create_method(
                config.method,
                body=body,
                runtime=config.runtime,
                precision=config.precision,
                threads=config.threads,
                mirror=MIRROR[config.mirror],
                keypoints=Path(config.keypoints).expanduser() if config.keypoints else None,
                surfaces=config.bodynet_surface,
            )
            self._locator_engine = None if detect else _open_locator(config)
        except EngineError as error:
            raise BodystreamError(str(error)) from error
        except ValueError as error:
            raise UsageError(str(error)) from error
        self.weights = dict(self._method.weights)
        search = detect
        if self._locator_engine is not None:
            size = self._locator_engine.inputs[0].shape[1]
            assert size is not None
            locator = Locator(self._locator_engine, size)
            detect, search = locator.detect, locator.search
            described = self._locator_engine.describe()
            self.weights[described.model] = described.sha256
        assert detect is not None and search is not None
        self._detect: Detect = detect
        self._search: Detect = search if look_again else detect
        """The same for a picture that stands alone."""
        self._trackers: dict[str, Tracker] = {}
        self._searches: dict[str, _Search] = {}
        """Per stream, what no look has taken in yet."""
        self._looks = Counter[str]()
        """Per stream, how many began."""
        self._lifted: dict[str, deque[_Lifted]] = {}
        """Per stream, what `look` has not taken in yet. Only `lift` adds to it."""

    def warm_up(self) -> None:
        """Run every network once, so that the first frame waits for no compilation."""
        image = np.zeros((256, 256, 3), np.uint8)
        self._detect(image)
        request = CropRequest(
            image=image, center_px=np.array([128.0, 128.0]), side_px=256.0, intrinsics=Intrinsics.from_fov(256, 256)
        )
        self._method.estimate([request], {})

    def process(self, frame: Frame) -> FrameResult:
        """Find the bodies of one frame."""
        looked = self.look([frame])
        result = self.lift(looked)[0]
        self.catch_up(looked)
        return result

    def process_together(self, frames: list[Frame]) -> list[FrameResult]:
        """Find the bodies of frames of different streams; raises ValueError as `look`."""
        return self.lift(self.look(frames))

    def look(self, frames: list[Frame]) -> Looked:
        """See who is in frames of different streams: their crops share one call of each engine.

        Raises ValueError where two frames are of one stream: the second needs what the first leaves behind.
        """
        if len({frame.stream for frame in frames}) < len(frames):
            raise ValueError(f"frames {frames} share a stream, process them one after the other")
        spans: dict[str, float] = {}
        for frame in frames:
            self._remember(frame.stream)
        located = [self._locate(frame, spans) for frame in frames]
        with span(spans, "track"):
            asked = [
                [self._request(frame, target) for target in targets]
                for frame, (_, targets) in zip(frames, located, strict=True)
            ]
        # Who scores too little in a picture that stands alone is looked at again.
        least = [
            0.0 if frame.unrelated else target.least_score
            for frame, (_, targets) in zip(frames, located, strict=True)
            for target in targets
        ]
        look = self._method.look([request for own in asked for request in own], least, spans)
        people, first = [], 0
        for frame, requests, (tracker, targets) in zip(frames, asked, located, strict=True):
            rows = range(first, first + len(requests))
            first += len(requests)
            bodies: dict[int, BodyEstimate] = {}
            if frame.unrelated:
                bodies = self._stand_alone(look, rows, [target.least_score for target in targets], spans)
            with span(spans, "track"):
                row_of = {target.track_id: row for target, row in zip(targets, rows, strict=True)}
                for track_id, row in row_of.items():
                    if row in bodies:
                        self._remember_extent(tracker, track_id, frame.intrinsics, bodies[row])
                    one = bodies.get(row, look.seen[row])
                    tracker.update(track_id, one.points_px, one.score)
                seen = tuple(_Seen(state, row_of[state.track_id]) for state in tracker.finish())
            people.append(_People(frame, self._looks[frame.stream], seen, bodies))
        waiting = [self._searches[frame.stream] for frame in frames if frame.stream in self._searches]
        searches = tuple(one for one in waiting if one.number == self._looks[one.frame.stream])
        return Looked(tuple(people), look, searches, spans)

    def lift(self, looked: Looked) -> list[FrameResult]:
        """The bodies of those who were seen, one result per frame. See `pipeline.runner.FrameEstimator.lift`."""
        spans = looked.spans_ms
        rows = [one.row for own in looked.people if not own.frame.unrelated for one in own.seen]
        lifted = dict(zip(rows, self._method.lift(looked.look, rows, spans), strict=True))
        results = []
        for own in looked.people:
            frame, found = own.frame, own.bodies or lifted
            raw = tuple(
                TrackedBody(track_id=one.state.track_id, box_xyxy=one.state.box, estimate=found[one.row])
                for one in own.seen
            )
            with span(spans, "smooth"):
                bodies = raw if frame.unrelated else self._smooth(frame, raw)
            requests = [looked.look.requests[one.row] for one in own.seen]
            self._lifted[frame.stream].append(_Lifted(own.number, requests, raw))
            # After smoothing: somebody who is doubted for a moment comes back without a jump.
            bodies, raw = self._good(bodies), self._good(raw)
            results.append(FrameResult(frame=frame, bodies=bodies, raw_bodies=raw, spans_ms=spans))
        return results

    def _stand_alone(
        self, look: Look, rows: Sequence[int], least_scores: list[float], spans: dict[str, float]
    ) -> dict[int, BodyEstimate]:
        """The bodies of everybody in a picture that stands alone, by their rows."""
        found = self._method.lift(look, rows, spans)
        if self._look_again:
            requests = [look.requests[row] for row in rows]
            found = look_again(lambda more: self._method.estimate(more, spans), requests, found, least_scores)
        return dict(zip(rows, found, strict=True))

    def _remember(self, stream: str) -> None:
        """Takes in what became of the frames of a stream before its last one, whose bodies may be there already or not:
        that would be a matter of luck."""
        lifted = self._lifted.setdefault(stream, deque())
        while lifted and lifted[0].number < self._looks[stream]:
            own = lifted.popleft()
            bodies = [person.estimate for person in own.bodies]
            self._method.remember(own.requests, bodies)
            for person in own.bodies:
                self._remember_extent(
                    self._trackers[stream], person.track_id, own.requests[0].intrinsics, person.estimate
                )
        self._looks[stream] += 1

    @staticmethod
    def _remember_extent(tracker: Tracker, track_id: int, camera: Intrinsics, body: BodyEstimate) -> None:
        if body.score >= SURE_SCORE:
            tracker.remember_body(track_id, Extent(camera.project(body.joints), body.points_px))

    def catch_up(self, looked: Looked) -> None:
        """What published bodies need not wait for. See `pipeline.runner.FrameEstimator.catch_up`."""
        for search in looked.searches:
            with span(search.spans_ms, "locate_after"):
                search.boxes = self._detect(search.frame.image)

    def _locate(self, frame: Frame, spans: dict[str, float]) -> tuple[Tracker, tuple[TrackState, ...]]:
        """Whom to look at in a frame."""
        tracker = self._trackers.setdefault(frame.stream, Tracker(self._settings))
        tracker.advance(frame)
        search, number = self._searches.pop(frame.stream, None), self._looks[frame.stream]
        fresh = search is not None and 0 < frame.pts_s - search.frame.pts_s <= STALE_S
        if search and fresh and search.number == number - 1 and tracker.detection_can_wait():
            self._searches[frame.stream] = search  # it may be done or not: that would be a matter of luck
        elif search and fresh and search.boxes is not None and search.number < number - 1:
            for name, spent_ms in search.spans_ms.items():
                spans[name] = spans.get(name, 0.0) + spent_ms
            tracker.merge_detections(search.boxes, search.frame.pts_s)
        elif tracker.needs_detection():
            if tracker.detection_can_wait() and not search:
                self._searches[frame.stream] = _Search(number, frame)
            else:
                with span(spans, "locate"):
                    detections = (self._search if frame.unrelated else self._detect)(frame.image)
                    if frame.unrelated:
                        # Somebody who fills the picture is what a picture is often taken for.
                        whole = (0, 0, *frame.size, self._settings.still_detection_score)
                        detections = np.vstack([detections.reshape(-1, 5), np.array(whole, np.float32)])
                tracker.merge_detections(detections)
        return tracker, tracker.targets()

    @staticmethod
    def _request(frame: Frame, target: TrackState) -> CropRequest:
        scale = FOLLOWED_SCALE if target.phase == "followed" else STILL_SCALE if frame.unrelated else CROP_SCALE
        center, side = crop_square(target.box, scale)
        return CropRequest(
            image=frame.image,
            center_px=center,
            side_px=side,
            intrinsics=frame.intrinsics,
            person=(frame.stream, target.track_id),
            doubted=target.phase == "new" and not frame.unrelated,
            alone=frame.unrelated,
            time_s=frame.pts_s,
        )

    def _smooth(self, frame: Frame, raw: tuple[TrackedBody, ...]) -> tuple[TrackedBody, ...]:
        return tuple(
            replace(
                person,
                estimate=self._smoother.apply(frame.stream, person.track_id, frame.pts_s, person.estimate, self._body),
            )
            for person in raw
        )

    def _good(self, bodies: tuple[TrackedBody, ...]) -> tuple[TrackedBody, ...]:
        """Those not known to be below the least quality."""
        return tuple(body for body in bodies if not body.estimate.quality < self._min_quality)

    def close(self) -> None:
        """Let go of the engines."""
        self._method.close()
        if self._locator_engine is not None:
            self._locator_engine.close()


def _open_locator(config: RunConfig) -> Engine:
    return load_engine(WEIGHTS / "locator-small.onnx", config.runtime, config.precision, config.threads)
