"""Counts of a prepared corpus, and the settings to train on it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import fmean, stdev
from typing import Any

from sertool.core.corpora.agreement import Agreement
from sertool.core.corpora.corpus import Corpus, Utterance
from sertool.core.corpora.splitting import describe_splitting
from sertool.core.corpora.tasks import NOT_NEGATIVE
from sertool.core.prepare.assemble import Preparation
from sertool.core.recipe.dataset import ALL_SCORES, score_names
from sertool.core.recipe.schema import Recipe

CUSTOM, CUSTOM_SCORES = "custom", "custom-scores"  # recipes for a corpus of a table


def tasks_of(corpus: Corpus) -> list[str]:
    """Return the tasks that at least one utterance has a label for: emotion first, scores of other scales last."""
    names = {task for utterance in corpus.utterances for task in utterance.labels}
    return sorted(names, key=lambda name: (name != "emotion", name in corpus.ranges, name))


def predicted_tasks(corpus: Corpus, recipe: Recipe) -> list[str]:
    """Return the tasks that a recipe can predict: of classes, scores on a scale of their own are none."""
    known = tasks_of(corpus)
    if recipe.dataset.target == "scores":
        return [task for task in known if task not in corpus.classes]
    return [task for task in known if task not in corpus.ranges]


def recipe_for(corpus: Corpus, recipe: str) -> str:
    """Return the recipe for a corpus of a table: ``custom-scores`` in the place of ``custom`` for scores alone."""
    alone = bool(corpus.ranges) and all(task in corpus.ranges for task in tasks_of(corpus))
    return CUSTOM_SCORES if recipe == CUSTOM and alone else recipe


def training_settings(corpus: Corpus, recipe: Recipe) -> list[str]:
    """Return the settings, besides ``dataset.path``, that a recipe needs to train on a corpus, as ``KEY=VALUE``."""
    settings = _task_settings(corpus, recipe) if recipe.dataset.reader == "corpus" else []
    if "text" in recipe.dataset.modalities and not any(u.words for u in corpus.utterances):
        settings.append("dataset.modalities=[audio]")
    if "audio" in recipe.dataset.modalities and corpus.texts_alone:
        settings.append("dataset.modalities=[text]")
    return settings


def _task_settings(corpus: Corpus, recipe: Recipe) -> list[str]:
    """Return the settings of the task; a recipe for a data set of the paper has them all."""
    known = predicted_tasks(corpus, recipe)
    if not known:
        return []
    settings = []
    if recipe.dataset.target == "scores":
        named = score_names(recipe.dataset.task)
        if named != (ALL_SCORES,) and not set(named) <= set(known):
            settings.append(f"dataset.task={ALL_SCORES}")
    else:
        task = recipe.dataset.task if recipe.dataset.task in known else known[0]
        settings += [] if task == recipe.dataset.task else [f"dataset.task={task}"]
        if _kind(corpus, task) == "score" and recipe.dataset.num_classes is None:
            settings.append("dataset.num_classes=2")  # negative or not; 7 is the other choice
        if _kind(corpus, task) == "multi" and recipe.training.class_weights != "none":
            settings.append("training.class_weights=none")  # weights are for one class per utterance
    folds = {utterance.fold for utterance in corpus.utterances}
    if len(folds) >= 3 and None not in folds and recipe.splits.scheme == "corpus":
        settings += ["splits.scheme=folds", "splits.group=fold"]
    return settings


def _kind(corpus: Corpus, task: str) -> str:
    """Return the kind of a task's labels: ``single``, ``multi`` or ``score``."""
    if task not in corpus.classes:
        return "score"
    labels = (utterance.labels[task] for utterance in corpus.utterances if task in utterance.labels)
    return "multi" if isinstance(next(labels, None), list) else "single"


def summary(
    preparation: Preparation, table_warnings: Sequence[str] = (), agreement: Mapping[str, Agreement] | None = None
) -> dict[str, Any]:
    """Return the counts of a preparation as plain data, for tables and JSON.

    Args:
        preparation: the corpus that was made.
        table_warnings: warnings of its source.
        agreement: agreement of raters by task.
    """
    corpus = preparation.corpus
    words = describe_splitting(corpus)
    return {
        "utterances": len(corpus.utterances),
        "splits": corpus.counts(),
        "splits_drawn_by": preparation.drawn or None,
        "tasks": {
            task: _figures(corpus, task) if task in corpus.ranges else _counts(corpus, task)
            for task in tasks_of(corpus)
        },
        **({"agreement": {task: own.to_json() for task, own in agreement.items()}} if agreement else {}),
        "frames": len(corpus.audio.flat),
        "seconds": _seconds(corpus.utterances),
        "seconds_by_split": {split: _seconds(_of(corpus, split)) for split in corpus.counts()},
        "speakers": _speakers(corpus.utterances),
        "speakers_by_split": {split: _speakers(_of(corpus, split)) for split in corpus.counts()},
        "transcribed": sum(utterance.transcriber is not None for utterance in corpus.utterances),
        "frontend": dict(corpus.frontend or {}),
        "silent": list(preparation.silent),
        **({"choices": dict(corpus.choices)} if corpus.choices else {}),
        "left_out": [asdict(item) for item in corpus.left_out],
        "warnings": [*table_warnings, *preparation.warnings],
        **({"words": words, "word_splitting": corpus.word_splitting or "spaces"} if words else {}),
    }


def _of(corpus: Corpus, split: str) -> list[Utterance]:
    return [utterance for utterance in corpus.utterances if utterance.split == split]


def _seconds(utterances: Sequence[Utterance]) -> float:
    return round(sum(utterance.seconds or 0.0 for utterance in utterances), 3)


def _speakers(utterances: Sequence[Utterance]) -> int:
    return len({utterance.speaker for utterance in utterances} - {None})


def _counts(corpus: Corpus, task: str) -> dict[str, Any]:
    """Count labelled utterances by split and class; scores by sign, with 0 among those not negative."""
    kind = _kind(corpus, task)
    classes = NOT_NEGATIVE if kind == "score" else corpus.classes[task]
    splits, labelled = {}, {}
    for split, labels in _labels(corpus, task).items():
        if kind == "score":
            labels = [NOT_NEGATIVE[label >= 0] for label in labels]  # as the task with two classes does
        splits[split] = {
            name: sum(bool(label[place]) if kind == "multi" else label == name for label in labels)
            for place, name in enumerate(classes)
        }
        labelled[split] = len(labels)
    return {"kind": kind, "classes": list(classes), "splits": splits, "labelled": labelled}


def _figures(corpus: Corpus, task: str) -> dict[str, Any]:
    """Describe the scores of a scale of its own by split: mean, standard deviation (of n - 1), lowest and highest."""
    splits, labelled = {}, {}
    for split, scores in _labels(corpus, task).items():
        labelled[split] = len(scores)
        splits[split] = {
            "mean": fmean(scores) if scores else None,
            "sd": stdev(scores) if len(scores) > 1 else None,
            "lowest": min(scores, default=None),
            "highest": max(scores, default=None),
        }
    return {"kind": "range", "range": list(corpus.ranges[task]), "classes": [], "splits": splits, "labelled": labelled}


def _labels(corpus: Corpus, task: str) -> dict[str, list[Any]]:
    """Return the labels of a task by split."""
    return {
        split: [utterance.labels[task] for utterance in _of(corpus, split) if task in utterance.labels]
        for split in corpus.counts()
    }
