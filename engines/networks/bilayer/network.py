"""The bilayer graph mesh network: a lifter, and refinements by skeleton, mesh and fusion graphs.

The lifter turns all points into a first body. Each refinement poses that body, compares its projection with the points
and lets the graphs answer with a correction that starts at zero. The `paper` preset has no lifter: its one pass of the
graphs regresses the coarse mesh, and pose and shape from it (section 3 of the paper).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engines.body.model import BodyModel
from engines.keypoints import NUM_COCO, NUM_JOINTS, NUM_POINTS
from engines.networks.bilayer.config import BilayerConfig
from engines.networks.bilayer.graphs import (
    FusionGraph,
    GraphConvolution,
    connected,
    inverse_distances,
    mesh_adjacency,
    skeleton_adjacency,
)
from engines.networks.bilayer.kinematics import COARSE_LEVEL, Kinematics
from engines.networks.bilayer.observation import FLAT, Observation, observe
from engines.networks.bilayer.patches import sample_patches
from engines.networks.bilayer.prediction import BodyPrediction, project
from engines.networks.bilayer.residual_mlp import ResidualMLP
from engines.networks.rotation6d import matrix_from_6d

PARAMETERS = NUM_JOINTS * 6 + 10 + 3
NODE = 2 + 1 + 2 + 2 + 3 + 6
"""Per joint: point, confidence, depth, reprojection error, posed joint, rotation."""
METRES_PER_SPREAD = 0.45
"""A standing body's landmarks spread about this far: the start of the predicted scale."""


