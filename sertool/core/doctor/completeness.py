"""Utterances that lack text, audio or a label, whose raters tie, are silent, clipped or out of range, or are cut."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.ratings import favourites
from sertool.core.doctor.findings import Finding, found, place, places
from sertool.core.doctor.subject import Subject
from sertool.core.features.frontend import FrameMaker
from sertool.core.formatting import names_of, plural, share

# Reasons that the reader of the reference's layout gives for leaving an utterance out, by kind of finding.
_REASONS = {"no-text": "no words in ", "no-audio": "no audio in ", "no-label": "no label in "}
_TEXTS = {"no-text": "without words", "no-audio": "without audio", "no-label": "without a label"}
CLIPPED_SHARE = 0.01  # share of values at the ceiling; single ones are normal
RANGE_TOLERANCE = 1e-6  # rounding in float32


def check(subject: Subject) -> Iterator[Finding]:
    """Report utterances that are left out, lack something, have no majority, are silent or clipped, or are cut."""
    yield from _left_out(subject)
    for kind in _REASONS:
        yield from _lacking(subject, kind)
    yield from _tied(subject)
    yield from _of_other_tasks(subject)
    yield from _silent(subject)
    if subject.made_by is not None:
        yield from _clipped(subject, subject.made_by)
        yield from _out_of_range(subject, subject.made_by)
    yield from _cut(subject)


def _rows(mask: NDArray[np.bool_]) -> list[int]:
    return [int(row) for row in np.flatnonzero(mask)]


def _left_out(subject: Subject) -> Iterator[Finding]:
    others = [
        item for item in subject.corpus.left_out if not any(reason in item.reason for reason in _REASONS.values())
    ]
    if others:
        examples = (f"{item.id} ({item.split}): {item.reason}" for item in others)
        yield found("left-out", len(others), f"{plural(len(others), 'utterance')} left out by the reader", examples)


def _lacking(subject: Subject, kind: str) -> Iterator[Finding]:
    """Report utterances without text, audio or label: those the reader left out, and those in the corpus."""
    left_out = [item for item in subject.corpus.left_out if _REASONS[kind] in item.reason]
    here = _rows(_lacks(subject, kind))
    if number := len(left_out) + len(here):
        text = f"{plural(number, 'utterance')} {_TEXTS[kind]}"
        if left_out:
            reasons = names_of(sorted({item.reason for item in left_out}))
            text += f"; {len(left_out):,} left out by the reader: {reasons}"
        examples = [*(f"{item.id} ({item.split})" for item in left_out), *places(subject.corpus, here)]
        yield found(kind, number, text, examples)


def _lacks(subject: Subject, kind: str) -> NDArray[np.bool_]:
    """Return (N,): True for utterances with nothing there; those that the reader reported do not count again."""
    corpus = subject.corpus
    if kind == "no-text" and subject.uses("text"):
        lengths, fault = text_lengths(subject), "words"
    elif kind == "no-audio" and subject.uses("audio"):
        lengths, fault = subject.audio.lengths, "width"
    elif kind == "no-label":
        private = np.array([utterance.split == "private" for utterance in corpus.utterances], np.bool_)
        held = _labelled(subject) | private | _ties(subject) | _of_others(subject)
        lengths, fault = np.array(held, np.int64), "label"
    else:
        return np.zeros(len(corpus.utterances), np.bool_)
    if not lengths.any() and subject.has_unread_files:
        return np.zeros(len(corpus.utterances), np.bool_)  # the reader reported the file that holds them
    return np.array([not n and not subject.is_faulty(row, fault) for row, n in enumerate(lengths)], np.bool_)


def _labelled(subject: Subject) -> NDArray[np.bool_]:
    """Return (N,): True for utterances with a target, be it only raters' votes, or with a label that is refused."""
    names = set(subject.task.classes if subject.task.kind == "scores" else (subject.task.name,))
    pairs = zip(subject.corpus.utterances, subject.targets, strict=True)
    return np.array([own is not None or not names.isdisjoint(one.labels) for one, own in pairs], np.bool_)


