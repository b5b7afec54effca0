"""Clothes, hair, hats: MakeHuman .mhclo/.obj files fitted on the base mesh of any shape."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from engines.training.factory.base_mesh import BaseMesh
from engines.training.factory.drawable import Surface, corner_surface, triangulate


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Binding:
    """How a garment hangs on the base mesh (v base-mesh indices, u barycentric, d offsets scaled by body measures)."""

    triples: np.ndarray
    """(V, 3) int32: base-mesh vertices each garment vertex is bound to."""
    barycentric: np.ndarray
    """(V, 3) float32."""
    offsets: np.ndarray
    """(V, 3) float32: multiples of the body measure of each axis."""
    measures: np.ndarray
    """(3, 2) int32: base-mesh vertices whose distance along x, y, z is the body measure."""
    measure_lengths: np.ndarray
    """(3,) float32: that distance on the body the garment was made on."""
    hides: np.ndarray
    """(19158,) bool: base-mesh vertices under the garment."""

    def fit(self, shaped: np.ndarray) -> np.ndarray:
        """Base mesh of one shape (19158, 3) -> garment vertices (V, 3), same space."""
        axes = np.arange(3)
        lengths = np.abs(shaped[self.measures[:, 0], axes] - shaped[self.measures[:, 1], axes])
        bound = np.einsum("vk,vkc->vc", self.barycentric, shaped[self.triples])
        return bound + self.offsets * (lengths / self.measure_lengths)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Garment(Binding):
    """A bound mesh that can be drawn."""

    surface: Surface
    """Triangles, UV, skin weights, rest normals."""


def load_garment(mhclo: Path, obj: Path, mesh: BaseMesh) -> Garment:
    """Read one garment. Raises ValueError where the two files disagree."""
    triples, barycentric, offsets, scales, hides = _read_mhclo(mhclo, len(mesh.template))
    uv, corners = _read_obj(obj)
    if (count := max(int(c[:, 0].max()) for c in corners) + 1) > len(triples):
        raise ValueError(f"{obj.name} uses {count} vertices, {mhclo.name} binds {len(triples)}; pair the right files")
    weights = np.maximum(np.einsum("vk,vkj->vj", barycentric, mesh.weights[triples]), 0)
    weights /= weights.sum(axis=1, keepdims=True)
    binding = Binding(
        triples=triples,
        barycentric=barycentric,
        offsets=offsets,
        measures=scales[:, :2].astype(np.int32),
        measure_lengths=scales[:, 2].astype(np.float32),
        hides=hides,
    )
    surface = corner_surface(triangulate(corners), uv, weights, binding.fit(mesh.template))
    return Garment(**{f.name: getattr(binding, f.name) for f in fields(Binding)}, surface=surface)


def _read_mhclo(path: Path, base_vertices: int) -> tuple[np.ndarray, ...]:
    scales = np.ones((3, 3))
    rows: list[list[float]] = []
    hides = np.zeros(base_vertices, bool)
    section = ""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] in ("verts", "delete_verts"):
            section = words[0]
        elif words[0].endswith("_scale") and words[0][0] in "xyz":
            scales["xyz".index(words[0][0])] = [float(w) for w in words[1:4]]
        elif not words[0].isdigit():
            continue  # some files name their material between `verts` and the numbers
        elif section == "verts":
            numbers = [float(w) for w in words]
            rows.append(numbers if len(numbers) >= 9 else [numbers[0], 0, 0, 1, 0, 0, 0, 0, 0])
        elif section == "delete_verts":
            _mark_ranges(words, hides)
    table = np.array([row[:9] for row in rows])
    return (
        table[:, :3].astype(np.int32),
        table[:, 3:6].astype(np.float32),
        table[:, 6:].astype(np.float32),
        scales,
        hides,
    )


def _mark_ranges(words: list[str], marks: np.ndarray) -> None:
    """`3 7 - 9` marks 3, 7, 8, 9."""
    position = 0
    while position < len(words):
        first = last = int(words[position])
        if position + 2 < len(words) and words[position + 1] == "-":
            last = int(words[position + 2])
            position += 2
        marks[first : last + 1] = True
        position += 1


def _read_obj(path: Path) -> tuple[np.ndarray, list[np.ndarray]]:
    """UV points (T, 2) and one (n, 2) array of (vertex, uv) indices per face, n 3 or 4."""
    uv: list[tuple[float, float]] = []
    faces: list[np.ndarray] = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("vt "):
            u, v = line.split()[1:3]
            uv.append((float(u), float(v)))
        elif line.startswith("f "):
            corners = [word.split("/") for word in line.split()[1:]]
            faces.append(np.array([(int(c[0]) - 1, int(c[1]) - 1) for c in corners], np.int32))
    return np.array(uv, np.float32), faces
