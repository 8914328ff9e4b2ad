"""The kinds of finding, each with its severity and advice, and a finding of one of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sertool.core.corpora.corpus import GROUPS, Corpus
from sertool.core.formatting import printable

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
SHOWN = 5  # examples of a finding


@dataclass(frozen=True)
class Kind:
    """A kind of finding.

    Attributes:
        severity: ``error`` makes the data unusable or the figures wrong, ``warning`` distorts figures, ``note`` is
            worth knowing.
        short: for the summary in a line; ``{}`` stands for the number.
        number: what it counts, for the documentation.
        advice: what to do.
    """

    severity: Severity
    short: str
    number: str
    advice: str


# In the order they are told, and that of docs/doctor.md.
KINDS: Mapping[str, Kind] = {
    "unreadable": Kind(
        "error",
        "{} unreadable",
        "files, splits or lines that cannot be read",
        "get the file again; the message says what is wrong with it",
    ),
    "empty-split": Kind(
        "error",
        "empty splits: {}",
        "splits the recipe needs in which no utterance has a label",
        "add the split's files, or let the recipe cut one: --set splits.scheme=holdout",
    ),
    "division": Kind(
        "error",
        "cannot be divided",
        "1: the recipe's division into train, valid and test cannot be made of this corpus",
        "change the recipe's splits; sertool train would stop with the same message",
    ),
    "frontend": Kind(
        "error",
        "another frontend",
        "1: the corpus was prepared with other frontend settings than the recipe's",
        "prepare it again with this recipe, or give the corpus's own settings by --set frontend.KEY=VALUE",
    ),
    "counts": Kind(
        "error",
        "published counts differ",
        "splits whose number of utterances, or of a class, is not the published one",
        "get the published files again; figures on other data do not compare with the paper's",
    ),
    "words": Kind(
        "error",
        "{} with invalid words",
        "utterances whose words are no list of texts",
        "write their words anew, or leave them out",
    ),
    "width": Kind(
        "error",
        "{} of wrong width",
        "utterances whose frames have another width, shape or kind of number than the corpus's",
        "extract their features anew with the settings of the others",
    ),
    "non-finite": Kind(
        "error",
        "{} non-finite",
        "utterances with NaN or infinite values",
        "extract their features anew, or leave them out: one such value spoils a whole training",
    ),
    "label": Kind(
        "error",
        "{} with invalid label",
        "utterances whose label is none of the task's",
        "correct the label, or give the task it belongs to by --set dataset.task=NAME",
    ),
    "valid-is-test": Kind(
        "error",
        "valid and test have the same content",
        "utterances of a validation split that repeats the test split under another name",
        "get the right files of the two splits; until then every figure is selected on test",
    ),
    "duplicates-across": Kind(
        "error",
        "duplicates across splits: {}",
        "utterances with the words and audio of one in another split",
        "keep each in one split only: what was trained on cannot test",
    ),
    "selected-on-test": Kind(
        "warning",
        "selected on test",
        "test utterances that validate too, as the recipe asks for",
        "take the recipe's honest variant (NAME-honest) for figures of your own",
    ),
    **{
        f"shared-{group}s": Kind(
            "warning",
            f"{group}s shared: {{}}",
            f"{group}s in two of train, valid and test, over all folds",
            f"divide by {group}: --set splits.scheme=holdout --set splits.group={group}",
        )
        for group in GROUPS
    },
    "left-out": Kind(
        "warning",
        "{} left out",
        "utterances of the source that could not be used for other reasons than the next three",
        "repair what the reason names and make the corpus again",
    ),
    "no-text": Kind(
        "warning",
        "{} without text",
        "utterances without words, or whose words clean to nothing",
        "transcribe them; the model sees only their audio, or not them at all",
    ),
    "no-audio": Kind(
        "warning",
        "{} without audio",
        "utterances without frames",
        "extract their features; the model sees only their text, or not them at all",
    ),
    "no-label": Kind(
        "warning",
        "{} without label",
        "utterances outside the private split without a label of the task",
        "label them; they neither train nor test",
    ),
    "silent": Kind(
        "warning",
        "{} silent",
        "utterances with frames that hold no sound: all values at the frontend's floor",
        "listen to the recordings; a file may be damaged or its channel empty",
    ),
    "clipped": Kind(
        "warning",
        "{} clipped",
        "utterances with more than 1 % of their log-mel values at the ceiling 1.0",
        "extract their features from a quieter copy of the recording",
    ),
    "range": Kind(
        "warning",
        "{} out of range",
        "utterances with log-mel values outside 0 to 1",
        "make the frames with the reference's frontend (docs/reference.md); these are scaled otherwise",
    ),
    "duplicates-within": Kind(
        "warning",
        "duplicates within a split: {}",
        "utterances with the words and audio of another one of their split",
        "keep one of each: repeats count double in training and in figures",
    ),
    "contradicting": Kind(
        "warning",
        "{} with two labels",
        "recordings whose very audio has different labels",
        "decide for one label; no model can be right about both",
    ),
    "cut-text": Kind(
        "note",
        "texts cut: {}",
        "utterances with more words than dataset.max_text_length",
        "raise dataset.max_text_length if the end matters",
    ),
    "cut-audio": Kind(
        "note",
        "recordings cut: {}",
        "utterances with more frames than dataset.max_audio_length",
        "raise dataset.max_audio_length if the end matters",
    ),
    "no-vector": Kind(
        "note",
        "words without a vector: {}",
        "different training words that start from zeros",
        "nothing to do for names and slips; many of them mean vectors of another language",
    ),
    "no-vectors": Kind(
        "note",
        "no word vectors",
        "1: the recipe's word vectors cannot be read",
        "sertool fetch-data vectors, or another source by --set dataset.vectors=NAME",
    ),
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth knowing.

    Attributes:
        kind: a key of ``KINDS``.
        severity: of the kind.
        number: how many, of what the kind counts.
        text: a sentence.
        examples: at most five, as ``id (split)`` or what fits the kind.
        advice: what to do.
    """

    kind: str
    severity: Severity
    number: int
    text: str
    examples: tuple[str, ...]
    advice: str

    @property
    def short(self) -> str:
        """A few words for a summary."""
        return KINDS[self.kind].short.format(f"{self.number:,}")

    def to_json(self) -> dict[str, Any]:
        """As plain data for a JSON file."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "number": self.number,
            "text": self.text,
            "examples": list(self.examples),
            "advice": self.advice,
        }


def found(kind: str, number: int, text: str, examples: Iterable[str] = (), advice: str = "") -> Finding:
    """A finding of a kind; without ``advice`` it carries the kind's."""
    few = tuple(printable(example) for _, example in zip(range(SHOWN), examples, strict=False))
    return Finding(
        kind, KINDS[kind].severity, number, printable(text), few, printable(advice) or KINDS[kind].advice
    )


def places(corpus: Corpus, rows: Iterable[int]) -> Iterable[str]:
    """``id (split)`` of utterances, one after the other."""
    return (place(corpus, row) for row in rows)


def place(corpus: Corpus, row: int) -> str:
    """``id (split)`` of an utterance."""
    utterance = corpus.utterances[row]
    return f"{utterance.id} ({utterance.split})"
