"""Scores and raters that cannot be used: one message each, no traceback, and nothing is written."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from commands_run import files, refusal, run
from scored_corpora import scored_corpus, write_scored

from sertool.core.corpora.corpus import Corpus, Utterance

PREPARE = ("prepare", "table.csv", "--out", "out")
CORRECT = "  try: correct the table; nothing was written. Audio paths are relative to its folder or to --audio-root\n"
STATE = (
    "  try: state the range of scores: --range 1:5 for all scores, or --range arousal=1:5,valence=-1:1; nothing was "
    "written\n"
)
SCORED, RATED, VOTED = "id,text,speaker,arousal", "id,text,speaker,rater_1,rater_2", "id,text,speaker,votes"
TRAIN = ("train", "--recipe", "tiny.yaml", "--runs", "1")


def table(folder: Path, header: str, *cells: str, separator: str = ",") -> None:
    """Write a table of as many utterances as there are cells; a cell ends its row."""
    rows = [separator.join((f"u{n}", f"word{n}", f"s{n}", cell)) for n, cell in enumerate(cells)]
    (folder / "table.csv").write_text("\n".join([header.replace(",", separator), *rows]) + "\n")


def changed(corpus: Corpus, change) -> Corpus:
    """Return the corpus with other labels: ``change`` makes those of an utterance from its number and itself."""
    utterances = [replace(one, labels=change(n, one)) for n, one in enumerate(corpus.utterances)]
    return replace(corpus, utterances=tuple(utterances))


def set_to(value: object, split: str, name: str = "valence"):
    """Return what gives a score the same value in a split; None removes it."""

    def change(number: int, one: Utterance) -> dict:
        others = {key: raw for key, raw in one.labels.items() if key != name}
        return dict(one.labels) if one.split != split else others if value is None else {**others, name: value}

    return change


@pytest.mark.parametrize(
    ("header", "cells", "options", "problems", "hint"),
    [
        (SCORED, ("3", "9", "2"), ("--range", "1:5"), ["row 3: arousal is not from 1 to 5: '9'"], CORRECT),
        (SCORED, ("3", "calm", "2"), ("--range", "1:5"), ["row 3: arousal mixes scores and words: 'calm'"], CORRECT),
        (
            SCORED,
            ("low", "high"),
            ("--range", "1:5"),
            ["rows 2, 3: arousal holds no numbers, expected scores from 1 to 5: 'low', 'high'"],
            CORRECT,
        ),
        (
            SCORED,
            ('"3,5"', "2"),
            ("--range", "1:5"),
            ["row 2: arousal has a decimal comma, expected a point as in 3.2: '3,5'"],
            CORRECT,
        ),
        (SCORED, ("inf", "2"), ("--range", "1:5"), ["row 2: arousal is not a finite number: 'inf'"], CORRECT),
        (
            SCORED,
            ("3", "2"),
            (),
            [
                "the range of arousal is not stated: --range LOW:HIGH, or --range arousal=LOW:HIGH (the table has "
                "scores from 2 to 3)"
            ],
            STATE,
        ),
        (
            "id,text,speaker,score",
            ("2", "4"),
            (),
            [
                "row 3: score is not from -3 to 3 (another scale is stated by --range LOW:HIGH, or mapped by --rescale "
                "LOW:HIGH): '4'"
            ],
            CORRECT,
        ),
        (
            "id,text,speaker,score_all",
            ("2", "4"),
            ("--range", "1:5"),
            ["column 'score_all': 'all' cannot be the name of a score, rename the column"],
            CORRECT,
        ),
        (
            "id,text,speaker,score_id",
            ("2", "4"),
            ("--range", "1:5"),
            ["column 'score_id': 'id' cannot be the name of a score, rename the column"],
            CORRECT,
        ),
        (
            'id,text,speaker,"score_a,b"',
            ("2", "4"),
            ("--range", "1:5"),
            [
                "column 'score_a,b': is not named as a score can be, expected letters, digits and underscores, at most "
                "40"
            ],
            CORRECT,
        ),
        ("id,text,speaker,rater_1,rater_1", ("a,b", "b,a"), (), ["column 'rater_1' appears twice"], CORRECT),
        (
            "id,text,speaker,rater_1,Rater 1",
            ("a,b", "b,a"),
            (),
            ["rater '1' is named twice: columns 'rater_1' and 'rater 1'"],
            CORRECT,
        ),
        (
            "id,text,speaker,arousal_rater_ann,Arousal-rater ann",
            ("1,2", "2,3"),
            ("--range", "1:5"),
            ["rater 'ann' is named twice: columns 'arousal_rater_ann' and 'arousal-rater ann'"],
            CORRECT,
        ),
        (
            VOTED,
            ("angry:2|sad:1", "angry:1.5", "sad:1|sad:2", "sad:-1", "sad", "sad:0"),
            (),
            [
                "row 3: votes has a number that is not whole: expected the number of raters who chose the class: "
                "'angry:1.5'",
                "row 4: votes names a class twice: 'sad:1|sad:2'",
                "row 5: votes has a negative number: 'sad:-1'",
                "row 6: votes is not a list of class:number such as angry:3|neutral:2: 'sad'",
                "row 7: votes is 0 for every class: 'sad:0'",
            ],
            CORRECT,
        ),
        (
            "id,text,speaker,raters,votes",
            ("4,angry:3|sad:2", "3,sad:3"),
            (),
            ["row 2: votes do not add up to raters: 5 of 4"],
            CORRECT,
        ),
        (
            "id,text,speaker,label,votes",
            ("angry,angry:3", "sad,sad:3", "angry,anrgy:2|angry:3"),
            (),
            ["row 4: raters chose 'anrgy', which no label has, did you mean 'angry'?"],
            CORRECT,
        ),
    ],
)
def test_a_table_is_refused_with_every_problem(here, header, cells, options, problems, hint):
    table(here, header, *cells)
    number = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    wanted = f"error: table.csv: {number}\n" + "".join(f"  {problem}\n" for problem in problems) + hint
    assert refusal(*PREPARE, *options, code=1) == wanted
    assert files(here) == {"table.csv"}
    # A row that is no score is no row to skip: the rest would be another corpus than the owner meant.
    if header == SCORED and options and "words" in problems[0]:
        assert refusal(*PREPARE, *options, "--skip-bad", code=1) == wanted


def test_decimal_commas_between_semicolons_are_told(here):
    table(here, SCORED, "3,5", "4,1", separator=";")
    assert refusal(*PREPARE, "--range", "1:5", code=1) == (
        "error: table.csv: 1 problem\n"
        "  rows 2, 3: arousal has a decimal comma, expected a point as in 3.2: '3,5', '4,1'\n" + CORRECT
    )


@pytest.mark.parametrize(
    ("ends", "problem"),
    [
        ("-1e30:1e30", "goes beyond 1e+09"),
        ("0:1e-9", "is too narrow, expected a width of at least 0.001"),
        ("1e8:100000001", "is too narrow, expected a width of at least 100"),
    ],
)
def test_a_range_that_no_model_can_compute_in_is_refused(here, ends, problem):
    table(here, SCORED, "3", "2")
    assert refusal(*PREPARE, "--range", ends, code=2) == (
        f"error: --range {ends}: '{ends}' {problem}\n"
        "  try: write the scores in another unit, or as differences from a typical one\n"
    )
    low, high = map(float, ends.split(":"))
    write_scored(here, replace(scored_corpus(), ranges={"valence": (low, high), "arousal": (0.0, 10.0)}))
    assert refusal(*TRAIN, "--set", "dataset.task=valence", code=1) == (
        f"error: TINY: the range of valence, {low!r} to {high!r}, {problem}\n"
        "  try: write the scores in another unit, or as differences from a typical one\n"
    )


def test_what_may_be_meant_is_a_warning(here):
    table(here, SCORED, "3", "3", "3")
    done = run(*PREPARE, "--range", "1:5")
    assert done.exit_code == 0
    assert "warning: arousal: every score is 3, so there is nothing to learn\n" in done.stderr
    table(here, "id,text,speaker,label,votes", "angry,angry:3", "sad,sad:3", "angry,disgust:2|angry:3")
    done = run(*PREPARE, "--force")
    assert done.exit_code == 0
    assert (
        "warning: emotion: raters chose 'disgust' (row 4), which no label has: votes for it do not count\n"
        in done.stderr
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            set_to(3.0, "train"),
            "valence is always 3 in training: nothing can be learnt from it\n"
            "  try: leave it out: --set 'dataset.task=arousal'",
        ),
        (
            set_to(None, "train", "arousal"),
            "arousal is missing for all utterances in training: nothing can be learnt from it\n"
            "  try: leave it out: --set 'dataset.task=valence'",
        ),
        (
            set_to(3.0, "valid"),
            "valence is always 3 in validation: no correlation can choose the best epoch by it\n"
            "  try: --set training.select=mae needs no different values",
        ),
        (
            set_to(None, "valid", "arousal"),
            "arousal is missing for all utterances in validation: no epoch can be chosen by it\n"
            "  try: leave it out: --set 'dataset.task=valence'",
        ),
        (set_to(7.0, "test"), "TINY: utterance 'test90': valence 7.0 is out of range, expected 1 to 5"),
        (set_to("high", "train"), "TINY: utterance 'train0': valence 'high' is not a finite number"),
        (set_to([3, 4], "valid"), "TINY: utterance 'valid60': valence [3, 4] is not a finite number"),
        (set_to(True, "train"), "TINY: utterance 'train0': valence True is not a finite number"),
    ],
)
def test_a_corpus_whose_scores_cannot_be_learnt_is_refused(here, change, told):
    write_scored(here, changed(scored_corpus(), change))
    before = files(here)
    assert refusal(*TRAIN, code=1) == f"error: {told}\n"
    assert files(here) == before


def test_scores_that_float32_does_not_tell_apart_are_refused(here):
    corpus = changed(scored_corpus(scores=("valence",)), lambda _, one: {"valence": 1e6 + one.labels["valence"] / 10})
    write_scored(here, replace(corpus, ranges={"valence": (0.0, 1e7)}))
    assert re.fullmatch(
        r"error: valence differs by 0\.\d+ around 1e\+06 and no more in training: nothing can be learnt from it\n",
        refusal(*TRAIN, code=1),
    )


def test_a_score_that_is_the_same_in_one_fold_is_refused_with_the_fold(here):
    corpus = changed(scored_corpus(), lambda _, one: one.labels | ({"valence": 3.0} if one.speaker == "test-0" else {}))
    write_scored(here, corpus)
    folds = ("--set", "splits.scheme=folds", "--set", "splits.folds=18")
    told = refusal(*TRAIN, *folds, code=1)
    assert re.fullmatch(
        r"error: valence is always 3 in validation of fold [a-z]+-\d: no correlation can choose the best epoch by it\n"
        r"  try: --set training.select=mae needs no different values\n",
        told,
    )
    only = changed(scored_corpus(), lambda _, one: one.labels | ({"valence": 3.0} if one.speaker != "test-0" else {}))
    write_scored(here, only)
    told = refusal(*TRAIN, *folds, "--set", "training.select=mae", code=1)
    assert re.match(r"error: valence is always 3 in training of fold test-\d: nothing can be learnt from it\n", told)
    assert not (here / "ckpt").exists()


@pytest.mark.parametrize(
    ("name", "told"),
    [("all", "'all'"), ("id", "'id'"), ("a,b", "'a,b'"), (" a", "' a'"), ("", "''"), ("a\nb", "'a\\nb'")],
)
def test_a_score_that_nothing_can_name_is_refused(here, name, told):
    corpus = changed(scored_corpus(), lambda _, one: {name: one.labels["valence"]})
    write_scored(here, replace(corpus, ranges={name: (1.0, 5.0)}))
    assert refusal(*TRAIN, code=1) == (
        f"error: TINY: {told} cannot be the name of a score\n"
        "  try: rename it in the corpus: no commas, no spaces around it, and not all, set, utterance, id, start, end, "
        "calibrated\n"
    )


def test_two_scores_never_share_a_column_of_results(here):
    corpus = changed(
        scored_corpus(), lambda _, one: {"mood": one.labels["valence"], "mood_low": 1 + len(one.words) / 4}
    )
    write_scored(here, replace(corpus, ranges={"mood": (1.0, 5.0), "mood_low": (1.0, 5.0)}))
    assert refusal(*TRAIN, code=1) == (
        "error: TINY: 'mood_low' cannot be the name of a score beside 'mood': tables of results have a column of this "
        "name\n  try: rename it in the corpus, or predict it alone: --set 'dataset.task=...'\n"
    )
    assert run(*TRAIN, "--set", "dataset.task=mood_low", "--set", "training.max_epochs=1").exit_code == 0


def test_a_score_may_have_any_other_name(here):
    for number, name in enumerate(("Größe", "how warm", "a:b", "<b>", "100 %", "=1+1")):
        corpus = changed(scored_corpus(), lambda _, one, name=name: {name: one.labels["valence"]})
        write_scored(here, replace(corpus, ranges={name: (1.0, 5.0)}), training={"runs": 1, "max_epochs": 1})
        done = run(*TRAIN, "--set", f"dataset.task={name}", "--name", f"run{number}")
        assert done.exit_code == 0, done.output
        assert f"TINY · {name} 1 to 5 · train 60" in done.stderr


def test_a_file_of_a_corpus_that_says_the_impossible(here):
    write_scored(here)
    path = here / "data/TINY/corpus.json"
    header = json.loads(path.read_text())
    for change, problem in (
        ({"ranges": {"valence": [5, 1]}}, "ranges.valence: expected the lowest and the highest score (got [5, 1])"),
        ({"ranges": {"valence": [1, 1]}}, "ranges.valence: expected the lowest and the highest score (got [1, 1])"),
        ({"ranges": {"valence": "1:5"}}, 'ranges.valence: expected a list (got "1:5")'),
        ({"classes": {"valence": ["low", "high"]}}, "ranges: 'valence' is a task of classes (got …)"),
    ):
        path.write_text(json.dumps({**header, **change}))
        told = re.sub(r"\(got \{.*\)", "(got …)", refusal(*TRAIN, code=1))
        assert told == f"error: data/TINY/corpus.json: {problem}\n"
