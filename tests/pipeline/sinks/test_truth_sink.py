import numpy as np
import pytest

from engines.estimate import BodyEstimate
from pipeline.sinks.base import QueuePolicy, SinkThread
from pipeline.sinks.truth import TruthSink
from pipeline.sources import open_source
from pipeline.types import FrameResult, TrackedBody


def test_the_error_of_displaced_bodies_is_their_displacement():
    with open_source("demo:seconds=1,people=1") as source:
        frame = source.read()
        truth = source.truth(0)
        sink = TruthSink(source.truth)
        thread = SinkThread(sink, 2, QueuePolicy.BLOCK)
        body = truth[0]
        shift = np.array([0.3, 0.0, 0.4], np.float32)
        bent = body.joints + shift
        bent[-1] += (0.0, 0.24, 0.0)
        estimate = BodyEstimate(
            pose=body.pose,
            betas=body.betas,
            translation=bent[0],
            joints=bent,
            points_px=np.zeros((41, 3), np.float32),
            score=1.0,
            quality=1.0,
        )
        box = np.zeros(4, np.float32)
        thread.submit(FrameResult(frame=frame, bodies=(TrackedBody(track_id=1, box_xyxy=box, estimate=estimate),)))
        thread.close()
    figures = sink.report()["figures"]
    assert figures["bodies_compared"] == 1 and figures["bodies_missed"] == 0
    assert figures["place_error_m"] == pytest.approx(0.5, abs=1e-3)
    assert figures["mpjpe_mm"] == pytest.approx(240 / 24, abs=0.1), "one joint of 24 is 240 mm off"
