"""The same content as the browser page in an Open3D window (extra `open3d`); without a display it draws off screen.

Space plays and pauses a log, left and right step through it, up and down change its speed. What the page writes beside
the picture goes to the terminal.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from engines.body import BodyModel
from engines.camera import Intrinsics
from pipeline.errors import OutputError
from pipeline.viewer.scene import COLOURS, EYE_LEVEL_M, GROUND_SMOOTHING, STREAM_SPACING_M, Person

SPACE, RIGHT, LEFT, DOWN, UP = 32, 262, 263, 264, 265
"""GLFW's key codes."""
BACKGROUND = (1.0, 1.0, 1.0)
_FRUSTUM_DEPTH_M = 0.3
_DIGIT_M = 0.08
_SEGMENTS = ((0, 1), (1, 3), (3, 5), (5, 4), (4, 2), (2, 0), (2, 3))
"""Strokes of a seven-segment digit between the corners of two stacked squares: top, right, ..., middle."""
_DIGITS = (0x3F, 0x06, 0x5B, 0x4F, 0x66, 0x6D, 0x7D, 0x07, 0x7F, 0x6F)


@dataclass(slots=True)
class Control:
    """What a viewer may set and read, as a control of the page."""

    value: Any = None
    content: str = ""


class KeyControls:
    """The controls of the page, by keys. See `viser.GuiApi` for the methods."""

    def __init__(self) -> None:
        self.readouts: list[Control] = []
        self.on_key: dict[int, Callable[[], None]] = {}

    def add_markdown(self, content: str) -> Control:
        self.readouts.append(Control(content=content))
        return self.readouts[-1]

    def add_checkbox(self, _label: str, initial_value: bool) -> Control:
        control = Control(initial_value)
        self.on_key[SPACE] = lambda: setattr(control, "value", not control.value)
        return control

    def add_dropdown(self, _label: str, options: Sequence[str], initial_value: str) -> Control:
        control = Control(initial_value)

        def move(step: int) -> None:
            control.value = options[min(max(options.index(control.value) + step, 0), len(options) - 1)]

        self.on_key |= {UP: lambda: move(1), DOWN: lambda: move(-1)}
        return control

    def add_slider(self, _label: str, low: int, high: int, step: int, initial_value: int) -> Control:
        control = Control(initial_value)

        def move(by: int) -> None:
            control.value = min(max(control.value + by, low), high)

        self.on_key |= {RIGHT: lambda: move(step), LEFT: lambda: move(-step)}
        return control


@dataclass(slots=True)
class _Stream:
    offset: np.ndarray
    frustum: Any
    ground: Any
    ground_y: float = EYE_LEVEL_M
    stood_on: bool = False
    people: dict[int, tuple[Any, Any]] = field(default_factory=dict)


