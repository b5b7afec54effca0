"""Autoencoder, reconstruction network, regressors: symmetries, missing points, mirror images, exported files."""

import numpy as np
import pytest
import torch

from engines.body import load_body
from engines.body.rotations import rotation_matrices
from engines.keypoints import NUM_COCO
from engines.networks import points as module
from engines.networks.reconstruction import PRESETS, ReconstructionNet, ReconstructionPreset, fill_box
from engines.networks.rotation6d import matrix_from_6d, six_from_matrix
from engines.networks.smplr import BodyRegressors, DenoisingAutoencoder
from engines.runtime import load_engine
from engines.runtime.weight_file import decoded, encoded
from tests.engines.networks.mirror_images import mirrored, mirrored_turns


def points(count: int = 3) -> torch.Tensor:
    out = torch.rand(count, 41, 5, generator=torch.Generator().manual_seed(0))
    out[..., 2:3] = out[..., 2:3] * 0.5 + 0.5
    return out


def shaken(net: torch.nn.Module, scale: float = 0.05) -> torch.nn.Module:
    """Networks start near zero; random weights tell more."""
    torch.manual_seed(1)
    with torch.no_grad():
        for value in net.parameters():
            value += scale * torch.randn_like(value)
    return net.eval()


NETS = {
    "autoencoder": lambda: DenoisingAutoencoder(32),
    "reconstruction": lambda: ReconstructionNet(ReconstructionPreset(width=32)),
}


@pytest.mark.parametrize("name", NETS)
def test_missing_points_do_not_matter_and_the_pelvis_is_the_origin(name):
    net = shaken(NETS[name]())
    camera = torch.full((3, 1), -1.0)
    some, other = points(), points()
    for given, junk in ((some, 0.0), (other, 7.0)):
        given[:, 9] = 0
        given[:, 9, :2] = junk
    cloud = net(some, camera)
    torch.testing.assert_close(net(other, camera), cloud, atol=1e-5, rtol=0)
    assert cloud.shape == (3, 41, 3) and cloud[:, NUM_COCO].abs().max() == 0
    assert net(torch.zeros(1, 41, 5), camera[:1]).isfinite().all()


def test_sure_points_fill_the_box_and_a_stranger_does_not_set_the_scale():
    given = points()
    given[0, 3, :3] = torch.tensor((9.0, -9.0, 0.1))
    inside = fill_box(given)
    torch.testing.assert_close(inside[1:].abs().amax((1, 2)), torch.ones(2))
    assert inside[0, 4:].abs().max() <= 1 + 1e-5 and inside.abs().max() <= 2


def test_the_papers_network_has_its_size_and_is_deaf_to_confidence():
    net = ReconstructionNet(PRESETS["paper"]).eval()
    units = [layer for layer in net.units.modules() if isinstance(layer, torch.nn.Linear)]
    assert len(units) == 4 and all(layer.weight.shape == (1024, 1024) for layer in units)
    assert next(net.parameters()).shape == (1024, 3 * 41)
    surer = points()
    surer[..., 2] = 1.0
    torch.testing.assert_close(net(surer, None), net(points(), None))


def clouds(count: int = 4) -> torch.Tensor:
    body, rng = load_body(), np.random.default_rng(5)
    pose = rng.normal(0, 0.4, (count, 24, 3)).astype(np.float32)
    posed = body.forward(pose, rng.normal(0, 1, (count, 10)).astype(np.float32), np.zeros((count, 3), np.float32))
    return torch.from_numpy(np.concatenate((body.coco(posed.vertices), posed.joints), 1))


def test_turned_points_give_the_same_body_turned():
    net = shaken(BodyRegressors(load_body(), 32))
    turn = torch.from_numpy(rotation_matrices(np.array([[1.0, -2.0, 0.4]], np.float32)))[0]
    with torch.no_grad():
        found, turned = net(clouds()), net(clouds() @ turn.T)
    torch.testing.assert_close(turned.rotations[:, 0], turn @ found.rotations[:, 0], atol=1e-4, rtol=0)
    torch.testing.assert_close(turned.rotations[:, 1:], found.rotations[:, 1:], atol=1e-4, rtol=0)
    torch.testing.assert_close(turned.betas, found.betas, atol=1e-4, rtol=0)
    torch.testing.assert_close(turned.landmarks, found.landmarks @ turn.T, atol=1e-4, rtol=0)
    assert (found.gender.abs() <= 1).all()


