"""Structure of the bilayer network: projection, zero starts, graphs, mirror images, export."""

import dataclasses

import numpy as np
import pytest
import torch

from engines.body import load_body
from engines.camera import Intrinsics
from engines.keypoints import NUM_COCO
from engines.networks.bilayer import PRESETS, BilayerNet, project
from engines.networks.bilayer.export import DeployedBilayer
from engines.networks.bilayer.graphs import FusionGraph, mesh_adjacency
from engines.networks.rotation6d import matrix_from_6d, six_from_matrix
from engines.runtime import load_engine
from engines.runtime.weight_file import decoded, encoded
from tests.engines.networks.mirror_images import mirrored, mirrored_turns

TINY = dataclasses.replace(
    PRESETS["small"], lifter_width=32, lifter_blocks=1, skeleton_channels=8, mesh_channels=4, refine_width=16
)


@pytest.fixture(scope="module")
def body():
    return load_body()


def points(count: int) -> "torch.Tensor":
    out = torch.rand(count, 41, 5, generator=torch.Generator().manual_seed(0))
    out[..., :2] = out[..., :2] * 1.6 - 0.8
    out[..., 4] = 1
    return out


def shaken(net: BilayerNet) -> BilayerNet:
    """Every weight moved, the zeros too."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in net.parameters():
            weight += 0.05 * torch.randn(weight.shape, generator=generator)
    return net


def test_projection_is_that_of_a_pinhole_camera():
    rng = np.random.default_rng(0)
    cloud = rng.normal(0, 0.4, (1, 30, 3)).astype(np.float32)
    place = np.array((0.3, -0.2, 2.5), np.float32)
    half_tan = 0.35
    camera = Intrinsics(fx=1 / half_tan, fy=1 / half_tan, cx=0.0, cy=0.0)
    scale = place[2] * half_tan
    state = torch.tensor([[np.log(scale), place[0] / scale, place[1] / scale]], dtype=torch.float32)
    ours = project(torch.from_numpy(cloud), state, torch.tensor([[half_tan]]))
    np.testing.assert_allclose(ours.numpy(), camera.project(cloud + place), atol=1e-5)


def test_refinements_start_as_no_change_and_then_matter(body):
    torch.manual_seed(0)
    net = BilayerNet(TINY, body).eval()
    first, *later = net(points(3), torch.zeros(3, 1))
    assert len(later) == TINY.steps
    for guess in later:
        torch.testing.assert_close(guess.rotations, first.rotations)
        torch.testing.assert_close(guess.camera, first.camera)
    moved = shaken(net)(points(3), torch.zeros(3, 1))
    assert (moved[-1].rotations - moved[0].rotations).abs().max() > 1e-3


def test_mesh_graph_reaches_the_answer_only_through_the_fusion(body):
    net = shaken(BilayerNet(TINY, body)).eval()
    fused = net(points(2), torch.zeros(2, 1))[-1].rotations
    alone = net(points(2), torch.zeros(2, 1), use_mesh=False)[-1].rotations
    assert (fused - alone).abs().max() > 1e-5
    for refinement in net.refinements:
        torch.nn.init.zeros_(refinement.fusion.to_skeleton.weight)
        torch.nn.init.zeros_(refinement.fusion.to_skeleton.bias)
    cut = net(points(2), torch.zeros(2, 1))[-1].rotations
    torch.testing.assert_close(cut, net(points(2), torch.zeros(2, 1), use_mesh=False)[-1].rotations)


def test_sparse_products_of_training_are_the_dense_ones(body):
    net = shaken(BilayerNet(TINY, body))
    sparse = net.train()(points(2), torch.zeros(2, 1))[-1].rotations
    dense = net.eval()(points(2), torch.zeros(2, 1))[-1].rotations
    torch.testing.assert_close(sparse, dense, atol=1e-5, rtol=1e-4)


def test_every_weight_learns(body):
    net = shaken(BilayerNet(TINY, body))
    last = net(points(2), torch.zeros(2, 1))[-1]
    (last.joints.sum() + last.landmarks.square().sum() + last.camera.sum()).backward()
    idle = {name for name, weight in net.named_parameters() if weight.grad is None or not weight.grad.any()}
    # In the small preset nothing is read from the mesh after the fusion.
    assert {name.split(".", 2)[-1] for name in idle} <= {"fusion.to_mesh.weight", "fusion.to_mesh.bias"}


def test_paper_preset_reads_pose_from_its_mesh(body):
    config = dataclasses.replace(PRESETS["paper"], skeleton_channels=8, mesh_channels=4, mesh_layers=1, refine_width=16)
    net = shaken(BilayerNet(config, body)).eval()
    last = net(points(2), torch.zeros(2, 1))[-1]
    assert last.vertices is not None
    assert last.vertices.shape == (2, body.level_sizes[2], 3)
    (gradient,) = torch.autograd.grad(last.rotations.sum(), net.refinements[0].vertices.weight)
    assert gradient.abs().max() > 0


def test_mesh_adjacency_is_binary_symmetric_with_self_loops(body):
    matrix = mesh_adjacency(body.faces[2], body.level_sizes[2])
    assert set(np.unique(matrix)) == {0.0, 1.0}
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_array_equal(np.diag(matrix), 1)
    # Euler: a closed genus-0 triangle mesh has 3 V - 6 edges.
    count = len(matrix)
    assert matrix.sum() == count + 2 * (3 * count - 6)


def test_fusion_rows_average_their_neighbours():
    fusion = FusionGraph(np.ones((3, 5), np.float32), np.ones((3, 5), np.float32), 2, 2)
    torch.nn.init.eye_(fusion.to_skeleton.weight)
    mesh = torch.rand(5, 4, 2)
    skeleton, _ = fusion(torch.zeros(3, 4, 2), mesh)
    torch.testing.assert_close(skeleton, mesh.mean(0).expand(3, -1, -1), atol=1e-5, rtol=1e-4)


def mirrored_place(placement: torch.Tensor) -> torch.Tensor:
    return placement * torch.tensor((1.0, -1.0, 1.0))


@pytest.mark.parametrize("channels", [(), (3,), (3, 2)])
def test_the_deployed_network_gives_mirrored_bodies_for_mirrored_points(body, channels):
    net = shaken(BilayerNet(dataclasses.replace(TINY, feature_channels=channels), body)).eval()
    camera = torch.tensor(((-1.0,), (-0.7,), (-1.3,)))
    generator = torch.Generator().manual_seed(2)
    maps = [torch.randn(3, count, 6, 6, generator=generator) for count in channels]
    with torch.no_grad():
        found = DeployedBilayer(net)(points(3), camera, *maps)
        other = DeployedBilayer(net)(mirrored(points(3)), camera, *(level.flip(-1) for level in maps))
        plain = net(points(3), camera, tuple(maps))[-1]
        seen = net(mirrored(points(3)), camera, tuple(level.flip(-1) for level in maps))[-1]
    # The network alone is far from symmetric.
    assert (mirrored_turns(seen.rotations) - plain.rotations).abs().max() > 0.1
    assert (seen.betas - plain.betas).abs().max() > 0.01
    assert (mirrored_place(seen.camera) - plain.camera).abs().max() > 0.01
    rotations, betas, placement, landmarks, joints = found
    wanted = mirrored(torch.cat((landmarks, joints), 1))
    for answer, same in (
        (other[0], mirrored_turns(rotations)), (other[1], betas), (other[2], mirrored_place(placement)),
        (other[3], wanted[:, :NUM_COCO]), (other[4], wanted[:, NUM_COCO:]),
    ):  # fmt: skip
        torch.testing.assert_close(answer, same, atol=1e-5, rtol=0)


def test_export_gives_the_mean_of_the_networks_answers_to_points_and_their_mirror_image(body, tmp_path, monkeypatch):
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the train extra: pip install -e '.[train]'")
    from engines.networks.bilayer import export as module

    monkeypatch.setitem(module.PRESETS, "tiny", TINY)
    net = shaken(BilayerNet(TINY, body)).eval()
    path = module.export(net.state_dict(), "tiny", tmp_path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    inputs = {"points": points(3).numpy(), "camera": np.full((3, 1), -1, np.float32)}
    rotations, betas, placement, landmarks, joints = session.run(
        ["rotations", "betas", "placement", "landmarks", "joints"], inputs
    )
    net.load_state_dict(decoded(encoded(net.state_dict())))
    camera = torch.full((3, 1), -1.0)
    with torch.no_grad():
        last, seen = net(points(3), camera)[-1], net(mirrored(points(3)), camera)[-1]
    between = matrix_from_6d((six_from_matrix(last.rotations) + six_from_matrix(mirrored_turns(seen.rotations))) / 2)
    for ours, theirs in (
        (rotations, between),
        (betas, (last.betas + seen.betas) / 2),
        (placement, (last.camera + mirrored_place(seen.camera)) / 2),
    ):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-4)
    with load_engine(path, "torch", "f32", 1) as reference:
        answers = reference(inputs)
    for name, ours in (("rotations", rotations), ("placement", placement), ("joints", joints)):
        np.testing.assert_allclose(ours, answers[name], atol=1e-4)
    posed = body.forward(rotations, betas, np.zeros((3, 3)))
    np.testing.assert_allclose(joints, posed.joints, atol=1e-5)
    np.testing.assert_allclose(landmarks, body.coco(posed.vertices), atol=1e-5)
