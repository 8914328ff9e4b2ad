"""Corpora of scores at the edge of what is allowed, through train, ensemble, report and predict."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands_run import run
from scored_corpora import scored_corpus, write_scored

from sertool.core.corpora.corpus import Corpus

SHORT = {"runs": 2, "max_epochs": 2, "learning_rate": 0.01}


def rewritten(corpus: Corpus, labels, ranges: dict[str, tuple[float, float]]) -> Corpus:
    """Return the corpus with other scores: ``labels`` makes those of an utterance from its number and itself."""
    utterances = [replace(one, labels=labels(n, one)) for n, one in enumerate(corpus.utterances)]
    return replace(corpus, utterances=tuple(utterances), ranges=ranges)


def scaled(factor: float, offset: float) -> Corpus:
    """Make a corpus with one score, a linear function of valence, whose range begins at 1 and ends at 5."""

    def labels(_, one):
        return {"v": offset + factor * one.labels["valence"]}

    ends = sorted((offset + factor, offset + 5 * factor))
    return rewritten(scored_corpus(), labels, {"v": (ends[0] - 1e-9, ends[1] + 1e-9)})


def forty(number, one):
    draw = np.random.default_rng(number)
    values = one.labels["valence"] + draw.uniform(-1, 1, 40)
    # Every score is missing for other utterances.
    return {f"s{place}": float(value) for place, value in enumerate(values) if (number + place) % 5}


def named(*names: str) -> Corpus:
    low, high = 1.0, 5.0

    def labels(_, one):
        return dict.fromkeys(names, one.labels["valence"])

    return rewritten(scored_corpus(), labels, dict.fromkeys(names, (low, high)))


def last_dimension(split: str, values: list[float | None]) -> Corpus:
    """Make a corpus of two scores; the second has these values, in turn, in one split."""

    def labels(number, one):
        if one.split != split:
            return one.labels
        value = values[number % len(values)]
        return {"valence": one.labels["valence"], **({} if value is None else {"arousal": value})}

    return rewritten(scored_corpus(missing=0), labels, {"valence": (1.0, 5.0), "arousal": (0.0, 10.0)})


CASES = {
    "forty scores": (rewritten(scored_corpus(), forty, {f"s{n}": (0.0, 6.0) for n in range(40)}), {}),
    "names": (named("Größe", "how warm", "a:b", "<b>", "100 %", "=1+1", "x" * 200, "predicted", "label", "low"), {}),
    "a billion": (scaled(2e8, -6e8), {}),
    "a thousandth": (scaled(-5e-4, 1e-3), {}),
    "negative": (scaled(-1.0, 0.0), {"dataset": {"clip": True}}),
    "far from zero": (scaled(1.0, 9e4), {}),
    "batches of one": (scored_corpus(), {"training": {**SHORT, "batch_size": 1, "loss": "mae"}}),
    "one valid": (scored_corpus({"train": 20, "valid": 1, "test": 9}), {"training": {**SHORT, "select": "mae"}}),
    "one test": (scored_corpus({"train": 20, "valid": 9, "test": 1}, missing=0), {}),
    "constant in test": (last_dimension("test", [4.0]), {}),
    "missing in test": (last_dimension("test", [None]), {}),
    "once in test": (last_dimension("test", [4.0, *([None] * 29)]), {}),
    "constant in valid": (last_dimension("valid", [4.0]), {"training": {**SHORT, "select": "mae"}}),
    "folds": (scored_corpus(speakers=9), {"splits": {"scheme": "folds", "folds": 3}}),
}

OFTEN = ("names", "missing in test")  # the others are left to the slow tests


def finite(content, place="") -> list[str]:
    """Return the places of JSON at which a number is not finite; JSON has no such numbers, but Python writes them."""
    if isinstance(content, dict):
        return [bad for key, value in content.items() for bad in finite(value, f"{place}.{key}")]
    if isinstance(content, list):
        return [bad for number, value in enumerate(content) for bad in finite(value, f"{place}[{number}]")]
    return [place] if isinstance(content, float) and not np.isfinite(content) else []


@pytest.mark.parametrize(
    "case", [name if name in OFTEN else pytest.param(name, marks=pytest.mark.slow) for name in CASES]
)
def test_every_command_takes_it(here, case):
    corpus, sections = CASES[case]
    dataset = {"modalities": ["text"], **sections.get("dataset", {})}  # as predict makes no frames of 5 values
    write_scored(here, corpus, **{"training": SHORT, **sections, "dataset": dataset})
    run_dir = ("--name", "tiny")
    commands = [
        ("train", "--recipe", "tiny.yaml", "--json", "train.json"),
        ("ensemble", *run_dir, "--split", "valid,test", "--probe", "--json", "ensemble.json", "--csv", "all.csv"),
        ("ensemble", *run_dir, "--json", "again.json"),
        ("report", *run_dir, "--json", "report.json", "--csv", "report.csv", "--html", "report.html"),
        ("predict", *run_dir, "--text", "great table", "--json", "predict.json", "--csv", "predict.csv"),
        ("doctor", "--recipe", "tiny.yaml", "--json", "doctor.json"),
    ]
    for command in commands:
        done = run(*command)
        assert done.exit_code == 0, f"{' '.join(command)}: {done.output}"
        assert "nan" not in done.output.lower().split(), done.output
    assert not re.search(r"\b(nan|inf)\b", Path("report.html").read_text(), re.IGNORECASE)
    for path in Path().glob("*.json"):
        assert not finite(json.loads(path.read_text())), path
    for name in ("all.csv", "predict.csv"):
        with Path(name).open(encoding="utf-8", newline="") as file:
            header, *rows = list(csv.reader(file))
        assert len(set(header)) == len(header)
        assert rows
        assert all(len(row) == len(header) for row in rows)


@pytest.mark.slow
def test_a_score_on_any_scale_is_learnt_alike(here):
    """Scores are standardised, so the members of scales that differ are the same, and so are the correlations."""
    found = {}
    for name, (factor, offset) in {
        "plain": (1, 0),
        "billion": (2e8, -6e8),
        "small": (5e-4, 1e-3),
        "far": (1, 9e4),
    }.items():
        write_scored(here, scaled(factor, offset), training=SHORT)
        assert run("train", "--recipe", "tiny.yaml", "--name", name).exit_code == 0
        done = run("ensemble", "--name", name, "--split", "test", "--json", f"{name}.json")
        assert done.exit_code == 0, done.output
        own = json.loads(Path(f"{name}.json").read_text())["sets"]["test"]["scores"]["v"]
        found[name] = [own["ccc"], own["pearson"], own["r2"], own["mae"] / factor]
    for name, figures in found.items():
        assert figures == pytest.approx(found["plain"], abs=2e-3), name
