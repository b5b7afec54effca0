"""Only photographs of the licences asked for are drawn."""

import io
import json
import tarfile

import numpy as np
import pytest

from engines.training.factory.backgrounds import load_backgrounds, procedural, random_patch
from engines.training.factory.codec import decode_rgb, jpeg


@pytest.fixture
def shared(tmp_path):
    folder = tmp_path / "data/backgrounds"
    folder.mkdir(parents=True)
    for split, classes in (("train", ("open", "research", "mixed-cc", "unstated")), ("val", ("research",))):
        with tarfile.open(folder / f"{split}-0000.tar", "w") as tar:
            for grey, licence in enumerate(classes):
                picture = jpeg(np.full((20, 30, 3), 50 * grey, np.uint8), 90).tobytes()
                for name, data in (
                    (f"{grey}.jpg", picture),
                    (f"{grey}.json", json.dumps({"licence_class": licence}).encode()),
                ):
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
    return tmp_path


def test_licences(shared):
    greys = [int(decode_rgb(data).mean()) for data in load_backgrounds(shared, val=False)]
    assert greys == [0, 100]  # open, mixed-cc
    assert len(load_backgrounds(shared, val=False, licences=("research", "unstated"))) == 2
    with pytest.raises(ValueError, match="no background"):
        load_backgrounds(shared, val=True)


def test_patches_come_from_inside():
    image = np.zeros((40, 60, 3), np.uint8)
    image[10:30] = 200
    rng = np.random.default_rng(0)
    for _ in range(20):
        patch = random_patch(image, 32, rng)
        assert patch.shape == (32, 32, 3)
        assert patch.max() == 200
        assert np.ptp(patch.astype(int).mean(axis=(1, 2))) > 50
    assert procedural(64, rng).shape == (64, 64, 3)


def test_broken_picture_is_named():
    with pytest.raises(ValueError, match="5 bytes are not a picture"):
        decode_rgb(np.arange(5, dtype=np.uint8))
