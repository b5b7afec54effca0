"""Cached views: the truth is carried through crop, turn and mirror exactly."""

import numpy as np
import pytest
import torch

from engines.body import load_body
from engines.keypoints import NUM_POINTS
from engines.networks.bilayer.kinematics import Kinematics
from engines.networks.hourglass import Trunk, TrunkPreset
from engines.training.factory.shards import CROP_PX, SynthSample, read_shard, write_shard
from engines.training.trunk_cache import SeenPeople, see

COUNT = 6


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    body, rng = load_body(), np.random.default_rng(0)
    pose = rng.normal(0, 0.3, (COUNT, 24, 3)).astype(np.float32)
    pose[:, 0] += (np.pi, 0, 0)
    betas = rng.normal(0, 1, (COUNT, 10)).astype(np.float32)
    place = rng.normal((0, 0, 3), 0.2, (COUNT, 3)).astype(np.float32)
    posed = body.forward(pose, betas, place)
    landmarks = body.coco(posed.vertices)
    blank = np.zeros((CROP_PX // 2, CROP_PX // 2), np.uint8)
    samples = [
        SynthSample(
            image=np.full((CROP_PX, CROP_PX, 3), 90, np.uint8), parts=blank, others=blank,
            points=np.zeros((NUM_POINTS, 3)), joints_cam=posed.joints[row], landmarks_cam=landmarks[row],
            pose=pose[row], betas=betas[row], translation=place[row], K=np.array((300.0, 300, 100, 120)),
            crop_in_source=np.zeros(5), box=np.zeros(4),
        )
        for row in range(COUNT)
    ]  # fmt: skip
    folder = tmp_path_factory.mktemp("shards")
    write_shard(folder / "train-0000.npz", samples)
    preset = TrunkPreset(stacks=1, width=16, levels=1, stem_width=16, depth_bins=4, input_px=64)
    people = see(Trunk(preset).eval(), read_shard(folder / "train-0000.npz"), np.random.default_rng(1), batch=4)
    people.save(folder / "seen.npz")
    return SeenPeople.load(folder / "seen.npz")


def test_turned_body_projects_onto_the_turned_truth(seen):
    body = Kinematics(load_body())
    rotations, betas = torch.from_numpy(seen.rotations), torch.from_numpy(seen.betas)
    turns, joints = body.chain(rotations, betas)
    cloud = torch.cat((body.landmarks(turns, joints, betas), joints), 1).numpy() + seen.translation[:, None]
    flat = cloud[..., :2] / cloud[..., 2:] / seen.half_tan[..., None]
    # Mirrored bodies are the mirror image up to the body's own asymmetry of some millimetres.
    np.testing.assert_allclose(flat, seen.image, atol=0.03)


def test_rotations_are_rotations_and_both_sides_occur(seen):
    np.testing.assert_allclose(np.linalg.det(seen.rotations), 1, atol=1e-4)
    assert seen.points.shape == (COUNT, NUM_POINTS, 5)
    assert seen.features.dtype == np.float16 and seen.features.shape == (COUNT, 16, 8, 8)
