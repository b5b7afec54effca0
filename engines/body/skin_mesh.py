"""A body model as the arrays that the skinning kernels take."""

from __future__ import annotations

import numpy as np

from engines.body.model import BodyModel, BodyModelError
from engines.keypoints import JOINT_PARENTS
from kernels.skin import SkinMesh


def skin_mesh(body: BodyModel, level: int = 0) -> SkinMesh:
    """Of one mesh level. Raises BodyModelError for a model with pose-dependent offsets: the kernels have none."""
    if body.posedirs is not None:
        raise BodyModelError(f"{body.identity} has pose-dependent offsets (posedirs), the skinning kernels do not")
    template = body.downsample(body.v_template, 0, level)
    weights = body.downsample(body.weights, 0, level)
    dirs = body.downsample(body.shapedirs.reshape(len(body.v_template), -1), 0, level)
    dirs = dirs.reshape(len(template), 3, body.num_betas)
    joints, joint_dirs = body.joints_template, body.joints_shapedirs
    offsets, offset_dirs = joints.copy(), joint_dirs.copy()
    parents = np.array(JOINT_PARENTS, np.int32)
    above = body.bind_to_tpose[parents[1:]]
    offsets[1:] = (above @ (joints[1:] - joints[parents[1:]])[..., None])[..., 0]
    offset_dirs[1:] = above @ (joint_dirs[1:] - joint_dirs[parents[1:]])

    def dense(array: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(array, np.float32)

    return SkinMesh(
        template=dense(template.T),
        shape_dirs=dense(dirs.transpose(2, 1, 0)),
        weights=dense(weights.T),
        offsets=dense(offsets),
        offset_dirs=dense(offset_dirs.transpose(2, 0, 1)),
        bind_joints=dense(joints),
        bind_joint_dirs=dense(joint_dirs.transpose(2, 0, 1)),
        bind_to_tpose=dense(body.bind_to_tpose),
        parents=parents,
    )
