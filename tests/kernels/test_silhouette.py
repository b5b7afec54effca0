"""Silhouettes of splatted surfaces against shapes whose area is known."""

import numpy as np
import pytest

from kernels.silhouette import silhouette_iou, splat_silhouette


def test_dense_disc_fills_its_area():
    angle, radius = np.meshgrid(np.linspace(0, 2 * np.pi, 200), np.linspace(0, 60, 100))
    points = np.stack([96 + radius * np.cos(angle), 96 + radius * np.sin(angle)], -1).reshape(-1, 2)
    silhouette = splat_silhouette(points, 48, 192.0)
    centre = (np.arange(48) + 0.5) * 4
    disc = (centre[None] - 96) ** 2 + (centre[:, None] - 96) ** 2 <= 60**2
    assert silhouette_iou(silhouette, disc) > 0.9


def test_points_outside_the_crop_are_left_out():
    assert not splat_silhouette(np.array([[-1.0, 5.0], [500.0, 5.0], [5.0, -0.1]]), 48, 192.0).any()


def test_iou_of_known_masks():
    a, b = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    a[:2], b[1:3] = True, True
    assert silhouette_iou(a, b) == pytest.approx(4 / 12)
    assert np.isnan(silhouette_iou(np.zeros((4, 4), bool), np.zeros((4, 4), bool)))
