"""``sertool judge``: run a ready emotion model over a corpus, and store its predictions as a run."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sertool.commands import _options as options
from sertool.commands._console import console, counting, say
from sertool.commands._options import option
from sertool.commands._outputs import Outputs
from sertool.commands._ready import BatchOption, RevisionOption, facts_table, input_files, open_model
from sertool.core.formatting import plural, printable

if TYPE_CHECKING:
    from sertool.core.inference.ready.judging import Judgement
    from sertool.core.metrics import Clusters, Estimate

ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="Ready model: name on the Hugging Face hub, folder, or ONNX file.")
]
TaskOption = Annotated[
    str | None,
    option("--task", "Label to judge. Default: the emotion, or the scores that model and corpus have.", "NAME"),
]
NameOption = Annotated[str | None, option("--name", "Run name. Default: made of model and corpus.", "NAME")]
RecordingsOption = Annotated[
    Path | None,
    option("--recordings", "Folder of the recordings. Default: where the corpus says.", "DIR", file_okay=False),
]


def judge(
    model: ModelArgument,
    corpus: options.JudgedCorpus,
    label_map: options.LabelMap = None,
    task: TaskOption = None,
    split: options.JudgedSplit = None,
    name: NameOption = None,
    recordings: RecordingsOption = None,
    data: options.Data = options.DEFAULT_DATA,
    output: options.Output = options.DEFAULT_OUTPUT,
    device: options.Device = "auto",
    batch_size: BatchOption = None,
    revision: RevisionOption = None,
    json: options.Json = None,
) -> None:
    """Judge a ready emotion model on a corpus.

    Takes classifiers of speech or text of transformers (safetensors weights, no code of their own), models of arousal,
    dominance and valence, and ONNX files. The predictions become a run, which sertool report and sertool compare judge
    as any other. Warns where the corpus is among the data that the model was trained on.
    """
    from sertool.core.corpora.label_maps import load_label_map
    from sertool.core.corpora.load import corpus_folder
    from sertool.core.inference.imported import check_free, run_names
    from sertool.core.inference.ready.judging import judge_ready, open_judged

    place = corpus_folder(corpus, data)
    named = load_label_map(label_map) if label_map is not None else None
    (own,) = run_names(run_name(model, place) if name is None else name, [""])
    folder = output / own
    files = Outputs({"--json": json}, [place, folder, *input_files(model)])
    check_free(folder)
    talk = console()
    opened = open_model(model, revision, device, batch_size)
    subject = open_judged(opened.facts, place, task=task, split=split, label_map=named)
    with counting("utterances", len(subject.rows)) as progress:
        made = judge_ready(opened, subject, folder, label_map=named, recordings=recordings, progress=progress)
    for line in _warnings(made):
        say(talk, line)
    clusters, metrics = _figures(made)
    files.write_json("--json", "judgement", _table(made, metrics))
    files.show(_lines(made, folder, clusters, metrics))


def run_name(model: str, corpus: Path) -> str:
    """Return the name of a run for a model on a corpus: the last parts of their names.

    >>> run_name("superb/hubert-large-superb-er", Path("data/EMODB"))
    'hubert-large-superb-er-on-EMODB'
    """
    parts = (re.split(r"[/\\]", model.rstrip("/\\"))[-1].removesuffix(".onnx"), corpus.resolve().name)
    plain = [re.sub(r"[^\w.-]+", "-", part).strip("-.") or "model" for part in parts]
    return "-on-".join(plain)[:100]


def _warnings(made: "Judgement") -> list[str]:
    lines = []
    if made.seen:
        lines.append(
            f"warning: {made.subject.corpus.name} is among the data that the model was trained on "
            f"({', '.join(made.seen)}): the figures may be too good [trained-on-corpus]"
        )
    if note := made.subject.corpus.speakers_note:
        lines.append(f"warning: {note} [speakers-unknown]")
    return [*lines, *(f"note: {printable(note)}" for note in made.notes)]


def _figures(made: "Judgement") -> "tuple[Clusters, dict[str, Estimate]]":
    """Compute the metrics of the decisions, or the means over the scores, with their intervals."""
    from sertool.core.metrics import Jackknife, clusters_of, decision_estimates
    from sertool.core.metrics.scores import mean_estimates

    own = made.stored.predictions
    assert own.targets is not None
    clusters = clusters_of(made.stored.spoken)
    jackknife = Jackknife(clusters)
    if own.kind == "scores":
        return clusters, mean_estimates(own.targets, own.ensemble_logits(1), jackknife)
    return clusters, decision_estimates(own.targets, own.decisions(1), len(own.classes), jackknife)


def _lines(made: "Judgement", folder: Path, clusters: "Clusters", metrics: "dict[str, Estimate]") -> list[str]:
    from sertool.core.command_line import run_command
    from sertool.core.inference.ready.predicting import model_lines
    from sertool.core.metrics.baselines import baseline_metrics, baseline_name
    from sertool.core.reports.wording import figure, headline, interval, metric_name

    own, subject = made.stored.predictions, made.subject
    lines = [
        f"{made.facts.title} · {subject.corpus.name}{subject.corpus.caveats} · {subject.split} · "
        f"{plural(len(own.ids), 'utterance')} · {subject.task.shown}",
        *model_lines(made.facts),
    ]
    if subject.map_note is not None:
        lines += subject.map_note.lines
    keys = headline(own.kind)
    shown = [
        f"{metric_name(key, own.kind)} {figure(metrics[key].value, key)}"
        + ("" if metrics[key].low is None else f" ({interval(metrics[key], key)})")
        for key in keys
    ]
    over = clusters.note if clusters.few else f"intervals over {plural(clusters.number, clusters.unit)}"
    lines += ["", " · ".join([*shown, over])]
    if own.kind != "scores":
        assert own.targets is not None
        constant = baseline_metrics(own.targets, len(own.classes))
        each = " · ".join(f"{metric_name(key, own.kind)} {figure(constant[key], key)}" for key in keys)
        lines.append(f"baseline, {baseline_name(own.targets, own.classes)}: {each}")
    return [*lines, "", f"stored: {folder}", f"next: {run_command('report', folder)}"]


def _table(made: "Judgement", metrics: "dict[str, Estimate]") -> dict[str, Any]:
    """Return everything as plain data, for JSON."""
    from dataclasses import asdict

    from sertool.core.reports.data_files import plain

    own, subject = made.stored.predictions, made.subject
    figures: dict[str, Any] = plain({key: asdict(one) for key, one in metrics.items()})
    return {
        "name": made.stored.origin.run,
        **facts_table(made.facts),
        "dataset": subject.corpus.name,
        "task": subject.task.name,
        "kind": own.kind,
        "split": subject.split,
        "utterances": len(own.ids),
        "classes": list(own.classes),
        "map": None if subject.map_note is None else subject.map_note.to_json(),
        "metrics": figures,
        "seen": list(made.seen),
        "notes": list(made.notes),
    }
