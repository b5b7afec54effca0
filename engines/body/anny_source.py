"""Random adults from Anny (bake only; needs the `train` extra). Apache-2.0 code on CC0 MakeHuman data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engines.keypoints import COCO_NAMES

YOUNGEST, OLDEST = 18.0, 80.0


@dataclass(frozen=True, slots=True)
class Adults:
    """N random bodies in Anny's A-pose, body axes (x left, y up, z forward), metres."""

    vertices: np.ndarray
    """(N, V, 3) float32, topology without separate toes ("notoes"), closed, genus 0."""
    faces: np.ndarray
    """(F, 3)."""
    bone_weights: np.ndarray
    """(V, bones)."""
    bones: list[str]
    bone_heads: np.ndarray
    """(N, bones, 3)."""
    base_vertices: np.ndarray
    """(M, S, 3): the first M bodies as the S points of MakeHuman's base mesh that define COCO's landmarks."""
    base_weights: np.ndarray
    """(S, bones)."""
    landmarks: np.ndarray
    """(17, S): landmarks as weighted means of those points."""


def random_adults(count: int, landmark_bodies: int = 200, seed: int = 0, batch: int = 100) -> Adults:
    """Draw bodies from Anny's own shape distribution, ages 18 to 80. Takes about two minutes on one core."""
    import anny
    import torch
    from anny.keypoints import KeypointsRegressor
    from anny.shape_distribution import SimpleShapeDistribution

    mesh = anny.Anny(rig="anny", topology="notoes", skinning_method="lbs")
    base = anny.Anny(rig="anny", topology="makehuman", skinning_method="lbs")
    landmarks = KeypointsRegressor.coco(base, labels=list(COCO_NAMES)).regression_weights
    support = torch.nonzero(landmarks.sum(0) > 0).flatten()

    torch.manual_seed(seed)
    ages = torch.distributions.Uniform(torch.tensor(YOUNGEST, dtype=mesh.dtype), torch.tensor(OLDEST, dtype=mesh.dtype))
    _, phenotypes = SimpleShapeDistribution(mesh, ages).sample(count)
    vertices, heads, base_vertices = [], [], []
    with torch.no_grad():
        for start in range(0, count, batch):
            chosen = {name: values[start : start + batch] for name, values in phenotypes.items()}
            body = mesh(phenotype_kwargs=chosen)
            vertices.append(_body_axes(body["rest_vertices"]))
            heads.append(_body_axes(body["rest_bone_heads"]))
            if start < landmark_bodies:
                base_vertices.append(_body_axes(base(phenotype_kwargs=chosen)["rest_vertices"][:, support]))
    return Adults(
        vertices=np.concatenate(vertices),
        faces=mesh.faces.numpy(),
        bone_weights=mesh.dense_vertex_bone_weights.numpy(),
        bones=list(mesh.bone_labels),
        bone_heads=np.concatenate(heads),
        base_vertices=np.concatenate(base_vertices)[:landmark_bodies],
        base_weights=base.dense_vertex_bone_weights[support].numpy(),
        landmarks=landmarks[:, support].numpy(),
    )


def _body_axes(points) -> np.ndarray:
    """Anny (x left, y backwards, z up) -> (x left, y up, z forward), float32."""
    x, y, z = points.float().unbind(-1)
    return np.stack([x.numpy(), z.numpy(), -y.numpy()], axis=-1)
