"""Ready text models of transformers: a classifier of texts, in batches of similar length."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from sertool.core.features.encoders.libraries import quiet
from sertool.core.features.encoders.pieces import batches
from sertool.core.features.encoders.source import ModelFiles
from sertool.core.features.encoders.text_model import BATCH_TOKENS, PADDED, positions_of
from sertool.core.features.encoders.tokens import Tokenizer
from sertool.core.inference.ready.facts import facts_of
from sertool.core.inference.ready.speech import load_classifier


class TextModel:
    """A model that classifies texts, or predicts scores of them.

    Args:
        files: the model.
        device: where it computes, in float32.
        batch: most texts that are computed at a time. Default: as many as fill the device.

    Raises:
        DataError: its head is of no known layout, or its weights or its tokenizer are damaged.
    """

    def __init__(self, files: ModelFiles, device: str, batch: int | None) -> None:
        from transformers import AutoModelForSequenceClassification

        self._model = load_classifier(files, AutoModelForSequenceClassification, device)
        self._tokenizer = Tokenizer(files, "")
        self._padded = files.config["model_type"] in PADDED
        # A decoder finds the last token of each text by that of the padding; without one it takes a text at a time.
        self._most = 1 if self._model.config.pad_token_id is None else batch
        self._largest = BATCH_TOKENS[device.partition(":")[0]]
        limits = (self._tokenizer.longest, positions_of(self._model))
        longest = min((float(limit) for limit in limits if limit and limit > 0), default=None)
        self.facts = facts_of(files, "text", longest=longest)

    def outputs(self, inputs: Sequence[str]) -> NDArray[np.float32]:
        """Compute logits, or scores, (N, C) of N texts."""
        made = np.zeros((len(inputs), len(self.facts.names)), np.float32)
        if not inputs:
            return made
        with quiet():
            given = self._tokenizer.own(
                list(inputs),
                truncation=self.facts.longest is not None,
                max_length=None if self.facts.longest is None else int(self.facts.longest),
                padding=False,
            )
        columns = {name: values for name, values in given.items() if name != "attention_mask"}
        ids = given["input_ids"]
        for batch in batches([len(own) for own in ids], self._largest, padded=self._padded):
            for start in range(0, len(batch), self._most or len(batch)):
                own = batch[start : start + (self._most or len(batch))]
                made[own] = self._run({name: [values[place] for place in own] for name, values in columns.items()})
        return made

    def _run(self, columns: dict[str, list[list[int]]]) -> NDArray[np.float32]:
        """Run the model's own forward pass over a batch, with a mask where lengths differ."""
        rows = columns["input_ids"]
        longest, device = max(map(len, rows)), self._model.device
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        filling = {"input_ids": self._tokenizer.padding}
        given = {
            name: torch.tensor([row + [filling.get(name, 0)] * (longest - len(row)) for row in values]).to(device)
            for name, values in columns.items()
        }
        with torch.inference_mode():
            logits = self._model(**given, attention_mask=mask.to(device)).logits
        made: NDArray[np.float32] = logits.float().cpu().numpy()
        return made
