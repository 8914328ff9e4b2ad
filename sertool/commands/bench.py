"""``sertool bench``: measure how fast this machine trains and evaluates a recipe, beside plain PyTorch."""

from typing import Annotated

from sertool.commands import _options as options
from sertool.commands._console import console, say
from sertool.commands._kernels import say_kernels
from sertool.commands._options import option
from sertool.commands._outputs import Outputs, recipe_inputs
from sertool.core.recipe.bounds import MAX_RUNS


def bench(
    recipe: options.Recipe = "iemocap",
    members: Annotated[
        int, option("--members", "Number of members to train.", "N", ("--runs",), min=1, max=MAX_RUNS)
    ] = 10,
    set_: options.Set = None,
    rounds: Annotated[
        int, option("--rounds", "Number of measurements, after one to warm up.", "N", min=1, max=1000)
    ] = 5,
    seconds: Annotated[
        float,
        option("--seconds", "Approximate length of one measurement.", "S", min=0, max=3600),
    ] = 5.0,
    training: Annotated[bool, option("--training/--no-training", "Measure training.")] = True,
    evaluation: Annotated[bool, option("--evaluation/--no-evaluation", "Measure evaluation.")] = True,
    baseline: Annotated[
        bool,
        option("--baseline/--no-baseline", "Compare with plain PyTorch, which trains one model at a time."),
    ] = True,
    finish: Annotated[bool, option("--finish", "Also train all members until they stop.")] = False,
    data: options.Data = options.DEFAULT_DATA,
    device: options.Device = "auto",
    precision: options.Precision = None,
    graphs: options.Graphs = True,
    json: options.Json = None,
) -> None:
    """Measure how fast this machine trains and evaluates a recipe.

    Published corpora are not needed: random data of the same size stand in for them.
    """
    from sertool.core.bench.measure import measure
    from sertool.core.bench.results import Wishes
    from sertool.core.bench.table import lines
    from sertool.core.compute.device import choose
    from sertool.core.errors import UsageError
    from sertool.core.recipe.load import load

    if not training and not evaluation:
        raise UsageError("--no-training and --no-evaluation: nothing is left to measure")
    settings = load(recipe, set_)
    files = Outputs({"--json": json}, recipe_inputs(recipe, settings, data))
    chosen = choose(device, precision or settings.training.precision, graphs=graphs)
    wishes = Wishes(members, rounds, seconds, training, evaluation, baseline, finish)
    talk = console()
    say_kernels(talk, chosen.device)
    found = measure(settings, data, chosen, wishes, lambda text: say(talk, text))
    files.write_json("--json", "bench", found.to_json())
    files.show(lines(found))
