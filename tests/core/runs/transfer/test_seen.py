"""``train --from``: test utterances that the earlier run has seen."""

import json
from dataclasses import replace

import numpy as np
import pytest
from builders import make_corpus, tiny_recipe, write_tiny
from hypothesis import given
from hypothesis import strategies as st
from killed_training import contents
from transfers import (
    complete,
    other_corpus,
    overlapping,
    refused,
)
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.corpora.corpus import Frames
from sertool.core.corpora.fingerprints import HASH_BYTES, content_hashes, pack, unpack
from sertool.core.files import artifacts
from sertool.core.recipe.load import resolved


def test_an_honest_recipe_is_refused_where_the_source_has_seen_its_test_set(here):
    write_tiny(here / "data", overlapping(5))
    assert refused(here, tiny_recipe(), source="first") == (
        "--from first: was trained or selected on 5 of the 12 test utterances of OTHER: no figure on them would be "
        "honest",
        "start from a run that has not seen them; only recipes of `protocol: paper` may use this one",
    )
    assert contents(here / "ckpt/next") == {}
    notes = complete(here / "ckpt/next", tiny_recipe(protocol="paper"), source="first")
    assert notes[-1] == (
        "warning: first was trained or selected on 5 of the 12 test utterances: figures on them are optimistic"
    )
    assert refused(here, tiny_recipe(), source="first")[0].startswith("--from first: was trained or selected on 5")
    assert "protocol: paper" in (here / "ckpt/next/recipe.yaml").read_text()
    # The seen ones go on from run to run: the third has never met the first's corpus.
    write_tiny(here / "data", other_corpus(7))
    complete(here / "ckpt/between", tiny_recipe(), source="first")
    write_tiny(here / "data", overlapping(3, seed=9))
    text, _ = refused(here, tiny_recipe(), "third", source="between")
    assert text.startswith("--from between: was trained or selected on 3 of the 12 test utterances of OTHER")


def test_the_same_corpus_again(here):
    """Training on it again is harmless, but a note says that validation was selected on."""
    notes = complete(here / "ckpt/again", tiny_recipe(), data=here / "first-data", source="first")
    assert notes[1:] == [
        "starting from first (4 members, best first): 35 of 35 words known to it; classes known: angry, happy, sad",
        "warning: first was trained or selected on 12 of the 12 valid utterances: validation scores are optimistic",
    ]


def test_half_precision_and_other_names_hide_nothing():
    corpus = make_corpus()
    renamed = tuple(replace(u, id=f"x{u.id}", words=(*u.words, "um")) for u in corpus.utterances)
    stored = replace(corpus.audio, flat=corpus.audio.flat.astype(np.float16))
    ours = content_hashes(corpus)
    theirs = content_hashes(replace(corpus, utterances=renamed, audio=stored))
    silent = [not np.abs(corpus.audio[row]).sum() for row in range(len(ours))]
    assert any(silent)
    assert [one != other for one, other in zip(ours, theirs, strict=True)] == silent
    assert len(set(ours)) == len(ours)
    # What the frontend makes of digital silence tells no recordings apart.
    floor = Frames(np.full_like(corpus.audio.flat, 1e-8), corpus.audio.offsets)
    assert not set(content_hashes(replace(corpus, audio=floor))) & set(
        content_hashes(replace(corpus, audio=floor, utterances=renamed))
    )


def test_text_as_frames_is_known_again():
    corpus = make_corpus(text_frames=3)
    silence = Frames(np.zeros_like(corpus.audio.flat), corpus.audio.offsets)
    quiet = replace(corpus, audio=silence)
    renamed = replace(quiet, utterances=tuple(replace(u, id=f"x{u.id}") for u in quiet.utterances))
    assert corpus.text_frames is not None
    worded = [bool(len(corpus.text_frames[row])) for row in range(len(corpus.utterances))]
    same = [a == b for a, b in zip(content_hashes(quiet), content_hashes(renamed), strict=True)]
    assert same == worded


@given(st.lists(st.binary(min_size=HASH_BYTES, max_size=HASH_BYTES)))
def test_packed_hashes_come_back(hashes):
    assert unpack(pack(hashes)) == frozenset(hashes)
    assert len(pack(hashes)) == 8 * len(set(hashes))


@pytest.mark.parametrize("text", ["abc", "abcd", "äbcdefgh"])
def test_what_is_no_packed_hashes(text):
    with pytest.raises(ValueError, match=r".+"):
        unpack(text)


def test_the_command_tells_its_start_and_what_it_has_seen(here, monkeypatch):
    monkeypatch.chdir(here)
    write_tiny(here / "data", overlapping(5))
    artifacts.write_text(here / "tiny.yaml", resolved(tiny_recipe(protocol="paper")))
    command = ["train", "--recipe", "tiny.yaml", "--name", "next", "--runs", "2", "--from", "first"]
    result = CliRunner().invoke(app, [*command, "--json", "train.json"])
    assert result.exit_code == 0, result.output
    assert "\nstarting from first (4 members, best first): " in result.stderr
    assert "; classes known: sad, angry; new: bored\n" in result.stderr
    assert (
        "\nwarning: first was trained or selected on 5 of the 12 test utterances: figures on them are optimistic\n"
        in (result.stderr)
    )
    assert json.loads((here / "train.json").read_text())["from"] == "first"
    entries = [json.loads(line) for line in (here / "ckpt/next/log.jsonl").read_text().splitlines()]
    assert [entry["from"] for entry in entries if "finished" in entry] == ["first"]
    judged = CliRunner().invoke(app, ["ensemble", "--name", "next", "--json", "result.json"])
    assert judged.exit_code == 0, judged.output
    assert judged.stdout.splitlines()[1] == (
        "warning: the members started from first, which was trained or selected on 5 of these utterances"
    )
    table = json.loads((here / "result.json").read_text())
    assert (table["started_from"], table["seen_in_test"]) == ("first", 5)
    other = CliRunner().invoke(app, [*command, "--name", "other", "--set", "protocol=honest"])
    assert (other.exit_code, other.stdout) == (2, "")
    done = CliRunner().invoke(app, [*command[:-1], "first/"])
    assert done.exit_code == 0, done.output
    assert "2 members, 2 already trained" in done.stderr
    assert other.stderr.endswith(
        "error: --from first: was trained or selected on 5 of the 12 test utterances of OTHER: no figure on them "
        "would be honest\n  try: start from a run that has not seen them; only recipes of `protocol: paper` may use "
        "this one\n"
    )
