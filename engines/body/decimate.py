"""Coarser levels of a closed, (mirror-symmetric) mesh by half-edge collapses.

A collapse moves one vertex onto a neighbour, so every coarse vertex is a fine vertex: the levels are nested and
down-sampling is a selection. A collapse is taken only if it keeps the surface a manifold (link condition) and turns no
triangle over, so a closed mesh of genus 0 stays one; it is taken together with its mirror image. Cost: the quadric
error of Garland and Heckbert (1997) plus terms against long edges and against losing changes of the skinning weights.

Removed vertices are bound to triangles of the coarse mesh while it shrinks: a vertex may only move to triangles that
touch its own, so a binding follows the surface and never jumps a gap (as in MAPS, Lee et al. 1998).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

_EDGE_COST, _WEIGHT_COST = 2e-3, 2e-3


@dataclass(frozen=True, slots=True)
class Decimated:
    """A coarse level and its tie to the level it came from."""

    kept: np.ndarray
    """(N,) int32: the fine vertices that remain, ascending."""
    faces: np.ndarray
    """(F, 3) int32 over the coarse vertices."""
    bound_face: np.ndarray
    """(V,) int32: coarse triangle of every fine vertex."""


def closest_on_triangles(points: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Closest points of triangles: points (P, 1 or T, 3), corners (P or 1, T, 3, 3) -> barycentric (P, T, 3), distance.

    Exact: the projection where it falls inside, else the best of the three edges.
    """
    a, b, c = corners[..., 0, :], corners[..., 1, :], corners[..., 2, :]
    ab, ac, ap = b - a, c - a, points - a
    d00, d01, d11 = (ab * ab).sum(-1), (ab * ac).sum(-1), (ac * ac).sum(-1)
    d20, d21 = (ap * ab).sum(-1), (ap * ac).sum(-1)
    denominator = np.maximum(d00 * d11 - d01 * d01, 1e-20)
    v, w = (d11 * d20 - d01 * d21) / denominator, (d00 * d21 - d01 * d20) / denominator
    inside = np.stack([1 - v - w, v, w], axis=-1)
    candidates = [np.where((inside >= 0).all(-1, keepdims=True), inside, np.nan)]
    for i, j in ((0, 1), (1, 2), (2, 0)):
        edge = corners[..., j, :] - corners[..., i, :]
        t = ((points - corners[..., i, :]) * edge).sum(-1) / np.maximum((edge * edge).sum(-1), 1e-20)
        t = np.clip(t, 0, 1)
        coordinates = np.zeros((*t.shape, 3))
        coordinates[..., i], coordinates[..., j] = 1 - t, t
        candidates.append(coordinates)
    stacked = np.stack(candidates)
    gap = (stacked[..., None] * corners).sum(-2) - points
    distance = np.where(np.isnan(gap[..., 0]), np.inf, np.linalg.norm(np.nan_to_num(gap), axis=-1))
    best = distance.argmin(0)
    barycentric = np.take_along_axis(stacked, best[None, ..., None], 0)[0]
    return barycentric, np.take_along_axis(distance, best[None], 0)[0]


def decimate(
    vertices: np.ndarray, faces: np.ndarray, weights: np.ndarray, mirror: np.ndarray, count: int, limit_m: float
) -> Decimated:
    """Collapse until at most `count` vertices remain.

    vertices (V, 3) metres; faces (F, 3); weights (V, J); mirror (V,): the vertex on the other side, or itself.
    No vertex gets further than `limit_m` from the triangle it is bound to: this keeps fingers and toes. Raises
    ValueError if no legal collapse is left before that.
    """
    shrinking = _Shrinking(vertices, faces, weights, mirror)
    shrinking.run(count, limit_m)
    return shrinking.result()


