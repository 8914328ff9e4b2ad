"""Turn texts into a model's frames, by the graph of a pretrained encoder.

A bundle holds a copy of this file and of the two that it imports of the package; it needs numpy and tokenizers. The
frames are those of :mod:`sertool.core.features.encoders.text`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from sertool.core.features.encoders.text_pooling import Tokens, pieces_of, pooled, tokens_of, unknown_share


class TextEncoder:
    """The encoder of texts.

    Args:
        session: an onnxruntime session of ``text_encoder.onnx``.
        settings: entry ``encoders.text`` of ``settings.json``.
        folder: folder of the bundle.
    """

    def __init__(self, session: Any, settings: Mapping[str, Any], folder: Path) -> None:
        self.session, self.settings = session, settings
        self.tokenizer = Tokenizer.from_file(str(folder / settings["tokenizer"]))

    def frames(self, text: str) -> NDArray[np.float32]:
        """Return the frames (T, D) of a text; there are none without a letter or sign."""
        settings = self.settings
        if not text.strip():
            return np.zeros((0, settings["width"]), np.float32)
        tokens, parts = self._tokens(text), []
        for ids, (begin, first, last) in pieces_of(tokens, settings["longest"]):
            states = self.session.run(None, {"tokens": np.array([ids], np.int64)})[0][0]
            parts.append(states[first - begin : last - begin])
        return pooled(np.concatenate(parts), tokens.words, settings["pool"])

    def unknown(self, text: str) -> float:
        """Return the share of a text's tokens that the encoder does not know."""
        return unknown_share(text, self._tokens(text), self.settings["unknown"])

    def _tokens(self, text: str) -> Tokens:
        whole = self.settings["prefix"] + text
        return tokens_of(whole, len(self.settings["prefix"]), self.tokenizer.encode(whole))