class Refinement(nn.Module):
    """One correction of the parameters by the graphs."""

    def __init__(self, config: BilayerConfig, body: BodyModel, context: int, patch_channels: int) -> None:
        super().__init__()
        joints = body.joints_template
        vertices = body.downsample(body.v_template, 0, COARSE_LEVEL)
        weights = body.downsample(body.weights, 0, COARSE_LEVEL)
        channels, width = config.skeleton_channels, config.refine_width
        self.embed = nn.Linear(NODE + patch_channels, channels)
        self.joint = nn.Parameter(0.1 * torch.randn(NUM_JOINTS, 1, channels))
        self.graph = nn.ModuleList(GraphConvolution(channels, channels, 1.0) for _ in range(2))
        self.fusion = FusionGraph(
            inverse_distances(joints, vertices), connected(weights), channels, config.mesh_channels
        )
        self.read = nn.Linear(NUM_JOINTS * channels, width)
        self.context = nn.Linear(context, width)
        self.pose = nn.Linear(PARAMETERS + 2 * NUM_POINTS, width)
        self.middle = nn.Linear(width, width)
        self.out = nn.Linear(width, PARAMETERS)
        self.vertices = nn.Linear(config.mesh_channels, 3) if config.vertices_head else None
        if self.vertices is not None:
            # The paper: pose and shape are read from the mesh, not from the joints.
            self.read = nn.Linear(len(vertices) * 3, width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(
        self, nodes: Tensor, adjacency: Tensor, mesh: Tensor | None, template: Tensor, context: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """nodes (24, B, F), mesh (V, B, Cm) or None, context (B, C), state (B, S) -> correction (B, 157), vertices."""
        x = torch.relu(self.embed(nodes) + self.joint)
        for layer in self.graph:
            x = x + layer(adjacency, x)
        vertices = None
        if mesh is not None:
            x, mesh = self.fusion(x, mesh)
            if self.vertices is not None:
                vertices = (self.vertices(mesh).float() + template[:, None]).transpose(0, 1)
        source = x.transpose(0, 1) if vertices is None else vertices
        y = torch.relu(self.read(source.flatten(1)) + self.context(context) + self.pose(state))
        y = y + torch.relu(self.middle(y))
        return self.out(y).float(), vertices


class BilayerNet(nn.Module):
    """See the module. Inputs and outputs are those of the exported network (`export.py`)."""

    skeleton: Tensor
    mesh: Tensor
    template: Tensor

    def __init__(self, config: BilayerConfig, body: BodyModel, mean: Tensor | None = None) -> None:
        """`mean` (24, 6): 6D rotations to start from (mean pose of the training data); the T-pose if missing."""
        super().__init__()
        self.config, self.body = config, Kinematics(body)
        template = body.downsample(body.v_template, 0, COARSE_LEVEL)
        self.register_buffer("skeleton", torch.from_numpy(skeleton_adjacency(body.joints_template)), persistent=False)
        adjacency = torch.from_numpy(mesh_adjacency(body.faces[COARSE_LEVEL], len(template)))
        self.register_buffer("mesh", adjacency, persistent=False)
        self._sparse = adjacency.to_sparse_csr()
        self.register_buffer("template", torch.from_numpy(template.copy()), persistent=False)
        if mean is None:
            mean = torch.tensor((1.0, 0, 0, 0, 1, 0)).repeat(NUM_JOINTS, 1)
            mean[0] = torch.tensor((1.0, 0, 0, 0, -1, 0))
        start = torch.cat((mean.flatten(), torch.zeros(13)))
        self.lifter = ResidualMLP(FLAT, config.lifter_width, config.lifter_blocks) if config.lifter_width else None
        context = config.lifter_width or FLAT
        channels = sum(config.feature_channels)
        self.first = nn.Linear(context, PARAMETERS)
        nn.init.normal_(self.first.weight, std=0.005)
        self.first.bias.data.copy_(start)
        self.global_feature = nn.Linear(context + channels, config.mesh_channels)
        self.template_feature = nn.Linear(3, config.mesh_channels)
        self.mesh_graph = nn.ModuleList(
            GraphConvolution(config.mesh_channels, config.mesh_channels, 7.0) for _ in range(config.mesh_layers)
        )
        inner = config.skeleton_channels if channels else 0
        self.patches = nn.Linear(channels * config.patch**2, inner) if channels else None
        self.refinements = nn.ModuleList(Refinement(config, body, context, inner) for _ in range(config.steps))

    def forward(
        self,
        points: Tensor,
        camera: Tensor,
        features: tuple[Tensor, ...] = (),
        *,
        use_mesh: bool = True,
        steps: int | None = None,
    ) -> list[BodyPrediction]:
        """Estimates from the first to the last.

        points (B, 41, 5): x, y in crop units, confidence, depth (m, relative to the pelvis), depth known; zero where
        missing. camera (B, 1): log tangent of half the crop's opening. features: the trunk's maps of the crop, one
        (B, C, H, W) per entry of the preset's `feature_channels`; all zero where there is no picture, and left out by
        presets without. Without `use_mesh` the skeleton graph works alone; `steps` cuts the refinements short.
        """
        if len(features) != len(self.config.feature_channels):
            raise ValueError(
                f"{len(features)} feature maps given, this network reads {len(self.config.feature_channels)}; "
                "where there is no picture pass zeros"
            )
        seen = observe(points, camera)
        hidden = self.lifter(seen.flat) if self.lifter is not None else seen.flat
        parameters = self.first(hidden).float() if self.lifter is not None else self.first.bias.expand(len(points), -1)
        mesh = self._mesh(hidden, features) if use_mesh and steps != 0 else None
        out = [self._body(parameters, seen)]
        for refinement in list(self.refinements)[:steps]:
            nodes, state = self._state(out[-1], parameters, seen)
            if self.patches is not None:
                look = sample_patches(features, out[-1], seen.half_tan, self.config.patch)
                nodes = torch.cat((nodes, torch.relu(self.patches(look)).transpose(0, 1)), -1)
            change, vertices = refinement(nodes, self.skeleton, mesh, self.template, hidden, state)
            parameters = parameters + change
            out.append(self._body(parameters, seen, vertices))
        return out

    def _body(self, parameters: Tensor, seen: Observation, vertices: Tensor | None = None) -> BodyPrediction:
        """Raw parameters (B, 157) -> a body; place and scale are relative to the points' centre and spread."""
        with torch.autocast("cpu", enabled=False):
            six, betas, camera = parameters.float().split((NUM_JOINTS * 6, 10, 3), 1)
            scale = METRES_PER_SPREAD * camera[:, :1].clamp(-3, 3).exp() / seen.spread
            place = seen.centre + seen.spread * camera[:, 1:]
            rotations = matrix_from_6d(six.reshape(-1, NUM_JOINTS, 6))
            turns, joints = self.body.chain(rotations, betas)
            landmarks = self.body.landmarks(turns, joints, betas)
            camera = torch.cat((scale.log(), place), 1)
        return BodyPrediction(rotations, betas, camera, turns, joints, landmarks, vertices)

    def _mesh(self, context: Tensor, features: tuple[Tensor, ...]) -> Tensor:
        if features:
            context = torch.cat((context, *(level.mean((2, 3)) for level in features)), 1)
        mesh = torch.relu(self.template_feature(self.template)[:, None] + self.global_feature(context)[None])
        # Sparse products train several times faster; exporters want the dense one.
        adjacency = self._sparse if self.training and not torch.onnx.is_in_onnx_export() else self.mesh
        for layer in self.mesh_graph:
            mesh = mesh + layer(adjacency, mesh)
        return mesh

    def _state(self, body: BodyPrediction, parameters: Tensor, seen: Observation) -> tuple[Tensor, Tensor]:
        """What a refinement is told of the estimate: (24, B, NODE) per joint and (B, 157 + 82) in all; no gradient."""
        with torch.autocast("cpu", enabled=False):
            joints = body.joints.detach()
            placed = torch.cat((body.landmarks.detach(), joints), 1)
            image = project(placed, body.camera.detach(), seen.half_tan)
            error = ((image - seen.centre[:, None]) / seen.spread[:, None] - seen.xy).clamp(-2, 2) * seen.confidence
        six = parameters.detach()[:, : NUM_JOINTS * 6].reshape(-1, NUM_JOINTS, 6)
        own = torch.cat((seen.xy, seen.confidence, seen.depth, error), -1)[:, NUM_COCO:]
        nodes = torch.cat((own, 2 * joints, six), -1).transpose(0, 1)
        return nodes, torch.cat((parameters.detach(), error.flatten(1)), 1)
