"""Faults planted in generated corpora, trained and evaluated on the command line: a report must point them out.

Of four classes words tell one half and sound the other, with a tenth of the labels drawn at random: a small model
learns that in seconds, needs both modalities and can say how sure it is.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from builders import tiny_recipe
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.corpora.corpus import Corpus, Frames, Utterance
from sertool.core.corpora.corpus_files import write_corpus
from sertool.core.recipe.load import resolved
from sertool.core.reports.build import build_report
from sertool.core.reports.contents import Report, RunReport

pytestmark = pytest.mark.slow

CLASSES = ("angry", "calm", "happy", "sad")
SPEAKERS = {"train": 20, "valid": 10, "test": 24}
EACH = 20  # utterances of a speaker
WIDTH = 4
NOISE = 0.1  # share of labels that are drawn at random

Relabel = Callable[[Utterance, int, np.random.Generator], int]


def as_it_is(utterance: Utterance, label: int, random: np.random.Generator) -> int:
    return label


def noisy_in_test(utterance: Utterance, label: int, random: np.random.Generator) -> int:
    """Four of ten labels of test are drawn at random, which no other split prepares for."""
    return int(random.integers(4)) if utterance.split == "test" and random.random() < 0.4 else label


def women_in_test(utterance: Utterance, label: int, random: np.random.Generator) -> int:
    """All labels of women in test are drawn at random."""
    return int(random.integers(4)) if utterance.split == "test" and utterance.gender == "f" else label


def make_planted(relabel: Relabel = as_it_is, *, leak: bool = False, silent: bool = False) -> Corpus:
    """A corpus.

    Args:
        relabel: changes labels after words and sound are made by them.
        leak: the speakers of test are those of training.
        silent: words tell the whole class, and sound nothing.
    """
    random = np.random.default_rng(7)
    utterances, frames = [], []
    for split, speakers in SPEAKERS.items():
        own = "train" if leak and split == "test" else split
        for number in range(speakers * EACH):
            speaker, label = number % speakers, int(random.integers(4))
            told = label if silent else label // 2
            words = [f"w{told}{random.integers(4)}" for _ in range(3)]
            words = tuple(random.permutation([*words, *random.choice(["so", "the", "it"], random.integers(1, 5))]))
            plain = Utterance(
                f"{split}{number}",
                split,
                " ".join(words),
                words,
                speaker=f"{own}-{speaker}",
                gender="fm"[speaker % 2],
                seconds=len(words) / 2.5,
            )
            sound = random.normal(0, 1, (int(random.integers(4, 9)), WIDTH))
            if not silent:
                sound[:, 0] += 2 * (label % 2) - 1
            frames.append(sound.astype(np.float32))
            label = int(random.integers(4)) if random.random() < NOISE else label
            label = relabel(plain, label, random)
            utterances.append(Utterance(**{**vars(plain), "labels": {"emotion": CLASSES[label]}}))
    return Corpus("TINY", tuple(utterances), Frames.join(frames, WIDTH), {"emotion": CLASSES}, source="random numbers")


SETTINGS = {
    "dataset": {"max_text_length": 8},
    "model": {"hidden_size": 16, "ffn_size": 16, "embedding_size": 16},
    "training": {"batch_size": 16, "max_epochs": 8, "select": "uar"},
}


def sertool(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def reported(tmp_path, monkeypatch) -> Callable[..., Report]:
    """Trains, judges and reports by the command line, which must name every finding; the report as data."""
    monkeypatch.chdir(tmp_path)

    def run(corpus: Corpus, *recipes: dict) -> Report:
        write_corpus(corpus, Path("data/TINY"))
        names = []
        for changes in recipes or ({},):
            recipe = tiny_recipe(**{**SETTINGS, **changes})
            Path(f"{recipe.name}.yaml").write_text(resolved(recipe))
            sertool("train", "--recipe", f"{recipe.name}.yaml")
            sertool("ensemble", "--name", recipe.name, "--sets", "valid,test", "--probe")
            names.append(recipe.name)
        options = [word for name in names for word in ("--name", name)]
        shown = sertool("report", *options)
        made = build_report(names, Path("ckpt"), Path("data"))
        for found in (found for run in made.runs for found in run.findings):
            assert f"[{found.kind}]" in shown
        return made

    return run


PAPER = {"name": "paper", "protocol": "paper", "splits": {"scheme": "corpus", "valid": "test"}}


def grave(run: RunReport) -> dict[str, str]:
    """Its findings but for notes: text by kind."""
    return {found.kind: found.text for found in run.findings if found.severity != "note"}


def test_a_clean_run_has_nothing_to_point_out(reported):
    made = reported(make_planted())
    (run,) = made.runs
    assert run.findings == ()
    assert made.problems == ()
    test = run.sets["test"]
    assert test.metrics["accuracy"].low > 0.75
    assert (test.unit, test.clusters, run.chosen_by) == ("speaker", 24, "validation")
    assert len(run.histories) == 3
    assert [read.by for read in run.reads] == ["sertool train", "sertool ensemble"]
    for probe in test.probes:
        assert probe.drop.value > 0.2
        assert probe.p < 0.001


def test_a_leak_of_speakers_is_named(reported):
    (run,) = reported(make_planted(leak=True)).runs
    assert grave(run) == {"shared-speakers": "20 speakers in two of train, valid and test"}


def test_a_run_selected_on_test_is_named_and_its_flattery_measured(reported):
    made = reported(make_planted(), PAPER, {"name": "honest"})
    paper, honest = made.runs
    assert grave(paper)["selected-on-test"] == (
        "epochs, order and k were selected on the test utterances, as in the paper: the figures are optimistic"
    )
    assert "selected-on-test" not in grave(honest)
    assert (paper.stamp, honest.stamp) == ("selected on test: epochs, order and k", "")
    (task,) = made.tasks
    rows = {row.metric: row for row in task.differences}
    figures = {row.run: row.metrics["accuracy"].value for row in task.ours}
    assert rows["accuracy"].difference.value == pytest.approx(figures["paper"] - figures["honest"])
    assert rows["accuracy"].difference.low is not None
    assert rows["accuracy"].note == ""


def test_a_miscalibrated_model_is_named(reported):
    (run,) = reported(make_planted(noisy_in_test)).runs
    assert grave(run)["miscalibrated"].startswith("test: overconfident: mean probability ")


def test_a_weak_slice_is_named(reported):
    (run,) = reported(make_planted(women_in_test)).runs
    weak = [found.text for found in run.findings if found.kind == "weak-slice"]
    assert any(text.startswith("test: gender f: accuracy ") for text in weak)
    assert any("(240 utterances of 12 speakers, p " in text for text in weak)
    assert not any("gender m" in text for text in weak)


def test_a_model_that_ignores_audio_is_named(reported):
    (run,) = reported(make_planted(silent=True)).runs
    assert set(grave(run)) == {"ignores-audio"}
    assert grave(run)["ignores-audio"].startswith(
        "test: it uses the text and ignores the audio: with the audio of other utterances "
    )
