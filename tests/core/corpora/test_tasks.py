"""Label rules: the published intervals and counts of classes, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sertool.core.corpora.tasks import NOT_NEGATIVE, RULES, SEVEN, SIGN, Task, current_names
from sertool.core.errors import DataError

FOUR = ("neutral", "happy", "sad", "angry")
SIX = ("happy", "sad", "angry", "fear", "disgust", "surprise")
scores = st.floats(-3, 3)
anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.floats(), max_size=7)


@pytest.mark.parametrize(
    ("raw", "seven", "sign", "without_zero"),
    [
        (-3, 0, 0, 0),
        (-2.0001, 0, 0, 0),
        (-2, 1, 0, 0),
        (-1.5, 1, 0, 0),
        (-1, 2, 0, 0),
        (-0.0001, 2, 0, 0),
        (0, 3, 1, None),
        (-0.0, 3, 1, None),
        (0.0001, 4, 1, 1),
        (1, 4, 1, 1),
        (1.0001, 5, 1, 1),
        (2, 5, 1, 1),
        (2.0001, 6, 1, 1),
        (3, 6, 1, 1),
    ],
)
def test_scores_fall_into_the_published_intervals(raw, seven, sign, without_zero):
    assert Task("sentiment", SEVEN, "seven").target(raw) == seven
    assert Task("sentiment", NOT_NEGATIVE, "sign").target(raw) == sign
    assert Task("sentiment", SIGN, "sign-without-zero").target(raw) == without_zero


@given(scores, scores)
def test_a_higher_score_is_never_a_lower_class(one, other):
    for rule, classes in (("seven", SEVEN), ("sign", NOT_NEGATIVE)):
        low, high = (Task("sentiment", classes, rule).target(score) for score in sorted((one, other)))
        assert low <= high


@given(scores)
def test_the_two_rules_of_sign_differ_at_zero_only(score):
    sign = Task("sentiment", NOT_NEGATIVE, "sign").target(score)
    without_zero = Task("sentiment", SIGN, "sign-without-zero").target(score)
    assert without_zero == (None if score == 0 else sign)
    assert (Task("sentiment", SEVEN, "seven").target(score) >= 3) == (sign == 1)


@given(st.lists(st.floats(0, 3), min_size=6, max_size=6))
def test_an_emotion_is_present_where_its_intensity_is_positive(intensities):
    task = Task("emotion", SIX, "present")
    assert task.kind == "multi"
    assert task.target(intensities) == tuple(int(value > 0) for value in intensities)
    assert task.target(tuple(intensities)) == task.target(intensities)


@pytest.mark.parametrize(
    ("rule", "classes", "raw", "target"),
    [
        ("index", FOUR, 0, 0),
        ("index", FOUR, 3, 3),
        ("index", FOUR, 2.0, 2),
        ("index-from-one", ("p", "n", "q"), "1", 0),
        ("index-from-one", ("p", "n", "q"), "3", 2),
        ("index-from-one", ("p", "n", "q"), 2, 1),
        ("name", FOUR, "sad", 2),
    ],
)
def test_class_numbers_and_names(rule, classes, raw, target):
    found = Task("emotion", classes, rule).target(raw)
    assert found == target
    assert type(found) is int
    assert Task("emotion", classes, rule).kind == "single"


@pytest.mark.parametrize(
    ("rule", "classes", "raw", "message"),
    [
        ("index", FOUR, 4, "label 4 is out of range, expected 0 to 3"),
        ("index", FOUR, -1, "label -1 is out of range, expected 0 to 3"),
        ("index", FOUR, 0.5, "label 0.5 is not a class number"),
        ("index", FOUR, True, "label True is not a finite number"),
        ("index", FOUR, "1", "label '1' is not a finite number"),
        ("index", FOUR, None, "label None is not a finite number"),
        ("index-from-one", FOUR, "0", "label '0' is out of range, expected 1 to 4"),
        ("index-from-one", FOUR, "5", "label '5' is out of range, expected 1 to 4"),
        ("index-from-one", FOUR, "x", "label 'x' is not a class number from 1 to 4"),
        ("index-from-one", FOUR, 1.5, "label 1.5 is not a class number from 1 to 4"),
        ("index-from-one", FOUR, True, "label True is not a class number from 1 to 4"),
        ("index-from-one", FOUR, float("inf"), "label inf is not a class number from 1 to 4"),
        ("sign", SIGN, 3.5, "label 3.5 is out of range, expected -3 to 3"),
        ("sign-without-zero", SIGN, float("nan"), "label nan is not a finite number"),
        ("seven", SEVEN, float("-inf"), "label -inf is not a finite number"),
        ("present", SIX, [0.0] * 5, "label [0.0, 0.0, 0.0, 0.0, 0.0] is not a list of 6 numbers"),
        ("present", SIX, "012345", "label '012345' is not a list of 6 numbers"),
        ("present", SIX, 1.0, "label 1.0 is not a list of 6 numbers"),
        ("present", SIX, [0.0] * 5 + [-1.0], "label -1.0 is out of range, expected 0 to 3"),
        ("name", FOUR, "glad", "label 'glad' is not one of neutral, happy, sad, angry"),
        ("name", FOUR, 1, "label 1 is not one of neutral, happy, sad, angry"),
    ],
)
def test_other_labels_are_refused(rule, classes, raw, message):
    with pytest.raises(DataError) as caught:
        Task("emotion", classes, rule).target(raw)
    assert str(caught.value) == message


@given(rule=st.sampled_from(sorted(RULES)), raw=anything)
def test_any_label_is_a_target_or_refused(rule, raw):
    classes = {"seven": SEVEN, "present": SIX}.get(rule, SIGN if rule.startswith("sign") else FOUR)
    try:
        target = Task("emotion", classes, rule).target(raw)
    except DataError as error:
        right = str(error).startswith("label ")
    else:
        right = (
            target is None
            or (rule == "present" and len(target) == 6 and set(target) <= {0, 1})
            or (rule != "present" and 0 <= target < len(classes))
        )
    assert right


def test_numpys_numbers_are_told_apart_from_pythons():
    # Readers turn them into plain numbers first; a float64 is a float and passes.
    assert Task("sentiment", SEVEN, "seven").target(np.float64(1.5)) == 5
    with pytest.raises(DataError, match="is not a finite number"):
        Task("sentiment", SEVEN, "seven").target(np.float32(1.5))


def test_zeros_are_not_called_positive():
    """Files of earlier versions name the class "positive"; it keeps its place and gets its present name."""
    assert current_names("sign", ["negative", "positive"]) == ("negative", "not negative")
    assert current_names("sign-without-zero", ["negative", "positive"]) == ("negative", "positive")
    assert current_names("name", ["negative", "positive"]) == ("negative", "positive")
    assert current_names("index", ["neutral", "positive", "negative"]) == ("neutral", "positive", "negative")
