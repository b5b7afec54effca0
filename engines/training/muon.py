"""Muon for matrices and convolutions: orthogonalised momentum for hidden layers, AdamW for everything else.

After Jordan et al.: Muon, an optimizer for hidden layers in neural networks (2024); a kernel (O, I, k, k) is treated as
the matrix (O, I k k).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

SMALLEST_SIDE = 16
"""Matrices with a shorter side are left to AdamW: they hold nothing to orthogonalise."""


class HiddenMuon:
    """One optimiser over a network's parameters, with the part of torch's optimiser interface that training uses.

    Weights of hidden layers go to `torch.optim.Muon`, kernels as flattened views of the same memory; norms, biases,
    first layers of pictures and the layers whose names begin with one of ``apart`` (inputs and outputs) go to AdamW.
    Raises ValueError where a kernel is not laid out channels last.
    """

    def __init__(
        self,
        net: nn.Module,
        rate: float,
        apart: tuple[str, ...] = (),
        weight_decay: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        self._hidden: list[tuple[nn.Parameter, nn.Parameter]] = []
        others: list[nn.Parameter] = []
        for name, parameter in net.named_parameters():
            hidden = parameter.ndim in (2, 4) and min(parameter.shape[:2]) >= SMALLEST_SIDE
            if not hidden or name.startswith(apart):
                others.append(parameter)
                continue
            matrix = nn.Parameter(_matrix(parameter.detach()))
            if matrix.data_ptr() != parameter.data_ptr():
                raise ValueError(f"{name} is not laid out channels last: call channels_last() on the network first")
            self._hidden.append((parameter, matrix))
        self._muon = torch.optim.Muon(
            [matrix for _, matrix in self._hidden], lr=rate, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
        )
        self._adam = torch.optim.AdamW(others, lr=rate, weight_decay=weight_decay, betas=betas, fused=True)
        self.param_groups: list[dict[str, Any]] = [*self._muon.param_groups, *self._adam.param_groups]

    def step(self) -> None:
        """Move all parameters along their gradients; those without a gradient stay."""
        for parameter, matrix in self._hidden:
            matrix.grad = None if parameter.grad is None else _matrix(parameter.grad)
        self._muon.step()
        self._adam.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients."""
        for parameter, matrix in self._hidden:
            parameter.grad = matrix.grad = None
        self._adam.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """Momenta of both parts."""
        return {"muon": self._muon.state_dict(), "adam": self._adam.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the momenta of `state_dict`."""
        self._muon.load_state_dict(state["muon"])
        self._adam.load_state_dict(state["adam"])
        self.param_groups = [*self._muon.param_groups, *self._adam.param_groups]


def _matrix(weight: Tensor) -> Tensor:
    """(O, I) as it is; (O, I, k, k) channels last as (O, k k I), a view."""
    return weight.permute(0, 2, 3, 1).flatten(1) if weight.ndim == 4 else weight
