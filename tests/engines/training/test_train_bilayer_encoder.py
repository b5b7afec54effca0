"""An encoder and the bilayer network in one training: it learns, its files answer alike, the product takes them."""

import numpy as np
import pytest
import torch

from engines.body import load_body
from engines.camera import Intrinsics
from engines.methods.bilayer import BilayerLifter
from engines.methods.evidence import CropRequest, TrunkReader
from engines.networks.bilayer.encoded import EncodedBilayer, build_encoder
from engines.networks.deploy import DeployedTrunk
from engines.runtime import load_engine
from engines.training.rendered_views import rendered_batch
from engines.training.synthetic_source import SyntheticSource
from engines.training.train_bilayer import main
from engines.training.train_bilayer_encoder import export_pair, picture_losses, see
from engines.training.views import View
from tests.engines.training.rendered_people import write_people


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    write_people(folder, 8)
    write_people(folder, 8, "val", seed=1)
    return folder


@pytest.mark.parametrize("name", ["hourglass", "resnet50", "vgg16"])
def test_a_few_steps_find_points_better_than_chance(name, folder, tmp_path, capsys):
    options = f"--encoder {name} --encoder-width 0.125 --size 64 --synthetic {folder} --run {tmp_path} --no-mesh"
    options += " --batch 8 --rate 0.06 --steps 12 --seed 0 --val-people 1"
    main(options.split())
    assert "both pa12" in capsys.readouterr().out
    net = EncodedBilayer(build_encoder(name, width=0.125, input_px=64))
    net.load_state_dict(torch.load(tmp_path / "checkpoint.pt", weights_only=True)["net"])
    shard = SyntheticSource(folder, "train").shards[0]
    batch = rendered_batch(shard, list(range(8)), [View.straight()] * 8, 64, np.random.default_rng(0))
    with torch.no_grad():
        output, looked, _ = see(net, batch, use_mesh=False)
    assert float(picture_losses(output, batch, looked)["points"]) < np.log(16 * 16) - 0.1


def test_files_answer_as_the_network_and_the_product_takes_them(tmp_path):
    torch.manual_seed(0)
    net = EncodedBilayer(build_encoder("vgg16", width=0.125)).eval()
    trunk_path, lifter_path = export_pair(net, "small", tmp_path)
    assert trunk_path.name == "trunk-vgg16.onnx"
    pictures = np.random.default_rng(0).integers(0, 256, (2, 192, 192, 3), np.uint8)
    with torch.no_grad():
        expected = DeployedTrunk(net.trunk)(torch.from_numpy(pictures))
    with load_engine(trunk_path, "openvino", "f32") as trunk, load_engine(lifter_path, "openvino", "f32") as lifter:
        for name, value in zip(("heatmaps", "depth", "parts", "features"), expected, strict=True):
            np.testing.assert_allclose(trunk({"crops": pictures})[name], value, atol=2e-3 * float(value.abs().max()))
        reader, body = TrunkReader(trunk, mirror=True), load_body()
        camera = Intrinsics.from_fov(192, 192, 40)
        requests = [CropRequest(image=pictures[0], center_px=np.full(2, 96.0), side_px=150.0, intrinsics=camera)]
        crops = reader.crops(requests)
        bodies = BilayerLifter(lifter, body)(reader.read(reader.infer(crops), crops, requests), requests)
        assert bodies.pose.shape == (1, 24, 3) and np.isfinite(bodies.joints).all()
    with load_engine(trunk_path, "torch", "f32") as rebuilt:
        found = rebuilt({"crops": pictures})
    np.testing.assert_allclose(found["heatmaps"], expected[0], atol=1e-5)


def test_an_encoder_of_another_side_is_exported_with_a_lifter_that_fits(tmp_path):
    _, lifter = export_pair(EncodedBilayer(build_encoder("resnet50", width=0.125, input_px=64)), "small", tmp_path)
    with load_engine(lifter, "openvino", "f32") as engine:
        assert engine.inputs[2].shape[2:] == (8, 8)


def test_an_hourglass_needs_sides_it_can_halve():
    with pytest.raises(ValueError, match="multiple of 64"):
        build_encoder("hourglass", input_px=96)
