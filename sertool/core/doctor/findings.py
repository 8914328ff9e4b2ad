"""The kinds of finding with their severity and advice, and a single finding."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sertool.core.corpora.corpus import GROUPS, Corpus
from sertool.core.formatting import printable

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
SHOWN = 5  # examples that a finding keeps


@dataclass(frozen=True)
class Kind:
    """A kind of finding.

    Attributes:
        severity: ``error`` makes the data unusable or the figures wrong, ``warning`` distorts figures, ``note`` is
            worth knowing.
        short: wording in the one-line summary; ``{}`` stands for the number.
        number: the things that it counts, for the documentation.
        advice: next step for the user.
    """

    severity: Severity
    short: str
    number: str
    advice: str


# In the order of reports within a severity, and of docs/doctor.md.
KINDS: Mapping[str, Kind] = {
    "unreadable": Kind(
        "error",
        "{} unreadable",
        "files, splits or lines that cannot be read",
        "download or copy the file again; the message says what is wrong with it",
    ),
    "empty-split": Kind(
        "error",
        "empty splits: {}",
        "splits that the recipe needs and in which no utterance has a label",
        "add the split's files, or cut one from training: --set splits.scheme=holdout",
    ),
    "division": Kind(
        "error",
        "cannot be divided",
        "1: the recipe's division into train, valid and test is impossible for this corpus",
        "change the recipe's splits; sertool train would stop with the same message",
    ),
    "frontend": Kind(
        "error",
        "another frontend",
        "1: the corpus has no frames of the recipe's frontend, or of its text encoder",
        "add them by sertool prepare data/MYSET --recipe NAME, or give the corpus's own settings with --set",
    ),
    "splitting": Kind(
        "error",
        "words split in another way",
        "1: the texts of the corpus are split into words in another way than dataset.words of the recipe says",
        "prepare it again with this recipe, or train with --set dataset.words=auto",
    ),
    "counts": Kind(
        "error",
        "published counts differ",
        "splits whose number of utterances, in total or in a class, differs from the published one",
        "get the published files again; figures on other data cannot be compared with the paper's",
    ),
    "words": Kind(
        "error",
        "{} with invalid words",
        "utterances whose words are not a list of texts",
        "correct their words, or leave the utterances out",
    ),
    "width": Kind(
        "error",
        "{} of wrong width",
        "utterances whose frames have another width, shape or type of number than those of the corpus",
        "extract their features again with the settings of the others",
    ),
    "non-finite": Kind(
        "error",
        "{} non-finite",
        "utterances with NaN or infinite values",
        "extract their features again, or leave them out: one such value spoils a whole training",
    ),
    "label": Kind(
        "error",
        "{} with invalid label",
        "utterances whose label, or a rater's score, is not one of the task's",
        "correct it, or name the task it belongs to with --set dataset.task=NAME",
    ),
    "valid-is-test": Kind(
        "error",
        "valid and test have the same content",
        "utterances of a validation split that is a copy of the test split under other names",
        "get the right files for both splits; until then every figure is selected on test",
    ),
    "duplicates-across": Kind(
        "error",
        "duplicates across splits: {}",
        "utterances with the words and audio of one in another split",
        "keep each in one split only: a model must not be tested on utterances it was trained on",
    ),
    "copies-across": Kind(
        "error",
        "copies across splits: {}",
        "utterances that sound like a copy of one in another split: another codec, level or length of one recording",
        "keep each recording in one split only; listen to the pairs that are named",
    ),
    "contaminated": Kind(
        "error",
        "contaminated: {}",
        "with --against: test utterances (all, without a test split) that the other corpus or a run's training has too",
        "leave them out of test or of training: figures on utterances that a model was trained on mean nothing",
    ),
    "published": Kind(
        "warning",
        "counts unlike the published corpus: {}",
        "counts of a published corpus (utterances, classes, speakers, hours) that differ from its owner's",
        "see docs/corpora.md: files may be missing from this copy, or it is another release",
    ),
    "names": Kind(
        "warning",
        "doubtful names: {}",
        "classes, speakers and other groups that look like another one, or stand for a missing value (nan, #N/A)",
        "prepare the corpus again: names that look alike become one, and missing labels are refused",
    ),
    "spellings": Kind(
        "warning",
        "doubtful spellings: {}",
        "classes and speakers with several likely spellings: by case, by spaces, or (classes) by one letter",
        "if each is one name, correct the table, or prepare it again with --map-labels OLD=NEW",
    ),
    "joined-labels": Kind(
        "warning",
        "labels joined: {}",
        "classes whose name looks like several labels: `happy, sad`, or `happy/sad` beside `happy` and `sad`",
        "if they are several, prepare the table again: docs/own-data.md says how several labels are written",
    ),
    "text-cannot-tell": Kind(
        "warning",
        "the text cannot tell",
        "texts that occur with several labels, where the text says next to nothing about the label",
        "train on the recordings alone: --set 'dataset.modalities=[audio]'",
    ),
    "raters-disagree": Kind(
        "warning",
        "raters disagree",
        "utterances that several people rated who hardly agree: Krippendorff's alpha is below 0.2",
        "train on what each rater said: --recipe custom-votes, or --set dataset.labels=soft in another recipe; and "
        "compare accuracy with the ceiling of the raters",
    ),
    "shares-distorted": Kind(
        "warning",
        "shares of the raters distorted",
        "settings of the recipe that keep a model of raters' votes from learning their shares as they are",
        "leave the shares as they are: --set training.class_weights=none --set training.label_smoothing=0, as the "
        "recipe custom-votes does",
    ),
    "selected-on-test": Kind(
        "warning",
        "selected on test",
        "test utterances that are used for validation too, as the recipe says",
        "use the recipe's honest variant (NAME-honest) for figures of your own",
    ),
    **{  # one kind for each unit, since some corpora share dialogues and no speakers
        f"shared-{group}s": Kind(
            "warning",
            f"{group}s shared: {{}}",
            f"{group}s in two of train, valid and test, over all folds",
            f"divide by {group}: --set splits.scheme=holdout --set splits.group={group}",
        )
        for group in GROUPS
    },
    "shared-folds": Kind(
        "warning",
        "speakers in several folds: {}",
        "speakers that several of the folds that came with the corpus test (EmoBox's), so that they train on them, too",
        "say so beside figures of these folds, or cross-validate by speaker: --set splits.group=speaker",
    ),
    "speakers-unknown": Kind(
        "warning",
        "speakers unknown",
        "utterances of which neither speaker nor session, dialogue or video is known",
        "name them in a column speaker, or take them from the file names: sertool prepare --pattern "
        "'{speaker}_{label}_{utterance}.wav'",
    ),
    "few-speakers": Kind(
        "warning",
        "too few speakers: {}",
        "speakers (else dialogues, videos or sessions) of test, or else of validation, if there are fewer than five",
        "cross-validate with --set splits.scheme=folds",
    ),
    # The next kinds are about single utterances.
    "left-out": Kind(
        "warning",
        "{} left out",
        "utterances of the source that could not be used, for other reasons than the next three",
        "mend what the reason names and prepare the corpus again",
    ),
    "no-text": Kind(
        "warning",
        "{} without text",
        "utterances without words, or with nothing left after cleaning",
        "transcribe them; the model sees only their audio, or they are left out",
    ),
    "unsplit": Kind(
        "warning",
        "{} not split into words",
        "texts in a script without spaces, each of whose sentences counts as one word",
        "prepare the corpus again, with --set dataset.words=auto: words or characters will be words of the model",
    ),
    "no-audio": Kind(
        "warning",
        "{} without audio",
        "utterances without frames",
        "extract their features; the model sees only their text, or they are left out",
    ),
    "no-label": Kind(
        "warning",
        "{} without label",
        "utterances outside the private split without a label of the task",
        "label them; they are used neither for training nor for testing",
    ),
    "raters-tie": Kind(
        "note",
        "{} without a majority",
        "utterances without a label of their own whose raters tie, so that no class has the majority",
        "--recipe custom-votes, or --set dataset.labels=soft in another recipe, trains on what the raters said; "
        "otherwise they are used neither for training nor for testing",
    ),
    "silent": Kind(
        "warning",
        "{} silent",
        "utterances without any sound: all values are at the frontend's floor",
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
        "make the frames with the reference's frontend (docs/reference.md); these have another scale",
    ),
    "duplicates-within": Kind(
        "warning",
        "duplicates within a split: {}",
        "utterances with the words and audio of another one in their split",
        "keep one of each: repeats count double in training and in figures",
    ),
    "contradicting": Kind(
        "warning",
        "{} with two labels",
        "recordings with identical audio and different labels",
        "choose one label; no model can be right about both",
    ),
    "other-task": Kind(
        "note",
        "{} without a class",
        "utterances of a published corpus without a class of the task, but with labels of its other tasks",
        "no fault: this task leaves them out, and a recipe for another task uses them",
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
    "also-there": Kind(
        "note",
        "in the other corpus too: {}",
        "with --against: utterances outside test that the other corpus, or a run's training, has too",
        "no fault where figures are about test alone; a training on both sees them twice",
    ),
    "same-transcripts": Kind(
        "note",
        "transcripts in both: {}",
        "with --against: test utterances whose transcript of five or more words the other corpus has too",
        "no fault of corpora whose actors speak the same sentences; a model of the text has seen them",
    ),
    "same-speakers": Kind(
        "note",
        "speakers in both: {}",
        "with --against: speakers of test whose name is one of a speaker of the other corpus",
        "if they are the same people, a model has heard their voices; names such as 01 are often those of others",
    ),
    "not-by-sound": Kind(
        "note",
        "compared by hash alone: {}",
        "with --against: test utterances that were compared by the hash of their frames alone",
        "prepare the recordings again (sertool prepare --force): copies in another format are then found by sound",
    ),
    "training-unknown": Kind(
        "note",
        "training not known any more",
        "1, with --against RUN: some of what the run was trained on is not there any more, so only hashes of it are "
        "compared",
        "put the corpus back where the run's recipe names it, to compare by sound, too",
    ),
    "no-vector": Kind(
        "note",
        "words without a vector: {}",
        "distinct training words, whose vectors start from zeros",
        "ignore names and misspellings; many missing words mean vectors of another language",
    ),
    "no-vectors": Kind(
        "note",
        "no word vectors",
        "1: the recipe's word vectors cannot be read",
        "sertool fetch-data vectors, or name another source with --set dataset.vectors=NAME",
    ),
}


@dataclass(frozen=True)
class Finding:
    """A problem of a corpus, or a fact worth knowing.

    Attributes:
        kind: a key of ``KINDS``.
        severity: severity of the kind.
        number: number of the things that the kind counts.
        text: one sentence.
        examples: at most five, as ``id (split)`` or in the form that fits the kind.
        advice: next step for the user.
    """

    kind: str
    severity: Severity
    number: int
    text: str
    examples: tuple[str, ...]
    advice: str

    @property
    def short(self) -> str:
        """The finding in a few words, for a summary."""
        return KINDS[self.kind].short.format(f"{self.number:,}")

    def to_json(self) -> dict[str, Any]:
        """Return the finding as plain data for a JSON file."""
        return asdict(self)


def found(kind: str, number: int, text: str, examples: Iterable[str] = (), advice: str = "") -> Finding:
    """Make a finding; without ``advice`` it carries that of its kind."""
    # Ids and messages come from files, so they may hold what no terminal should be sent.
    few = tuple(printable(example) for _, example in zip(range(SHOWN), examples, strict=False))
    return Finding(kind, KINDS[kind].severity, number, printable(text), few, printable(advice) or KINDS[kind].advice)


def places(corpus: Corpus, rows: Iterable[int]) -> Iterable[str]:
    """Yield utterances as ``id (split)``."""
    return (place(corpus, row) for row in rows)


def place(corpus: Corpus, row: int) -> str:
    """Return an utterance as ``id (split)``."""
    utterance = corpus.utterances[row]
    return f"{utterance.id} ({utterance.split})"
