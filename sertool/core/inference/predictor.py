"""A trained ensemble in memory that predicts recordings and texts; it does not need the corpus of its training."""

import threading
from collections.abc import Iterator, Sequence
from itertools import groupby
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, overload

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from sertool.core.compute.device import Precision
from sertool.core.errors import DataError, UsageError
from sertool.core.files.reference_checkpoints import is_reference_folder
from sertool.core.formatting import printable
from sertool.core.inference.certainty import Certainty, claims, read_certainty, withdrawn
from sertool.core.inference.conversation import Conversation
from sertool.core.inference.dialogues import whole_dialogues
from sertool.core.inference.frontends import Frontends
from sertool.core.inference.input_checks import check_inputs
from sertool.core.inference.inputs import are_several, listen_to, seconds
from sertool.core.inference.mean_logits import last_logits, mean_logits, tables_for, vectors_alone
from sertool.core.inference.notebook import box, facts, line
from sertool.core.inference.passage_corpus import corpus_of, modalities_of
from sertool.core.inference.passages import Listener, Passage
from sertool.core.inference.prediction import Prediction, Range, lacks_what
from sertool.core.inference.results import PredictionList
from sertool.core.inference.speakers import Speakers, fit_passages
from sertool.core.inference.trust import Lack, in_words, lack_of
from sertool.core.metrics.calibration import Calibration
from sertool.core.metrics.conformal import Intervals
from sertool.core.runs.ensemble_size import EnsembleSize, size_for
from sertool.core.runs.folder import check_folder
from sertool.core.runs.members import Trained, open_runs, stack_of
from sertool.core.runs.reference import open_reference

# Clips whose passages are predicted together. A cluster divides its work at the same clips, because the padding of a
# batch changes results by rounding errors.
SHARD = 512
BATCH = 2048  # passages that become tensors at a time, so that a day of windows fits into memory

# The number of threads and the precision of products are settings of the process, so calls take turns.
_TORCH = threading.Lock()

Waveform = NDArray[np.generic] | Tensor
Audio = str | PathLike[str] | bytes | BinaryIO | Waveform | tuple[Waveform, float]


