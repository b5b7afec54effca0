"""`--method bodynet` with the shipped networks, on pictures the project renders itself."""

from __future__ import annotations

import numpy as np
import pytest

from engines.body import load_body
from engines.methods import CropRequest, create_method
from engines.methods.bilayer import open_lifter as open_bilayer
from engines.methods.bodynet.grid import GridView
from engines.methods.bodynet.inputs import network_inputs
from engines.methods.bodynet.lifter import BodyNetLifter
from engines.methods.trunk_method import load_trunk
from engines.runtime import load_engine
from kernels.raster import raster
from pipeline.config import RunConfig
from pipeline.estimator import Estimator
from pipeline.sources.registry import open_source

pytest.importorskip("skimage", reason="needs the surface extra: pip install -e '.[surface]'")

FRAMES = 6


@pytest.fixture(scope="module")
def body():
    return load_body()


@pytest.fixture(scope="module")
def method(body):
    made = create_method("bodynet", body=body, runtime="openvino", precision="f32", threads=1, surfaces=True)
    yield made
    made.close()


@pytest.fixture(scope="module")
def demo(body):
    """Frames, crops of the one person in them, and that person's true silhouettes."""
    found = []
    source = open_source("demo:seconds=4,people=1", stream="demo")
    for frame in source:
        if frame.index % 20 == 0:
            (true,) = source.truth(frame.index)
            posed = body.forward(true.pose, true.betas, true.translation, 1)
            pixels = frame.intrinsics.project(posed.vertices[0])
            low, high = pixels.min(0), pixels.max(0)
            request = CropRequest(
                image=frame.image, center_px=(low + high) / 2, side_px=float(1.25 * (high - low).max()),
                intrinsics=frame.intrinsics,
            )  # fmt: skip
            found.append((frame, request, silhouette(posed.vertices[0], body.faces[1], request)))
        if len(found) == FRAMES:
            break
    source.close()
    return found


def silhouette(vertices: np.ndarray, faces: np.ndarray, request: CropRequest, size: int = 64) -> np.ndarray:
    scale, corner = size / request.side_px, request.center_px - request.side_px / 2
    camera = request.intrinsics
    view = scale * np.array([[camera.fx, camera.fy, camera.cx - corner[0], camera.cy - corner[1]]])
    return raster(vertices[None], faces, view, (size, size)).silhouette[0] > 0


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return (a & b).sum() / (a | b).sum()


def test_surfaces_cover_the_person_and_are_closed(demo, method):
    ious = []
    for _, request, true in demo:
        (estimate,) = method.estimate([request], {})
        surface = estimate.surface
        edges = np.sort(np.concatenate([surface.faces[:, [i, j]] for i, j in ((0, 1), (1, 2), (2, 0))]), axis=1)
        assert (np.unique(edges, axis=0, return_counts=True)[1] % 2 == 0).all()
        ious.append(overlap(silhouette(surface.vertices, surface.faces, request), true))
        # It stands where the body stands.
        assert abs(np.median(surface.vertices[:, 2]) - estimate.translation[2]) < 0.4
    assert np.mean(ious) > 0.5


def test_people_together_are_seen_as_each_alone(demo, method):
    requests = [request for _, request, _ in demo[:3]]
    together = method.estimate(requests, {})
    for request, one in zip(requests, together, strict=True):
        (alone,) = method.estimate([request], {})
        np.testing.assert_allclose(one.pose, alone.pose, atol=1e-4)
        np.testing.assert_allclose(one.translation, alone.translation, atol=1e-4)
        np.testing.assert_allclose(one.surface.vertices, alone.surface.vertices, atol=1e-3)


def test_nobody_in_the_picture_is_no_error(method):
    from engines.camera import Intrinsics

    grey = np.full((200, 300, 3), 128, np.uint8)
    request = CropRequest(
        image=grey, center_px=np.array([150.0, 100]), side_px=120.0, intrinsics=Intrinsics.from_fov(300, 200)
    )
    (estimate,) = method.estimate([request], {})
    assert np.isfinite(estimate.pose).all() and np.isfinite(estimate.translation).all()


def test_the_program_hands_surfaces_on_where_asked(demo, body):
    frame = demo[0][0]
    for asked in (True, False):
        config = RunConfig(source=("demo",), method="bodynet", bodynet_surface=asked, precision="f32", threads=1)
        estimator = Estimator(config, body)
        result = estimator.process(frame)
        estimator.close()
        assert result.bodies
        assert all((tracked.estimate.surface is not None) == asked for tracked in result.bodies)


def test_other_methods_have_no_surfaces(body):
    with pytest.raises(ValueError, match="only bodynet has surfaces"):
        create_method("bilayer", body=body, surfaces=True)


def test_a_network_of_parts_says_where_somebody_is(demo, body, tmp_path):
    torch = pytest.importorskip("torch", reason="needs the torch extra: pip install -e '.[torch]'")
    from engines.networks.bodynet import build_bodynet
    from engines.networks.bodynet_export import export

    torch.manual_seed(0)
    net = build_bodynet("small-parts")
    for parameter in net.net.head.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    path = export({k.removeprefix("net."): v for k, v in net.state_dict().items()}, "small-parts", tmp_path)
    requests = [request for _, request, _ in demo[:2]]
    trunk = load_trunk("small", "openvino", "f32", 1, mirror=False)
    guess = open_bilayer(body, runtime="openvino", precision="f32", preset="small", threads=1)
    with load_engine(path, "openvino", "f32", 1) as parts, load_engine(path, "torch", "f32", 1) as reference:
        crops = trunk.crops(requests)
        evidence = trunk.read(trunk.infer(crops), crops, requests)
        grid, root = GridView.of_requests(requests), guess(evidence, requests).translation
        occupancy = BodyNetLifter(parts, guess, body).volumes(evidence, grid, root)
        classes = reference(network_inputs(evidence, grid, root, 160))["classes"]
    trunk.engine.close()
    for engine in guess.engines:
        engine.close()
    np.testing.assert_allclose(occupancy, classes[:, 1:].sum(1), atol=1e-3)
    assert occupancy.std() > 0.01
