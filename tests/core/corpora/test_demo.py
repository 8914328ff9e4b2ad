"""The packaged demo corpus: what it must be, and that its generator draws the same plan every time."""

import csv
import importlib.util
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
from places import ROOT

from sertool.core.corpora.corpus import Corpus
from sertool.core.corpora.corpus_files import read_corpus
from sertool.core.corpora.words import clean_words
from sertool.core.features.audio import Segment, read_audio
from sertool.core.features.log_mel import log_mels
from sertool.core.files.yaml_file import read_yaml
from sertool.core.recipe import load as recipes
from sertool.core.recipe.frontends import Frontend

FOLDER = ROOT / "sertool" / "core" / "corpora" / "demo"
MAKER = ROOT / "tools" / "make_demo_corpus.py"


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return read_corpus(FOLDER)


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_demo_corpus", MAKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_small_enough_to_ship():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= 3_000_000


def test_says_that_it_is_synthetic(corpus):
    assert corpus.synthetic
    assert corpus.source == "synthetic speech (espeak-ng), packaged"
    assert "No person speaks here" in (FOLDER / "README.md").read_text()
    assert "SYNTHETIC SPEECH" in recipes.find("demo").read_text()


def test_counts_are_those_of_the_recipe(corpus):
    recipe = recipes.load("demo")
    assert corpus.counts() == {"train": 384, "valid": 96, "test": 192}
    assert corpus.classes == {"emotion": ("angry", "calm", "happy", "sad")}
    for split, expected in recipe.expected.items():
        counted = Counter(u.labels["emotion"] for u in corpus.utterances if u.split == split)
        assert expected.utterances == corpus.counts()[split]
        assert expected.classes == [counted[name] for name in corpus.classes["emotion"]]


def test_every_voice_is_in_one_split_and_says_every_class_equally_often(corpus):
    splits, emotions = defaultdict(set), defaultdict(Counter)
    for utterance in corpus.utterances:
        splits[utterance.speaker].add(utterance.split)
        emotions[utterance.speaker][utterance.labels["emotion"]] += 1
    assert len(splits) == 14
    assert all(len(own) == 1 for own in splits.values())
    assert all(set(counter.values()) == {12} for counter in emotions.values())


def test_no_sentence_occurs_twice_but_the_test_words_are_known(corpus):
    texts = [utterance.text for utterance in corpus.utterances]
    assert len(set(texts)) == len(texts)
    words = defaultdict(set)
    for utterance in corpus.utterances:
        assert utterance.words == clean_words(utterance.text)
        words[utterance.split].update(utterance.words)
    assert words["test"] <= words["train"]
    assert len(words["train"]) > 140


def test_words_and_prosody_carry_the_documented_shares(corpus, maker):
    # What one modality alone can know at best, from the plan: the README's 0.67 and 0.60.
    plan = read_yaml(maker.PLAN)
    cues = Counter(row["cue"] for row in rows(FOLDER / "planned.csv"))
    assert {cue: count / 56 for cue, count in cues.items()} == plan["cues"]
    assert set(plan["cues"]) == {"split", "words", "voice", "both"}
    knows = {"split": (1 / 2, 1 / 2), "words": (1, 1 / 4), "voice": (1 / 4, 1), "both": (1, 1)}
    by_text, by_audio = (sum(n * knows[cue][i] for cue, n in plan["cues"].items()) / 12 for i in (0, 1))
    readme = (FOLDER / "README.md").read_text()
    assert f"/12 = {by_text:.2f}, a perfect listener" in readme
    assert f"/12 = {by_audio:.2f}, and one who" in readme
    assert max(by_text, by_audio) < 0.8


def test_recipe_sees_whole_utterances_made_with_its_frontend(corpus):
    recipe = recipes.load("demo")
    assert recipe.dataset.path == "packaged:demo"
    assert corpus.frontend == recipe.frontend.model_dump()
    assert max(len(utterance.words) for utterance in corpus.utterances) <= recipe.dataset.max_text_length
    lengths = np.diff(corpus.audio.offsets)
    assert lengths.min() >= 5
    assert lengths.max() <= recipe.dataset.max_audio_length


