"""A viser page with bodies, the camera that sees them and the ground under them.

The world of the page is the camera frame of the stream: x right, y down, z forward, so up is -y. Several streams stand
side by side, `STREAM_SPACING_M` apart.
"""

from __future__ import annotations

import math
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import viser

from engines.body import BodyModel
from engines.camera import Intrinsics
from pipeline.errors import OutputError

COLOURS = (
    *((230, 85, 60), (65, 135, 225), (60, 175, 100), (240, 170, 40), (150, 95, 205), (40, 180, 190), (225, 105, 165)),
    *((150, 175, 50), (165, 110, 75), (110, 125, 150)),
)
"""RGB by track id: neighbours differ in hue."""
STREAM_SPACING_M = 6.0
GROUND_SMOOTHING = 0.05
"""Share of the way that the ground moves towards the lowest foot per frame."""
EYE_LEVEL_M = 1.6
"""Where the ground is taken to be below the camera as long as nobody stands on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What the page shows of one body."""

    track_id: int
    vertices: np.ndarray
    """(V, 3) float32, metres, camera frame: the mesh of the scene's level."""


@dataclass(slots=True)
class _StreamNodes:
    root: viser.FrameHandle
    frustum: viser.CameraFrustumHandle
    ground: viser.GridHandle
    ground_y: float | None = None
    people: dict[int, tuple[viser.MeshHandle, viser.LabelHandle]] = field(default_factory=dict)


class BodyScene:
    """Owns the web server. Not thread-safe: one thread calls `show`."""

    def __init__(self, body: BodyModel, *, host: str = "127.0.0.1", port: int = 8080, level: int = 1) -> None:
        """Serve a page at http://host:port, 0 for any port. Raises OutputError if the port is busy."""
        self.body, self.level = body, level
        self._faces = body.faces[level]
        self._crown = int(body.downsample(body.v_template, 0, level)[:, 1].argmax())
        _refuse_busy(host, port)
        self.server = viser.ViserServer(host=host, port=port, label="bodystream", verbose=False)
        self.gui = self.server.gui
        self.url = f"http://{host}:{self.server.get_port()}"
        self.server.scene.set_up_direction("-y")
        self.server.gui.configure_theme(show_share_button=False)
        self.server.initial_camera.position = (1.4, -0.6, -1.0)
        self.server.initial_camera.look_at = (0.0, 0.2, 3.0)
        self.server.initial_camera.fov = math.radians(50)
        self._streams: dict[str, _StreamNodes] = {}
        self._looked = False

    def show(self, stream: str, people: Sequence[Person], intrinsics: Intrinsics, image_size: tuple[int, int]) -> None:
        """Replace what the page shows of a stream."""
        with self.server.atomic():
            nodes = self._streams.get(stream) or self._add_stream(stream)
            _set(nodes.frustum, "fov", 2 * math.atan(image_size[1] / 2 / intrinsics.fy))
            _set(nodes.frustum, "aspect", image_size[0] / max(image_size[1], 1))
            for track_id in set(nodes.people) - {person.track_id for person in people}:
                for handle in nodes.people.pop(track_id):
                    handle.remove()
            for person in people:
                self._show_person(stream, nodes, person)
            if people:
                self._move_ground(nodes, float(max(person.vertices[:, 1].max() for person in people)))
                self._look_at(nodes, people[0].vertices)

    def shown(self, stream: str) -> dict[int, np.ndarray]:
        """Track id -> (V, 3) vertices on the page now."""
        nodes = self._streams.get(stream)
        return {} if nodes is None else {track_id: mesh.vertices for track_id, (mesh, _) in nodes.people.items()}

    def ground_y(self, stream: str) -> float:
        """Height of a stream's ground, metres below its camera."""
        return float(self._streams[stream].ground.position[1])

    def refresh(self) -> bool:
        """Nothing to do: browsers draw by themselves, and the page outlives each of them."""
        return True

    def close(self) -> None:
        """Stop the web server."""
        self.server.stop()

    def _add_stream(self, stream: str) -> _StreamNodes:
        scene, number = self.server.scene, len(self._streams)
        root = f"/{stream}"
        nodes = _StreamNodes(
            scene.add_frame(root, show_axes=False, position=(number * STREAM_SPACING_M, 0, 0)),
            scene.add_camera_frustum(
                f"{root}/camera", fov=0.8, aspect=1.6, scale=0.25, thickness=0.008, color=(60, 60, 60)
            ),
            scene.add_grid(
                f"{root}/ground",
                width=10,
                height=10,
                plane="xz",
                position=(0, EYE_LEVEL_M, 4),
                cell_color=(215, 215, 215),
                section_color=(170, 170, 170),
            ),
        )
        scene.add_label(f"{root}/camera/name", stream, position=(0, -0.2, 0), anchor="bottom-center")
        self._streams[stream] = nodes
        return nodes

    def _show_person(self, stream: str, nodes: _StreamNodes, person: Person) -> None:
        head = person.vertices[self._crown] - np.array([0, 0.1, 0], np.float32)
        if person.track_id not in nodes.people:
            name = f"/{stream}/person{person.track_id}"
            colour = COLOURS[person.track_id % len(COLOURS)]
            nodes.people[person.track_id] = (
                self.server.scene.add_mesh_simple(name, person.vertices, self._faces, color=colour),
                self.server.scene.add_label(
                    f"{name}-label", str(person.track_id), position=head, anchor="bottom-center"
                ),
            )
            return
        mesh, label = nodes.people[person.track_id]
        mesh.vertices = person.vertices
        label.position = head

    def _move_ground(self, nodes: _StreamNodes, lowest_y: float) -> None:
        before = nodes.ground_y
        nodes.ground_y = lowest_y if before is None else before + GROUND_SMOOTHING * (lowest_y - before)
        nodes.ground.position = (0.0, nodes.ground_y, 4.0)

    def _look_at(self, nodes: _StreamNodes, vertices: np.ndarray) -> None:
        """Turn to the first body ever seen; from then on the view is the user's."""
        if self._looked:
            return
        self._looked = True
        target = vertices.mean(axis=0) + np.asarray(nodes.root.position)
        eye = target + max(2.5, float(target[2])) * np.array([0.45, -0.25, -1.3])  # from behind the camera
        self.server.initial_camera.position, self.server.initial_camera.look_at = eye, target
        for client in self.server.get_clients().values():
            client.camera.position, client.camera.look_at = eye, target


def _set(handle: viser.CameraFrustumHandle, name: str, value: float) -> None:
    """Assign only what changed: every assignment goes to every browser."""
    if not math.isclose(getattr(handle, name), value, rel_tol=1e-4):
        setattr(handle, name, value)


def _refuse_busy(host: str, port: int) -> None:
    """viser itself silently takes the next free port; who asked for this one would wait at the wrong door."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            why = f"cannot serve the page at {host}:{port}: {error.strerror}"
            raise OutputError(f"{why}; pass another --port") from error
