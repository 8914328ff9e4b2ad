"""Warnings about predictions: inputs that the model did not use, and how far to trust the probabilities."""

import math
from collections.abc import Sequence

from sertool.core.formatting import first_few, first_lines, plural, printable
from sertool.core.inference.clips import Clip
from sertool.core.inference.passages import Listener
from sertool.core.inference.prediction import Prediction, lacks_what
from sertool.core.inference.predictor import Predictor
from sertool.core.inference.trust import UNSURE, in_words


def notes(
    opened: Predictor,
    listener: Listener,
    clips: Sequence[Clip],
    predictions: Sequence[Prediction],
    *,
    segmented: bool = False,
) -> list[str]:
    """Describe what a user should know, the most serious first; a sentence per line of stderr.

    Args:
        opened: the model.
        listener: made the passages.
        clips: the inputs.
        predictions: their predictions.
        segmented: the clips are recordings that were cut at pauses.
    """
    silent = [own for own in predictions if own.silent]
    lines = [f"warning: {_of(silent, predictions)}: it contains no sound"] if silent else []
    lines += [f"warning: {line}" for line in first_lines(_remarks(predictions))]
    lines += [
        f"note: {line}" for line in (*_inputs(listener, clips, predictions, segmented), *_lacking(opened, predictions))
    ]
    return [*lines, *(f"note: {line}" for line in _trust(opened))]


def _trust(opened: Predictor) -> list[str]:
    """Say why probabilities are uncalibrated or scores have no interval, or within which limits they are and have."""
    certainty, own = opened.certainty, opened.intervals or opened.calibration
    if own is None and not opened.trained.task.is_soft:
        members, trained = len(opened.members), opened.trained
        index = f" --members {opened.size.k}" * (opened.size.chosen_by == "user")
        who = "this member" if members == 1 else f"these {members} members"
        fits = f"for {who}; sertool ensemble --name {trained.name}{index} fits"
        if opened.ranges:
            return [f"without intervals: none were fitted {fits} them, if there is validation to fit them on"]
        return [f"uncalibrated: no temperature was fitted {fits} one, if there is validation to fit it on"]
    if opened.uncalibrated:
        return [f"{lacks_what(opened.ranges)}: {opened.uncalibrated}"]
    lines = [f"no interval of {name}: {reason}" for name, reason in certainty.reasons.items()]
    if own is not None and own.note:
        lines.append(f"{'intervals' if opened.ranges else 'interval of the temperature'}: {own.note}")
    return lines


def _lacking(opened: Predictor, predictions: Sequence[Prediction]) -> list[str]:
    """Name the predictions without a class, and those outside what was calibrated, with what their inputs lack."""
    groups: dict[tuple[bool, tuple[str, ...]], list[Prediction]] = {}
    for own in predictions:
        if own.lacking and (own.uninformed or not opened.uncalibrated):
            groups.setdefault((own.uninformed, own.lacking), []).append(own)
    return [
        f"{_of(some, predictions)}: {UNSURE if uninformed else lacks_what(opened.ranges)}: {in_words(lacking)}"
        for (uninformed, lacking), some in groups.items()
    ]


def _remarks(predictions: Sequence[Prediction]) -> list[str]:
    """List the faults of files, each once, though a file may have many windows."""
    return list(dict.fromkeys(printable(f"{own.name}: {own.remark}") for own in predictions if own.remark))


def _inputs(listener: Listener, clips: Sequence[Clip], predictions: Sequence[Prediction], segmented: bool) -> list[str]:
    lines = []
    for used, other in (("audio", "text"), ("text", "audio")):
        if not listener.uses(other) and any(getattr(clip, other) for clip in clips):
            lines.append(f"this model uses {used} alone; the {other} is ignored")
        lacking = [own for own in predictions if other not in own.modalities]
        if listener.uses(used) and listener.uses(other) and lacking:
            who = _of(lacking, predictions)
            lines.append(f"{who}: predicted from {used} alone; the model was trained on both")
    alone = [own for own in predictions if own.speaker is None and "audio" in own.modalities]
    if listener.recipe.dataset.by_speaker and alone:
        names = (
            "--channel each takes every channel for a speaker"
            if segmented
            else ("a column 'speaker' of --table names the speakers")
        )
        lines.append(
            f"{_of(alone, predictions)}: standardised by the recordings of the training, since fewer than two of the "
            f"speaker are here; {names}"
        )
    heard = [own for own in predictions if "audio" in own.modalities]
    if listener.recipe.dataset.by_corpus and heard:
        lines.append(
            f"{_of(heard, predictions)}: standardised by the recordings of all corpora of the training together; in "
            "the training each corpus was standardised by its own"
        )
    if cut := [own for own in predictions if "audio" in own.cut]:
        fits = math.floor(listener.seen * 10) / 10  # rounded down, so that the window fits
        covers = f"; --window {fits:g} covers all of it"
        if segmented:  # speech is cut into pieces of a second or more
            covers = f"; --longest {fits:g} cuts speech there, so that the model hears all of it" if fits >= 1 else ""
        lines.append(
            f"{_of(cut, predictions)}: longer than the {listener.seen:.1f} s that this model uses; the rest is "
            f"ignored{covers}"
        )
    if cut := [own for own in predictions if "text" in own.cut]:
        encoder, most = listener.recipe.text_frontend, listener.recipe.dataset.max_text_length
        unit = "words" if isinstance(encoder, str) else encoder.pool
        lines.append(f"{_of(cut, predictions)}: only the first {most} {unit} of the text are used")
    if unknown := [word for own in predictions for word in own.unknown_words]:
        few = first_few(printable(word) for word in dict.fromkeys(unknown))
        lines.append(f"{plural(len(unknown), 'word')} not seen in training: {few}")
    return lines


def _of(some: Sequence[Prediction], predictions: Sequence[Prediction]) -> str:
    """Name the clips of some predictions: all, or the first three and the number of the others."""
    names = list(dict.fromkeys(printable(own.name) for own in some))
    if len(some) == len(predictions) > 1 and len(names) > 1:
        return f"all {len(predictions)}"
    return first_few(names, 3)
