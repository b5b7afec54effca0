"""What a run sets up for itself, and gives back."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from pipeline.assemble import IdleEstimator, assemble
from pipeline.config import load_config


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.fixture
def two_blas_threads():
    np.ones((2, 2)) @ np.ones((2, 2))  # numpy has loaded its BLAS
    with threadpool_limits(2, user_api="blas"):
        if blas_threads() != {2}:
            pytest.skip("threadpoolctl cannot set the threads of numpy's BLAS here: Apple's Accelerate")
        yield


def test_no_blas_thread_spins_beside_the_networks_while_a_run_lasts(two_blas_threads, tmp_path):
    config = load_config(None, {"source": ["test:size=64x48"], "summary": str(tmp_path / "s.json")})
    assembly = assemble(config, lambda *_: IdleEstimator())
    try:
        assert blas_threads() == {1}
    finally:
        assembly.close()
    assert blas_threads() == {2}
