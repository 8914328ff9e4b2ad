"""Utterances that occur twice, in one split or two, and recordings with two labels."""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence

from sertool.core.doctor.findings import Finding, found, place
from sertool.core.doctor.matching import match_sounds
from sertool.core.doctor.subject import Subject
from sertool.core.formatting import plural


def check(subject: Subject) -> Iterator[Finding]:
    """Report repeats of the same words and audio, and the same audio with different labels.

    Utterances without sound are skipped: their audio does not tell them apart.
    """
    repeats = [rows for rows in _groups(subject.contents) if not _is_copy_of_test(subject, rows)]
    across = [rows for rows in repeats if len({subject.sets[row] for row in rows}) > 1]
    within = [rows for rows in repeats if len({subject.sets[row] for row in rows}) == 1]
    for kind, groups, where in (
        ("duplicates-across", across, "one in another split"),
        ("duplicates-within", within, "another one of the split"),
    ):
        if number := sum(len(rows) - 1 for rows in groups):
            verb = "repeats" if number == 1 else "repeat"
            text = f"{plural(number, 'utterance')} {verb} words and audio of {where}"
            yield found(kind, number, text, (_same(subject, rows) for rows in groups))
    yield from _copies(subject)
    yield from _contradicting(subject)


def _groups(keys: Sequence[Hashable]) -> list[list[int]]:
    """Group the utterances that share a key; single ones and empty keys are left out."""
    rows = defaultdict(list)
    for row, key in enumerate(keys):
        if key:  # None and b"": no sound to compare
            rows[key].append(row)
    return [group for group in rows.values() if len(group) > 1]


def _is_copy_of_test(subject: Subject, rows: Sequence[int]) -> bool:
    """Check whether they repeat only because validation is a copy of test, which is a finding of its own."""
    return bool(subject.valid_is_test) and {subject.sets[row][0] for row in rows} == {"valid", "test"}


def _copies(subject: Subject) -> Iterator[Finding]:
    """Report utterances whose sound is that of one in another split, in another codec, length, level or with noise."""
    if subject.sounds is None:
        return
    contents = subject.contents
    pairs = [
        (match.ours, match.theirs)
        for match in match_sounds(subject.sounds)
        if subject.sets[match.ours] != subject.sets[match.theirs]
        and (contents[match.ours] is None or contents[match.ours] != contents[match.theirs])
    ]
    if number := len({ours for ours, _ in pairs}):
        verb = "sounds" if number == 1 else "sound"
        text = f"{plural(number, 'utterance')} {verb} like a copy of one in another split"
        yield found("copies-across", number, text, (_same(subject, pair) for pair in pairs))


def _contradicting(subject: Subject) -> Iterator[Finding]:
    labelled = [
        sound if target is not None else b""  # a recording without a label contradicts nothing
        for sound, target in zip(subject.audio.hashes, subject.targets, strict=True)
    ]
    groups = [rows for rows in _groups(labelled) if len({subject.targets[row] for row in rows}) > 1]
    if groups:
        text = f"{plural(len(groups), 'recording')} with different labels for the very same audio"
        yield found("contradicting", len(groups), text, (_same(subject, rows) for rows in groups))


def _same(subject: Subject, rows: Sequence[int]) -> str:
    more = f" and {len(rows) - 3:,} more" if len(rows) > 3 else ""
    return " = ".join(place(subject.corpus, row) for row in rows[:3]) + more
