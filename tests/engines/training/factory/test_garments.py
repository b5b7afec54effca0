"""A garment follows the body: hand-written .mhclo and .obj files on a small base mesh."""

import numpy as np
import pytest

from engines.training.factory.base_mesh import BaseMesh
from engines.training.factory.garments import load_garment

MHCLO = """# a patch
basemesh hm08
x_scale 0 1 2.0
y_scale 0 2 2.0
z_scale 0 3 4.0
verts 0
material patch.mhmat
 0 1 2 0.5 0.25 0.25 0.1 0.2 0.3
 1
 0 1 2 1.5 -0.5 0.0 0.0 0.0 0.0
 2

delete_verts
0 2 - 4
"""
OBJ = "vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\nf 1/1 2/2 3/3 4/4\nf 1/1 2/2 3/3\n"


def base_mesh() -> BaseMesh:
    vertices = np.array([[0, 0, 0], [2, 0, 0], [0, 2, 0], [0, 0, 2], [1, 1, 1]], np.float32)
    weights = np.zeros((5, 24), np.float32)
    weights[[0, 1, 2, 3, 4], [0, 1, 1, 2, 3]] = 1
    return BaseMesh(
        template=vertices,
        shapedirs=np.zeros((5, 3, 10), np.float32),
        weights=weights,
        faces=np.zeros((0, 4), np.int32),
        face_uv=np.zeros((0, 4), np.int32),
        uv=np.zeros((0, 2), np.float32),
    )


@pytest.fixture
def garment(tmp_path):
    (tmp_path / "patch.mhclo").write_text(MHCLO)
    (tmp_path / "patch.obj").write_text(OBJ)
    return load_garment(tmp_path / "patch.mhclo", tmp_path / "patch.obj", base_mesh())


def test_fit_scales_offsets_by_the_body_measure(garment):
    shaped = base_mesh().template * (1, 1, 3)
    fitted = garment.fit(shaped)
    # Measures: x 2/2 = 1, y 2/2 = 1, z 6/4 = 1.5.
    np.testing.assert_allclose(fitted[0], (0.5 + 0.1, 0.5 + 0.2, 0.3 * 1.5), atol=1e-6)
    np.testing.assert_allclose(fitted[[1, 3]], shaped[[1, 2]])
    np.testing.assert_array_equal(garment.hides, [True, False, True, True, True])


def test_skin_weights_are_convex(garment):
    weights = garment.surface.weights
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(axis=0), 1, rtol=1e-6)
    np.testing.assert_allclose(weights[:2, garment.surface.vertex == 0], [[0.5], [0.5]])
    np.testing.assert_allclose(weights[:2, garment.surface.vertex == 2], [[1], [0]])  # -0.5 was cut off


def test_posing_is_linear_blend_skinning(garment):
    rng = np.random.default_rng(0)
    transforms = np.tile(np.eye(4, dtype=np.float32), (24, 1, 1))
    transforms[:, :3, :] = rng.normal(size=(24, 3, 4))
    rest = garment.fit(base_mesh().template)
    posed = garment.surface.posed(rest, transforms)
    for corner, vertex in enumerate(garment.surface.vertex):
        matrix = sum(w * t for w, t in zip(garment.surface.weights[:, corner], transforms, strict=True))
        np.testing.assert_allclose(posed[corner, :3], (matrix @ [*rest[vertex], 1])[:3], rtol=1e-4, atol=1e-5)
    assert garment.surface.triangles.shape == (3, 3)


def test_files_that_do_not_belong_together(tmp_path):
    (tmp_path / "a.mhclo").write_text(MHCLO)
    (tmp_path / "b.obj").write_text(OBJ.replace("4/4", "9/4"))
    with pytest.raises(ValueError, match="uses 9 vertices"):
        load_garment(tmp_path / "a.mhclo", tmp_path / "b.obj", base_mesh())
