"""Shards keep what was put in, and refuse what is not a shard."""

import numpy as np
import pytest

from engines.training.factory.shards import CROP_PX, LABELS, PARTS_PX, SynthSample, read_shard, write_shard

SHAPES = {
    "points": (41, 3), "joints_cam": (24, 3), "landmarks_cam": (17, 3), "pose": (24, 3), "betas": (10,),
    "translation": (3,), "K": (4,), "crop_in_source": (5,), "box": (4,),
}  # fmt: skip


def sample(seed: int) -> SynthSample:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:CROP_PX, :CROP_PX]
    image = np.stack([x, y, (x + y) // 2], axis=-1).astype(np.uint8)  # smooth: JPEG keeps it
    image = np.roll(image, seed % 3, axis=2)
    return SynthSample(
        image=image,
        parts=rng.integers(0, 16, (PARTS_PX, PARTS_PX), dtype=np.uint8),
        others=rng.integers(0, 2, (PARTS_PX, PARTS_PX), dtype=np.uint8),
        **{name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()},
    )


def test_round_trip_is_exact_but_for_jpeg(tmp_path):
    samples = [sample(seed) for seed in range(5)]
    write_shard(tmp_path / "train-0000.npz", samples, "body-1")
    shard = read_shard(tmp_path / "train-0000.npz")
    assert (len(shard), shard.body) == (5, "body-1")
    assert set(SHAPES) == set(LABELS)
    for index, wanted in enumerate(samples):
        for name in LABELS:
            np.testing.assert_array_equal(getattr(shard, name)[index], getattr(wanted, name))
        np.testing.assert_array_equal(shard.parts(index), wanted.parts)
        np.testing.assert_array_equal(shard.others(index), wanted.others)
        error = np.abs(shard.image(index).astype(int) - wanted.image)
        assert error.mean() < 2.5  # a swap of red and blue costs tens of grey levels


def test_index_out_of_range(tmp_path):
    write_shard(tmp_path / "s.npz", [sample(0)])
    for index in (-1, 1):
        with pytest.raises(IndexError, match="the shard has 1"):
            read_shard(tmp_path / "s.npz").image(index)


def test_refuses_other_files_and_objects(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(ValueError, match="is not a bodystream-synth/2 shard"):
        read_shard(tmp_path / "other.npz")
    np.savez(tmp_path / "pickled.npz", format=np.array({"a": 1}, dtype=object))
    with pytest.raises(ValueError, match=r"[Oo]bject arrays"):
        read_shard(tmp_path / "pickled.npz")


def test_nothing_appears_for_an_unfinished_shard(tmp_path):
    broken = sample(0)
    object.__setattr__(broken, "pose", np.zeros((3, 3), np.float32))
    with pytest.raises(ValueError, match="shape"):
        write_shard(tmp_path / "train-0000.npz", [sample(1), broken])
    assert not (tmp_path / "train-0000.npz").exists()
    with pytest.raises(ValueError, match="at least one"):
        write_shard(tmp_path / "train-0000.npz", [])
