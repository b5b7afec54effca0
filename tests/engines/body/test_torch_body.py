"""The torch module computes what the numpy model computes, differentiates, and exports."""

import numpy as np
import onnx
import pytest
import torch

from engines.body import load_body
from engines.body.rotations import rotation_matrices
from engines.body.torch_body import TorchBody

BODY = load_body()
rng = np.random.default_rng(3)
POSE = rotation_matrices(rng.normal(size=(3, 24, 3)).astype(np.float32) * 0.6)
BETAS = rng.normal(size=(3, 10)).astype(np.float32)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_equals_numpy(level: int) -> None:
    module = TorchBody(BODY)
    expected = BODY.forward(POSE, BETAS, np.zeros(3), level)
    rotations, betas = torch.from_numpy(POSE), torch.from_numpy(BETAS)
    np.testing.assert_allclose(module.vertices(rotations, betas, level).numpy(), expected.vertices, atol=1e-5)
    np.testing.assert_allclose(module.joints(rotations, betas).numpy(), expected.joints, atol=1e-5)


def test_landmarks_equal_numpy() -> None:
    vertices = BODY.forward(POSE, BETAS, np.zeros(3)).vertices
    found = TorchBody(BODY).coco(torch.from_numpy(vertices)).numpy()
    np.testing.assert_allclose(found, BODY.coco(vertices), atol=1e-5)


def test_gradients_are_right() -> None:
    module = TorchBody(BODY).double()
    rotations = torch.from_numpy(POSE[:1]).double().requires_grad_()
    betas = torch.from_numpy(BETAS[:1]).double().requires_grad_()
    assert torch.autograd.gradcheck(module.joints, (rotations, betas))


def test_exports_without_loops_over_the_batch(tmp_path) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="needs the train extra: pip install -e '.[train]'")

    path = tmp_path / "body.onnx"
    example = (torch.from_numpy(POSE), torch.from_numpy(BETAS))
    names = ["rotations", "betas"]
    torch.onnx.export(
        TorchBody(BODY), example, path, dynamo=False, input_names=names, dynamic_axes={n: {0: "batch"} for n in names}
    )
    kinds = {node.op_type for node in onnx.load(path).graph.node}
    assert not kinds & {"Loop", "Scan", "If"}
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for count in (1, 3):
        vertices, _ = session.run(None, {names[0]: POSE[:count], names[1]: BETAS[:count]})
        expected = BODY.forward(POSE[:count], BETAS[:count], np.zeros(3)).vertices
        np.testing.assert_allclose(vertices, expected, atol=1e-5)
