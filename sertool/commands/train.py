"""``sertool train``: train the members of a recipe into a run's folder."""

from pathlib import Path
from statistics import stdev
from typing import TYPE_CHECKING, Annotated, Any

from sertool.commands import _options as options
from sertool.commands._console import console, say
from sertool.commands._kernels import say_kernels
from sertool.commands._options import option
from sertool.commands._outputs import Outputs, recipe_inputs
from sertool.commands._training import describe, show_training
from sertool.core.recipe.bounds import MAX_RUNS, MAX_SEED

if TYPE_CHECKING:
    from sertool.core.recipe.schema import Recipe
    from sertool.core.runs.experiment import Experiment
    from sertool.core.runs.plan import Plan


NameOption = Annotated[
    str | None,
    option(
        "--name",
        "Run name, a folder under --output. Default: the recipe's name; of its linear probe NAME-linear.",
        "NAME",
    ),
]
MembersOption = Annotated[
    int | None,
    option("--members", "Number of members to train. Default: the recipe's.", "N", ("--runs",), min=1, max=MAX_RUNS),
]
SeedsOption = Annotated[str | None, option("--seeds", "One member per seed, instead of --members.", "1,2,3")]
FromOption = Annotated[Path | None, option("--from", "Start from the weights of an earlier run.", "NAME|DIR")]
GroupOption = Annotated[
    int | None,
    option("--group-size", "Members trained as one stack. Default: depends on memory.", "N", min=1, max=MAX_RUNS),
]
DevicesOption = Annotated[
    str | None,
    option("--devices", "GPUs of this machine to spread groups of members over. Default: the first.", "0,1|all"),
]
TensorboardOption = Annotated[
    bool, option("--tensorboard", "Write TensorBoard curves into the run's folder during training.")
]


def train(
    recipe: options.Recipe,
    name: NameOption = None,
    members: MembersOption = None,
    seeds: SeedsOption = None,
    from_: FromOption = None,
    set_: options.Set = None,
    data: options.Data = options.DEFAULT_DATA,
    output: options.Output = options.DEFAULT_OUTPUT,
    device: options.Device = "auto",
    precision: options.Precision = None,
    graphs: options.Graphs = True,
    group_size: GroupOption = None,
    tensorboard: TensorboardOption = False,
    launcher: options.Launcher = "local",
    address: options.Address = None,
    gpus_each: options.Gpus = 1.0,
    devices: DevicesOption = None,
    json: options.Json = None,
) -> None:
    """Train the members of a recipe.

    Run the same command again to resume an interrupted training.
    """
    from sertool.core.compute.launchers import open_launcher
    from sertool.core.errors import UsageError
    from sertool.core.files.outputs import check_name
    from sertool.core.recipe.load import load
    from sertool.core.runs.experiment import open_experiment
    from sertool.core.runs.plan import plan_training
    from sertool.core.runs.tensorboard import check_tensorboard, tracked
    from sertool.core.runs.train import train_recipe, training_summary

    if devices is not None and device == "cpu":
        raise UsageError(f"--devices {devices}: --device cpu uses no GPU; give only one of them")
    if tensorboard:  # a missing package is better reported now than after an hour of training
        check_tensorboard()
    settings = load(recipe, set_)
    chosen_seeds = parse_seeds(seeds, members, settings)
    check_name("--output", output)
    folder = output / folder_name(name or default_name(settings, set_ or []))
    files = Outputs({"--json": json}, [folder, *([from_] if from_ else []), *recipe_inputs(recipe, settings, data)])
    experiment = open_experiment(settings, data)
    source = str(from_) if from_ is not None else None
    with open_launcher(launcher, address, gpus_each, devices) as where:
        chosen = where.choose(device, precision or settings.training.precision, graphs=graphs)
        plan = plan_training(
            experiment, folder, chosen_seeds, group_size, chosen, source, processes=launcher == "local"
        )
        talk = console()
        for line in [*describe(experiment), *checkup(experiment, recipe, set_ or [], data)]:
            say(talk, line)
        say(talk, f"{describe_plan(plan)} · {chosen.reason}")
        if launcher == "local":  # elsewhere the card is in another machine
            say_kernels(talk, chosen.device)
        events = train_recipe(plan, data, chosen, where)
        show_training(plan, tracked(plan, events) if tensorboard else events)
    summary = training_summary(plan)
    files.write_json("--json", "training", summary)
    files.show([*show_summary(summary), f"next: {evaluation(experiment, folder, data)}"])


