"""Speech encoders on raw samples: wav2vec 2.0 and its relatives (HuBERT, WavLM, data2vec), loaded by transformers.

Convolutions without padding turn samples into states, so that state t is computed from a fixed window that begins at
sample t * stride. A piece of a recording that begins at a multiple of the stride has the states of the whole there;
only a model that normalises in time after its first convolution does so within each piece.
"""

import math
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from sertool.core.errors import DataError
from sertool.core.features.encoders.engine import CONTEXT_SECONDS, PIECE_SECONDS, filled, load_extractor
from sertool.core.features.encoders.loading import load_encoder
from sertool.core.features.encoders.pieces import Piece, spans
from sertool.core.features.encoders.source import ModelFiles

INPUT = "input_values"  # of the models, as their feature extractors call it
# Architectures in which nothing but attention and one convolution over positions looks at neighbouring states: with
# padding masked and zero, they see what they see of a recording alone. Those of data2vec have several convolutions.
_PADDED = ("wav2vec2", "hubert", "wavlm")


class ConvolutionalEncoder:
    """The engine of encoders on raw samples; see :class:`~sertool.core.features.encoders.engine.Engine`.

    Args:
        files: the model.
        layers: numbers of the layers whose states are computed; None for the last hidden state.
        device: where it computes.
        half: compute in bfloat16 on a CUDA device.
    """

    def __init__(self, files: ModelFiles, layers: Sequence[int] | None, device: str, *, half: bool = True) -> None:
        self.files, self.layers = files, layers
        # WavLM's own. For good, because filters are those of all threads, and several threads compute at a time.
        warnings.filterwarnings("ignore", message="Support for mismatched key_padding_mask")
        self.extractor = load_extractor(files, INPUT)
        self.model = load_encoder(files, device, half=half)
        config = files.config
        self.convolutions = list(zip(config["conv_kernel"], config["conv_stride"], strict=True))
        self.padded = config["model_type"] in _PADDED and not config.get("conv_pos_batch_norm")
        # Run here and not in the model's forward pass: see _convolved.
        self.first, self.model.feature_extractor = self.model.feature_extractor, torch.nn.Identity()
        self.stride = math.prod(config["conv_stride"])
        self.window = 1
        for kernel, stride in reversed(self.convolutions):
            self.window = (self.window - 1) * stride + kernel

    def pieces(self, waveform: Tensor) -> list[Piece]:
        """Normalise a waveform as the model wants it; a shorter one than its window is filled up with zeros."""
        rate = self.extractor.sampling_rate
        made = self.extractor(filled(waveform, self.window).numpy(), sampling_rate=rate)
        samples = torch.as_tensor(made[INPUT][0])
        count, size = self._count(len(samples)), PIECE_SECONDS * rate // self.stride
        pieces = []
        for begin, first, last in spans(count, size, CONTEXT_SECONDS * rate // self.stride):
            # A whole recording keeps the samples behind its last window, since models may normalise over them.
            end = (begin + size - 1) * self.stride + self.window if count > size else None
            pieces.append(Piece(samples[begin * self.stride : end], min(count, size), first - begin, last - begin))
        return pieces

    def states(self, pieces: Sequence[Piece]) -> list[Tensor]:
        """Run the model's own forward pass over a batch, with a mask where lengths differ."""
        lengths = [len(piece.inputs) for piece in pieces]
        mask = None
        if len({piece.states for piece in pieces}) > 1:
            mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long().to(self.model.device)
        with torch.inference_mode():
            convolved = self._convolved([piece.inputs.to(self.model.device, self.model.dtype) for piece in pieces])
            found = self.hidden(convolved, mask).float().cpu()
        if found.shape[1] != max(piece.states for piece in pieces):
            raise DataError(
                f"{self.files.name}: gives {found.shape[1]} states where its convolutions give "
                f"{max(piece.states for piece in pieces)}, which sertool does not know how to place in time",
                hint="choose another layer, or another model",
            )
        return [own[piece.first : piece.last] for own, piece in zip(found, pieces, strict=True)]

    def _convolved(self, inputs: Sequence[Tensor]) -> Tensor:
        """Run the model's convolutions; return (B, channels, T), zeros after a recording's end.

        Recordings of several lengths are convolved one by one: many models normalise a recording in time after the
        first convolution, and with padding it would be another recording.
        """
        together: Tensor
        if len({len(samples) for samples in inputs}) == 1:
            together = self.first(torch.stack(list(inputs)))
        else:
            together = pad_sequence([self.first(one[None])[0].T for one in inputs], batch_first=True).transpose(1, 2)
        return together

    def hidden(self, convolved: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the hidden states (B, T, layers, D) of what the convolutions give."""
        outputs = self.model(convolved, attention_mask=mask, output_hidden_states=self.layers is not None)
        chosen = [outputs.last_hidden_state]
        if self.layers is not None:
            chosen = [outputs.hidden_states[layer] for layer in self.layers]
        return torch.stack(chosen, dim=2)

    def _count(self, samples: int) -> int:
        for kernel, stride in self.convolutions:
            samples = (samples - kernel) // stride + 1
        return samples
