"""The layers of an encoder, by transformers' numbers of its hidden states."""

from collections.abc import Sequence

from sertool.core.errors import UsageError


def check_layers(model: str, layers: Sequence[int] | None, depth: int) -> None:
    """Refuse layers that a model of ``depth`` layers does not have.

    Raises:
        UsageError: there is no such layer.
    """
    wrong = [layer for layer in layers or () if not -depth - 1 <= layer <= depth]
    if wrong:
        raise UsageError(
            f"{model}: has no layer {wrong[0]}; expected 0 (before the first layer) to {depth}, or -1 (the last) to "
            f"{-depth - 1}"
        )
