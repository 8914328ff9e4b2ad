"""Losses of scores, alone or as a mixture."""

from typing import Annotated, Literal

from pydantic import Field

from sertool.core.recipe.sections import Factor

LossName = Literal["mse", "mae", "ccc"]
Loss = LossName | Annotated[dict[LossName, Factor], Field(min_length=1)]


def weights_of(loss: Loss) -> dict[str, float]:
    """Return the weight of each loss in a mixture.

    >>> weights_of("ccc"), weights_of({"ccc": 1.0, "mse": 0.2})
    ({'ccc': 1.0}, {'ccc': 1.0, 'mse': 0.2})
    """
    return {loss: 1.0} if isinstance(loss, str) else {str(name): weight for name, weight in loss.items()}
