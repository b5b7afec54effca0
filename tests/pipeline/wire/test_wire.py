"""The wire's bytes: golden vectors, round trips, sizes, and what is refused."""

import json
import struct
from dataclasses import fields, replace

import numpy as np
import pytest

from pipeline.wire import Kind, WireError, decode, encode, parse_topic, topic
from pipeline.wire.layout import FRAME, MAX_BODIES
from pipeline.wire_docs import main as wire_docs
from tests.pipeline.wire.golden_messages import GOLDEN, body, messages

VECTORS = {name: [bytes.fromhex(part) for part in parts] for name, parts in json.loads(GOLDEN.read_text()).items()}


def same(a: object, b: object, atol: float = 0.0) -> bool:
    """Equality of messages; arrays within atol, NaN equal to NaN."""
    if isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
        return all(same(x, y, atol) for x, y in zip(a, b, strict=True))
    if hasattr(a, "__dataclass_fields__"):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name), atol) for f in fields(a))
    if isinstance(a, np.ndarray | float):
        return np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=0, atol=atol, equal_nan=True)
    return a == b


@pytest.mark.parametrize("name", list(messages()))
def test_bytes_are_those_of_version_1(name):
    assert encode(messages()[name]) == VECTORS[name]


@pytest.mark.parametrize("name", list(messages()))
def test_golden_bytes_mean_what_they_meant(name):
    # Tolerance: score to 1/508, rotations to 1e-4, the rest is finer. Quaternions may come back with all signs changed.
    expected, got = messages()[name], decode(VECTORS[name])
    if name.startswith("frame"):
        expected = replace(expected, bodies=tuple(map(positive, expected.bodies)))
        got = replace(got, bodies=tuple(map(positive, got.bodies)))
    assert same(expected, got, atol=2e-3)


def positive(body):
    largest = np.take_along_axis(body.rotations, np.abs(body.rotations).argmax(-1)[:, None], -1)
    return replace(body, rotations=body.rotations * np.sign(largest))


def test_a_frame_by_hand():
    """Against struct and the documentation, not against the dtypes."""
    parts = VECTORS["frame"]
    assert parts[0] == b"f/cam1/"
    magic, version, kind, epoch, sequence = struct.unpack_from("<2sBBII", parts[1])
    assert (magic, version, kind, epoch, sequence) == (b"BS", 1, 3, 0xDEADBEEF, 258)
    assert struct.unpack_from("<qIII2H4f2H", parts[1], 12) == (
        *(123_456_789_012_345, 45_678, 300, 10_000, 1920, 1080),
        *(1844.0, 1845.0, 960.0, 540.0, 2, 1),
    )
    track_id, score, quality, *translation = struct.unpack_from("<IBB3f", parts[2], 182)
    assert (track_id, score, quality, translation) == (9, 127, 255, [0.5, -0.25, 3.75])
    # Joint 12 of the golden body is turned by (0, 1, 2) / 16 rad.
    words = struct.unpack_from("<3H", parts[2], 182 + 18 + 12 * 6)
    half = np.hypot(1, 2) / 32
    expected = np.array([0, 1, 2]) / np.hypot(1, 2) * np.sin(half) * np.sqrt(2) * 16_383 + 16_383
    np.testing.assert_allclose(words, expected, atol=0.51)
    assert struct.unpack_from("<10h", parts[2], 182 + 18 + 144) == tuple(round((i - 4.5) * 1024) for i in range(10))


def test_one_person_at_30_hz_takes_at_most_64_kbit_per_s():
    message = replace(messages()["frame"], bodies=(body(1),), stream="living-room-camera")
    parts = encode(message)
    # ZMTP puts a flag byte and a length of 1 byte, or of 8 for parts above 255 bytes, before each part.
    size = sum(len(part) + (2 if len(part) < 256 else 9) for part in parts)
    assert size * 8 * 30 <= 64_000, f"{size} bytes"


@pytest.mark.parametrize("name", ["cam1", "a", "x" * 48, "Front.door_2-b"])
@pytest.mark.parametrize("kind", list(Kind))
def test_topics_invert(kind, name):
    assert parse_topic(topic(kind, name)) == (kind, name)


@pytest.mark.parametrize("name", ["", "a/b", "x" * 49, "ü", "a b", "a\n"])
def test_impossible_stream_names_are_refused(name):
    with pytest.raises(WireError, match="stream name"):
        topic(Kind.FRAME, name)


@pytest.mark.parametrize("name", list(VECTORS))
def test_every_truncation_is_refused(name):
    parts = VECTORS[name]
    for i, part in enumerate(parts):
        for cut in range(len(part)):
            with pytest.raises(WireError):
                decode([*parts[:i], part[:cut], *parts[i + 1 :]])
        with pytest.raises(WireError):
            decode([*parts[:i], part + b"\0", *parts[i + 1 :]])
        with pytest.raises(WireError):
            decode(parts[:i])
    with pytest.raises(WireError):
        decode([*parts, b"x"])


def test_a_frame_that_claims_a_crowd_is_refused():
    header = np.frombuffer(VECTORS["frame"][1], FRAME)[0].copy()
    header["bodies"] = MAX_BODIES + 1
    with pytest.raises(WireError, match=f"{MAX_BODIES + 1} bodies"):
        decode([VECTORS["frame"][0], header.tobytes(), VECTORS["frame"][2]])


@pytest.mark.parametrize(
    ("field", "value"),
    [("translation", np.full(3, np.nan)), ("rotations", np.ones((24, 4))), ("betas", np.full(10, np.inf))],
)
def test_values_that_no_reader_could_use_are_not_sent(field, value):
    with pytest.raises(WireError, match="finite"):
        encode(replace(messages()["frame"], bodies=(replace(body(1), **{field: value}),)))


def test_documentation_is_current():
    assert wire_docs(["--check"]) == 0
