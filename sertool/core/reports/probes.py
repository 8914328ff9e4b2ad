"""Probes: how much accuracy, or CCC, a model loses if an input is masked, or shuffled between utterances.

Inputs are text, audio and, of a model with context, the utterances before in the dialogue.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from sertool.core.formatting import plural
from sertool.core.metrics import (
    FEWEST,
    Clusters,
    Estimate,
    Jackknife,
    decision_differences,
    decision_estimates,
    few_by_name,
)
from sertool.core.metrics.classification import METRICS
from sertool.core.metrics.scores import mean_estimates, score_differences, score_figures
from sertool.core.reports.contents import ModalityUse, ProbeRow
from sertool.core.reports.load import Probes
from sertool.core.reports.wording import change_interval, figure, is_share, listed, metric_name, percent
from sertool.core.runs.prediction_files import Spoken
from sertool.core.runs.predictions import Predictions

MODALITIES = ("text", "audio")
CONTEXT = "context"
INPUTS = {"text": "words", "audio": "audio", CONTEXT: "an earlier one"}  # input -> what an utterance has of it
WORDS = {CONTEXT: "dialogue"}  # for readers; modalities are called by their names
ORDER = tuple(f"{name} {how}" for name in INPUTS for how in ("masked", "shuffled"))
USED, IGNORED, UNKNOWN = "used", "ignored", "unknown"
RELEVANT = 0.02  # fall in accuracy or CCC that matters: an input is ignored where the interval excludes it
COMMON = 0.5  # share of utterances that must have an input, else its probes change too few of them


def probe_rows(
    predictions: Predictions, spoken: Sequence[Spoken], probes: Probes, k: int, jackknife: Jackknife
) -> tuple[ProbeRow, ...]:
    """Return one row per probe, in the order of ``ORDER``; none for an input that no utterance has.

    There is none of logits that are not finite either: they would seem to be the same with any input. Of scores the CCC
    falls, the mean over the scores.

    Args:
        predictions: predictions of the set, with targets.
        spoken: (N,) facts about its utterances.
        probes: logits (E, N, C) by probe.
        k: number of averaged members.
        jackknife: jackknife over the utterances of the set.
    """
    there = shares(spoken)
    inputs = {name: replace(predictions, logits=probes[name]) for name in ORDER if name in probes}  # perhaps in part
    finite = np.isfinite(predictions.ensemble_logits(k)).all()
    return tuple(
        _row(name, predictions, own, k, jackknife)
        for name, own in inputs.items()
        if there[_input(name)] and finite and np.isfinite(own.ensemble_logits(k)).all()
    )


def _row(name: str, intact: Predictions, probed: Predictions, k: int, jackknife: Jackknife) -> ProbeRow:
    """Judge the first k members with changed input, and compare them with the same members as they are."""
    targets, classes = intact.targets, len(intact.classes)
    assert targets is not None
    metric = judged_metric(intact.kind)
    clusters = few_by_name(jackknife.clusters)
    if intact.kind == "scores":
        values, own = intact.ensemble_logits(k), probed.ensemble_logits(k)
        drop = score_differences(targets, own, values, jackknife)[metric]
        found = mean_estimates(targets, own, jackknife)
        falls = {
            cluster: score_figures(targets[rows], values[rows])[metric]
            - score_figures(targets[rows], own[rows])[metric]
            for cluster, rows in clusters.items()
        }
    else:
        decisions, decided, accuracy = intact.decisions(k), probed.decisions(k), METRICS[metric]
        drop = decision_differences(targets, decided, decisions, classes, jackknife)[metric]
        found = decision_estimates(targets, decided, classes, jackknife)
        falls = {
            cluster: accuracy(targets[rows], decisions[rows], classes) - accuracy(targets[rows], decided[rows], classes)
            for cluster, rows in clusters.items()
        }
    return ProbeRow(
        name=name,
        metrics={one: found[one] for one in (metric, second_metric(intact.kind))},
        drop=Estimate(drop.value, drop.low, drop.high),
        p=drop.p,
        by_cluster=falls,
    )


def judged_metric(kind: str) -> str:
    """Return the key of the metric whose fall a probe tells: ``ccc`` of scores, else ``accuracy``."""
    return "ccc" if kind == "scores" else "accuracy"


def second_metric(kind: str) -> str:
    """Return the key of the metric that is shown beside it: ``mae`` of scores, else ``uar``."""
    return "mae" if kind == "scores" else "uar"


def shares(spoken: Sequence[Spoken]) -> dict[str, float]:
    """Return the share of utterances that have each input: words, audio, or an earlier utterance in the dialogue."""
    number = max(len(spoken), 1)
    return {
        "text": sum(one.words > 0 for one in spoken) / number,
        "audio": sum(one.frames > 0 for one in spoken) / number,
        CONTEXT: sum((one.turn or 0) > 1 for one in spoken) / number,
    }


def probed_title(rows: Sequence[ProbeRow]) -> str:
    """Return the title of a table of probes: ``text and audio``, or with context as ``text, audio and dialogue``."""
    probed = list(dict.fromkeys(_input(row.name) for row in rows))
    return listed([WORDS.get(name, name) for name in probed] if CONTEXT in probed else MODALITIES)


def modality_use(
    rows: Sequence[ProbeRow],
    spoken: Sequence[Spoken],
    intact: float,
    clusters: Clusters,
    kind: str,
    modalities: Sequence[str],
) -> ModalityUse | None:
    """Say which use the model makes of text, audio and context; None if there is nothing to tell.

    Of text and audio it tells both or none: both must have been shuffled, and a model that takes one modality cannot
    ignore the other. An input is ignored if the 95 % interval of the fall in accuracy, or CCC, lies below ``RELEVANT``,
    for each of its probes: a fall that is not significant is no evidence that there is none. It is used if the interval
    of the fall lies above 0 where it is shuffled: masked input is unlike any in training and may do harm by that alone.
    Otherwise, and where there are too few clusters for an interval, the probes cannot tell.

    Args:
        rows: rows of :func:`probe_rows`.
        spoken: (N,) facts about the utterances of the set.
        intact: accuracy, or CCC of scores, with unchanged input.
        clusters: the clusters of its utterances.
        kind: ``single``, ``multi`` or ``scores``, of the task, which names that figure.
        modalities: those that the model takes.

    Source: test of equivalence by an interval, D. Schuirmann, "A comparison of the two one-sided tests procedure and
    the power approach for assessing the equivalence of average bioavailability", Journal of Pharmacokinetics and
    Biopharmaceutics 15, 1987.
    """
    shuffled = {_input(row.name): row for row in rows if row.name.endswith("shuffled")}
    if len(modalities) < 2 or not set(MODALITIES) <= set(shuffled):
        shuffled = {name: row for name, row in shuffled.items() if name == CONTEXT}
    if not shuffled:
        return None
    rows = [row for row in rows if _input(row.name) in shuffled]
    if any(row.drop.low is None for row in rows):
        of, _, cause = clusters.note.partition(": ")  # the number of clusters, and why they are too few
        if clusters.number >= FEWEST:
            of, cause = "these utterances", "no interval can be given"
        sentence = f"cannot tell from {of} whether it uses {_named(shuffled)}: {cause}"
        return _use(dict.fromkeys(shuffled, UNKNOWN), sentence + _falls(shuffled, clusters, kind))
    states: dict[str, str] = {}
    why: list[str] = []
    there = shares(spoken)
    for name, row in shuffled.items():
        common = there[name] >= COMMON
        states[name] = _state([one.drop for one in rows if _input(one.name) == name], row.drop, common)
        if not common:
            why.append(f"only {percent(there[name])} % of the utterances have {INPUTS[name]}")
        elif states[name] != USED:
            why.append(_evidence(name, row, intact, kind, is_ignored=states[name] == IGNORED))
    return _use(states, _in_words(states) + (f": {'; '.join(why)}" if why else ""))


def _use(states: Mapping[str, str], sentence: str) -> ModalityUse:
    return ModalityUse(states.get("text"), states.get("audio"), sentence, states.get(CONTEXT))


def _named(inputs: Iterable[str]) -> str:
    """List inputs for readers: ``the text and the audio``."""
    return listed([f"the {WORDS.get(name, name)}" for name in inputs])


def _falls(shuffled: Mapping[str, ProbeRow], clusters: Clusters, kind: str) -> str:
    """Say for how many of few clusters the figure falls with a modality of other utterances; empty for others."""
    if not clusters.few:
        return ""
    metric = metric_name(judged_metric(kind), kind)
    counts = {name: sum(drop > 0 for drop in row.by_cluster.values()) for name, row in shuffled.items()}
    of = plural(clusters.number, clusters.unit)
    told = [f"{number} of {of} with the {WORDS.get(name, name)} of other utterances" for name, number in counts.items()]
    # The first one says of whom and of what all others are.
    rest = [f"for {number} with their {WORDS.get(name, name)}" for name, number in list(counts.items())[1:]]
    return f"; the {metric} falls for {', '.join([told[0], *rest])}"


def _input(probe: str) -> str:
    return probe.partition(" ")[0]


def _state(drops: Sequence[Estimate], shuffled: Estimate, common: bool) -> str:
    """Judge an input by the falls of all its probes, and by the one where it is shuffled."""
    if not common:
        return UNKNOWN
    if all(drop.high is not None and drop.high < RELEVANT for drop in drops):
        return IGNORED
    return USED if shuffled.low is not None and shuffled.low > 0 else UNKNOWN


def _in_words(states: Mapping[str, str]) -> str:
    """Write the states as in ``it uses the text and ignores the audio``."""
    groups = {state: [name for name, own in states.items() if own == state] for state in (USED, IGNORED, UNKNOWN)}
    named = {state: _named(names) for state, names in groups.items() if names}
    verbs = {USED: "uses", IGNORED: "ignores"}
    known = " and ".join(f"{verb} {named[state]}" for state, verb in verbs.items() if state in named)
    parts = [f"it {known}"] if known else []
    parts += [f"cannot tell whether it uses {named[UNKNOWN]}"] if UNKNOWN in named else []
    return "; ".join(parts)


def _evidence(name: str, row: ProbeRow, intact: float, kind: str, *, is_ignored: bool) -> str:
    """Write the fall in accuracy, or CCC, with an input shuffled, and its interval."""
    metric = judged_metric(kind)
    start = f"with the {WORDS.get(name, name)} of other utterances the {metric_name(metric, kind)}"
    shares = is_share(metric)
    if not is_ignored:
        fell = abs(row.drop.value)
        size = f"{percent(fell)} points" if shares else f"{fell:.3f}"
        change = f"{'falls' if row.drop.value >= 0 else 'rises'} by {size}"
        return f"{start} {change} (95 % interval of the fall {change_interval(row.drop, metric)})"
    probed = row.metrics[metric].value
    figures = (f"{percent(one)} %" if shares else figure(one, metric) for one in (probed, intact))
    return (
        f"{start} stays at {next(figures)} ({next(figures)} as it is), and the 95 % interval excludes a fall of "
        f"{f'{percent(RELEVANT, 0)} points' if shares else RELEVANT}"
    )
