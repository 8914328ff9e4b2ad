"""Probes: how much accuracy a model loses if a modality is masked, or shuffled between utterances."""

from collections.abc import Mapping, Sequence

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
from sertool.core.metrics.classification import METRICS, decide
from sertool.core.reports.contents import ModalityUse, ProbeRow
from sertool.core.reports.load import Probes
from sertool.core.reports.wording import metric_name, percent, points_interval
from sertool.core.runs.prediction_files import Spoken
from sertool.core.runs.predictions import Predictions

MODALITIES = {"text": "words", "audio": "audio"}  # modality -> what an utterance has of it
ORDER = ("text masked", "text shuffled", "audio masked", "audio shuffled")
USED, IGNORED, UNKNOWN = "used", "ignored", "unknown"
RELEVANT = 0.02  # fall in accuracy that matters: a modality is ignored where the interval excludes it
COMMON = 0.5  # share of utterances that must have a modality, else its probes change too few of them


def probe_rows(
    predictions: Predictions, spoken: Sequence[Spoken], probes: Probes, k: int, jackknife: Jackknife
) -> tuple[ProbeRow, ...]:
    """Return one row per probe, in the order of ``ORDER``; none for a modality that no utterance has.

    There is none of logits that are not finite either: they would seem to be the same with any input.

    Args:
        predictions: predictions of the set, with targets.
        spoken: (N,) facts about its utterances.
        probes: logits (E, N, C) by probe.
        k: number of averaged members.
        jackknife: jackknife over the utterances of the set.
    """
    targets, classes = predictions.targets, len(predictions.classes)
    assert targets is not None
    decisions, there, accuracy = predictions.decisions(k), shares(spoken), METRICS["accuracy"]
    logits = {name: probes[name][:k].mean(0) for name in ORDER if name in probes}  # runs may be probed in part
    finite = np.isfinite(predictions.ensemble_logits(k)).all()
    rows = []
    for name in [one for one in logits if there[_modality(one)] and finite and np.isfinite(logits[one]).all()]:
        probed = decide(logits[name], predictions.kind)
        drop = decision_differences(targets, probed, decisions, classes, jackknife)["accuracy"]
        found = decision_estimates(targets, probed, classes, jackknife)
        rows.append(
            ProbeRow(
                name=name,
                metrics={metric: found[metric] for metric in ("accuracy", "uar")},
                drop=Estimate(drop.value, drop.low, drop.high),
                p=drop.p,
                by_cluster={
                    cluster: accuracy(targets[own], decisions[own], classes)
                    - accuracy(targets[own], probed[own], classes)
                    for cluster, own in few_by_name(jackknife.clusters).items()
                },
            )
        )
    return tuple(rows)


def shares(spoken: Sequence[Spoken]) -> dict[str, float]:
    """Return the share of utterances that have words, as ``text``, and of those that have audio."""
    number = max(len(spoken), 1)
    return {
        "text": sum(one.words > 0 for one in spoken) / number,
        "audio": sum(one.frames > 0 for one in spoken) / number,
    }


