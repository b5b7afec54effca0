"""Betas are recovered from another mesh of the same bodies."""

import numpy as np

from engines.body import load_body
from engines.training.factory.base_mesh import project_to_betas


def test_betas_of_our_own_surface_in_another_vertex_order():
    body = load_body()
    rng = np.random.default_rng(0)
    betas = rng.normal(0, 1.5, (40, 10)) + 0.3
    order = rng.permutation(len(body.v_template))
    surfaces = (body.v_template + np.einsum("vcs,ns->nvc", body.shapedirs, betas))[:, order].astype(np.float64)
    recovered = project_to_betas(surfaces, body, components=10)
    error = np.einsum("vcs,ns->nvc", body.shapedirs, recovered - betas)
    assert np.linalg.norm(error, axis=-1).mean() < 1e-3  # the prior of the fit costs some
