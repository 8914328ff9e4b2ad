"""The files of a bundle besides its graphs: script, vocabulary, labels, settings, model card."""

import json
from collections.abc import Collection, Mapping
from importlib.metadata import version
from inspect import getsource
from pathlib import Path
from typing import Any

from sertool.core.corpora import words
from sertool.core.corpora.words import REMOVED, TYPOGRAPHIC
from sertool.core.export.encoder_facts import encoders_of
from sertool.core.export.figures import measure
from sertool.core.export.model_card import Facts, write_card
from sertool.core.export.source import Opened, log_mel_of
from sertool.core.export.written import Written
from sertool.core.features import streams
from sertool.core.files import artifacts
from sertool.core.runs.members import Trained

FORMAT = "sertool-bundle/1"
SETTINGS = "settings.json"
COPIED = "# [copied into run.py]\n"  # what follows it in a module is part of the script
SCRIPT = Path(__file__).parent / "templates" / "run.py.template"


def write_texts(
    opened: Opened,
    folder: Path,
    in_graph: bool,
    written: Written,
) -> None:
    """Write everything but the graphs; the settings come last, with the hashes of all other files.

    Args:
        opened: the model.
        folder: folder of the bundle, with its graphs.
        in_graph: the graph makes log-mel frames of a waveform.
        written: the graphs.
    """
    trained, experiment = opened.trained, opened.experiment
    encoders = written.brought.settings if written.brought else {}
    artifacts.write_json(folder / "labels.json", _labels(opened))
    if _has_words(trained):
        rows = [dict(own.vocabulary.index) for own in trained.inputs]
        artifacts.write_text(folder / "vocabulary.json", json.dumps(rows, ensure_ascii=False) + "\n")
    splits = _has_words(trained) and trained.word_splitting is not None
    if splits:
        artifacts.write_text(folder / "words.py", Path(words.__file__).read_text(encoding="utf-8"))
    scores = trained.task.kind == "scores"
    context = trained.recipe.context is not None
    text = script(in_graph=in_graph, splits=splits, encoders=encoders, scores=scores, context=context)
    artifacts.write_text(folder / "run.py", text)
    facts = Facts(
        trained=trained,
        members=opened.members,
        size=opened.size,
        note=opened.note,
        source=experiment.corpus.source.rstrip(".") if experiment else "",
        selected_on_test=opened.selected_on_test,
        started_from=opened.ensemble.started_from if opened.ensemble else None,
        seen_in_test=opened.ensemble.seen_in_test if opened.ensemble else 0,
        figure=measure(opened),
        certainty=opened.certainty,
        compared=written.compared,
        loss=written.loss,
        with_frontend=in_graph,
        brought=written.brought,
    )
    there = [path.name for path in folder.iterdir()]
    artifacts.write_text(folder / "README.md", write_card(facts, [*there, "README.md", SETTINGS]))
    hashes = {path.name: artifacts.sha256(path) for path in sorted(folder.iterdir())}
    artifacts.write_json(folder / SETTINGS, _settings(opened, in_graph, encoders, hashes))


def _labels(opened: Opened) -> dict[str, Any]:
    """Return the classes; of scores their names with their ranges, and half the widths of their intervals."""
    task, intervals = opened.trained.task, opened.certainty.intervals
    content: dict[str, Any] = {"kind": task.kind, "classes": list(task.classes)}
    if task.kind == "scores":
        content["ranges"] = [list(own) for own in task.ranges]
        content["clip"] = opened.trained.recipe.dataset.clip
        content["level"] = None if intervals is None else intervals.level
        content["half_widths"] = [None] * len(task.classes) if intervals is None else list(intervals.half)
    return content


def script(
    *,
    in_graph: bool,
    splits: bool = False,
    encoders: Collection[str] = (),
    scores: bool = False,
    context: bool = False,
) -> str:
    """Return ``run.py``: the template without the lines for other graphs and words, with the code that it shares.

    Args:
        in_graph: the graph makes log-mel frames of a waveform.
        splits: words.py splits texts; without it they are split at spaces.
        encoders: modalities whose frames a pretrained encoder of the bundle makes.
        scores: the model predicts scores, not classes.
        context: the model judges an utterance after earlier ones.
    """
    frontends = ("mels", "graph", "encoders", "speech encoder", "text encoder")
    parts = (*frontends, "spaces", "splits", "words", "classes", "scores", "context")
    left_out = ["mels" if in_graph or encoders else "graph", "spaces" if splits else "splits"]
    left_out.append("words" if "text" in encoders else "text encoder")
    left_out.append("classes" if scores else "scores")
    left_out += [] if context else ["context"]
    left_out += [] if encoders else ["encoders"]
    left_out += [] if "audio" in encoders else ["speech encoder"]
    lines, within = list[str](), list[str]()  # parts may lie within others
    for line in SCRIPT.read_text(encoding="utf-8").splitlines():
        mark = line.strip()
        if mark in [f"# [{part}]" for part in parts]:
            within.append(mark[3:-1])
        elif mark in [f"# [/{part}]" for part in parts]:
            within.pop()
        elif mark == "# [streams]":
            lines += getsource(streams).partition(COPIED)[2].splitlines()
        elif not set(within) & set(left_out):
            lines.append(line)
    return "\n".join(lines) + "\n"


def _has_words(trained: Trained) -> bool:
    return "text" in trained.recipe.dataset.modalities and trained.text_width is None


def _settings(opened: Opened, in_graph: bool, encoders: Mapping[str, Any], hashes: dict[str, str]) -> dict[str, Any]:
    trained = opened.trained
    recipe = trained.recipe
    frontend = log_mel_of(trained)
    content: dict[str, Any] = {
        "format": FORMAT,
        "name": trained.name,
        "recipe": recipe.name,
        "protocol": recipe.protocol,
        "corpus": trained.corpus,
        "corpus_hash": opened.note["hash"],
        "synthetic": trained.synthetic,
        "machine_text": trained.machine_text,
        "architecture": recipe.model.architecture,
        "members": [member.name for member in opened.members],
        "size": opened.size.table,
        "ensemble": str(opened.size),
        **({} if trained.task.kind == "scores" else {"temperature": opened.temperature}),
        "uncalibrated": opened.certainty.uncalibrated,
        "modalities": sorted(recipe.dataset.modalities),
        "max_text_length": recipe.dataset.max_text_length,
        "max_audio_length": recipe.dataset.max_audio_length,
        "audio_width": trained.audio_width,
        "frontend": frontend and frontend.note,
        "frontend_in_graph": in_graph,
    }
    if recipe.context is not None:
        content["context"] = {"previous": recipe.context.previous, "speakers": recipe.context.speakers}
    if encoders:
        content["encoders"] = {
            modality: {**own, "model": encoders_of(trained)[modality]} for modality, own in encoders.items()
        }
    if _has_words(trained) and trained.word_splitting is not None:
        content["words"] = {"splitting": trained.word_splitting}
    elif _has_words(trained):
        tables = {"typographic": TYPOGRAPHIC, "removed": REMOVED}
        content["words"] = {name: {chr(sign): value for sign, value in table.items()} for name, table in tables.items()}
    elif "text" in recipe.dataset.modalities:
        content["text_width"] = trained.text_width
    packages = ["sertool", "onnx", "onnxruntime", "torch", "numpy", *(["transformers"] if encoders else [])]
    content["versions"] = {name: version(name) for name in packages}
    content["files"] = hashes
    return content
