"""What Triton's interpreter lacks."""

import triton.language as tl
from triton.runtime.interpreter import InterpreterBuilder


def let_dot_take_bfloat16() -> None:
    """It keeps bfloat16 as integers of 16 bits, and its ``tl.dot`` multiplies those (3.6 and 3.9)."""
    dot = InterpreterBuilder.create_dot

    def create_dot(builder, a, b, *rest):
        a, b = (
            builder.create_fp_ext(part, tl.float32) if part.dtype.scalar == tl.bfloat16 else part
            for part in (a, b)
        )
        return dot(builder, a, b, *rest)

    InterpreterBuilder.create_dot = create_dot
