"""``train --from``: between text, audio and both, and for every reader."""

import numpy as np
import pytest
from builders import CPU, copy_case, tiny_recipe
from transfers import EMBEDDING, STANDING, best_of, complete, modal, other_corpus, weights_of

from sertool.core.inference.ensemble import open_ensemble, predict_sets
from sertool.core.recipe.frontends import Frontend
from sertool.core.recipe.load import load
from sertool.core.runs.experiment import open_experiment


def test_audio_alone_starts_from_both(here):
    notes = complete(here / "ckpt/next", modal("audio", training=STANDING), source="first")
    assert notes[-1] == "starting from first (4 members, best first): classes known: sad, angry; new: bored"
    theirs, ours = weights_of(here / "ckpt/first", "run-3"), weights_of(here / "ckpt/next", "run-1")
    same = [name for name in ours if theirs[name].shape == ours[name].shape and name != "classifier.weight"]
    assert len(same) > 20
    assert all(np.abs(ours[name] - theirs[name]).max() < 1e-9 for name in same if "classifier" not in name)
    assert open_ensemble("next", here / "ckpt", here / "data").depth == 2


def test_both_start_from_audio_alone(here):
    """Words that were never trained start as they would without: here from the word vectors."""
    complete(here / "ckpt/heard", modal("audio"), data=here / "first-data")
    words = {word for u in other_corpus().utterances for word in u.words}
    (here / "vectors.txt").write_text("".join(f"{word} {' '.join(['0.5'] * 6)}\n" for word in sorted(words)))
    recipe = tiny_recipe(training=STANDING, dataset={"vectors": str(here / "vectors.txt")})
    notes = complete(here / "ckpt/next", recipe, seeds=[1], source="heard")
    assert notes[1:] == [
        "starting from heard (2 members, best first): classes known: sad, angry; new: bored",
        "heard was trained without text: its layers start untrained",
    ]
    best = best_of(here / "ckpt/heard")[0]
    theirs, ours = weights_of(here / "ckpt/heard", best), weights_of(here / "ckpt/next", "run-1")
    assert (ours[EMBEDDING][2:] == 0.5).all()
    # The padding is what audio alone sees in place of text.
    np.testing.assert_allclose(ours[EMBEDDING][:2], theirs[EMBEDDING][:2], rtol=0, atol=1e-9)


def test_other_audio_frames_are_told(here):
    recipe = tiny_recipe(dataset={"standardize": "corpus"}, frontend=Frontend(frame_step=10).model_dump())
    notes = complete(here / "ckpt/next", recipe, source="first")
    assert (
        notes[-1] == "first was trained on other audio frames: frame_step 16 (here 10), standardize none (here corpus)"
    )


SMALL = ["model.hidden_size=8", "model.ffn_size=8", "model.num_heads=2", "model.num_layers=1"]
CASES = {
    "iemocap": "iemocap-mat",
    "mosi": "mosi-mnt",
    "mosei-emotion": "mosei6-mat",
    "mosei-7": "mosei7-mnt",
    "meld": "meld7-mat",
    "vgaf": "vgaf-mat",
}


@pytest.mark.parametrize("recipe", CASES)
def test_every_reader_trains_and_is_judged_on_either_modality_and_both(tmp_path, recipe):
    case = copy_case(CASES[recipe], tmp_path)
    logits = {}
    for modalities in ("text", "audio", "text,audio"):
        overrides = [
            f"dataset.modalities=[{modalities}]",
            "dataset.vectors=none",
            "training.max_epochs=1",
            *SMALL,
        ]
        chosen = load(recipe, overrides)
        data, name = case / "data", modalities.replace(",", "-")
        width = open_experiment(chosen, data).corpus.vocabulary
        if width is not None:
            chosen = load(recipe, [*overrides, f"model.embedding_size={width.vectors.shape[1]}"])
        source = "text" if modalities == "text,audio" else None
        complete(case / "ckpt" / name, chosen, data=data, seeds=[1], source=source)
        (result,) = predict_sets(open_ensemble(name, case / "ckpt", data), ["test"], CPU)
        assert result.members[0].accuracy is not None
        assert np.isfinite(result.logits).all()
        logits[modalities] = result.logits
    assert not np.allclose(logits["text"], logits["audio"])
    assert not np.allclose(logits["text,audio"], logits["text"])
