"""Keypoint networks with a known answer: point k lies where channel k mod 3 of the picture is brightest."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from engines.keypoints import NUM_COCO

STRIDE = 4
WANTED = np.arange(NUM_COCO) % 3
"""Channel of each point."""


def write_network(path: Path, form: str, width: int, height: int, *, batch: int | str = "N") -> Path:
    """``form``: heatmaps (means of 4 x 4 pixels), simcc (maxima along the other axis, one bin a pixel) or points (rows
    of y, x, 1 in pixels)."""
    constants = {"wanted": WANTED.astype(np.int64)}
    nodes = [helper.make_node("Gather", ["picture", "wanted"], ["planes"], axis=1)]
    outputs: dict[str, list] = {}
    if form == "heatmaps":
        kernel = np.full((NUM_COCO, 1, STRIDE, STRIDE), 1 / STRIDE**2, np.float32)
        constants["kernel"] = kernel
        conv = {"group": NUM_COCO, "strides": [STRIDE, STRIDE], "kernel_shape": [STRIDE, STRIDE]}
        nodes.append(helper.make_node("Conv", ["planes", "kernel"], ["heat"], **conv))
        outputs["heat"] = [batch, NUM_COCO, height // STRIDE, width // STRIDE]
    else:
        nodes.append(helper.make_node("ReduceMax", ["planes"], ["along_x"], axes=[2], keepdims=0))
        nodes.append(helper.make_node("ReduceMax", ["planes"], ["along_y"], axes=[3], keepdims=0))
        outputs = {"along_y": [batch, NUM_COCO, height], "along_x": [batch, NUM_COCO, width]}
    if form == "points":
        constants |= {"half": np.array(0.5, np.float32), "none": np.array(0, np.float32)}
        for axis in "yx":
            nodes.append(helper.make_node("ArgMax", [f"along_{axis}"], [f"index_{axis}"], axis=2, keepdims=1))
            nodes.append(helper.make_node("Cast", [f"index_{axis}"], [f"float_{axis}"], to=TensorProto.FLOAT))
            nodes.append(helper.make_node("Add", [f"float_{axis}", "half"], [axis]))
        nodes.append(helper.make_node("ReduceMax", ["along_x"], ["sure"], axes=[2], keepdims=1))
        nodes.append(helper.make_node("Concat", ["y", "x", "sure"], ["points"], axis=2))
        outputs = {"points": [batch, NUM_COCO, 3]}
    graph = helper.make_graph(
        nodes,
        form,
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [batch, 3, height, width])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path