def _ties(subject: Subject) -> NDArray[np.bool_]:
    """Return (N,): True for utterances without a target because their raters tie."""
    name, classes = subject.task.name, set(subject.task.classes)
    chosen = [favourites((one.ratings or {}).get(name, {})) for one in subject.corpus.utterances]
    ties = np.array([len(own) > 1 and own <= classes for own in chosen], np.bool_)
    return np.asarray(ties & ~_labelled(subject))


def _tied(subject: Subject) -> Iterator[Finding]:
    if rows := _rows(_ties(subject)):
        text = f"{plural(len(rows), 'utterance')} without a majority: the raters tie"
        yield found("raters-tie", len(rows), text, places(subject.corpus, rows))


def _of_others(subject: Subject) -> NDArray[np.bool_]:
    """Return (N,): True for utterances of a published corpus that have labels, but none of the recipe's task."""
    if subject.corpus.layout is None:
        return np.zeros(len(subject.corpus.utterances), np.bool_)
    return (
        ~_labelled(subject)
        & ~_ties(subject)
        & np.array([bool(one.labels) for one in subject.corpus.utterances], np.bool_)
    )


def _of_other_tasks(subject: Subject) -> Iterator[Finding]:
    if rows := _rows(_of_others(subject)):
        what = "score" if subject.task.kind == "scores" else "class"
        text = f"{plural(len(rows), 'utterance')} without a {what} of {subject.task.name}, with labels of other tasks"
        yield found("other-task", len(rows), text, places(subject.corpus, rows))


def text_lengths(subject: Subject) -> NDArray[np.int64]:
    """Return (N,): the words of each utterance, or its frames where text is given as frames."""
    corpus = subject.corpus
    if corpus.text_frames is not None:
        return np.diff(corpus.text_frames.offsets)
    return np.array([len(utterance.words) for utterance in corpus.utterances], np.int64)


def _silent(subject: Subject) -> Iterator[Finding]:
    rows = _rows(subject.audio.silent)
    if rows and subject.uses("audio"):
        text = f"{plural(len(rows), 'utterance')} silent from beginning to end"
        yield found("silent", len(rows), text, places(subject.corpus, rows))


def _outside(subject: Subject, maker: FrameMaker) -> NDArray[np.bool_]:
    least, most = maker.bounds
    return (subject.audio.low < least - RANGE_TOLERANCE) | (subject.audio.high > most + RANGE_TOLERANCE)


def _clipped(subject: Subject, maker: FrameMaker) -> Iterator[Finding]:
    shares = subject.audio.clipped
    rows = _rows((shares > CLIPPED_SHARE) & ~_outside(subject, maker))
    if rows:
        text = f"{plural(len(rows), 'utterance')} with more than {CLIPPED_SHARE:.0%} of the values at the ceiling"
        examples = (f"{place(subject.corpus, row)}: {shares[row]:.0%}" for row in rows)
        yield found("clipped", len(rows), text, examples)


def _out_of_range(subject: Subject, maker: FrameMaker) -> Iterator[Finding]:
    rows, (least, most) = _rows(_outside(subject, maker)), maker.bounds
    if rows:
        low, high = subject.audio.low, subject.audio.high
        text = f"{plural(len(rows), 'utterance')} with {maker.name} values outside {least:g} to {most:g}"
        examples = (f"{place(subject.corpus, row)}: {low[row]:.3g} to {high[row]:.3g}" for row in rows)
        yield found("range", len(rows), text, examples)


def _cut(subject: Subject) -> Iterator[Finding]:
    dataset, utterances = subject.recipe.dataset, len(subject.corpus.utterances)
    text_unit = "frames" if subject.corpus.text_frames is not None else "words"
    for kind, modality, lengths, most, unit in (
        ("cut-text", "text", text_lengths(subject), dataset.max_text_length, text_unit),
        ("cut-audio", "audio", subject.audio.lengths, dataset.max_audio_length, "frames"),
    ):
        rows = _rows(lengths > most)
        if rows and subject.uses(modality):
            what = plural(len(rows), "text" if modality == "text" else "recording")
            text = f"{what} ({share(len(rows), utterances)}) cut at {most:,} {unit}"
            examples = (f"{place(subject.corpus, row)}: {lengths[row]:,}" for row in rows)
            yield found(kind, len(rows), text, examples)
