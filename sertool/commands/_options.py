"""Options that several commands share, so that they are spelled and explained alike."""

from pathlib import Path
from typing import Annotated, Literal

import typer

DEFAULT_DATA = Path("data")
DEFAULT_OUTPUT = Path("ckpt")

RecipeOption = Annotated[
    str,
    typer.Option("--recipe", metavar="NAME|FILE", help="Name of a shipped recipe, or a YAML file."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe; can be repeated."),
]
RunOption = Annotated[
    str,
    typer.Option("--name", metavar="NAME", help="Run name, a folder under --output."),
]
IndexOption = Annotated[
    int | None,
    typer.Option("--index", metavar="K", help="Average only the best K members. Default: all."),
]
DataOption = Annotated[
    Path,
    typer.Option("--data", metavar="DIR", help="Folder that holds the corpora.", file_okay=False),
]
OutputOption = Annotated[
    Path,
    typer.Option("--output", metavar="DIR", help="Folder that holds the trained models.", file_okay=False),
]
JsonOption = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE", help="Also write the result to this file.", dir_okay=False),
]
DeviceOption = Annotated[
    Literal["auto", "cpu", "cuda"],
    typer.Option("--device", help="Device to compute on. auto uses a GPU if there is one."),
]
PrecisionOption = Annotated[
    Literal["auto", "fp32", "tf32", "bf16"] | None,
    typer.Option("--precision", help="Number format of the computation. Default: the recipe's."),
]
# The default of `ensemble` and `predict`: what is reported is computed in full precision, however a run was trained.
EvaluationPrecisionOption = Annotated[
    Literal["auto", "fp32", "tf32", "bf16"] | None,
    typer.Option("--precision", help="Number format of the computation. Default: fp32."),
]
GraphsOption = Annotated[
    bool,
    typer.Option("--graphs/--no-graphs", help="Record training steps as CUDA graphs (GPU only)."),
]
LauncherOption = Annotated[
    Literal["local", "ray"],
    typer.Option("--launcher", help="Where to run: on this machine, or on a Ray cluster."),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="auto|IP:PORT",
        help="Address of the Ray cluster. Default: start one on this machine.",
    ),
]
GpusOption = Annotated[
    float,
    typer.Option("--gpus-each", metavar="N", min=0.01, max=1, help="GPUs per Ray worker; can be a fraction."),
]
