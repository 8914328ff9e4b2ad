"""A trained ensemble on another corpus: what is computed, what is stored and logged, and what is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import CPU, WORDS, make_corpus, tiny_recipe, write_tiny

from sertool.core.corpora.corpus import Corpus, Frames
from sertool.core.corpora.corpus_files import write_corpus
from sertool.core.corpora.label_maps import ClassMap, load_label_map, parse_label_map
from sertool.core.errors import UsageError
from sertool.core.inference.ensemble import open_ensemble
from sertool.core.inference.evaluate import evaluate
from sertool.core.inference.other_corpus import Elsewhere, Judge, judge_on, open_judge, open_other
from sertool.core.metrics.calibration import probabilities
from sertool.core.runs.experiment import open_experiment
from sertool.core.runs.plan import plan_training
from sertool.core.runs.prediction_files import read_set
from sertool.core.runs.temperature import read_calibration
from sertool.core.runs.train import train_recipe

NAMES = {"angry": "anger", "happy": "excited", "sad": "sadness"}


def train(folder: Path, name: str, corpus: Corpus | None = None, **sections) -> Path:
    data = write_tiny(folder / "data", corpus)
    recipe = tiny_recipe(**{"training": {"runs": 2, "max_epochs": 1}, **sections})
    plan = plan_training(open_experiment(recipe, data), folder / "ckpt" / name, [0, 1], None, CPU)
    list(train_recipe(plan, data, CPU))
    return folder / "ckpt" / name


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A run of two members on TINY, evaluated; its temperature is stored."""
    folder = tmp_path_factory.mktemp("trained")
    run = train(folder, "A")
    evaluate(open_ensemble("A", folder / "ckpt", folder / "data"), ["valid"], None, CPU)
    return run


@pytest.fixture
def run(trained, tmp_path) -> Path:
    """A copy of that run, in which a test may write."""
    import shutil

    return Path(shutil.copytree(trained, tmp_path / "ckpt" / "A"))


@pytest.fixture
def other(tmp_path) -> Callable[..., Path]:
    """Write another corpus, with changes."""

    def write(corpus: Corpus | None = None, name: str = "B", **changes: object) -> Path:
        made = replace(corpus or make_corpus(seed=5), name=name, **changes)
        write_corpus(made, tmp_path / "data" / name)
        return tmp_path / "data" / name

    return write


def renamed(corpus: Corpus, names: dict[str, str]) -> Corpus:
    utterances = tuple(replace(one, labels={"emotion": names[one.labels["emotion"]]}) for one in corpus.utterances)
    return replace(corpus, utterances=utterances, classes={"emotion": tuple(sorted(names.values()))})


def judged(run: Path, folder: Path, label_map: ClassMap | None = None, **options) -> Elsewhere:
    judge = open_judge(run, folder.parent)
    asked = {key: options.pop(key) for key in ("task", "split") if key in options}
    return judge_on(judge, open_other(judge, folder, label_map=label_map, **asked), CPU, label_map=label_map, **options)


