"""The rules of docs/architecture.md: imports run one way, and the streaming path imports no torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FORBIDDEN = {
    "kernels": ("engines", "pipeline", "run_stream"),
    "engines": ("pipeline", "run_stream"),
    "engines/networks": ("engines.methods", "engines.training"),
    "engines/methods": ("engines.training",),
    "engines/runtime": ("engines.training", "engines.methods"),
    "engines/body": ("engines.training", "engines.methods", "engines.networks"),
    "pipeline": ("run_stream",),
    "pipeline/sinks": ("pipeline.sources",),
    "pipeline/sources": ("pipeline.sinks",),
}
"""Folder -> what none of its modules may import."""
ALLOWED = {
    ("pipeline/bench.py", "engines.training"): "times the reference networks on request",
    ("pipeline/newcomer_report.py", "engines.training"): "measures the program on labelled photographs",
}
"""(module, package): why that one may import training code."""
STREAMING = ("pipeline.cli", "pipeline.assemble", "pipeline.estimator", "pipeline.client", "engines.methods")
NOT_FOR_STREAMING = ("torch", "anny", "moderngl", "onnx", "onnxruntime", "nncf", "trimesh", "engines.training")


def imports(path: Path) -> set[str]:
    """Every module that a file names in an import, at any depth."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_imports_run_one_way(folder):
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for name in imports(path)
        if any(within(name, package) for package in FORBIDDEN[folder])
    ]
    assert not wrong


def test_only_measurements_reach_training_code():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted((ROOT / "pipeline").rglob("*.py"))
        for name in imports(path)
        if within(name, "engines.training") and (path.relative_to(ROOT).as_posix(), "engines.training") not in ALLOWED
    ]
    assert not wrong


@pytest.mark.parametrize("module", STREAMING)
def test_the_streaming_path_needs_no_training_package(module):
    """In a process of its own, where importing any of them is an error."""
    block = f"import sys; sys.modules.update(dict.fromkeys({NOT_FOR_STREAMING!r}))"
    script = f"{block}; import {module}"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
