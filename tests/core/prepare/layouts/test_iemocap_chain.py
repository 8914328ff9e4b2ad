"""From a release of IEMOCAP to trained models of the paper's recipes, with the acoustics of a user's table."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from commands_run import run
from made_iemocap import PUBLISHED, make_iemocap
from trained_recipes import prepare_for, train_small

from sertool.core.corpora.corpus import Corpus
from sertool.core.corpora.corpus_files import read_corpus


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return make_iemocap(tmp_path)


def table_of(release: Path, path: Path) -> None:
    """Write the table that a user would have made of the release."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "audio", "text", "emotion", "session"))
        for recording in sorted(release.glob("Session?/sentences/wav/*/Ses*.wav")):
            writer.writerow((recording.stem, recording, "words", "neutral", recording.stem[:5]))


def frames_of(corpus: Corpus) -> dict[str, np.ndarray]:
    return {utterance.id: corpus.audio[place] for place, utterance in enumerate(corpus.utterances)}


def test_the_papers_recipes_train_on_the_prepared_corpus(release):
    prepare_for("iemocap", release, "IEMOCAP")
    corpus = read_corpus(Path("data/IEMOCAP"))
    assert corpus.counts() == {"train": 56, "test": 14}
    assert (corpus.layout, corpus.classes["emotion"]) == ("iemocap", ("neutral", "happy", "sad", "angry"))
    for recipe in ("iemocap", "iemocap-honest", "iemocap-folds"):
        train_small(recipe)
    run("ensemble", "--name", "iemocap-folds", "--split", "test", "--json", "folds.json")
    # Five folds predict the labelled turns of all five sessions, ten in each.
    assert json.loads(Path("folds.json").read_text())["sets"]["test"]["utterances"] == 50


def test_the_acoustics_are_those_of_the_same_recordings_in_a_table(release):
    prepare_for("iemocap", release, "IEMOCAP")
    table_of(release, Path("table.csv"))
    prepare_for("custom", Path("table.csv"), "TABLE")
    ours, theirs = (frames_of(read_corpus(Path("data") / name)) for name in ("IEMOCAP", "TABLE"))
    assert ours.keys() == theirs.keys()
    assert len(ours) == 70
    for id_, frames in ours.items():
        assert frames.dtype == theirs[id_].dtype
        np.testing.assert_array_equal(frames, theirs[id_])


@pytest.mark.slow
def test_a_release_of_full_size_has_the_counts_of_the_paper(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prepare_for("iemocap", make_iemocap(tmp_path, PUBLISHED, seconds=0.2), "IEMOCAP")
    result = run("doctor", "--recipe", "iemocap", "--json", "doctor.json")
    assert "[counts]" not in result.output
    kinds = {finding["kind"] for finding in json.loads(Path("doctor.json").read_text())["findings"]}
    assert "counts" not in kinds
