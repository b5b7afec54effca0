"""Foreign keypoint networks: each form finds the blobs of a picture, through whatever crop and normalisation."""

import numpy as np
import pytest

from engines.body import load_body
from engines.camera import Intrinsics
from engines.keypoints import NUM_COCO
from engines.methods import METHODS, CropRequest, create_method
from engines.methods.keypoint_decode import decode_keypoints
from engines.methods.keypoint_form import KeypointForm, read_form
from engines.methods.keypoint_front_end import open_keypoints
from engines.methods.trunk_method import published_confidence
from engines.runtime.engine import EngineError
from tests.engines.methods.keypoint_networks import WANTED, write_network

CAMERA = Intrinsics.from_fov(400, 300)
BLOBS = np.array([[150.0, 90.0], [190.0, 150.0], [170.0, 200.0]])
"""Where red, green and blue are brightest, pixels of the picture."""
NORMAL = "mean = [0, 0, 0]\nstd = [255, 255, 255]\n"


def picture() -> np.ndarray:
    """(300, 400, 3): one bump a channel, brightest 250."""
    y, x = np.mgrid[:300, :400] + 0.5
    bumps = [np.exp(-((x - bx) ** 2 + (y - by) ** 2) / (2 * 8.0**2)) for bx, by in BLOBS]
    return np.round(250 * np.stack(bumps, -1)).astype(np.uint8)


def look(path, toml: str, requests: list[CropRequest]):
    path.with_suffix(".toml").write_text(toml)
    reader = open_keypoints(path, "openvino", "auto", 1)
    crops = reader.crops(requests)
    evidence = reader.read(reader.infer(crops), crops, requests)
    reader.engine.close()
    return evidence


def request(center=(165.0, 145.0), side=180.0) -> CropRequest:
    return CropRequest(image=picture(), center_px=np.array(center), side_px=side, intrinsics=CAMERA)


@pytest.mark.parametrize("size", [(192, 192), (144, 192), (192, 160)])
@pytest.mark.parametrize(
    ("form", "more"),
    [
        ("heatmaps", ""),
        ("simcc", 'outputs = ["along_x", "along_y"]\n'),
        ("points", 'order = "yxc"\nunit = "pixels"\n'),
    ],
)
def test_every_form_finds_the_blobs(tmp_path, form, more, size):
    toml = f'form = "{form}"\ninput = {list(size)}\n{NORMAL}{more}'
    path = write_network(tmp_path / "net.onnx", form, *size)
    requests = [request(), request((180.0, 150.0), 220.0)]
    evidence = look(path, toml, requests)
    expected = BLOBS[WANTED]
    for row in range(2):
        np.testing.assert_allclose(evidence.points_px[row, :NUM_COCO, :2], expected, atol=1.0)
    np.testing.assert_allclose(published_confidence(evidence.points_px[:, :NUM_COCO, 2]), 250 / 255, atol=0.1)
    assert not evidence.points_px[:, NUM_COCO:].any()
    assert np.isnan(evidence.depth_m).all()
    assert evidence.person is None and evidence.features is None


def test_a_network_that_takes_one_picture_is_asked_one_by_one(tmp_path):
    toml = f'form = "heatmaps"\ninput = [96, 96]\n{NORMAL}'
    free = look(write_network(tmp_path / "free.onnx", "heatmaps", 96, 96), toml, [request(), request(side=150.0)])
    fixed = write_network(tmp_path / "fixed.onnx", "heatmaps", 96, 96, batch=1)
    np.testing.assert_allclose(look(fixed, toml, [request(), request(side=150.0)]).points_px, free.points_px, atol=1e-3)


def test_bgr_exchanges_red_and_blue(tmp_path):
    path = write_network(tmp_path / "net.onnx", "heatmaps", 192, 192)
    found = look(path, f'form = "heatmaps"\ninput = [192, 192]\nchannels = "bgr"\n{NORMAL}', [request()])
    np.testing.assert_allclose(found.points_px[0, :NUM_COCO, :2], BLOBS[2 - WANTED], atol=1.0)


def test_margin_shows_more_and_moves_no_point(tmp_path):
    path = write_network(tmp_path / "net.onnx", "heatmaps", 192, 192)
    toml = f'form = "heatmaps"\ninput = [192, 192]\n{NORMAL}margin = '
    wide, plain = look(path, toml + "1.3", [request()]), look(path, toml + "1.0", [request(side=180.0 * 1.3)])
    np.testing.assert_array_equal(wide.crops, plain.crops)
    np.testing.assert_array_equal(wide.points_px, plain.points_px)


