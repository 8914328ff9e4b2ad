"""Adam's step (:mod:`~sertool.core.models.kernels.adam`) as one pass: 28 bytes a weight, and its copy in 16 bits."""

from typing import Any

import triton
import triton.language as tl
from torch import Tensor

from sertool.core.models.kernels.adam_numbers import BETAS, EPS, MemberNumbers

BLOCK = 1024


@triton.jit  # type: ignore[untyped-decorator]
def _adam_step(  # type: ignore[no-untyped-def]
    parameter,  # noqa: ANN001
    gradient,  # noqa: ANN001
    first,  # noqa: ANN001
    second,  # noqa: ANN001
    scale,  # noqa: ANN001
    kept,  # noqa: ANN001
    rate,  # noqa: ANN001
    root,  # noqa: ANN001
    moved,  # noqa: ANN001
    copy,  # noqa: ANN001
    size,  # noqa: ANN001
    beta1: tl.constexpr,
    beta2: tl.constexpr,
    eps: tl.constexpr,
    copied: tl.constexpr,
    block: tl.constexpr,
) -> Any:
    member = tl.program_id(1)
    if tl.load(moved + member) > 0:
        own = tl.program_id(0) * block + tl.arange(0, block)
        inside = own < size
        # A stack's parameter may have more than 2**31 values.
        place = member.to(tl.int64) * size + own
        g = tl.load(gradient + place, mask=inside).to(tl.float32) * tl.load(scale + member)
        m = tl.load(first + place, mask=inside)
        m += (g - m) * (1 - beta1)
        v = tl.load(second + place, mask=inside) * beta2 + g * g * (1 - beta2)
        step = tl.load(rate + member) * m / (tl.sqrt(v) / tl.load(root + member) + eps)
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
    numbers: MemberNumbers,
    copy: Tensor | None,
) -> None:
    """Run the kernel on contiguous tensors (E, ...)."""
    members = parameter.shape[0]
    size = parameter.numel() // members
    _adam_step[(triton.cdiv(size, BLOCK), members)](
        parameter,
        gradient,
        first,
        second,
        numbers.scale,
        numbers.kept,
        numbers.rate,
        numbers.root,
        numbers.moved,
        parameter if copy is None else copy,
        size,
        beta1=BETAS[0],
        beta2=BETAS[1],
        eps=EPS,
        copied=copy is not None,
        block=BLOCK,
    )
