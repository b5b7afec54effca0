"""Frames to bodies: locate, track, crop, estimate, smooth. One per process; keeps its own state per stream."""

from __future__ import annotations

import time

import numpy as np

from engines.body import BodyModel
from engines.locator import Locator
from engines.methods import WEIGHTS, CropRequest, create_method
from engines.runtime import EngineError, load_engine
from pipeline.config import RunConfig
from pipeline.errors import UsageError
from pipeline.person_box import crop_square
from pipeline.smoothing import Smoother
from pipeline.tracker import Tracker, TrackerSettings
from pipeline.types import Frame, FrameResult, TrackedBody


class Estimator:
    """See `pipeline.runner.FrameEstimator`. Not thread safe: it belongs to one thread.

    Raises UsageError where the chosen runtime or method cannot run here.
    """

    def __init__(self, config: RunConfig, body: BodyModel) -> None:
        self._body = body
        self._settings = TrackerSettings(max_people=config.max_people)
        self._smoothing = config.smoothing
        try:
            self._method = create_method(
                config.method, body=body, runtime=config.runtime, precision=config.precision, threads=config.threads
            )
            self._locator_engine = load_engine(
                WEIGHTS / "locator-small.onnx", config.runtime, config.precision, config.threads
            )
        except (EngineError, ValueError) as error:
            raise UsageError(str(error)) from error
        size = self._locator_engine.inputs[0].shape[1]
        assert size is not None
        self._locator = Locator(self._locator_engine, size)
        described = self._locator_engine.describe()
        self.weights = {**self._method.weights, "locator": f"{described.model} sha256:{described.sha256}"}
        self._trackers: dict[str, Tracker] = {}
        self._smoothers: dict[str, Smoother] = {}

    def warm_up(self) -> None:
        """Run every network once, so that the first frame waits for no compilation."""
        image = np.zeros((256, 256, 3), np.uint8)
        self._locator.detect(image)
        from engines.camera import Intrinsics

        request = CropRequest(
            image=image, center_px=np.array([128.0, 128.0]), side_px=256.0, intrinsics=Intrinsics.from_fov(256, 256)
        )
        self._method.estimate([request], {})

    def process(self, frame: Frame) -> FrameResult:
        """Find the bodies of one frame."""
        spans: dict[str, float] = {}
        tracker = self._trackers.setdefault(frame.stream, Tracker(self._settings))
        tracker.advance(frame)
        if tracker.needs_detection():
            started = time.perf_counter()
            detections = self._locator.detect(frame.image)
            spans["locate"] = (time.perf_counter() - started) * 1e3
            tracker.merge_detections(detections)
        started = time.perf_counter()
        targets = tracker.targets()
        requests = []
        for target in targets:
            center, side = crop_square(target.box)
            requests.append(CropRequest(image=frame.image, center_px=center, side_px=side, intrinsics=frame.intrinsics))
        spans["track"] = (time.perf_counter() - started) * 1e3
        estimates = self._method.estimate(requests, spans)
        started = time.perf_counter()
        found = {target.track_id: estimate for target, estimate in zip(targets, estimates, strict=True)}
        for track_id, estimate in found.items():
            tracker.update(track_id, estimate.points_px, estimate.score)
        people = tracker.finish()
        spans["track"] += (time.perf_counter() - started) * 1e3
        raw = tuple(TrackedBody(track_id=p.track_id, box_xyxy=p.box, estimate=found[p.track_id]) for p in people)
        started = time.perf_counter()
        bodies = raw if frame.unrelated else self._smooth(frame, raw)
        spans["smooth"] = (time.perf_counter() - started) * 1e3
        return FrameResult(frame=frame, bodies=bodies, raw_bodies=raw, spans_ms=spans)

    def _smooth(self, frame: Frame, raw: tuple[TrackedBody, ...]) -> tuple[TrackedBody, ...]:
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the engines."""
        self._method.close()
        self._locator_engine.close()
