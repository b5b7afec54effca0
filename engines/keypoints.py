"""The 41 image points the trunk predicts, their names, order and mirror images.

Order: COCO's 17 surface landmarks first, then the 24 joints of the body (prefixed ``joint_`` because both sets
have a ``left_shoulder``). "Left" is the person's left.
"""

COCO_NAMES: tuple[str, ...] = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
JOINT_NAMES: tuple[str, ...] = (
    "pelvis",
    "left_hip",
    "right_hip",
    "spine1",
    "left_knee",
    "right_knee",
    "spine2",
    "left_ankle",
    "right_ankle",
    "spine3",
    "left_foot",
    "right_foot",
    "neck",
    "left_collar",
    "right_collar",
    "head",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hand",
    "right_hand",
)
JOINT_PARENTS: tuple[int, ...] = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
POINT_NAMES: tuple[str, ...] = COCO_NAMES + tuple(f"joint_{name}" for name in JOINT_NAMES)

NUM_COCO, NUM_JOINTS, NUM_POINTS = len(COCO_NAMES), len(JOINT_NAMES), len(POINT_NAMES)

COCO_EDGES: tuple[tuple[int, int], ...] = (
    (5, 7),
    (7, 9),
    (6, 8),
    (8, 10),
    (5, 6),
    (5, 11),
    (6, 12),
    (11, 12),
    (11, 13),
    (13, 15),
    (12, 14),
    (14, 16),
    (0, 1),
    (0, 2),
    (1, 3),
    (2, 4),
)

PART_NAMES: tuple[str, ...] = (
    "background",
    "head",
    "torso",
    "left_upper_arm",
    "right_upper_arm",
    "left_forearm",
    "right_forearm",
    "left_hand",
    "right_hand",
    "left_thigh",
    "right_thigh",
    "left_shin",
    "right_shin",
    "left_foot",
    "right_foot",
    "hips",
)
"""Class 0 is the background, 1..15 the 15 body parts of the segmentation head."""

PART_OF_JOINT: tuple[int, ...] = (15, 9, 10, 2, 11, 12, 2, 13, 14, 2, 13, 14, 1, 2, 2, 1, 3, 4, 5, 6, 7, 8, 7, 8)
"""Segmentation class of a surface point whose strongest skinning weight is that joint."""


def mirror_permutation(names: tuple[str, ...]) -> tuple[int, ...]:
    """For each name, the index of its left/right counterpart (itself where it has none)."""

    def swap(name: str) -> str:
        if "left" in name:
            return name.replace("left", "right")
        return name.replace("right", "left")

    return tuple(names.index(swap(name)) for name in names)


POINT_MIRROR = mirror_permutation(POINT_NAMES)
JOINT_MIRROR = mirror_permutation(JOINT_NAMES)
PART_MIRROR = mirror_permutation(PART_NAMES)
