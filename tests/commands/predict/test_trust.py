"""``sertool predict`` says which predictions are not calibrated, and claims no class where it knows nothing."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tones import CLASSES, RATE, own_model, predict, run, written

import sertool
from sertool.core.metrics.calibration import Calibration
from sertool.core.runs.temperature import read_calibration, write_calibration


def rows_of(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def test_what_validation_cannot_tell_is_uncalibrated_everywhere(here):
    """Six validation utterances of one speaker, for whom any temperature may be best."""
    folder = own_model(here)
    assert run("ensemble", "--name", "mine").exit_code == 0
    reason = (
        "1 validation speaker: too few for an interval (5 are needed); cross-validate with --set splits.scheme=folds"
    )
    stored = read_calibration(folder)
    assert (stored.calibrated, stored.temperature, stored.reason) == (False, 1.0, reason)
    said = predict("00.wav", "--text", "sky is up", "--csv", "p.csv", "--json", "p.json", name="mine")
    title, *_, answer = said.stdout.splitlines()
    assert title == "mine · 2 members, chosen on validation by accuracy · uncalibrated"
    assert answer.endswith(" %, uncalibrated")
    assert f"note: uncalibrated: {reason}\n" in said.stderr
    table = json.loads(Path("p.json").read_text())
    assert (table["calibrated"], table["uncalibrated"], table["temperature"]) == (False, reason, 1.0)
    (own,) = table["predictions"]
    assert (own["calibrated"], own["uncalibrated"]) == (False, reason)
    assert rows_of("p.csv")[0]["calibrated"] == "no"
    assert sertool.load(folder).uncalibrated == reason


@pytest.mark.parametrize(
    ("given", "lacking"),
    [
        (("00.wav", "--text", "sky is"), []),
        (("00.wav", "--text", "sky zebra"), []),
        (("00.wav", "--text", "zebra sky zebra"), ["most words unknown"]),
        (("00.wav", "--text", "zebra"), ["no known word"]),
        (("00.wav",), ["no text"]),
        (("--text", "sky is"), ["no audio"]),
        (("silence.wav", "--text", "sky is"), ["no sound"]),
    ],
)
def test_an_input_unlike_those_of_validation_is_outside_what_was_calibrated(here, given, lacking):
    folder = own_model(here)
    soundfile.write("silence.wav", np.zeros(RATE), RATE)
    write_calibration(folder, Calibration(sertool.load(folder).members, 0.5, "valid", 60, 0.2, 0.1, 1.0, 0.9))
    (own,) = written(*given, name="mine")
    assert (own["lacking"], own["calibrated"], own["unsure"]) == (lacking, not lacking, False)
    assert own["uncalibrated"] == (f"outside what was calibrated: {lacking[0]}" if lacking else "")
    assert own["label"] in CLASSES
    said = predict(*given, name="mine")
    title, *_, answer = said.stdout.splitlines()
    assert title.endswith("uncalibrated" if lacking else "calibrated on 60 validation utterances")
    assert answer.endswith(" %, uncalibrated" if lacking else " %")
    assert [line for line in said.stderr.splitlines() if ": uncalibrated: " in line] == [
        f"note: {own['id']}: uncalibrated: {lack}" for lack in lacking
    ]


@pytest.mark.parametrize(
    ("name", "given", "lacking"),
    [
        ("tones", ("--text", "hello"), ["no known word", "no audio"]),
        ("tones", ("--text", "am so happy sky"), ["most words unknown", "no audio"]),
        ("text", ("--text", "hello there"), ["no known word"]),
        ("folds", ("--text", "hello"), ["no known word", "no audio"]),
        ("tones", ("silence.wav", "--text", "hello"), ["no known word", "no sound"]),
        ("audio", ("silence.wav",), ["no sound"]),
    ],
)
def test_an_input_without_anything_known_gets_no_class(here, name, given, lacking):
    """A guess from nothing used to be "sad, probability 98.1 %"."""
    soundfile.write("silence.wav", np.zeros(RATE), RATE)
    (own,) = written(*given, "--csv", "p.csv", name=name)
    assert (own["label"], own["labels"], own["unsure"], own["lacking"]) == ("unsure", [], True, lacking)
    (row,) = rows_of("p.csv")
    assert (row["class"], row["calibrated"]) == ("unsure", "no")
    said = predict(*given, name=name).stdout.splitlines()
    assert said[-1] == f"unsure: {' and '.join(lacking)}, so any class would be a guess"
    assert not any("%" in line for line in said)
    audio = {"audio": given[0]} if given[0].endswith(".wav") else {}
    text = given[-1] if "--text" in given else None
    one = sertool.load(f"ckpt/{name}").predict(**audio, text=text)
    assert (one.label, one.labels, one.unsure()) == ("unsure", (), True)


def test_a_table_marks_what_is_outside_and_leaves_guesses_out(here):
    folder = own_model(here)
    write_calibration(folder, Calibration(sertool.load(folder).members, 0.5, "valid", 60, 0.2, 0.1, 1.0, 0.9))
    Path("t.csv").write_text("id,audio,text\na,00.wav,sky is up\nb,01.wav,\nc,,hello\n")
    said = predict("--table", "t.csv", name="mine")
    title, _, _, a, b, c, _, summary = said.stdout.splitlines()
    assert (
        title
        == "mine · 2 members, all that were trained · calibrated on 60 validation utterances, but for the 1 marked *"
    )
    assert "*" not in a
    assert b.split()[2].endswith("*")
    assert c.split() == ["c", "unsure"]
    assert summary.endswith(" · unsure 1")
    assert "note: b: uncalibrated: no text\n" in said.stderr
    assert "note: c: unsure: no known word and no audio\n" in said.stderr
