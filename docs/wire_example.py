"""Print the bodies of one frame: python wire_example.py tcp://127.0.0.1:5555. Needs pyzmq and numpy alone."""

import json
import sys

import numpy as np
import zmq

COMMON = [("magic", "S2"), ("version", "u1"), ("kind", "u1"), ("epoch", "<u4"), ("sequence", "<u4")]
STATIC = np.dtype(
    [
        *COMMON,
        ("monotonic_anchor_ns", "<i8"),
        ("wall_anchor_ns", "<i8"),
        ("expiry_ms", "<u2"),
        ("state", "u1"),
        ("num_joints", "u1"),
        ("num_betas", "u1"),
        ("mesh_level", "i1"),
        ("mesh_vertices", "<u4"),
        ("names_bytes", "<u2"),
        ("body_model", "S64"),
    ]
)
GEOMETRY = np.dtype(
    [
        *COMMON,
        ("level", "u1"),
        ("num_joints", "u1"),
        ("num_betas", "u1"),
        ("reserved", "u1"),
        ("vertices", "<u4"),
        ("faces", "<u4"),
        ("parents", "i1", 24),
    ]
)
FRAME = np.dtype(
    [
        *COMMON,
        ("capture_ns", "<i8"),
        ("publish_us", "<u4"),
        ("frame", "<u4"),
        ("pts_ms", "<u4"),
        ("image_size", "<u2", 2),
        ("camera", "<f4", 4),
        ("bodies", "<u2"),
        ("flags", "<u2"),
    ]
)
BODY = np.dtype(
    [
        ("track_id", "<u4"),
        ("score", "u1"),
        ("quality", "u1"),
        ("translation", "<f4", 3),
        ("rotations", "<u2", (24, 3)),
        ("betas", "<i2", 10),
    ]
)
MESH = np.dtype([("track_id", "<u4"), ("vertices", "<u4"), ("centre", "<f4", 3), ("step", "<f4", 3)])


def quaternion(words):
    """Three uint16 words -> (w, x, y, z)."""
    largest = (words[0] >> 15) | (words[1] >> 15) << 1
    others = ((words & 0x7FFF).astype(float) - 16383) / 16383 / np.sqrt(2)
    return np.insert(others, largest, np.sqrt(1 - others @ others))


def rotate(q, v):
    """The vector v turned by the unit quaternion q."""
    return v + 2 * np.cross(q[1:], np.cross(q[1:], v) + q[0] * v)


def multiply(a, b):
    """The rotation b, then a."""
    w, v = a[0] * b[0] - a[1:] @ b[1:], a[0] * b[1:] + b[0] * a[1:] + np.cross(a[1:], b[1:])
    return np.array([w, *v])


def joints(q, betas, translation, rest, directions, parents):
    """Joint positions, metres, camera frame."""
    rest = rest + directions @ betas
    turned, placed = [q[0]], [translation]
    for j in range(1, 24):
        parent = parents[j]
        turned.append(multiply(turned[parent], q[j]))
        placed.append(placed[parent] + rotate(turned[parent], rest[j] - rest[parent]))
    return np.array(placed)


socket = zmq.Context().socket(zmq.SUB)
for prefix in (b"s/", b"g/", b"f/"):
    socket.subscribe(prefix)
socket.connect(sys.argv[1])

static = geometry = None
while True:
    topic, header, *payload = socket.recv_multipart()
    kind, stream, _ = topic.decode().split("/")
    if kind == "s":
        static = np.frombuffer(header, STATIC)[0]
        names = payload[0].decode().split(",")
    elif kind == "g":
        geometry = np.frombuffer(header, GEOMETRY)[0]
        rest = np.frombuffer(payload[2], "<f4").reshape(24, 3)
        directions = np.frombuffer(payload[3], "<f4").reshape(24, 3, 10)
    elif kind == "f" and static is not None and geometry is not None:
        frame = np.frombuffer(header, FRAME)[0]
        if frame["bodies"] > 0:
            break

print("stream", stream, "frame", frame["frame"], "body model", static["body_model"].decode(), file=sys.stderr)
wall_ns = int(frame["capture_ns"]) - int(static["monotonic_anchor_ns"]) + int(static["wall_anchor_ns"])
out = {"frame": int(frame["frame"]), "capture_unix_s": wall_ns / 1e9, "joint_names": names, "bodies": []}
for i, body in enumerate(np.frombuffer(payload[0], BODY)):
    q, betas = [quaternion(words) for words in body["rotations"]], body["betas"] / 2048
    placed = joints(q, betas, body["translation"], rest, directions, geometry["parents"])
    found = {"track_id": int(body["track_id"]), "score": body["score"] / 254, "joints": placed.tolist()}
    if frame["flags"] & 2:
        mesh = np.frombuffer(payload[1 + i][:32], MESH)[0]
        units = np.frombuffer(payload[1 + i][32:], "<i2").reshape(-1, 3)
        found["vertices"] = (mesh["centre"] + units * mesh["step"]).tolist()
    out["bodies"].append(found)
print(json.dumps(out))
