import itertools
from fractions import Fraction

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.capture_clock import MAX_STEP_S, WINDOW_S, CaptureClock
from tests.pipeline.sources.video_files import level_picture

S = 1_000_000_000
START_NS = 5_000 * S


def feed(clock, pictures):
    """pictures: (pts in s or None, arrival in s after START) -> moments."""
    return [clock.picture(pts, START_NS + round(arrival * S)) for pts, arrival in pictures]


TIMES = st.lists(st.tuples(st.one_of(st.none(), st.floats(-1e6, 1e6)), st.floats(0, 10)), min_size=1, max_size=40)


@given(TIMES)
def test_whatever_the_stream_says_time_grows_and_capture_is_not_in_the_future(pictures):
    clock, arrival, last = CaptureClock(), 0.0, -1.0
    for pts, pause in pictures:
        arrival += pause
        (moment,) = feed(clock, [(pts, arrival)])
        assert moment.media_s > last
        assert moment.capture_ns <= START_NS + round(arrival * S)
        last = moment.media_s


def test_pictures_of_a_burst_get_the_times_at_which_they_were_taken():
    """A network holds everything back for two seconds, then delivers at once."""
    moments = feed(CaptureClock(), [(i / 10, i / 10 if i < 10 else 3.0) for i in range(31)])
    for i, moment in enumerate(moments):
        assert moment.capture_ns == pytest.approx(START_NS + i * S // 10, abs=1000)
        assert moment.media_s == pytest.approx(i / 10, abs=1e-3)
    assert max(m.lag_s for m in moments) == pytest.approx(2.0, abs=1e-6)


def test_jitter_is_taken_out():
    moments = feed(CaptureClock(), [(i / 20, i / 20 + (0.03 if i % 3 else 0.0)) for i in range(60)])
    assert all(m.capture_ns == pytest.approx(START_NS + i * S / 20, abs=1000) for i, m in enumerate(moments))


@pytest.mark.parametrize(
    "jump",
    [-(2**33) / 90_000, -(2**32) / 90_000, 3600.0, -3600.0, -0.6, MAX_STEP_S + 1],
    ids=["33 bit wrap", "RTP wrap", "ahead", "back", "a little back", "a little ahead"],
)
def test_a_jump_costs_nothing(jump):
    clock = CaptureClock()
    moments = feed(clock, [(i / 20 + (jump if i >= 20 else 0.0), i / 20) for i in range(40)])
    assert clock.jumps == 1
    for i, moment in enumerate(moments):
        assert moment.capture_ns == START_NS + i * S // 20
        assert moment.media_s == pytest.approx(i / 20, abs=1e-3)


def test_without_timestamps_arrival_counts():
    moments = feed(CaptureClock(), [(None, i / 20) for i in range(10)])
    assert [m.capture_ns for m in moments] == [START_NS + i * S // 20 for i in range(10)]
    assert moments[-1].media_s == pytest.approx(9 / 20, abs=1e-3)


def test_pictures_out_of_order_are_no_jump():
    clock = CaptureClock()
    feed(clock, [(pts / 20, i / 20) for i, pts in enumerate([0, 2, 1, 4, 3, 6, 5])])
    assert clock.jumps == 0


def test_two_clocks_that_drift_apart_do_not_become_a_lag():
    """The camera's clock loses 0.1 %: three seconds in this hour."""
    clock = CaptureClock()
    lags = [clock.picture(i * 0.999, START_NS + i * S).lag_s for i in range(3600)]
    assert max(lags) < 0.001 * 2 * (WINDOW_S + 2)


def test_a_stated_capture_time_is_believed_if_it_can_be_true():
    clock = CaptureClock()
    arrival = START_NS + S
    assert clock.picture(0.0, arrival, arrival - S // 10).capture_ns == arrival - S // 10
    for stamp in (arrival + S // 100, arrival - 2 * S, 0):
        assert clock.picture(0.0, arrival, stamp).capture_ns == arrival


def test_packets_of_a_real_container_with_a_wrap(tmp_path):
    """MPEG-TS counts 33 bits of 1/90000 s: its packets pass 2^33 in the middle of this file."""
    path, start = tmp_path / "wrap.ts", 2**33 - 90_000 // 2
    with av.open(str(path), "w", format="mpegts", options={"mpegts_copyts": "1"}) as container:
        stream = container.add_stream("mpeg2video", rate=20)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 20)
        for index in range(20):
            frame = av.VideoFrame.from_ndarray(level_picture(100), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 20)
            for packet in stream.encode(frame):
                packet.pts = packet.dts = start + index * 4500  # the muxer writes 33 bits of it
                packet.time_base = Fraction(1, 90_000)
                container.mux(packet)
    with av.open(str(path), options={"correct_ts_overflow": "0"}) as container:
        stamps = [float(p.pts * p.time_base) for p in container.demux() if p.pts is not None]
    assert any(b < a for a, b in itertools.pairwise(stamps)), "the file does wrap"
    clock = CaptureClock()
    moments = feed(clock, [(pts, i / 20) for i, pts in enumerate(stamps)])
    assert moments[-1].media_s == pytest.approx((len(stamps) - 1) / 20, abs=1e-3) and clock.jumps == 1


def test_capture_times_grow_where_the_senders_clock_is_read_twice_for_one_timestamp():
    clock = CaptureClock()
    first = clock.picture(1.0, START_NS, START_NS - 20_000_000)
    second = clock.picture(1.0, START_NS + 1_000_000, START_NS - 20_000_049)
    assert first.capture_ns < second.capture_ns <= START_NS + 1_000_000
