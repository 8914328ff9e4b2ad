"""The model card of a bundle: model, training data, figures, limits and forbidden uses."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sertool.core.corpora.tasks import ANY
from sertool.core.corpora.words import LANGUAGES
from sertool.core.export.card_figures import (
    bits_text,
    differences_text,
    figures_text,
    int8_text,
    raters_row,
    sure_row,
    validation_text,
)
from sertool.core.export.check import BundleComparison
from sertool.core.export.encoder_facts import encoder_licences, encoder_rows, sources_of
from sertool.core.export.figures import Figure, ScoreFigures
from sertool.core.export.losses import Loss
from sertool.core.export.source import log_mel_of
from sertool.core.export.written import Brought
from sertool.core.features.frontend import open_frontend
from sertool.core.features.log_mel import LogMel
from sertool.core.formatting import in_markdown, plural, printable
from sertool.core.inference.certainty import Certainty
from sertool.core.recipe.schema import Model
from sertool.core.runs.ensemble_size import EnsembleSize
from sertool.core.runs.members import Trained, TrainedMember

TEMPLATE = Path(__file__).parent / "templates" / "card.md.template"
FILES = {
    "model.onnx": "the ensemble; opset 17, any batch, any lengths",
    "model.onnx.data": "its weights, which do not fit into the same file",
    "model.int8.onnx": "the same with 8-bit weights: `--model model.int8.onnx`",
    "model.int8.onnx.data": "its weights",
    "run.py": "predicts recordings; code to start from",
    "words.py": "splits a text into words as the texts of the training were",
    "vocabulary.json": "the row of each word; 1 for an unknown word",
    "labels.json": "the classes, in the order of the outputs",
    "settings.json": "lengths, rules for words, frontends, versions, hashes",
    "encoder.onnx": "the speech encoder, opset 18; a recording of any length",
    "encoder.onnx.data": "its weights",
    "speech_encoder.py": "makes frames of a recording by encoder.onnx",
    "mel_filters.npy": "the mel filters of the speech encoder's feature extractor",
    "text_encoder.onnx": "the text encoder, opset 18; tokens of any number",
    "text_encoder.onnx.data": "its weights",
    "text_encoder.py": "makes frames of a text by text_encoder.onnx",
    "text_pooling.py": "frames of the states of tokens",
    "tokenizer.json": "the text encoder's tokenizer",
    "pieces.py": "divides long inputs of an encoder",
    "README.md": "this page",
}
SCORES = "the scores, in the order of the outputs, with their ranges and half the widths of their intervals"


@dataclass(frozen=True)
class Facts:
    """The facts on the card.

    Attributes:
        trained: recipe and task.
        members: the members that are averaged.
        size: number of members of each fold, and where it comes from.
        note: identity of the data, see :func:`sertool.core.runs.experiment.corpus_note`.
        source: sentence on the origin of the corpus; empty if the corpus is not available.
        selected_on_test: the members were selected on the test utterances.
        started_from: run whose weights the members started from; None if they were random, or it is not known.
        seen_in_test: number of test utterances that this run was trained or selected on.
        figure: figures on test; None without the corpus or without labelled test utterances.
        certainty: calibration of the probabilities, or intervals of the scores.
        compared: comparisons with PyTorch.
        loss: accuracy, or CCC and MAE, lost by the 8-bit graph; None without one.
        with_frontend: the graph takes a waveform.
        brought: the pretrained encoders in the bundle; None without any.
    """

    trained: Trained
    members: Sequence[TrainedMember]
    size: EnsembleSize
    note: Mapping[str, Any]
    source: str
    selected_on_test: bool
    started_from: str | None
    seen_in_test: int
    figure: Figure | ScoreFigures | None
    certainty: Certainty
    compared: Sequence[BundleComparison]
    loss: Loss | None
    with_frontend: bool
    brought: Brought | None = None


def write_card(facts: Facts, files: Sequence[str]) -> str:
    """Write the card as Markdown; ``files`` are the names of the bundle's files."""
    trained = facts.trained
    recipe, dataset, task = trained.recipe, trained.recipe.dataset, trained.task
    described = FILES | ({"labels.json": SCORES} if task.ranges else {})
    return TEMPLATE.read_text(encoding="utf-8").format(
        name=in_markdown(trained.name),
        about=f"An ensemble exported by sertool from the recipe `{recipe.name}` ({in_markdown(recipe.about)}).",
        synthetic="\n\n**It was trained on synthetic speech: its figures say nothing about people.**"
        * trained.synthetic,
        machine_text="- Some or all of the transcripts in its training data were made by speech recognition.\n"
        * trained.machine_text,
        inputs=_inputs(facts),
        answers=_answers(trained),
        model=f"{plural(len(facts.members), 'member')}{' averaged' * (len(facts.members) > 1)}, "
        + _model(recipe.model),
        context=_context(trained),
        alone=_alone(trained),
        size=in_markdown(facts.size.explained),
        corpus=in_markdown(trained.corpus),
        counts=", ".join(f"{in_markdown(name)} {count:,}" for name, count in facts.note["counts"].items())
        + " utterances",
        divided=_divided(facts),
        protocol=_protocol(facts),
        sure=sure_row(facts.certainty, dict(zip(task.classes, task.ranges, strict=True)) if task.ranges else {}),
        raters=raters_row(facts.note.get("raters", {}), trained),
        figures=_figures(facts),
        validation=validation_text(trained, [member.score for member in facts.members]),
        compared=", and on ".join(in_markdown(own.source) for own in facts.compared),
        differences=differences_text(facts.compared),
        int8=int8_text(facts.loss) + _bits(facts.brought),
        purpose=_purpose(trained),
        missing="there are no intervals" if task.ranges else "its probabilities are uncalibrated",
        encoders=encoder_rows(trained),
        licences=encoder_licences(trained, brought=facts.brought is not None),
        modalities=" or ".join(dataset.modalities),
        forced=_forced(trained),
        limit=_limit(trained),
        audio_limit=_audio_limit(facts) + _speakers(facts),
        source=f"The corpus says of itself: {in_markdown(facts.source)}." if facts.source else "",
        needs=_needs(facts.trained, files),
        files="\n".join(f"- `{name}`: {described[name]}" for name in sorted(files)),
    )