def parse_seeds(seeds: str | None, members: int | None, recipe: "Recipe") -> list[int]:
    """Return the seeds that ``--seeds`` or ``--members`` ask for, or the recipe's.

    Raises:
        UsageError: if both options are given, or a seed is not a number, too large, or given twice.
    """
    from sertool.core.errors import UsageError
    from sertool.core.formatting import cut

    if seeds is None:
        first, number = recipe.training.seed, members or recipe.training.runs
        if first + number - 1 > MAX_SEED:
            raise UsageError(f"--members {number}: the last member's seed would be above {MAX_SEED}")
        return list(range(first, first + number))  # counted up, so more members later include these
    if members is not None:
        raise UsageError("--members and --seeds: give only one of them")
    parts = [part.strip() for part in seeds.split(",")]
    if len(parts) > MAX_RUNS:
        raise UsageError(f"--seeds: {len(parts):,} seeds, at most {MAX_RUNS:,} are taken")
    # isdigit alone would accept digits of other scripts, and int() refuses thousands of digits.
    numbers = [int(part) for part in parts if part.isascii() and part.isdigit() and len(part) < 20]
    wrong = len(numbers) != len(parts) or max(numbers) > MAX_SEED
    if wrong or len(set(numbers)) != len(numbers):
        raise UsageError(f"--seeds {cut(seeds, 60)}: expected different whole numbers from 0 to {MAX_SEED}, like 1,2,3")
    return numbers


def default_name(recipe: "Recipe", overrides: list[str]) -> str:
    """Return the name of a run without ``--name``: the recipe's; for a linear probe of a recipe, the one beside it."""
    from sertool.core.runs.folder import LINEAR

    changed = [one.replace(" ", "") for one in overrides]
    return recipe.name + LINEAR * ("model.architecture=linear" in changed)


def folder_name(name: str) -> str:
    """Return a run's name if it can be the name of one folder under --output.

    Raises:
        UsageError: it would lead to another place, such as ``../x``, or cannot be shown.
    """
    from sertool.core.errors import UsageError
    from sertool.core.files.outputs import check_name

    # The name is joined to --output, and a run writes and deletes files there.
    if not name or name in (".", "..") or Path(name).name != name:
        raise UsageError(f"--name {name}: expected the name of a folder, not a path")
    check_name("--name", Path(name))
    return name


def checkup(experiment: "Experiment", recipe: str, overrides: list[str], data: Path) -> list[str]:
    """Tell what decides the worth of figures, and summarise what else `sertool doctor` would find, in lines."""
    from sertool.core.corpora.load import corpus_folder
    from sertool.core.corpora.seal import COUNTS
    from sertool.core.doctor.inspect import inspect_opened, summary_line, warning_lines
    from sertool.core.doctor.locate import doctor_command

    path = experiment.recipe.dataset.path
    # The doctor counts test labels too, so the run's log says that they were read, and that nothing was predicted.
    experiment = experiment.unsealed("sertool train", "the doctor counted the classes of every split", COUNTS)
    inspection = inspect_opened(
        experiment.recipe,
        experiment.corpus,
        experiment.task,
        experiment.targets,
        experiment.folds,
        doctor_command(recipe, overrides, path, corpus_folder(path, data)),
    )
    return [*warning_lines(inspection), *filter(None, [summary_line(inspection)])]


def evaluation(experiment: "Experiment", folder: Path, data: Path) -> str:
    """Return the command that evaluates a run on what it has not trained on, with probes if it reads and listens."""
    from sertool.core.command_line import run_command

    # Validation on the test utterances would show the same figures twice.
    splits = ["valid"] * (not experiment.selected_on_test) + ["test"]
    there = [name for name in splits if all(fold.sets.get(name) for fold in experiment.folds)]
    probe = ["--probe"] * (len(experiment.recipe.dataset.modalities) > 1)
    return run_command("ensemble", folder, "--split", ",".join(there or ["valid"]), *probe, data=data)


def describe_plan(plan: "Plan") -> str:
    """Describe the members, their groups and what is already done in one line."""
    from sertool.core.formatting import plural

    total, done = len(plan.members), len(plan.done)
    groups = ""
    if len(plan.groups) > 1:  # a single group is the normal case and needs no mention
        groups = f" in {len(plan.groups)} groups" + (f", {plan.workers} at a time" if plan.workers > 1 else "")
    finished = f", {done} already trained" if done else ""
    return f"{plan.experiment.recipe.model.title} · {plural(total, 'member')}{groups}{finished}"


def show_summary(summary: dict[str, Any]) -> list[str]:
    """Format the result of a training as lines; shares in percent."""
    from sertool.core.formatting import plural
    from sertool.core.metrics.selection import LOWER_IS_BETTER
    from sertool.core.reports.wording import figure, metric_name

    figures, metric = [member["score"] for member in summary["members"]], summary["select"]
    best = min(figures) if metric in LOWER_IS_BETTER else max(figures)
    spread = f" (sd {figure(stdev(figures), metric)})" if len(figures) > 1 else ""
    lines = [f"warning: {note} [speakers-unknown]"] if (note := summary["speakers_note"]) else []
    lines.append(
        f"{summary['name']} · {plural(len(figures), 'member')} · valid {metric_name(metric, summary['kind'])} "
        f"{figure(summary['mean'], metric)}{spread}, best {figure(best, metric)}"
    )
    if summary["selected_on_test"]:
        lines.append("selected on test")
    return lines
