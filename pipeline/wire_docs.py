"""Print docs/wire.md from its template and the layouts.

`python -m pipeline.wire_docs` writes it, `--check` fails if it is not current.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from string import Template

from pipeline.sinks.publisher import BEAT_S, HEARTBEAT_S, HIGH_WATER_MARK
from pipeline.wire import layout, quantise
from pipeline.wire.layout import Field

DOCS = Path(__file__).resolve().parent.parent / "docs"


def table(fields: tuple[Field, ...], *, skip: int = 0) -> str:
    """Offsets, names, types and meanings of a layout as a Markdown table, its first `skip` fields left out."""
    dtype = layout.packed(fields)
    assert dtype.fields is not None
    lines = ["| offset | field | type | meaning |", "|---:|---|---|---|"]
    for field in fields[skip:]:
        shape = "".join(f"[{n}]" for n in field.shape)
        lines.append(f"| {dtype.fields[field.name][1]} | `{field.name}` | `{field.dtype}{shape}` | {field.meaning} |")
    return "\n".join([*lines, "", f"{dtype.itemsize} bytes in all."])


def person_bytes(stream: str) -> int:
    """Bytes of a frame message with one person, ZMTP framing included (2 bytes per part of up to 255 bytes)."""
    parts = [len(layout.topic(layout.Kind.FRAME, stream)), layout.FRAME.itemsize, layout.BODY.itemsize]
    return sum(size + (2 if size < 256 else 9) for size in parts)


def page() -> str:
    """The text of docs/wire.md."""

    def kbit_per_s(size: int) -> str:
        return f"{size * 8 * 30 / 1000:.1f}"

    def own(fields: tuple[Field, ...]) -> str:
        return table(fields, skip=len(layout.COMMON_FIELDS))

    return Template((DOCS / "wire.template.md").read_text()).substitute(
        version=layout.VERSION,
        beat_ms=round(BEAT_S * 1000),
        static_s=round(layout.STATIC_PERIOD_S),
        geometry_s=round(layout.GEOMETRY_PERIOD_S),
        common_table=table(layout.COMMON_FIELDS),
        static_table=own(layout.STATIC_FIELDS),
        geometry_table=own(layout.GEOMETRY_FIELDS),
        frame_table=own(layout.FRAME_FIELDS),
        body_table=table(layout.BODY_FIELDS),
        mesh_table=table(layout.MESH_FIELDS),
        retire_table=own(layout.RETIRE_FIELDS),
        volume_table=own(layout.VOLUME_FIELDS),
        quaternion_scale=quantise.QUATERNION_SCALE,
        angle_deg=f"{math.degrees(quantise.MAX_ANGLE_ERROR_RAD):.4f}",
        retire_s=layout.RETIRE_AFTER_S,
        high_water=HIGH_WATER_MARK,
        heartbeat_s=round(HEARTBEAT_S),
        heartbeat_timeout_s=round(2 * HEARTBEAT_S),
        person_bytes=person_bytes("cam1"),
        person_kbit=kbit_per_s(person_bytes("cam1")),
        body_bytes=layout.BODY.itemsize,
        body_kbit=kbit_per_s(layout.BODY.itemsize),
        mesh_bytes=layout.MESH.itemsize,
        max_mib=layout.MAX_PART_BYTES // 2**20,
        max_bodies=layout.MAX_BODIES,
        example=(DOCS / "wire_example.py").read_text(),
    )


def main(argv: list[str] | None = None) -> int:
    """Write docs/wire.md, or check it."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.wire_docs", description="Write docs/wire.md.")
    parser.add_argument("--check", action="store_true", help="fail if docs/wire.md is not what the layouts say")
    path, text = DOCS / "wire.md", page()
    if not parser.parse_args(argv).check:
        path.write_text(text)
    elif not path.exists() or path.read_text() != text:
        print(f"{path} is not current: run `python -m pipeline.wire_docs`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
