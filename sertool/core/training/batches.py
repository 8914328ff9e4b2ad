"""A corpus as padded tensors on the device, and the batches of a stack gathered from them.

There are no loader processes: the largest corpus of the field is a few hundred megabytes, so all of it lies on the
device once, and a member's batch is a list of row numbers.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from sertool.core.corpora.corpus import Corpus, Frames
from sertool.core.corpora.tasks import Target, Task, Votes
from sertool.core.corpora.vocabulary import Vocabulary
from sertool.core.models.inputs import Inputs, Turns, lengths
from sertool.core.recipe.schema import Context, Dataset
from sertool.core.training.dialogues import Dialogues, read_dialogues


@dataclass(frozen=True)
class Standardization:
    """Mean and standard deviation of each of the M values of some frames."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class Tables:
    """Tensors of all N utterances of a corpus.

    Attributes:
        text: token ids in each of V vocabularies, or frames.
        text_mask: True where a position is real.
        text_lengths: on the CPU, see :func:`~sertool.core.models.inputs.lengths`.
        audio: frames.
        audio_mask: True where a frame is real.
        audio_lengths: on the CPU.
        targets: classes; or a value for each class or score, by ``kind``. An utterance without a target has -1, zeros,
            or NaN for each score.
        mean, std: statistics of each fold's training frames, or None. With ``groups`` there are G of them in each fold,
            those of all training frames and those of each corpus.
        by_fold: True for an utterance whose audio takes them; None where all do.
        groups: which of the G an utterance takes; None where there is one.
        kind: ``single``, ``multi`` (0/1 for each class), ``soft`` (shares of raters), or ``scores`` (in their units).
        labels: classes that count as right, where ``kind`` is ``soft``; -1 without one.
        scores: mean and deviation of each fold's training scores, where ``kind`` is ``scores``.
        dialogues: earlier utterances of each, for a model with context; else None.
        corpora: on the CPU, number of the corpus that each utterance comes from; None unless several were joined.
    """

    text: Int64[Tensor, "V N L"] | Float[Tensor, "1 N L D"]
    text_mask: Bool[Tensor, "N L"]
    text_lengths: Int64[Tensor, "N"]
    audio: Float[Tensor, "N T M"]
    audio_mask: Bool[Tensor, "N T"]
    audio_lengths: Int64[Tensor, "N"]
    targets: Int64[Tensor, "N"] | Float[Tensor, "N C"]
    mean: Float[Tensor, "F G 1 M"] | None = None
    std: Float[Tensor, "F G 1 M"] | None = None
    by_fold: Bool[Tensor, "N"] | None = None
    groups: Int64[Tensor, "N"] | None = None
    kind: str = "single"
    labels: Int64[Tensor, "N"] | None = None
    scores: Float[Tensor, "F 2 C"] | None = None
    dialogues: Dialogues | None = None
    corpora: Int64[Tensor, "N"] | None = None

    @property
    def device(self) -> torch.device:
        """Device of the tensors."""
        return self.audio.device

    def to(self, device: torch.device) -> "Tables":
        """Return the tables on another device; lengths and corpora stay on the CPU."""
        moved: dict[str, Any] = {
            name: value.to(device)
            for name, value in vars(self).items()
            if isinstance(value, Tensor) and name not in ("text_lengths", "audio_lengths", "corpora")
        }
        return replace(self, **moved)

    def targets_at(self, rows: Int64[Tensor, "E B"], folds: Int64[Tensor, "E"]) -> Tensor:
        """Return the targets of utterances ``rows``; scores standardised by the training scores of each fold.

        An utterance without a target, which may be the context of others, has the first class.
        """
        targets = self.targets[rows]
        if self.kind == "single":
            return targets.clamp(min=0)  # no loss takes -1, not even where its weight is 0
        if self.scores is None:
            return targets
        mean, std = self.scores[folds].unsqueeze(2).unbind(1)
        return (targets - mean) / std

    def in_units(self, outputs: Float[Tensor, "N C"], fold: int) -> Float[Tensor, "N C"]:
        """Return outputs of a member of a fold in the units of the scores; the inverse of :meth:`targets_at`."""
        assert self.scores is not None
        statistics = self.scores[fold].to(outputs.device)
        return outputs * statistics[1] + statistics[0]

    def gather(self, rows: Int64[Tensor, "E B"], folds: Sequence[int], turns: Turns | None = None) -> Inputs:
        """Return the inputs of utterances ``rows`` (on the CPU), member e with the vocabulary of fold ``folds[e]``.

        ``turns`` are the places of the rows in the batch's dialogues; None: no utterance has an earlier one.
        """
        text_lengths, audio_lengths = self.text_lengths[rows], self.audio_lengths[rows]
        words, frames = int(text_lengths.max()), int(audio_lengths.max())
        # Without what lies behind the longest, since nothing computes it: wide frames take long to copy.
        shorter = replace(
            self,
            text=self.text[:, :, :words],
            text_mask=self.text_mask[:, :words],
            audio=self.audio[:, :frames],
            audio_mask=self.audio_mask[:, :frames],
        )
        turns = None if turns is None else turns.to(self.device)
        inputs = shorter.gather_full(rows.to(self.device), torch.tensor(folds, device=self.device), turns)
        return replace(inputs, text_lengths=text_lengths, audio_lengths=audio_lengths)

    def gather_full(self, rows: Int64[Tensor, "E B"], folds: Int64[Tensor, "E"], turns: Turns | None = None) -> Inputs:
        """Return inputs without lengths, for the full layout; all arguments lie on the device, so nothing waits."""
        audio_mask = self.audio_mask[rows]
        audio = self.audio[rows]
        if self.mean is not None and self.std is not None:
            # (E, 1, 1, M) for all, or (E, B, 1, M) for those of each utterance's corpus.
            own = folds if self.groups is None else (folds.unsqueeze(1), self.groups[rows])
            standard = (audio - self.mean[own]) / self.std[own] * audio_mask.unsqueeze(-1)
            if self.by_fold is not None:
                standard = torch.where(self.by_fold[rows][..., None, None], standard, audio)
            audio = standard
        # Frames have one table for all folds, so the fold's number is cut to 0 there.
        text = self.text[folds.clamp(max=len(self.text) - 1).unsqueeze(1), rows]
        return Inputs(text, self.text_mask[rows], None, audio, audio_mask, None, turns)