def test_clips_are_a_dozen_of_the_test_utterances(corpus):
    table = rows(FOLDER / "clips" / "clips.csv")
    known = {utterance.id: utterance for utterance in corpus.utterances}
    assert len(table) == 12
    assert Counter(row["emotion"] for row in table) == {"angry": 3, "calm": 3, "happy": 3, "sad": 3}
    assert {row["audio"] for row in table} == {path.name for path in FOLDER.glob("clips/*.flac")}
    for row in table:
        utterance = known[row["utterance"]]
        assert utterance.split == "test"
        assert (row["text"], row["speaker"]) == (utterance.text, utterance.speaker)
        assert row["emotion"] == utterance.labels["emotion"]


def test_clips_give_the_stored_log_mels(corpus):
    frontend = Frontend(**corpus.frontend)
    place = {utterance.id: number for number, utterance in enumerate(corpus.utterances)}
    for row in rows(FOLDER / "clips" / "clips.csv"):
        path = FOLDER / "clips" / row["audio"]
        mels = log_mels(read_audio(Segment(path), frontend.sample_rate), frontend).numpy()
        stored = corpus.audio[place[row["utterance"]]]
        assert stored.dtype == np.float16
        # FLAC is lossless here; float16 keeps values up to 1 within 2^-12.
        np.testing.assert_allclose(stored, mels, rtol=0, atol=2.5e-4)
        seconds = corpus.utterances[place[row["utterance"]]].seconds
        assert soundfile.info(path).duration == pytest.approx(seconds, abs=1e-3)


def test_plan_is_drawn_the_same_way_every_time(maker):
    plan = read_yaml(maker.PLAN)
    first = maker.plan_utterances(plan)
    assert first == maker.plan_utterances(plan)
    other = maker.plan_utterances({**plan, "seed": plan["seed"] + 1})
    assert [item.text for item in other] != [item.text for item in first]


def test_plan_is_the_one_the_corpus_was_made_from(corpus, maker):
    planned = maker.plan_utterances(read_yaml(maker.PLAN))
    stored = [(u.id, u.split, u.speaker, u.labels["emotion"], u.text) for u in corpus.utterances]
    assert stored == [(p.id, p.split, p.speaker, p.emotion, maker.written(p.text)) for p in planned]
    noted = [(row["utterance"], row["cue"], row["espeak"], row["pause"]) for row in rows(FOLDER / "planned.csv")]
    assert noted == [(p.id, p.cue, p.espeak, str(p.prosody.pause)) for p in planned]


def test_a_cue_tells_what_it_says(maker):
    axes = {"valence": "negative", "arousal": "low"}
    assert maker.told_by("split", "sad", axes) == ("negative", "none", "low")
    assert maker.told_by("words", "sad", axes) == ("sad", "none", "none")
    assert maker.told_by("voice", "sad", axes) == ("none", "negative", "low")
    assert maker.told_by("both", "sad", axes) == ("sad", "negative", "low")


def test_pause_and_range_become_ssml(maker):
    prosody = maker.Prosody(pitch=50, rate=180, amplitude=50, range=5, pause=520)
    said = maker.Planned("x-01", "test", "x", "sad", "voice", "You see | this office.", "en", prosody)
    assert maker.ssml(said) == (
        '<speak><prosody range="5">You see <break time="520ms"/> this office.</prosody></speak>'
    )
    assert maker.written(said.text) == "You see this office."


def test_sentences_run_out_with_a_message(maker):
    plan = {"frames": ["It is {judged}"], "judged": {"none": ["plain"]}}
    sentences = maker.Sentences(plan, maker.random.Random(1))
    assert sentences.sentence("train", "none") == "It is plain."
    with pytest.raises(RuntimeError, match=r"no new sentence left for none: add words to demo_corpus\.yaml"):
        sentences.sentence("test", "none")


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_espeak_says_the_first_clip_again(maker, tmp_path):
    version = subprocess.run(["espeak-ng", "--version"], capture_output=True, text=True, check=True).stdout
    if " 1.51 " not in version:
        pytest.skip(f"the corpus was made by espeak-ng 1.51, this is {version.strip()}")
    clip = maker.choose_clips(maker.plan_utterances(read_yaml(maker.PLAN)))[0]
    stored, _ = soundfile.read(FOLDER / "clips" / f"{clip.id}.flac", dtype="float32")
    np.testing.assert_array_equal(maker.speak(clip, tmp_path), stored)