class BodyWindow:
    """Owns the window. One thread uses it. The world is the camera frame: x right, y down, z forward."""

    def __init__(
        self, body: BodyModel, *, level: int = 1, visible: bool = True, size: tuple[int, int] = (1280, 720)
    ) -> None:
        """Open a window of that size, or with `visible` False draw for `snapshot` alone. Raises OutputError."""
        try:
            import open3d
        except ImportError as error:
            raise OutputError(
                f"the window needs the package open3d ({error}); pip install 'bodystream[open3d]'"
            ) from error
        self._o3d: Any = open3d
        self.body, self.level, self.gui = body, level, KeyControls()
        self._crown = int(body.downsample(body.v_template, 0, level)[:, 1].argmax())
        self._size = size
        self._window = open3d.visualization.VisualizerWithKeyCallback()
        if not self._window.create_window("bodystream", *size, visible=visible):
            raise OutputError("no window can be opened: there is neither a display nor EGL; use the browser viewer")
        self._window.get_render_option().background_color = np.array(BACKGROUND)
        self._window.get_render_option().mesh_show_back_face = True
        for key in (SPACE, RIGHT, LEFT, DOWN, UP):
            self._window.register_key_callback(key, partial(self._press, key))
        self._streams: dict[str, _Stream] = {}
        self._looked = False
        self._said = ""

    def show(self, stream: str, people: Sequence[Person], intrinsics: Intrinsics, image_size: tuple[int, int]) -> None:
        """Replace what is shown of a stream."""
        known = self._streams.get(stream) or self._add_stream(stream)
        _set_lines(known.frustum, _frustum(intrinsics, image_size) + known.offset)
        self._window.update_geometry(known.frustum)
        for track_id in set(known.people) - {person.track_id for person in people}:
            for shape in known.people.pop(track_id):
                self._window.remove_geometry(shape, reset_bounding_box=False)
        for person in people:
            self._show_person(known, person)
        if people:
            lowest = float(max(person.vertices[:, 1].max() for person in people))
            known.ground_y += (GROUND_SMOOTHING if known.stood_on else 1.0) * (lowest - known.ground_y)
            known.stood_on = True
            _set_lines(known.ground, _grid(known.ground_y) + known.offset)
            self._window.update_geometry(known.ground)
            self._look_at(known, people[0].vertices)

    def shown(self, stream: str) -> dict[int, np.ndarray]:
        """Track id -> (V, 3) vertices in the window now, camera frame."""
        known = self._streams.get(stream)
        if known is None:
            return {}
        return {i: np.asarray(mesh.vertices) - known.offset for i, (mesh, _) in known.people.items()}

    def refresh(self) -> bool:
        """Draw, and handle keys; False once the user has closed the window."""
        text = " | ".join(" ".join(control.content.replace("**", "").split()) for control in self.gui.readouts)
        if text != self._said and sys.stderr.isatty():
            self._said = text
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        is_open = self._window.poll_events()
        self._window.update_renderer()
        return bool(is_open)

    def snapshot(self, path: Path) -> None:
        """Write what is shown as PNG. Raises OutputError."""
        self.refresh()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._window.capture_screen_image(path, do_render=True)
        if not path.is_file():
            raise OutputError(f"cannot write the picture {path}; choose a .png in a folder you may write to")

    def close(self) -> None:
        self._window.destroy_window()

    def _press(self, key: int, _window: Any) -> bool:
        self.gui.on_key.get(key, lambda: None)()
        return False

    def _add_stream(self, name: str) -> _Stream:
        offset = np.array([len(self._streams) * STREAM_SPACING_M, 0.0, 0.0])
        lines = self._o3d.geometry.LineSet
        known = self._streams[name] = _Stream(offset, lines(), lines())
        _set_lines(known.frustum, np.zeros((16, 3)), (0.25, 0.25, 0.25))
        _set_lines(known.ground, _grid(EYE_LEVEL_M) + offset, (0.78, 0.78, 0.78))
        self._window.add_geometry(known.frustum, reset_bounding_box=False)
        self._window.add_geometry(known.ground, reset_bounding_box=True)
        return known

    def _show_person(self, known: _Stream, person: Person) -> None:
        utility = self._o3d.utility
        vertices = utility.Vector3dVector(person.vertices.astype(np.float64) + known.offset)
        head = person.vertices[self._crown] + known.offset
        label = _number(person.track_id) + head - (0, 0.2, 0)
        if person.track_id not in known.people:
            mesh = self._o3d.geometry.TriangleMesh(vertices, utility.Vector3iVector(self.body.faces[self.level]))
            colour = np.array(COLOURS[person.track_id % len(COLOURS)]) / 255
            mesh.paint_uniform_color(colour)
            mesh.compute_vertex_normals()
            text = self._o3d.geometry.LineSet()
            _set_lines(text, label, tuple(colour * 0.6))
            known.people[person.track_id] = mesh, text
            for shape in (mesh, text):
                self._window.add_geometry(shape, reset_bounding_box=False)
            return
        mesh, text = known.people[person.track_id]
        mesh.vertices = vertices
        mesh.compute_vertex_normals()
        _set_lines(text, label)
        for shape in (mesh, text):
            self._window.update_geometry(shape)

    def _look_at(self, known: _Stream, vertices: np.ndarray) -> None:
        """Turn to the first body ever seen; from then on the view is the user's."""
        if self._looked:
            return
        self._looked = True
        target = vertices.mean(axis=0) + known.offset
        eye = target + max(2.5, float(target[2])) * np.array([0.45, -0.25, -1.3])  # from behind the camera
        forward = (target - eye) / np.linalg.norm(target - eye)
        right = np.cross((0.0, 1.0, 0.0), forward)
        right /= np.linalg.norm(right)
        view = np.eye(4)
        view[:3, :3] = right, np.cross(forward, right), forward
        view[:3, 3] = -view[:3, :3] @ eye
        width, height = self._size
        focal_px = height / 2 / math.tan(math.radians(25))
        parameters = self._o3d.camera.PinholeCameraParameters()
        parameters.extrinsic = view
        parameters.intrinsic = self._o3d.camera.PinholeCameraIntrinsic(
            width, height, focal_px, focal_px, width / 2 - 0.5, height / 2 - 0.5
        )
        control = self._window.get_view_control()
        control.convert_from_pinhole_camera_parameters(parameters, allow_arbitrary=True)
        control.set_constant_z_near(0.05)
        control.set_constant_z_far(100.0)


