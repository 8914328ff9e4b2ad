"""``sertool train``: a recipe into a folder of trained members."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sertool.commands._console import console, say
from sertool.commands._options import (
    DEFAULT_DATA,
    DEFAULT_OUTPUT,
    AddressOption,
    DataOption,
    DeviceOption,
    GpusOption,
    GraphsOption,
    JsonOption,
    LauncherOption,
    OutputOption,
    PrecisionOption,
    SetOption,
)
from sertool.commands._training import describe, show_training

if TYPE_CHECKING:
    from sertool.core.recipe.load import Recipe
    from sertool.core.runs.experiment import Experiment
    from sertool.core.runs.plan import Plan


RecipeOption = Annotated[
    str, typer.Option("--recipe", metavar="NAME|FILE", help="A shipped recipe, or a YAML file.")
]
NameOption = Annotated[str | None, typer.Option("--name", help="Folder below --output; the recipe's name.")]
RunsOption = Annotated[int | None, typer.Option("--runs", min=1, help="Members: seeds 1 to N.")]
SeedsOption = Annotated[str | None, typer.Option("--seeds", metavar="1,2,3", help="These seeds instead.")]
FromOption = Annotated[
    Path | None,
    typer.Option("--from", metavar="NAME|DIR", help="Start from the weights of an earlier run."),
]
GroupOption = Annotated[
    int | None, typer.Option("--group-size", min=1, help="Members that train together; by memory.")
]
TensorboardOption = Annotated[
    bool, typer.Option("--tensorboard", help="Write curves for TensorBoard beside the runs, live.")
]


def train(
    recipe: RecipeOption,
    name: NameOption = None,
    runs: RunsOption = None,
    seeds: SeedsOption = None,
    from_: FromOption = None,
    set_: SetOption = None,
    data: DataOption = DEFAULT_DATA,
    output: OutputOption = DEFAULT_OUTPUT,
    device: DeviceOption = "auto",
    precision: PrecisionOption = None,
    graphs: GraphsOption = True,
    group_size: GroupOption = None,
    tensorboard: TensorboardOption = False,
    launcher: LauncherOption = "local",
    address: AddressOption = None,
    gpus_each: GpusOption = 1.0,
    json: JsonOption = None,
) -> None:
    """Train a recipe's members; the same command goes on where a killed one was."""
    from sertool.core.compute.launchers import open_launcher
    from sertool.core.files.artifacts import write_json
    from sertool.core.recipe.load import load
    from sertool.core.runs.experiment import open_experiment
    from sertool.core.runs.plan import plan_training
    from sertool.core.runs.tensorboard import check_tensorboard, tracked
    from sertool.core.runs.train import train_recipe, training_summary

    if tensorboard:
        check_tensorboard()
    settings = load(recipe, set_)
    members = parse_seeds(seeds, runs, settings)
    experiment = open_experiment(settings, data)
    folder = output / folder_name(name or settings.name)
    source = str(from_) if from_ is not None else None
    with open_launcher(launcher, address, gpus_each) as where:
        chosen = where.choose(device, precision or settings.training.precision, graphs=graphs)
        plan = plan_training(experiment, folder, members, group_size, chosen, source)
        talk = console()
        for line in [*describe(experiment), *checkup(experiment, recipe, set_ or [], data)]:
            say(talk, line)
        say(talk, f"{describe_plan(plan)} · {chosen.reason}")
        events = train_recipe(plan, data, chosen, where)
        show_training(plan, tracked(plan, events) if tensorboard else events)
    summary = training_summary(plan)
    for line in show_summary(summary):
        typer.echo(line)
    if json is not None:
        write_json(json, summary)


def parse_seeds(seeds: str | None, runs: int | None, recipe: "Recipe") -> list[int]:
    """The seeds of ``--seeds`` or ``--runs``, or the recipe's.

    Raises:
        UsageError: both are given, or a seed is no number or stands there twice.
    """
    from sertool.core.errors import UsageError

    if seeds is None:
        first = recipe.training.seed
        return list(range(first, first + (runs or recipe.training.runs)))
    if runs is not None:
        raise UsageError("--runs and --seeds: give one of them")
    parts = [part.strip() for part in seeds.split(",")]
    numbers = [int(part) for part in parts if part.isascii() and part.isdigit() and int(part) < 2**31]
    if len(numbers) != len(parts) or len(set(numbers)) != len(numbers):
        raise UsageError(
            f"--seeds {seeds}: expected different whole numbers from 0 to {2**31 - 1}, like 1,2,3"
        )
    return numbers


def folder_name(name: str) -> str:
    """A name that is one folder below --output.

    Raises:
        UsageError: it would lead somewhere else.
    """
    from sertool.core.errors import UsageError

    if not name or name in (".", "..") or Path(name).name != name:
        raise UsageError(f"--name {name}: expected the name of a folder, not a path")
    return name


def checkup(experiment: "Experiment", recipe: str, overrides: list[str], data: Path) -> list[str]:
    """What `sertool doctor` would find, in a line; none where that is nothing."""
    from sertool.core.corpora.load import corpus_folder
    from sertool.core.doctor.inspect import inspect_opened, summary_line
    from sertool.core.doctor.locate import doctor_command

    path = experiment.recipe.dataset.path
    experiment = experiment.unsealed("sertool train", "the doctor counted the classes of every split")
    inspection = inspect_opened(
        experiment.recipe,
        experiment.corpus,
        experiment.task,
        experiment.targets,
        experiment.folds,
        doctor_command(recipe, overrides, path, corpus_folder(path, data)),
    )
    return [line for line in [summary_line(inspection)] if line]


def describe_plan(plan: "Plan") -> str:
    """Members, groups and what is done already, in a line."""
    total, done = len(plan.members), len(plan.done)
    groups = ""
    if len(plan.groups) > 1:
        groups = f" in {len(plan.groups)} groups" + (
            f", {plan.workers} side by side" if plan.workers > 1 else ""
        )
    finished = f", {done} done already" if done else ""
    return f"{plan.experiment.recipe.model.architecture.upper()} · {total} members{groups}{finished}"


def show_summary(summary: dict[str, object]) -> list[str]:
    """The result of a training as lines."""
    lines = [
        f"{summary['name']} · {summary['members_trained']} members · valid {summary['select']} {summary['text']}"
    ]
    if summary["selected_on_test"]:
        lines.append("selected on test")
    lines.append(f"next: sertool ensemble --name {summary['name']}")
    return lines
