"""TensorRT as far as it goes without a GPU: parsing and building by TensorRT-RTX, and the cache of built engines."""

import logging
import re
import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.runtime import EngineError
from engines.runtime.tensorrt_build import build_engine, profile_ranges
from engines.runtime.tensorrt_cache import CacheKey, cached_engine, wrap
from tests.engines.runtime.onnx_models import write_convolutions, write_free_size, write_two_layers

KEY = CacheKey(onnx_sha256="0", tensorrt="tensorrt 10", gpu="some GPU (sm_86)", precision="f32", batches=(1, 8))


def test_every_part_of_the_key_counts():
    changes = {"onnx_sha256": "1", "tensorrt": "tensorrt 11", "gpu": "other", "precision": "auto", "batches": (1,)}
    digests = {KEY.digest()} | {replace(KEY, **{field: value}).digest() for field, value in changes.items()}
    assert len(digests) == 1 + len(changes)


def test_built_once_then_read(tmp_path):
    builds = []

    def build():
        builds.append(1)
        return b"plan"

    path, plan = cached_engine(tmp_path / "deep" / "cache", "net", KEY, build)
    assert plan == b"plan" == cached_engine(tmp_path / "deep" / "cache", "net", KEY, build)[1]
    assert len(builds) == 1
    path.write_bytes(path.read_bytes()[:-1])
    assert cached_engine(tmp_path / "deep" / "cache", "net", KEY, build)[1] == b"plan"
    assert len(builds) == 2
    path.write_bytes(b"")
    assert cached_engine(tmp_path / "deep" / "cache", "net", KEY, build)[1] == b"plan"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: data[:-1], "it was cut short or changed"),
        (lambda data: data.replace(b"sm_86", b"sm_90"), "it was cut short or changed"),
        (lambda data: b"an engine of another program", "it was not written by this version"),
        (lambda data: wrap(b"plan", replace(KEY, gpu="A (sm_75)")), r"built for gpu A \(sm_75\), here it is some GPU"),
        (lambda data: wrap(b"plan", replace(KEY, tensorrt="tensorrt 9")), "built for tensorrt tensorrt 9, here it is"),
        (lambda data: wrap(b"plan", replace(KEY, batches=(1,))), r"built for batches \[1\], here it is \[1, 8\]"),
    ],
)
def test_stale_and_foreign_engines_are_rejected_with_the_reason(tmp_path, caplog, spoil, reason):
    path, _ = cached_engine(tmp_path, "net", KEY, lambda: b"plan")
    path.write_bytes(spoil(path.read_bytes()))
    with caplog.at_level(logging.WARNING):
        assert cached_engine(tmp_path, "net", KEY, lambda: b"new plan")[1] == b"new plan"
    assert re.search(f"is not used: .*{reason}", caplog.text)
    assert cached_engine(tmp_path, "net", KEY, lambda: b"never")[1] == b"new plan"


def test_a_failed_build_leaves_nothing(tmp_path):
    def build():
        raise EngineError("no")

    with pytest.raises(EngineError):
        cached_engine(tmp_path, "net", KEY, build)
    assert not list(tmp_path.glob("*.engine")) and not list(tmp_path.glob("*.part"))


def test_two_builders_build_once(tmp_path):
    started, go, builds = threading.Event(), threading.Event(), []

    def build():
        builds.append(1)
        started.set()
        go.wait(10)
        return b"plan"

    results = []
    threads = [
        threading.Thread(target=lambda: results.append(cached_engine(tmp_path, "net", KEY, build)[1])) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    started.wait(10)
    go.set()
    for thread in threads:
        thread.join(10)
    assert results == [b"plan"] * 2 and len(builds) == 1


@given(st.sets(st.integers(1, 100), min_size=1, max_size=6))
def test_every_batch_has_exactly_one_profile_that_is_best_at_a_size_asked_for(sizes):
    ranges = profile_ranges(tuple(sizes))
    assert [batch for low, high in ranges for batch in range(low, high + 1)] == list(range(1, max(sizes) + 1))
    assert {high for _, high in ranges} == sizes


@pytest.fixture
def tensorrt_rtx(monkeypatch):
    pytest.importorskip("tensorrt_rtx", reason="needs the tensorrt extra: pip install -e '.[tensorrt]'")
    monkeypatch.setattr("engines.runtime.load.TENSORRT_MODULES", ("tensorrt_rtx",))


@pytest.mark.parametrize("write", [write_two_layers, write_convolutions])
def test_builds_without_a_gpu(tmp_path, tensorrt_rtx, write):
    write(tmp_path / "net.onnx")
    assert len(build_engine(tmp_path / "net.onnx", batches=(1, 4), compute_capability=(8, 6))) > 1000


def test_refusals_are_in_words(tmp_path, tensorrt_rtx):
    network = write_two_layers(tmp_path / "net.onnx")[0]
    with pytest.raises(EngineError, match="cannot build for SM11"):
        build_engine(network, compute_capability=(1, 1))
    with pytest.raises(EngineError, match="only the batch may be free"):
        build_engine(write_free_size(tmp_path / "free.onnx"), compute_capability=(8, 6))
    (tmp_path / "bad.onnx").write_bytes(b"nonsense")
    with pytest.raises(EngineError, match=r"does not take bad\.onnx"):
        build_engine(tmp_path / "bad.onnx", compute_capability=(8, 6))