def _set_lines(lines: Any, ends: np.ndarray, colour: tuple[float, float, float] | None = None) -> None:
    """`ends` (2 N, 3): the line i goes from 2 i to 2 i + 1."""
    import open3d

    lines.points = open3d.utility.Vector3dVector(np.asarray(ends, np.float64))
    if len(lines.lines) != len(ends) // 2:
        lines.lines = open3d.utility.Vector2iVector(np.arange(len(ends)).reshape(-1, 2))
        colour = colour or tuple(np.asarray(lines.colors)[0])
    if colour is not None:
        lines.colors = open3d.utility.Vector3dVector(np.tile(colour, (len(ends) // 2, 1)))


def _frustum(camera: Intrinsics, image_size: tuple[int, int]) -> np.ndarray:
    """(16, 3) metres: four edges and the four sides of the picture."""
    width, height = image_size
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    rays = (corners - (camera.cx, camera.cy)) / (camera.fx, camera.fy)
    far = _FRUSTUM_DEPTH_M * np.column_stack([rays, np.ones(4)])
    edges = np.stack([np.zeros((4, 3)), far], axis=1)
    sides = np.stack([far, np.roll(far, -1, axis=0)], axis=1)
    return np.concatenate([edges, sides]).reshape(-1, 3)


def _grid(ground_y: float) -> np.ndarray:
    """(44, 3) metres: 10 m by 10 m around the place 4 m before the camera."""
    marks = np.linspace(-5, 5, 11)
    along = [((x, ground_y, -1), (x, ground_y, 9)) for x in marks]
    across = [((-5, ground_y, 4 + z), (5, ground_y, 4 + z)) for z in marks]
    return np.array(along + across).reshape(-1, 3)


def _number(value: int) -> np.ndarray:
    """(2 N, 3) metres: strokes of a number, centred, upright, seen from the camera."""
    text = str(value)
    corners = np.array([(x, y, 0) for y in (0, 1, 2) for x in (0, 1)], np.float64) * _DIGIT_M * (0.6, 1, 1)
    strokes = [
        corners[end] + ((place - len(text) / 2) * _DIGIT_M, -2 * _DIGIT_M, 0)
        for place, digit in enumerate(text)
        for bit, segment in enumerate(_SEGMENTS)
        if _DIGITS[int(digit)] >> bit & 1
        for end in segment
    ]
    return np.array(strokes)
