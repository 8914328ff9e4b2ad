"""The splitting of a corpus is chosen by its texts or by the recipe, and said."""

from dataclasses import replace

import pytest
from builders import make_corpus

from sertool.core.corpora import splitting, words
from sertool.core.corpora.corpus import Corpus, Frames, Utterance
from sertool.core.corpora.corpus_files import read_corpus, write_corpus
from sertool.core.errors import DataError, UsageError
from sertool.core.files import artifacts

CHINESE = ["我今天非常高兴见到你", "你为什么总是这样对我", "好的"]
SEGMENTED = ["我 今天 非常 高兴 见到 你", "你 为什么 总是 这样 对 我", "好的"]
JAPANESE = ["今日はとても嬉しいです", "彼は昨日去りました"]
THAI = ["วันนี้ฉันมีความสุขมาก", "ทำไมเธอทำแบบนี้"]
KHMER = ["ខ្ញុំសប្បាយចិត្តណាស់"]


@pytest.fixture
def packages(monkeypatch):
    """Set the packages that are installed, spaCy among them."""

    def install(*names: str) -> None:
        monkeypatch.setattr(words, "find_spec", lambda name: name if name in ("spacy", *names) else None)

    install()
    return install


def corpus_of(texts, word_splitting):
    utterances = tuple(Utterance(f"u{n}", "train", text, ()) for n, text in enumerate(texts))
    frames = Frames.join([], 80)
    return Corpus("c", utterances, frames, word_splitting=word_splitting)


@pytest.mark.parametrize(
    ("texts", "chosen"),
    [
        (["plain words", "it’s “fine” – café"], None),
        (["¿qué tal?"], "spaces"),
        (CHINESE, "characters"),
        (SEGMENTED, "spaces"),
        (["English first", *CHINESE], "characters"),
        (["ខ្ញុំ\u200bសប្បាយ\u200bចិត្ត\u200bណាស់"], "spaces"),
        (["좋은 아침 입니다", "大韓民國은 아름다운"], None),
        (THAI, "characters"),
        (["สวัสดี"], "characters"),
        (["", "   "], None),
    ],
)
def test_auto_splits_as_the_texts_need_it(packages, texts, chosen):
    assert splitting.choose_splitting(texts, "auto") == chosen


def test_auto_takes_the_language_whose_packages_are_installed(packages):
    packages("jieba", "sudachipy", "sudachidict_core", "pythainlp")
    chosen = [splitting.choose_splitting(texts, "auto") for texts in (CHINESE, JAPANESE, THAI, KHMER, ["plain"])]
    assert chosen == ["zh", "ja", "th", "characters", None]
    packages("sudachipy")  # its dictionary is missing
    assert splitting.choose_splitting(JAPANESE, "auto") == "characters"


def test_a_wanted_splitting_is_kept_and_needs_its_packages(packages):
    assert splitting.choose_splitting(CHINESE, "spaces") == "spaces"
    with pytest.raises(UsageError, match="Japanese texts are split into words by sudachipy and sudachidict_core") as e:
        splitting.choose_splitting(JAPANESE, "ja")
    assert e.value.hint == "pip install 'sertool[ja]'"


@pytest.mark.parametrize(
    ("texts", "own", "sentence"),
    [
        (["plain", "é"], None, ""),
        (["plain", *CHINESE], "zh", "words: 3 texts in Chinese, split into words by jieba"),
        (
            [*CHINESE, *KHMER],
            "zh",
            "words: 4 texts in Chinese and Khmer, split into words by jieba where it is Chinese, else into characters",
        ),
        (KHMER, "characters", "words: 1 text in Khmer, split into characters"),
        (
            JAPANESE,
            "characters",
            "words: 2 texts in Japanese, split into characters (for words: pip install 'sertool[ja]', then prepare it "
            "with dataset.words=ja)",
        ),
        (SEGMENTED, "spaces", "words: 3 texts in Chinese, split at the spaces that they have"),
        (CHINESE, None, "words: 3 texts in Chinese, split at spaces: whole sentences count as words"),
    ],
)
def test_the_splitting_is_said(texts, own, sentence):
    assert splitting.describe_splitting(corpus_of(texts, own)) == sentence


def test_sentences_that_count_as_words_are_found():
    assert splitting.unsplit(corpus_of(["plain", *CHINESE], None)) == [1, 2, 3]
    assert splitting.unsplit(corpus_of(CHINESE, "spaces")) == [0, 1, 2]
    for texts, own in ((CHINESE, "characters"), (SEGMENTED, None), (["plain", "ça va"], None)):
        assert splitting.unsplit(corpus_of(texts, own)) == []


def test_a_recipe_takes_the_splitting_of_the_corpus_or_names_the_same():
    for wanted, own in (("auto", "zh"), ("zh", "zh"), ("spaces", None), ("spaces", "spaces"), ("auto", None)):
        splitting.check_recipe(wanted, corpus_of([], own), "data/X")
    with pytest.raises(UsageError, match=r"data/X: was prepared with dataset.words=spaces .recipe: zh.") as e:
        splitting.check_recipe("zh", corpus_of([], None), "data/X")
    assert "--set dataset.words=zh, or train with --set dataset.words=auto" in e.value.hint


@pytest.mark.parametrize("own", [None, "spaces", "characters", "zh"])
def test_a_corpus_remembers_its_splitting(tmp_path, own):
    corpus = replace(make_corpus(), word_splitting=own)
    write_corpus(corpus, tmp_path / "c")
    assert read_corpus(tmp_path / "c").word_splitting == own
    # Corpora that need none are written as those of earlier versions.
    assert ("word_splitting" in artifacts.read_json(tmp_path / "c" / "corpus.json")) == (own is not None)


@pytest.mark.parametrize("own", ["klingon", 3, ["zh"], {}, True, ""])
def test_a_splitting_that_nobody_knows_is_refused(tmp_path, own):
    write_corpus(make_corpus(), tmp_path / "c")
    header = artifacts.read_json(tmp_path / "c" / "corpus.json")
    artifacts.write_json(tmp_path / "c" / "corpus.json", {**header, "word_splitting": own})
    with pytest.raises(DataError, match=r"corpus\.json: word_splitting"):
        read_corpus(tmp_path / "c")
