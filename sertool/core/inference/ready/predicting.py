"""Predict recordings and texts with a ready model, as `sertool predict --model` does."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.class_maps import Columns
from sertool.core.corpora.tasks import ANY, SCORES, Task
from sertool.core.errors import DataError
from sertool.core.features.audio import SHORTEST, read_recording
from sertool.core.features.frontend import is_quiet
from sertool.core.formatting import plural, printable
from sertool.core.inference.certainty import Certainty, claims, withdrawn
from sertool.core.inference.clips import Clip, RefusedClip, check_refused
from sertool.core.inference.passages import windows
from sertool.core.inference.prediction import Prediction, Range
from sertool.core.inference.ready.answers import mapped, outputs_of
from sertool.core.inference.ready.facts import ReadyFacts, ReadyModel
from sertool.core.inference.ready.known import training_of
from sertool.core.inference.trust import lack_of

NOT_OURS = "a ready model, whose probabilities were not calibrated by sertool"
RULES = {"single": "name", "multi": ANY, "scores": SCORES}


@dataclass(frozen=True)
class _Heard:
    """A recording, a window of one or a text, before it is predicted."""

    clip: Clip
    start: float | None = None
    end: float | None = None
    silent: bool = False
    cut: bool = False
    remark: str = ""


class ReadyPredictor:
    """A ready model that predicts recordings or texts.

    Args:
        model: the open model.
        columns: its classes under those of a label map; None: its own.
    """

    calibrated_on = ""

    def __init__(self, model: ReadyModel, columns: Columns | None = None) -> None:
        self.model, self._columns = model, columns
        facts = model.facts
        if columns is not None:
            self.task = Task("emotion", columns.classes, "name")
        else:
            self.task = Task("emotion", facts.names, RULES[facts.kind], facts.ranges)

    @property
    def facts(self) -> ReadyFacts:
        """Facts of the model."""
        return self.model.facts

    @property
    def title(self) -> str:
        """Name of the model."""
        return self.facts.title

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, or of the scores."""
        return self.task.classes

    @property
    def ranges(self) -> dict[str, Range]:
        """Lowest and highest value of each score; empty for classes."""
        return dict(zip(self.task.classes, self.task.ranges, strict=True)) if self.task.ranges else {}

    def predict(
        self,
        clips: Sequence[Clip],
        refused: Sequence[RefusedClip] = (),
        *,
        window: float | None = None,
        hop: float | None = None,
        skip_bad: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[list[Prediction], list[RefusedClip]]:
        """Predict clips, part by part, in order.

        Args:
            clips: recordings for a model of speech, texts for one of texts.
            refused: inputs that were refused before.
            window: length in seconds of the windows that recordings are divided into; None leaves them whole.
            hop: seconds from one window to the next. Default: the window.
            skip_bad: leave out clips that cannot be used, as long as any is left.
            progress: called with the number of clips read and of all clips.

        Returns:
            The predictions, and the inputs that cannot be used.

        Raises:
            DataError: clips cannot be used, and ``skip_bad`` is False; the message lists all of them.
        """
        heard: list[_Heard] = []
        bad = list(refused)

        def inputs() -> Iterator[Any]:
            for done, clip in enumerate(clips, start=1):
                try:
                    for one, given in self._open(clip, window, hop):
                        heard.append(one)
                        yield given
                except DataError as error:
                    where = f"row {clip.row}: " if clip.row is not None else ""
                    bad.append(RefusedClip(clip.name, where + printable(str(error)), error.hint))
                if progress is not None:
                    progress(done, len(clips))

        rows = list(outputs_of(self.model, inputs()))
        check_refused(bad, len(clips) + len(refused), skip_bad=skip_bad, usable=bool(rows))
        if not rows:
            return [], bad
        return self._predictions(heard, np.stack(rows)), bad

    def _open(self, clip: Clip, window: float | None, hop: float | None) -> Iterator[tuple[_Heard, Any]]:
        facts = self.facts
        if facts.modality == "text":
            if not clip.text.strip():
                raise DataError(f"{clip.name}: has no text, and this model reads texts alone")
            yield _Heard(clip, clip.start, clip.end), clip.text
            return
        if clip.segment is None:
            raise DataError(f"{clip.name}: has no audio, and this model hears recordings alone")
        assert facts.sample_rate is not None
        rate = facts.sample_rate
        recording = read_recording(clip.segment, rate)
        samples, begin = recording.samples, clip.start or 0.0
        spans = [(0, len(samples))]
        if window is not None:
            spans = windows(
                len(samples), round(window * rate), round((hop or window) * rate), least=round(SHORTEST * rate)
            )
        for first, last in spans:
            part = samples[first:last]
            ends = (clip.start, clip.end) if window is None else (begin + first / rate, begin + last / rate)
            cut = facts.longest is not None and len(part) > facts.longest * rate
            yield _Heard(clip, *ends, is_quiet(part), cut, recording.remark), part

    def _predictions(self, heard: Sequence[_Heard], outputs: NDArray[np.float32]) -> list[Prediction]:
        logits = outputs if self._columns is None else mapped(self.facts, outputs, self._columns)
        each = claims(logits, self.task, Certainty(uncalibrated=NOT_OURS), clip=True)
        modality = self.facts.modality
        found = []
        for one, row, claim in zip(heard, logits, each, strict=True):
            lack = lack_of(
                reads=modality == "text",
                hears=modality == "audio",
                text=bool(one.clip.text.strip()),
                unknown=0.0,
                audio=modality == "audio",
                silent=one.silent,
            )
            found.append(
                Prediction(
                    name=one.clip.name,
                    calibrated=False,
                    logits=tuple(row.tolist()),
                    text=one.clip.text if modality == "text" else "",
                    start=one.start,
                    end=one.end,
                    modalities=(modality,),
                    cut=(modality,) if one.cut else (),
                    silent=one.silent,
                    remark=one.remark,
                    uncalibrated=NOT_OURS,
                    lacking=lack.parts,
                    uninformed=lack.uninformed,
                    **withdrawn(claim, uninformed=lack.uninformed, outside=bool(lack.parts)),
                )
            )
        return found

    def notes(self, clips: Sequence[Clip], predictions: Sequence[Prediction]) -> list[str]:
        """Describe what a user should know, the most serious first; a sentence per line of stderr."""
        lines = [f"warning: {own.title}: it contains no sound" for own in predictions if own.silent][:5]
        lines += list(
            dict.fromkeys(f"warning: {printable(own.name)}: {own.remark}" for own in predictions if own.remark)
        )
        other = "audio" if self.facts.modality == "text" else "text"
        if any(getattr(clip, other) for clip in clips):
            lines.append(f"note: this model uses {self.facts.modality} alone; the {other} is ignored")
        if number := sum(bool(own.cut) for own in predictions):
            lines.append(f"note: of {plural(number, 'input')} the model hears the first {self.facts.longest:g} s alone")
        lines += [f"note: {line}" for line in model_lines(self.facts)]
        if self.facts.unnamed and self._columns is None:
            lines.append("note: nobody named the model's classes; --map FILE does, with `model: {LABEL_0: sad, ...}`")
        return lines


def model_lines(facts: ReadyFacts) -> list[str]:
    """Say under which licence a ready model comes and what it was trained on, as far as somebody states it."""
    licence = facts.card.licence or "not stated"
    training = training_of(facts.name, facts.card)
    return [f"licence of the model: {licence}", f"trained on: {training.sentence}"]
