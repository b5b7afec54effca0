"""Every network that ships, as TensorRT-RTX sees it on a machine without a GPU: parsed, judged by polygraphy, built."""

import os
import subprocess
import sys

import pytest

from engines.methods import WEIGHTS
from engines.runtime.tensorrt_build import build_engine, typed_network

SHIPPED = sorted(WEIGHTS.glob("*.onnx"))
FLOATS = [path for path in SHIPPED if ".int8" not in path.name]
WAYS = [
    *((path, "int8" if ".int8" in path.name else "f32") for path in SHIPPED),
    *((path, half) for path in FLOATS for half in ("f16", "bf16")),
]
"""A network and the precision that it is to run in."""
OWN_ARITHMETIC = "bilayer"
"""Its thousand small layers take the builder longer than all other networks together: built once, in f16."""


def named(way):
    return f"{way[0].stem}-{way[1]}"


@pytest.fixture
def tensorrt_rtx(monkeypatch):
    pytest.importorskip("tensorrt_rtx", reason="needs the tensorrt extra: pip install -e '.[tensorrt]'")
    monkeypatch.setattr("engines.runtime.load.TENSORRT_MODULES", ("tensorrt_rtx",))


@pytest.mark.parametrize("way", WAYS, ids=named)
def test_polygraphy_finds_nothing_that_tensorrt_cannot_run(way, tmp_path):
    """Warnings count as well: an unsigned zero point, which TensorRT reads as a signed one, is no more than that."""
    pytest.importorskip("tensorrt_rtx", reason="needs the tensorrt extra: pip install -e '.[tensorrt]'")
    pytest.importorskip("polygraphy", reason="needs the tensorrt extra: pip install -e '.[tensorrt]'")
    network = tmp_path / "network.onnx"
    network.write_bytes(typed_network(*way))
    command = [sys.executable, "-c", "import sys; from polygraphy.tools import main; sys.exit(main())"]
    command += ["inspect", "capability", str(network), "-o", str(tmp_path / "parts")]
    environment = os.environ | {"POLYGRAPHY_USE_TENSORRT_RTX": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=280, cwd=tmp_path)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Graph is fully supported by TensorRT" in said
    warnings = [line for line in said.splitlines() if line.startswith(("[W]", "[E]")) and "colored" not in line]
    assert not warnings


@pytest.mark.parametrize("way", [way for way in WAYS if OWN_ARITHMETIC not in way[0].name], ids=named)
def test_builds_without_a_gpu(way, tensorrt_rtx):
    shares = []
    plan = build_engine(
        way[0], precision=way[1], batches=(1, 4), compute_capability=(8, 6), on_progress=lambda *at: shares.append(at)
    )
    # The constants are inside, in the type that was asked for.
    assert len(plan) > 0.5 * way[0].stat().st_size
    done = [share for share, _ in shares]
    assert done == sorted(done) and done[-1] > 0.9


def test_the_lifter_builds_without_a_gpu(tensorrt_rtx):
    path = next(path for path in FLOATS if OWN_ARITHMETIC in path.name)
    assert len(build_engine(path, precision="f16", batches=(1, 4), compute_capability=(8, 6))) > 1_000_000