def make_tables(
    corpus: Corpus,
    targets: Sequence[Target | None],
    *,
    vocabularies: Sequence[Vocabulary],
    standardizations: Sequence[Standardization | None],
    dataset: Dataset,
    task: Task,
    device: torch.device,
    speakers: Mapping[str, Standardization] | None = None,
    scores: Sequence[Standardization] = (),
    context: Context | None = None,
    corpora: Sequence[Mapping[str, Standardization]] = (),
) -> Tables:
    """Pad a corpus to the recipe's lengths and put it on the device.

    A modality that the recipe leaves out becomes one masked position, which the models treat as missing. With
    ``standardize: speaker``, the audio of a speaker without statistics in ``speakers`` takes the fold's. ``scores`` has
    the mean and deviation of each fold's training scores. With ``context`` the tables hold the dialogues. ``corpora``
    has each fold's statistics of each corpus, for ``standardize: each-corpus``; another corpus takes the fold's.

    Raises:
        DataError: a position in a dialogue is given twice.
    """
    text, text_mask = _texts(corpus, vocabularies, dataset)
    use_audio = "audio" in dataset.modalities
    audio = _pad(corpus.audio, dataset.max_audio_length if use_audio else 1)
    if not use_audio:
        audio.zero_()
    audio_mask = _real(audio)
    if dataset.standardize == "utterance":
        audio = _standardize_each(audio, audio_mask)
    mean = std = by_fold = groups = None
    if dataset.by_speaker:
        by_fold = _standardize_speakers(audio, audio_mask, corpus, speakers or {}).to(device)
    if use_audio and dataset.by_training_frames and (by_fold is None or by_fold.any()):
        given = [s for s in standardizations if s is not None]
        mean, std, groups = _statistics(given, corpora if dataset.by_corpus else (), corpus)
    return Tables(
        text=text.to(device),
        text_mask=text_mask.to(device),
        text_lengths=lengths(text_mask),
        audio=audio.to(device),
        audio_mask=audio_mask.to(device),
        audio_lengths=lengths(audio_mask),
        targets=_targets(targets, task).to(device),
        mean=None if mean is None else mean.to(device),
        std=None if std is None else std.to(device),
        by_fold=by_fold,
        groups=None if groups is None else groups.to(device),
        kind="soft" if task.is_soft else task.kind,
        labels=_labels(targets).to(device) if task.is_soft else None,
        scores=torch.tensor([[own.mean, own.std] for own in scores]).to(device) if scores else None,
        dialogues=None if context is None else read_dialogues(corpus.utterances, context.previous),
        corpora=_numbers(corpus, corpus.joined) if corpus.joined else None,
    )