def modality_use(
    rows: Sequence[ProbeRow], spoken: Sequence[Spoken], accuracy: float, clusters: Clusters, kind: str
) -> ModalityUse | None:
    """Say which use the model makes of text and audio; None unless both were shuffled.

    A modality is ignored if the 95 % interval of the fall in accuracy lies below ``RELEVANT``, for each of its probes:
    a fall that is not significant is no evidence that there is none. It is used if the interval of the fall lies above
    0 where it is shuffled: masked input is unlike any in training and may do harm by that alone. Otherwise, and where
    there are too few clusters for an interval, the probes cannot tell.

    Args:
        rows: rows of :func:`probe_rows`.
        spoken: (N,) facts about the utterances of the set.
        accuracy: accuracy with unchanged input.
        clusters: the clusters of its utterances.
        kind: ``single`` or ``multi``, of the task, which names the accuracy.

    Source: test of equivalence by an interval, D. Schuirmann, "A comparison of the two one-sided tests procedure and
    the power approach for assessing the equivalence of average bioavailability", Journal of Pharmacokinetics and
    Biopharmaceutics 15, 1987.
    """
    shuffled = {_modality(row.name): row for row in rows if row.name.endswith("shuffled")}
    if set(shuffled) != set(MODALITIES):
        return None
    if any(row.drop.low is None for row in rows):
        of, _, cause = clusters.note.partition(": ")  # the number of clusters, and why they are too few
        if clusters.number >= FEWEST:
            of, cause = "these utterances", "no interval can be given"
        sentence = f"cannot tell from {of} whether it uses the text and the audio: {cause}"
        return ModalityUse(UNKNOWN, UNKNOWN, sentence + _falls(shuffled, clusters, kind))
    states: dict[str, str] = {}
    why: list[str] = []
    there = shares(spoken)
    for modality, row in shuffled.items():
        common = there[modality] >= COMMON
        states[modality] = _state([one.drop for one in rows if _modality(one.name) == modality], row.drop, common)
        if not common:
            why.append(f"only {percent(there[modality])} % of the utterances have {MODALITIES[modality]}")
        elif states[modality] != USED:
            why.append(_evidence(modality, row, accuracy, kind, is_ignored=states[modality] == IGNORED))
    sentence = _in_words(states) + (f": {'; '.join(why)}" if why else "")
    return ModalityUse(states["text"], states["audio"], sentence)


def _falls(shuffled: Mapping[str, ProbeRow], clusters: Clusters, kind: str) -> str:
    """Say for how many of few clusters the accuracy falls with a modality of other utterances; empty for others."""
    if not clusters.few:
        return ""
    counts = {name: sum(drop > 0 for drop in row.by_cluster.values()) for name, row in shuffled.items()}
    of = plural(clusters.number, clusters.unit)
    return (
        f"; the {metric_name('accuracy', kind)} falls for {counts['text']} of {of} with the text of other utterances, "
        f"for {counts['audio']} with their audio"
    )


def _modality(probe: str) -> str:
    return probe.partition(" ")[0]


def _state(drops: Sequence[Estimate], shuffled: Estimate, common: bool) -> str:
    """Judge a modality by the falls of all its probes, and by the one where it is shuffled."""
    if not common:
        return UNKNOWN
    if all(drop.high is not None and drop.high < RELEVANT for drop in drops):
        return IGNORED
    return USED if shuffled.low is not None and shuffled.low > 0 else UNKNOWN


def _in_words(states: Mapping[str, str]) -> str:
    """Write the states as in ``it uses the text and ignores the audio``."""
    groups = {state: [name for name, own in states.items() if own == state] for state in (USED, IGNORED, UNKNOWN)}
    listed = {state: f"the {' and the '.join(names)}" for state, names in groups.items() if names}
    verbs = {USED: "uses", IGNORED: "ignores"}
    known = " and ".join(f"{verb} {listed[state]}" for state, verb in verbs.items() if state in listed)
    parts = [f"it {known}"] if known else []
    parts += [f"cannot tell whether it uses {listed[UNKNOWN]}"] if UNKNOWN in listed else []
    return "; ".join(parts)


def _evidence(modality: str, row: ProbeRow, accuracy: float, kind: str, *, is_ignored: bool) -> str:
    """Write the fall in accuracy with the modality shuffled, and its interval."""
    start = f"with the {modality} of other utterances the {metric_name('accuracy', kind)}"
    if not is_ignored:
        change = f"{'falls' if row.drop.value >= 0 else 'rises'} by {percent(abs(row.drop.value))} points"
        return f"{start} {change} (95 % interval of the fall {points_interval(row.drop)})"
    return (
        f"{start} stays at {percent(row.metrics['accuracy'].value)} % ({percent(accuracy)} % as it is), and the "
        f"95 % interval excludes a fall of {percent(RELEVANT, 0)} points"
    )
