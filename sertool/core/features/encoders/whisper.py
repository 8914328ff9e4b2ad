"""Whisper's encoder as a speech encoder, loaded by transformers or CTranslate2.

Whisper was trained on 30 s, shorter recordings filled up with silence; its encoder takes any length where the positions
are cut to it. Its log-mel frames come from its own feature extractor, two of them make a state.
"""

import os
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from sertool.core.errors import DataError
from sertool.core.features.encoders.ctranslate2_weights import read_encoder
from sertool.core.features.encoders.engine import filled, load_extractor
from sertool.core.features.encoders.libraries import quiet
from sertool.core.features.encoders.loading import load_encoder
from sertool.core.features.encoders.pieces import Piece, spans
from sertool.core.features.encoders.source import ModelFiles

Padding = Literal["none", "full"]

INPUT = "input_features"  # of the models, as their feature extractors call it
MELS_PER_STATE = 2
_BLOCK = 12_000  # log-mel frames that are computed at a time, two minutes: the spectrum of an hour takes a gigabyte
_RANGE = 2.0  # the extractor raises values to at least so much below the largest: 8 powers of ten, divided by 4
CONTEXT = 100  # states, two seconds
_LONGEST = 1500  # states, 30 s, which CTranslate2 does not state


class _WhisperEncoder:
    """Parts of the engine that do not depend on the library."""

    padded = False

    def __init__(self, files: ModelFiles, extractor: Any, longest: int, padding: Padding) -> None:
        self.files, self.extractor, self.longest, self.padding = files, extractor, longest, padding

    def pieces(self, waveform: Tensor) -> list[Piece]:
        """Compute the log-mels of a waveform, and cut those of a long one into pieces of 30 s."""
        per_state = MELS_PER_STATE * self.extractor.hop_length
        count = max(1, len(waveform) // per_state)
        longest = self.longest * per_state
        least = longest if self.padding == "full" else per_state
        mels = self._log_mels(filled(waveform, least).numpy())
        pieces = []
        for begin, first, last in spans(count, self.longest, CONTEXT):
            end = begin + (self.longest if self.padding == "full" else min(count, self.longest))
            own = torch.from_numpy(mels[:, MELS_PER_STATE * begin : MELS_PER_STATE * end])
            pieces.append(Piece(own, end - begin, first - begin, last - begin))
        return pieces

    def _log_mels(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute (mel bands, frames) of any length, block by block: the extractor's own values for the whole."""
        hop, rate = self.extractor.hop_length, self.extractor.sampling_rate
        margin = -(-self.extractor.n_fft // (2 * hop))  # frames whose window a block's edge cuts
        blocks = []
        for first in range(0, len(waveform) // hop, _BLOCK):
            begin = max(0, first - margin)
            samples = waveform[begin * hop : (first + _BLOCK + margin) * hop]
            made = self.extractor(samples, sampling_rate=rate, padding="do_not_pad", truncation=False)
            blocks.append(np.asarray(made[INPUT][0])[:, first - begin :][:, :_BLOCK])
        mels: NDArray[np.float32] = np.concatenate(blocks, axis=1)
        # Each block has been raised to its own floor, which is never above that of the whole recording.
        np.maximum(mels, mels.max() - np.float32(_RANGE), out=mels)
        return mels


class TransformersWhisper(_WhisperEncoder):
    """Whisper's encoder in transformers; see :class:`~sertool.core.features.encoders.engine.Engine`.

    Its modules are run one by one, because its forward pass takes 30 s alone and has no mask.
    """

    padded = True

    def __init__(self, files: ModelFiles, layers: Sequence[int] | None, device: str, padding: Padding) -> None:
        if files.library == "ctranslate2":
            self.model = read_encoder(files, device)
            extractor = _extractor(files, self.model.config.num_mel_bins)
        else:
            self.model, extractor = load_encoder(files, device), load_extractor(files, INPUT)
        super().__init__(files, extractor, self.model.config.max_source_positions, padding)
        self.layers = layers

    def states(self, pieces: Sequence[Piece]) -> list[Tensor]:
        """Compute the states of a batch; padding is masked."""
        counts = torch.tensor([piece.states for piece in pieces])
        mels = pad_sequence([piece.inputs.T for piece in pieces], batch_first=True).transpose(1, 2)
        mask = None
        if counts.min() < counts.max():
            known = torch.arange(int(counts.max())) < counts[:, None]
            mask = known[:, None, None, :].expand(-1, 1, known.shape[1], -1).to(self.model.device)
        with torch.inference_mode():
            found = self.hidden(mels.to(self.model.device, self.model.dtype), mask).float().cpu()
        return [own[piece.first : piece.last] for own, piece in zip(found, pieces, strict=True)]

    def hidden(self, mels: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the hidden states (B, T, layers, D) as transformers numbers them: the last one is normalised."""
        model = self.model
        # The zeros behind a recording in a batch are what the convolutions pad one alone with, as far as states read.
        hidden = F.gelu(model.conv2(F.gelu(model.conv1(mels)))).transpose(1, 2)
        states = [hidden + model.embed_positions.weight[: hidden.shape[1]]]
        for layer in model.layers:
            states.append(layer(states[-1], mask))
        states[-1] = model.layer_norm(states[-1])
        return torch.stack([states[layer] for layer in ([-1] if self.layers is None else self.layers)], dim=2)


class CTranslate2Whisper(_WhisperEncoder):
    """Whisper's encoder in CTranslate2, which gives the states of its last layer alone; it has no mask."""

    def __init__(self, files: ModelFiles, device: str, padding: Padding) -> None:
        import ctranslate2

        kind, _, index = device.partition(":")
        try:
            self.model = ctranslate2.models.Whisper(
                str(files.folder),
                device=kind,
                device_index=int(index or 0),
                compute_type="float32" if kind == "cpu" else "bfloat16",
                # A call uses as many threads as torch would; as many calls as there are cores run side by side.
                intra_threads=torch.get_num_threads(),
                inter_threads=(os.cpu_count() or 1) if kind == "cpu" else 1,
            )
        except (RuntimeError, ValueError) as error:
            raise DataError(f"{files.name}: the model cannot be loaded ({error!s:.300})") from error
        super().__init__(files, _extractor(files, self.model.n_mels), _LONGEST, padding)

    def states(self, pieces: Sequence[Piece]) -> list[Tensor]:
        """Compute the states of a batch of recordings of equal length."""
        import ctranslate2

        mels = np.ascontiguousarray(np.stack([piece.inputs.numpy() for piece in pieces]))
        states = self.model.encode(ctranslate2.StorageView.from_array(mels), to_cpu=True)
        found = torch.from_numpy(np.array(states.to(ctranslate2.DataType.float32)))[:, :, None]
        return [own[piece.first : piece.last] for own, piece in zip(found, pieces, strict=True)]


def measure_ctranslate2(files: ModelFiles) -> tuple[int, int, float]:
    """Return width, sampling rate in Hz and seconds from one state to the next, by a short encoding."""
    engine = CTranslate2Whisper(files, "cpu", "none")
    states = engine.states(engine.pieces(torch.zeros(1)))[0]
    return states.shape[-1], engine.extractor.sampling_rate, seconds_per_state(engine.extractor)


def seconds_per_state(extractor: Any) -> float:
    """Return the time from one state to the next."""
    return float(MELS_PER_STATE * extractor.hop_length / extractor.sampling_rate)


def _extractor(files: ModelFiles, mels: int) -> Any:
    """Return a folder's feature extractor, or Whisper's usual one, which many folders for CTranslate2 leave out."""
    from transformers import WhisperFeatureExtractor

    if (files.folder / "preprocessor_config.json").is_file():
        return load_extractor(files, INPUT)
    with quiet():
        return WhisperFeatureExtractor(feature_size=mels)