def _statistics(
    folds: Sequence[Standardization], corpora: Sequence[Mapping[str, Standardization]], corpus: Corpus
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return mean and deviation (F, G, 1, M), and which of the G each utterance takes; None where there is one."""
    names = list(dict.fromkeys(name for own in corpora for name in own))
    given = corpora or [{}] * len(folds)
    each = [[one, *(own.get(name, one) for name in names)] for one, own in zip(folds, given, strict=True)]
    mean, std = (
        torch.tensor([[getattr(one, key) for one in own] for own in each]).unsqueeze(2) for key in ("mean", "std")
    )
    return mean, std, _numbers(corpus, names) + 1 if names else None


def _numbers(corpus: Corpus, names: Sequence[str]) -> Int64[Tensor, "N"]:
    """Return the place of each utterance's corpus among some names; -1 where it is none of them."""
    places = {name: place for place, name in enumerate(names)}
    return torch.tensor([places.get(own.corpus or "", -1) for own in corpus.utterances], dtype=torch.int64)


def _texts(corpus: Corpus, vocabularies: Sequence[Vocabulary], dataset: Dataset) -> tuple[Tensor, Tensor]:
    """Return the texts as ``Tables`` holds them, and their mask: a masked position where the recipe leaves them out."""
    number = len(corpus.utterances)
    if "text" not in dataset.modalities:
        if corpus.text_frames is not None:
            text = torch.zeros(1, number, 1, corpus.text_frames.width)
        else:
            text = torch.zeros(len(vocabularies), number, 1, dtype=torch.int64)
        text_mask = torch.zeros(number, 1, dtype=torch.bool)
    elif corpus.text_frames is not None:
        padded = _pad(corpus.text_frames, dataset.max_text_length)
        text, text_mask = padded.unsqueeze(0), _real(padded)
    else:
        words = [utterance.words for utterance in corpus.utterances]
        ids = [[v.encode(w, dataset.max_text_length) for w in words] for v in vocabularies]
        text = torch.tensor(ids, dtype=torch.int64).view(len(vocabularies), len(words), dataset.max_text_length)
        text_mask = text[0] != 0  # id 0 is padding in every vocabulary
    return text, text_mask


def fit_standardization(corpus: Corpus, rows: Sequence[int], max_audio_length: int) -> Standardization:
    """Compute mean and standard deviation over the real frames of some utterances, cut as the model sees them."""
    frames = np.concatenate([corpus.audio[row][:max_audio_length] for row in rows]).astype(np.float64)
    frames = frames[np.abs(frames).sum(axis=1) > 0]  # silent frames are masked, so they do not count
    if not len(frames):
        frames = np.zeros((1, corpus.audio.width))  # mean 0 and deviation 1: nothing changes
    return _standardization(frames.mean(0), frames.std(0))


class SpeakerSums:
    """Sums over the frames of each speaker, from which statistics follow; recordings may come one after the other."""

    def __init__(self) -> None:
        self._recordings = Counter[str]()
        self._frames = Counter[str]()
        self._sums: dict[str, Float64[np.ndarray, "2 M"]] = {}

    def add(self, speaker: str | None, frames: Float[np.ndarray, "T M"]) -> None:
        """Add a recording, cut as the model sees it; one without a speaker or without sound does not count."""
        if speaker is None:
            return
        values = frames[frames.any(axis=1)].astype(np.float64)  # silent frames are masked
        if len(values):
            self._recordings[speaker] += 1
            self._frames[speaker] += len(values)
            both = np.stack([values.sum(0), np.einsum("tm,tm->m", values, values)])
            self._sums[speaker] = self._sums[speaker] + both if speaker in self._sums else both

    def fitted(self) -> dict[str, Standardization]:
        """Compute mean and deviation of each speaker with two or more recordings; one says too little of a voice."""
        fitted = {}
        for speaker, recordings in self._recordings.items():
            if recordings > 1:
                mean, square = self._sums[speaker] / self._frames[speaker]
                fitted[speaker] = _standardization(mean, np.sqrt(np.maximum(square - mean**2, 0)))
        return fitted


def fit_speakers(corpus: Corpus, max_audio_length: int) -> dict[str, Standardization]:
    """Compute the statistics of each speaker's own frames, without labels; see :class:`SpeakerSums`."""
    sums = SpeakerSums()
    for row, utterance in enumerate(corpus.utterances):
        sums.add(utterance.speaker, corpus.audio[row][:max_audio_length])
    return sums.fitted()


def fit_corpora(corpus: Corpus, rows: Sequence[int], max_audio_length: int) -> dict[str, Standardization]:
    """Compute the statistics of each corpus's training frames, for ``standardize: each-corpus``.

    A corpus without training utterances, as where one is left out, takes those of all its own frames. They use no
    labels, but the frames of the utterances that are judged.

    Args:
        corpus: one of several that were joined, or another, whose name is then empty.
        rows: positions of the training utterances.
        max_audio_length: frames of an utterance that the model sees.
    """
    names = [utterance.corpus or "" for utterance in corpus.utterances]
    training: dict[str, list[int]] = {}
    for row in rows:
        training.setdefault(names[row], []).append(row)
    every = {name: [row for row, own in enumerate(names) if own == name] for name in dict.fromkeys(names)}
    return {name: fit_standardization(corpus, training.get(name, own), max_audio_length) for name, own in every.items()}


def _standardization(mean: Float64[np.ndarray, "M"], std: Float64[np.ndarray, "M"]) -> Standardization:
    # A constant band is centred and not scaled.
    return Standardization(tuple(mean.tolist()), tuple(np.where(std > 1e-6, std, 1.0).tolist()))


def _standardize_speakers(
    audio: Float[Tensor, "N T M"], mask: Bool[Tensor, "N T"], corpus: Corpus, speakers: Mapping[str, Standardization]
) -> Bool[Tensor, "N"]:
    """Standardise, in place, the audio of speakers with statistics; return which utterances are left."""
    rows: dict[str, list[int]] = {}
    left = torch.ones(len(audio), dtype=torch.bool)
    for row, utterance in enumerate(corpus.utterances):
        if utterance.speaker is not None and utterance.speaker in speakers:
            rows.setdefault(utterance.speaker, []).append(row)
            left[row] = False
    for speaker, own in rows.items():
        mean, std = (torch.tensor(values) for values in (speakers[speaker].mean, speakers[speaker].std))
        audio[own] = (audio[own] - mean) / std * mask[own].unsqueeze(-1)
    return left


def _pad(frames: Frames, length: int) -> Tensor:
    """Cut or pad each utterance's frames with zeros at the end: (N, length, width)."""
    padded = np.zeros((len(frames), length, frames.width), np.float32)
    for row in range(len(frames)):
        values = frames[row][:length]
        padded[row, : len(values)] = values
    return torch.from_numpy(padded)


def _real(frames: Tensor) -> Tensor:
    """Return the mask (N, T): a frame is padding where its absolute values sum to 0, as in the reference."""
    return frames.abs().sum(-1) != 0


def _standardize_each(audio: Tensor, mask: Tensor) -> Tensor:
    """Standardise each utterance by the statistics of its own real frames; padding stays 0."""
    weights = mask.unsqueeze(-1).float()
    count = weights.sum(1, keepdim=True).clamp(min=1)
    mean = (audio * weights).sum(1, keepdim=True) / count
    variance = ((audio - mean).square() * weights).sum(1, keepdim=True) / count
    return (audio - mean) / variance.sqrt().clamp(min=1e-3) * weights


def _targets(targets: Sequence[Target | None], task: Task) -> Tensor:
    """Return targets as ``Tables`` holds them."""
    number = len(task.classes)
    if not task.is_soft and task.kind == "single":
        return _labels(targets)
    none = (math.nan if task.kind == "scores" else 0.0,) * number
    rows = [_values(target) or none for target in targets]
    return torch.tensor(rows, dtype=torch.float32).view(len(rows), number)


def _values(target: Target | None) -> tuple[float, ...]:
    """Return the value for each class or score; an empty tuple without any."""
    if isinstance(target, Votes):
        return target.shares
    return tuple(map(float, target)) if isinstance(target, tuple) else ()


def _labels(targets: Sequence[Target | None]) -> Tensor:
    """Return the class of each utterance, -1 without one."""
    labels = [target.label if isinstance(target, Votes) else target for target in targets]
    return torch.tensor([label if isinstance(label, int) else -1 for label in labels], dtype=torch.int64)
