"""The part that the frontends of speech and text encoders share: settings, facts of the model, and its files."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Generic, TypeVar

from sertool.core.errors import DataError
from sertool.core.features.encoders.source import Kind, ModelFiles, find_model
from sertool.core.recipe.frontends import SpeechEncoder, TextEncoder
from sertool.core.recipe.sections import Section


class Facts(Section):
    """Facts of a model that a corpus keeps, so that it is read without the model.

    Attributes:
        weights: hash of the model.
        width: values of a frame.
        licence: as the model's card states it.
    """

    weights: str
    width: int
    licence: str | None = None


_SENT = ("settings", "note", "layers", "device", "known", "facts")  # to other processes

Settings = TypeVar("Settings", SpeechEncoder, TextEncoder)
OwnFacts = TypeVar("OwnFacts", bound=Facts)
Self = TypeVar("Self", bound="EncoderFrames[Any, Any]")


class EncoderFrames(Generic[Settings, OwnFacts]):
    """A pretrained encoder as a frontend; a subclass names its sections, finds facts and makes frames.

    Attributes:
        settings: section of the recipe.
        note: the settings as plain data, with the name of the frontend.
        layers: number of layers side by side in a frame.
        device: where frames are computed, ``cpu`` or ``cuda:0``; set it before the first ones.
        known: facts that a corpus's note held; None for a recipe's section.
    """

    name: str
    kind: Kind
    settings: Settings
    section: type[Settings]
    section_of_facts: type[OwnFacts]

    def __init__(self, settings: Settings, facts: OwnFacts | None = None) -> None:
        self.settings = settings
        self.note: Mapping[str, Any] = {"name": self.name, **settings.model_dump()}
        self.layers = len(settings.layers or [None])
        self.device = "cpu"
        self.known = facts

    @classmethod
    def from_note(cls: type[Self], note: Mapping[str, Any]) -> Self:
        """Open the frontend of a recipe or a corpus; raise ValueError where the settings or facts are none of it."""
        facts = {key: note[key] for key in cls.section_of_facts.model_fields if key in note}
        settings = {key: value for key, value in note.items() if key != "name" and key not in facts}
        known = cls.section_of_facts.model_validate(facts) if facts else None
        return cls(cls.section.model_validate(settings), known)

    def find_facts(self) -> OwnFacts:
        """Return the facts of the model, which is found but not loaded."""
        raise NotImplementedError

    @cached_property
    def facts(self) -> OwnFacts:
        """Facts of the model, which is looked for where the note did not hold them.

        Raises:
            UsageError: it is not found, or does not have the layers.
            DataError: it cannot be used.
        """
        return self.known or self.find_facts()

    @cached_property
    def weights(self) -> str:
        """Hash of the model."""
        return self.facts.weights

    @cached_property
    def version(self) -> int | str:
        """Hash of the model, part of cache keys."""
        return self.facts.weights

    @cached_property
    def width(self) -> int:
        """Values of a frame."""
        return self.facts.width

    def described(self) -> Mapping[str, Any]:
        """Return the note with the model's facts."""
        return {**self.note, **self.facts.model_dump()}

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the loaded model and the place of its files, which another machine does not have."""
        return {key: value for key, value in self.__dict__.items() if key in _SENT}

    @cached_property
    def _files(self) -> ModelFiles:
        files = find_model(self.settings.model, self.settings.revision, self.kind)
        if self.known is not None and files.weights != self.known.weights:
            raise DataError(
                f"{self.settings.model}: is not the model that is expected here: its hash is {files.weights[:12]}, "
                f"expected {self.known.weights[:12]}",
                hint="use the files that the corpus was prepared with; with others, prepare and train anew",
            )
        self.check(files)
        return files

    def check(self, files: ModelFiles) -> None:
        """Refuse a model that this frontend cannot run, or that does not have the layers.

        Raises:
            UsageError: there is no such layer.
            DataError: the architecture is another one.
        """
        raise NotImplementedError
