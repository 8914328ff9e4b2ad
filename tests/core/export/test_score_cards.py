"""The model card of scores and of raters' votes: ranges, figures, intervals, and who rated."""

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from builders import CPU
from export_runs import message, run
from markdown_it import MarkdownIt
from scored_corpora import scored_corpus
from scored_runs import train_scored, train_voted

from sertool.core.corpora.tasks import Task
from sertool.core.errors import SertoolError, UsageError
from sertool.core.export.card_figures import raters_row, sure_row
from sertool.core.export.figures import ScoreFigures, measure
from sertool.core.export.losses import Loss, loss_between, not_measured, require_small_loss
from sertool.core.export.source import open_trained
from sertool.core.inference.certainty import SHARES, Certainty
from sertool.core.inference.ensemble import open_ensemble, predict_sets
from sertool.core.metrics import Jackknife, clusters_of
from sertool.core.metrics.conformal import Intervals
from sertool.core.metrics.scores import dimension_estimates
from sertool.core.runs.contents import read_note


def card_of(folder) -> str:
    done = run(folder, "--out", str(folder / "b"), "--force")
    assert done.exit_code == 0, message(done)
    return (folder / "b/README.md").read_text()


@pytest.fixture(scope="module")
def rated(tmp_path_factory):
    """A run of two scores whose raters are known."""
    folder = tmp_path_factory.mktemp("rated")
    train_scored(folder, scored_corpus(raters=3))
    return folder, card_of(folder)


def test_the_card_tells_ranges_raters_and_intervals(rated):
    folder, card = rated
    flat = " ".join(card.split())
    assert "| output | valence 1 to 5, arousal 0 to 10; not cut to these ranges |" in card
    row = next(line for line in card.splitlines() if line.startswith("| raters |"))
    note = read_note(folder / "ckpt/tiny").raters["valence"]
    alpha = note.agreement["alpha"]
    assert f"valence: 3 for each of 90 utterances, Krippendorff's alpha {alpha.value:.3f} ({alpha.low:.3f} to " in row
    assert f"one rater has CCC {note.ceilings['ccc'].value:.3f} (" in row
    assert row.endswith("(utterances that were trained or validated on) |")
    half = open_trained("tiny", folder / "ckpt", folder / "data", None).certainty.intervals.half
    assert (
        f"| intervals | 90 %, by split conformal prediction from 30 validation utterances: valence plus or minus "
        f"{half[0]:.2f}, arousal plus or minus {half[1]:.2f} |"
    ) in card
    assert "The model predicts the scores that raters would give an utterance for how it sounds and reads" in flat
    assert "- It predicts a score for every utterance, also where none can be told." in flat
    assert "or with most words unknown, there are no intervals." in flat
    assert "temperature" not in card
    assert "{" not in card


def test_the_figures_are_those_of_test_with_their_intervals(rated):
    folder, card = rated
    ensemble = open_ensemble("tiny", folder / "ckpt", folder / "data")
    (test,) = predict_sets(ensemble, ["test"], CPU)
    jackknife = Jackknife(clusters_of([ensemble.experiment.corpus.utterances[row] for row in test.utterances]))
    tables = MarkdownIt("commonmark").enable("table").parse(card)
    cells = [own.content for place, own in enumerate(tables) if tables[place - 1].type in ("th_open", "td_open")]
    first = cells.index("valence")
    assert cells[first : first + 3] == ["valence", "arousal", "mean"]
    for place, name in enumerate(("valence", "arousal")):
        values = test.ensemble_logits(2)[:, place]
        found = dimension_estimates(test.targets[:, place], values, jackknife)
        for title, key in (("CCC", "ccc"), ("MAE", "mae")):
            own = found[key]
            assert cells[cells.index(title) + 1 + place] == f"{own.value:.3f} ({own.low:.3f} to {own.high:.3f})", name
        known = np.isfinite(test.targets[:, place])
        assert cells[cells.index("utterances") + 1 + place] == str(known.sum())
        half = open_trained("tiny", folder / "ckpt", folder / "data", None).certainty.intervals.half[place]
        held = np.abs(values - test.targets[:, place])[known] <= half
        assert cells[cells.index("intervals that hold the score") + 1 + place].startswith(f"{100 * held.mean():.1f} %")
        train = [own.labels.get(name) for own in ensemble.experiment.corpus.utterances if own.split == "train"]
        mean = np.mean([own for own in train if own is not None])
        constant = np.abs(test.targets[known, place] - mean).mean()
        assert cells[cells.index("MAE of always the mean") + 1 + place] == f"{constant:.3f}"
        assert cells[cells.index("CCC of one rater") + 1 + place].startswith(f"{test.ceilings[name]['ccc'].value:.3f}")
    assert re.search(r"chosen: CCC -?\d\.\d{3} to -?\d\.\d{3} by member\.", card)


def test_an_error_that_chose_the_epochs_has_no_minus(tmp_path):
    train_scored(tmp_path, scored_corpus(scores=("valence",)), training={"select": "mae"})
    assert re.search(r"chosen: MAE \d\.\d{3} to \d\.\d{3} by member\.", card_of(tmp_path))


def test_too_few_test_speakers_have_no_intervals(tmp_path):
    train_scored(tmp_path, scored_corpus(speakers=6, scores=("valence",)))
    card = card_of(tmp_path)
    assert "\n2 test speakers: too few for an interval (5 are needed).\n" in card
    figure = measure(open_trained("tiny", tmp_path / "ckpt", tmp_path / "data", None))
    assert isinstance(figure, ScoreFigures)
    assert "mean" not in next(line for line in card.splitlines() if line.startswith("|  |"))
    assert "raters |" not in card