def _model(model: Model) -> str:
    if not model.hidden_width:
        return model.title
    return f"{model.title}, hidden size {model.hidden_size}, {plural(model.num_layers, 'layer')} a modality"


def _context(trained: Trained) -> str:
    """Say how many earlier utterances a model reads, as a row of the table; empty for a model without context."""
    context = trained.recipe.context
    if context is None:
        return ""
    speakers = " and their speakers" if context.speakers else ""
    return f"\n| context | {plural(context.previous, 'earlier utterance')} of the dialogue{speakers} |"


def _alone(trained: Trained) -> str:
    """Say how a model with context gets it, and what is measured without."""
    context = trained.recipe.context
    if context is None:
        return ""
    speakers = ", each with the name of its speaker" if context.speakers else ""
    return (
        f"- It judges an utterance after those before it in the dialogue: give `Conversation` in `run.py` the turns in "
        f"their order{speakers}. Without them, as on the command line, it judges an utterance alone, less well than "
        "the figures say; how much is not on this page.\n"
    )


def _limit(trained: Trained) -> str:
    """Say how much of an utterance a model reads; empty where an encoder makes one frame of all of it."""
    dataset, sources = trained.recipe.dataset, sources_of(trained)
    pools = {own: sources[own].get("pool", "mean") if own in sources else "" for own in dataset.modalities}
    units = {"text": "tokens" if pools.get("text") == "tokens" else "words", "audio": "frames"}
    most = {"text": dataset.max_text_length, "audio": dataset.max_audio_length}
    parts = [f"{most[own]} {units[own]}" for own, pool in pools.items() if not str(pool).startswith("mean")]
    return f"- It reads at most {' and '.join(parts)} of an utterance; the rest is cut off.\n" if parts else ""


def _code(text: str) -> str:
    """Write a text as code; the marks around it are longer than any in it, as code knows no escapes."""
    text = printable(text)
    longest = max(map(len, re.findall("`+", text)), default=0)
    marks, space = "`" * (longest + 1), " " if longest else ""
    return f"{marks}{space}{text}{space}{marks}"


def _needs(trained: Trained, files: Sequence[str]) -> str:
    """Name the packages that run.py needs."""
    language = LANGUAGES.get(trained.word_splitting or "") if "words.py" in files else None
    packages = ["numpy", "onnxruntime", "soundfile", *(["tokenizers"] if "tokenizer.json" in files else [])]
    if language is None:
        return f"{', '.join(packages[:-1])} and {packages[-1]}"
    own = ", ".join((*packages, "spacy", *language.modules))
    return f"{own}; the last ones split {language.name} texts into words"


def _inputs(facts: Facts) -> str:
    dataset = facts.trained.recipe.dataset
    text = "words" if facts.trained.text_width is None else f"text as frames of {facts.trained.text_width} values"
    audio = "a recording" if facts.with_frontend else f"audio frames of {facts.trained.audio_width} values"
    for modality in facts.brought.settings if facts.brought else ():
        audio, text = ("a recording", text) if modality == "audio" else (audio, "a text")
    if log_mel_of(facts.trained) and not facts.with_frontend:
        audio += ", which run.py computes from a recording"
    return " and ".join({"text": text, "audio": audio}[modality] for modality in dataset.modalities)


