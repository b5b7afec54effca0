"""How Anny's 104 bones become the 24 joints (bake and training factory). Data of ours: a table of bone names.

Merging the skinning weights of the bones of a joint is exact as long as they move as one: hands and feet keep their
shape, and the twist bones of a limb turn with it.
"""

from __future__ import annotations

import numpy as np

from engines.keypoints import JOINT_NAMES

_MIDDLE: dict[str, tuple[str, ...]] = {
    "pelvis": ("root", "pelvis.L", "pelvis.R", "spine05"),
    "spine1": ("spine04", "spine03"),
    "spine2": ("spine02",),
    "spine3": ("spine01",),
    "neck": ("neck01", "neck02", "neck03"),
    "head": ("head", "eye.L", "eye.R"),
}
_SIDE: dict[str, tuple[str, ...]] = {
    "hip": ("upperleg01", "upperleg02"),
    "knee": ("lowerleg01", "lowerleg02"),
    "ankle": ("foot",),
    "foot": tuple(f"toe{t}-{k}" for t in range(1, 6) for k in (1, 2, 3) if (t, k) != (1, 3)),
    "collar": ("clavicle", "shoulder01"),
    "shoulder": ("upperarm01", "upperarm02"),
    "elbow": ("lowerarm01", "lowerarm02"),
    "wrist": ("wrist", *(f"finger1-{k}" for k in (1, 2, 3)), *(f"metacarpal{f}" for f in (1, 2, 3, 4))),
    "hand": tuple(f"finger{f}-{k}" for f in (2, 3, 4, 5) for k in (1, 2, 3)),
}
BONES_OF_JOINT: dict[str, tuple[str, ...]] = _MIDDLE | {
    f"{side}_{part}": tuple(f"{bone}.{side[0].upper()}" for bone in bones)
    for part, bones in _SIDE.items()
    for side in ("left", "right")
}
"""Joint name -> Anny bones whose weights it takes over. Every bone belongs to one joint."""

_AVERAGED = {"foot": ("toe2-1", "toe3-1", "toe4-1"), "hand": ("finger2-1", "finger3-1", "finger4-1", "finger5-1")}


def heads_of_joint(name: str) -> tuple[str, ...]:
    """Bones whose heads, averaged, are the joint: its first bone, but middle toes and knuckles for foot and hand."""
    side, _, part = name.partition("_")
    if part in _AVERAGED:
        return tuple(f"{bone}.{side[0].upper()}" for bone in _AVERAGED[part])
    return BONES_OF_JOINT[name][:1]


def merge_matrix(bones: list[str]) -> np.ndarray:
    """(len(bones), 24) of 0 and 1: weights over bones @ this = weights over joints. Raises ValueError on other rigs."""
    matrix = np.zeros((len(bones), len(JOINT_NAMES)))
    for joint, name in enumerate(JOINT_NAMES):
        matrix[[bones.index(bone) for bone in BONES_OF_JOINT[name]], joint] = 1
    if not (matrix.sum(1) == 1).all():
        raise ValueError(f"bones {[b for b, n in zip(bones, matrix.sum(1), strict=True) if n != 1]} have no joint")
    return matrix


def joint_heads(bone_heads: np.ndarray, bones: list[str]) -> np.ndarray:
    """Bone heads (..., bones, 3) -> joints (..., 24, 3)."""
    return np.stack(
        [bone_heads[..., [bones.index(b) for b in heads_of_joint(name)], :].mean(-2) for name in JOINT_NAMES], axis=-2
    )


def shortest_rotation(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(3, 3): the rotation by the smallest angle that takes direction `source` to direction `target`."""
    a, b = source / np.linalg.norm(source), target / np.linalg.norm(target)
    x, y, z = np.cross(a, b)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + cross + cross @ cross / (1 + a @ b)


def bind_to_tpose(joints: np.ndarray) -> np.ndarray:
    """Joints (24, 3) of the mean body in its A-pose -> (24, 3, 3): constant rotations that make it a T-pose.

    Thighs and shins point straight down and arms straight sideways, each by the shortest rotation of its own bone; a
    hand turns with the bone from wrist to knuckles. Feet keep their pitch and turn about the vertical until they point
    forwards. Trunk, head and collars stay as they are.
    """
    at = {name: joints[i] for i, name in enumerate(JOINT_NAMES)}
    out = np.tile(np.eye(3), (len(JOINT_NAMES), 1, 1))
    for side, outward in (("left", 1.0), ("right", -1.0)):

        def turn(joint: str, child: str, target: tuple[float, float, float], side: str = side) -> np.ndarray:
            bone = at[f"{side}_{child}"] - at[f"{side}_{joint}"]
            if joint == "ankle":
                bone[1] = 0
            return shortest_rotation(bone, np.array(target))

        turns = {
            "hip": turn("hip", "knee", (0, -1, 0)),
            "knee": turn("knee", "ankle", (0, -1, 0)),
            "ankle": turn("ankle", "foot", (0, 0, 1)),
            "shoulder": turn("shoulder", "elbow", (outward, 0, 0)),
            "elbow": turn("elbow", "wrist", (outward, 0, 0)),
            "wrist": turn("wrist", "hand", (outward, 0, 0)),
        }
        turns |= {"foot": turns["ankle"], "hand": turns["wrist"]}
        for part, rotation in turns.items():
            out[JOINT_NAMES.index(f"{side}_{part}")] = rotation
    return out
