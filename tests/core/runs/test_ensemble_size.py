"""The rule for the number of averaged members, and the file it is stored in."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from stored_sets import make_set

from sertool.core.errors import DataError, UsageError
from sertool.core.metrics import Clusters, clusters_of
from sertool.core.metrics.classification import METRICS, decide
from sertool.core.runs.ensemble_size import (
    EnsembleSize,
    choose_best,
    choose_on_validation,
    choose_size,
    chosen_by_user,
    ranked_by_others,
    read_size,
    size_for,
    write_size,
)
from sertool.core.runs.predictions import MemberScore, Predictions

FIRST = EnsembleSize(1, 2, "validation", "uar", "because", ("run-1", "run-2"))


def predictions(rows: list[list[int]], targets: list[int], margin: float = 4.0) -> Predictions:
    """Members that predict these classes, each less sure than the one before it, so that the first decides."""
    classes = max(max(targets), *map(max, rows)) + 1
    logits = np.stack([np.eye(classes, dtype=np.float32)[row] * margin**-place for place, row in enumerate(rows)])
    members = tuple(MemberScore(f"run-{place + 1}", 0, 0.5, 0.5) for place in range(len(rows)))
    number = len(targets)
    ids = tuple(map(str, range(number)))
    names = tuple(f"class {c}" for c in range(classes))
    return Predictions("valid", tuple(range(number)), ids, logits, np.array(targets), "single", names, members)


def speakers(number: int, utterances: int) -> Clusters:
    return Clusters(np.arange(utterances) % number, number, "speaker")


def spoiled(right: int, of: int) -> Predictions:
    """A member that is always right, and a more confident one that spoils the average but for ``right`` utterances."""
    targets = [row % 2 for row in range(of)]
    spoilt = [target if row < right else 1 - target for row, target in enumerate(targets)]
    return predictions([targets, spoilt], targets, margin=0.25)


def test_a_size_that_is_clearly_worse_is_not_taken():
    own = choose_on_validation(spoiled(100, 200), speakers(10, 200), "accuracy")
    assert (own.k, own.available, own.chosen_by, own.metric) == (1, 2, "validation", "accuracy")
    assert own.reason == (
        "accuracy on validation is 100.0 % with 1 member ranked on other utterances, "
        "more than one standard error better than all larger sizes"
    )
    assert str(own) == "1 member, chosen on validation by accuracy"


def test_sizes_that_validation_cannot_tell_apart_give_the_larger():
    valid = spoiled(199, 200)  # one utterance more is wrong with two members: a standard error of 0.5 points
    own = choose_on_validation(valid, speakers(10, 200), "accuracy")
    assert own.k == 2
    assert own.reason == (
        "accuracy on validation is 99.5 %, within one standard error over 10 speakers (0.5 points) of the highest, "
        "100.0 % with 1 member ranked on other utterances"
    )
    # Two more are worse by 1 point; their standard error is sqrt(2) times 0.5.
    assert choose_on_validation(spoiled(198, 200), speakers(200, 200), "accuracy").k == 1


def test_the_error_is_that_over_speakers_where_they_differ():
    """All utterances of one of ten speakers are spoilt: 10 points, with a standard error of 10 points."""
    targets = [0, 1] * 100
    spoilt = [1 - target if row % 10 == 3 else target for row, target in enumerate(targets)]
    valid = predictions([targets, spoilt], targets, margin=0.25)
    assert choose_on_validation(valid, speakers(10, 200), "accuracy").k == 2
    assert choose_on_validation(valid, Clusters(np.arange(200), 200, "utterance"), "accuracy").k == 1


def test_two_speakers_who_agree_by_chance_do_not_hide_the_noise_of_their_utterances():
    """One member misses one of 20 utterances of each speaker, the other two: both speakers show 5 points.

    The error over utterances is 6.1 points, and Student's t over two speakers widens it 1.84 times.
    """
    targets = [row % 2 for row in range(40)]

    def missing(*rows):
        return [1 - target if row in rows else target for row, target in enumerate(targets)]

    valid = predictions([missing(0, 1), missing(2, 3, 4, 5)], targets, margin=0.25)
    own = choose_on_validation(valid, speakers(2, 40), "accuracy")
    assert own.k == 2
    assert "within one standard error over 2 speakers (11.3 points)" in own.reason


@pytest.mark.parametrize("number", [1, 2])
def test_one_speaker_or_one_utterance_tells_nothing(number):
    valid = spoiled(0, number)
    own = choose_on_validation(valid, Clusters(np.zeros(number, int), 1, "speaker"), "accuracy")
    assert own.k == 2
    assert own.reason == (
        "accuracy on validation is 0.0 % (the highest, 100.0 % with 1 member ranked on other utterances); "
        "1 speaker cannot tell sizes apart"
    )


@pytest.mark.parametrize("metric", METRICS)
def test_members_that_predict_alike_are_all_averaged(metric):
    for rows in ([[0, 0, 0, 0]] * 3, [[0, 1, 0, 1]] * 3):
        assert choose_on_validation(predictions(rows, [0, 1, 1, 1]), speakers(2, 4), metric).k == 3
        assert choose_on_validation(predictions(rows, [0, 0, 0, 0]), speakers(2, 4), metric).k == 3  # one class


def test_test_gives_the_best_size_and_of_equal_ones_the_smallest():
    test = spoiled(199, 200)
    assert (choose_best(test, "accuracy").k, choose_best(test, "accuracy").chosen_by) == (1, "test")
    same = predictions([[0, 1]] * 3, [0, 1])
    assert choose_best(same, "accuracy").k == 1
    assert str(choose_best(same, "accuracy")) == "1 member, selected on test by accuracy"


@given(
    st.integers(0, 2**32 - 1), st.integers(1, 5), st.sampled_from(list(METRICS)), st.sampled_from(["single", "multi"])
)
@settings(max_examples=20, deadline=None)
def test_no_larger_size_is_within_its_error_of_the_best(seed, members, metric, kind):
    """The standard errors are computed once more, by leaving out each speaker and each utterance in a loop."""
    stored = make_set("valid", 24, kind=kind, members=members, speakers=6, seed=seed)
    clusters = clusters_of(stored.spoken)
    chosen = choose_on_validation(stored.predictions, clusters, metric)
    own = ranked_by_others(stored.predictions, clusters, metric)
    values = [own.metric(metric, k) for k in range(1, members + 1)]
    best = int(np.argmax(values)) + 1

    def without(rows, k):
        return METRICS[metric](own.targets[rows], own.decisions(k)[rows], 3)

    def error(k, index):
        kept = [index != one for one in np.unique(index)]
        found = np.array([without(rows, best) - without(rows, k) for rows in kept])
        squares = (found - (values[best - 1] - values[k - 1])) ** 2
        return float(np.sqrt((len(kept) - 1) * squares.mean())) * stats.t.ppf(stats.norm.cdf(1), 5)

    told = [
        values[best - 1] - values[k - 1] <= max(error(k, clusters.index), error(k, np.arange(24))) + 1e-9
        for k in range(1, members + 1)
    ]
    assert chosen.k == max(k for k in range(1, members + 1) if told[k - 1])


@given(
    st.integers(0, 2**32 - 1), st.integers(2, 5), st.sampled_from(list(METRICS)), st.sampled_from(["single", "multi"])
)
@settings(max_examples=20, deadline=None)
def test_members_are_ranked_on_the_other_speakers_of_their_fold(seed, members, metric, kind):
    """Once more in a loop; of the two folds the second has one speaker, whose halves rank each other."""
    own = make_set("valid", 30, kind=kind, members=members, speakers=5, seed=seed).predictions
    spoken = np.arange(30) % 5
    folds, groups = (spoken == 4).astype(int), np.where(spoken == 4, 4 + np.arange(30) // 5 % 2, spoken)
    # Six utterances a speaker; the names of the second fold's members are in another order than their ranks.
    named = [
        replace(one, name=f"run-{place if fold == 0 else members - place}-{fold}", fold=fold)
        for fold in (0, 1)
        for place, one in enumerate(own.members)
    ]
    valid = replace(own, members=tuple(named))
    found = ranked_by_others(valid, speakers(5, 30), metric, folds)
    for group in np.unique(groups):
        mine = groups == group
        fold = folds[mine][0]
        others = (folds == fold) & ~mine
        names = [one.name for one in named if one.fold == fold]
        scores = [
            METRICS[metric](own.targets[others], decide(logits[others], kind), len(own.classes))
            for logits in own.logits
        ]
        order = sorted(range(members), key=lambda member: (-scores[member], names[member]))
        assert np.array_equal(found.logits[:, mine], own.logits[order][:, mine])


def test_the_best_of_equal_members_is_not_taken_for_better_than_their_average():
    """Ten members each right on half of the utterances: ranked on them, the first one seems to be right on more."""
    random = np.random.default_rng(3)
    flattered, judged = [], []
    for _ in range(40):
        targets = random.integers(0, 2, 100)
        rows = random.integers(0, 2, (10, 100))
        rows = rows[np.argsort([-(row == targets).mean() for row in rows], kind="stable")]
        valid = predictions(rows.tolist(), targets.tolist())
        flattered.append(valid.metric("accuracy", 1))
        judged.append(ranked_by_others(valid, speakers(10, 100), "accuracy").metric("accuracy", 1))
    assert np.mean(flattered) > 0.57
    assert abs(np.mean(judged) - 0.5) < 0.03


def test_the_papers_protocol_keeps_the_stored_size_where_test_was_not_evaluated():
    valid = spoiled(199, 200)
    assert choose_size({"valid": valid, "test": valid}, "accuracy", None).chosen_by == "test"
    assert choose_size({"valid": valid}, "accuracy", None, FIRST) == FIRST
    for stored in (None, replace(FIRST, members=("run-1", "run-2", "run-3")), replace(FIRST, members=("run-2",))):
        own = choose_size({"valid": valid}, "accuracy", None, stored)
        assert (own.k, own.chosen_by) == (2, "all")
        assert own.reason == "it is chosen on test here, which was not evaluated"


def test_what_is_stored_is_read_back(tmp_path):
    assert read_size(tmp_path) is None
    own = replace(FIRST, left_out=("run-3",))
    write_size(tmp_path, own)
    assert read_size(tmp_path) == own
    assert json.loads((tmp_path / "size.json").read_text())["format"] == "sertool-size/1"


@pytest.mark.parametrize(
    "change",
    [{"k": 0}, {"k": 3}, {"available": 9}, {"chosen_by": "me"}, {"metric": "beauty"}, {"members": []}, {"k": True}],
)
def test_a_damaged_file_is_one_message(tmp_path, change):
    write_size(tmp_path, FIRST)
    path = tmp_path / "size.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(DataError, match=r"size\.json"):
        read_size(tmp_path)


def members(*names: str, fold: int = 0) -> list[MemberScore]:
    return [MemberScore(name, fold, None, 0.5) for name in names]


def test_the_stored_size_is_used_for_its_own_members_only(tmp_path):
    own = members("run-1", "run-2")
    assert size_for(tmp_path, own).reason == (
        f"no size is stored with the run; sertool ensemble --name {tmp_path.name} chooses it"
    )
    write_size(tmp_path, FIRST)
    assert size_for(tmp_path, own) == FIRST
    for others in (members("run-2", "run-1"), members("run-1", "run-2", "run-3"), members("run-1")):
        found = size_for(tmp_path, others)
        assert (found.k, found.chosen_by) == (len(others), "all")
    assert size_for(tmp_path, members("run-9", "run-8")).reason == (
        f"the stored size was chosen among other members; sertool ensemble --name {tmp_path.name} chooses it"
    )


def test_the_user_overrides_the_stored_size_but_not_what_is_not_finite(tmp_path):
    write_size(tmp_path, replace(FIRST, left_out=("run-3",)))
    own = members("run-3", "run-1", "run-2")
    found = size_for(tmp_path, own, 2)
    assert (found.k, found.chosen_by, found.left_out) == (2, "user", ("run-3",))
    assert [one.name for one in found.chosen(own)] == ["run-1", "run-2"]
    with pytest.raises(UsageError, match="there are 2 members to average"):
        size_for(tmp_path, own, 3)


def test_in_cross_validation_every_fold_gives_its_first_members():
    own = [*members("run-1-0", fold=0), *members("run-2-1", "run-1-1", fold=1), *members("run-2-0", "run-3-0", fold=0)]
    found = chosen_by_user(own, 2)
    assert (found.k, found.available) == (2, 2)
    assert [one.name for one in found.chosen(own)] == ["run-1-0", "run-2-1", "run-1-1", "run-2-0"]
    with pytest.raises(UsageError, match="there are 2 members"):
        chosen_by_user(own, 3)


def test_a_metric_of_several_labels_has_its_own_name(tmp_path):
    """Accuracy over single labels is called label accuracy, also of a size that was stored."""
    targets = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
    right = np.where(targets, 2.0, -2.0).astype(np.float32)
    own = predictions([[0, 1, 0, 1]] * 2, [0, 1, 0, 1])
    valid = replace(own, logits=np.stack([right, right]), targets=targets, kind="multi")
    size = choose_on_validation(valid, speakers(4, 4), "accuracy")
    assert str(size) == "2 members, chosen on validation by label accuracy"
    assert size.reason.startswith("label accuracy on validation is 100.0 %")
    assert choose_best(valid, "accuracy").reason.startswith("label accuracy on test")
    write_size(tmp_path, size)
    assert str(read_size(tmp_path)) == str(size)
