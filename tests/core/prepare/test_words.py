"""``sertool prepare`` on texts in scripts without spaces: what words they become, and what is said of it."""

import json

import pytest
from fake_tokenizers import installed
from recorded_tables import SETTINGS, run, write

from sertool.core.corpora import words
from sertool.core.corpora.corpus_files import read_corpus

# Two sentences a text, without a sign between them, as in a table that a user sent.
TEXTS = {
    "zh": ("我今天非常高兴见到你", "你为什么总是这样对我", "这件事真让人生气啊"),
    "ja": ("今日はとても嬉しいです", "なぜいつもそうするの", "彼は昨日去りました"),
    "th": ("วันนี้ฉันมีความสุขมาก", "ทำไมเธอทำแบบนี้", "เขาไปเมื่อวาน"),
}
NAMES = {"zh": "Chinese", "ja": "Japanese", "th": "Thai"}


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(words, "find_spec", lambda name: name if name == "spacy" else None)


def table(folder, language):
    lines = (
        f"u{n},wav/{name}.wav,{text},{('happy', 'sad')[n % 2]},s{n},{split}"
        for n, (name, text, split) in enumerate(zip("abc", TEXTS[language], ("train", "valid", "test"), strict=True))
    )
    return write(folder, "\n".join(["utterance,audio,text,label,speaker,split", *lines]))


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.usefixtures("nothing_installed")
def test_sentences_become_characters_which_is_said(folder, language):
    out = folder / "mine"
    result = run(table(folder, language), "--out", out, *SETTINGS, "--json", folder / "out.json")
    assert result.exit_code == 0, result.output
    sentence = (
        f"words: 3 texts in {NAMES[language]}, split into characters (for words: pip install 'sertool[{language}]', "
        f"then prepare it with dataset.words={language})"
    )
    assert sentence in result.stdout.splitlines()
    content = json.loads((folder / "out.json").read_text())
    assert (content["words"], content["word_splitting"]) == (sentence, "characters")
    corpus = read_corpus(out)
    assert corpus.word_splitting == "characters"
    for utterance, text in zip(corpus.utterances, TEXTS[language], strict=True):
        assert "".join(utterance.words) == text
        assert len(utterance.words) > 5


def test_sentences_become_words_where_the_language_is_installed(folder, monkeypatch):
    with installed(folder / "fakes", monkeypatch, "jieba"):
        result = run(table(folder, "zh"), "--out", folder / "mine", *SETTINGS)
    assert "words: 3 texts in Chinese, split into words by jieba" in result.stdout.splitlines()
    corpus = read_corpus(folder / "mine")
    assert corpus.word_splitting == "zh"
    assert corpus.utterances[0].words == ("我今", "天非", "常高", "兴见", "到你")


@pytest.mark.usefixtures("nothing_installed")
def test_a_wanted_language_that_is_not_installed_is_refused_before_any_work(folder):
    result = run(table(folder, "ja"), "--out", folder / "mine", "--set", "dataset.words=ja")
    assert result.exit_code != 0
    assert "Japanese texts are split into words by sudachipy and sudachidict_core" in str(result.exception)
    assert not (folder / "mine").exists()


def test_spaces_are_kept_where_the_recipe_wants_them_and_the_doctor_warns(folder):
    result = run(table(folder, "zh"), "--out", folder / "mine", *SETTINGS, "--set", "dataset.words=spaces")
    assert "words: 3 texts in Chinese, split at spaces: whole sentences count as words" in result.stdout
    assert "3 not split into words" in result.stdout
    assert [len(one.words) for one in read_corpus(folder / "mine").utterances] == [1, 1, 1]
    # The next command names the same key, so that training takes the corpus.
    assert result.stdout.splitlines()[-1].endswith("--set dataset.words=spaces")
