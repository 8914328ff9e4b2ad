"""Cards of models, and the table of well-known models."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sertool.core.inference.ready.card import Card, parse_card, read_card
from sertool.core.inference.ready.known import corpus_keys, known_table, seen_in_training, training_of
from sertool.core.prepare.layouts.registry import LAYOUTS


def test_a_card_states_licence_data_and_base():
    card = parse_card(
        "---\nlanguage: en\nlicense: other\nlicense_name: for-research\ndatasets:\n- narad/ravdess\n- mine\n"
        "base_model:\n- a/b\n- c/d\nmetrics: {a: 1}\n---\n# Title\n---\nlicense: mit\n---\n"
    )
    assert card == Card("for-research", ("narad/ravdess", "mine"), ("a/b", "c/d"))
    assert parse_card("---\nlicense: [mit, apache-2.0]\ndatasets: superb\n---\n") == Card(
        "mit, apache-2.0", ("superb",)
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# Title\n",
        "---\nlicense: mit\n",
        "---\n- a\n---\n",
        "---\na: !!python/object:os.system {}\n---\n",
        "---\n&a [*a]\n---\n",
    ],
)
def test_a_card_without_a_readable_header_states_nothing(text):
    assert parse_card(text) == Card()


@given(st.text(max_size=200), st.booleans())
def test_any_card_is_read_without_an_error(text, headed):
    card = parse_card(f"---\n{text}\n---\n" if headed else text)
    assert all(isinstance(one, str) and one == one.strip() for one in (*card.datasets, *card.base_models))


def test_a_card_that_is_too_large_or_no_text_states_nothing(tmp_path):
    assert read_card(tmp_path) == Card()
    (tmp_path / "README.md").write_bytes(b"\xff\xfe---")
    assert read_card(tmp_path) == Card()
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n" + "x" * (1 << 21))
    assert read_card(tmp_path) == Card()


def test_the_table_is_whole():
    table = known_table()
    assert len(table.models) >= 12
    for name, model in table.models.items():
        assert name.count("/") == 1
        assert model.source.startswith("https://")
        assert model.corpora or model.others
        assert set(model.corpora) <= set(table.corpora)
    for key, corpus in table.corpora.items():
        for name in (key, corpus.title, *corpus.names):
            assert corpus_keys([name]) == [key]


def test_layouts_of_published_corpora_are_known_by_their_names():
    unknown = {name for name in LAYOUTS if not corpus_keys([name])}
    assert unknown <= {"named", "csd", "mmsa", "emobox"}


def test_a_corpus_is_found_in_the_training_of_a_model():
    training = training_of("superb/hubert-large-superb-er", Card("apache-2.0", ("superb",)))
    assert training.sentence.startswith("IEMOCAP, superb (as its card and https://huggingface.co/superb/hubert-large")
    assert seen_in_training(training, ["data/iemocap_four"]) == ["IEMOCAP"]
    assert seen_in_training(training, ["CALLS", "meld"]) == []
    downloaded = training_of("/models/superb/hubert-large-superb-er/", Card())
    assert downloaded.corpora == {"iemocap": "IEMOCAP"}
    child = training_of("mine/tuned", Card(base_models=("r-f/wav2vec-english-speech-emotion-recognition",)))
    assert seen_in_training(child, ["RAVDESS", "tess"]) == ["RAVDESS", "TESS"]
    assert training_of("mine/unknown", Card()).sentence == "not stated"


@given(st.text(max_size=60))
def test_any_name_of_a_corpus_is_looked_up(name):
    assert set(corpus_keys([name])) <= set(known_table().corpora)