def test_a_gaussian_bump_is_found_between_cells():
    form = KeypointForm(input=(64, 48), form="heatmaps")
    y, x = np.mgrid[:12, :16] + 0.5
    true = np.array([[5.3, 6.1], [2.2, 3.9], [10.75, 8.4]])
    maps = np.stack([0.9 * np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * 1.5**2)) for a, b in np.resize(true, (17, 2))])
    found = decode_keypoints([maps[None].astype(np.float32)], form)[0]
    np.testing.assert_allclose(found[:, :2] * (16, 12), np.resize(true, (17, 2)), atol=1e-3)
    assert (found[:, 2] > 0.8).all() and (found[:, 2] <= 0.9).all()
    shifted = decode_keypoints([maps[None]], KeypointForm(input=(64, 48), form="heatmaps", cell=0.125))[0]
    np.testing.assert_allclose(shifted[:, 0] * 16, found[:, 0] * 16 - 0.375, atol=1e-5)


def test_a_peak_in_the_corner_and_an_empty_map_stay_inside():
    maps = np.zeros((1, 17, 12, 16), np.float32)
    maps[0, 0, 0, 0], maps[0, 1, 11, 15] = 1.0, 1.0
    found = decode_keypoints([maps], KeypointForm(input=(64, 48), form="heatmaps"))[0]
    assert ((found[:, :2] >= 0) & (found[:, :2] <= 1)).all()
    assert (found[2:, 2] == 0).all()


def test_broken_numbers_and_more_points_than_coco():
    rows = np.full((1, 20, 3), 0.25, np.float32)
    rows[0, 3] = np.nan
    rows[0, 18] = 9
    found = decode_keypoints([rows], KeypointForm(input=(64, 48), form="points", confidence=2.0))[0]
    assert found.shape == (17, 3) and not found[3].any()
    np.testing.assert_allclose(found[0], (0.25, 0.25, 0.5))
    sure = decode_keypoints([rows], KeypointForm(input=(64, 48), form="points", logits=True))[0]
    assert sure[0, 2] == pytest.approx(1 / (1 + np.exp(-0.25)))


def test_wrong_networks_and_files_are_named(tmp_path):
    path = write_network(tmp_path / "net.onnx", "heatmaps", 96, 96)
    with pytest.raises(ValueError, match=r"net\.toml is missing"):
        read_form(path)
    for toml, words in (
        ('form = "heatmaps"', "input"),
        ('form = "rings"\ninput = [96, 96]', "rings"),
        ('form = "simcc"\ninput = [96, 96]\noutputs = ["a"]', "takes 2"),
        ("input = [96, 95]\nform = 'simcc'", "even number"),
        ("input = [96", "no description"),
        ('form = "heatmaps"\ninput = [96, 96]\nstd = [1, 0, 1]', "positive"),
    ):
        path.with_suffix(".toml").write_text(toml)
        with pytest.raises(ValueError, match=words):
            read_form(path)
    for toml, words in (
        ('form = "heatmaps"\ninput = [128, 96]', "its TOML file says nchw"),
        ('form = "heatmaps"\ninput = [96, 96]\noutputs = ["simcc"]', "has the outputs"),
        ('form = "simcc"\ninput = [96, 96]', "has the outputs"),
    ):
        path.with_suffix(".toml").write_text(toml)
        with pytest.raises(EngineError, match=words):
            open_keypoints(path, "openvino", "auto", 1)
    with pytest.raises(ValueError, match="heatmaps are"):
        decode_keypoints([np.zeros((1, 17, 9))], KeypointForm(input=(96, 96), form="heatmaps"))


def test_the_default_method_lifts_foreign_points(tmp_path):
    path = write_network(tmp_path / "net.onnx", "heatmaps", 192, 192)
    path.with_suffix(".toml").write_text(f'form = "heatmaps"\ninput = [192, 192]\n{NORMAL}')
    method = create_method("bilayer", body=load_body(), runtime="openvino", threads=1, keypoints=path)
    (found,) = method.estimate([request()], {})
    assert "net.onnx" in method.weights
    assert not any(name.startswith("trunk") for name in method.weights)
    method.close()
    np.testing.assert_allclose(found.points_px[:NUM_COCO, :2], BLOBS[WANTED], atol=1.0)
    assert np.isnan(found.quality)
    assert np.isfinite(found.joints).all()


def test_methods_that_need_pictures_refuse_foreign_points(tmp_path, monkeypatch):
    monkeypatch.setitem(METHODS, "bodynet", "nowhere")
    with pytest.raises(ValueError, match="bodynet reads the trunk's pictures"):
        create_method("bodynet", body=load_body(), keypoints=tmp_path / "net.onnx")
