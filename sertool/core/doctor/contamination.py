"""Findings of a comparison with another corpus: copies of utterances, transcripts and speakers that both have."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from sertool.core.corpora.corpus import Utterance
from sertool.core.corpora.names import normal
from sertool.core.doctor.against import Against
from sertool.core.doctor.findings import Finding, found
from sertool.core.doctor.subject import Subject
from sertool.core.formatting import cut, plural, share

TELLING = 5  # words of a transcript; shorter ones are said by many people
_LONGEST = 60  # characters of a transcript among the examples


def check(subject: Subject, against: Against) -> Iterator[Finding]:
    """Report what a corpus and the one that it is compared with have in common.

    Args:
        subject: the corpus.
        against: the comparison.
    """
    copies = against.contaminated
    if copies:
        verb = "is" if len(copies) == 1 else "are"
        part = share(len(copies), len(against.judged))
        text = f"{plural(len(copies), against.what)}, {part}, {verb} in {against.whose}: {_ways(against)}"
        yield found("contaminated", len(copies), text, map(against.pair, copies))
    others = [one for one in against.found if one.row not in against.judged]
    if others:
        text = f"{plural(len(others), 'utterance')} outside test that {against.whose} has, too"
        yield found("also-there", len(others), text, map(against.pair, others))
    yield from _transcripts(against)
    yield from _speakers(against)
    yield from _not_compared(subject, against)


def _ways(against: Against) -> str:
    """Say how copies were found."""
    by = [one.by for one in against.contaminated]
    named = {"sound": "by their sound", "frames": "by the hash of what they hold"}
    return ", ".join(f"{by.count(way):,} {text}" for way, text in named.items() if way in by)


def _transcripts(against: Against) -> Iterator[Finding]:
    theirs = defaultdict[tuple[str, ...], list[int]](list)
    for row, utterance in enumerate(against.other.utterances):
        theirs[_text(utterance)].append(row)
    theirs.pop((), None)
    rows = [row for row in sorted(against.judged) if _text(against.utterances[row]) in theirs]
    if not rows:
        return
    texts = {_text(against.utterances[row]): row for row in reversed(rows)}
    text = (
        f"{plural(len(rows), against.what)} with a transcript of {TELLING} or more words that {against.whose} has, too"
    )
    examples = (f"{cut(' '.join(words), _LONGEST)!r}" for words in reversed(texts))
    yield found("same-transcripts", len(rows), text, examples)


def _text(utterance: Utterance) -> tuple[str, ...]:
    """Return the words of a transcript, in lower case; none of a short one."""
    return tuple(word.casefold() for word in utterance.words) if len(utterance.words) >= TELLING else ()


def _speakers(against: Against) -> Iterator[Finding]:
    ours = _names([against.utterances[row] for row in against.judged])
    theirs = _names(against.other.utterances)
    if shared := sorted(ours & theirs):
        text = (
            f"{plural(len(shared), 'speaker')} of the {against.what}s whose name is one of a speaker of {against.whose}"
        )
        yield found("same-speakers", len(shared), text, shared)


def _names(utterances: Sequence[Utterance]) -> set[str]:
    return {normal(utterance.speaker) for utterance in utterances if utterance.speaker is not None}


def _not_compared(subject: Subject, against: Against) -> Iterator[Finding]:
    """Report utterances that could not be compared by their sound, and what is not known any more of a run."""
    lacking = [subject.corpus.name] * (subject.sounds is None and not subject.corpus.texts_alone)
    lacking += [against.other.name] * (against.other.sounds is None)
    left = len(against.judged) - against.by_sound
    if lacking and left:
        text = (
            f"{plural(left, against.what)} compared by hash alone: no fingerprints of sound in {' and '.join(lacking)}"
        )
        yield found("not-by-sound", left, text)
    if against.other.note:
        yield found("training-unknown", 1, against.other.note)
