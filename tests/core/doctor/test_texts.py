"""Texts that cannot tell the label, as the sentences of actors, and texts that can."""

from collections import Counter

import numpy as np
import pytest
from planting import recipe_for

from sertool.core.corpora.corpus import Corpus, Frames, Utterance
from sertool.core.corpora.tasks import Task
from sertool.core.doctor import texts
from sertool.core.doctor.subject import Subject

CLASSES = ("anger", "happiness", "neutral", "sadness")


def findings(spoken, *overrides):
    """Inspect utterances given as text and class number; None for an utterance without a label."""
    utterances = tuple(
        Utterance(f"u{n}", "train", text, tuple(text.split()), {} if label is None else {"emotion": CLASSES[label]})
        for n, (text, label) in enumerate(spoken)
    )
    frames = Frames.join([np.zeros((1, 80), np.float32)] * len(spoken), 80)
    corpus = Corpus("EMODB", utterances, frames, {"emotion": CLASSES})
    targets = [label for _, label in spoken]
    return list(
        texts.check(Subject(recipe_for("own", *overrides), corpus, Task("emotion", CLASSES, "name"), targets, ()))
    )


def played(sentences, repeats=3):
    """Every sentence with every label, as actors play them."""
    return [(f"sentence {n}", label) for n in range(sentences) for label in range(4) for _ in range(repeats)]


def test_each_text_with_each_label():
    (finding,) = findings([*played(10), ("a text without a label", None), ("", 2)])
    assert (finding.kind, finding.severity, finding.number) == ("text-cannot-tell", "warning", 10)
    assert finding.text == "the text cannot tell: each of 10 texts occurs with 4 labels"
    assert finding.examples[0] == "'sentence 0': 4 labels"
    assert findings(played(10), "dataset.modalities=[audio]") == []


def test_the_numbers_of_labels_differ_and_some_texts_have_one():
    (finding,) = findings([*played(3), ("two", 0), ("two", 1), ("one", 3)])
    assert finding.text == "the text cannot tell: each of 4 texts occurs with 2 to 4 labels, 1 other with one"
    (finding,) = findings(played(1))
    assert finding.text == "the text cannot tell: the same text occurs with 4 labels"


@pytest.mark.parametrize(
    "spoken",
    [
        [(f"text {n}", n % 4) for n in range(40)],  # every text once: nothing shows that it does not tell
        [(f"text {n % 8}", n % 4) for n in range(40)],  # every text with one label
        [(f"text {n % 8}", n % 4) for n in range(40)] + [("text 0", 1)],  # and one slip
        [*played(2), *((f"text {n}", n % 4) for n in range(20))],  # half of the texts tell
        [("yes", 0), ("yes", 0)],  # one label: nothing to tell
        [],
    ],
)
def test_texts_that_may_tell(spoken):
    assert findings(spoken) == []


@pytest.mark.parametrize("size", [2, 3, 5, 20])
def test_labels_drawn_at_random_are_not_told_by_small_groups(size):
    """A guess that knew the utterance itself would be right for half of the pairs."""
    random = np.random.default_rng(size)
    labels = {(str(n),): Counter(random.integers(0, 4, size).tolist()) for n in range(1000 // size)}
    assert abs(texts.errors_avoided(labels)) < 0.1
