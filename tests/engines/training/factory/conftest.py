"""One renderer a module, skipped with the reason where there is no OpenGL."""

import pytest

from engines.training.factory.renderer import Renderer


@pytest.fixture(scope="module")
def renderer():
    try:
        made = Renderer()
    except Exception as error:  # whatever the local GL stack raises
        pytest.skip(f"no OpenGL through EGL here (moderngl, Mesa or a GPU driver is missing): {error}")
    yield made
    made.close()
