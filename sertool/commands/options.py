"""Options that several commands share, so that they are spelled and explained alike."""

from pathlib import Path
from typing import Annotated, Literal

import typer

DataOption = Annotated[
    Path, typer.Option("--data", metavar="DIR", help="Folder that holds the corpora.", file_okay=False)
]
OutputOption = Annotated[
    Path,
    typer.Option("--output", metavar="DIR", help="Folder that holds the trained models.", file_okay=False),
]
JsonOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the result there too.", dir_okay=False)
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change a key of the recipe; may be given several times."
    ),
]

DEFAULT_DATA = Path("data")
DEFAULT_OUTPUT = Path("ckpt")
DeviceOption = Annotated[
    Literal["auto", "cpu", "cuda"], typer.Option("--device", help="auto takes CUDA where there is a GPU.")
]
PrecisionOption = Annotated[
    Literal["auto", "fp32", "tf32", "bf16"] | None,
    typer.Option("--precision", help="Number format of the arithmetic; the recipe's."),
]
