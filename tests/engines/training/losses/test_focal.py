"""The focal vertex loss grows, stays finite, and keeps pulling at the worst vertices."""

import math

import pytest
import torch

from engines.training.losses.focal import focal_vertex_loss


def test_value_by_hand():
    # a L = 0.5: -(0.5)^2 log(0.5)
    loss = focal_vertex_loss(torch.tensor([0.1]), scale=5.0, power=2.0, ceiling=0.9)
    assert float(loss) == pytest.approx(-0.25 * math.log(0.5), rel=1e-6)


def test_grows_faster_than_the_error():
    errors = torch.linspace(0.001, 1.0, 200, dtype=torch.float64)
    ratio = torch.stack([focal_vertex_loss(e[None]) / e for e in errors])
    assert (ratio.diff() > -1e-6).all()


def test_gradient_below_at_and_beyond_the_ceiling():
    errors = torch.tensor([0.02, 0.189, 0.191, 0.5, 3.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(focal_vertex_loss, (errors,))
    focal_vertex_loss(errors).backward()
    assert errors.grad is not None and (errors.grad > 0).all() and errors.grad.isfinite().all()


@pytest.mark.parametrize("bad", [{"ceiling": 1.0}, {"ceiling": 0.0}, {"power": 0.0}])
def test_nonsense_is_refused(bad):
    with pytest.raises(ValueError, match="must"):
        focal_vertex_loss(torch.ones(1), **bad)
