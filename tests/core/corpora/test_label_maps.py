"""Label maps: what a map says, how labels and answers follow it, and what is wrong with a user's."""

from dataclasses import replace

import numpy as np
import pytest
from builders import make_corpus
from hypothesis import assume, given
from hypothesis import strategies as st

from sertool.core.corpora.class_maps import MIDDLE, NO_SCORE, compared
from sertool.core.corpora.corpus import Corpus
from sertool.core.corpora.label_maps import ClassMap, MapNote, load_label_map, map_names, parse_label_map
from sertool.core.doctor.published import published
from sertool.core.errors import UsageError
from sertool.core.files.yaml_file import parse_yaml


def labelled(labels: list, task: str = "emotion", ratings: list | None = None, ranges: dict | None = None) -> Corpus:
    """A corpus of train alone with these labels: names, None, or dicts of scores."""
    corpus = make_corpus({"train": len(labels)})
    held = [
        {} if label is None else label if isinstance(label, dict) else {task: label} for label in labels
    ]  # fmt: skip
    names = sorted({label for label in labels if isinstance(label, str)})
    said = ratings or [None] * len(labels)
    return replace(
        corpus,
        utterances=tuple(
            replace(one, labels=own, ratings=None if of is None else {task: of})
            for one, own, of in zip(corpus.utterances, held, said, strict=True)
        ),
        classes={task: tuple(names)} if names else {},
        ranges=ranges or {},
    )


def made(text: str) -> ClassMap:
    return parse_label_map(parse_yaml(text, "own.yaml"), "own.yaml")


def labels_in(corpus: Corpus, task: str = "emotion") -> list:
    return [one.labels.get(task) for one in corpus.utterances]


def test_the_shipped_maps_hold_what_their_names_say():
    assert map_names() == ["big-six", "ekman-seven", "four", "polarity", "quadrants"]
    maps = {name: load_label_map(name) for name in map_names()}
    assert maps["four"].classes == ("angry", "happy", "neutral", "sad")
    assert set(maps["ekman-seven"].classes) == {*maps["big-six"].classes, "neutral"}
    assert len(maps["big-six"].classes) == 6
    assert maps["polarity"].classes == ("positive", "neutral", "negative")
    assert len(maps["quadrants"].classes) == len(maps["quadrants"].scores) == 4
    assert all(one.about.endswith(".") and one.shipped for one in maps.values())
    assert len({one.sha256 for one in maps.values()}) == 5


@pytest.mark.parametrize(
    ("label", "four", "seven", "polarity"),
    [
        ("exc", "happy", "happy", "positive"),
        ("Anger", "angry", "angry", "negative"),
        ("fru", None, None, "negative"),
        ("FEARFUL", None, "fear", "negative"),
        ("surprise", None, "surprise", None),
        ("neu", "neutral", "neutral", "neutral"),
        ("xxx", None, None, None),
    ],
)
def test_shipped_maps_know_the_names_that_corpora_use(label, four, seven, polarity):
    found = [load_label_map(name).corpus_class(label) for name in ("four", "ekman-seven", "polarity")]
    assert found == [four, seven, polarity]


def test_classes_of_published_corpora_are_known_to_the_seven_but_for_a_few():
    counts = [classes for entries in published().values() for one in entries for classes in one.classes.values()]
    named = {name for classes in counts for name in classes}
    seven = load_label_map("ekman-seven")
    left = {name for name in named if seven.corpus_class(name) is None and compared(name) not in seven.dropped}
    assert left <= {"boredom", "sleepy", "frustrated", "calm", "contempt", "positive", "negative"}
    assert {"anger", "excited", "amused", "fear", "surprise"} <= named - left


def test_labels_follow_a_map_and_what_falls_out_is_counted():
    corpus = labelled(["ang", "exc", "hap", "fru", "fru", "neu", "sad", None, "oth"])
    mapped, note = load_label_map("four").map_labels(corpus, "emotion")
    assert mapped.classes["emotion"] == ("angry", "happy", "neutral", "sad")
    assert labels_in(mapped) == ["angry", "happy", "happy", None, None, "neutral", "sad", None, None]
    assert [one.id for one in mapped.utterances] == [one.id for one in corpus.utterances]
    assert (dict(note.fell_out), note.utterances) == ({"fru": 2, "oth": 1}, 8)
    assert note.lines == [
        "label map four: 4 classes: angry, happy, neutral, sad",
        "fell out: 3 of 8 utterances: 2 fru, 1 oth",
    ]
    assert MapNote.from_json(note.to_json()) == note


