"""The plain lifter's input: free of place and size, deaf to missing points."""

import torch

from engines.networks.lifter import PlainLifter, normalise_by_box


def points() -> "torch.Tensor":
    return torch.rand(4, 17, 3, generator=torch.Generator().manual_seed(0)) + 0.1


def test_moved_and_scaled_points_are_the_same():
    moved = points()
    moved[..., :2] = moved[..., :2] * 7 - torch.tensor((3.0, 40.0))
    torch.testing.assert_close(normalise_by_box(moved), normalise_by_box(points()), atol=1e-4, rtol=0)


def test_coordinates_fill_the_box():
    flat = normalise_by_box(points())[:, :34].reshape(4, 17, 2)
    torch.testing.assert_close(flat.abs().amax((1, 2)), torch.ones(4))


def test_missing_points_do_not_matter_and_none_is_finite():
    net = PlainLifter(width=16, blocks=1).eval()
    some, other = points(), points()
    some[:, 5, 2] = other[:, 5, 2] = 0
    other[:, 5, :2] = 99.0
    torch.testing.assert_close(net(some), net(other))
    nothing = torch.zeros(1, 41, 5)
    assert net(nothing).isfinite().all()