def test_without_landmarks_they_are_not_read():
    moved = clouds()
    moved[:, :NUM_COCO] += torch.randn(4, NUM_COCO, 3, generator=torch.Generator().manual_seed(0))
    for landmarks in (False, True):
        net = shaken(BodyRegressors(load_body(), 32, landmarks=landmarks))
        with torch.no_grad():
            same = torch.equal(net(moved).betas, net(clouds()).betas)
        assert same != landmarks


@pytest.fixture
def tiny(monkeypatch):
    """A preset of this name."""
    monkeypatch.setitem(module.AUTOENCODER_WIDTHS, "tiny", 32)
    monkeypatch.setitem(module.REGRESSOR_WIDTHS, "tiny", 32)
    monkeypatch.setitem(module.RECONSTRUCTIONS, "tiny", ReconstructionPreset(width=32))
    return "tiny"


@pytest.mark.parametrize("name", ["smplr", "ordinal"])
@torch.no_grad()
def test_deployed_a_cloud_is_the_mean_of_those_of_points_and_their_mirror_image(name, tiny):
    deployed, plain = shaken(module.build_deployed(name, tiny)), module.build_cloud(name, tiny).eval()
    plain.load_state_dict(deployed.state_dict())
    camera = torch.tensor(((-1.0,), (-0.7,), (-1.3,)))
    inputs = (points(), camera)[: len(module.INPUTS[name])]
    one, other = plain(points(), camera), mirrored(plain(mirrored(points()), camera))
    assert (one - other).abs().max() > 0.01
    torch.testing.assert_close(deployed(*inputs), (one + other) / 2, atol=1e-5, rtol=0)
    turned_round = deployed(mirrored(points()), *inputs[1:])
    torch.testing.assert_close(turned_round, mirrored(deployed(*inputs)), atol=1e-5, rtol=0)


@torch.no_grad()
def test_deployed_a_body_is_the_mean_of_those_of_a_cloud_and_its_mirror_image(tiny):
    deployed = shaken(module.build_deployed("regressors", tiny))
    rotations, betas, gender, landmarks, joints = deployed(clouds())
    one, other = deployed.net(clouds()), deployed.net(mirrored(clouds()))
    turns = mirrored_turns(other.rotations)
    assert (one.rotations - turns).abs().max() > 0.1 and (one.betas - other.betas).abs().max() > 0.01
    between = matrix_from_6d((six_from_matrix(one.rotations) + six_from_matrix(turns)) / 2)
    torch.testing.assert_close(rotations, between, atol=1e-5, rtol=0)
    torch.testing.assert_close(betas, (one.betas + other.betas) / 2, atol=1e-5, rtol=0)
    torch.testing.assert_close(gender, (one.gender + other.gender) / 2, atol=1e-5, rtol=0)
    # The points are those of that body, not means of points.
    posed = load_body().forward(rotations.numpy(), betas.numpy(), np.zeros((len(betas), 3), np.float32))
    np.testing.assert_allclose(joints, posed.joints, atol=1e-5)
    np.testing.assert_allclose(landmarks, load_body().coco(posed.vertices), atol=1e-5)
    wanted = mirrored(torch.cat((landmarks, joints), 1))
    turned_round = mirrored_turns(rotations), betas, gender, wanted[:, :NUM_COCO], wanted[:, NUM_COCO:]
    for found, same in zip(deployed(mirrored(clouds())), turned_round, strict=True):
        torch.testing.assert_close(found, same, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", module.INPUTS)
def test_exported_files_give_the_networks_answers(name, tmp_path, tiny):
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the train extra: pip install -e '.[train]'")
    net = shaken(module.build_deployed(name, tiny))
    state = {key.removeprefix("net."): value for key, value in net.state_dict().items()}
    path = module.export(name, tiny, state, tmp_path)
    net.load_state_dict(decoded(encoded(net.state_dict())))
    given = {"cloud": clouds().numpy(), "points": points(4).numpy(), "camera": np.full((4, 1), -1, np.float32)}
    inputs = {entry: given[entry] for entry in module.INPUTS[name]}
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    answers = dict(zip(module.OUTPUTS[name], session.run(None, inputs), strict=True))
    with load_engine(path, "torch", "f32", 1) as reference, torch.no_grad():
        theirs = reference(inputs)
        ours = net(*(torch.from_numpy(value) for value in inputs.values()))
    for entry, own in zip(module.OUTPUTS[name], ours if isinstance(ours, tuple) else (ours,), strict=True):
        np.testing.assert_allclose(answers[entry], theirs[entry], atol=1e-4)
        np.testing.assert_allclose(answers[entry], own.numpy(), atol=1e-4)
