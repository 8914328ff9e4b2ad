"""A loaded text encoder: the states of the tokens of texts, long ones in overlapping pieces."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sertool.core.errors import DataError
from sertool.core.features.encoders.loading import load_encoder
from sertool.core.features.encoders.pieces import Span, batches
from sertool.core.features.encoders.source import ModelFiles
from sertool.core.features.encoders.text_pooling import Tokens, pieces_of

BATCH_TOKENS = {"cpu": 2_000, "cuda": 32_000}  # of a batch, padding included
# Architectures that give a text the same states in a padded batch as alone; others pool, mix or convolve over padding.
PADDED = (
    *("albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra", "eurobert", "modernbert"),
    *("mpnet", "nomic_bert", "roberta", "t5", "xlm-roberta"),
)


class _Piece(NamedTuple):
    """A text, or a piece of a long one: its ids, and the span of the text's states that it gives."""

    text: int
    ids: list[int]
    span: Span


class TextModel:
    """A loaded text encoder.

    Args:
        files: the model.
        layers: numbers of the layers whose states are computed; None for the last hidden state.
        device: where it computes.
        longest: tokens that its tokenizer allows; None without a limit.
        padding: number of the token that fills up shorter texts.

    Raises:
        DataError: the model cannot be loaded, or does not take tokens.
    """

    def __init__(
        self, files: ModelFiles, layers: Sequence[int] | None, device: str, longest: int | None, padding: int
    ) -> None:
        self.layers, self.padding = layers, padding
        self.padded = files.config["model_type"] in PADDED
        self.model = load_encoder(files, device)
        if self.model.main_input_name != "input_ids":
            raise DataError(f"{files.name}: is no text encoder, its input is {self.model.main_input_name}")
        self.longest = min(
            (limit for limit in (longest, positions_of(self.model)) if limit and limit > 0), default=None
        )

    def states(self, texts: Sequence[Tokens]) -> Iterator[tuple[int, Tensor]]:
        """Yield the number of each text, in the order in which they are done, and the states of its tokens.

        States are (T, layers * D), layer after layer, float32 on the CPU. Texts of similar length are computed
        together. The pieces of a long text overlap, and each has the special tokens at both ends.
        """
        pieces = [
            _Piece(number, *piece) for number, tokens in enumerate(texts) for piece in pieces_of(tokens, self.longest)
        ]
        parts: dict[int, list[tuple[int, Tensor]]] = {}
        largest = BATCH_TOKENS[self.model.device.type]
        for batch in batches([len(piece.ids) for piece in pieces], largest, padded=self.padded):
            together = [pieces[place] for place in batch]
            for piece, states in zip(together, self._run([piece.ids for piece in together]), strict=True):
                begin, first, last = piece.span
                parts.setdefault(piece.text, []).append((first, states[first - begin : last - begin]))
                if sum(len(own) for _, own in parts[piece.text]) == len(texts[piece.text].ids):
                    done = sorted(parts.pop(piece.text), key=lambda part: part[0])
                    yield piece.text, torch.cat([own for _, own in done])

    def _run(self, rows: Sequence[list[int]]) -> list[Tensor]:
        """Run the model's own forward pass over a batch, with a mask where lengths differ."""
        longest = max(map(len, rows))
        ids = torch.tensor([row + [self.padding] * (longest - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        device = self.model.device
        with torch.inference_mode():
            states = self.hidden(ids.to(device), mask.to(device)).float().cpu()
        return [own[: len(row)] for own, row in zip(states, rows, strict=True)]

    def hidden(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the hidden states (B, T, layers * D) of tokens; ``mask`` is 0 at padding."""
        outputs = self.model(input_ids=ids, attention_mask=mask, output_hidden_states=self.layers is not None)
        if self.layers is None:
            states: Tensor = outputs.last_hidden_state
            return states
        return torch.cat([outputs.hidden_states[layer] for layer in self.layers], dim=2)


def positions_of(model: Any) -> int | None:
    """Return the number of tokens that a model has positions for; None or -1 where it has any."""
    tables = (module for name, module in model.named_modules() if name.endswith("position_embeddings"))
    table = next((module for module in tables if isinstance(module, torch.nn.Embedding)), None)
    if table is None:
        stated: int | None = getattr(model.config, "max_position_embeddings", None)
        return stated
    # RoBERTa's positions begin after that of the padding.
    return table.num_embeddings - (0 if table.padding_idx is None else table.padding_idx + 1)
