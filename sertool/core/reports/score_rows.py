"""Rows of the CSV file of a report for predicted scores, and for raters' votes."""

from collections.abc import Iterator

from sertool.core.reports.contents import SetReport
from sertool.core.reports.csv_rows import CsvRow, estimate, estimates, values
from sertool.core.reports.score_contents import DimensionRow, ScoreSlice, VotesRow


def score_rows(base: CsvRow, own: SetReport) -> Iterator[CsvRow]:
    """Yield the rows of each score, of slices of scores, and of raters' votes; none where a set has none of these.

    Args:
        base: fields that all rows of the set have.
        own: the set.
    """
    for one in own.dimensions:
        yield from _dimension(base, one)
    for part in own.score_slices:
        yield from _slice(base._replace(what="slice", name=f"{part.kind}: {part.name}", clusters=part.clusters), part)
    if own.votes is not None:
        yield from _votes(base, own.votes)


def _dimension(base: CsvRow, own: DimensionRow) -> Iterator[CsvRow]:
    named = base._replace(what="dimension", name=own.name)
    yield from estimates(named, own.metrics)
    yield from estimates(named, own.sentiment)
    facts = {"utterances": own.utterances, "lowest": own.low, "highest": own.high}
    for name, moments in (("true", own.true), ("predicted", own.predicted)):
        facts |= {f"{name} mean": moments.mean, f"{name} sd": moments.sd}
    yield from values(named, facts)
    yield from values(named._replace(what="baseline", name=f"{own.name}: always the mean"), own.baseline)
    yield from estimates(named._replace(what="one rater"), own.ceilings)
    for name, fall in own.falls.items():
        yield estimate(named._replace(what="probe", name=f"{own.name}: {name}"), "ccc falls by", fall)
    yield from _intervals(named, own)
    for part in own.bins:
        within = base._replace(what="range", name=f"{own.name}: {part.low:g} to {part.high:g}")
        yield estimate(within, "residual", part.residual)
        yield from values(within, {"utterances": part.utterances})
    for one in own.speakers:
        spoken = base._replace(what="speaker", name=f"{own.name}: {one.name}")
        # Over the utterances of this speaker, and not over speakers.
        yield estimate(spoken._replace(unit="utterance", clusters=one.utterances), "residual", one.mean)
        tested = {} if one.p is None else {"p": one.p}
        yield from values(spoken, {"median residual": one.median, **tested, "biased": int(one.biased)})


def _intervals(named: CsvRow, own: DimensionRow) -> Iterator[CsvRow]:
    found = own.intervals
    if found.half is not None:
        yield from values(named, {"interval level": found.level, "interval half width": found.half})
    if found.covered is not None and found.width is not None:
        yield estimate(named, "covered", found.covered)
        yield from values(named, {"interval width": found.width})


def _slice(named: CsvRow, own: ScoreSlice) -> Iterator[CsvRow]:
    yield from estimates(named, {"mae": own.mae, "ccc": own.ccc})
    tested = {} if own.p is None else {"p": own.p}
    yield from values(
        named, {"utterances": own.size, "mae to the rest": own.difference, **tested, "weak": int(own.weak)}
    )


def _votes(base: CsvRow, own: VotesRow) -> Iterator[CsvRow]:
    named = base._replace(what="votes")
    yield from estimates(named, own.metrics)
    ties = {} if own.ties is None else {"ties": own.ties}
    yield from values(named, {"utterances": own.utterances, "entropy": own.entropy, **ties})
    yield from values(named._replace(what="baseline", name="always the mean votes"), own.baseline)
    yield from estimates(named._replace(what="ceiling", name="one rater"), own.ceilings)
