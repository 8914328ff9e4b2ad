"""Speakers that are unknown, so that voices may leak, and too few of them for an interval."""

from collections.abc import Iterator

from sertool.core.corpora.corpus import unknown_note, unknown_speakers
from sertool.core.doctor.findings import Finding, found, places
from sertool.core.doctor.subject import Subject
from sertool.core.metrics import FEWEST, Clusters, clusters_of, few_clusters


def check(subject: Subject) -> Iterator[Finding]:
    """Report utterances whose speakers are unknown, and sets with too few speakers."""
    rows = [
        row
        for row, (utterance, target) in enumerate(zip(subject.corpus.utterances, subject.targets, strict=True))
        if utterance.split != "private" and target is not None
    ]
    unknown = [row for row in rows if unknown_speakers([subject.corpus.utterances[row]])]
    if unknown:
        # Where all are unknown, examples would tell nothing.
        examples = places(subject.corpus, unknown) if len(unknown) < len(rows) else ()
        yield found("speakers-unknown", len(unknown), unknown_note(len(unknown), len(rows)), examples)
    yield from _few(subject, rows)


def _few(subject: Subject, rows: list[int]) -> Iterator[Finding]:
    """Report too few speakers in test, or else in validation: what helps one helps the other."""
    for name, where in (("test", "test"), ("valid", "validation")):
        own = _clusters(subject, name)
        if own is not None and own.few:
            text = few_clusters(own.number, own.unit, where, advise=False)
            yield found("few-speakers", own.number, text, own.names, _advice(subject, rows))
            return


def _clusters(subject: Subject, name: str) -> Clusters | None:
    """Return the clusters of a set over all folds, which intervals will be over; None without such a set."""
    rows = dict.fromkeys(row for fold in subject.folds for row in fold.sets.get(name, ()))
    return clusters_of([subject.corpus.utterances[row] for row in rows]) if rows else None


def _advice(subject: Subject, rows: list[int]) -> str:
    """Advise cross-validation where that tests enough speakers; else there is no other way than more speakers."""
    whole = clusters_of([subject.corpus.utterances[row] for row in rows])
    if len(subject.folds) > 1 or whole.few:
        return f"record {FEWEST} speakers or more; until then, look at the figures speaker by speaker"
    group = "" if whole.unit == subject.recipe.splits.group else f" --set splits.group={whole.unit}"
    return f"cross-validate with --set splits.scheme=folds{group}"
