"""A correction of Triton's interpreter."""

from typing import Any

import triton.language as tl
from triton.runtime.interpreter import InterpreterBuilder


def let_dot_take_bfloat16() -> None:
    """Make ``tl.dot`` convert bfloat16, which the interpreter (3.6 and 3.9) keeps and multiplies as 16-bit integers."""
    dot = InterpreterBuilder.create_dot

    def create_dot(builder: Any, a: Any, b: Any, *rest: Any) -> Any:
        a, b = (
            builder.create_fp_ext(part, tl.float32) if part.dtype.scalar == tl.bfloat16 else part for part in (a, b)
        )
        return dot(builder, a, b, *rest)

    InterpreterBuilder.create_dot = create_dot
