"""What a closed surface of genus 0 is, counted from its triangles."""

from collections import Counter

import numpy as np


def euler_characteristic(faces: np.ndarray) -> int:
    """V - E + F over the vertices in use; raises AssertionError unless every edge joins two opposed triangles."""
    directed = Counter((int(t[i]), int(t[(i + 1) % 3])) for t in faces for i in range(3))
    assert max(directed.values()) == 1, "an edge is used twice in one direction"
    assert all((b, a) in directed for a, b in directed), "an edge has a triangle on one side only"
    return len(np.unique(faces)) - len(directed) // 2 + len(faces)


def is_connected(faces: np.ndarray) -> bool:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    size = faces.max() + 1
    rows, columns = faces.ravel(), np.roll(faces, 1, axis=1).ravel()
    return connected_components(coo_matrix((np.ones(len(rows)), (rows, columns)), (size, size)))[0] == 1


def volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    """Positive if the triangles are counter-clockwise seen from outside."""
    a, b, c = (vertices[faces[:, i]].astype(np.float64) for i in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def sphere(rings: int = 82, sectors: int = 84, radius: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """A closed mesh of rings * sectors + 2 vertices; the defaults give SMPL's 6,890."""
    polar = np.pi * np.arange(1, rings + 1) / (rings + 1)
    around = 2 * np.pi * np.arange(sectors) / sectors
    p, a = np.meshgrid(polar, around, indexing="ij")
    points = np.stack([np.sin(p) * np.sin(a), np.cos(p), np.sin(p) * np.cos(a)], axis=-1).reshape(-1, 3)
    points = np.concatenate([points, [[0, 1, 0], [0, -1, 0]]]) * radius
    faces = []
    top, bottom = rings * sectors, rings * sectors + 1
    for s in range(sectors):
        t = (s + 1) % sectors
        faces += [(top, s, t), (bottom, (rings - 1) * sectors + t, (rings - 1) * sectors + s)]
        for r in range(rings - 1):
            a, b, c, d = r * sectors + s, r * sectors + t, (r + 1) * sectors + s, (r + 1) * sectors + t
            faces += [(a, c, d), (a, d, b)]
    return points, np.array(faces)
