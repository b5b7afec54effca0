"""One fixed message of every kind; `python -m tests.pipeline.wire.golden_messages` writes the golden vectors.

They were written when version 1 was fixed. A change of them is a new version of the wire.
"""

import json
from pathlib import Path

import numpy as np

from engines.keypoints import JOINT_NAMES, JOINT_PARENTS
from pipeline.wire import (
    FrameMessage,
    GeometryMessage,
    Message,
    RetireMessage,
    RetireReason,
    SourceState,
    StaticMessage,
    VolumeMessage,
    WireBody,
    encode,
)
from pipeline.wire.rotations import quaternions

GOLDEN = Path(__file__).parent.parent / "golden" / "wire_v1.json"
ENVELOPE = {"stream": "cam1", "epoch": 0xDEADBEEF, "sequence": 258}


def body(track_id: int, mesh: bool = False) -> WireBody:
    """A body whose every number is different and exact in binary."""
    steps = np.arange(72, dtype=np.float64).reshape(24, 3)
    return WireBody(
        track_id=track_id,
        score=0.5,
        quality=1.0 if mesh else float("nan"),
        translation=np.array([0.5, -0.25, 3.75], np.float32),
        rotations=quaternions((steps - 36) / 16),
        betas=(np.arange(10) - 4.5) / 2,
        mesh=np.array([[0, 0, 2], [0.5, 1, 2.25], [-0.5, -1, 2.5]], np.float32) if mesh else None,
    )


def messages() -> dict[str, Message]:
    frame = {
        **ENVELOPE,
        "capture_ns": 123_456_789_012_345,
        "publish_us": 45_678,
        "frame": 300,
        "pts_ms": 10_000,
        "image_size": (1920, 1080),
        "camera": (1844.0, 1845.0, 960.0, 540.0),
    }
    return {
        "static": StaticMessage(
            **ENVELOPE,
            monotonic_anchor_ns=123_456_000_000_000,
            wall_anchor_ns=1_700_000_000_000_000_000,
            expiry_ms=1000,
            state=SourceState.RUNNING,
            mesh_level=1,
            mesh_vertices=1723,
            body_model="body-0-0123456789ab",
            joint_names=JOINT_NAMES,
        ),
        "geometry": GeometryMessage(
            **ENVELOPE,
            level=1,
            parents=JOINT_PARENTS,
            template=np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0.5]], np.float32),
            faces=np.array([[0, 1, 2]], np.uint32),
            joints_rest=np.arange(72, dtype=np.float32).reshape(24, 3) / 64,
            joints_shapedirs=np.arange(720, dtype=np.float32).reshape(24, 3, 10) / 1024,
        ),
        "frame": FrameMessage(**frame, camera_assumed=True, bodies=(body(7), body(9))),
        "frame_with_mesh": FrameMessage(**frame, camera_assumed=False, bodies=(body(7, mesh=True),)),
        "frame_with_nobody": FrameMessage(**frame, camera_assumed=False, bodies=()),
        "volume": VolumeMessage(
            **ENVELOPE,
            capture_ns=123_456_789_012_345,
            frame=300,
            track_id=7,
            vertices=np.array([[0, 0, 2], [0.5, 1, 2.25], [-0.5, -1, 2.5], [0.25, 0, 2.5]], np.float32),
            faces=np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]], np.uint32),
        ),
        "retire": RetireMessage(**ENVELOPE, reason=RetireReason.LEFT, track_ids=(7, 65_536)),
    }


if __name__ == "__main__":
    vectors = {name: [part.hex() for part in encode(message)] for name, message in messages().items()}
    GOLDEN.write_text(json.dumps(vectors, indent=1) + "\n")
