"""Recordings of the HTML report: which belong to an utterance, where they are kept, what does not fit."""

import base64
import html
import io
from dataclasses import replace

import pytest
import report_example
import soundfile
from builders import spoken
from report_pages import data_of, parsed

from sertool.core.errors import DataError, UsageError
from sertool.core.reports import recordings
from sertool.core.reports.contents import Report
from sertool.core.reports.html.page import render


def with_rows(*rows, name="calls", dataset="CALLS", caveats=""):
    """A report on utterances given as (id, right, confidence)."""
    template = report_example.utterances(1, members=4)[0]
    made = tuple(replace(template, id=id_, right=right, confidence=value) for id_, right, value in rows)
    run = replace(report_example.run_report(name), dataset=dataset, caveats=caveats)
    run = replace(run, sets={"test": replace(report_example.set_report("test", 12), rows=made)})
    return Report("", "", (), (run,), (), "")


def test_a_recording_in_a_folder_belongs_to_the_utterance_of_its_name(tmp_path):
    for name in ("u1.wav", "deep/er/u2.FLAC", "z/u1.wav", "happy/u4.ogg"):
        spoken(tmp_path / name)
    (tmp_path / "u3.txt").write_text("no recording")
    found = recordings.find(tmp_path, ["u1", "u2", "u3", "part/u4", "u5"])
    assert {id_: clip.path.relative_to(tmp_path).as_posix() for id_, clip in found.items()} == {
        "u1": "u1.wav",
        "u2": "deep/er/u2.FLAC",
        "part/u4": "happy/u4.ogg",
    }


def test_a_recording_s_name_may_be_composed_in_another_way(tmp_path):
    spoken(tmp_path / "Jo\u0308rg 1.wav")
    found = recordings.find(tmp_path, ["J\u00f6rg 1", "Jo\u0308rg 1", "Jorg 1"])
    assert sorted(found) == ["Jo\u0308rg 1", "J\u00f6rg 1"]


def test_recordings_are_embedded_as_they_are(tmp_path):
    path = spoken(tmp_path / "u1.wav")
    report, notes = recordings.attach(with_rows(("u1", True, 0.5), ("u2", False, 0.5)), tmp_path)
    assert notes == []
    assert list(report.recordings) == ["calls"]
    kind, _, content = report.recordings["calls"]["u1"].partition(",")
    assert kind == "data:audio/wav;base64"
    assert base64.b64decode(content) == path.read_bytes()
    pool, browsers = data_of(parsed(render(report)))
    assert pool["recordings"] == [report.recordings["calls"]["u1"]]
    assert [row[6] for row in browsers[0]["rows"]] == [-1, 0]


def test_a_table_s_segments_are_cut_out(tmp_path):
    spoken(tmp_path / "long.wav", seconds=3)
    table = tmp_path / "table.csv"
    table.write_text(
        "utterance,audio,label,start,end\nu1,long.wav,calm,0.5,1.25\nu2,long.wav,calm,,\nu3,no.wav,calm,,\n"
    )
    rows = (("u1", True, 0.5), ("u2", True, 0.5), ("u3", True, 0.5))
    report, notes = recordings.attach(with_rows(*rows), table)
    kind, _, content = report.recordings["calls"]["u1"].partition(",")
    assert kind == "data:audio/flac;base64"
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(content)))
    assert (len(samples), rate) == (12_000, 16_000)
    assert report.recordings["calls"]["u2"].startswith("data:audio/wav")
    assert notes == [f"1 recording has no player: {tmp_path / 'no.wav'}: no such file"]


def test_a_table_may_have_scores_of_any_scale_or_no_labels(tmp_path):
    spoken(tmp_path / "u1.wav")
    for number, text in enumerate(("path,score\nu1.wav,5\n", "audio\nu1.wav\n")):
        (tmp_path / f"{number}.csv").write_text(text)
        assert set(recordings.find(tmp_path / f"{number}.csv", ["u1"])) == {"u1"}


