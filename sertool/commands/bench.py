"""``sertool bench``: measure how fast this machine trains and evaluates a recipe, beside plain PyTorch."""

from typing import Annotated

import typer

from sertool.commands._console import console, say
from sertool.commands._options import (
    DEFAULT_DATA,
    DataOption,
    DeviceOption,
    GraphsOption,
    JsonOption,
    PrecisionOption,
    RecipeOption,
    SetOption,
)


def bench(
    recipe: RecipeOption = "iemocap",
    members: Annotated[
        int, typer.Option("--members", metavar="N", min=1, help="Number of members to train.")
    ] = 10,
    set_: SetOption = None,
    rounds: Annotated[
        int,
        typer.Option("--rounds", metavar="N", min=1, help="Number of measurements, after one to warm up."),
    ] = 5,
    seconds: Annotated[
        float,
        typer.Option("--seconds", metavar="S", min=0, help="Approximate length of one measurement."),
    ] = 5.0,
    training: Annotated[bool, typer.Option(help="Measure training.")] = True,
    evaluation: Annotated[bool, typer.Option(help="Measure evaluation.")] = True,
    baseline: Annotated[
        bool, typer.Option(help="Compare with plain PyTorch, which trains one model at a time.")
    ] = True,
    finish: Annotated[bool, typer.Option("--finish", help="Also train all members until they stop.")] = False,
    data: DataOption = DEFAULT_DATA,
    device: DeviceOption = "auto",
    precision: PrecisionOption = None,
    graphs: GraphsOption = True,
    json: JsonOption = None,
) -> None:
    """Measure how fast this machine trains and evaluates a recipe.

    Published corpora are not needed: random data of the same size stand in for them.
    """
    from sertool.core.bench.measure import measure
    from sertool.core.bench.results import Wishes
    from sertool.core.bench.table import lines
    from sertool.core.compute.device import choose
    from sertool.core.errors import UsageError
    from sertool.core.files.artifacts import write_json
    from sertool.core.recipe.load import load

    if not training and not evaluation:
        raise UsageError("--no-training and --no-evaluation: nothing is left to measure")
    settings = load(recipe, set_)
    chosen = choose(device, precision or settings.training.precision, graphs=graphs)
    wishes = Wishes(members, rounds, seconds, training, evaluation, baseline, finish)
    talk = console()
    found = measure(settings, data, chosen, wishes, lambda text: say(talk, text))
    for line in lines(found):
        typer.echo(line)
    if json is not None:
        write_json(json, found.to_json())
