"""One off-screen pass: colour, part and person ids, and depth of skinned surfaces (OpenGL through EGL, CPU or GPU)."""

from __future__ import annotations

from dataclasses import dataclass, field

import moderngl
import numpy as np

from engines.camera import Intrinsics
from engines.training.factory.drawable import Surface
from engines.training.factory.shards import CROP_PX

SUPERSAMPLING = 2
NEAR_M, FAR_M = 0.05, 60.0
OCCLUDER_ID = 255

_VERTEX = """
#version 330
uniform vec4 camera;  // fx, fy, cx, cy in stored-crop pixels
uniform float size;
uniform vec2 planes;
in vec3 position; in vec3 normal; in vec3 fixed_uvp;
out vec3 at; out vec3 towards; out vec2 uv; flat out int part;
void main() {
    at = position; towards = normal; uv = fixed_uvp.xy; part = int(fixed_uvp.z + 0.5);
    vec2 pixel = position.xy * camera.xy + position.z * camera.zw;
    float depth = (position.z * (planes.y + planes.x) - 2.0 * planes.x * planes.y) / (planes.y - planes.x);
    // y is not flipped: row 0 of the buffer, its bottom, is the top of the picture.
    gl_Position = vec4(2.0 * pixel / size - position.z, depth, position.z);
}
"""
_FRAGMENT = """
#version 330
uniform sampler2D albedo; uniform sampler2D pattern;
uniform mat3 colour; uniform vec3 gain;
uniform float pattern_scale; uniform float pattern_mix;
uniform vec4 zone[16];     // per part: rgb factor, a > 0.5: painted with the pattern
uniform vec3 light; uniform vec3 light_rgb; uniform vec3 ambient_rgb; uniform vec3 up;
uniform float gloss; uniform float alpha_cut; uniform int person;
in vec3 at; in vec3 towards; in vec2 uv; flat in int part;
layout(location = 0) out vec4 out_colour;
layout(location = 1) out vec4 out_ids;
layout(location = 2) out float out_depth;
void main() {
    vec4 texel = texture(albedo, uv);
    if (texel.a < alpha_cut) discard;
    vec4 here = zone[part];
    float painted = max(pattern_mix, step(0.5, here.a));
    vec3 shade = vec3(0.35 + 0.65 * dot(texel.rgb, vec3(0.3, 0.6, 0.1)));
    if (here.a > 0.5) shade = vec3(1.0);
    vec3 cloth = texture(pattern, uv * pattern_scale).rgb * shade;
    vec3 base = mix(clamp(colour * texel.rgb, 0.0, 1.0) * gain, cloth, painted);
    base = pow(clamp(base * here.rgb, 0.0, 1.0), vec3(2.2));
    vec3 n = normalize(towards), eye = -normalize(at);
    if (dot(n, eye) < 0.0) n = -n;
    float lambert = max(0.0, (dot(n, light) + 0.15) / 1.15);
    vec3 lit = base * (ambient_rgb * (0.75 + 0.25 * dot(n, up)) + light_rgb * lambert);
    lit += gloss * light_rgb * pow(max(0.0, dot(n, normalize(light + eye))), 24.0);
    out_colour = vec4(pow(clamp(lit, 0.0, 1.0), vec3(1.0 / 2.2)), 1.0);
    out_ids = vec4(float(part) / 255.0, float(person) / 255.0, 0.0, 1.0);
    out_depth = at.z;
}
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Material:
    """How a surface is coloured."""

    albedo: str
    """Name of an image given to `Renderer.texture`; "white" is always there."""
    pattern: np.ndarray | None = None
    """(h, w, 3) uint8 laid over it, or None."""
    pattern_scale: float = 1.0
    pattern_mix: float = 0.0
    """1: the pattern replaces the texture's colours and keeps its folds."""
    colour: np.ndarray = field(default_factory=lambda: np.eye(3, dtype=np.float32))
    """(3, 3) applied to texture colours."""
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    zone: np.ndarray = field(default_factory=lambda: np.tile(np.array([1, 1, 1, 0], np.float32), (16, 1)))
    """(16, 4) per part class: rgb factor, and 1 where the pattern paints the part."""
    gloss: float = 0.02
    alpha_cut: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawing:
    """A surface posed in the camera frame."""

    surface: Surface
    corners: np.ndarray
    """(C, 6) float32: positions (metres, camera frame) and normals."""
    material: Material
    person: int
    """1 the target, 2.. others, OCCLUDER_ID things."""
    keep: np.ndarray | None = None
    """(T,) bool: triangles drawn; None for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lighting:
    """One distant light and a sky; camera frame, linear RGB."""

    direction: np.ndarray
    """(3,) unit vector towards the light."""
    light: tuple[float, float, float]
    ambient: tuple[float, float, float]
    up: np.ndarray
    """(3,) unit vector away from the floor."""


@dataclass(frozen=True, slots=True, eq=False)
class Rendered:
    """Square buffers, `SUPERSAMPLING` times the stored crop wide."""

    rgba: np.ndarray
    """(S, S, 4) uint8, black and transparent where nothing is."""
    part: np.ndarray
    """(S, S) uint8."""
    person: np.ndarray
    """(S, S) uint8, 0 where nothing is."""
    depth: np.ndarray
    """(S, S) float32 metres, 0 where nothing is."""


class Renderer:
    """Owns a GL context. Surfaces and textures stay on the device, keyed by identity and name."""

    def __init__(self, size: int = CROP_PX * SUPERSAMPLING) -> None:
        self._gl = moderngl.create_context(standalone=True, backend="egl")  # type: ignore[arg-type]
        self._size = size
        self._program = self._gl.program(vertex_shader=_VERTEX, fragment_shader=_FRAGMENT)
        self._targets = [
            self._gl.texture((size, size), 4),
            self._gl.texture((size, size), 4),
            self._gl.texture((size, size), 1, dtype="f4"),
        ]
        self._frame = self._gl.framebuffer(self._targets, self._gl.depth_renderbuffer((size, size)))
        self._meshes: dict[int, tuple[Surface, moderngl.Buffer, moderngl.Buffer, moderngl.VertexArray]] = {}
        self._textures: dict[str, moderngl.Texture] = {}
        self._set("planes", (NEAR_M, FAR_M))
        self._set("size", float(CROP_PX))
        self._set("albedo", 0)
        self._set("pattern", 1)
        self.texture("white", np.full((2, 2, 3), 255, np.uint8))

    @property
    def device(self) -> str:
        """Name of the GL renderer."""
        return str(self._gl.info["GL_RENDERER"])

    def has_texture(self, name: str) -> bool:
        return name in self._textures

    def texture(self, name: str, image: np.ndarray) -> None:
        """Keep an image (h, w, 3 or 4) uint8, row 0 on top, under a name."""
        self._textures[name] = texture = self._upload(image)
        texture.build_mipmaps()
        texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)

    def render(self, drawings: list[Drawing], camera: Intrinsics, lighting: Lighting) -> Rendered:
        """Draw in the view `camera` of the stored crop."""
        self._frame.use()
        self._frame.clear(0, 0, 0, 0)
        self._gl.enable_only(moderngl.DEPTH_TEST)
        self._set("camera", (camera.fx, camera.fy, camera.cx, camera.cy))
        self._set("light", tuple(lighting.direction))
        self._set("light_rgb", lighting.light)
        self._set("ambient_rgb", lighting.ambient)
        self._set("up", tuple(lighting.up))
        for drawing in drawings:
            self._draw(drawing)
        size = (self._size, self._size)
        rgba, ids = (np.frombuffer(t.read(), np.uint8).reshape(*size, 4) for t in self._targets[:2])
        depth = np.frombuffer(self._targets[2].read(), np.float32).reshape(size)
        return Rendered(rgba, ids[..., 0], ids[..., 1], depth)

    def close(self) -> None:
        self._gl.release()

    def _draw(self, drawing: Drawing) -> None:
        material = drawing.material
        _, dynamic, indices, array = self._mesh(drawing.surface)
        dynamic.write(np.ascontiguousarray(drawing.corners, np.float32))
        triangles = drawing.surface.triangles
        if drawing.keep is not None:
            triangles = triangles[drawing.keep]
        indices.write(np.ascontiguousarray(triangles, np.int32))
        self._textures[material.albedo].use(0)
        pattern = self._textures["white"] if material.pattern is None else self._upload(material.pattern)
        pattern.use(1)
        self._set("pattern_scale", material.pattern_scale)
        self._set("pattern_mix", material.pattern_mix)
        self._set("colour", tuple(material.colour.T.ravel()))
        self._set("gain", material.gain)
        self._set("gloss", material.gloss)
        self._set("alpha_cut", material.alpha_cut)
        self._set("person", drawing.person)
        self._program["zone"].write(np.ascontiguousarray(material.zone, np.float32))  # type: ignore[union-attr]
        array.render(moderngl.TRIANGLES, vertices=triangles.size)
        if material.pattern is not None:
            pattern.release()

    def _mesh(self, surface: Surface) -> tuple[Surface, moderngl.Buffer, moderngl.Buffer, moderngl.VertexArray]:
        if id(surface) not in self._meshes:
            fixed = self._gl.buffer(surface.fixed.tobytes())
            dynamic = self._gl.buffer(reserve=len(surface.vertex) * 24, dynamic=True)
            indices = self._gl.buffer(reserve=surface.triangles.size * 4, dynamic=True)
            layout = [(dynamic, "3f 3f", "position", "normal"), (fixed, "3f", "fixed_uvp")]
            array = self._gl.vertex_array(self._program, layout, indices)
            self._meshes[id(surface)] = (surface, dynamic, indices, array)  # keeps the surface, so its id, alive
        return self._meshes[id(surface)]

    def _upload(self, image: np.ndarray) -> moderngl.Texture:
        flipped = np.ascontiguousarray(image[::-1])  # v runs upwards
        texture = self._gl.texture(flipped.shape[1::-1], flipped.shape[2], flipped.tobytes(), alignment=1)
        texture.filter = (moderngl.LINEAR, moderngl.LINEAR)
        return texture

    def _set(self, name: str, value: object) -> None:
        if name in self._program:  # the compiler drops uniforms it does not need
            self._program[name].value = value  # type: ignore[union-attr]
