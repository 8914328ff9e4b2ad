"""Errors that the reader reported, and a width or frontend that does not fit the recipe."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from sertool.core.corpora.feature_sets import missing_frames
from sertool.core.corpora.reading_errors import UtteranceError
from sertool.core.doctor.findings import Finding, found, places
from sertool.core.doctor.subject import Subject
from sertool.core.errors import DataError
from sertool.core.formatting import plural

_TEXTS = {
    "words": "whose words are not a list of texts",
    "width": "whose frames differ in form from the others",
    "non-finite": "with NaN or infinite values",
    "label": "whose label, or a rater's score, is not one of the task's",
}


def check(subject: Subject) -> Iterator[Finding]:
    """Report files, utterances and settings that cannot be used as they are."""
    yield from unreadable([error for error in subject.faults if not isinstance(error, UtteranceError)])
    yield from _frontend(subject)
    yield from _width(subject)
    reported: dict[str, list[UtteranceError]] = defaultdict(list)
    for error in subject.faults:
        if isinstance(error, UtteranceError):
            reported[error.kind].append(error)
    for kind, text in _TEXTS.items():
        if errors := reported[kind]:
            # An utterance may hold several such labels, or NaN in words and audio.
            named = dict.fromkeys(f"{error.id} ({error.split})" for error in errors)
            yield found(kind, len(named), f"{plural(len(named), 'utterance')} {text}; the first: {errors[0]}", named)


def unreadable(errors: Sequence[DataError]) -> Iterator[Finding]:
    """Report whole files, splits or lines that could not be read."""
    if errors:
        messages = (" ".join(str(error).split()) for error in errors)  # each on one line
        text = f"{plural(len(errors), 'part')} could not be read"
        yield found("unreadable", len(errors), text, messages, errors[0].hint or "")


def _width(subject: Subject) -> Iterator[Finding]:
    """Report frames that all have another width than their frontend makes."""
    corpus, maker = subject.corpus, subject.made_by
    rows = [row for row, length in enumerate(subject.audio.lengths) if length]
    if maker is not None and rows and corpus.audio.width != maker.width:
        text = f"{plural(len(rows), 'utterance')} with frames of {corpus.audio.width} values, expected {maker.width}"
        yield found("width", len(rows), text, places(corpus, rows))


def _frontend(subject: Subject) -> Iterator[Finding]:
    """Report frames that the recipe asks for and the corpus lacks."""
    for missing in missing_frames(subject.recipe, subject.corpus, subject.folder):
        yield found("frontend", 1, f"the corpus {missing.text}", missing.details, missing.hint)
