"""What the files of docs/deploy name exists: paths, extras, commands, flags, keys."""

import configparser
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from pipeline.cli import COMMANDS, parse
from pipeline.errors import UsageError

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "docs" / "deploy"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
UNIT = DEPLOY / "bodystream.service"
DOCKERFILES = sorted(DEPLOY.glob("Dockerfile.*"))


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(UNIT)
    return parser


def check_command(words: list[str], config: Path) -> None:
    """`bodystream run --config /etc/...` is parsed by the program itself, with the example in place of /etc."""
    program, command, *flags = words
    assert Path(program).name in PROJECT["scripts"] and command in COMMANDS
    assert parse([str(config) if flag == "/etc/bodystream/run.toml" else flag for flag in flags]).source


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", dockerfile.read_text())
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip() and not line.startswith("#")]


def test_the_unit_runs_a_command_that_exists():
    service = unit()["Service"]
    check_command(shlex.split(service["ExecStart"]), DEPLOY / "run.toml")
    config = parse(["--config", str(DEPLOY / "run.toml")])
    assert Path(config.record).is_relative_to(Path("/var/lib") / service["StateDirectory"])
    assert config.rotate_minutes > 0, "a service that starts again must not overwrite its logs"
    assert config.publish.startswith("tcp://127.0.0.1")
    assert str(UsageError("").exit_code) == service["RestartPreventExitStatus"]


def test_systemd_accepts_the_unit(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed: apt install systemd")
    # The program is not installed under /opt here; everything else is checked as it stands.
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/usr/local/lib/bodystream/bin/bodystream", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True)
    ours = [line for line in (done.stdout + done.stderr).splitlines() if UNIT.name in line]
    assert not ours, done.stderr


def test_systemd_analyze_would_notice_a_mistake(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed: apt install systemd")
    broken = tmp_path / UNIT.name
    broken.write_text(UNIT.read_text().replace("Restart=on-failure", "Restart=perhaps"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(broken)], capture_output=True, text=True)
    assert "perhaps" in done.stdout + done.stderr


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_dockerfile_names_what_exists(dockerfile):
    steps = instructions(dockerfile)
    by_name = {name for name, _ in steps}
    assert steps[0][0] == "FROM" and not steps[0][1].endswith(":latest") and ":" in steps[0][1]
    assert {"USER", "STOPSIGNAL", "ENTRYPOINT", "CMD"} <= by_name
    copied = set()
    for name, rest in steps:
        if name == "COPY":
            *sources, _ = rest.split()
            copied |= set(sources)
    assert all((ROOT / source).exists() for source in copied)
    needed = {"pyproject.toml", PROJECT["readme"], "run_stream.py", "pipeline", "engines", "kernels"}
    assert needed <= copied, "the package cannot be built without these"
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert not copied & set(ignored)
    for extras in re.findall(r'pip install .*"\.\[([\w,]+)\]"', dockerfile.read_text()):
        assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    words = [exec_form(rest) for name, rest in steps if name in ("ENTRYPOINT", "CMD")]
    check_command([*words[0], *words[1]], DEPLOY / "run.toml")
    python = re.search(r"python:3\.(\d+)", steps[0][1])
    assert python and int(python[1]) >= int(PROJECT["requires-python"].removeprefix(">=3."))


def exec_form(text: str) -> list[str]:
    """The exec form `["a", "b"]`: the program gets signals itself."""
    words = json.loads(text)
    assert isinstance(words, list)
    return words


def test_the_page_names_files_that_exist():
    text = (DEPLOY / "README.md").read_text()
    for name in re.findall(r"docs/deploy/[\w.]+", text):
        assert (ROOT / name).is_file(), name
    for command in re.findall(r"bodystream (keys|run|view|doctor)\b", text):
        assert command in COMMANDS
