"""Write the bilayer network as ONNX for the engines and as safetensors for training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from engines.body import load_body
from engines.keypoints import NUM_POINTS
from engines.networks.bilayer.config import PRESETS
from engines.networks.bilayer.network import BilayerNet

OPSET = 17


class _Exported(nn.Module):
    """Flat inputs and outputs, the last estimate alone, with the points that place it."""

    def __init__(self, net: BilayerNet, use_mesh: bool) -> None:
        super().__init__()
        self.net, self.use_mesh = net, use_mesh

    def forward(self, points: Tensor, camera: Tensor, *features: Tensor) -> tuple[Tensor, ...]:
        last = self.net(points, camera, features, use_mesh=self.use_mesh)[-1]
        return last.rotations, last.betas, last.camera, last.landmarks, last.joints


def mesh_is_trained(state: dict[str, Tensor]) -> bool:
    """False while the fusion's link to the skeleton is the zero it started as: then the mesh graph changes nothing."""
    return any(bool(v.any()) for name, v in state.items() if name.endswith("fusion.to_skeleton.weight"))


def export(state: dict[str, Tensor], preset: str, folder: Path, feature_channels: tuple[int, ...] = ()) -> Path:
    """Weights `state` -> folder/bilayer-PRESET.onnx and .safetensors (float16); returns the ONNX path.

    ONNX inputs: points (N, 41, 5), camera (N, 1) and, where the network reads pictures, features, features1, ...
    (N, C, side, side); outputs: rotations (N, 24, 3, 3), betas (N, 10), placement (N, 3), landmarks (N, 17, 3),
    joints (N, 24, 3). Meanings in `engines.methods.bilayer`. Files are replaced whole.
    """
    from safetensors.torch import save_file

    config = replace(PRESETS[preset], feature_channels=feature_channels)
    net = BilayerNet(config, load_body())
    # Stored halves are what the exported graph computes with, so both files give the same answers.
    rounded = {name: value.half().contiguous() for name, value in state.items()}
    net.load_state_dict({name: value.float() for name, value in rounded.items()})
    net.eval()
    folder.mkdir(parents=True, exist_ok=True)
    weights, path = folder / f"bilayer-{preset}.safetensors", folder / f"bilayer-{preset}.onnx"
    metadata = {"preset": preset, "feature_channels": ",".join(map(str, feature_channels))}
    save_file(rounded, weights.with_suffix(".part"), metadata)
    weights.with_suffix(".part").replace(weights)

    side = config.feature_side
    example = [
        torch.zeros(2, NUM_POINTS, 5),
        torch.zeros(2, 1),
        *(torch.zeros(2, c, side, side) for c in feature_channels),
    ]
    inputs = ["points", "camera", *(f"features{level or ''}" for level in range(len(feature_channels)))]
    outputs = ["rotations", "betas", "placement", "landmarks", "joints"]
    part = path.with_suffix(".onnx.part")
    torch.onnx.export(
        _Exported(net, mesh_is_trained(state) or config.vertices_head),
        tuple(example),
        str(part),
        input_names=inputs,
        output_names=outputs,
        opset_version=OPSET,
        dynamo=False,
        dynamic_axes={name: {0: "N"} for name in [*inputs, *outputs]},
    )
    _store_halves(part)
    part.replace(path)
    return path


def _store_halves(path: Path) -> None:
    """Keep large constants as float16 with a cast behind them: half the file, the same float32 arithmetic."""
    import numpy as np
    import onnx
    from onnx import numpy_helper

    model = onnx.load(path)
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < 4096:
            continue
        name, values = tensor.name, numpy_helper.to_array(tensor)
        half = values.astype(np.float16)
        if np.abs(half - values).max() > 1e-3 * np.abs(values).max():
            continue
        tensor.CopyFrom(numpy_helper.from_array(half, name + "_half"))
        casts.append(onnx.helper.make_node("Cast", [name + "_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(casts + nodes)
    onnx.checker.check_model(model)
    onnx.save(model, path)
