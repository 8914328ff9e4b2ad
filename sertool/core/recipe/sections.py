"""Base of the sections of a recipe, and the bounds of their numbers."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from sertool.core.recipe.bounds import MAX_SEED

# Every number has bounds that float32 and a large machine can hold. They are wider than anything useful; the product
# of several sizes is compared with the memory of the machine before anything is built.
Fraction = Annotated[float, Field(ge=0, lt=1)]
Dropout = Annotated[float, Field(ge=0, le=0.99)]  # what remains is divided by the share that remains
Factor = Annotated[float, Field(ge=1e-6, le=1e6)]
Count = Annotated[int, Field(ge=1, le=MAX_SEED)]  # of published utterances and members; nothing is built from it
Width = Annotated[int, Field(ge=1, le=2**16)]
Length = Annotated[int, Field(ge=1, le=100_000)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]


class Section(BaseModel):
    """Base of the sections."""

    # strict: "3" is no number and 1 no truth value; frozen: a recipe is shared by threads and never changes.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
