"""Text encoders as a frontend: the states of a pretrained model are the text frames.

torch and transformers are imported where frames are computed, since doctor and reports ask for facts alone.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sertool.core.errors import DataError
from sertool.core.features.encoders.layers import check_layers
from sertool.core.features.encoders.source import ModelFiles, find_model
from sertool.core.formatting import first_few, plural
from sertool.core.recipe.frontends import TextEncoder
from sertool.core.recipe.sections import Section

if TYPE_CHECKING:
    from torch import Tensor

    from sertool.core.features.encoders.text_model import TextModel
    from sertool.core.features.encoders.tokens import Tokenizer

MOSTLY_UNKNOWN = 0.5  # share of a text's tokens; above it, a text is hardly in a language of the model


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


class TextFrames:
    """The frontend of text encoders; see :class:`~sertool.core.features.frontend.TextFrameMaker`.

    Attributes:
        layers: number of layers side by side in a frame.
        device: where frames are computed, ``cpu`` or ``cuda:0``; set it before the first ones.
    """

    name = "text-encoder"

    def __init__(self, settings: TextEncoder, facts: Facts | None = None) -> None:
        self.settings = settings
        self.note: Mapping[str, Any] = {"name": self.name, **settings.model_dump()}
        self.layers = len(settings.layers or [None])
        self.device = "cpu"
        self.known = facts

    @classmethod
    def from_note(cls, note: Mapping[str, Any]) -> "TextFrames":
        """Open the frontend of a recipe or a corpus; raise ValueError where the settings or facts are none of it."""
        facts = {key: note[key] for key in Facts.model_fields if key in note}
        settings = {key: value for key, value in note.items() if key != "name" and key not in facts}
        return cls(TextEncoder.model_validate(settings), Facts.model_validate(facts) if facts else None)

    @cached_property
    def facts(self) -> Facts:
        """Facts of the model, which is looked for where the note did not hold them.

        Raises:
            UsageError: it is not found, or does not have the layers.
            DataError: it cannot be used, or is no text encoder.
        """
        if self.known is not None:
            return self.known
        files = self._files
        width, depth = _sizes(files)
        check_layers(files.name, self.settings.layers, depth)
        return Facts(weights=files.weights, width=self.layers * width, licence=files.licence)

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

    def frames(self, texts: Sequence[str]) -> "list[Tensor]":
        """Compute (T, width) float32 frames of each text, in batches by length; T = 0 for one without a letter or sign.

        Raises:
            DataError: the model cannot be loaded, or is not the one of the facts.
        """
        import torch

        from sertool.core.features.encoders.text_pooling import pooled

        frames = [torch.zeros(0, self.width)] * len(texts)
        given = [number for number, text in enumerate(texts) if text.strip()]
        tokens = self._tokenizer.tokens([texts[number] for number in given])
        for place, states in self._model.states(tokens):
            made = pooled(states.numpy(), tokens[place].words, self.settings.pool)
            frames[given[place]] = torch.from_numpy(made)
        return frames

    def unknown(self, texts: Sequence[str]) -> list[float]:
        """Return for each text the share of its tokens that the tokenizer does not know; 0 for an empty text.

        Raises:
            DataError: the tokenizer cannot be loaded.
        """
        return self._tokenizer.unknown(texts)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the loaded model and the place of its files, which another machine does not have."""
        return {key: value for key, value in self.__dict__.items() if key not in ("_model", "_tokenizer", "_files")}

    @cached_property
    def _files(self) -> ModelFiles:
        files = find_model(self.settings.model, self.settings.revision, "text")
        if self.known is not None and files.weights != self.known.weights:
            raise DataError(
                f"{self.settings.model}: is not the model that is expected here: its hash is {files.weights[:12]}, "
                f"expected {self.known.weights[:12]}",
                hint="use the files that the corpus was prepared with; with others, prepare and train anew",
            )
        return files

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        from sertool.core.features.encoders.tokens import Tokenizer

        return Tokenizer(self._files, self.settings.prefix)

    @cached_property
    def _model(self) -> "TextModel":
        from sertool.core.features.encoders.text_model import TextModel

        tokenizer = self._tokenizer
        return TextModel(self._files, self.settings.layers, self.device, tokenizer.longest, tokenizer.padding)


def _sizes(files: ModelFiles) -> tuple[int, int]:
    """Return the width of a text encoder's states and the number of its layers.

    Raises:
        DataError: its settings state neither.
    """
    from transformers import AutoConfig

    # Architectures call these numbers differently; transformers' own class knows how.
    config = AutoConfig.from_pretrained(files.folder, trust_remote_code=False, local_files_only=True)
    try:
        return int(config.hidden_size), int(config.num_hidden_layers)
    except AttributeError as error:
        raise DataError(
            f"{files.name}: is no text encoder, its config.json states no {error.name}",
            hint="expected a model such as BERT, RoBERTa, DeBERTa, ModernBERT or MiniLM",
        ) from error


def unknown_warnings(maker: TextFrames, names: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Warn of texts whose tokens are mostly unknown to the tokenizer, as those in a script that it does not know.

    Args:
        maker: the text encoder.
        names: name of each text in the warning.
        texts: the texts.
    """
    shares = maker.unknown(texts)
    mostly = [f"{name} ({share:.0%})" for name, share in zip(names, shares, strict=True) if share > MOSTLY_UNKNOWN]
    if not mostly:
        return []
    return [
        f"{maker.settings.model}: most tokens are unknown to its tokenizer in {plural(len(mostly), 'text')} of "
        f"{len(texts):,}: {first_few(mostly, 20)}; choose a model for their language, or leave them out"
    ]
