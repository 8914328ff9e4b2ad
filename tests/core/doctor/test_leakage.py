"""The doctor says which of the folds that came with a corpus share speakers."""

from dataclasses import replace

from builders import make_corpus, tiny_recipe, write_tiny

from sertool.core.doctor.inspect import inspect


def sharing(folder, speakers, folds):
    """The finding on a corpus of twelve utterances; ``speakers`` and ``folds`` repeat over them."""
    made = make_corpus({"train": 6, "valid": 3, "test": 3})
    utterances = [
        replace(one, speaker=speakers[number % len(speakers)], fold=folds[number % len(folds)])
        for number, one in enumerate(made.utterances)
    ]
    data = write_tiny(folder, replace(made, utterances=tuple(utterances)))
    recipe = tiny_recipe(splits={"scheme": "folds", "group": "fold"})
    found = inspect(recipe, data / "TINY", data_dir=folder).findings
    return next((finding for finding in found if finding.kind == "shared-folds"), None)


def test_folds_that_share_speakers_are_named(tmp_path):
    finding = sharing(tmp_path, ["a", "b", "c", "d"], ["fold_1", "fold_2", "fold_3", "fold_3"])
    assert finding is None
    finding = sharing(tmp_path, ["a", "b"], ["fold_1", "fold_2", "fold_3", "fold_2"])
    assert (finding.severity, finding.number) == ("warning", 1)
    shown = "fold_1 (1 speaker), fold_3 (1 speaker)"
    assert finding.text == f"folds that came with the corpus share speakers: {shown}"
    assert finding.examples == ("a (fold_1, fold_3)",)


def test_unknown_speakers_are_not_shared(tmp_path):
    assert sharing(tmp_path, [None], ["fold_1", "fold_2", "fold_3"]) is None
