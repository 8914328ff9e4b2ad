"""The doctor on words: split at all, split as the recipe says, known from training."""

from dataclasses import replace

import pytest
from builders import make_corpus, tiny_recipe, write_tiny

from sertool.core.corpora.words import split_words
from sertool.core.doctor.inspect import inspect, summary_line
from sertool.core.doctor.splitting import KnownWords

TEXTS = {"train": "你好吗", "valid": "不好", "test": "你很好 ok"}


def examined(folder, splitting, texts=TEXTS, **dataset):
    made = make_corpus({"train": 6, "valid": 3, "test": 3})
    utterances = [
        replace(one, text=texts[one.split], words=split_words(texts[one.split], splitting)) for one in made.utterances
    ]
    data = write_tiny(folder, replace(made, utterances=tuple(utterances), word_splitting=splitting))
    recipe = tiny_recipe(dataset={"max_text_length": 30, **dataset})
    return inspect(recipe, data / "TINY", data_dir=folder)


def kinds(inspection):
    return {finding.kind: finding for finding in inspection.findings}


def test_sentences_that_count_as_words(tmp_path):
    inspection = examined(tmp_path, None)
    finding = kinds(inspection)["unsplit"]
    assert (finding.severity, finding.number) == ("warning", 12)
    assert finding.text == "12 texts without spaces between words, split at spaces all the same"
    assert finding.examples[0] == "train0 (train)"
    assert "12 not split into words" in summary_line(inspection)
    assert inspection.words == "words: 12 texts in Chinese, split at spaces: whole sentences count as words"
    assert inspection.test_words == KnownWords(words=6, known=0, distinct=2, distinct_known=0)


def test_characters_are_words(tmp_path):
    inspection = examined(tmp_path, "characters")
    assert not {"unsplit", "splitting"} & set(kinds(inspection))
    # Of 你, 很, 好 and ok, in each of three utterances, training has 你 and 好.
    assert inspection.test_words == KnownWords(words=12, known=6, distinct=4, distinct_known=2)
    assert inspection.to_json()["test_words"]["known"] == 6


def test_another_splitting_than_the_recipes(tmp_path):
    finding = kinds(examined(tmp_path, "characters", words="zh"))["splitting"]
    assert (finding.severity, finding.text) == ("error", "was prepared with dataset.words=characters (recipe: zh)")
    assert finding.advice == "prepare it again with --set dataset.words=zh, or train with --set dataset.words=auto"


def test_a_model_of_audio_alone_reads_no_words(tmp_path):
    inspection = examined(tmp_path, None, modalities=["audio"])
    assert (inspection.test_words, inspection.words) == (None, "")
    assert "unsplit" not in kinds(inspection)


@pytest.mark.parametrize("scheme", [{"scheme": "folds", "folds": 3, "group": "utterance"}])
def test_known_words_are_summed_over_folds(tmp_path, scheme):
    made = make_corpus({"train": 3, "valid": 3, "test": 3})
    utterances = [replace(one, words=("same", f"own{n}")) for n, one in enumerate(made.utterances)]
    data = write_tiny(tmp_path, replace(made, utterances=tuple(utterances)))
    inspection = inspect(tiny_recipe(splits=scheme), data / "TINY", data_dir=tmp_path)
    assert inspection.test_words == KnownWords(words=18, known=9, distinct=12, distinct_known=3)
