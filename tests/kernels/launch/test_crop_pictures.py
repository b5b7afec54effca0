"""Crops on a device against bilinear sampling in float64, for RGB and NV12, and against the CPU paths."""

import math

import cv2
import numpy as np
import pytest

from kernels.crop_normalize import crop_batch
from kernels.crop_pictures import CropFormat, crop_pictures, nv12_to_rgb, square_affines
from kernels.launch.crop_pictures import DevicePicture
from kernels.launch.crop_pictures import crop_pictures as crop_on

FLOAT = CropFormat(dtype="float32")


def picture(width=50, height=37, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def rgb_on(device, image, padding=0):
    rows = np.pad(image.reshape(len(image), -1), ((0, 0), (0, padding)), constant_values=99)
    return DevicePicture(pixels=device.upload(rows), width=image.shape[1])


def sample_slowly(image, affine, size):
    """Every tap of every pixel in float64; black outside."""
    height, width, _ = image.shape
    affine = affine.astype(float)
    taps = min(max(math.ceil(np.linalg.norm(affine[:, :2], axis=0).max() - 1e-3), 1), 16)
    crop = np.zeros((size, size, 3))
    for row, column, j, i in np.ndindex(size, size, taps, taps):
        u, v = column + (i + 0.5) / taps, row + (j + 0.5) / taps
        x, y = affine @ [u, v, 1] - 0.5
        for dy in (0, 1):
            for dx in (0, 1):
                px, py = math.floor(x) + dx, math.floor(y) + dy
                if 0 <= px < width and 0 <= py < height:
                    crop[row, column] += (1 - abs(x - px)) * (1 - abs(y - py)) * image[py, px]
    return crop / taps**2


def turned(angle, scale, centre, size):
    rotation = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return np.column_stack([rotation, np.array(centre) - rotation @ [size / 2, size / 2]]).astype(np.float32)


AFFINES = np.stack(
    [
        turned(0, 0.7, (25, 18), 13),
        turned(0.4, 1.0, (3, 30), 13),
        turned(-1.1, 2.6, (40, 20), 13),  # shrinks: three taps, reaches beyond the picture
        turned(0, 1.0, (-400, 9), 13),  # nothing of the picture
        turned(2.0, 1e8, (9, 9), 13),  # coordinates beyond int
    ]
)


@pytest.mark.parametrize("padding", [0, 7])
def test_against_float64(device, padding):
    image = picture()
    found = device.download(crop_on([rgb_on(device, image, padding)], np.zeros(5, int), AFFINES, 13, FLOAT))
    for crop, affine in zip(found[:4], AFFINES[:4], strict=True):
        np.testing.assert_allclose(crop, sample_slowly(image, affine, 13), atol=0.02)
    assert found[0].min() > 0 and not found[3].any()


def test_one_launch_for_pictures_of_all_cameras(device):
    """RGB and NV12 of odd and different sizes, crops in any order."""
    images = [picture(50, 37), picture(21, 19, seed=2)]
    luma = np.random.default_rng(3).integers(0, 256, (19, 33), dtype=np.uint8)
    chroma = np.random.default_rng(4).integers(0, 256, (10, 17, 2), dtype=np.uint8)
    padded = np.pad(luma, ((0, 0), (0, 1)))
    planes = {"pixels": device.upload(padded), "chroma": device.upload(chroma.reshape(10, 34)), "width": 33}
    on_device = [
        *(rgb_on(device, image) for image in images),
        DevicePicture(**planes, matrix="bt709"),
        DevicePicture(**planes, matrix="bt601"),
    ]
    rgb = [*images, nv12_to_rgb(luma, chroma, "bt709"), nv12_to_rgb(luma, chroma, "bt601")]
    picture_of = np.array([3, 0, 2, 1, 0, 3])
    affines = np.stack([turned(0.1 * k, 0.5 + 0.5 * k, (12, 9), 9) for k in range(6)])
    found = device.download(crop_on(on_device, picture_of, affines, 9, FLOAT))
    for crop, index, affine in zip(found, picture_of, affines, strict=True):
        np.testing.assert_allclose(crop, sample_slowly(rgb[index], affine, 9), atol=0.02)
    # OpenCV's fixed-point positions: 1/32 of a pixel.
    np.testing.assert_allclose(found, crop_pictures(rgb, picture_of, affines, 9, FLOAT), atol=255 / 16)


def test_nv12_is_what_opencv_makes_of_it():
    luma = np.random.default_rng(5).integers(16, 236, (8, 10), dtype=np.uint8)
    chroma = np.random.default_rng(6).integers(16, 241, (4, 5, 2), dtype=np.uint8)
    frame = np.concatenate([luma, chroma.reshape(4, 10)])
    expected = cv2.cvtColor(frame, cv2.COLOR_YUV2RGB_NV12)
    np.testing.assert_allclose(nv12_to_rgb(luma, chroma, "bt601"), expected, atol=1.5)


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
@pytest.mark.parametrize("planar", [False, True])
def test_types_and_layouts(device, dtype, planar):
    image = picture()
    wanted = CropFormat(dtype=dtype, planar=planar, scale=(0.9, 1.1, 0.7), bias=(3.0, -20.0, 0.5))
    found = device.download(crop_on([rgb_on(device, image)], np.zeros(2, int), AFFINES[:2], 13, wanted))
    assert found.dtype == dtype
    exact = np.stack([sample_slowly(image, affine, 13) for affine in AFFINES[:2]])
    exact = exact * wanted.scale + wanted.bias
    if planar:
        exact = exact.transpose(0, 3, 1, 2)
    if dtype == "uint8":
        exact = np.clip(exact, 0, 255)
    np.testing.assert_allclose(
        found.astype(float), exact, atol={"uint8": 0.53, "float16": 0.15, "float32": 0.03}[dtype]
    )


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_shrinking_averages_blocks(device, factor):
    image = picture(8 * factor, 8 * factor)
    affine = square_affines(np.full((1, 2), 4.0 * factor), np.array([8.0 * factor]), 8)
    (crop,) = device.download(crop_on([rgb_on(device, image)], np.zeros(1, int), affine, 8, FLOAT))
    blocks = image.reshape(8, factor, 8, factor, 3).astype(float).mean(axis=(1, 3))
    np.testing.assert_allclose(crop, blocks, atol=0.01)


@pytest.mark.parametrize("side", [12.3, 40.0, 90.0])
def test_agrees_with_the_crops_that_networks_are_trained_on(device, side):
    """A smooth picture through this kernel and through `crop_batch`: the same place, the same levels."""
    x, y = np.meshgrid(np.arange(120), np.arange(100))
    image = np.stack([x * 2, y * 2, 120 + 100 * np.sin(x / 9) * np.cos(y / 7)], axis=-1).astype(np.uint8)
    centre, sides = np.array([[60.3, 49.1]]), np.array([side])
    found = device.download(crop_on([rgb_on(device, image)], np.zeros(1, int), square_affines(centre, sides, 24), 24))
    assert np.abs(found.astype(int) - crop_batch(image, centre, sides, 24)).max() <= 3


def test_refusals(device):
    image = rgb_on(device, picture())
    with pytest.raises(ValueError, match="must index 1 pictures"):
        crop_on([image], np.ones(5, int), AFFINES, 13)
    with pytest.raises(ValueError, match="affines must be finite"):
        crop_on([image], np.zeros(1, int), np.full((1, 2, 3), np.nan), 13)
    with pytest.raises(ValueError, match="at least 150 bytes"):
        DevicePicture(pixels=device.upload(np.zeros((4, 149), np.uint8)), width=50)
    with pytest.raises(ValueError, match=r"chroma must be \(3, 50\)"):
        planes = (device.upload(np.zeros((rows, 50), np.uint8)) for rows in (5, 2))
        DevicePicture(**dict(zip(("pixels", "chroma"), planes, strict=True)), width=50)
