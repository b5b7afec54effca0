"""`bodystream log info | recover | refine | export | play`: look into a pose log, repair, refine, convert, play."""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.errors import BodystreamError, UsageError
from pipeline.log import PoseLog, iter_frames, read_log, recover_log, result_of
from pipeline.log_export import export_log
from pipeline.log_format import FrameMessage

MAX_PAUSE_S = 5.0
"""A longer gap between two frames of a log is not waited for."""


def main(argv: Sequence[str] | None = None) -> int:
    """The `bodystream log` command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="bodystream log", description="Look into a pose log, repair, convert, play.")
    commands = parser.add_subparsers(dest="command", required=True)
    info = commands.add_parser("info", help="what is in the log")
    info.add_argument("log", type=Path)
    recover = commands.add_parser("recover", help="copy what is readable of a cut or damaged log into a complete one")
    recover.add_argument("log", type=Path)
    recover.add_argument("output", type=Path)
    refine = commands.add_parser("refine", help="fit every track as a whole: nearer to its points, and smooth")
    refine.add_argument("log", type=Path)
    refine.add_argument("output", type=Path)
    refine.add_argument("--smoothness", type=float, default=1.0, help="2 halves the accelerations that pass unpunished")
    refine.add_argument("--body", type=Path, help="body model file of the log (default: the shipped one)")
    export = commands.add_parser("export", help="convert to .csv, .parquet or AMASS-style .npz")
    export.add_argument("log", type=Path)
    export.add_argument("output", type=Path, help="its suffix chooses the format; npz: one file per track")
    play = commands.add_parser("play", help="print or publish the log at its own pace")
    play.add_argument("log", type=Path)
    play.add_argument("--speed", type=float, default=1.0, help="2 is twice as fast, 0 as fast as possible")
    play.add_argument("--publish", metavar="tcp://HOST:PORT", help="publish to subscribers and viewers")
    play.add_argument("--loop", action="store_true", help="begin again at the end")
    play.add_argument("--body", type=Path, help="body model file, for publishing (default: the shipped one)")
    options = parser.parse_args(argv)
    try:
        if options.command == "info":
            print("\n".join(describe(read_log(options.log))))
        elif options.command == "recover":
            found = recover_log(options.log, options.output)
            state = "the log was complete" if found.was_complete else "the log was cut"
            damaged = f", {found.damaged_chunks} damaged chunks left out" if found.damaged_chunks else ""
            print(f"{found.messages} messages recovered into {options.output}; {state}{damaged}")
        elif options.command == "refine":
            from pipeline.log_refine import refine_log

            tracks, bodies = refine_log(options.log, options.output, options.smoothness, options.body)
            print(f"{bodies} bodies of {tracks} tracks refined into {options.output}")
        elif options.command == "export":
            for path in export_log(read_log(options.log), options.output):
                print(path)
        else:
            play_log(options.log, speed=options.speed, address=options.publish, loop=options.loop, body=options.body)
    except BodystreamError as error:
        print(f"bodystream log: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 0
    return 0


def describe(log: PoseLog) -> list[str]:
    """The lines of `bodystream log info`."""
    state = "complete" if log.complete else "cut: the recording was killed, or its disk was full (see: log recover)"
    lines = [f"{log.path}: {state}"]
    if log.damaged_chunks:
        lines.append(f"damaged chunks   {log.damaged_chunks}, their frames are missing")
    lines += [f"{key:16} {log.metadata.get(key) or '-'}" for key in ("body_model", "method", "weights")]
    by_stream: dict[str, list[FrameMessage]] = defaultdict(list)
    for frame in log.frames:
        by_stream[frame.stream].append(frame)
    for stream, frames in by_stream.items():
        lines += _describe_stream(stream, frames, log.cameras.get(stream, {}).get("assumed") == "true")
    if not log.frames:
        lines.append("no frames")
    lines += [f"event            {event.stream or 'all'}: {event.message}" for event in log.events]
    return lines


def _describe_stream(stream: str, frames: list[FrameMessage], assumed: bool) -> list[str]:
    first, last = frames[0], frames[-1]
    seconds = (last.timestamp_ns - first.timestamp_ns) / 1e9
    tracks = {body.track_id for frame in frames for body in frame.bodies}
    empty = sum(not frame.bodies for frame in frames)
    camera = first.camera
    focal = f"fx {camera.fx:g} fy {camera.fy:g} cx {camera.cx:g} cy {camera.cy:g} px"
    return [
        f"stream           {stream}: {first.image_size[0]} x {first.image_size[1]}, {focal}"
        + (" (assumed)" if assumed else ""),
        f"  frames         {len(frames)}, index {first.frame} to {last.frame}, {empty} with nobody in them",
        f"  captured in    {seconds:.1f} s; media time {first.pts_s:.3f} to {last.pts_s:.3f} s",
        f"  people         {len(tracks)} tracks, {sum(len(frame.bodies) for frame in frames)} bodies",
    ]


def play_log(
    path: Path, *, speed: float = 1.0, address: str | None = None, loop: bool = False, body: Path | None = None
) -> int:
    """Print or publish every frame when it is due by its capture time; returns how many. Raises BodystreamError."""
    if not speed >= 0:
        raise UsageError(f"speed is {speed}, it must be 0 (as fast as possible) or positive")
    publisher = None
    if address is not None:
        from engines.body import load_body
        from pipeline.sinks.publisher import Publisher

        publisher = Publisher(address, load_body(body))
        print(f"publishing to {publisher.bound_address}")
    played = 0
    try:
        while True:
            before = played
            for frame in _paced(path, speed):
                played += 1
                if publisher is not None:
                    result = result_of(frame)
                    now = replace(result.frame, capture_ns=time.monotonic_ns())  # else subscribers see stale bodies
                    publisher.write(replace(result, frame=now))
                else:
                    print(_line(frame))
            if not loop or played == before:
                return played
    finally:
        if publisher is not None:
            publisher.close()


def _paced(path: Path, speed: float) -> Iterator[FrameMessage]:
    due = time.monotonic()
    last_ns = None
    for frame in iter_frames(path):
        if speed > 0 and last_ns is not None:
            due += min(max(frame.timestamp_ns - last_ns, 0) / 1e9, MAX_PAUSE_S) / speed
            time.sleep(max(0.0, due - time.monotonic()))
        last_ns = frame.timestamp_ns
        yield frame


def _line(frame: FrameMessage) -> str:
    people = "  ".join(
        f"#{body.track_id} ({body.translation[0]:+.2f} {body.translation[1]:+.2f} {body.translation[2]:+.2f}) m"
        for body in frame.bodies
    )
    return f"{frame.stream} {frame.frame:6d} {frame.pts_s:9.3f} s  {people or 'nobody'}"
