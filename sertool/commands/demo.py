"""``sertool demo``: train three ensembles on the packaged corpus and compare them in one table."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sertool.commands import _options as options
from sertool.commands._console import console, say
from sertool.commands._kernels import say_kernels
from sertool.commands._outputs import Outputs
from sertool.commands._training import describe, show_training

if TYPE_CHECKING:
    from sertool.core.compute.device import Precision

FUSED = "fused"
ROWS = {"text alone": "text", "audio alone": "audio", FUSED: "text,audio"}


def demo(
    output: options.Output = options.DEFAULT_OUTPUT,
    device: options.Device = "auto",
    json: options.Json = None,
) -> None:
    """Train three small ensembles on packaged synthetic speech.

    They use the text alone, the audio alone, and both, and are evaluated on unseen voices.
    """
    from sertool.core.compute.device import choose
    from sertool.core.files.outputs import check_name
    from sertool.core.recipe.load import load
    from sertool.core.runs.experiment import open_experiment
    from sertool.core.runs.plan import plan_training
    from sertool.core.runs.train import train_recipe

    check_name("--output", output)
    names = {title: "demo" if title == FUSED else f"demo-{modalities}" for title, modalities in ROWS.items()}
    files = Outputs({"--json": json}, [output / name for name in names.values()])
    talk = console()
    results: list[dict[str, Any]] = []
    here = Path()  # the corpus is part of the package, so no folder of data is needed
    for title, modalities in ROWS.items():
        recipe = load("demo", [f"dataset.modalities=[{modalities}]"])
        chosen = choose(device, recipe.training.precision)
        experiment = open_experiment(recipe, here)
        if not results:
            for line in describe(experiment):
                say(talk, line)
            say(talk, f"three ensembles of {recipe.training.runs} members · {chosen.reason}")
            say_kernels(talk, chosen.device)
        first = recipe.training.seed
        seeds = range(first, first + recipe.training.runs)
        plan = plan_training(experiment, output / names[title], seeds, None, chosen, processes=True)
        show_training(plan, train_recipe(plan, here, chosen), title)
        results.append(_evaluated(title, names[title], output, chosen))
    table = {"dataset": experiment.corpus.name, "task": experiment.task.name, "synthetic": True, "set": "test"}
    files.write_json("--json", "demo", {**table, "rows": results})
    files.show([*show(results), *next_commands(output, here)])


def _evaluated(title: str, name: str, output: Path, chosen: "Precision") -> dict[str, Any]:
    """Evaluate one of the ensembles on test; return its row of the table."""
    from sertool.core.formatting import plural
    from sertool.core.inference.ensemble import open_ensemble
    from sertool.core.inference.evaluate import evaluate
    from sertool.core.metrics import clusters_of
    from sertool.core.reports.by_cluster import cluster_rows

    opened = open_ensemble(name, output, Path())
    # Only the fused model is probed: the others have no second modality to mask or shuffle.
    evaluation = evaluate(opened, ["test"], None, chosen, "sertool demo", probed=title == FUSED)
    test, members = evaluation.results[0], evaluation.k
    assert test.targets is not None
    # Utterances of one voice are not independent of each other, and four voices are too few for an interval.
    voices = clusters_of([opened.experiment.corpus.utterances[row] for row in test.utterances])
    by_voice = cluster_rows(test.targets, test.decisions(members), len(test.classes), voices)
    return {
        "row": title if title != FUSED else f"{title}, {plural(members, 'member')}",
        "name": name,
        "members": members,
        "size": evaluation.size.table,
        "uar": test.metric("uar", members),
        "accuracy": test.metric("accuracy", members),
        "utterances": len(test.ids),
        "voices": voices.number,
        "by_cluster": [
            {"name": one.name, "utterances": one.utterances, "accuracy": one.accuracy, "uar": one.uar}
            for one in by_voice
        ],
    }


def show(results: list[dict[str, Any]]) -> list[str]:
    """Format the table of the demo, in percent."""
    from sertool.core.formatting import padded
    from sertool.core.metrics import few_clusters
    from sertool.core.reports.wording import figure

    first = results[0]
    names = [voice["name"] for voice in first["by_cluster"]]
    few = few_clusters(first["voices"], "voice", "test", advise=False)
    columns = [
        ["", *(row["row"] for row in results)],
        ["UAR", *(figure(row["uar"]) for row in results)],
        ["accuracy", *(figure(row["accuracy"]) for row in results)],
    ]
    for place, name in enumerate(names):
        columns.append([name, *(figure(row["by_cluster"][place]["uar"]) for row in results)])
    return [
        f"demo · test · {first['utterances']} utterances of {first['voices']} unseen voices (synthetic speech)",
        *padded(columns),
        f"{', '.join(names)}: UAR of each voice. {few}",
    ]


def next_commands(output: Path, here: Path) -> list[str]:
    """Return the commands to try next: a prediction for a packaged test recording, and the report."""
    from sertool.core.command_line import run_command
    from sertool.core.corpora.load import corpus_folder

    clips = corpus_folder("packaged:demo", here) / "clips"
    with (clips / "clips.csv").open(encoding="utf-8", newline="") as file:
        first = next(csv.DictReader(file))
    clip = clips / first["audio"]
    if clip.is_relative_to(Path.cwd()):  # a shorter command, if sertool runs from its own folder
        clip = clip.relative_to(Path.cwd())
    predict = run_command("predict", output / "demo", clip, "--text", first["text"])
    report = run_command("report", output / "demo", "--html", "report.html")
    return [f"next: {command}" for command in (predict, report)]
