"""The body model as a torch module, for training and for exported networks: batched, differentiable, camera-free.

Same arrays and equations as `engines.body.model`. The joint chain is unrolled by depth of the tree (eight batched
products), so the graph has no loop over joints or batch and exports to ONNX.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from engines.body.model import BodyModel, tree_levels
from engines.keypoints import JOINT_PARENTS, NUM_COCO, NUM_JOINTS


class TorchBody(nn.Module):
    """Body axes turned by rotation 0, pelvis joint at the origin: add a translation to place it."""

    bind: Tensor
    offsets: Tensor
    offset_dirs: Tensor
    rest: Tensor
    rest_dirs: Tensor
    coco_index: Tensor
    coco_weight: Tensor

    def __init__(self, body: BodyModel) -> None:
        super().__init__()
        self.tree = [(joints.tolist(), parents.tolist()) for joints, parents in tree_levels()]
        # Position of every joint once the levels are laid one after another.
        order = [0, *(joint for joints, _ in self.tree for joint in joints)]
        self.unsort = np.argsort(order).tolist()
        self.levels = len(body.level_sizes)
        parents = np.array(JOINT_PARENTS[1:])
        stacked = np.concatenate([body.joints_template[..., None], body.joints_shapedirs], axis=-1)
        offsets = np.zeros_like(stacked)
        offsets[1:] = body.bind_to_tpose[parents] @ (stacked[1:] - stacked[parents])

        def keep(name: str, array: np.ndarray) -> None:
            self.register_buffer(name, torch.from_numpy(np.array(array, order="C")), persistent=False)

        keep("bind", body.bind_to_tpose)
        keep("offsets", offsets[..., 0])
        keep("offset_dirs", offsets[..., 1:].reshape(NUM_JOINTS * 3, -1).T)
        keep("rest", body.joints_template)
        keep("rest_dirs", body.joints_shapedirs.reshape(NUM_JOINTS * 3, -1).T)
        for level, size in enumerate(body.level_sizes):
            keep(f"template{level}", body.downsample(body.v_template, 0, level))
            dirs = body.downsample(body.shapedirs.reshape(len(body.shapedirs), -1), 0, level)
            keep(f"dirs{level}", dirs.reshape(size * 3, -1).T)
            keep(f"weights{level}", body.downsample(body.weights, 0, level))
            if body.posedirs is not None:
                moves = body.downsample(body.posedirs.reshape(len(body.posedirs), -1), 0, level)
                keep(f"posedirs{level}", moves.reshape(size * 3, -1).T)
        self.pose_dependent = body.posedirs is not None
        keep("coco_index", body.coco_regressor.index.reshape(-1).astype(np.int64))
        keep("coco_weight", body.coco_regressor.weight)

    def chain(self, rotmats: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
        """rotmats (B, 24, 3, 3), betas (B, S) -> global rotations (B, 24, 3, 3), joints (B, 24, 3)."""
        offsets = self.offsets + (betas @ self.offset_dirs).reshape(-1, NUM_JOINTS, 3)
        local = torch.cat([rotmats, offsets[..., None]], dim=-1)
        done = local[:, :1]
        done = torch.cat([done[..., :3], torch.zeros_like(done[..., 3:])], dim=-1)
        sorted_at = {0: 0}
        for joints, parents in self.tree:
            above = done[:, [sorted_at[parent] for parent in parents]]
            here = above[..., :3] @ local[:, joints]
            here = torch.cat([here[..., :3], here[..., 3:] + above[..., 3:]], dim=-1)
            for joint in joints:
                sorted_at[joint] = len(sorted_at)
            done = torch.cat([done, here], dim=1)
        done = done[:, self.unsort]
        return done[..., :3], done[..., 3]

    def joints(self, rotmats: Tensor, betas: Tensor) -> Tensor:
        """Local rotations (B, 24, 3, 3), betas (B, S) -> joints (B, 24, 3), metres, pelvis at the origin."""
        return self.chain(rotmats, betas)[1]

    def vertices(self, rotmats: Tensor, betas: Tensor, level: int = 0) -> Tensor:
        """Local rotations (B, 24, 3, 3), betas (B, S) -> vertices (B, V, 3) of a level, pelvis at the origin."""
        return self.forward(rotmats, betas, level)[0]

    def forward(self, rotmats: Tensor, betas: Tensor, level: int = 0) -> tuple[Tensor, Tensor]:
        """Vertices (B, V, 3) and joints (B, 24, 3) at once."""
        if not 0 <= level < self.levels:
            raise ValueError(f"level is {level}, this body has levels 0 to {self.levels - 1}")
        turns, joints = self.chain(rotmats, betas)
        rest = self.rest + (betas @ self.rest_dirs).reshape(-1, NUM_JOINTS, 3)
        turns = turns @ self.bind
        shift = joints - (turns @ rest[..., None])[..., 0]
        move = torch.cat([turns, shift[..., None]], dim=-1).flatten(2)
        shaped = self.get_buffer(f"template{level}") + (betas @ self.get_buffer(f"dirs{level}")).reshape(
            betas.shape[0], -1, 3
        )
        if self.pose_dependent:
            feature = (rotmats[:, 1:] - torch.eye(3, dtype=rotmats.dtype, device=rotmats.device)).flatten(1)
            shaped = shaped + (feature @ self.get_buffer(f"posedirs{level}")).reshape(betas.shape[0], -1, 3)
        blend = (self.get_buffer(f"weights{level}") @ move).reshape(betas.shape[0], -1, 3, 4)
        return (blend[..., :3] * shaped[:, :, None]).sum(-1) + blend[..., 3], joints

    def coco(self, vertices: Tensor) -> Tensor:
        """COCO's landmarks: level-0 vertices (B, V, 3) -> (B, 17, 3)."""
        picked = vertices.index_select(1, self.coco_index).reshape(vertices.shape[0], NUM_COCO, -1, 3)
        return (picked * self.coco_weight[..., None]).sum(2)
