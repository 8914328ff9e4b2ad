"""Text encoders as a frontend: the states of a pretrained model are the text frames.

torch and transformers are imported where frames are computed, since doctor and reports ask for facts alone.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from sertool.core.errors import DataError
from sertool.core.features.encoders.base import EncoderFrames, Facts
from sertool.core.features.encoders.layers import check_layers
from sertool.core.features.encoders.source import ModelFiles
from sertool.core.recipe.frontends import TextEncoder

if TYPE_CHECKING:
    from torch import Tensor

    from sertool.core.features.encoders.text_model import TextModel
    from sertool.core.features.encoders.tokens import Tokenizer


class TextFrames(EncoderFrames[TextEncoder, Facts]):
    """The frontend of text encoders; see :class:`~sertool.core.features.frontend.TextFrameMaker`."""

    name = "text-encoder"
    kind = "text"
    section = TextEncoder
    section_of_facts = Facts

    def find_facts(self) -> Facts:
        """Return the facts of the model, which is found but not loaded."""
        files = self._files
        return Facts(weights=files.weights, width=self.layers * _sizes(files)[0], licence=files.licence)

    def check(self, files: ModelFiles) -> None:
        """Refuse a model that is no text encoder, or does not have the layers."""
        check_layers(files.name, self.settings.layers, _sizes(files)[1])

    def frames(self, texts: Sequence[str]) -> "list[Tensor]":
        """Compute (T, width) float32 frames of each text, in batches by length; T = 0 for one without a letter or sign.

        Raises:
            DataError: the model cannot be loaded, or is not the one of the facts.
        """
        import torch

        from sertool.core.features.encoders.text_pooling import pooled

        frames = [torch.zeros(0, self.width)] * len(texts)
        given = [number for number, text in enumerate(texts) if text.strip()]
        tokens = self.tokenizer.tokens([texts[number] for number in given])
        for place, states in self.model.states(tokens):
            made = pooled(states.numpy(), tokens[place].words, self.settings.pool)
            frames[given[place]] = torch.from_numpy(made)
        return frames

    def unknown(self, texts: Sequence[str]) -> list[float]:
        """Return for each text the share of its tokens that the tokenizer does not know; 0 for an empty text.

        Raises:
            DataError: the tokenizer cannot be loaded.
        """
        return self.tokenizer.unknown(texts)

    @cached_property
    def tokenizer(self) -> "Tokenizer":
        """The loaded tokenizer."""
        from sertool.core.features.encoders.tokens import Tokenizer

        return Tokenizer(self._files, self.settings.prefix)

    @cached_property
    def model(self) -> "TextModel":
        """The loaded model."""
        from sertool.core.features.encoders.text_model import TextModel

        tokenizer = self.tokenizer
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
