"""Ready speech models of transformers: on raw samples by our own engine, others by their own forward pass."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sertool.core.errors import DataError
from sertool.core.features.encoders.convolutional import ConvolutionalEncoder
from sertool.core.features.encoders.engine import BATCH_STATES, load_extractor
from sertool.core.features.encoders.libraries import quiet
from sertool.core.features.encoders.pieces import Piece, batches
from sertool.core.features.encoders.source import ModelFiles
from sertool.core.formatting import first_few
from sertool.core.inference.ready.facts import answers_of, facts_of
from sertool.core.inference.ready.heads import Pool, head_weights, read_head
from sertool.core.inference.ready.weights import weight_names

LONGEST = 60.0  # seconds of a model that takes any length at once, and so any memory
BATCH = 8  # recordings that a model computes at a time, if nothing else is asked for


def open_speech_model(files: ModelFiles, device: str, batch: int | None) -> "ConvolutionalModel | WholeModel":
    """Open a speech model of transformers that classifies, or predicts scores.

    Args:
        files: the model.
        device: where it computes, in float32.
        batch: most recordings that are computed at a time. Default: as many as fill the device.

    Raises:
        DataError: its head is of no known layout, or its weights are damaged.
    """
    config = files.config
    names = head_weights(weight_names(files))
    if names is not None and config.get("conv_kernel") and config.get("conv_stride") and not config.get("add_adapter"):
        return ConvolutionalModel(files, names, device, batch)
    return WholeModel(files, device, batch)


class ConvolutionalModel:
    """A model on raw samples: wav2vec 2.0, HuBERT, WavLM and the like with a head of a known layout.

    Recordings of any length are heard whole, long ones in overlapping pieces of 40 seconds.
    """

    def __init__(self, files: ModelFiles, names: tuple[str, ...], device: str, batch: int | None) -> None:
        self._head = read_head(files, names, len(answers_of(files.name, files.config)[1]))
        layers = None if self._head.layers is None else range(len(self._head.layers))
        self._engine = ConvolutionalEncoder(files, layers, device, half=False)
        self._largest, self._most = BATCH_STATES[device.partition(":")[0]], batch
        self.facts = facts_of(files, "audio", sample_rate=_rate(files.name, self._engine.extractor))

    def outputs(self, inputs: Sequence[Tensor]) -> NDArray[np.float32]:
        """Compute logits, or scores, (N, C) of N waveforms (samples,)."""
        pools = [Pool(self._head) for _ in inputs]
        short: list[tuple[int, Piece]] = []
        for number, waveform in enumerate(inputs):
            pieces = self._engine.pieces(waveform)
            if len(pieces) == 1:
                short.append((number, pieces[0]))
                continue
            together = max(1, min(self._largest // pieces[0].states, self._most or len(pieces)))
            for start in range(0, len(pieces), together):
                for states in self._engine.states(pieces[start : start + together]):
                    pools[number].add(states)
        for batch in batches([piece.states for _, piece in short], self._largest, padded=self._engine.padded):
            for start in range(0, len(batch), self._most or len(batch)):
                own = [short[place] for place in batch[start : start + (self._most or len(batch))]]
                for (number, _), states in zip(own, self._engine.states([piece for _, piece in own]), strict=True):
                    pools[number].add(states)
        if not pools:
            return np.zeros((0, len(self.facts.names)), np.float32)
        made: NDArray[np.float32] = self._head(torch.stack([pool.result() for pool in pools])).numpy()
        return made


class WholeModel:
    """A model that transformers runs as it is, such as Whisper or the audio spectrogram transformer.

    Recordings whose prepared inputs have one shape are computed together. So there is no padding but the model's own.
    """

    def __init__(self, files: ModelFiles, device: str, batch: int | None) -> None:
        from transformers import AutoModelForAudioClassification

        self._model = load_classifier(files, AutoModelForAudioClassification, device)
        self._extractor = load_extractor(files, self._model.main_input_name)
        self._most = batch or BATCH
        rate = _rate(files.name, self._extractor)
        self.facts = facts_of(files, "audio", sample_rate=rate, longest=_longest(files.config, self._extractor, rate))

    def outputs(self, inputs: Sequence[Tensor]) -> NDArray[np.float32]:
        """Compute logits, or scores, (N, C) of N waveforms (samples,)."""
        assert self.facts.sample_rate is not None
        assert self.facts.longest is not None
        samples = round(self.facts.longest * self.facts.sample_rate)
        made = np.zeros((len(inputs), len(self.facts.names)), np.float32)
        for first in range(0, len(inputs), 8 * self._most):  # prepared inputs of Whisper have a megabyte each
            prepared = [self._prepared(one[:samples]) for one in inputs[first : first + 8 * self._most]]
            shapes = defaultdict[Any, list[int]](list)
            for place, one in enumerate(prepared):
                shapes[tuple((name, tuple(value.shape)) for name, value in one.items())].append(place)
            for places in shapes.values():
                for start in range(0, len(places), self._most):
                    own = places[start : start + self._most]
                    made[[first + place for place in own]] = self._run([prepared[place] for place in own])
        return made

    def _prepared(self, waveform: Tensor) -> dict[str, Tensor]:
        made = self._extractor(waveform.numpy(), sampling_rate=self.facts.sample_rate, return_tensors="pt")
        return dict(made)

    def _run(self, together: Sequence[dict[str, Tensor]]) -> NDArray[np.float32]:
        device = self._model.device
        given = {name: torch.cat([one[name] for one in together]).to(device) for name in together[0]}
        with torch.inference_mode():
            logits: NDArray[np.float32] = self._model(**given).logits.float().cpu().numpy()
        return logits


def load_classifier(files: ModelFiles, loader: Any, device: str) -> Any:
    """Load a model with its head by transformers, in float32 and evaluation mode.

    Args:
        files: the model.
        loader: ``AutoModelForAudioClassification`` or ``AutoModelForSequenceClassification``.
        device: where it computes.

    Raises:
        DataError: transformers has no such head, or weights are missing or damaged.
    """
    try:
        with quiet():
            model, report = loader.from_pretrained(
                files.folder,
                trust_remote_code=False,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
    except Exception as error:  # transformers, safetensors and torch have errors of many kinds
        raise DataError(f"{files.name}: the model cannot be loaded ({error!s:.300})") from error
    missing, unused = sorted(report["missing_keys"]), sorted(report["unexpected_keys"])
    if missing:  # transformers would go on with random ones
        raise unknown_head(files, missing, unused)
    return model.to(device).eval().requires_grad_(False)


def unknown_head(files: ModelFiles, missing: Sequence[str], unused: Sequence[str]) -> DataError:
    """Make the error for a model whose head transformers does not have."""
    stated = ", ".join(map(str, files.config.get("architectures") or [])) or "no architecture"
    has = f"; its own {first_few(unused, 5)} have no place there" if unused else ""
    if files.config.get("auto_map"):
        return DataError(
            f"{files.name}: needs code of its own for its head ({stated}), which sertool does not run",
            hint="choose a model whose architecture transformers has itself, or export it to ONNX",
        )
    return DataError(
        f"{files.name}: unknown head ({stated}): a classifier would need {first_few(missing, 5)}{has}",
        hint="expected a model that was trained to classify, saved by transformers; or export it to ONNX",
    )


def _rate(name: str, extractor: Any) -> int:
    rate = getattr(extractor, "sampling_rate", None)
    if not isinstance(rate, int) or isinstance(rate, bool) or not 1000 <= rate <= 192_000:
        raise DataError(
            f"{name}: its feature extractor states no sampling rate that can be used (sampling_rate {rate!r})",
            hint="expected Hz, such as 16000, in preprocessor_config.json",
        )
    return rate


def _longest(config: Any, extractor: Any, rate: int) -> float:
    """Return the seconds that a model takes: what its extractor cuts to, or our own limit."""
    if config["model_type"] == "whisper":
        return float(extractor.n_samples / rate)
    if config["model_type"] == "audio-spectrogram-transformer":
        return 0.01 * int(extractor.max_length)  # frames of 10 ms
    return LONGEST
