"""Our own body as something to draw: tests do without the clothes of the training material."""

import numpy as np

from engines.body import load_body
from engines.training.factory.drawable import corner_surface
from engines.training.factory.renderer import Drawing, Material


def bare_body(transforms: np.ndarray, person: int) -> Drawing:
    """The template, white, posed by skinning matrices (24, 4, 4)."""
    body = load_body()
    faces = body.faces[0]
    corners = np.stack([faces, np.zeros_like(faces)], axis=-1)
    surface = corner_surface(corners, np.zeros((1, 2), np.float32), body.weights, body.v_template)
    posed = surface.posed(body.v_template, transforms)
    return Drawing(surface=surface, corners=posed, material=Material(albedo="white"), person=person)
