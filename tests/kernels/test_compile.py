"""Every CUDA source becomes machine code for every architecture, without a GPU."""

import importlib.util

import pytest

from kernels.compile import ARCHITECTURES, KernelCompileError, compile_cubin
from kernels.source import KernelSource, kernel_source, source_names

HAS_NVRTC = bool(importlib.util.find_spec("cuda") and importlib.util.find_spec("cuda.core"))
needs_nvrtc = pytest.mark.skipif(not HAS_NVRTC, reason="NVRTC is not installed: pip install -e '.[cuda]'")
ELF_MACHINE_CUDA = 190


@needs_nvrtc
@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("name", source_names())
def test_compiles(name, arch):
    source = kernel_source(name)
    cubin = compile_cubin(source, arch)
    assert cubin[:4] == b"\x7fELF"
    assert int.from_bytes(cubin[18:20], "little") == ELF_MACHINE_CUDA
    for kernel in source.params:
        assert f".text.{kernel}\0".encode() in cubin


def made_up(text):
    return KernelSource("made_up", text, {})


@needs_nvrtc
def test_the_cache_is_keyed_by_text_and_architecture_and_serves_what_it_holds(tmp_path):
    source = made_up('extern "C" __global__ void k(int* a) { *a = 1; }')
    first = compile_cubin(source, "sm_75", tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(b"from the cache")
    assert compile_cubin(source, "sm_75", tmp_path) == b"from the cache"
    assert compile_cubin(source, "sm_90", tmp_path) != first
    other = made_up(source.text.replace("= 1", "= 2"))
    assert compile_cubin(other, "sm_75", tmp_path) not in (first, b"from the cache")
    assert len(list(tmp_path.iterdir())) == 3


@needs_nvrtc
def test_contraction_is_off_where_the_source_asks_for_it(tmp_path):
    text = 'extern "C" __global__ void k(double* a) { a[0] = a[1] * a[2] + a[3]; }'
    contracted = compile_cubin(made_up(text), "sm_90", tmp_path)
    plain = compile_cubin(made_up("// fma: off\n" + text), "sm_90", tmp_path)
    assert contracted != plain


@needs_nvrtc
def test_an_error_carries_the_compilers_words(tmp_path):
    with pytest.raises(KernelCompileError, match=r"(?s)made_up.cu does not compile for sm_75.*nonsense"):
        compile_cubin(made_up("nonsense"), "sm_75", tmp_path)
    assert not list(tmp_path.iterdir())
