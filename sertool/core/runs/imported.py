"""Runs without training: predictions of another tool, of a ready model, or of a run on another corpus.

::

    ckpt/<name>/imported.json    where they come from, and how that was trained as far as it is known
    ckpt/<name>/log.jsonl        who read the labels
    ckpt/<name>/predictions/     the predictions, as of any other run

Such a run has no members to train, resume, average or export. Reports and comparisons judge it as any other.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from sertool.core.errors import UsageError
from sertool.core.files import artifacts
from sertool.core.files.typed_json import Content, Count, Text, read_typed

FILE = "imported.json"
IMPORTED_FORMAT = "sertool-imported/1"
PREDICTIONS, MODEL, CORPUS = "predictions", "model", "corpus"  # kinds
LABELS, PROBABILITIES, SCORES = "labels", "probabilities", "scores"  # what was answered
AGAIN = "store its predictions again: sertool import, judge or ensemble --corpus, as it was made"
UNKNOWN = "how it was trained is not known"
_WORDS = {PREDICTIONS: "imported", MODEL: "ready model", CORPUS: "judged on another corpus"}


@dataclass(frozen=True)
class Imported:
    """Facts on the predictions of a run that was not trained here.

    Attributes:
        kind: ``predictions`` of another tool, a ready ``model``, or a run on another ``corpus``.
        source: name of the file, of the model, or of the run.
        answers: ``labels`` alone, ``probabilities``, or ``scores``.
        split: the utterances that were judged: a split of the corpus, or ``all`` that have a label.
        training: how it was trained, as somebody stated it; None where it is not known.
        licence: licence of the model or of the predictions, if known.
        trained_on: corpora that it was trained on, as far as they are known.
        map: facts on the label map by which answers and labels were compared, as JSON; None without one.
        seen: corpora among ``trained_on`` that the judged corpus is, or is a part of.
    """

    kind: str
    source: str
    answers: str = PROBABILITIES
    split: str = "test"
    training: str | None = None
    licence: str | None = None
    trained_on: tuple[str, ...] = ()
    map: Mapping[str, Any] | None = None
    seen: tuple[str, ...] = ()

    @property
    def stated(self) -> str:
        """Sentence on its training for every place that shows a figure, without a full stop.

        >>> Imported("predictions", "theirs.csv").stated
        'imported: how it was trained is not known'
        >>> Imported("predictions", "theirs.csv", training="SVM on the train split").stated
        'imported, training as stated: SVM on the train split'
        """
        if self.training is None and self.trained_on:
            return f"{_WORDS[self.kind]}, trained on {', '.join(self.trained_on)} as stated"
        if self.training is None:
            return f"{_WORDS[self.kind]}: {UNKNOWN}"
        return f"{_WORDS[self.kind]}, training as stated: {self.training}"

    @property
    def no_test_split(self) -> str:
        """Sentence where the judged utterances are no split for judging; empty where they are one.

        >>> Imported("predictions", "theirs.csv", split="all").no_test_split
        'all utterances with a label were judged, not a test split'
        """
        if self.split in ("test", "valid"):
            return ""
        judged = "all utterances with a label were" if self.split == "all" else f"the {self.split} split was"
        return f"{judged} judged, not a test split"

    @property
    def has_probabilities(self) -> bool:
        """True if the answers say how sure they are; labels alone do not, and scores have no probabilities."""
        return self.answers == PROBABILITIES


class MapContent(Content):
    """Facts on a label map, see :class:`~sertool.core.corpora.class_maps.MapNote`."""

    map: Text
    sha256: str
    classes: list[str]
    fell_out: dict[str, Count]
    utterances: Count
    left_out: list[str] = Field(default_factory=list)
    absent: list[str] = Field(default_factory=list)


class ImportedContent(Content):
    """Facts on the predictions of a run that was not trained here, see :class:`Imported`."""

    kind: Literal["predictions", "model", "corpus"]
    source: str
    answers: Literal["labels", "probabilities", "scores"] = "probabilities"
    split: str = "test"
    training: str | None = None
    licence: str | None = None
    trained_on: list[str] = Field(default_factory=list)
    map: MapContent | None = None
    seen: list[str] = Field(default_factory=list)

    def facts(self) -> Imported:
        """Return the content as other code uses it."""
        given = self.model_dump()
        return Imported(**{**given, "trained_on": tuple(self.trained_on), "seen": tuple(self.seen)})


class _FileContent(ImportedContent):
    """Content of imported.json."""

    format: Literal["sertool-imported/1"]

    def facts(self) -> Imported:
        """Return the content as other code uses it."""
        return ImportedContent.model_validate(self.model_dump(exclude={"format"})).facts()


def plain_imported(imported: Imported) -> dict[str, Any]:
    """Return the facts as plain data, without those that are not known."""
    return {key: value for key, value in asdict(imported).items() if value not in (None, ())}


def write_imported(folder: Path, imported: Imported) -> None:
    """Write the facts into a run's folder, which marks it as one without training.

    Raises:
        SertoolError: the file cannot be written.
    """
    artifacts.write_json(folder / FILE, {"format": IMPORTED_FORMAT, **plain_imported(imported)})


def read_imported(folder: Path) -> Imported | None:
    """Read the facts of a run without training; None for every other folder.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    return read_typed(path, _FileContent, hint=AGAIN).facts()


def refuse_imported(folder: Path) -> None:
    """Refuse a run without training where trained members are needed.

    Args:
        folder: folder of a run; nothing happens where it is another one.

    Raises:
        UsageError: the folder holds such a run; the message says which and what can be done with it.
    """
    imported = read_imported(folder)
    if imported is None:
        return
    what = {
        PREDICTIONS: f"predictions imported from {imported.source}",
        MODEL: f"predictions of the ready model {imported.source}",
        CORPUS: f"predictions of {imported.source} on another corpus",
    }[imported.kind]
    raise UsageError(
        f"{folder}: holds {what}, and no trained members",
        hint="`sertool report` and `sertool compare` judge them; a run that `sertool train` made has members",
    )
