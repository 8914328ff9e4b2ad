"""Ready models as ONNX files on waveforms, run by onnxruntime, with a small YAML file beside each."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sertool.core.errors import DataError, UsageError
from sertool.core.files import artifacts
from sertool.core.formatting import first_few
from sertool.core.inference.imported import logits_of_probabilities
from sertool.core.inference.ready.facts import ReadyFacts
from sertool.core.inference.ready.onnx_notes import notes_path, read_notes

BATCH = 8  # recordings of one length that are computed at a time, if nothing else is asked for
_SUM = 1e-3  # by which probabilities may miss a sum of 1


class OnnxModel:
    """An ONNX file that takes waveforms (B, samples), (B, 1, samples) or (samples,) of float32.

    Recordings of one length are computed together where the graph takes a batch. A graph of a fixed number of samples
    gets shorter recordings filled up with zeros, and the first part of longer ones.

    Args:
        path: the file; ``NAME.yaml`` beside it says what goes in and comes out.
        name: its name as it was given.
        device: where it computes.
        batch: most recordings that are computed at a time.

    Raises:
        UsageError: there is no such file, or onnxruntime is not installed; or the YAML file is wrong.
        DataError: the graph is damaged, or is not as the YAML file says.
    """

    def __init__(self, path: Path, name: str, device: str, batch: int | None) -> None:
        if not path.is_file():
            raise UsageError(f"{name}: no such file", hint="expected an ONNX file, a folder, or a name on the hub")
        self._notes = notes = read_notes(path)
        self._path = path
        self._session = _open(path, name, device)
        self._input, self._output = self._port("input", notes.input), self._port("output", notes.output)
        shape = list(self._input.shape)
        self._axes = len(shape)
        whole = all(side == 1 or isinstance(side, str | None) for side in shape[:-1])
        if self._input.type != "tensor(float)" or not 1 <= self._axes <= 3 or not whole or shape[1:-1] not in ([], [1]):
            raise DataError(
                f"{name}: its input {self._input.name} is {self._input.type} {shape}, expected a waveform: "
                "tensor(float) (batch, samples), (batch, 1, samples) or (samples)"
            )
        fixed = shape[-1] if isinstance(shape[-1], int) else None
        self._samples = fixed if fixed is not None and fixed > 1 else None
        self._most = 1 if self._axes == 1 or isinstance(shape[0], int) else batch or BATCH
        longest = notes.longest if self._samples is None else self._samples / notes.sample_rate
        self.facts = ReadyFacts(
            name=name,
            revision=None,
            weights=hashlib.sha256(
                f"{artifacts.sha256(path)} {artifacts.sha256(notes_path(path))}".encode()
            ).hexdigest(),
            modality="audio",
            kind=notes.kind,
            names=notes.names,
            ranges=notes.ranges,
            sample_rate=notes.sample_rate,
            longest=longest,
            card=notes.card,
            layout="ONNX",
        )

    def outputs(self, inputs: Sequence[Tensor]) -> NDArray[np.float32]:
        """Compute logits, or scores, (N, C) of N waveforms (samples,)."""
        made = np.zeros((len(inputs), len(self.facts.names)), np.float32)
        prepared = [self._prepared(one.numpy()) for one in inputs]
        lengths = defaultdict[int, list[int]](list)
        for place, one in enumerate(prepared):
            lengths[len(one)].append(place)
        for places in lengths.values():
            for start in range(0, len(places), self._most):
                own = places[start : start + self._most]
                made[own] = self._run(np.stack([prepared[place] for place in own]))
        return made

    def _prepared(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.facts.longest is not None:
            samples = samples[: round(self.facts.longest * self._notes.sample_rate)]
        if self._notes.normalise:  # as transformers' Wav2Vec2FeatureExtractor
            samples = (samples - samples.mean()) / np.sqrt(samples.var() + np.float32(1e-7))
        if self._samples is not None:
            samples = np.pad(samples, (0, self._samples - len(samples)))
        return samples.astype(np.float32)

    def _run(self, together: NDArray[np.float32]) -> NDArray[np.float32]:
        given = together[0] if self._axes == 1 else together[:, None] if self._axes == 3 else together
        try:
            [raw] = self._session.run([self._output.name], {self._input.name: given})
        except Exception as error:  # onnxruntime has errors of many kinds
            seconds = together.shape[1] / self._notes.sample_rate
            raise DataError(
                f"{self.facts.name}: the graph fails on a recording of {seconds:.2f} s ({error!s:.200})"
            ) from error
        found = np.asarray(raw)
        wanted = (len(together), len(self.facts.names))
        if found.shape != wanted and not (self._axes == 1 and found.shape == wanted[1:]):
            raise DataError(
                f"{self.facts.name}: its output {self._output.name} has shape {found.shape}, expected {wanted} for "
                f"{len(together)} recordings and the {wanted[1]} names in {notes_path(self._path).name}"
            )
        return self._logits(found.reshape(wanted).astype(np.float64))

    def _logits(self, found: NDArray[np.float64]) -> NDArray[np.float32]:
        if self._notes.answers != "probabilities":
            return found.astype(np.float32)
        outside = (found < -_SUM) | (found > 1 + _SUM)
        off = not self._notes.several and np.abs(found.sum(1) - 1).max() > _SUM
        if outside.any() or off:
            row = ", ".join(f"{value:.3g}" for value in found[0][:8])
            raise DataError(
                f"{self.facts.name}: answers no probabilities from 0 to 1 that add up to 1, the first are {row}",
                hint=f"answers: logits in {notes_path(self._path).name}, or several: true",
            )
        return logits_of_probabilities(found.clip(0, 1), self.facts.kind)

    def _port(self, which: str, wanted: str | None) -> Any:
        """Return the input or the output of the graph that is meant."""
        ports = self._session.get_inputs() if which == "input" else self._session.get_outputs()
        names = [port.name for port in ports]
        beside = notes_path(self._path).name
        if wanted is not None:
            found = next((port for port in ports if port.name == wanted), None)
            if found is None:
                raise DataError(
                    f"{self._path}: has no {which} {wanted!r}, which {beside} names; it has {first_few(names, 10)}"
                )
        elif len(ports) == 1 or (which == "output" and ports):
            found = ports[0]
        else:
            raise DataError(
                f"{self._path}: has {len(ports)} {which}s: {first_few(names, 10)}", hint=f"{which}: NAME in {beside}"
            )
        others = [name for name in names if found is not None and name != found.name]
        if which == "input" and others:
            raise DataError(
                f"{self._path}: needs further inputs ({first_few(others, 10)}), and sertool gives a waveform alone"
            )
        return found


def _open(path: Path, name: str, device: str) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise UsageError(f"{name}: an ONNX file needs onnxruntime", hint="pip install 'sertool[export]'") from error
    providers = ["CPUExecutionProvider"]
    if device.startswith("cuda") and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        providers.insert(0, "CUDAExecutionProvider")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is wrong comes as an exception
    try:
        return onnxruntime.InferenceSession(path, options, providers=providers)
    except Exception as error:  # onnxruntime has errors of many kinds
        raise DataError(f"{name}: not a readable ONNX file ({error!s:.200})") from error
