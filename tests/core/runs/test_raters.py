"""What corpus.json says of the raters: their number and agreement on the utterances that are not sealed."""

from dataclasses import replace

import pytest
from builders import CLASSES, write_tiny
from scored_corpora import scored_corpus, scored_recipe, voted_corpus, voted_recipe

from sertool.core.corpora.agreement import agreement_on
from sertool.core.corpora.corpus import Corpus
from sertool.core.errors import DataError
from sertool.core.runs.contents import RunNote, read_note
from sertool.core.runs.experiment import corpus_note, open_experiment
from sertool.core.runs.raters import raters_note


def part(corpus: Corpus, *splits: str) -> Corpus:
    return replace(corpus, utterances=tuple(own for own in corpus.utterances if own.split in splits))


def test_scores_are_described_one_by_one(tmp_path):
    corpus = scored_corpus(raters=3)
    note = raters_note(open_experiment(scored_recipe(), write_tiny(tmp_path, corpus)))
    assert list(note) == ["valence", "arousal"]
    for name, own in note.items():
        wanted = agreement_on(part(corpus, "train", "valid"), name, ())
        assert own["agreement"]["alpha"]["value"] == wanted.alpha.value
        assert own["agreement"]["spread"]["value"] == wanted.spread.value
        assert own["ceilings"]["ccc"]["low"] == wanted.ceilings["ccc"].low
        numbers = (own["utterances"], own["one_rater"], own["mean"], own["fewest"], own["most"])
        assert numbers == (wanted.raters.utterances, 0, 3.0, 3, 3)
    assert note["valence"]["utterances"] == 90


def test_ratings_of_test_change_nothing(tmp_path):
    corpus = voted_corpus()
    notes = []
    for name, label in (("as they are", None), ("other", "sad")):
        utterances = tuple(
            replace(own, labels={"emotion": label}, ratings={"emotion": dict.fromkeys("abcd", label)})
            if label and own.split == "test"
            else own
            for own in corpus.utterances
        )
        data = write_tiny(tmp_path / name, replace(corpus, utterances=utterances))
        notes.append(raters_note(open_experiment(voted_recipe(), data)))
    assert notes[0] == notes[1]


@pytest.mark.parametrize("labels", ["soft", "majority"])
def test_utterances_whose_raters_tie_count(tmp_path, labels):
    """Without them the others would seem to agree more than they do."""
    corpus = voted_corpus()
    ties = sum("emotion" not in own.labels for own in corpus.utterances if own.split != "test")
    assert ties > 3
    own = raters_note(open_experiment(voted_recipe(labels), write_tiny(tmp_path, corpus)))["emotion"]
    wanted = agreement_on(part(corpus, "train", "valid"), "emotion", CLASSES)
    assert own["utterances"] == wanted.raters.utterances == 90
    assert own["agreement"]["alpha"]["value"] == wanted.alpha.value


def test_where_nobody_is_known_to_have_rated_there_is_nothing(tmp_path):
    experiment = open_experiment(scored_recipe(), write_tiny(tmp_path, scored_corpus()))
    assert raters_note(experiment) == {}


def test_the_file_is_read_back_and_checked(tmp_path):
    experiment = open_experiment(scored_recipe(), write_tiny(tmp_path / "data", scored_corpus(raters=2)))
    content = {**corpus_note(experiment), "raters": raters_note(experiment)}
    path = tmp_path / "corpus.json"
    path.write_text(RunNote.model_validate(content, strict=False).model_dump_json())
    assert read_note(tmp_path).raters["arousal"].fewest == 2
    path.write_text(path.read_text().replace('"fewest":2', '"fewest":-1'))
    with pytest.raises(DataError, match=r"corpus\.json: raters\.arousal|corpus\.json: \d problems"):
        read_note(tmp_path)
