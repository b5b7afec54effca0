"""What a run is made of. Every field is a command-line flag (`--max-frames`) and a TOML key (`max-frames`).

Values are taken from the defaults, then the TOML file, then the command line. Anything unknown or out of range is a
UsageError that names the value, the rule and the remedy.
"""

from __future__ import annotations

import difflib
import re
import tomllib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from pipeline.errors import UsageError
from pipeline.sources.base import CameraOption, LiveOptions, SourceOptions
from pipeline.sources.registry import redact, stream_name

Choice4 = tuple[float, float, float, float]
MIRROR = {"auto": None, "always": True, "never": False}
"""What `--mirror` means to `engines.methods.create_method`."""


class SourceConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[source]]` table; what it leaves out is taken from the run."""

    spec: str
    """What follows `--source`."""
    name: str | None = None
    """Name of the stream; made from the spec where it is missing."""
    fov: float | None = None
    intrinsics: Choice4 | None = None
    hwaccel: str | None = None
    realtime: bool | None = None
    transport: Literal["tcp", "udp"] | None = None
    stall: float | None = None
    size: str | None = None
    """WIDTHxHEIGHT, asked of a webcam; `fps` and `pixel_format` likewise."""
    fps: float | None = None
    pixel_format: str | None = None


class RunConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run. The description of each field is its help text."""

    source: Annotated[
        tuple[str | SourceConfig, ...],
        Meta(
            description="video file, folder of pictures, webcam:N?size=1280x720&fps=30, rtsp://..., http://..., "
            "log:PATH, demo, or test:seconds=3,fps=30,size=640x480,people=1; may be repeated. In TOML also [[source]] "
            "tables with spec, name, fov, intrinsics, hwaccel, realtime, transport, stall, and for webcams size, fps, "
            "pixel-format"
        ),
    ] = ()
    method: Annotated[
        Literal["bilayer", "ordinal", "smplr", "smplify", "bodynet"],
        Meta(description="how bodies are estimated"),
    ] = "bilayer"
    keypoints: Annotated[
        str | None,
        Meta(
            description="keypoint network PATH.onnx, described by PATH.toml beside it, in place of the trunk; for the "
            "methods that lift from points (docs/keypoints.md)"
        ),
    ] = None
    runtime: Annotated[
        Literal["auto", "openvino", "tensorrt", "torch"],
        Meta(description="what runs the networks; auto: tensorrt on an NVIDIA GPU, else openvino"),
    ] = "auto"
    precision: Annotated[
        Literal["auto", "int8", "bf16", "f16", "f32"], Meta(description="arithmetic of the networks")
    ] = "auto"
    threads: Annotated[int, Meta(ge=0, le=1024, description="threads of the networks; 0 chooses")] = 0
    mirror: Annotated[
        Literal["auto", "always", "never"],
        Meta(
            description="look at every person's mirror image too: twice the trunk's time, a little more accurate; "
            "auto: in pictures that stand alone"
        ),
    ] = "auto"
    on_device: Annotated[
        bool,
        Meta(description="crops, heatmaps and meshes stay on the GPU; with --hwaccel cuda frames too"),
    ] = False
    batch_wait: Annotated[
        float,
        Meta(
            ge=0, le=1000, description="longest that a frame waits for those of other streams, ms: fewer, larger calls"
        ),
    ] = 0.0
    max_batch: Annotated[
        int, Meta(ge=0, description="frames of one call of the networks; 0: one of every stream that has one")
    ] = 0
    body: Annotated[str | None, Meta(description="SMPL body model (.npz or .pkl) instead of the shipped one")] = None
    max_people: Annotated[
        Annotated[int, Meta(ge=1, le=64)] | None,
        Meta(
            description="at most so many people per stream, the largest; by default 8, in pictures that stand alone 20"
        ),
    ] = None
    min_quality: Annotated[
        float,
        Meta(
            ge=0, le=1, description="leave out bodies whose quality is below; 0 keeps all, as does an unknown quality"
        ),
    ] = 0.0
    smoothing: Annotated[
        Literal["default", "low-latency", "smooth", "none"],
        Meta(description="filter over time: none publishes what the networks say"),
    ] = "default"
    fov: Annotated[
        float | None,
        Meta(description="horizontal field of view of the cameras, degrees; assumed to be 55 where nothing is given"),
    ] = None
    intrinsics: Annotated[Choice4 | None, Meta(description="fx,fy,cx,cy of the upright picture, pixels")] = None
    bodynet_surface: Annotated[
        bool,
        Meta(description="publish and record the surfaces of bodynet's volumes too (extra: surface)"),
    ] = False
    max_frames: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="stop after so many frames of each source")
    ] = None
    hwaccel: Annotated[str, Meta(description="hardware video decoder: none, auto, cuda, vaapi, ...")] = "none"
    decode_threads: Annotated[int, Meta(ge=0, le=1024, description="threads per video decoder; 0 chooses")] = 0
    realtime: Annotated[bool, Meta(description="play files at their own pace and not as fast as possible")] = False
    transport: Annotated[
        Literal["tcp", "udp"],
        Meta(description="how RTSP cameras send: tcp loses nothing, udp does not wait for what was lost"),
    ] = "tcp"
    stall: Annotated[
        float,
        Meta(ge=0.1, le=3600, description="a camera that gives no picture for so many seconds is connected again"),
    ] = 5.0
    publish: Annotated[str | None, Meta(description="ZeroMQ address to publish on, tcp://HOST:PORT")] = None
    mesh: Annotated[bool, Meta(description="publish the mesh too, not the parameters alone")] = False
    allow_plaintext: Annotated[bool, Meta(description="publish beyond this machine without keys")] = False
    keys: Annotated[str | None, Meta(description="key folder (bodystream keys new): publish to its clients only")] = (
        None
    )
    record: Annotated[
        str | None, Meta(description="pose log to write, PATH.mcap; PATH-{stream}.mcap: one per source")
    ] = None
    rotate_mb: Annotated[
        float, Meta(ge=0, description="begin a new pose log (PATH.0001.mcap, ...) after so many megabytes; 0: never")
    ] = 0
    rotate_minutes: Annotated[
        float, Meta(ge=0, description="begin a new pose log after so many minutes of frames; 0: never")
    ] = 0
    overlay: Annotated[
        str | None, Meta(description="video to write with the bodies drawn over it, PATH.mp4; one per source")
    ] = None
    overlay_size: Annotated[
        int, Meta(ge=0, description="longest side of the overlay video, pixels; 0 keeps every pixel of the pictures")
    ] = 1280
    contact_sheet: Annotated[str | None, Meta(description="picture to write with frames of the run, PATH.png")] = None
    summary: Annotated[str | None, Meta(description="figures of the run to write at its end, PATH.json")] = None
    out: Annotated[
        str | None,
        Meta(
            description="folder for pose log, overlay, contact sheet and summary; if no output is asked for, a new "
            "folder under runs/"
        ),
    ] = None
    view: Annotated[bool, Meta(description="show the bodies in the browser while they are estimated")] = False
    metrics_port: Annotated[
        Annotated[int, Meta(ge=0, le=65535)] | None,
        Meta(description="serve figures for Prometheus at http://127.0.0.1:PORT/metrics; 0 takes a free port"),
    ] = None
    log_format: Annotated[
        Literal["text", "json"], Meta(description="json: what the program says, as one object per line on stderr")
    ] = "text"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="what the program says about itself")
    ] = "warning"
    quiet: Annotated[bool, Meta(description="no status line and no closing summary in the terminal")] = False

    def __post_init__(self) -> None:
        for name in ("fov", "intrinsics"):
            if getattr(self, name) is not None:
                _camera(self.fov, self.intrinsics, "the run")
        for name, ending in (("record", ".mcap"), ("overlay", ".mp4"), ("contact_sheet", ".png")):
            path = getattr(self, name)
            if path is not None and Path(path).suffix.lower() != ending:
                key = name.replace("_", "-")
                raise UsageError(f"{key} is {path!r}, it must end in {ending}; without {key} none is written")

    def sources(self) -> list[tuple[str, SourceOptions]]:
        """Spec and options of each source, stream names made unique. Raises UsageError."""
        found: list[tuple[str, SourceOptions]] = []
        for item in self.source:
            one = item if isinstance(item, SourceConfig) else SourceConfig(spec=item)
            own_camera = one.fov is not None or one.intrinsics is not None
            taken = {options.stream for _, options in found}
            if one.name in taken:
                raise UsageError(f"two sources are named {one.name!r}; give each its own name")
            try:
                options = SourceOptions(
                    stream=one.name or stream_name(one.spec, taken),
                    camera=_camera(one.fov, one.intrinsics, redact(one.spec)) if own_camera else self._camera_of_run(),
                    hwaccel=one.hwaccel or self.hwaccel,
                    threads=self.decode_threads,
                    realtime=self.realtime if one.realtime is None else one.realtime,
                    live=LiveOptions(
                        transport=one.transport or self.transport,
                        stall_s=self.stall if one.stall is None else one.stall,
                        size=_size(one.size),
                        fps=one.fps,
                        pixel_format=one.pixel_format,
                    ),
                )
            except ValueError as error:
                raise UsageError(f"source {redact(one.spec)}: {error}") from error
            found.append((one.spec, options))
        return found

    def _camera_of_run(self) -> CameraOption:
        return _camera(self.fov, self.intrinsics, "the run")


def load_config(path: str | Path | None, flags: Mapping[str, Any]) -> RunConfig:
    """The TOML file (if any) overlaid with the flags that were given. Raises UsageError."""
    values = read_toml(path) if path is not None else {}
    for one, other in (("fov", "intrinsics"), ("intrinsics", "fov")):
        if one in flags:  # a camera given by flag replaces the one of the file
            values.pop(other, None)
    values |= flags
    if isinstance(values.get("source"), str | Mapping):
        values["source"] = [values["source"]]
    for table in (values, *(s for s in values.get("source", ()) if isinstance(s, dict))):
        if isinstance(table.get("intrinsics"), str):
            table["intrinsics"] = table["intrinsics"].split(",")
    try:
        return msgspec.convert(values, RunConfig, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(_explain(values, str(error))) from error


def read_toml(path: str | Path) -> dict[str, Any]:
    """The tables of a configuration file with `_` in its keys for `-`. Raises UsageError, also for unknown keys."""
    try:
        with open(path, "rb") as file:
            raw = tomllib.load(file)
    except OSError as error:
        raise UsageError(f"configuration {path} cannot be read ({error.strerror}); check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"configuration {path} is not valid TOML: {error}") from error
    values = _known(raw, RunConfig, str(path))
    sources = values.get("source")
    if isinstance(sources, list):
        name = f"{path} [[source]]"
        values["source"] = [_known(s, SourceConfig, name) if isinstance(s, dict) else s for s in sources]
    return values


def suggest(word: str, known: typing.Iterable[str]) -> str:
    """`; did you mean fov?` or, if nothing is near, the whole list."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"


def _known(table: Mapping[str, Any], struct: type[msgspec.Struct], where: str) -> dict[str, Any]:
    fields = struct.__struct_fields__
    values = {key.replace("-", "_"): value for key, value in table.items()}
    for key in table:
        if key.replace("-", "_") not in fields:
            kebab = [field.replace("_", "-") for field in fields]
            raise UsageError(f"{where}: unknown key {key!r}{suggest(key.replace('_', '-'), kebab)}")
    return values


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise ValueError(f"size is {text!r}, it must be WIDTHxHEIGHT in pixels, as in 1280x720")
    return int(width), int(height)


def _camera(fov: float | None, intrinsics: Choice4 | None, of: str) -> CameraOption:
    try:
        return CameraOption(fov_deg=fov, intrinsics=intrinsics)
    except ValueError as error:
        raise UsageError(f"camera of {of}: {error}") from error


def _explain(values: Mapping[str, Any], text: str) -> str:
    """msgspec's complaint with the value it is about, and the choices where there are some."""
    rule, _, where = text.partition(" - at ")
    path = where.strip("`").removeprefix("$")
    value: Any = values
    try:
        for key, index in re.findall(r"\.(\w+)|\[(\d+)\]", path):
            value = value[key or int(index)]
    except (KeyError, IndexError, TypeError):
        return f"{path.strip('.')}: {rule}"
    name = path.strip(".")
    hint = typing.get_type_hints(RunConfig).get(name)
    if typing.get_origin(hint) is Literal:
        return f"{name.replace('_', '-')} is {value!r}{suggest(str(value), typing.get_args(hint))}"
    return f"{name.replace('_', '-')} is {value!r}: {rule[:1].lower()}{rule[1:]}".replace("`", "")