class _Shrinking:
    def __init__(self, vertices: np.ndarray, faces: np.ndarray, weights: np.ndarray, mirror: np.ndarray) -> None:
        self.x = vertices.astype(np.float64)
        self.weights = weights.astype(np.float64)
        self.mirror = mirror.tolist()
        self.faces = faces.astype(np.int64).copy()
        self.star: list[set[int]] = [set() for _ in vertices]
        for face, corners in enumerate(self.faces.tolist()):
            for vertex in corners:
                self.star[vertex].add(face)
        self.alive = np.ones(len(vertices), bool)
        self.face_alive = np.ones(len(faces), bool)
        self.bound: list[list[int]] = [[] for _ in faces]
        normal = np.cross(self.x[faces[:, 1]] - self.x[faces[:, 0]], self.x[faces[:, 2]] - self.x[faces[:, 0]])
        area = np.linalg.norm(normal, axis=1, keepdims=True)
        plane = np.concatenate([normal, -(normal * self.x[faces[:, 0]]).sum(1, keepdims=True)], axis=1) / area
        quadric = plane[:, :, None] * plane[:, None, :] * area[:, :, None]
        self.quadric = np.zeros((len(vertices), 4, 4))
        self.area = np.zeros(len(vertices))
        for corner in range(3):
            np.add.at(self.quadric, faces[:, corner], quadric)
            np.add.at(self.area, faces[:, corner], area[:, 0])
        self.stamp = [0] * len(vertices)
        self.heap: list[tuple[float, int, int, int]] = []

    def neighbours(self, vertex: int) -> set[int]:
        found = set(self.faces[list(self.star[vertex])].ravel().tolist())
        found.discard(vertex)
        return found

    def push(self, vertex: int) -> None:
        """Queue the collapses of a vertex onto its neighbours; older entries of it become stale."""
        self.stamp[vertex] += 1
        if self.mirror[vertex] < vertex:
            return
        onto = [u for u in self.neighbours(vertex) if self.mirror[vertex] != vertex or self.mirror[u] == u]
        if not onto:
            return
        target = np.concatenate([self.x[onto], np.ones((len(onto), 1))], axis=1)
        error = np.einsum("ni,nij,nj->n", target, self.quadric[vertex] + self.quadric[onto], target)
        length = ((self.x[onto] - self.x[vertex]) ** 2).sum(1)
        blend = ((self.weights[onto] - self.weights[vertex]) ** 2).sum(1)
        cost = error + self.area[vertex] * (_EDGE_COST * length + _WEIGHT_COST * blend * length)
        for u, value in zip(onto, cost.tolist(), strict=True):
            heapq.heappush(self.heap, (value, vertex, u, self.stamp[vertex]))

    def legal(self, vertex: int, onto: int) -> bool:
        around, target = self.neighbours(vertex), self.neighbours(onto)
        if onto not in around or len(around & target) != 2 or len(around | target) < 6:
            return False
        twin = self.mirror[vertex]
        if twin != vertex and (
            twin in around or (self.mirror[onto] == onto and len(around & self.neighbours(twin)) > 1)
        ):
            return False
        kept = self.faces[[f for f in self.star[vertex] if f not in self.star[onto]]]
        moved = np.where(kept == vertex, onto, kept)
        before, after = self.normals(kept), self.normals(moved)
        size = np.linalg.norm(after, axis=1)
        if ((before * after).sum(1) < 0.3 * np.linalg.norm(before, axis=1) * size).any():
            return False
        edges = self.x[moved] - self.x[np.roll(moved, 1, axis=1)]
        # Twice the area against the longest edge squared: 0.87 for an equilateral triangle.
        return bool((size > 0.08 * (edges**2).sum(-1).max(1)).all())

    def normals(self, faces: np.ndarray) -> np.ndarray:
        corners = self.x[faces]
        return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])

    def rebind(self, vertex: int, onto: int) -> tuple[list[int], list[int], np.ndarray]:
        """Points that lose their triangle, the triangles around `onto` afterwards, distances between them."""
        points = [vertex, *(p for face in self.star[vertex] for p in self.bound[face])]
        near = sorted((self.star[vertex] | self.star[onto]) - (self.star[vertex] & self.star[onto]))
        faces = self.faces[near]
        corners = self.x[np.where(faces == vertex, onto, faces)]
        return points, near, closest_on_triangles(self.x[points][:, None], corners[None])[1]

    def run(self, count: int, limit_m: float) -> None:
        for vertex in range(len(self.x)):
            self.push(vertex)
        left = len(self.x)
        while left > count:
            if not self.heap:
                raise ValueError(f"no legal collapse left at {left} vertices, {count} were asked for")
            _, vertex, onto, stamp = heapq.heappop(self.heap)
            if stamp != self.stamp[vertex] or not self.alive[vertex] or not self.legal(vertex, onto):
                continue
            if self.rebind(vertex, onto)[2].min(1).max() > limit_m:
                continue
            for v, u in {(vertex, onto), (self.mirror[vertex], self.mirror[onto])}:
                if not self.legal(v, u):
                    raise ValueError(f"collapse {v} -> {u} is legal on one side only; the mesh is not symmetric")
                self.collapse(v, u)
                left -= 1

    def collapse(self, vertex: int, onto: int) -> None:
        ring = self.neighbours(vertex)
        gone = self.star[vertex] & self.star[onto]
        moved = self.star[vertex] - gone
        points, near, distance = self.rebind(vertex, onto)
        for face in self.star[vertex]:
            self.bound[face] = []
        for face in gone:
            self.face_alive[face] = False
            for corner in self.faces[face].tolist():
                self.star[corner].discard(face)
        for face in moved:
            self.faces[face][self.faces[face] == vertex] = onto
            self.star[onto].add(face)
        self.star[vertex] = set()
        self.alive[vertex] = False
        self.quadric[onto] += self.quadric[vertex]
        self.area[onto] += self.area[vertex]
        for point, choice in zip(points, distance.argmin(1).tolist(), strict=True):
            self.bound[near[choice]].append(point)
        for around in ring:
            self.push(around)
            if self.mirror[around] < around:
                self.push(self.mirror[around])

    def result(self) -> Decimated:
        kept = np.flatnonzero(self.alive)
        renumber = np.full(len(self.x), -1)
        renumber[kept] = np.arange(len(kept))
        face_number = np.cumsum(self.face_alive) - 1
        bound_face = np.full(len(self.x), -1)
        for face, points in enumerate(self.bound):
            bound_face[points] = face_number[face]
        for vertex in kept.tolist():
            bound_face[vertex] = face_number[min(self.star[vertex])]
        faces = renumber[self.faces[self.face_alive]]
        return Decimated(kept.astype(np.int32), faces.astype(np.int32), bound_face.astype(np.int32))
