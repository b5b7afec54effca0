"""The crop the teachers see, and what is said where their files are missing. Their networks are not shipped."""

import math

import numpy as np
import pytest

from engines.training.evaluate.teachers import FILES, KeypointTeacher, _square


@pytest.mark.parametrize("angle", [0.0, 0.7, math.pi / 2, -2.5])
@pytest.mark.parametrize("side", [128.0, 256.0])
def test_a_dot_of_the_crop_is_found_again_in_the_image(angle, side):
    image = np.zeros((300, 400, 3), np.uint8)
    image[139:142, 219:222] = 255  # centre (220.5, 140.5)
    crop, to_image = _square(image, np.array([200.0, 150.0]), side, angle)
    weight = crop[..., 0].astype(float)
    rows, columns = np.indices(weight.shape)
    dot = np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()
    np.testing.assert_allclose(to_image @ [*dot, 1], (220.5, 140.5), atol=0.1)


def test_outside_the_image_is_black():
    crop, _ = _square(np.full((100, 100, 3), 200, np.uint8), np.array([0.0, 50.0]), 100.0)
    assert (crop[:, :125] == 0).all() and (crop[3:-3, 131:] == 200).all()


def test_missing_networks_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=FILES["nanodet"]):
        KeypointTeacher(tmp_path)
