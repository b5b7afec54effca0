"""Load a body model file in SMPL's layout (.npz, or .pkl without running it) behind the same interface.

The file stays the user's: nothing of it is shipped. It must hold `v_template`, `shapedirs`, `weights`, `f`,
`J_regressor` and SMPL's `kintree_table`; `posedirs` is used where it is present. Two things are approximate, because
the file does not hold them:

- Mesh levels. Levels 1 and 2 are decimated from the template at load, which takes some seconds.
- COCO's landmarks. Shoulders, elbows, wrists, hips, knees and ankles are the skeleton's joints seen as vertices (the
  joint regressor's own rows), not the surface points that annotators mark. Nose, eyes and ears are the surface points
  of the head that lie furthest in fixed directions.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from engines.body.inert_pickle import ForbiddenPickleError, read_arrays
from engines.body.levels import LEVELS, build_levels, fit_upsampling, selection
from engines.body.model import BodyModel, BodyModelError
from engines.body.rows import SparseRows
from engines.keypoints import COCO_NAMES, JOINT_NAMES, JOINT_PARENTS, NUM_JOINTS

MAX_BETAS = 10
_READ = ("v_template", "shapedirs", "posedirs", "weights", "f", "J_regressor", "kintree_table")
LICENSE = "the user's own file; see its licence"

_FACE_DIRECTIONS = {
    "nose": (0.0, 0.0, 1.0),
    "left_eye": (0.35, 0.45, 0.82),
    "right_eye": (-0.35, 0.45, 0.82),
    "left_ear": (1.0, 0.1, -0.1),
    "right_ear": (-1.0, 0.1, -0.1),
}
"""From the middle of the head's vertices, body axes; the vertex nearest to that ray outside is the landmark."""


def load_smpl(path: Path) -> BodyModel:
    """Read an SMPL file. Raises BodyModelError with what is missing or does not fit."""
    arrays = _read(path)

    def take(name: str, *shape: int | None) -> np.ndarray:
        if name not in arrays:
            raise BodyModelError(f"{path} lacks {name!r}; an SMPL model file has it (found: {sorted(arrays)})")
        array = arrays[name]
        if array.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, array.shape, strict=True)):
            raise BodyModelError(f"{path}: {name} has shape {array.shape}, expected {shape} (None: any)")
        return array

    template = take("v_template", None, 3).astype(np.float32)
    size = len(template)
    shapedirs = take("shapedirs", size, 3, None)[..., :MAX_BETAS].astype(np.float32)
    weights = take("weights", size, NUM_JOINTS).astype(np.float32)
    regressor = take("J_regressor", NUM_JOINTS, size).astype(np.float64)
    faces = take("f", None, 3).astype(np.int32)
    if faces.size and not 0 <= faces.min() <= faces.max() < size:
        raise BodyModelError(f"{path}: faces name vertices up to {faces.max()}, the mesh has {size}")
    parents = take("kintree_table", 2, NUM_JOINTS)[0].astype(np.int64)
    if tuple(parents[1:].tolist()) != JOINT_PARENTS[1:]:
        raise BodyModelError(
            f"{path}: kintree_table {parents.tolist()} is not SMPL's tree; SMPL-H and SMPL-X do not fit"
        )
    posedirs = None
    if "posedirs" in arrays:
        posedirs = take("posedirs", size, 3, (NUM_JOINTS - 1) * 9).astype(np.float32)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    joints = regressor @ template
    level_faces, down, up = _levels(path, template, faces, weights)
    return BodyModel(
        identity=f"smpl-{size}-{digest}",
        license=LICENSE,
        v_template=template,
        shapedirs=shapedirs,
        weights=weights / np.maximum(weights.sum(1, keepdims=True), 1e-8),
        faces=level_faces,
        joints_template=joints.astype(np.float32),
        joints_shapedirs=np.einsum("jv,vcs->jcs", regressor, shapedirs).astype(np.float32),
        bind_to_tpose=np.tile(np.eye(3, dtype=np.float32), (NUM_JOINTS, 1, 1)),
        down=down,
        up=up,
        coco_regressor=_landmarks(template, weights, regressor),
        posedirs=posedirs,
    )


def _read(path: Path) -> dict[str, np.ndarray]:
    if path.suffix == ".npz":
        try:
            with np.load(path, allow_pickle=False) as data:
                return {name: data[name] for name in data.files if name in _READ}
        except (OSError, ValueError, EOFError) as error:
            raise BodyModelError(
                f"{path} cannot be read: {error}. Object arrays are refused because they hold code; save dense arrays"
            ) from error
    try:
        return read_arrays(path)
    except ForbiddenPickleError as error:
        raise BodyModelError(f"{path} was refused: {error}") from error


def _levels(
    path: Path, template: np.ndarray, faces: np.ndarray, weights: np.ndarray
) -> tuple[tuple[np.ndarray, ...], tuple[SparseRows, ...], tuple[SparseRows, ...]]:
    everything = np.arange(len(template))
    try:
        # Each vertex its own mirror image: nothing is known about this mesh's symmetry.
        found = build_levels(template, faces, weights, everything, LEVELS[1:])
    except ValueError as error:
        raise BodyModelError(f"{path}: the mesh cannot be decimated ({error}); it must be closed") from error
    index, all_faces = (everything, *found.index), (faces, *found.faces)
    steps = range(len(found.index))
    down = tuple(selection(index[k], index[k + 1]) for k in steps)
    up = tuple(
        fit_upsampling(template[None, index[k]], template[None, index[k + 1]], all_faces[k + 1], found.bound[k])
        for k in steps
    )
    return all_faces, down, up


def _landmarks(template: np.ndarray, weights: np.ndarray, regressor: np.ndarray) -> SparseRows:
    head = np.flatnonzero(weights.argmax(1) == JOINT_NAMES.index("head"))
    if len(head) == 0:
        raise BodyModelError(
            "no vertex follows the head joint more than another; the skinning weights are not a body's"
        )
    outward = template[head] - template[head].mean(0)
    rows: list[tuple[np.ndarray, np.ndarray]] = []
    for name in COCO_NAMES:
        if name in _FACE_DIRECTIONS:
            direction = np.array(_FACE_DIRECTIONS[name]) / np.linalg.norm(_FACE_DIRECTIONS[name])
            along = outward @ direction
            aside = np.linalg.norm(outward - along[:, None] * direction, axis=1)
            rows.append((head[[np.argmax(along - 2 * aside)]], np.ones(1)))
        else:
            row = regressor[JOINT_NAMES.index(name)]
            used = np.flatnonzero(row)
            rows.append((used, row[used]))
    width = max(len(used) for used, _ in rows)
    index, weight = np.zeros((len(rows), width), np.int32), np.zeros((len(rows), width), np.float32)
    for k, (used, values) in enumerate(rows):
        index[k, : len(used)], weight[k, : len(used)] = used, values
    return SparseRows(index, weight)
