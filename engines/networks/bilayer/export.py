"""Write the bilayer network as ONNX for the engines and as safetensors for training."""

from __future__ import annotations

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

    def forward(self, points: Tensor, camera: Tensor) -> tuple[Tensor, ...]:
        last = self.net(points, camera, use_mesh=self.use_mesh)[-1]
        return last.rotations, last.betas, last.camera, last.landmarks, last.joints


def mesh_is_trained(state: dict[str, Tensor]) -> bool:
    """False while the fusion's link to the skeleton is the zero it started as: then the mesh graph changes nothing."""
    return any(bool(v.any()) for name, v in state.items() if name.endswith("fusion.to_skeleton.weight"))


def export(state: dict[str, Tensor], preset: str, folder: Path) -> Path:
    """Weights `state` -> folder/bilayer-PRESET.onnx and .safetensors (float16); returns the ONNX path.

    ONNX inputs: points (N, 41, 5), camera (N, 1); outputs: rotations (N, 24, 3, 3), betas (N, 10), placement (N, 3),
    landmarks (N, 17, 3), joints (N, 24, 3). Meanings in `engines.methods.bilayer`.
    """
    from safetensors.torch import save_file

    net = BilayerNet(PRESETS[preset], load_body())
    # Stored halves are what the exported graph computes with, so both files give the same answers.
    rounded = {name: value.half() for name, value in state.items()}
    net.load_state_dict({name: value.float() for name, value in rounded.items()})
    net.eval()
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in rounded.items()}, folder / f"bilayer-{preset}.safetensors")
    path = folder / f"bilayer-{preset}.onnx"
    names = ["rotations", "betas", "placement", "landmarks", "joints"]
    torch.onnx.export(
        _Exported(net, mesh_is_trained(state) or PRESETS[preset].vertices_head),
        (torch.zeros(2, NUM_POINTS, 5), torch.zeros(2, 1)),
        str(path),
        input_names=["points", "camera"],
        output_names=names,
        opset_version=OPSET,
        dynamo=False,
        dynamic_axes={name: {0: "N"} for name in ["points", "camera", *names]},
    )
    _store_halves(path)
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
