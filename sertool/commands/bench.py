"""``sertool bench``: how fast this machine trains and evaluates a recipe, beside plain PyTorch."""

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
    SetOption,
)


def bench(
    recipe: Annotated[
        str, typer.Option("--recipe", metavar="NAME|FILE", help="A shipped recipe, or a YAML file.")
    ] = "iemocap",
    members: Annotated[int, typer.Option("--members", min=1, help="Members that are trained.")] = 10,
    set_: SetOption = None,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Turns that count; one more warms up.")] = 5,
    seconds: Annotated[float, typer.Option("--seconds", min=0, help="Of a turn, roughly.")] = 5.0,
    training: Annotated[bool, typer.Option(help="Measure training.")] = True,
    evaluation: Annotated[bool, typer.Option(help="Measure evaluation.")] = True,
    baseline: Annotated[bool, typer.Option(help="Let plain PyTorch take turns, one model at a time.")] = True,
    finish: Annotated[bool, typer.Option("--finish", help="Train to the natural end, too.")] = False,
    data: DataOption = DEFAULT_DATA,
    device: DeviceOption = "auto",
    precision: PrecisionOption = None,
    graphs: GraphsOption = True,
    json: JsonOption = None,
) -> None:
    """Measure the speed of a recipe on this machine; published corpora are random content of their size."""
    from sertool.core.bench.measure import measure
    from sertool.core.bench.results import Wishes
    from sertool.core.bench.table import lines
    from sertool.core.compute.device import choose
    from sertool.core.errors import UsageError
    from sertool.core.files.artifacts import write_json
    from sertool.core.recipe.load import load

    if not training and not evaluation:
        raise UsageError("--no-training --no-evaluation: nothing is left to measure")
    settings = load(recipe, set_)
    chosen = choose(device, precision or settings.training.precision, graphs=graphs)
    wishes = Wishes(members, rounds, seconds, training, evaluation, baseline, finish)
    talk = console()
    found = measure(settings, data, chosen, wishes, lambda text: say(talk, text))
    for line in lines(found):
        typer.echo(line)
    if json is not None:
        write_json(json, found.to_json())
