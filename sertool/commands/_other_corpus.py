"""``sertool ensemble --corpus``: a trained ensemble on another corpus, and what is shown of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sertool.commands import _options as options
from sertool.commands._console import console, say
from sertool.commands._kernels import say_kernels
from sertool.commands._outputs import Outputs
from sertool.core.formatting import plural, printable, wrapped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sertool.core.inference.figures import ScoreFigures
    from sertool.core.inference.other_corpus import Elsewhere, Judge
    from sertool.core.metrics import Clusters, Estimate
    from sertool.core.reports.details import Details

ERRORS = ("ece_before", "ece_after", "nll_before", "nll_after")


@dataclass(frozen=True)
class OtherCorpus:
    """The corpus that is judged, and how: options of ``sertool ensemble`` that need ``--corpus``.

    Attributes:
        corpus: folder of the corpus; None: the run is judged on its own.
        label_map, task, calibrate_on: values of --map, --task and --calibrate-on.
    """

    corpus: Path | None
    label_map: str | None
    task: str | None
    calibrate_on: str | None

    def refuse(self, *, split: str | None, probe: bool) -> None:
        """Refuse options that contradict each other.

        Raises:
            UsageError: one needs ``--corpus``, or has no meaning with it.
        """
        from sertool.core.errors import UsageError

        given = {"--map": self.label_map, "--task": self.task, "--calibrate-on": self.calibrate_on}
        named = [option for option, value in given.items() if value is not None]
        if self.corpus is None and named:
            raise UsageError(f"{named[0]}: is about another corpus, and --corpus is not given")
        if self.corpus is not None and probe:
            raise UsageError("--probe: for the run's own corpus", hint="leave out --probe or --corpus")
        if self.corpus is not None and "," in (split or ""):
            raise UsageError(f"--split {split}: one split of another corpus is judged, or all", hint="--split all")


@dataclass(frozen=True)
class Asked:
    """Other options of the command, see ``sertool ensemble --help``."""

    name: str
    output: Path
    split: str | None
    members: int | None
    data: Path
    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["auto", "fp32", "tf32", "bf16"] | None
    raw_csv: bool

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self.output / self.name


@dataclass(frozen=True)
class Shown:
    """Figures of the judged utterances.

    Attributes:
        metrics: metrics of the decisions, or the means over the scores, with their intervals.
        clusters: what the intervals are over.
        scores: figures of each score; None for classes.
        details: figures of each cluster where they are few.
        errors: calibration error and negative log-likelihood without and with the temperature; empty for scores.
        baseline: name and metrics of always the same answer.
    """

    metrics: "Mapping[str, Estimate]"
    clusters: "Clusters"
    scores: "ScoreFigures | None"
    details: "Details"
    errors: "Mapping[str, float]"
    baseline: "tuple[str, Mapping[str, float]]"


def judge_elsewhere(other: OtherCorpus, asked: Asked, files: Outputs, width: int | None) -> None:
    """Judge a run on another corpus, store the predictions, show the figures and write them as JSON and CSV."""
    from sertool.core.compute.device import choose
    from sertool.core.corpora.label_maps import load_label_map
    from sertool.core.corpora.load import corpus_folder
    from sertool.core.files.csv_text import csv_text
    from sertool.core.inference.other_corpus import judge_on, open_judge, open_other
    from sertool.core.runs.predictions import prediction_rows

    assert other.corpus is not None
    judge = open_judge(asked.folder, asked.data, asked.members)
    named = other.label_map or judge.trained.recipe.dataset.map  # a map of the training is the one that is meant
    label_map = None if named is None else load_label_map(named)
    folder = corpus_folder(str(other.corpus), asked.data)
    files.spare([folder, *(label_map.files if label_map is not None else [])])
    subject = open_other(judge, folder, task=other.task, split=asked.split, label_map=label_map)
    chosen = choose(asked.device, asked.precision or "fp32")
    talk = console()
    say(talk, f"{judge.size} · {chosen.reason}")
    say_kernels(talk, chosen.device)
    found = judge_on(judge, subject, chosen, label_map=label_map, calibrate_on=other.calibrate_on)
    if note := subject.corpus.speakers_note:
        say(talk, f"warning: {note} [speakers-unknown]")
    for told in found.notes:
        say(talk, f"note: {printable(told)}")
    shown = figures_of(judge, found)
    files.write("--csv", csv_text(prediction_rows(found.stored.predictions, 1), raw=asked.raw_csv))
    files.write_json("--json", "elsewhere", _table(judge, found, shown))
    files.show(_lines(judge, found, shown, asked, width))


def figures_of(judge: "Judge", found: "Elsewhere") -> Shown:
    """Compute the figures of the judged utterances, with intervals over their speakers where they are known."""
    import numpy as np

    from sertool.core.inference.figures import score_figures_of
    from sertool.core.metrics import Jackknife, clusters_of, decision_estimates
    from sertool.core.metrics.baselines import baseline_metrics, baseline_name
    from sertool.core.metrics.calibration import expected_calibration_error, negative_log_likelihood
    from sertool.core.reports.details import details_of

    own, spoken = found.stored.predictions, found.stored.spoken
    assert own.targets is not None
    clusters, number = clusters_of(spoken), len(own.classes)
    temperature = found.calibration.temperature if found.calibration else 1.0
    # As for several folds: that cross-validation gives more speakers is no advice on another corpus.
    details = details_of(own, spoken, {}, 1, (), 2, temperature=temperature)
    if own.kind == "scores":
        fitted = [one.scores.mean for one in judge.trained.inputs if one.scores is not None]
        places = [judge.trained.task.classes.index(name) for name in own.classes]
        means = np.mean(fitted, axis=0)[places].tolist()
        scores = score_figures_of(own, 1, clusters, means, None)
        baseline = scores.baseline.name, scores.baseline.metrics
        return Shown(scores.mean, clusters, scores, details, {}, baseline)
    errors = {}
    for name, measured in (("ece", expected_calibration_error), ("nll", negative_log_likelihood)):
        for when, used in (("before", 1.0), ("after", temperature)):
            errors[f"{name}_{when}"] = measured(own.logits[0], own.targets, own.kind, used)
    metrics = decision_estimates(own.targets, own.decisions(1), number, Jackknife(clusters))
    baseline = baseline_name(own.targets, own.classes), baseline_metrics(own.targets, number)
    return Shown(metrics, clusters, None, details, errors, baseline)


def _lines(judge: "Judge", found: "Elsewhere", shown: Shown, asked: Asked, width: int | None) -> list[str]:
    from sertool.commands._score_figures import score_lines, vote_lines
    from sertool.commands.ensemble import show_details
    from sertool.core.command_line import command_line
    from sertool.core.inference.figures import vote_figures_of

    own, subject, trained = found.stored.predictions, found.subject, judge.trained
    title = f"{trained.name} on {subject.corpus.name}{subject.corpus.caveats}"
    lines = [
        f"{title} · {subject.split} · {len(own.ids):,} utterances · {subject.task.shown}",
        f"trained on {trained.corpus}: {judge.size.explained}",
    ]
    lines += subject.map_note.lines if subject.map_note is not None else []
    if shown.scores is not None:
        lines += score_lines(own, shown.scores, 1, width)
    else:
        lines += ["", own.report(1, numbered=False), "", *_decisions(own.kind, shown)]
        temperature = found.calibration.temperature if found.calibration else 1.0
        told = vote_lines(vote_figures_of(own, 1, shown.clusters, temperature))
        lines += [part for line in told for part in wrapped(line, width)]
    lines += show_details(shown.details, own, 1)
    told = [_calibration(found, shown)] if found.calibration is not None else []
    lines += ["", *(part for line in told for part in wrapped(line, width)), f"stored: {found.folder}"]
    below = [] if asked.output == options.DEFAULT_OUTPUT else ["--output", str(asked.output)]
    return [*lines, f"next: {command_line('report', '--name', found.stored.origin.run, *below)}"]


def _decisions(kind: str, shown: Shown) -> list[str]:
    """Format the main metrics with their intervals, and those of always the same answer."""
    from sertool.core.metrics.classification import metrics_of
    from sertool.core.reports.wording import figure, interval, metric_name

    names = [name for name, metric in metrics_of(kind).items() if metric.is_main]
    name, constant = shown.baseline
    clusters = shown.clusters
    if clusters.few:
        rows = [f"{metric_name(key, kind)} {figure(shown.metrics[key].value)}" for key in names]
    else:
        rows = [
            f"{metric_name(key, kind)} {figure(one.value)} ({interval(one, key)})"
            for key, one in ((key, shown.metrics[key]) for key in names)
        ]
        rows.append(f"intervals of 95 % over {plural(clusters.number, clusters.unit)}")
    each = " · ".join(f"{metric_name(key, kind)} {figure(constant[key])}" for key in names)
    return [" · ".join(rows), f"baseline, {name}: {each}"]


def _calibration(found: "Elsewhere", shown: Shown) -> str:
    """Say which temperature was used and what it does to the calibration error, or why there is none."""
    from sertool.core.reports.wording import figure

    own = found.calibration
    assert own is not None
    before, after = (figure(shown.errors[key]) for key in ("ece_before", "ece_after"))
    if not own.calibrated:
        return f"calibration: uncalibrated, {own.reason} · ECE {before} %"
    return f"calibration: temperature {own.temperature:.2f}, {own.note} · ECE {before} % -> {after} %"


def _table(judge: "Judge", found: "Elsewhere", shown: Shown) -> dict[str, Any]:
    """Return everything as plain data, for JSON."""
    from sertool.core.inference.ensemble import finite
    from sertool.core.reports.data_files import plain

    own, subject, trained = found.stored.predictions, found.subject, judge.trained
    name, constant = shown.baseline
    calibration = None
    if (fit := found.calibration) is not None:
        calibration = {
            **{key: getattr(fit, key) for key in ("calibrated", "temperature", "reason", "note")},
            **{key: shown.errors[key] for key in ERRORS},
        }
    scores = {} if shown.scores is None else shown.scores.each
    return {
        "name": found.stored.origin.run,
        "ensemble": trained.name,
        "trained_on": trained.corpus,
        "size": judge.size.table,
        "dataset": subject.corpus.name,
        "corpus": str(subject.folder),
        "task": subject.task.name,
        "kind": own.kind,
        "classes": list(own.classes),
        "split": subject.split,
        "utterances": len(own.ids),
        "synthetic": subject.corpus.synthetic,
        "machine_text": subject.corpus.machine_text,
        "map": None if subject.map_note is None else subject.map_note.to_json(),
        "metrics": plain(shown.metrics),
        "scores": plain(scores),
        "baseline": {"name": name, "metrics": finite(constant)},
        "unit": shown.details.unit,
        "clusters": shown.details.clusters,
        "unit_note": shown.details.unit_note,
        "by_cluster": plain(shown.details.by_cluster),
        "calibration": calibration,
        "notes": list(found.notes),
    }
