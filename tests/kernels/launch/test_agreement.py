"""Silhouette agreement on a device against the CPU path."""

import numpy as np
import pytest

from kernels.launch.agreement import agreement
from kernels.silhouette import silhouette_iou, splat_silhouette


def on_device(device, vertices, cameras, parts):
    counts = device.empty((len(vertices), 2), np.int32)
    agreement(*(device.upload(np.asarray(a, np.float32)) for a in (vertices, cameras, parts)), counts)
    return device.download(counts)


@pytest.mark.parametrize(("count", "vertices", "cells"), [(1, 1, 1), (3, 700, 40), (2, 5000, 96), (0, 10, 8)])
def test_against_the_cpu_path(device, count, vertices, cells):
    rng = np.random.default_rng(vertices)
    points = rng.normal((0, 0, 4), (0.4, 0.7, 0.2), (count, vertices, 3)).astype(np.float32)
    side = 300.0
    cameras = np.tile([800.0, 820.0, 640.0, 360.0, 490.0, 215.0, cells / side], (count, 1))
    parts = rng.normal(size=(count, 4, cells, cells)).astype(np.float32)
    parts[:, 0] += 1
    counts = on_device(device, points, cameras, parts)
    for row in range(count):
        pixels = points[row, :, :2] / points[row, :, 2:] * (800, 820) + (640, 360) - (490, 215)
        silhouette = splat_silhouette(pixels, cells, side)
        person = parts[row, 1:].max(0) > parts[row, 0]
        both, either = counts[row]
        assert abs(both - (silhouette & person).sum()) <= 2  # a vertex on a cell's edge, in float32
        expected = silhouette_iou(silhouette, person)
        assert (both / either if either else np.nan) == pytest.approx(expected, abs=0.01, nan_ok=True)


def test_behind_the_camera_and_outside_is_nowhere(device):
    vertices = np.array([[[0, 0, -1], [50, 0, 1], [np.nan, 0, 1]]])
    counts = on_device(device, vertices, [[1, 1, 0, 0, 5, 5, 1.0]], np.zeros((1, 2, 8, 8)))
    assert counts.tolist() == [[0, 0]]


def test_refusals(device):
    with pytest.raises(ValueError, match="C from 1 to 96"):
        on_device(device, np.zeros((1, 1, 3)), np.zeros((1, 7)), np.zeros((1, 2, 97, 97)))
    with pytest.raises(ValueError, match=r"cameras must have shape \(1, 7\)"):
        on_device(device, np.zeros((1, 1, 3)), np.zeros((2, 7)), np.zeros((1, 2, 8, 8)))
