"""One renderer a module, skipped with the reason where there is no OpenGL."""

import pytest


@pytest.fixture(scope="module")
def renderer():
    from engines.training.factory.renderer import Renderer  # needs the train extra, without which no test gets here

    try:
        made = Renderer()
    except Exception as error:  # whatever the local GL stack raises
        pytest.skip(f"no OpenGL through EGL here (moderngl, Mesa or a GPU driver is missing): {error}")
    yield made
    made.close()