def test_only_classes_that_corpus_and_model_both_have_are_judged():
    corpus = labelled(["anger", "boredom", "fear", "happiness", "neutral"])
    mapped, note = load_label_map("four").map_labels(corpus, "emotion", ["sad", "happy", "ANGRY", "calm", "excited"])
    assert note.classes == mapped.classes["emotion"] == ("angry", "happy")
    assert labels_in(mapped) == ["angry", None, None, "happy", None]
    assert note.left_out == ("sad", "calm")
    assert note.lines[-1] == "classes of the model left out: sad, calm"


def test_the_sides_of_a_map_differ_where_it_says_so():
    own = made("classes: {neutral: [], happy: []}\ncorpus: {calm: neutral}\nmodel: {calm: happy}")
    assert (own.corpus_class("calm"), own.model_class("calm")) == ("neutral", "happy")


def test_ratings_follow_a_map_and_those_of_labels_that_fall_out_go():
    ratings = [
        {"a": "hap", "b": "exc", "c": ("hap", "exc"), "d": "fru"},
        {"a": "fru", "b": "ang"},
        {"a": "ang", "b": "sad"},
    ]
    corpus = labelled(["hap", "fru", None, "sad"], ratings=[*ratings, {"a": "sad"}])
    mapped, _ = load_label_map("four").map_labels(corpus, "emotion")
    assert [one.ratings for one in mapped.utterances] == [
        {"emotion": {"a": "happy", "b": "happy", "c": "happy", "d": "fru"}},
        None,
        {"emotion": {"a": "angry", "b": "sad"}},
        {"emotion": {"a": "sad"}},
    ]


def test_quadrants_come_from_scores_by_the_middle_of_their_range():
    values = [(5, 4), (4, 1), (1, 1), (2, 5), (3, 5), (4, 3)]
    scores = [{"activation": a, "valence": v} for a, v in values] + [{"valence": 4.0}, None]
    corpus = labelled(scores, ranges={"activation": (1.0, 5.0), "valence": (1.0, 5.0)})
    mapped, note = load_label_map("quadrants").map_labels(corpus, "quadrant")
    names = ["aroused positive", "aroused negative", "calm negative", "calm positive"]
    assert labels_in(mapped, "quadrant") == [*names, None, None, None, None]
    assert dict(note.fell_out) == {MIDDLE: 2, NO_SCORE: 1}
    assert mapped.utterances[0].labels["valence"] == 4
    assert note.classes == mapped.classes["quadrant"] == tuple(names)


def test_quadrants_of_a_corpus_of_classes_come_from_their_names():
    mapped, note = load_label_map("quadrants").map_labels(labelled(["angry", "sad", "neutral"]), "emotion")
    assert labels_in(mapped) == ["aroused negative", "calm negative", None]
    assert note.fell_out == {"neutral": 1}


def test_probabilities_of_joined_classes_add_up_and_others_leave_the_softmax():
    logits = np.log(np.array([[0.1, 0.2, 0.3, 0.15, 0.25]], np.float32))
    columns = load_label_map("four").model_columns(["happy", "excited", "sad", "disgust", "angry"])
    assert (columns.classes, columns.left_out) == (("angry", "happy", "sad"), ("disgust",))
    probabilities = np.exp(columns.apply(logits))
    np.testing.assert_allclose(probabilities, [[0.25, 0.3, 0.3]], rtol=1e-5)
    assert columns.apply(np.stack([logits, logits])).shape == (2, 1, 3)
    assert columns.apply(logits).dtype == np.float32


def test_a_probability_of_zero_stays_zero():
    columns = load_label_map("four").model_columns(["happy", "excited", "sad"], ["happy", "sad"])
    with np.errstate(divide="ignore"):
        logits = np.log(np.array([[0.0, 0.0, 1.0]], np.float32))
    np.testing.assert_array_equal(np.exp(columns.apply(logits)), [[0, 1]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "own.yaml: expected a table with `classes`"),
        ("- four", "own.yaml: expected a table with `classes`"),
        ("about: nothing", "own.yaml: classes: is missing"),
        ("classes: {a: [b]}", "classes: expected at least 2 entries"),
        ("classes: {a: [x], b: [x]}", "'x' stands for two classes, 'a' and 'b'"),
        ("classes: {a: [b], b: []}", "'b' stands for two classes, 'b' and 'a'"),
        ("classes: {angry: [], Angry: []}", "stands for two classes"),
        ("classes: {a: [1], b: []}", 'classes.a[0]: expected text; quote it: "1"'),
        ("classes: {a: [], '': []}", "'' is no name of a class"),
        ("classes: {a: [], b: []}\ncorpus: {calm: neutrl}", "corpus names the class 'neutrl'"),
        ("classes: {happy: [], b: []}\nmodel: {calm: hapy}", "did you mean 'happy'?"),
        ("classes: {a: [calm], b: []}\nmodel: {calm: b}", "'calm' stands for two classes"),
        ("classes: {a: [x], b: []}\ndrop: [x]", "'x' stands under `drop` and for a class"),
        ("classes: {a: [], b: []}\nclases: {}", "clases: unknown key"),
        ("classes: {a: [], b: []}\nscores: {a: {arousal: hgh}}", "expected low or high"),
        ("classes: {a: [], b: []}\nscores: {a: {arousal: low}, b: {valence: low}}", "could be 'a' and 'b'"),
        ("classes: {a: [], b: []}\nscores: {a: {arousal: low}}", "rules for at least two classes"),
        ("classes: {a: [], b: []}\nscores: {a: {}, b: {valence: low}}", "'a' has no rule"),
    ],
)
def test_a_wrong_map_is_one_message(text, message):
    with pytest.raises(UsageError) as caught:
        made(text)
    assert message in str(caught.value)