def test_its_own_test_split_is_judged_as_by_ensemble(run, trained, other):
    # The same utterances as in the training's test split, under other ids.
    corpus = make_corpus()
    tested = [row for row, one in enumerate(corpus.utterances) if one.split == "test"]
    made = corpus.select(tested)
    made = replace(made, utterances=tuple(replace(one, id=f"x{one.id}") for one in made.utterances))
    elsewhere = judged(run, other(made))
    data = trained.parent.parent / "data"
    [expected] = evaluate(open_ensemble("A", trained.parent, data), ["test"], 2, CPU).results
    np.testing.assert_allclose(elsewhere.stored.predictions.logits[0], expected.logits.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(elsewhere.stored.predictions.targets, expected.targets)


def test_predictions_are_stored_below_the_run_and_the_reads_are_logged(run, other):
    elsewhere = judged(run, other())
    assert elsewhere.folder == run / "on" / "B"
    stored = read_set(elsewhere.folder, "test")
    assert stored.origin.run == "A/on/B"
    facts = stored.origin.imported
    assert (facts.kind, facts.source, facts.trained_on) == ("corpus", "A", ("TINY",))
    for folder in (run, elsewhere.folder):
        log = (folder / "log.jsonl").read_text()
        assert '"by": "sertool ensemble"' in log
        assert '"use": "decisions"' in log
    assert "judged 2 members on B" in (run / "log.jsonl").read_text()


def test_classes_may_stand_in_another_order(run, other):
    plain = judged(run, other()).stored.predictions
    turned = judged(run, other(name="T", classes={"emotion": ("sad", "happy", "angry")})).stored.predictions
    assert turned.classes == ("sad", "happy", "angry")
    np.testing.assert_array_equal(turned.logits, plain.logits[..., ::-1])
    assert turned.metric("accuracy", 1) == plain.metric("accuracy", 1)


def test_a_map_compares_classes_of_other_names(run, other):
    plain = judged(run, other()).stored.predictions
    elsewhere = judged(run, other(renamed(make_corpus(seed=5), NAMES), "M"), load_label_map("four"))
    own = elsewhere.stored.predictions
    assert own.classes == ("angry", "happy", "sad")
    np.testing.assert_allclose(own.logits, plain.logits, rtol=1e-5, atol=1e-6)
    assert own.metric("uar", 1) == plain.metric("uar", 1)
    assert elsewhere.stored.origin.imported.map["map"] == "four"


def test_probabilities_of_joined_classes_are_calibrated_and_then_added(run, other):
    merged = parse_label_map({"classes": {"low": ["sad"], "high": ["angry", "happy"]}}, "own")
    plain = judged(run, other()).stored.predictions
    elsewhere = judged(run, other(name="M"), merged)
    temperature = elsewhere.calibration.temperature
    each = probabilities(plain.logits[0], "single", temperature)
    found = probabilities(elsewhere.stored.predictions.logits[0], "single", temperature)
    np.testing.assert_allclose(found, np.stack([each[:, 2], each[:, 0] + each[:, 1]], 1), atol=1e-6)


def test_the_temperature_of_the_run_is_kept_and_not_fitted(run, other):
    elsewhere = judged(run, other())
    own, kept = read_calibration(run), read_calibration(elsewhere.folder)
    assert kept == elsewhere.calibration
    assert (kept.temperature, kept.calibrated, kept.members) == (own.temperature, own.calibrated, ("A",))
    assert kept.note.startswith("fitted on validation of TINY")


def test_the_temperature_is_fitted_on_validation_of_the_corpus_where_that_is_asked_for(run, other):
    folder = other(make_corpus({"train": 4, "valid": 40, "test": 12}, seed=5))
    elsewhere = judged(run, folder, calibrate_on="valid")
    assert elsewhere.calibration.note.startswith("fitted on validation of B, the judged corpus")
    assert elsewhere.calibration.utterances == 40
    assert read_calibration(elsewhere.folder) == elsewhere.calibration
    with pytest.raises(UsageError, match="a temperature is never fitted on what is judged"):
        judged(run, folder, split="all", calibrate_on="valid")
    with pytest.raises(UsageError, match="--calibrate-on test: expected valid"):
        judged(run, folder, calibrate_on="test")


def test_members_of_all_folds_are_averaged(tmp_path, other):
    folds = train(tmp_path / "cv", "A", splits={"scheme": "folds", "folds": 3, "group": "speaker"})
    judge = open_judge(folds, tmp_path)
    assert len({member.fold for member in judge.size.chosen(judge.trained.members)}) == 3
    elsewhere = judge_on(judge, open_other(judge, other()), CPU)
    assert elsewhere.stored.predictions.logits.shape == (1, 12, 3)


def test_utterances_of_the_training_are_refused_whatever_their_ids(run, other):
    corpus = make_corpus()
    utterances = tuple(replace(one, id=f"x{one.id}", split="test") for one in corpus.utterances)
    with pytest.raises(UsageError, match=r"A was trained or selected on \d+ of the 48 judged utterances"):
        judged(run, other(corpus, utterances=utterances))
    assert not (run / "on").exists()


def test_speakers_of_the_other_corpus_standardise_it(tmp_path, other):
    by_speaker = train(tmp_path / "sp", "A", dataset={"standardize": "speaker"})
    corpus = make_corpus(seed=5)
    shifted = replace(corpus, audio=Frames(corpus.audio.flat * 3 + 7, corpus.audio.offsets))
    one, two = judged(by_speaker, other(corpus)), judged(by_speaker, other(shifted, "S"))
    np.testing.assert_allclose(one.stored.predictions.logits, two.stored.predictions.logits, rtol=1e-3, atol=1e-4)
    assert any(note.startswith("standardised by 2 speakers of B") for note in one.notes)


def test_all_frames_of_the_other_corpus_standardise_it_where_each_corpus_has_its_own(tmp_path, other):
    run = train(tmp_path / "each", "A", dataset={"standardize": "each-corpus"})
    corpus = make_corpus(seed=5)
    shifted = replace(corpus, audio=Frames(corpus.audio.flat * 3 + 7, corpus.audio.offsets))
    one, two = judged(run, other(corpus)), judged(run, other(shifted, "S"))
    np.testing.assert_allclose(one.stored.predictions.logits, two.stored.predictions.logits, rtol=1e-3, atol=1e-4)
    assert "standardised by all frames of B, without labels" in one.notes


def test_statistics_of_the_training_standardise_it_otherwise(tmp_path, other):
    run = train(tmp_path / "st", "A", dataset={"standardize": "corpus"})
    corpus = make_corpus(seed=5)
    shifted = replace(corpus, audio=Frames(corpus.audio.flat * 3 + 7, corpus.audio.offsets))
    one, two = judged(run, other(corpus)), judged(run, other(shifted, "S"))
    assert not np.allclose(one.stored.predictions.logits, two.stored.predictions.logits, rtol=1e-3, atol=1e-3)


def test_dialogues_of_the_other_corpus_are_the_context(tmp_path, other):
    def spoken(seed: int) -> Corpus:
        corpus = make_corpus(seed=seed)
        utterances = tuple(
            replace(one, dialogue=f"{one.split}{place % 2}", order=place) for place, one in enumerate(corpus.utterances)
        )
        return replace(corpus, utterances=utterances)

    model = {"architecture": "mat"}
    run = train(tmp_path / "dl", "A", spoken(0), context={"previous": 2, "speakers": True}, model=model)
    corpus = spoken(5)
    alone = tuple(replace(one, dialogue=None) for one in corpus.utterances)
    one, two = judged(run, other(corpus)), judged(run, other(corpus, "N", utterances=alone))
    assert one.stored.predictions.ids == two.stored.predictions.ids
    assert not np.allclose(one.stored.predictions.logits, two.stored.predictions.logits, rtol=1e-4, atol=1e-5)


def test_words_that_training_did_not_have_are_counted(run, other):
    corpus = make_corpus(seed=5)
    utterances = tuple(replace(one, words=(WORDS[0], "unheard"), text="") for one in corpus.utterances)
    elsewhere = judged(run, other(corpus, utterances=utterances))
    assert elsewhere.notes[0] == "words known from training: 12 of 24"


def scored(seed: int, ends: tuple[float, float] = (1.0, 5.0)) -> Corpus:
    corpus = make_corpus(seed=seed)
    random = np.random.default_rng(seed)
    utterances = tuple(
        replace(one, labels={"arousal": float(random.uniform(*ends)), "valence": float(random.uniform(*ends))})
        for one in corpus.utterances
    )
    return replace(corpus, utterances=utterances, classes={}, ranges={"arousal": ends, "valence": ends})


def test_scores_are_judged_on_the_same_scale_alone(tmp_path, other):
    run = train(
        tmp_path / "sc",
        "A",
        scored(0),
        dataset={"target": "scores", "task": "arousal, valence"},
        training={"runs": 1, "max_epochs": 1, "select": "ccc"},
    )
    elsewhere = judged(run, other(scored(5)))
    assert elsewhere.calibration is None
    assert read_calibration(elsewhere.folder) is None
    assert np.isfinite(elsewhere.stored.predictions.metric("ccc", 1))
    with pytest.raises(UsageError, match="its arousal goes from 1 to 7, and A was trained on 1 to 5"):
        judged(run, other(scored(5, (1.0, 7.0)), "W"))
    with pytest.raises(UsageError, match="A predicts scores, and maps are for one class"):
        judged(run, other(scored(5), "V"), load_label_map("quadrants"))


def test_classes_of_scores_of_the_other_corpus_are_its_quadrants(run, other):
    elsewhere = judged(run, other(scored(5)), load_label_map("quadrants"))
    assert elsewhere.stored.predictions.classes == ("aroused positive", "aroused negative", "calm negative")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": {"emotion": ("angry", "happy", "sad", "calm")}}, "and A predicts angry, happy, sad"),
        ({"audio": make_corpus(seed=5, width=7).audio}, "has audio frames of 7 values, and A was trained on 5"),
        ({"frontend": {"mel_bands": 7, "sample_rate": 8000}}, "was prepared with another frontend"),
    ],
)
def test_a_corpus_that_does_not_fit_is_refused(run, other, changes, message):
    with pytest.raises(UsageError) as caught:
        judged(run, other(**changes))
    assert message in str(caught.value)
    assert not (run / "on").exists()


def test_several_classes_at_once_are_another_task(run, other):
    corpus = make_corpus(seed=5)
    utterances = tuple(replace(one, labels={"emotion": [0, 1, 1]}) for one in corpus.utterances)
    with pytest.raises(UsageError, match="B has several classes for emotion per utterance, and A predicts one class"):
        judged(run, other(corpus, utterances=utterances))


def test_a_judge_needs_no_corpus_of_its_training(run):
    judge = open_judge(run, Path("nowhere"))
    assert isinstance(judge, Judge)
    assert judge.seen
