"""Adam's step (:mod:`~sertool.core.models.kernels.adam`) in one pass: 28 bytes per weight, and 2 for a 16-bit copy."""

from typing import Any

import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024  # weights per program


@triton.jit
def _adam_step(
    parameter,
    gradient,
    first,
    second,
    scale,
    kept,
    step_size,
    root,
    moved,
    copy,
    size,
    beta1: tl.constexpr,
    beta2: tl.constexpr,
    eps: tl.constexpr,
    copied: tl.constexpr,
    block: tl.constexpr,
) -> Any:
    member = tl.program_id(1)
    # A member without a batch keeps its weights and moments, and its bias corrections may be infinite.
    if tl.load(moved + member) > 0:
        own = tl.program_id(0) * block + tl.arange(0, block)
        inside = own < size
        # 64 bits: a stack's parameter may have more than 2**31 values.
        place = member.to(tl.int64) * size + own
        g = tl.load(gradient + place, mask=inside).to(tl.float32) * tl.load(scale + member)
        m = tl.load(first + place, mask=inside)
        m += (g - m) * (1 - beta1)
        v = tl.load(second + place, mask=inside) * beta2 + g * g * (1 - beta2)
        step = tl.load(step_size + member) * m / (tl.sqrt(v) / tl.load(root + member) + eps)
        p = tl.load(parameter + place, mask=inside) * tl.load(kept + member) - step
        tl.store(first + place, m, mask=inside)
        tl.store(second + place, v, mask=inside)
        tl.store(parameter + place, p, mask=inside)
        if copied:
            tl.store(copy + place, p.to(copy.dtype.element_ty), mask=inside)


def launch(
    parameter: Tensor,
    gradient: Tensor,
    first: Tensor,
    second: Tensor,
    factors: tuple[Tensor, Tensor, Tensor, Tensor, Tensor],
    betas: tuple[float, float],
    eps: float,
    copy: Tensor | None,
) -> None:
    """Run the kernel on contiguous tensors (E, ...); ``factors`` in the order of ``MemberNumbers``."""
    members = parameter.shape[0]
    size = parameter.numel() // members
    into = parameter if copy is None else copy  # the kernel needs some pointer
    constants = {"beta1": betas[0], "beta2": betas[1], "eps": eps, "copied": copy is not None, "block": BLOCK}
    grid = (triton.cdiv(size, BLOCK), members)
    _adam_step[grid](parameter, gradient, first, second, *factors, into, size, **constants)
