"""Fetching the street clip: what is kept is what was expected, and without network the demo is played."""

import hashlib
import os
import subprocess
import sys
import zipfile

import pytest

from pipeline.demo_clip import MEMBER, SHA256, DemoClipError, cache_dir, extract_member, street_clip

CONTENT = b"a video"


@pytest.fixture
def wheel(tmp_path):
    path = tmp_path / "package-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("Package/demo.mp4", CONTENT)
        archive.writestr("Package/code.py", "raise SystemExit('never run')")
    return path


def test_only_the_named_file_is_taken(wheel, tmp_path):
    target = tmp_path / "cache" / "clip.mp4"
    extract_member(wheel, "Package/demo.mp4", hashlib.sha256(CONTENT).hexdigest(), target)
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["clip.mp4"]


def test_another_file_under_that_name_is_refused_and_not_kept(wheel, tmp_path):
    with pytest.raises(DemoClipError, match="sha256"):
        extract_member(wheel, "Package/demo.mp4", "0" * 64, tmp_path / "clip.mp4")
    with pytest.raises(DemoClipError, match=r"missing\.mp4"):
        extract_member(wheel, "Package/missing.mp4", "0" * 64, tmp_path / "clip.mp4")
    wheel.write_bytes(wheel.read_bytes()[:40])
    with pytest.raises(DemoClipError, match="package-1"):
        extract_member(wheel, "Package/demo.mp4", "0" * 64, tmp_path / "clip.mp4")
    assert not (tmp_path / "clip.mp4").exists()


def run_without_network(tmp_path):
    """`python -m pipeline.demo_clip` where pip may ask nobody."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    environment |= {"XDG_CACHE_HOME": str(tmp_path), "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    return subprocess.run(
        [sys.executable, "-m", "pipeline.demo_clip"], env=environment, capture_output=True, text=True, timeout=60
    )


def test_without_network_the_demo_is_named_and_the_reason_said(tmp_path):
    done = run_without_network(tmp_path)
    assert (done.returncode, done.stdout) == (0, "demo\n")
    assert "sports2d" in done.stderr and "SOURCE=" in done.stderr


def test_a_damaged_clip_in_the_cache_is_not_played(tmp_path):
    kept = tmp_path / "bodystream" / "clips" / "street_walk.mp4"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"half of it")
    assert run_without_network(tmp_path).stdout == "demo\n"


def test_the_cache_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "bodystream"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert cache_dir().name == "bodystream" and cache_dir().parent.name == ".cache"


def test_the_pinned_clip_is_what_the_index_serves(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    try:
        path = street_clip()
    except DemoClipError as error:
        if "sha256" in str(error) or MEMBER in str(error):
            raise
        pytest.skip(f"no package index here: {error}")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == SHA256
