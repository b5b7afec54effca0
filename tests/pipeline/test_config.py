from pathlib import Path

import pytest

from pipeline.cli import parse
from pipeline.config import RunConfig, load_config
from pipeline.errors import UsageError
from pipeline.sources import LiveOptions

PRESETS = sorted(Path(__file__).parents[2].glob("configs/*.toml"))


def write(tmp_path, text):
    path = tmp_path / "c.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_presets_load_and_their_sources_make_sense(path):
    config = load_config(path, {"source": ["test:"]} if "source" not in path.read_text().split("#", 3)[-1] else {})
    assert config != RunConfig(source=config.source), "a preset sets something"
    streams = [options.stream for _, options in config.sources()]
    assert streams and len(set(streams)) == len(streams)


def test_all_presets_are_there():
    assert {p.stem for p in PRESETS} >= {"webcam", "rtsp", "file", "fleet", "low-latency", "high-accuracy"}


FLAGS = {
    "source": "a.mp4", "method": "smplify", "runtime": "torch", "precision": "bf16", "threads": "3", "body": "x.npz",
    "max-people": "2", "batch-wait": "2.5", "on-device": True, "max-batch": "3", "smoothing": "none",
    "fov": "60.5", "intrinsics": "1,2,3,4.5", "max-frames": "7",
    "hwaccel": "auto", "decode-threads": "2", "realtime": True, "publish": "tcp://127.0.0.1:1", "mesh": True,
    "allow-plaintext": True, "keys": "k", "record": "r.mcap", "overlay": "o.mp4", "overlay-size": "640",
    "contact-sheet": "c.png",
    "summary": "s.json", "mirror": "never", "out": "d", "view": True, "log-level": "debug", "quiet": True,
    "rotate-mb": "5", "rotate-minutes": "2.5", "transport": "udp", "stall": "2.5", "metrics-port": "9100",
    "log-format": "json",
    "keypoints": "net.onnx", "min-quality": "0.4", "bodynet-surface": True,
}  # fmt: skip


def test_every_field_has_a_sample():
    assert {flag.replace("-", "_") for flag in FLAGS} == set(RunConfig.__struct_fields__)


@pytest.mark.parametrize("flag", FLAGS)
def test_every_flag_is_also_a_toml_key(tmp_path, flag):
    value = FLAGS[flag]
    as_flag = parse([f"--{flag}"] if value is True else [f"--{flag}", value])
    toml = "true" if value is True else value if value.replace(".", "").isdigit() else f'"{value}"'
    as_key = parse(["--config", write(tmp_path, f"{flag} = {toml}\n")])
    assert as_flag == as_key != RunConfig()


def test_flags_win_over_the_file(tmp_path):
    path = write(tmp_path, 'source = ["a.mp4"]\nmax-people = 3\nmesh = true\nfov = 60\n')
    config = parse(["--config", path, "--source", "b.mp4", "--source", "c.mp4", "--no-mesh", "--intrinsics", "9,9,1,1"])
    assert config.source == ("b.mp4", "c.mp4") and config.max_people == 3 and not config.mesh
    assert config.fov is None and config.intrinsics == (9, 9, 1, 1), "one camera replaces the other"


def test_source_tables(tmp_path):
    path = write(
        tmp_path,
        'fov = 70\n[[source]]\nspec = "webcam:0"\nname = "door"\nintrinsics = [500, 500, 320, 240]\n'
        '[[source]]\nspec = "clip.mp4"\nrealtime = true\n',
    )
    (one, door), (two, clip) = parse(["--config", path]).sources()
    assert (one, door.stream, door.camera.intrinsics) == ("webcam:0", "door", (500, 500, 320, 240))
    assert (two, clip.stream, clip.camera.fov_deg, clip.realtime, door.realtime) == (
        "clip.mp4",
        "clip",
        70,
        True,
        False,
    )


def test_cameras_have_options_of_their_own(tmp_path):
    path = write(
        tmp_path,
        'stall = 3\n[[source]]\nspec = "webcam:0"\nsize = "1280x720"\nfps = 15\npixel-format = "mjpeg"\n'
        '[[source]]\nspec = "rtsp://door/1"\ntransport = "udp"\nstall = 1.5\n',
    )
    (_, desk), (_, door) = parse(["--config", path]).sources()
    assert desk.live == LiveOptions(stall_s=3, size=(1280, 720), fps=15, pixel_format="mjpeg")
    assert door.live == LiveOptions(stall_s=1.5, transport="udp")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max-poeple = 3", "unknown key 'max-poeple'; did you mean max-people"),
        ("[[source]]\nspek = 'x'", "unknown key 'spek'; did you mean spec"),
        ("[[source]]\nname = 'x'", "missing required field `spec`|spec"),
        ("[[source]]\nspec = 'a'\nname = 'x'\n[[source]]\nspec = 'b'\nname = 'x'", "two sources are named 'x'"),
        ("[[source]]\nspec = 'a'\nname = 'x y'", "stream name is 'x y'"),
        ("[[source]]\nspec = 'webcam:0'\nsize = 'big'", "size is 'big', it must be WIDTHxHEIGHT"),
        ("[[source]]\nspec = 'rtsp://x/'\nstall = 0", "stall is 0.0 s, it must be 0.1 to 3600"),
        ("max-people = 0", "max-people is 0: expected int >= 1"),
        ("max-frames = 'many'", "max-frames is 'many'"),
        ("method = 'bilyer'", "method is 'bilyer'; did you mean bilayer"),
        ("fov = 180.0", "field of view is 180.0 degrees, it must lie between 0 and 180"),
        ("intrinsics = [1, 2, 3]", "intrinsics is .*length 4"),
        ("intrinsics = '1,2,3,x'", "expected float"),
        ("fov = 60\nintrinsics = [1, 1, 1, 1]", "exclude each other"),
        ("max-people = ", "not valid TOML"),
    ],
)
def test_nonsense_is_explained(tmp_path, text, words):
    with pytest.raises(UsageError, match=words):
        parse(["--config", write(tmp_path, text), *([] if "source" in text else ["--source", "x"])]).sources()


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--sorce", "x"], "unknown argument '--sorce'; did you mean --source"),
        (["clip.mp4"], "sources need --source"),
        (["--max-frames"], "expected one argument"),
        (["--max-frames", "-1"], "max-frames is '-1': expected int >= 1"),
        (["--config", "/nowhere.toml"], "cannot be read"),
        (["--over", "x"], "did you mean --overlay"),
        (["--overlay", "none"], "overlay is 'none', it must end in .mp4; without overlay none is written"),
        (["--record", "log"], "record is 'log', it must end in .mcap"),
        (["--contact-sheet", "sheet.jpg"], "contact-sheet is 'sheet.jpg', it must end in .png"),
    ],
)
def test_wrong_flags_are_explained(argv, words):
    with pytest.raises(UsageError, match=words):
        parse(argv)
