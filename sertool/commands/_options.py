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
GraphsOption = Annotated[
    bool,
    typer.Option("--graphs/--no-graphs", help="Record a training step as a CUDA graph; a CPU never does."),
]

LauncherOption = Annotated[
    Literal["local", "ray"],
    typer.Option("--launcher", help="Where the work is done: this machine, or a Ray cluster."),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="auto|IP:PORT",
        help="Of the Ray cluster; one of this machine alone if not given.",
    ),
]
GpusOption = Annotated[
    float,
    typer.Option("--gpus-each", min=0.01, max=1, help="GPUs of each of Ray's workers, or a part of one."),
]
