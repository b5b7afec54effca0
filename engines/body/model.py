"""The body model: shape, forward kinematics, linear blend skinning, mesh levels, surface landmarks.

Body axes: +x to the body's left, +y up, +z forward. The mesh is stored in its bind pose, an A-pose with rest joints
J_i; a constant rotation B_i per joint takes it to the T-pose, which is pose zero:

    G_0 = R_0, G_i = G_parent R_i,   p_0 = translation, p_i = p_parent + G_parent B_parent (J_i - J_parent)
    vertex = sum_i w_i (G_i B_i (v - J_i) + p_i)

v and J are linear in betas. A licensed SMPL file is the case B_i = identity plus pose-dependent offsets of v.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from engines.body.rotations import rotation_matrices
from engines.body.rows import SparseRows
from engines.keypoints import JOINT_PARENTS, NUM_JOINTS, PART_OF_JOINT


class BodyModelError(ValueError):
    """A body file or an argument of the body model does not fit."""


@dataclass(frozen=True, slots=True)
class Posed:
    """Bodies in the camera frame."""

    vertices: np.ndarray
    """(B, V, 3) float32, metres, camera frame; V is the size of the level asked for."""
    joints: np.ndarray
    """(B, 24, 3) float32, metres, camera frame."""
    transforms: np.ndarray
    """(B, 24, 4, 4) float32: per joint, from bind-pose body points to the camera frame (skinning matrices)."""


def tree_levels(parents: tuple[int, ...] = JOINT_PARENTS) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Joints of equal depth and their parents, root excluded: what can be computed in one batched product."""
    depth = [0] * len(parents)
    for joint, parent in enumerate(parents):
        depth[joint] = 0 if parent < 0 else depth[parent] + 1
    joints = [np.flatnonzero(np.array(depth) == d) for d in range(1, max(depth) + 1)]
    return tuple((idx, np.array(parents)[idx]) for idx in joints)


_TREE = tree_levels()
_PARENTS = np.array(JOINT_PARENTS[1:])
JUMPS = [np.array([*(NUM_JOINTS if parent < 0 else parent for parent in JOINT_PARENTS), NUM_JOINTS])]
"""The joint 1, 2, 4 and 8 above each joint, or a 25th that stays where it is: a chain of 9 joints is multiplied out in
four steps, each of which doubles what a joint's transform reaches back to."""
for _ in range(3):
    JUMPS.append(JUMPS[-1][JUMPS[-1]])
_ANCESTORS = np.eye(NUM_JOINTS, dtype=np.float32)
"""(24, 24): 1 where the column's joint lies on the way from the root to the row's."""
for _joint, _parent in enumerate(JOINT_PARENTS[1:], 1):
    _ANCESTORS[_joint] += _ANCESTORS[_parent]