@pytest.mark.parametrize("labels", ["soft", "any", "majority"])
def test_the_card_of_votes_tells_what_the_answers_are(tmp_path, labels):
    train_voted(tmp_path, labels)
    card = card_of(tmp_path)
    answers = {
        "soft": "the share of raters that choose each of angry, happy, sad",
        "any": "any of angry, happy, sad: those that at least one rater chose",
        "majority": "one of angry, happy, sad",
    }
    assert f"| output | {answers[labels]} |" in card
    row = next(line for line in card.splitlines() if line.startswith("| raters |"))
    assert re.match(r"\| raters \| 4 for each of \d+ utterances, Krippendorff's alpha 0\.\d{3} ", row)
    assert re.search(r", one rater agrees with most of the others for \d\d\.\d % \(", row)
    assert (f"| probabilities | not calibrated: {SHARES} |" in card) == (labels == "soft")
    assert ("The model predicts the share of raters who would choose each class" in card) == (labels == "soft")
    distribution = "Against the shares of the raters that chose each class: cross-entropy "
    assert (distribution in card) == (labels != "any")
    assert ("One rater chooses what most of the others chose for " in card) == (labels != "any")


def test_soft_labels_have_a_reason_of_their_own_in_predict(tmp_path):
    import sertool

    train_voted(tmp_path, "soft")
    model = sertool.load(tmp_path / "ckpt/tiny")
    assert model.uncalibrated == model.predict(text="sayshappy").uncalibrated == SHARES
    assert model.calibration is None


def test_a_score_without_an_interval_says_why():
    own = Intervals(0.9, (0.5, None), "valid", 30, ("a",), ("valence", "b|c"), ("", "4 utterances"), "3 speakers")
    row = sure_row(Certainty(intervals=own), {"valence": (1.0, 5.0), "b|c": (0.0, 10.0)})
    assert row.endswith("utterances: valence plus or minus 0.50, b\\|c none (4 utterances); 3 speakers")


def test_no_name_breaks_the_row_of_the_raters():
    ceilings = {"ccc": {"value": 0.7, "low": None, "high": None}, "mae": {"value": 0.3, "low": None, "high": None}}
    own = {"utterances": 9, "one_rater": 1, "mean": 2.5, "fewest": 1, "most": 4, "agreement": {}, "ceilings": ceilings}
    row = raters_row({"a|b": own}, SimpleNamespace(task=Task("a|b", ("a|b",), "scores", ((0.0, 1.0),))))
    assert row == (
        "\n| raters | a\\|b: 1 to 4 for each of 10 utterances, 2.5 on average, one rater has CCC 0.700 and MAE 0.300 "
        "against the mean of the others (utterances that were trained or validated on) |"
    )


TASK = Task("a, b", ("a", "b"), "scores", ((0.0, 1.0), (0.0, 10.0)))


def test_the_loss_of_scores_is_that_of_ccc_and_mae():
    random = np.random.default_rng(0)
    targets = [(float(x), float("nan") if x < 0.2 else float(10 * x)) for x in random.uniform(0, 1, 40)]
    full = np.array(targets, np.float32)
    full[np.isnan(full)] = 5
    less = full + np.array([0.1, 0.2], np.float32)
    own = loss_between(targets, full, less, TASK, clip=False)
    assert own.full == pytest.approx({"ccc": 1, "mae": 0, "mae_of_range": 0}, abs=1e-6)
    shifted = []
    for place in range(2):
        true = np.array([row[place] for row in targets])
        known = ~np.isnan(true)
        x, y = true[known], less[known, place].astype(float)
        shifted.append(2 * np.cov(x, y, ddof=0)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2))
    assert own.less["ccc"] == pytest.approx(np.mean(shifted), abs=1e-6)
    assert own.less["mae"] == pytest.approx((0.1 + 0.2) / 2, abs=1e-6)
    assert own.less["mae_of_range"] == pytest.approx((0.1 + 0.02) / 2, abs=1e-6)
    assert own.utterances == 40
    high = np.full_like(full, 100)
    assert loss_between(targets, high, high, TASK, clip=True).full["mae_of_range"] < 1
    table = replace(own, less={**own.less, "ccc": float("nan")}).table("int8")
    assert (table["ccc_int8"], table["utterances"]) == (None, 40)


def figures(ccc: float, share: float) -> dict[str, float]:
    return {"ccc": ccc, "mae": 10 * share, "mae_of_range": share}


@pytest.mark.parametrize(
    ("less", "text"),
    [
        (figures(0.795, 0.105), None),
        (figures(0.81, 0.09), None),
        (figures(0.79, 0.1), "--int8: loses 0.010 of the CCC on 9 validation utterances, at most 0.005 is accepted"),
        (figures(0.8, 0.11), "--int8: adds 1.0 % of the range to the MAE on 9 validation utterances, at most 0.5 % is"),
        (figures(float("nan"), 0.11), "--int8: adds 1.0 % of the range to the MAE"),
    ],
)
def test_weights_that_cost_too_much_of_a_score_are_refused(less, text):
    loss = Loss(figures(0.8, 0.1), less, 9)
    if text is None:
        require_small_loss(loss)
        return
    with pytest.raises(SertoolError, match=re.escape(text)):
        require_small_loss(loss)


def test_a_loss_that_is_not_known_is_refused():
    assert not_measured("why not").short == "not measured"
    with pytest.raises(UsageError, match="its loss of accuracy was not measured, why not"):
        require_small_loss(not_measured("why not"), "--encoder fp16")