def test_what_does_not_fit_is_told_and_errors_come_first(tmp_path, monkeypatch):
    for name in ("right", "unsure", "sure"):
        spoken(tmp_path / f"{name}.wav", seconds=0.2)
    spoken(tmp_path / "large.wav", seconds=2)
    size = (tmp_path / "sure.wav").stat().st_size
    monkeypatch.setattr(recordings, "LARGEST", 2 * size)
    monkeypatch.setattr(recordings, "ALL", 2 * size)
    rows = [("right", True, 0.99), ("unsure", False, 0.4), ("sure", False, 0.9), ("large", False, 1.0)]
    report, notes = recordings.attach(with_rows(*rows), tmp_path)
    assert set(report.recordings["calls"]) == {"unsure", "sure"}
    assert [note.partition(":")[0] for note in notes] == ["1 recording has no player"] * 2
    assert notes[0].endswith("larger than 6.5 kB; --audio-files plays larger ones")
    assert "the limit for all of a report is" in notes[1]


def test_recordings_beside_the_page_have_no_small_limit(tmp_path, monkeypatch):
    for name in ("right", "odd name", "sure"):
        spoken(tmp_path / f"{name}.wav", seconds=1)
    size = (tmp_path / "sure.wav").stat().st_size
    monkeypatch.setattr(recordings, "LARGEST", size - 1)
    rows = [("right", True, 0.99), ("sure", False, 0.9), ("odd name", False, 0.3)]
    kept = {}

    def keep(name, content):
        kept[name] = content
        return f"calls-audio/{name}"

    report, notes = recordings.attach(with_rows(*rows), tmp_path, keep)
    assert notes == []
    assert report.recordings["calls"] == {
        "sure": "calls-audio/00001.wav",  # errors first, the most confident at the front
        "odd name": "calls-audio/00002.wav",
        "right": "calls-audio/00003.wav",
    }
    assert kept["00001.wav"] == (tmp_path / "sure.wav").read_bytes()
    monkeypatch.setattr(recordings, "ALL_FILES", 2 * size)
    _, notes = recordings.attach(with_rows(*rows), tmp_path, keep)
    assert notes == [f"1 recording has no player: the limit for all of a report is {2 * size / 1000:.1f} kB"]
    _, notes = recordings.attach(with_rows(*rows), tmp_path)
    assert notes == [
        f"3 recordings have no player: larger than {(size - 1) / 1000:.1f} kB; --audio-files plays larger ones"
    ]


def test_the_policy_lets_players_load_files_only_where_there_are_some(tmp_path):
    spoken(tmp_path / "u1.wav")
    embedded, _ = recordings.attach(with_rows(("u1", True, 0.5)), tmp_path)
    beside, _ = recordings.attach(with_rows(("u1", True, 0.5)), tmp_path, lambda name, content: f"a-audio/{name}")
    assert "media-src data:; base-uri" in render(embedded)
    assert "media-src data: 'self' file:; base-uri" in html.unescape(render(beside))


def test_two_runs_share_a_recording(tmp_path):
    spoken(tmp_path / "u1.wav")
    one, other = with_rows(("u1", True, 0.5)), with_rows(("u1", False, 0.5), name="calls-2")
    report, _ = recordings.attach(replace(one, runs=(*one.runs, *other.runs)), tmp_path)
    assert set(report.recordings) == {"calls", "calls-2"}
    pool, _ = data_of(parsed(render(report)))
    assert len(pool["recordings"]) == 1


def test_the_demo_brings_its_own_clips():
    rows = (("june-01", True, 0.5), ("june-04", True, 0.5))
    demo, notes = recordings.attach(with_rows(*rows, dataset="demo", caveats="synthetic speech"), None)
    assert notes == []
    assert set(demo.recordings["calls"]) == {"june-01"}
    assert demo.recordings["calls"]["june-01"].startswith("data:audio/flac;base64,ZkxhQ")
    assert recordings.attach(with_rows(*rows, dataset="demo"), None)[0].recordings == {}
    assert recordings.attach(with_rows(*rows, caveats="synthetic speech"), None)[0].recordings == {}


def test_recordings_of_nobody_are_told(tmp_path):
    report, notes = recordings.attach(with_rows(("u1", True, 0.5)), tmp_path)
    assert report.recordings == {}
    assert notes == [f"{tmp_path}: holds no recording of any utterance in the report"]


def test_recordings_that_are_neither_folder_nor_table_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"gone\.csv: no such file"):
        recordings.attach(with_rows(("u1", True, 0.5)), tmp_path / "gone.csv")
    path = tmp_path / "table.ods"
    path.write_bytes(b"PK")
    with pytest.raises(UsageError, match=r"a table is a \.csv, \.tsv, \.xlsx or \.jsonl file"):
        recordings.attach(with_rows(("u1", True, 0.5)), path)
