"""Isosurfaces on their way out: into the log, onto the wire."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import jsonschema
import numpy as np
import pytest
from mcap.reader import make_reader

from engines.estimate import Surface
from pipeline.sinks.recorder import Recorder
from pipeline.sinks.wire_streams import WireStream
from pipeline.surface_log import SURFACES_TOPIC
from pipeline.wire import WireError, decode, encode
from tests.pipeline.sinks.results import make_result, random_body
from tests.pipeline.wire.golden_messages import messages

FACES = np.array([(0, 1, 2), (0, 2, 3), (0, 3, 1), (1, 3, 2)], np.int32)


def result_with_surface(index: int, seed: int = 0):
    rng = np.random.default_rng((seed, index))
    surface = Surface(vertices=rng.normal((0, 0, 3), 0.5, (4, 3)).astype(np.float32), faces=FACES)
    bodies = (random_body(rng, 1), random_body(rng, 2, surface=surface), random_body(rng, 3))
    return make_result(index, bodies=bodies), surface


def logged(path, topic):
    with path.open("rb") as file:
        return [(m, json.loads(m.data), json.loads(s.data)) for s, _, m in make_reader(file).iter_messages([topic])]


def test_surfaces_are_logged_beside_the_bodies_and_come_back(tmp_path):
    recorder = Recorder(tmp_path / "a.mcap", metadata={})
    pairs = [result_with_surface(index) for index in range(5)]
    for result, _ in pairs:
        recorder.write(result)
    recorder.close()
    found = logged(tmp_path / "a.mcap", SURFACES_TOPIC)
    assert len(found) == len(logged(tmp_path / "a.mcap", "/bodies")) == 5
    for (message, data, schema), (result, surface) in zip(found, pairs, strict=True):
        jsonschema.validate(data, schema)
        assert message.log_time == data["timestamp_ns"] == result.frame.capture_ns
        assert data["frame"] == result.frame.index
        (one,) = data["surfaces"]
        assert one["track_id"] == 2
        units = np.frombuffer(base64.b64decode(one["vertices"]), "<i2").reshape(-1, 3)
        vertices = np.array(one["origin"]) + one["step"] * units
        np.testing.assert_allclose(vertices, surface.vertices, atol=1e-4)
        faces = np.frombuffer(base64.b64decode(one["faces"]), "<u4").reshape(-1, 3)
        np.testing.assert_array_equal(faces, FACES)


def test_a_log_without_surfaces_does_not_name_them(tmp_path):
    recorder = Recorder(tmp_path / "a.mcap", metadata={})
    recorder.write(make_result(0))
    recorder.close()
    with (tmp_path / "a.mcap").open("rb") as file:
        assert SURFACES_TOPIC not in [c.topic for c in make_reader(file).get_summary().channels.values()]


def test_one_volume_message_per_surface_on_its_own_topic():
    result, surface = result_with_surface(7)
    stream = WireStream("cam", epoch=3)
    (message,) = stream.volumes(result)
    parts = encode(message)
    assert parts[0] == b"v/cam/"
    back = decode(parts)
    assert (back.track_id, back.frame, back.capture_ns) == (2, 7, result.frame.capture_ns)
    np.testing.assert_allclose(back.vertices, surface.vertices, atol=1e-4)
    np.testing.assert_array_equal(back.faces, FACES)
    assert stream.volumes(make_result(8)) == []


def test_faces_of_vertices_that_are_not_there_are_refused():
    volume = messages()["volume"]
    with pytest.raises(WireError, match="names vertex 4, there are 4"):
        decode(encode(replace(volume, faces=volume.faces + 1)))
