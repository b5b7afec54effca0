"""`bodystream log refine`: steadier and nearer to the points, nothing else touched."""

import numpy as np
import pytest

from engines.body import load_body
from pipeline.log import body_of, read_log
from pipeline.log_cli import main
from pipeline.log_format import QUALITY_UNKNOWN, skeleton_record
from pipeline.sinks.recorder import Recorder
from tests.engines.fitting.people import draw_people
from tests.pipeline.sinks.results import make_result, random_body

FRAMES = 20


@pytest.fixture(scope="module")
def body():
    return load_body()


def _record(path, body, identity):
    """One person who stands still before a camera that sees well, and a method that jitters; a second in one frame."""
    rng = np.random.default_rng(31)
    person = draw_people(1, seed=31)
    recorder = Recorder(path, metadata=skeleton_record(body_model=identity, method="bilayer", weights={}))
    for index in range(FRAMES):
        result = make_result(index, size=(1280, 720))
        camera = result.frame.intrinsics
        points = person.points_px[0].astype(np.float32)
        points[:, :2] = camera.project(person.cloud[0]) + rng.normal(0, 2, (41, 2))
        pose = (person.pose[0] + rng.normal(0, 0.1, (24, 3))).astype(np.float32)
        betas, place = person.betas[0].astype(np.float32), person.place[0].astype(np.float32)
        joints = body.joints(pose, betas, place)[0]
        one = random_body(rng, 7, pose=pose, betas=betas, translation=place, joints=joints, points_px=points)
        other = (random_body(rng, 8),) if index == 5 else ()
        recorder.write(make_result(index, size=(1280, 720), bodies=(one, *other)))
    recorder.note_drops(3)
    recorder.close()
    return person


def _joints(log, track):
    bodies = [body_of(b) for frame in log.frames for b in frame.bodies if b.track_id == track]
    return np.stack([b.estimate.joints for b in bodies])


def test_refined_bodies_are_steadier_and_nearer(tmp_path, body, capsys):
    source, target = tmp_path / "run.mcap", tmp_path / "refined.mcap"
    person = _record(source, body, body.identity)
    assert main(["refine", str(source), str(target)]) == 0
    assert "21 bodies of 2 tracks" in capsys.readouterr().out
    before, after = read_log(source), read_log(target)
    assert after.complete and after.metadata == before.metadata and after.events == before.events
    old, new = _joints(before, 7), _joints(after, 7)
    assert np.diff(new, axis=0).std() < 0.2 * np.diff(old, axis=0).std()
    truth = person.cloud[0, 17:]
    assert np.linalg.norm(new - truth, axis=-1).mean() < np.linalg.norm(old - truth, axis=-1).mean()
    for first, second in zip(before.frames, after.frames, strict=True):
        assert (first.frame, first.pts_s, len(first.bodies)) == (second.frame, second.pts_s, len(second.bodies))
        for was, now in zip(first.bodies, second.bodies, strict=True):
            assert was.keypoints_2d == now.keypoints_2d and was.track_id == now.track_id
            assert now.quality == QUALITY_UNKNOWN
    # What is logged of a body fits together.
    last = body_of(after.frames[-1].bodies[0]).estimate
    np.testing.assert_allclose(body.joints(last.pose, last.betas, last.translation)[0], last.joints, atol=1e-3)


def test_a_log_of_another_body_is_refused(tmp_path, body, capsys):
    source = tmp_path / "run.mcap"
    _record(source, body, "another-1-abc")
    assert main(["refine", str(source), str(tmp_path / "out.mcap")]) == 1
    assert "another-1-abc" in capsys.readouterr().err and not (tmp_path / "out.mcap").exists()
    assert main(["refine", str(source), str(tmp_path / "out.mcap"), "--smoothness", "0"]) == 2
