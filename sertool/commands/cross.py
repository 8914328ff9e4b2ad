"""``sertool cross``: train a recipe on each of several corpora, and judge each model on all of them."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sertool.commands import _options as options
from sertool.commands._console import console, say, table_width
from sertool.commands._kernels import say_kernels
from sertool.commands._options import option
from sertool.commands._outputs import Outputs, recipe_inputs
from sertool.commands._training import describe, show_training
from sertool.commands.train import (
    DevicesOption,
    GroupOption,
    MembersOption,
    SeedsOption,
    describe_plan,
    folder_name,
    parse_seeds,
)
from sertool.core.formatting import printable

if TYPE_CHECKING:
    from rich.console import Console

    from sertool.core.compute.device import Precision
    from sertool.core.compute.jobs import Launcher
    from sertool.core.cross.contents import Matrix
    from sertool.core.cross.plan import Crossing


CorporaArgument = Annotated[
    list[str], typer.Argument(metavar="CORPUS", help="Two or more corpora: folders below --data, or paths.")
]
LeaveOption = Annotated[bool, option("--leave-one-out", "Also train on all corpora but one, and judge on that one.")]
NameOption = Annotated[str, option("--name", "Folder of all runs, below --output.", "NAME")]
CsvOption = Annotated[Path | None, option("--csv", "Write one row per cell to this file.", "FILE", dir_okay=False)]
LatexOption = Annotated[
    Path | None, option("--latex", "Write the matrix as a LaTeX table to this file.", "FILE", dir_okay=False)
]
HtmlOption = Annotated[
    Path | None, option("--html", "Write the matrix as an HTML page to this file.", "FILE", dir_okay=False)
]


def cross(
    corpora: CorporaArgument,
    recipe: options.Recipe,
    label_map: options.LabelMap = None,
    set_: options.Set = None,
    leave_one_out: LeaveOption = False,
    name: NameOption = "cross",
    members: MembersOption = None,
    seeds: SeedsOption = None,
    data: options.Data = options.DEFAULT_DATA,
    output: options.Output = options.DEFAULT_OUTPUT,
    device: options.Device = "auto",
    precision: options.Precision = None,
    graphs: options.Graphs = True,
    group_size: GroupOption = None,
    launcher: options.Launcher = "local",
    address: options.Address = None,
    gpus_each: options.Gpus = 1.0,
    devices: DevicesOption = None,
    csv: CsvOption = None,
    raw_csv: options.RawCsv = False,
    latex: LatexOption = None,
    html: HtmlOption = None,
    json: options.Json = None,
) -> None:
    """Train on each of several corpora and judge on all of them.

    Shows UAR, or CCC of scores, of each model on each corpus with intervals by speaker, and how far it falls below the
    model of the corpus itself. Run the same command again to resume: what is trained and judged is kept.
    """
    from sertool.core.compute.device import choose
    from sertool.core.compute.launchers import open_launcher
    from sertool.core.cross.plan import plan_crossing
    from sertool.core.errors import UsageError
    from sertool.core.files.outputs import check_name
    from sertool.core.recipe.load import sources

    if devices is not None and device == "cpu":
        raise UsageError(f"--devices {devices}: --device cpu uses no GPU; give only one of them")
    check_name("--output", output)
    files = Outputs(
        {"--csv": csv, "--latex": latex, "--html": html, "--json": json}, [output / folder_name(name), *sources(recipe)]
    )
    changes = set_ or []
    crossing = plan_crossing(
        corpora, recipe, changes, label_map, data=data, output=output, name=name, leave_one_out=leave_one_out
    )
    for model in crossing.models:
        files.spare(recipe_inputs(recipe, model.recipe, data))
    chosen_seeds = parse_seeds(seeds, members, crossing.models[0].recipe)
    talk, wanted = console(), crossing.models[0].recipe.training.precision
    with open_launcher(launcher, address, gpus_each, devices) as where:
        chosen = where.choose(device, precision or wanted, graphs=graphs)
        if launcher == "local":  # elsewhere the card is in another machine
            say_kernels(talk, chosen.device)
        _train(talk, crossing, chosen_seeds, group_size, chosen, where, processes=launcher == "local")
    matrix = _judge(talk, crossing, choose(device, "fp32"))
    words = [*corpora, "--recipe", recipe, *(["--map", label_map] if label_map is not None else [])]
    words += ["--members", str(members)] if members is not None else ["--seeds", seeds] if seeds is not None else []
    _finish(replace(matrix, command=_command(crossing, words, output)), files, raw_csv=raw_csv)


def _command(crossing: "Crossing", words: list[str], output: Path) -> str:
    """Return the command that makes the matrix again; ``words`` are what its setting does not hold."""
    from sertool.core.command_line import command_line

    setting = crossing.setting
    words = [*words, *(word for one in setting.changes for word in ("--set", one))]
    words += ["--leave-one-out"] * setting.leave_one_out + ["--name", setting.name]
    return command_line("cross", *words, data=crossing.data, output=output)


def _finish(matrix: "Matrix", files: Outputs, *, raw_csv: bool) -> None:
    """Write the files and show the matrix."""
    from sertool.core.cross.data_files import matrix_rows, to_json
    from sertool.core.cross.latex import latex_table
    from sertool.core.cross.terminal import show
    from sertool.core.files.csv_text import csv_text

    matrix = replace(matrix, made=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()))
    files.write("--csv", csv_text(matrix_rows(matrix), raw=raw_csv))
    files.write("--latex", latex_table(matrix))
    if "--html" in files:
        from sertool.core.cross.page import render  # the templates' engine, needed by nothing else

        files.write("--html", render(matrix))
    files.write_json("--json", "cross", to_json(matrix))
    width = table_width()
    files.show([*show(matrix, width), *files.written()])


def _train(
    talk: "Console",
    crossing: "Crossing",
    seeds: list[int],
    group_size: int | None,
    chosen: "Precision",
    launcher: "Launcher",
    *,
    processes: bool,
) -> None:
    """Train the models that have not finished; folders of another recipe or other data are refused before any."""
    from sertool.core.runs.plan import Plan, is_started, plan_training
    from sertool.core.runs.train import train_recipe

    def planned(place: int) -> Plan:
        model = crossing.models[place]
        return plan_training(
            crossing.open(model), crossing.folder / model.name, seeds, group_size, chosen, processes=processes
        )

    done = set()
    for place, model in enumerate(crossing.models):
        if is_started(crossing.folder / model.name) and not planned(place).unfinished:
            done.add(place)
    number = len(crossing.models)
    for place, model in enumerate(crossing.models):
        title = f"{model.name} ({place + 1} of {number})"
        if place in done:
            say(talk, f"{title}: trained")
            continue
        plan = planned(place)
        for line in describe(plan.experiment):
            say(talk, line)
        say(talk, f"{title}: {describe_plan(plan)} · {chosen.reason}")
        show_training(plan, train_recipe(plan, crossing.data, chosen, launcher), model.name)


def _judge(talk: "Console", crossing: "Crossing", precision: "Precision") -> "Matrix":
    """Judge the models whose predictions are not stored, and build the matrix."""
    from sertool.core.cross.judging import choose_size, judge_diagonal, judge_other, read_matrix

    for model in crossing.models:
        told = (choose_size if model.joined else judge_diagonal)(crossing, model, precision)
        say(talk, told.text)
        for name in model.judged_on:
            told = judge_other(crossing, model, name, precision)
            say(talk, told.text)
            for note in told.notes:
                say(talk, f"  note: {printable(note)}")
    return read_matrix(crossing)