def test_files_that_are_no_maps_are_refused(tmp_path):
    def refused(name: str, content: bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(UsageError) as caught:
            load_label_map(str(path))
        return str(caught.value)

    assert "line 1, column" in refused("broken.yaml", b"classes: {a: [")
    assert "larger than 1.0 MB" in refused("huge.yaml", b"#" * (1 << 20) + b"##")
    assert "UTF-8" in refused("bytes.yaml", b"\xff\xfe\x00")
    assert "expected a table with `classes`" in refused("empty.yaml", b"")
    with pytest.raises(UsageError, match="did you mean 'four'"):
        load_label_map("fuor")
    with pytest.raises(UsageError, match="no such map or file"):
        load_label_map("x" * 5000)
    with pytest.raises(UsageError):
        load_label_map(str(tmp_path))


def test_a_user_hears_of_names_that_are_not_there():
    corpus = labelled(["angry", "happy", "boredom"])
    with pytest.raises(UsageError, match="nothing has the class 'boredon', did you mean 'boredom'"):
        made("classes: {angry: [boredon], happy: []}").map_labels(corpus, "emotion")
    _, note = made("classes: {angry: [wut], happy: []}\ndrop: [boredom]").map_labels(corpus, "emotion")
    assert note.absent == ("wut",)
    assert note.lines[-1] == "names of the map that are not there: wut"
    _, note = load_label_map("four").map_labels(corpus, "emotion")
    assert note.absent == ()


def test_a_map_that_leaves_fewer_than_two_classes_is_refused():
    four = load_label_map("four")
    with pytest.raises(UsageError, match="TINY's emotion have only sad, expected at least two"):
        four.map_labels(labelled(["sad", "boredom"]), "emotion")
    with pytest.raises(UsageError, match="the model together have none"):
        four.map_labels(labelled(["sad", "angry"]), "emotion", ["LABEL_0", "LABEL_1"])
    with pytest.raises(UsageError, match="the model has fewer than two of its classes"):
        four.model_columns(["LABEL_0", "sad"])
    with pytest.raises(UsageError, match="no class for neutral"):
        four.model_columns(["angry", "sad"], ["neutral", "sad"])


def test_tasks_that_have_no_names_of_classes_are_refused():
    with pytest.raises(UsageError, match="no task of classes 'emotio', did you mean 'emotion'"):
        load_label_map("four").map_labels(labelled(["sad", "angry"]), "emotio")
    several = labelled(["sad", {"emotion": [0.0, 1.0]}])
    with pytest.raises(UsageError, match="no name of one class"):
        load_label_map("four").map_labels(several, "emotion")
    scored = labelled([{"valence": 1.0}], ranges={"valence": (1.0, 5.0)})
    with pytest.raises(UsageError, match="has no score 'arousal'"):
        load_label_map("quadrants").map_labels(scored, "quadrant")


names = st.text(min_size=1, max_size=6)
contents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | names,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(names | st.sampled_from(["classes", "corpus", "model", "drop", "scores", "about"]), inner)
    ),
    max_leaves=12,
)


@given(contents)
def test_any_content_is_a_map_or_one_message(content):
    message = "own.yaml"
    try:
        parse_label_map(content, "own.yaml")
    except UsageError as error:
        message = str(error)
    assert message.startswith("own.yaml")


@given(st.lists(st.lists(names, max_size=4), min_size=2, max_size=4, unique_by=tuple))
def test_every_name_of_a_map_stands_for_one_class(aliases):
    content = {"classes": {f"class {n}": more for n, more in enumerate(aliases)}}
    try:
        own = parse_label_map(content, "own.yaml")
    except UsageError as error:
        assume("stands for two classes" not in str(error) and "is no name of a class" not in str(error))
        raise
    for number, more in enumerate(aliases):
        assert {own.corpus_class(name) for name in more} <= {f"class {number}"}
        assert {own.model_class(name) for name in more} <= {f"class {number}"}
