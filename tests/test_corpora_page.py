"""docs/corpora.md agrees with the layouts and the published counts, and its commands work."""

import json
import re
import shlex

import made_named as named
import pytest
from made_iemocap import make_iemocap
from made_meld import make_meld
from made_msp_podcast import make_msp_podcast
from places import ROOT
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.doctor.published import published
from sertool.core.prepare.layouts.registry import LAYOUTS

TEXT = (ROOT / "docs/corpora.md").read_text(encoding="utf-8")
COMMANDS = list(dict.fromkeys(re.findall(r"^(sertool prepare .*)$", TEXT, re.MULTILINE)))


def made_cmu(title):
    """Return a maker of a folder of the CMU-MultimodalSDK."""

    def make(folder):
        pytest.importorskip("h5py")
        from made_cmu import make_sequences  # imports h5py

        make_sequences(folder, title)

    return make


OTHER = [f"{who}/{mood}/u{n}.wav" for who in "abcd" for mood in ("calm", "angry") for n in (1, 2)]
MAKERS = {
    "CMU_MOSEI": made_cmu("MOSEI"),
    "CMU_MOSI": made_cmu("MOSI"),
    "CREMA-D": named.make_crema_d,
    "EMO-DB": named.make_emodb,
    "EmoV-DB": named.make_emov_db,
    "ESD": named.make_esd,
    "IEMOCAP_full_release": lambda folder: make_iemocap(folder.parent),
    "MELD.Raw": make_meld,
    "MSP-PODCAST-Publish": lambda folder: make_msp_podcast(folder.parent),
    "nEMO": named.make_nemo,
    "RAVDESS": named.make_ravdess,
    "recordings": lambda folder: named.write_recordings(folder, OTHER),
    "SAVEE": named.make_savee,
    "TESS": named.make_tess,
}
ROWS = dict(re.findall(r"^\| `(\w[\w-]*)` \| (.*) \|$", TEXT, re.MULTILINE))


def test_the_page_has_a_row_and_a_section_for_each_layout():
    assert set(ROWS) == set(LAYOUTS)
    assert set(re.findall("`([a-z-]+)`", " ".join(re.findall(r"^## .*$", TEXT, re.MULTILINE)))) == set(LAYOUTS)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_row_names_the_published_utterances_and_every_task(name):
    numbers = {f"{sum(one.utterances.values()):,}" for one in published()[name]}
    assert numbers & set(re.findall(r"[\d,]+\d", ROWS[name]))
    layout = LAYOUTS[name]
    for task in {*layout.classes, *layout.ranges}:
        assert f"`{task}`" in ROWS[name]


def write_folds(folder, recordings):
    """Write two folds of EmoBox's over some recordings."""
    for fold in (0, 1):
        (folder / f"fold_{fold + 1}").mkdir(parents=True)
        for split, own in (("test", recordings[fold::2]), ("train", recordings[1 - fold :: 2])):
            lines = [json.dumps({"wav": f"downloads/{path.name}"}) + "\n" for path in own]
            (folder / f"fold_{fold + 1}" / f"x_{split}_fold_{fold + 1}.jsonl").write_text("".join(lines))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_shown_command_works(command, tmp_path, monkeypatch):
    words = shlex.split(command)[1:]
    MAKERS[words[1]](tmp_path / words[1])
    for folds in re.findall(r"emobox:(\S+)", command):
        write_folds(tmp_path / folds, sorted((tmp_path / words[1]).rglob("*.wav")))
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, [*words, *([] if "--dry-run" in words else ["--workers", "1"])])
    assert result.exit_code == 0, result.output
