"""Crops against float64 coordinates, and against averaging in float64 where they shrink."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.crop_normalize import crop_batch, crop_to_source, source_to_crop

WIDTH, HEIGHT = 240, 180


def ramps():
    """Red grows with x, green with y, one level per pixel; a linear picture shows where it was sampled."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[..., 0], image[..., 1] = np.arange(WIDTH), np.arange(HEIGHT)[:, None]
    return image


@pytest.mark.parametrize("size", [16, 33, 64])
@pytest.mark.parametrize("side", [12.3, 64.0, 100.7, 150.0])
def test_every_pixel_is_where_it_should_be(size, side):
    center = np.array([121.3, 88.9])
    (crop,) = crop_batch(ramps(), center[None], np.array([side]), size)
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1) + 0.5
    expected = crop_to_source(grid, center, side, size) - 0.5
    # Half a level of rounding, twice where it shrinks first, and what fixed-point weights cost
    np.testing.assert_allclose(crop[..., :2].astype(float), expected, atol=1.1)


@pytest.mark.parametrize("size", [16, 33, 64])
@pytest.mark.parametrize("side", [60.0, 64.0, 100.7, 150.0])
def test_nothing_is_shifted(size, side):
    """The centre of a round spot is found where it is, to a twentieth of a pixel of the crop or the picture."""
    spot, center = np.array([118.9, 91.7]), np.array([121.3, 88.9])
    x, y = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    levels = 250 * np.exp(-((x - spot[0]) ** 2 + (y - spot[1]) ** 2) / (2 * 7.0**2))
    image = np.repeat(np.round(levels)[..., None], 3, axis=2).astype(np.uint8)
    weights = crop_batch(image, center[None], np.array([side]), size)[0, ..., 0].astype(float)
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1) + 0.5
    found = crop_to_source((weights[..., None] * grid).sum(axis=(0, 1)) / weights.sum(), center, side, size)
    np.testing.assert_allclose(found, spot, atol=0.05 * max(1, side / size))


def test_a_whole_picture_at_its_size_is_itself():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(crop_batch(image, np.array([[32, 32]]), np.array([64]), 64)[0], image)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_shrinking_averages(factor):
    """Noise shrunk by a power of two is its block means: nothing is left out, nothing aliases."""
    size = 20
    image = np.random.default_rng(1).integers(0, 256, (size * factor, size * factor, 3), dtype=np.uint8)
    crop = crop_batch(image, np.full((1, 2), size * factor / 2), np.array([size * factor]), size)[0]
    blocks = image.reshape(size, factor, size, factor, 3).astype(float).mean(axis=(1, 3))
    np.testing.assert_allclose(crop, blocks, atol=0.5 * np.log2(factor) + 0.01)


@pytest.mark.parametrize("side", [129.0, 160.0, 200.0, 250.0])
def test_fine_stripes_become_grey(side):
    """Stripes far too fine for the crop must not come back as coarse ones."""
    image = np.zeros((300, 300, 3), np.uint8)
    image[:, ::2] = 255
    crop = crop_batch(image, np.array([[150.2, 149.7]]), np.array([side]), 64)[0]
    assert np.ptp(crop[2:-2, 2:-2].astype(int)) < 90
    assert abs(crop[2:-2, 2:-2].mean() - 127.5) < 4


@pytest.mark.parametrize("side", [40.0, 400.0])
def test_outside_is_black_and_the_edge_is_in_place(side):
    image = np.full((100, 100, 3), 200, np.uint8)
    crop = crop_batch(image, np.array([[0.0, 50.0]]), np.array([side]), 40)[0]
    covered = crop[20, :, 0].astype(float).sum() / 200 * side / 40
    assert covered == pytest.approx(min(side / 2, 100), abs=side / 40)
    assert not crop[:, :18].any()
    assert not crop_batch(image, np.array([[-900.0, 50.0]]), np.array([side]), 40).any()


def test_a_batch_is_its_crops():
    centers, sides = np.array([[50, 60], [150.5, 100], [-5, 170]]), np.array([30, 140, 90.0])
    batch = crop_batch(ramps(), centers, sides, 32)
    assert batch.shape == (3, 32, 32, 3) and batch.flags.c_contiguous
    for crop, center, side in zip(batch, centers, sides, strict=True):
        np.testing.assert_array_equal(crop, crop_batch(ramps(), center[None], np.array([side]), 32)[0])
    assert crop_batch(ramps(), np.zeros((0, 2)), np.zeros(0), 32).shape == (0, 32, 32, 3)


numbers = st.floats(-1000, 1000)


@settings(deadline=None)
@given(st.tuples(numbers, numbers), st.tuples(numbers, numbers), st.floats(0.1, 5000), st.integers(1, 512))
def test_there_and_back(point, center, side, size):
    back = source_to_crop(crop_to_source(np.array(point), np.array(center), side, size), np.array(center), side, size)
    np.testing.assert_allclose(back, point, atol=1e-6 * (1 + size / side) * 1000)


@pytest.mark.parametrize(
    ("image", "centers", "sides", "size", "words"),
    [
        (np.zeros((4, 4), np.uint8), [[1, 1]], [2], 8, "image must be"),
        (np.zeros((4, 4, 3), np.float32), [[1, 1]], [2], 8, "float32"),
        (np.zeros((4, 4, 3), np.uint8), [1, 1], [2], 8, "centers must be"),
        (np.zeros((4, 4, 3), np.uint8), [[1, 1]], [2, 2], 8, "sides"),
        (np.zeros((4, 4, 3), np.uint8), [[1, 1]], [0], 8, "positive"),
        (np.zeros((4, 4, 3), np.uint8), [[np.nan, 1]], [2], 8, "finite"),
        (np.zeros((4, 4, 3), np.uint8), [[1, 1]], [2], 0, "size is 0"),
    ],
)
def test_wrong_arguments(image, centers, sides, size, words):
    with pytest.raises(ValueError, match=words):
        crop_batch(image, np.array(centers), np.array(sides), size)
