"""`bodystream build` over the networks that ship."""

from engines.runtime import build


def test_finds_float_networks_and_not_their_int8_siblings(tmp_path):
    for name in ("trunk-small.onnx", "trunk-small.int8.onnx", "trunk-small.json", "a.onnx"):
        (tmp_path / name).touch()
    assert [path.name for path in build.shipped_networks(tmp_path)] == ["a.onnx", "trunk-small.onnx"]


def test_every_shipped_network_compiles_and_runs(capsys):
    assert build.main(["--runtime", "openvino", "--batches", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} >= {"trunk-small", "locator-small", "bilayer-small"}
    assert all("runs in" in line for line in lines)


def test_no_gpu_is_said_per_network_with_the_remedy(capsys):
    from engines.runtime.cuda_device import find_cuda_device

    if find_cuda_device() is not None:
        import pytest

        pytest.skip("tells what happens on a machine without a GPU, and this one has one")
    assert build.main(["--runtime", "tensorrt"]) == 1
    assert "install" in capsys.readouterr().out
