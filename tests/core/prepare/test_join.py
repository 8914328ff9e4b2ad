"""Several corpora become one: ids, frames and labels stay what they were, and what does not go together is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import make_corpus
from hypothesis import given, settings
from hypothesis import strategies as st

from sertool.core.corpora.corpus import CachedVocabulary, Corpus, Frames, LeftOut
from sertool.core.corpora.corpus_files import read_corpus, write_corpus
from sertool.core.corpora.feature_sets import notes_in, read_set, write_set
from sertool.core.corpora.fingerprints import content_hashes
from sertool.core.corpora.label_maps import parse_label_map
from sertool.core.corpora.recordings import read_recordings, write_recordings
from sertool.core.corpora.sound_codes import read_sounds, write_sounds
from sertool.core.errors import DataError, UsageError
from sertool.core.features.audio import Segment
from sertool.core.prepare.join import join_corpora, read_parts
from sertool.core.prepare.joined import Part, join_parts

LOG_MEL = {"sample_rate": 16000, "bands": 5}
NO_FRAMES = np.zeros(11, np.int64)  # offsets of ten utterances
MAP = {"classes": {"glad": ["happy"], "low": ["sad", "angry"]}}


def named(name: str, seed: int = 0, **changes: object) -> Corpus:
    return replace(make_corpus({"train": 5, "valid": 2, "test": 3}, seed=seed), name=name, **changes)


def join(*corpora: Corpus, **options: object):
    return join_parts([Part(Path(one.name), one) for one in corpora], "AB", **options)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries({"train": st.integers(0, 4), "test": st.integers(0, 3)}).filter(
            lambda own: any(own.values())
        ),
        min_size=2,
        max_size=4,
    )
)
def test_every_utterance_keeps_its_frames_words_and_label(sizes):
    corpora = [
        replace(make_corpus(own, seed=seed), name=f"C{seed}", frontend=LOG_MEL) for seed, own in enumerate(sizes)
    ]
    joined = join(*corpora).corpus
    rows = [(corpus, row) for corpus in corpora for row in range(len(corpus.utterances))]
    assert len(joined.utterances) == len(rows) == len(joined.audio)
    for place, (one, (corpus, row)) in enumerate(zip(joined.utterances, rows, strict=True)):
        own = corpus.utterances[row]
        assert one.id == f"{corpus.name}/{own.id}"
        assert one.corpus == corpus.name
        assert one.speaker == f"{corpus.name}/{own.speaker}"
        assert one.session is None
        assert (one.split, one.words, one.text, one.labels) == (own.split, own.words, own.text, own.labels)
        assert np.array_equal(joined.audio[place], corpus.audio[row])
    assert len({(one.split, one.id) for one in joined.utterances}) == len(rows)
    # What an utterance holds is recognised, whichever corpus it is in.
    assert content_hashes(joined) == [one for corpus in corpora for one in content_hashes(corpus)]


def test_joining_in_two_steps_is_joining_at_once():
    a, b, c = (named(name, seed) for seed, name in enumerate("ABC"))
    first = join(a, b).corpus
    twice, once = join(first, c), join(a, b, c)
    assert twice.corpus.utterances == once.corpus.utterances
    assert (twice.corpus.source, twice.corpus.choices) == (once.corpus.source, once.corpus.choices)
    assert twice.counts() == once.counts() == {name: {"train": 5, "valid": 2, "test": 3} for name in "ABC"}
    assert once.corpus.joined == ("A", "B", "C")
    with pytest.raises(UsageError, match="both hold a corpus named 'B'"):
        join(first, b)


def test_the_facts_of_all_corpora_are_kept():
    a = named("A", source="recordings of A", layout="emodb", choices={"rescale": [1, 5]})
    b = named("B", 1, synthetic=True, left_out=(LeftOut("u1", "test", "no audio"),))
    joined = join(a, b).corpus
    assert joined.source == "A: recordings of A; B: random numbers"
    assert joined.synthetic
    assert "synthetic speech" in joined.caveats
    assert joined.layout is None
    assert joined.choices["join"]["A"] == {
        "source": "recordings of A",
        "layout": "emodb",
        "choices": {"rescale": [1, 5]},
    }
    assert joined.choices["join"]["B"] == {"source": "random numbers", "synthetic": True}
    assert joined.left_out == (LeftOut("B/u1", "test", "no audio"),)


def test_classes_are_the_union_in_a_stable_order():
    def labelled(name, *classes):
        corpus = named(name)
        own = [
            replace(one, labels={"emotion": classes[row % len(classes)]}) for row, one in enumerate(corpus.utterances)
        ]
        return replace(corpus, utterances=tuple(own), classes={"emotion": classes})

    sorted_ones = labelled("A", "angry", "sad"), labelled("B", "bored", "sad")
    assert join(*sorted_ones).corpus.classes == join(*sorted_ones[::-1]).corpus.classes
    assert join(*sorted_ones).corpus.classes["emotion"] == ("angry", "bored", "sad")
    warned = " ".join(join(*sorted_ones).warnings)
    assert "emotion: A has no bored" in warned
    assert "emotion: B has no angry" in warned
    usual = labelled("A", "sad", "angry"), labelled("B", "bored", "sad")  # an order of its own
    assert join(*usual).corpus.classes["emotion"] == ("sad", "angry", "bored")
    spelt = join(labelled("A", "angry"), labelled("B", "Angry"))
    assert "'Angry' and 'angry' count as different classes" in " ".join(spelt.warnings)


def test_a_label_map_brings_classes_together_and_says_what_fell_out(tmp_path):
    label_map = parse_label_map(MAP, "m.yaml")
    for seed, name in enumerate("AB"):
        write_corpus(named(name, seed), tmp_path / name)
    joined = join_corpora([tmp_path / "A", tmp_path / "B"], tmp_path / "AB", label_map=label_map)
    assert joined.corpus.classes["emotion"] == ("glad", "low")
    again = read_corpus(tmp_path / "AB")
    own = [one.labels["emotion"] for name in "AB" for one in read_corpus(tmp_path / name).utterances]
    assert [one.labels["emotion"] for one in again.utterances] == [
        "glad" if label == "happy" else "low" for label in own
    ]
    assert set(again.choices["map"]) == {"A", "B"}
    assert "A: label map m.yaml: 2 classes: glad, low" in " ".join(joined.warnings)


def test_several_classes_at_once_are_reordered_and_must_be_the_same():
    def multi(name, *classes):
        corpus = named(name)
        own = [replace(one, labels={"emotion": [1, *[0] * (len(classes) - 1)]}) for one in corpus.utterances]
        return replace(corpus, utterances=tuple(own), classes={"emotion": classes})

    joined = join(multi("A", "happy", "sad"), multi("B", "sad", "happy")).corpus
    assert joined.classes["emotion"] == ("happy", "sad")
    assert {(one.corpus, tuple(one.labels["emotion"])) for one in joined.utterances} == {("A", (1, 0)), ("B", (0, 1))}
    damaged = multi("B", "sad", "happy")
    short = tuple(replace(one, labels={"emotion": [1]}) for one in damaged.utterances)
    with pytest.raises(DataError, match="utterance 'B/train0': emotion is no list of 2 numbers"):
        join(multi("A", "happy", "sad"), replace(damaged, utterances=short))
    with pytest.raises(UsageError, match=r"must be the same in all corpora: happy, sad \(A\); happy \(B\)"):
        join(multi("A", "happy", "sad"), multi("B", "happy"))
    with pytest.raises(
        UsageError, match="emotion is several classes at once for each utterance of A, and one class in B"
    ):
        join(multi("A", "happy", "sad"), named("B"))


def scored(name: str, **changes: object) -> Corpus:
    corpus = named(name)
    own = [replace(one, labels={"arousal": 2.0}) for one in corpus.utterances]
    return replace(corpus, utterances=tuple(own), classes={}, **changes)


def test_scores_need_one_range():
    ranges = {"arousal": (1.0, 5.0)}
    assert join(scored("A", ranges=ranges), scored("B", ranges=ranges)).corpus.ranges == ranges
    assert join(scored("A"), scored("B")).corpus.ranges == {}
    for other, said in (({"arousal": (1.0, 7.0)}, "1 to 7 in B"), ({}, "-3 to 3 in B")):
        with pytest.raises(UsageError, match=f"goes from 1 to 5 in A, and from {said}"):
            join(scored("A", ranges=ranges), scored("B", ranges=other))
    # A task that only one corpus has is one of the joined corpus, too.
    mixed = join(scored("A", ranges=ranges), named("B"))
    assert mixed.corpus.ranges == ranges
    assert "emotion: A has no labels of this task" in mixed.warnings


OTHER_RATE = {"frontend": {**LOG_MEL, "sample_rate": 8000}}
TEXT = {"frontend": LOG_MEL, "text_frames": Frames(np.zeros((0, 4), np.float32), NO_FRAMES)}
WIDTH = {"frontend": LOG_MEL, "audio": Frames(np.zeros((3, 4), np.float32), np.array([*[0] * 10, 3]))}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (OTHER_RATE, "with different settings of the frontend: sample_rate 16000 and 8000"),
        ({}, "the frontend of A is known, and that of B is not"),
        (TEXT, "they hold words and text frames of 4 values"),
        ({"frontend": LOG_MEL, "text_frontend": {"model": "m"}}, "the text frontend of B is known, and that of A is"),
        ({"audio": Frames(np.zeros((0, 5), np.float32), NO_FRAMES)}, "B holds texts alone, and A recordings"),
        (WIDTH, "their audio frames have 5 and 4 values"),
    ],
)
def test_corpora_that_do_not_go_together_are_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        join(named("A", frontend=LOG_MEL), named("B", 1, **changes))


def test_words_split_in_two_languages_are_refused():
    assert join(named("A"), named("B", 1, word_splitting="zh")).corpus.word_splitting == "zh"
    assert join(named("A", word_splitting="spaces"), named("B", 1, word_splitting="zh")).corpus.word_splitting == "zh"
    with pytest.raises(UsageError, match="split into words in different ways: A by 'ja' and B by 'zh'"):
        join(named("A", word_splitting="ja"), named("B", 1, word_splitting="zh"))


def test_a_vocabulary_that_came_with_a_corpus_is_left_out():
    cached = CachedVocabulary({"word1": 1}, np.zeros((2, 3), np.float32))
    joined = join(named("A", vocabulary=cached, numbering={"word1": 1}), named("B", 1))
    assert joined.corpus.vocabulary is None
    assert joined.corpus.numbering is None
    assert "the vocabulary that came with A is left out" in " ".join(joined.warnings)


def test_what_is_in_two_corpora_is_told():
    a, b = named("A"), named("B", 1)
    own = next(row for row, one in enumerate(a.utterances) if one.split == "test" and a.audio[row].any())
    copied = [*(b.audio[row] for row in range(len(b.audio)))]
    copied[0] = a.audio[own]  # a test utterance of A that trains in B
    told = " ".join(join(a, replace(b, audio=Frames.join(copied, 5))).warnings)
    assert f"in both A and B, by their content: 1 utterance: A/{a.utterances[own].id} = B/train0" in told
    assert "1 of them in training in one, and in validation or test in the other" in told
    assert "(all of C)" in " ".join(join(a, replace(a, name="C")).warnings)
    assert not any("in both" in line for line in join(a, b).warnings)


def test_one_corpus_or_twice_the_same_is_refused(tmp_path):
    write_corpus(named("A"), tmp_path / "A")
    (tmp_path / "linked").symlink_to(tmp_path / "A")
    with pytest.raises(UsageError, match=r"needs at least two corpora, and got .*A"):
        read_parts([tmp_path / "A"])
    with pytest.raises(UsageError, match="linked is given twice"):
        read_parts([tmp_path / "A", tmp_path / "linked"])
    with pytest.raises(DataError, match="no corpus there"):
        read_parts([tmp_path / "A", tmp_path / "B"])
    with pytest.raises(UsageError, match="a corpus named 'a/b', expected a name without a slash"):
        join(named("a/b"), named("c"))


def test_feature_sets_and_recordings_of_all_corpora_are_joined(tmp_path):
    random, whisper = np.random.default_rng(0), {"model": "whisper", "layer": 1, "weights": "0"}
    for seed, name in enumerate("AB"):
        corpus = named(name, seed, frontend=LOG_MEL)
        write_corpus(corpus, tmp_path / name)
        frames = Frames.join([random.normal(size=(2, 3)).astype(np.float32) for _ in corpus.utterances], 3)
        write_set(corpus, tmp_path / name, "audio", whisper, frames, [seed])
        segments = [Segment(tmp_path / f"{name}{row}.wav") for row in range(len(corpus.utterances))]
        write_recordings(tmp_path / name, segments, tmp_path)
    write_set(named("B", 1), tmp_path / "B", "audio", {**whisper, "layer": 2}, frames)
    out = tmp_path / "AB"
    joined = join_corpora([tmp_path / "A", tmp_path / "B"], out)
    [note] = notes_in(out)
    assert note.frontend == whisper
    assert note.silent == [0, 11]
    own = [read_set(read_corpus(tmp_path / name), tmp_path / name, next(notes_in(tmp_path / name))) for name in "AB"]
    assert np.array_equal(read_set(joined.corpus, out, note).flat, np.concatenate([one.flat for one in own]))
    assert any("the feature set whisper-2 of B is left out" in line for line in joined.warnings)
    assert [one.path.name for one in read_recordings(out)][9:11] == ["A9.wav", "B0.wav"]
    (tmp_path / "B" / "recordings.json").unlink()
    again = join_corpora([tmp_path / "A", tmp_path / "B"], out)
    assert not (out / "recordings.json").exists()
    assert any("does not say where all its recordings lie" in line for line in again.warnings)


def test_fingerprints_are_those_of_the_corpora(tmp_path):
    for seed, name in enumerate("AB"):
        write_corpus(named(name, seed, frontend=LOG_MEL), tmp_path / name)
    utterances = read_corpus(tmp_path / "B").utterances
    write_sounds(tmp_path / "B", utterances, [np.full(row, row, np.uint32) for row in range(len(utterances))])
    joined = join_corpora([tmp_path / "A", tmp_path / "B"], tmp_path / "AB").corpus
    sounds = read_sounds(tmp_path / "AB", joined.utterances)
    assert [sounds[row].tolist() for row in range(len(sounds))] == [[]] * 10 + [[row] * row for row in range(10)]


def test_corpora_on_the_disk_stay_readable_and_the_result_is_the_same_each_time(tmp_path):
    for seed, name in enumerate("AB"):
        write_corpus(named(name, seed), tmp_path / name)
    assert b'"corpus"' not in (tmp_path / "A" / "utterances.jsonl").read_bytes()
    joined = join_corpora([tmp_path / "A", tmp_path / "B"], tmp_path / "AB")
    assert read_corpus(tmp_path / "AB").utterances == joined.corpus.utterances
    before = {path.name: path.read_bytes() for path in (tmp_path / "AB").iterdir()}
    join_corpora([tmp_path / "A", tmp_path / "B"], tmp_path / "AB")
    assert {path.name: path.read_bytes() for path in (tmp_path / "AB").iterdir()} == before
