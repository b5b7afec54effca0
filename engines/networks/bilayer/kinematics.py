"""Differentiable body points: 24 joints, 17 landmarks and the coarse mesh from rotations and shape.

Skinning is linear in the vertices, and a landmark is a linear combination of vertices. So the sums over vertices are
taken once, when the module is built, and a landmark costs no more than a single vertex:

    landmark = sum_j G_j a_j(betas) + m_j p_j,   a_j = sum_v c_v w_vj B_j (v - J_j),   m_j = sum_v c_v w_vj

with G_j, p_j the global rotation and place of joint j, B_j its bind rotation, c the landmark's weights. Only operations
that every runtime knows (products, sums, slices) are used: this graph is part of the exported network.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from engines.body.model import JUMPS, BodyModel
from engines.keypoints import JOINT_PARENTS, NUM_COCO, NUM_JOINTS

COARSE_LEVEL = 2


class Kinematics(nn.Module):
    """Forward kinematics and skinning in body axes turned by rotation 0, with the pelvis joint at the origin."""

    offset: Tensor
    offset_dirs: Tensor
    landmark_local: Tensor
    landmark_dirs: Tensor
    landmark_mass: Tensor
    coarse_template: Tensor
    coarse_dirs: Tensor
    coarse_weights: Tensor
    bind: Tensor
    rest: Tensor
    rest_dirs: Tensor
    last_row: Tensor
    nothing: Tensor

    def __init__(self, body: BodyModel) -> None:
        super().__init__()
        bind = body.bind_to_tpose
        parents = np.array(JOINT_PARENTS[1:])
        stacked = np.concatenate((body.joints_template[..., None], body.joints_shapedirs), axis=-1)
        offset = np.zeros_like(stacked)
        offset[1:] = bind[parents] @ (stacked[1:] - stacked[parents])

        coco = body.coco_regressor.dense(len(body.v_template))
        vertices = np.concatenate((body.v_template[..., None], body.shapedirs), axis=-1)
        mass = coco @ body.weights
        local = np.einsum("pv,vj,vcs->pjcs", coco, body.weights, vertices, optimize=True)
        local = np.einsum("jab,pjbs->pjas", bind, local - mass[:, :, None, None] * stacked)

        def down(values: np.ndarray) -> np.ndarray:
            flat = body.downsample(values.reshape(len(values), -1), 0, COARSE_LEVEL)
            return flat.reshape(-1, *values.shape[1:])

        for name, value in (
            ("offset", offset[..., 0]),
            ("offset_dirs", offset[..., 1:].reshape(NUM_JOINTS * 3, -1).T),
            ("landmark_local", local[..., 0].reshape(NUM_COCO, -1)),
            ("landmark_dirs", local[..., 1:].reshape(NUM_COCO * NUM_JOINTS * 3, -1).T),
            ("landmark_mass", mass),
            ("coarse_template", down(body.v_template)),
            ("coarse_dirs", down(body.shapedirs).transpose(2, 0, 1)),
            ("coarse_weights", down(body.weights)),
            ("bind", bind),
            ("rest", body.joints_template),
            ("rest_dirs", body.joints_shapedirs.transpose(2, 0, 1).reshape(-1, NUM_JOINTS * 3)),
        ):
            self.register_buffer(name, torch.from_numpy(np.array(value, np.float32, order="C")), persistent=False)
        self.register_buffer("last_row", torch.eye(4)[None, None, 3:], persistent=False)
        self.register_buffer("nothing", torch.eye(4)[None, None], persistent=False)

    def chain(self, rotations: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
        """Local rotations (B, 24, 3, 3), betas (B, 10) -> global rotations (B, 24, 3, 3), joints (B, 24, 3) metres."""
        offset = self.offset + (betas @ self.offset_dirs).reshape(-1, NUM_JOINTS, 3)
        count = offset.shape[0]
        chain = torch.cat((rotations, offset[..., None]), -1)
        chain = torch.cat((chain, self.last_row.expand(count, NUM_JOINTS, 1, 4)), 2)
        # The 25th stands above the root and moves nothing.
        chain = torch.cat((chain, self.nothing.expand(count, 1, 4, 4)), 1)
        for above in JUMPS:
            chain = chain[:, above.tolist()] @ chain
        return chain[:, :NUM_JOINTS, :3, :3], chain[:, :NUM_JOINTS, :3, 3]

    def landmarks(self, turns: Tensor, joints: Tensor, betas: Tensor) -> Tensor:
        """COCO's 17 landmarks (B, 17, 3) of bodies whose `chain` is known."""
        local = self.landmark_local + (betas @ self.landmark_dirs).reshape(-1, NUM_COCO, NUM_JOINTS * 3)
        return local @ turns.transpose(-1, -2).reshape(-1, NUM_JOINTS * 3, 3) + self.landmark_mass @ joints

    def coarse(self, turns: Tensor, joints: Tensor, betas: Tensor, pick: slice = slice(None)) -> Tensor:
        """Vertices `pick` of the coarse level (B, V, 3): plain skinning."""
        dirs = self.coarse_dirs[:, pick]
        shaped = self.coarse_template[pick] + (betas @ dirs.reshape(len(dirs), -1)).reshape(len(betas), -1, 3)
        rest = self.rest + (betas @ self.rest_dirs).reshape(-1, NUM_JOINTS, 3)
        turn = turns @ self.bind
        shift = joints - (turn @ rest[..., None])[..., 0]
        blend = self.coarse_weights[pick] @ torch.cat((turn.flatten(2), shift), -1)
        return (blend[..., :9].unflatten(-1, (3, 3)) @ shaped[..., None])[..., 0] + blend[..., 9:]
