"""Trainings of the networks on points: steps, resume, export; and what the regressors' losses and figures mean."""

import argparse

import numpy as np
import pytest
import torch

from engines.body import load_body
from engines.body.rotations import rotation_matrices
from engines.networks.points import build_cloud
from engines.networks.smplr import BodyRegressors
from engines.training import train_points, train_regressors, train_smplr
from engines.training.geometry import GeometryOptions, GeometrySource
from engines.training.motion_capture import PoseBank
from engines.training.shape_traits import AXIS, body_mass_index, gender_of
from engines.training.train_regressors import body_loss, noisy, regressor_errors


@pytest.fixture(scope="module")
def bank() -> PoseBank:
    pose = np.random.default_rng(0).normal(0, 0.3, (50, 24, 3)).astype(np.float32)
    return PoseBank(rotations=torch.from_numpy(rotation_matrices(pose)), weights=torch.full((50,), 0.02))


@pytest.fixture(scope="module")
def net() -> BodyRegressors:
    torch.manual_seed(0)
    return BodyRegressors(load_body(), 64)


@pytest.fixture(scope="module")
def batch(bank, net):
    return GeometrySource(bank, net.kinematics, GeometryOptions(), seed=0).batch(64)


def test_the_points_stage_trains_resumes_and_exports(bank, net, tmp_path, monkeypatch):
    source = GeometrySource(bank, net.kinematics, GeometryOptions(), seed=1)
    for module in (train_points, train_regressors):
        monkeypatch.setattr(module, "read_poses", lambda folder, val: bank)
        monkeypatch.setattr(module, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(train_points, "validation_batches", lambda bank, body: {"any": source.batch(8)})
    common = ["--batch", "16", "--preset", "small"]
    points = ["--stage", "points", "--run", str(tmp_path / "points"), *common]
    assert train_smplr.main([*points, "--steps", "2"]) == 0
    assert train_smplr.main([*points, "--steps", "4", "--resume", "--export"]) == 0
    saved = torch.load(tmp_path / "points" / "checkpoint.pt", weights_only=True)
    assert saved["step"] == 4
    assert (tmp_path / "weights" / "smplr-small.onnx").stat().st_size < 3_200_000
    args = argparse.Namespace(preset="small", points_run=tmp_path / "points")
    frozen = train_regressors.denoiser(args)
    expected = build_cloud("smplr", "small").eval()
    expected.load_state_dict(saved["average"])
    given = torch.rand(2, 41, 5), torch.zeros(2, 1)
    torch.testing.assert_close(frozen(*given), expected(*given))
    args.points_run = tmp_path / "none"
    torch.testing.assert_close(train_regressors.denoiser(args)(*given), expected(*given), atol=2e-2, rtol=0)
    shipped = str(tmp_path / "weights" / "smplr-small.safetensors")
    begun = ["--stage", "points", "--run", str(tmp_path / "begun"), "--start", shipped, *common]
    assert train_smplr.main([*begun, "--steps", "1", "--rate", "1e-9"]) == 0
    expected.load_state_dict(torch.load(tmp_path / "begun" / "checkpoint.pt", weights_only=True)["average"])
    torch.testing.assert_close(frozen(*given), expected(*given), atol=2e-2, rtol=0)


@pytest.mark.parametrize("through_body", [False, True])
def test_regressors_learn_one_batch(net, batch, through_body):
    cloud = train_points.true_cloud(batch)
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-3)
    losses = []
    for _ in range(25):
        loss = body_loss(net, cloud, batch, through_body, 0)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert losses[-1] < 0.75 * losses[0]


def test_figures_of_shape_are_those_of_the_truth_for_a_perfect_answer(net, batch, monkeypatch):
    cloud = train_points.true_cloud(batch)
    found = net(cloud)
    truth = type(found)(
        batch.rotations, batch.betas, gender_of(batch.betas), *net.kinematics.chain(batch.rotations, batch.betas),
        batch.landmarks,
    )  # fmt: skip
    monkeypatch.setattr(net, "forward", lambda points: truth)
    figures = regressor_errors(net, load_body(), batch, {"true": cloud})
    assert figures["true_pa12"] < 1e-3 and figures["true_pve"] < 1e-3
    assert figures["true_bmi_slope"] == pytest.approx(1) and figures["true_gender"] == 100


def test_noise_has_its_strength():
    cloud = torch.zeros(4000, 41, 3)
    spread = noisy(cloud, torch.Generator().manual_seed(0)).std((1, 2))
    assert 0.0015 < spread.min() < 0.003 and 0.03 < spread.max() < 0.05


def test_body_mass_index_is_volume_over_height_squared():
    trimesh = pytest.importorskip("trimesh", reason="needs the train extra: pip install -e '.[train]'")
    body = load_body()
    betas = np.random.default_rng(1).normal(0, 1, (3, 10)).astype(np.float32)
    zero = np.zeros((3, 24, 3), np.float32)
    vertices = body.forward(zero, betas, zero[:, 0], 2).vertices
    expected = []
    for points in vertices:
        mesh = trimesh.Trimesh(points, body.faces[2], process=False)
        expected.append(1000 * abs(mesh.volume) / np.ptp(points[:, 1]) ** 2)
    np.testing.assert_allclose(body_mass_index(betas, body), expected, rtol=1e-4)
    assert 15 < np.mean(expected) < 35


def test_gender_is_a_side_of_the_axis():
    along = torch.tensor([AXIS])
    assert gender_of(torch.cat((along, -along))).tolist() == [[1.0], [-1.0]]
