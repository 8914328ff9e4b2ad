"""Frames and words of another corpus, as a trained ensemble takes them, or the reason why it cannot."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sertool.core.corpora.corpus import Corpus
from sertool.core.corpora.feature_sets import frontend_differences, has_texts, missing_frames, with_sets
from sertool.core.corpora.load import own_folder
from sertool.core.corpora.splitting import check_installed
from sertool.core.corpora.words import split_words
from sertool.core.errors import DataError, UsageError
from sertool.core.features.frontend import open_frontend
from sertool.core.inference.subject import JudgedCorpus
from sertool.core.recipe.frontends import Frontend
from sertool.core.runs.members import Trained


def fitted(trained: Trained, other: JudgedCorpus) -> Corpus:
    """Return a corpus with the frames and words that members were trained on.

    Frames come from the corpus or its feature sets. Texts are split into words as those of the training were.

    Args:
        trained: the members.
        other: the corpus.

    Raises:
        UsageError: it has frames of another frontend, or none; the hint says how they are added.
        DataError: a feature set is damaged, or its encoder has other weights.
    """
    recipe, folder = trained.recipe, other.folder
    corpus = with_sets(other.corpus, recipe, own_folder(folder))
    for missing in missing_frames(recipe, corpus, folder):
        raise UsageError(f"{folder}: {missing.text}; {trained.name} takes those of its training", hint=missing.hint)
    modalities = recipe.dataset.modalities
    if "audio" in modalities:
        _check_origin(trained, replace(other, corpus=corpus))
        _check_width(trained, other, "audio", corpus.audio.width, trained.audio_width)
        _check_weights(trained, corpus.frontend, trained.frontend)
    if "text" not in modalities or trained.text_width is None:
        corpus = replace(corpus, text_frames=None)
    elif corpus.text_frames is None:
        raise UsageError(f"{folder}: holds words, and {trained.name} was trained on text as frames")
    else:
        _check_width(trained, other, "text", corpus.text_frames.width, trained.text_width)
        _check_weights(trained, corpus.text_frontend, trained.text_frontend)
    if "text" not in modalities or trained.text_width is not None:
        return corpus
    if modalities == ["text"] and not has_texts(corpus):
        raise UsageError(f"{folder}: holds no texts, and {trained.name} reads nothing else")
    return _with_words(trained, corpus)


def _check_origin(trained: Trained, other: JudgedCorpus) -> None:
    """Refuse frames of another program, whose settings are not known, unless the training had frames of the same kind.

    Raises:
        UsageError: frames of one side or of both come from pickles.
    """
    theirs, made = trained.recipe.dataset.reader, other.corpus.frontend
    if made is None and other.reader != theirs:
        raise UsageError(
            f"{other.folder}: its frames come from another program, whose settings are not known, and {trained.name} "
            f"was trained on those of {trained.corpus}",
            hint="prepare both corpora from their recordings",
        )
    section, differing = trained.recipe.frontend, {}
    if made is not None and theirs != "corpus" and isinstance(section, Frontend):
        # Of a corpus that a reader reads, missing_frames takes the frames to be the right ones.
        differing = frontend_differences(made, open_frontend(section).note)
    if differing:
        told = ", ".join(f"{key} {own} (there {wanted})" for key, (own, wanted) in differing.items())
        raise UsageError(
            f"{other.folder}: was prepared with another frontend than {trained.name}: {told}",
            hint="prepare it with the frontend of the run's recipe",
        )


def _check_width(trained: Trained, other: JudgedCorpus, kind: str, width: int, wanted: int) -> None:
    if width != wanted:
        raise UsageError(
            f"{other.folder}: has {kind} frames of {width} values, and {trained.name} was trained on {wanted}",
            hint="prepare it with the frontend of the run's recipe",
        )


def _check_weights(trained: Trained, made: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None) -> None:
    """Refuse frames of an encoder with other weights than those of the training."""
    if wanted is None or made is None or made.get("weights") == wanted.get("weights"):
        return
    raise DataError(
        f"{trained.name}: was trained on frames of {wanted.get('model')} with weights {wanted.get('weights')!s:.12}, "
        f"and those here are {made.get('weights')!s:.12}",
        hint="delete the feature set, and make it with the encoder of that time",
    )


def _with_words(trained: Trained, corpus: Corpus) -> Corpus:
    """Split texts into words as those of the training were; utterances without a text keep their words."""
    if trained.word_splitting == corpus.word_splitting:
        return corpus
    check_installed(trained.word_splitting)
    utterances = tuple(
        replace(one, words=split_words(one.text, trained.word_splitting)) if one.text else one
        for one in corpus.utterances
    )
    return replace(corpus, utterances=utterances, word_splitting=trained.word_splitting)