class Predictor:
    """A trained ensemble in memory; may be used from several threads at once.

    Attributes:
        trained: all members, recipe, task and vocabularies.
        size: number of members that are averaged, in each fold, and where it comes from.
        members: names of the members that are averaged.
        certainty: temperature or intervals of these members, or why there are none.
    """

    def __init__(self, trained: Trained, size: EnsembleSize, certainty: Certainty, precision: Precision) -> None:
        chosen = size.chosen(trained.members)
        self.trained = trained
        self.size = size
        self.members = tuple(member.name for member in chosen)
        self.certainty = certainty
        self._folds = [member.fold for member in chosen]
        # Each fold has the words of its own training set.
        self._words = [trained.inputs[fold].vocabulary.index for fold in sorted(set(self._folds))]
        self._precision = precision
        # Kept, because an encoder is loaded once.
        self._frontends = Frontends(
            trained.recipe, trained.frontend, trained.text_frontend, device=str(precision.device)
        )
        self._stack = stack_of(trained, chosen).to(precision.device)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the logits; or of the scores."""
        return self.trained.task.classes

    @property
    def ranges(self) -> dict[str, Range]:
        """Lowest and highest value of each score; empty for classes."""
        task = self.trained.task
        return dict(zip(task.classes, task.ranges, strict=True)) if task.ranges else {}

    @property
    def calibration(self) -> Calibration | None:
        """Temperature of the members, or why validation cannot tell it; None if there is none, and for scores."""
        return self.certainty.calibration

    @property
    def intervals(self) -> Intervals | None:
        """Half the widths of the intervals of scores; None if there are none, and for classes."""
        return self.certainty.intervals

    @property
    def uncalibrated(self) -> str:
        """Reason why no prediction is calibrated, or why no score has an interval; else empty."""
        return self.certainty.uncalibrated

    @property
    def title(self) -> str:
        """Name of the model, what it was trained on that is no human speech or text, and its size."""
        trained = self.trained
        made = {"synthetic speech": trained.synthetic, "machine-made transcripts": trained.machine_text}
        return " · ".join([trained.name, *(words for words, true in made.items() if true), str(self.size)])

    @property
    def calibrated_on(self) -> str:
        """Words for the utterances that predictions are calibrated on; empty if no prediction is calibrated."""
        return self.certainty.words

    def __repr__(self) -> str:
        what = self.trained.task.shown if self.ranges else ", ".join(self.classes)
        parts = self.title, self.calibrated_on or lacks_what(self.ranges), what
        return printable(f"<Predictor {' · '.join(parts)}>")

    def _repr_html_(self) -> str:
        """Name the model, its classes and its inputs for a notebook."""
        names, sure = ("scores", "intervals") if self.ranges else ("classes", "probabilities")
        pairs = {
            "corpus": self.trained.corpus,
            names: self.trained.task.shown if self.ranges else ", ".join(self.classes),
            "inputs": " and ".join(self.trained.recipe.dataset.modalities),
            "members": self.size.explained,
            sure: self.calibrated_on or f"{lacks_what(self.ranges)}: {self.uncalibrated}",
        }
        return box([line(self.title, strong=True), facts(pairs.items())])

    @overload
    def predict(
        self,
        audio: Audio | None = None,
        text: str | None = None,
        *,
        speaker: str | None = None,
        sample_rate: float | None = None,
        window: None = None,
        hop: None = None,
    ) -> Prediction: ...

    @overload
    def predict(
        self,
        audio: Sequence[Audio | None] | None = None,
        text: Sequence[str | None] | None = None,
        *,
        speaker: str | Sequence[str | None] | None = None,
        sample_rate: float | None = None,
        window: None = None,
        hop: None = None,
    ) -> PredictionList: ...

    @overload
    def predict(
        self,
        audio: Audio | Sequence[Audio],
        text: None = None,
        *,
        speaker: str | Sequence[str | None] | None = None,
        sample_rate: float | None = None,
        window: float,
        hop: float | None = None,
    ) -> PredictionList: ...

    def predict(
        self,
        audio: Any = None,
        text: Any = None,
        *,
        speaker: Any = None,
        sample_rate: Any = None,
        window: Any = None,
        hop: Any = None,
    ) -> Prediction | PredictionList:
        """Predict a recording, a text, or both; or lists of them.

        Args:
            audio: path of a recording; or the content of its file as bytes or as an open binary file; or a waveform
                (samples,), (samples, channels) or (channels, samples), floats with a full scale of 1 or integers; or
                (waveform, rate); or a list of these, with None for an input without audio.
            text: the words; or a list as long as that of audio.
            speaker: name of the speaker; or a list as long as that of audio. A model with ``standardize: speaker``
                standardises the audio of a speaker over all recordings of the speaker in this call.
            sample_rate: sampling rate in Hz of waveforms that come without one.
            window: length in seconds of the windows that recordings are divided into. Default: not divided.
            hop: seconds from one window to the next. Default: the window.

        Returns:
            One prediction; or a :class:`~sertool.core.inference.results.PredictionList` in the order of the input, for
            lists or with a window.

        Raises:
            DataError: a recording, a waveform or a text cannot be used.
            UsageError: an argument has the wrong type, or arguments contradict each other.
        """
        listener = self.listener(seconds("window", window), seconds("hop", hop))
        with _TORCH, self._precision.threaded(listener.frontends.threads(self._precision.cores)):
            passages = list(listen_to(listener, audio, text, speaker, sample_rate))
        predictions = self.predict_passages(passages)  # outside the lock, which it takes itself
        several = are_several(audio, text) or window is not None
        return PredictionList(predictions, self.classes, self.ranges) if several else predictions[0]

    def listener(self, window: float | None = None, hop: float | None = None) -> Listener:
        """Return what makes passages of clips for this model; see there about windows."""
        return Listener(self._frontends, window, hop, self.trained.word_splitting)

    def passage(self, audio: Any, text: Any, speaker: Any, sample_rate: Any) -> Passage:
        """Make the passage of one input; arguments and errors as of :meth:`predict`.

        Raises:
            UsageError: the input is a list.
        """
        if are_several(audio, text):
            raise UsageError("audio, text: a list, expected one turn of a conversation")
        listener = self.listener()
        with _TORCH, self._precision.threaded(listener.frontends.threads(self._precision.cores)):
            (passage,) = listen_to(listener, audio, text, speaker, sample_rate)
        return passage

    def vectors_of(self, passage: Passage) -> Float[Tensor, "E 1 F"]:
        """Compute the vector of a passage by each member, from which a later one takes its context."""
        tables = tables_for(self.trained, corpus_of(self.trained, [passage]), self._precision.device)
        with _TORCH:
            return vectors_alone(self._stack, self._folds, tables, self._precision)

    def judge_turn(
        self, passage: Passage, vectors: Sequence[Float[Tensor, "E 1 F"]], speakers: Sequence[int]
    ) -> Prediction:
        """Predict a passage in its context.

        Args:
            passage: the passage.
            vectors: those of its context in order, then its own, from :meth:`vectors_of`.
            speakers: numbers of their speakers; -1 where unknown.
        """
        with _TORCH:
            mean = last_logits(self._stack, vectors, speakers, self._precision)
        return next(self.predictions_of([passage], self._finite(mean), {}))

    def conversation(self) -> Conversation:
        """Begin a conversation that is judged turn by turn, each turn with the earlier ones as its context.

        Raises:
            UsageError: the model was trained without context.
        """
        return Conversation(self)

    def predict_passages(self, passages: Sequence[Passage], speakers: Speakers | None = None) -> list[Prediction]:
        """Predict passages that a :class:`~sertool.core.inference.passages.Listener` made, in the same order.

        Args:
            passages: passages in the order of their clips.
            speakers: statistics of speakers for ``standardize: speaker``. Default: those over these passages.
        """
        if speakers is None:
            speakers = fit_passages(passages) if self.trained.recipe.dataset.by_speaker else {}
        parts = _parts(passages) if self.trained.recipe.context is None else _parts_of_dialogues(passages)
        return [own for part in parts for own in self.predictions_of(part, self._logits(part, speakers), speakers)]

    def predictions_of(
        self, passages: Sequence[Passage], logits: NDArray[np.float32], speakers: Speakers
    ) -> Iterator[Prediction]:
        """Yield what the mean logits (N, C) of the members say of N passages."""
        dataset = self.trained.recipe.dataset
        reads = "text" in dataset.modalities
        each = claims(logits, self.trained.task, self.certainty, clip=dataset.clip)
        for passage, mean, claim in zip(passages, logits, each, strict=True):
            unknown = self._unknown(passage.words) if reads else ()
            lack = self._lack(passage, unknown)
            outside = f"outside what {self._fitted}: {in_words(lack.parts)}" if lack.parts else ""
            uncalibrated = self.uncalibrated or outside
            yield Prediction(
                name=passage.name,
                calibrated=not uncalibrated,
                logits=tuple(mean.tolist()),
                text=passage.text,
                start=passage.start,
                end=passage.end,
                modalities=modalities_of(passage, reads=reads),
                cut=passage.cut,
                silent=passage.silent,
                remark=passage.remark,
                unknown_words=unknown,
                uncalibrated=uncalibrated,
                lacking=lack.parts,
                uninformed=lack.uninformed,
                speaker=passage.speaker if passage.speaker in speakers else None,
                **withdrawn(claim, uninformed=lack.uninformed, outside=bool(lack.parts)),
            )

    @property
    def _fitted(self) -> str:
        return "the intervals were fitted on" if self.ranges else "was calibrated"

    def _seen(self, words: Sequence[str]) -> Sequence[str]:
        return words[: self.trained.recipe.dataset.max_text_length]

    def _unknown(self, words: Sequence[str]) -> tuple[str, ...]:
        return tuple(word for word in self._seen(words) if all(word not in index for index in self._words))

    def _lack(self, passage: Passage, unknown: Sequence[str]) -> Lack:
        modalities, words = self.trained.recipe.dataset.modalities, self._seen(passage.words)
        encodes = self._frontends.encodes_text
        return lack_of(
            # A corpus without texts has no word but that for unknown ones.
            reads="text" in modalities and (encodes or any(len(index) > 1 for index in self._words)),
            hears="audio" in modalities,
            text=passage.has_text,
            unknown=passage.unknown if encodes else len(unknown) / max(len(words), 1),
            audio=len(passage.frames) > 0,
            silent=passage.silent,
        )

    def _logits(self, passages: Sequence[Passage], speakers: Speakers) -> NDArray[np.float32]:
        """Compute the mean logits (N, C) of the members."""
        trained, precision = self.trained, self._precision
        tables = tables_for(trained, corpus_of(trained, passages), precision.device, speakers)
        with _TORCH:
            mean = mean_logits(self._stack, self._folds, tables, range(len(passages)), precision)
        return self._finite(mean)

    def _finite(self, mean: NDArray[np.float32]) -> NDArray[np.float32]:
        trained = self.trained
        if not np.isfinite(mean).all():
            raise DataError(f"{trained.name}: gives values that are not finite; its weights are damaged")
        return mean


def _parts(passages: Sequence[Passage]) -> Iterator[Sequence[Passage]]:
    for _, shard in groupby(passages, key=lambda passage: passage.clip // SHARD):
        together = list(shard)
        for start in range(0, len(together), BATCH):
            yield together[start : start + BATCH]


def _parts_of_dialogues(passages: Sequence[Passage]) -> Iterator[Sequence[Passage]]:
    for first, last in whole_dialogues(passages, SHARD):
        yield passages[first:last]


def open_predictor(folder: Path, data: Path, index: int | None, precision: Precision) -> Predictor:
    """Open a trained ensemble for predictions.

    Args:
        folder: run of `sertool train`, or a folder of the reference's checkpoints (``best*.pkl``).
        data: folder of the corpora; needed only by the reference's checkpoints, which lack the vocabulary.
        index: number of members to average, best first. Default: the size stored with the run, see
            :func:`~sertool.core.runs.ensemble_size.size_for`.
        precision: device and number format.

    Raises:
        UsageError: the folder holds no model, or one whose inputs cannot be made from recordings and words.
        DataError: a file is missing or damaged.
    """
    if is_reference_folder(folder):
        trained, _ = open_reference(folder, data)
    else:
        check_folder(folder, folder.parent)
        trained = open_runs(folder)
    check_inputs(trained)
    size = size_for(folder, trained.members, index)
    members = [member.name for member in size.chosen(trained.members)]
    return Predictor(trained, size, read_certainty(folder, trained.task, members), precision)