def _divided(facts: Facts) -> str:
    folds, splits = facts.note["folds"], facts.trained.recipe.splits
    if len(folds) > 1:
        own = "that came with the corpus" if splits.group == "fold" else f"by {splits.group}"
        return f"{len(folds)} folds {own}; every fold's members are in this ensemble"
    if splits.scheme == "holdout":
        return f"{folds[0]['valid']:,} utterances held out from training by {splits.group}"
    return f"{folds[0]['valid']:,} utterances of the corpus's own {in_markdown(splits.valid)} split"


def _protocol(facts: Facts) -> str:
    if facts.selected_on_test:
        return f"{facts.trained.recipe.protocol}: **selected on test**, members were chosen on the test utterances"
    started = f"; members started from the weights of {in_markdown(facts.started_from)}" if facts.started_from else ""
    if facts.seen_in_test:
        return (
            f"{facts.trained.recipe.protocol}{started}, which was **trained or selected on {facts.seen_in_test} of the "
            "test utterances**"
        )
    return f"{facts.trained.recipe.protocol}: nothing was selected on test{started}"


def _figures(facts: Facts) -> str:
    if facts.figure is None:
        command = _code(f"sertool ensemble --name {facts.trained.name} --split test")
        return f"On test: not measured; {command} measures it."
    optimistic = facts.selected_on_test or facts.seen_in_test > 0
    return figures_text(facts.figure, facts.trained, len(facts.note["folds"]), optimistic=optimistic)


def _answers(trained: Trained) -> str:
    """Name what comes out."""
    task, classes = trained.task, in_markdown(", ".join(trained.task.classes))
    if task.kind == "scores":
        cut = "cut to these ranges" if trained.recipe.dataset.clip else "not cut to these ranges"
        return f"{in_markdown(task.shown)}; {cut}"
    if task.is_soft:
        return f"the share of raters that choose each of {classes}"
    if task.rule == ANY:
        return f"any of {classes}: those that at least one rater chose"
    return f"{'one of' if task.kind == 'single' else 'any of'} {classes}"


def _forced(trained: Trained) -> str:
    """Say what is predicted for an utterance that is like none of the training."""
    if trained.task.kind == "scores":
        return "a score for every utterance, also where none can be told"
    if trained.task.kind == "multi":
        return "each class by itself, a yes above one half"
    return "one of its classes, also where none fits"


def _purpose(trained: Trained) -> str:
    """Say what the model predicts, and by whose judgement."""
    if trained.task.kind == "scores":
        what = "the scores that raters would give an utterance for how it sounds and reads"
    elif trained.task.is_soft:
        what = "the share of raters who would choose each class for how an utterance sounds and reads"
    else:
        what = "which of its classes an utterance sounds and reads like"
    return f"The model predicts {what}, according to the labels of its training data."


def _bits(brought: Brought | None) -> str:
    return "" if brought is None or brought.bits == "fp32" else bits_text(brought.bits, brought.loss)


def _speakers(facts: Facts) -> str:
    """Say what a bundle, which knows no speakers and corpora, makes of ``standardize: speaker`` and ``each-corpus``."""
    dataset = facts.trained.recipe.dataset
    if not dataset.by_speaker and not dataset.by_corpus:
        return ""
    measured = "; the figures on test were measured in this way too" if facts.figure is not None else ""
    if dataset.by_corpus:
        return (
            "- In training the audio frames of each corpus were standardised by its own training frames. This folder "
            f"knows no corpora and standardises by the training frames of all of them instead{measured}.\n"
        )
    return (
        "- In training its audio frames were standardised by each speaker's own recordings. This folder knows no "
        f"speakers and standardises by the training frames instead{measured}.\n"
    )


def _audio_limit(facts: Facts) -> str:
    trained = facts.trained
    if "audio" not in trained.recipe.dataset.modalities:
        return ""
    frontend = open_frontend(trained.frontend) if trained.frontend and facts.brought else log_mel_of(trained)
    if trained.frontend and "opensmile" in trained.frontend:
        return "- Its audio frames come from openSMILE, which is not in this folder.\n"
    if frontend is None and trained.frontend:
        return "- Its audio frames come from the speech encoder above, which is not in this folder.\n"
    if frontend is None:
        return "- Its audio frames come from another program, which is not in this folder.\n"
    step = frontend.seconds_per_frame
    heard = trained.recipe.dataset.max_audio_length * step
    limit = f"- A frame is taken every {step:.3f} s, so the model hears at most {heard:.1f} s.\n"
    differ = "differ a little from training's"
    if isinstance(frontend, LogMel):
        differ = "differ from training's by 0.0004 of their range on average"
    return (limit if math.isfinite(step) else "") + (
        f"- Recordings of another rate than {frontend.sample_rate} Hz are resampled by run.py with its own filter; "
        f"its features {differ}.\n"
    )
