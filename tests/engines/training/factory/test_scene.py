"""What `Studio.without` names is the same in every picture, and only that."""

import numpy as np

from engines.body import load_body
from engines.training.factory.codec import jpeg
from engines.training.factory.poses import PoseLibrary
from engines.training.factory.scene import GREY, Studio
from tests.engines.training.factory.bare_body import bare_body


class Naked:
    """Our own body for the clothes of the training material, which tests do without."""

    def __init__(self):
        self.clothed = set()

    def dress(self, betas, transforms, person, pattern, rng, *, clothed=True):
        self.clothed.add(clothed)
        return [bare_body(transforms, person)]


def studio(renderer, *without):
    body = load_body()
    standing = np.zeros((1, 24, 3), np.float32)
    poses = PoseLibrary(standing, ((np.array([0]),),), np.array([0]))
    photo = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    return Studio(
        body=body,
        poses=poses,
        wardrobe=Naked(),
        renderer=renderer,
        backgrounds=[np.frombuffer(jpeg(photo, 90), np.uint8)],
        without=frozenset(without),
    )


def shots(made, count=12):
    return [made.shoot(np.random.default_rng(seed)) for seed in range(count)]


def test_a_grey_wall_a_clean_sensor_and_nothing_in_front(renderer):
    for sample in shots(studio(renderer, "background", "sensor", "occlusion"), 6):
        behind = np.kron(sample.parts == 0, np.ones((2, 2), bool)) & (sample.image != 0).any(-1)
        assert (sample.image[behind] == GREY).all(-1).mean() > 0.95, "all but the outline's mixed pixels"
        assert not sample.others.any()
    varied = shots(studio(renderer))
    assert any(sample.others.any() for sample in varied)
    assert all((sample.image == GREY).all(-1).mean() < 0.1 for sample in varied)


def test_whole_bodies_before_a_level_camera_of_one_field_of_view(renderer):
    samples = shots(studio(renderer, "truncation", "view"))
    assert all((sample.points[:, 2] > 0).all() for sample in samples)
    varied = shots(studio(renderer))
    assert any((sample.points[:, 2] == 0).any() for sample in varied)
    # Somebody upright before a level camera is turned half around an axis of the ground: y points down in the camera.
    tilts, varied_tilts = ([abs(sample.pose[0, 1]) for sample in some] for some in (samples, varied))
    assert max(tilts) < 1e-3 < 0.1 < max(varied_tilts)


def test_bare_skin(renderer):
    made = studio(renderer, "clothes")
    shots(made, 3)
    assert made.wardrobe.clothed == {False}
    made = studio(renderer)
    shots(made, 3)
    assert made.wardrobe.clothed == {True}