def along_chain(rotations: np.ndarray, offsets: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """Local rotations (B, 24, 3, 3), joints seen from their parents (B, 24, 3), pelvis (B, 3) -> (B, 24, 3, 4): global
    rotations beside joint positions, in the type of the offsets."""
    chain = np.zeros((len(rotations), NUM_JOINTS + 1, 4, 4), offsets.dtype)
    chain[:, :NUM_JOINTS, :3, :3] = rotations
    chain[:, :NUM_JOINTS, :3, 3] = offsets
    chain[:, 0, :3, 3] = translation
    chain[..., 3, 3] = 1
    chain[:, NUM_JOINTS, :3, :3] = np.eye(3)
    for above in JUMPS:
        chain = chain.take(above, 1) @ chain
    return chain[:, :NUM_JOINTS, :3]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BodyModel:
    """See the module. All arrays float32 (indices int32), metres, body axes, bind pose. Get one by `load_body`."""

    identity: str
    """Name and content hash; carried by the log and the wire."""
    v_template: np.ndarray
    """(V, 3)."""
    shapedirs: np.ndarray
    """(V, 3, S): displacement per standard deviation."""
    weights: np.ndarray
    """(V, 24): skinning weights, non-negative, rows sum to 1."""
    faces: tuple[np.ndarray, ...]
    """Per level (F, 3), counter-clockwise seen from outside."""
    joints_template: np.ndarray
    """(24, 3): joints of the mean body in the bind pose."""
    joints_shapedirs: np.ndarray
    """(24, 3, S)."""
    bind_to_tpose: np.ndarray
    """(24, 3, 3): B_i."""
    down: tuple[SparseRows, ...]
    """down[k] takes level k to level k + 1."""
    up: tuple[SparseRows, ...]
    """up[k] takes level k + 1 to level k."""
    coco_regressor: SparseRows
    """17 rows over level-0 vertices, non-negative, local, sums 1."""
    posedirs: np.ndarray | None = None
    """(V, 3, 207) or None: offsets per entry of the 23 local rotation matrices minus identity."""
    license: str = ""

    # Derived, in the layout that skinning wants.
    _bind_offsets: np.ndarray = field(init=False, repr=False)
    _offset_dirs: np.ndarray = field(init=False, repr=False)
    _levels: tuple[_Level, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        # o_i = B_parent (J_i - J_parent), linear in betas; row 0 is the pelvis itself.
        stacked = np.concatenate([self.joints_template[..., None], self.joints_shapedirs], axis=-1)
        offsets = stacked.copy()
        offsets[1:] = self.bind_to_tpose[_PARENTS] @ (stacked[1:] - stacked[_PARENTS])
        put(self, "_bind_offsets", np.ascontiguousarray(offsets[..., 0]))
        put(self, "_offset_dirs", np.ascontiguousarray(offsets[..., 1:]))
        arrays = (self.v_template, self.shapedirs, self.weights, self.posedirs)
        levels = [_Level.of(*arrays)]
        for rows in self.down:
            template, dirs, weights, moves = arrays
            arrays = (
                rows @ template,
                _along_vertices(rows, dirs),
                rows @ weights,
                None if moves is None else _along_vertices(rows, moves),
            )
            levels.append(_Level.of(*arrays))
        put(self, "_levels", tuple(levels))

    @property
    def level_sizes(self) -> tuple[int, ...]:
        """Vertices per level, finest first."""
        return tuple(len(level.parts) for level in self._levels)

    @property
    def num_betas(self) -> int:
        return self.shapedirs.shape[2]

    def parts(self, level: int = 0) -> np.ndarray:
        """(V,) uint8: part of every vertex of a level, classes of `engines.keypoints.PART_NAMES`."""
        return self._level(level).parts

    def joints_rest(self, betas: np.ndarray) -> np.ndarray:
        """Joints in the T-pose, pelvis where the mesh has it, body axes: betas (B, S) or (S,) -> (B, 24, 3)."""
        return _ANCESTORS @ self._offsets(self._check_betas(betas))

    def joints(self, pose: np.ndarray, betas: np.ndarray, translation: np.ndarray) -> np.ndarray:
        """Forward kinematics alone; arguments as `forward` -> (B, 24, 3), metres, camera frame."""
        return self._chain(*self._arguments(pose, betas, translation))[..., 3]

    def forward(self, pose: np.ndarray, betas: np.ndarray, translation: np.ndarray, level: int = 0) -> Posed:
        """Pose bodies.

        pose: (B, 24, 3) rotation vectors or (B, 24, 3, 3) matrices; betas: (B, S); translation: (B, 3), the pelvis
        joint, metres. B may be missing, or 1 where another argument has more. Raises BodyModelError on other shapes.
        """
        mesh = self._level(level)
        rotations, betas, translation = self._arguments(pose, betas, translation)
        count = len(rotations)
        chain = self._chain(rotations, betas, translation)
        joints = chain[..., 3]

        transforms = np.zeros((count, NUM_JOINTS, 4, 4), np.float32)
        np.matmul(chain[..., :3], self.bind_to_tpose, out=transforms[..., :3, :3])
        bind_joints = self.joints_template + (betas @ _flat_dirs(self.joints_shapedirs)).reshape(count, NUM_JOINTS, 3)
        transforms[..., :3, 3] = joints - (transforms[..., :3, :3] @ bind_joints[..., None])[..., 0]
        transforms[..., 3, 3] = 1

        # (3, V) layout: every product below runs over contiguous vertices.
        shaped = mesh.template + (betas @ mesh.shapedirs).reshape(count, 3, -1)
        if mesh.posedirs is not None:
            feature = (rotations[:, 1:] - np.eye(3, dtype=np.float32)).reshape(count, -1)
            shaped += (feature @ mesh.posedirs).reshape(count, 3, -1)
        blend = transforms[:, :, :3].reshape(count, NUM_JOINTS, 12).transpose(0, 2, 1) @ mesh.weights
        blend = blend.reshape(count, 3, 4, -1)
        posed = blend[:, :, 3]
        for axis in range(3):
            posed += blend[:, :, axis] * shaped[:, None, axis]
        return Posed(np.ascontiguousarray(posed.transpose(0, 2, 1)), np.ascontiguousarray(joints), transforms)

    def coco(self, vertices: np.ndarray) -> np.ndarray:
        """COCO's 17 surface landmarks: level-0 vertices (..., V, 3) -> (..., 17, 3)."""
        if vertices.shape[-2] != len(self.v_template):
            raise BodyModelError(
                f"vertices has shape {vertices.shape}, landmarks need the {len(self.v_template)} vertices of level 0; "
                "call forward(..., level=0) or upsample first"
            )
        return self.coco_regressor @ vertices

    def downsample(self, x: np.ndarray, from_level: int = 0, to_level: int = 1) -> np.ndarray:
        """Per-vertex values (..., V, C) of a finer level -> of a coarser one."""
        self._check_move(x, from_level, to_level, ordered=from_level <= to_level)
        for level in range(from_level, to_level):
            x = self.down[level] @ x
        return x

    def upsample(self, x: np.ndarray, from_level: int = 1, to_level: int = 0) -> np.ndarray:
        """Per-vertex values (..., V, C) of a coarser level -> of a finer one."""
        self._check_move(x, from_level, to_level, ordered=from_level >= to_level)
        for level in range(from_level - 1, to_level - 1, -1):
            x = self.up[level] @ x
        return x

    def _offsets(self, betas: np.ndarray) -> np.ndarray:
        return self._bind_offsets + (betas @ _flat_dirs(self._offset_dirs)).reshape(-1, NUM_JOINTS, 3)

    def _chain(self, rotations: np.ndarray, betas: np.ndarray, translation: np.ndarray) -> np.ndarray:
        """(B, 24, 3, 4): global rotations G_i beside joint positions p_i."""
        return along_chain(rotations, self._offsets(betas), translation)

    def _level(self, level: int) -> _Level:
        if not 0 <= level < len(self._levels):
            raise BodyModelError(f"level is {level}, {self.identity} has levels 0 to {len(self._levels) - 1}")
        return self._levels[level]

    def _check_move(self, x: np.ndarray, from_level: int, to_level: int, *, ordered: bool) -> None:
        size = len(self._level(from_level).parts)
        self._level(to_level)
        if not ordered:
            raise BodyModelError(f"cannot go from level {from_level} to {to_level} this way; level 0 is the finest")
        if x.shape[-2] != size:
            raise BodyModelError(f"array has shape {x.shape}, level {from_level} has {size} vertices (axis -2)")

    def _check_betas(self, betas: np.ndarray) -> np.ndarray:
        betas = np.atleast_2d(np.asarray(betas, np.float32))
        if betas.ndim != 2 or betas.shape[1] != self.num_betas:
            raise BodyModelError(
                f"betas has shape {betas.shape}, {self.identity} takes (B, {self.num_betas}); "
                f"pass betas[:, :{self.num_betas}] or pad with zeros"
            )
        return betas

    def _arguments(
        self, pose: np.ndarray, betas: np.ndarray, translation: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        pose = np.asarray(pose, np.float32)
        if pose.shape[-2:] == (NUM_JOINTS, 3) and pose.ndim in (2, 3):
            rotations = rotation_matrices(pose.reshape(-1, NUM_JOINTS, 3))
        elif pose.shape[-3:] == (NUM_JOINTS, 3, 3) and pose.ndim in (3, 4):
            rotations = pose.reshape(-1, NUM_JOINTS, 3, 3)
        else:
            raise BodyModelError(
                f"pose has shape {pose.shape}, it must be (B, 24, 3) rotation vectors or (B, 24, 3, 3) matrices"
            )
        betas = self._check_betas(betas)
        translation = np.atleast_2d(np.asarray(translation, np.float32))
        if translation.ndim != 2 or translation.shape[1] != 3:
            raise BodyModelError(f"translation has shape {translation.shape}, it must be (B, 3): the pelvis, metres")
        count = max(len(rotations), len(betas), len(translation))
        if any(len(a) not in (1, count) for a in (rotations, betas, translation)):
            raise BodyModelError(
                f"batch sizes differ: {len(rotations)} poses, {len(betas)} betas, {len(translation)} translations"
            )
        return _repeated(rotations, count), _repeated(betas, count), _repeated(translation, count)


@dataclass(frozen=True, slots=True)
class _Level:
    """One mesh level, vertices last."""

    template: np.ndarray
    """(3, V)."""
    shapedirs: np.ndarray
    """(S, 3 V)."""
    weights: np.ndarray
    """(24, V)."""
    posedirs: np.ndarray | None
    """(207, 3 V)."""
    parts: np.ndarray
    """(V,) uint8."""

    @classmethod
    def of(
        cls, template: np.ndarray, shapedirs: np.ndarray, weights: np.ndarray, posedirs: np.ndarray | None
    ) -> _Level:
        parts = np.array(PART_OF_JOINT, np.uint8)[weights.argmax(axis=1)]
        return cls(
            np.ascontiguousarray(template.T),
            _flat_dirs(shapedirs.transpose(1, 0, 2)),
            np.ascontiguousarray(weights.T),
            None if posedirs is None else _flat_dirs(posedirs.transpose(1, 0, 2)),
            parts,
        )


def _repeated(array: np.ndarray, count: int) -> np.ndarray:
    return array if len(array) == count else np.broadcast_to(array, (count, *array.shape[1:]))


def _flat_dirs(dirs: np.ndarray) -> np.ndarray:
    """(A, B, S) -> (S, A B), so that betas @ dirs is one product."""
    return np.ascontiguousarray(dirs.reshape(-1, dirs.shape[2]).T)


def _along_vertices(rows: SparseRows, array: np.ndarray) -> np.ndarray:
    return (rows @ array.reshape(len(array), -1)).reshape(-1, *array.shape[1:])
