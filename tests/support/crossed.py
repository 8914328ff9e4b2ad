"""Matrices of stored predictions whose truth is known, and corpora for ``sertool cross``."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from builders import CLASSES, make_corpus, tiny_recipe
from stored_sets import changed, make_origin, make_set, write_run

from sertool.core.corpora.corpus_files import write_corpus
from sertool.core.cross.contents import CorpusFacts, Setting
from sertool.core.files import artifacts
from sertool.core.recipe.load import resolved
from sertool.core.reports.compare.runs import Judged, judge
from sertool.core.reports.load import load_run
from sertool.core.runs.prediction_files import StoredSet

NAMES = ("A", "B")
GERMAN = {"angry": "Wut", "happy": "Freude", "sad": "Trauer"}


def setting(names: Sequence[str] = NAMES, **changes) -> Setting:
    """Describe an experiment on some corpora; ``changes`` replace fields."""
    corpora = tuple(CorpusFacts(name, f"data/{name}") for name in names)
    return replace(Setting("cross", "tiny", "a test's", (), "honest", None, False, corpora), **changes)


def decided(
    targets: Sequence[int], wrong: Sequence[int], *, classes: Sequence[str] = CLASSES, speakers: int = 8, **origin
) -> StoredSet:
    """Return a set of one member that is right but in some rows, where it decides for the next class."""
    labels = np.array(targets)
    decisions = labels.copy()
    decisions[list(wrong)] = (labels[list(wrong)] + 1) % len(classes)
    base = make_set("test", len(labels), classes=classes, members=1, speakers=speakers, origin=make_origin(**origin))
    logits = np.zeros((1, len(labels), len(classes)), np.float32)
    logits[:, np.arange(len(labels)), decisions] = 4
    return changed(base, logits=logits, targets=labels)


def opened(folder: Path, stored: StoredSet) -> Judged:
    """Store a set as a run, and read it as a matrix does."""
    return judge(load_run(write_run(folder, stored)), "test")


def opened_all(folder: Path, sets: Mapping[str, StoredSet]) -> dict[str, Judged]:
    """Store sets as runs, each in a folder of its own."""
    return {name: opened(folder / name, stored) for name, stored in sets.items()}


def write_corpora(folder: Path) -> None:
    """Write the corpora A, GERMAN with other names of the classes, and C, below ``data``, and the recipe tiny.yaml."""
    for seed, name in enumerate(("A", "GERMAN", "C"), 1):
        corpus = make_corpus({"train": 24, "valid": 12, "test": 20}, seed=seed, speakers=18)
        if name == "GERMAN":
            labelled = [replace(one, labels={"emotion": GERMAN[one.labels["emotion"]]}) for one in corpus.utterances]
            corpus = replace(corpus, utterances=tuple(labelled), classes={"emotion": tuple(GERMAN.values())})
        write_corpus(replace(corpus, name=name), folder / "data" / name)
    artifacts.write_text(folder / "tiny.yaml", resolved(tiny_recipe(training={"runs": 2, "max_epochs": 1})))
