"""The five stories on real speech: every command ends as expected, every hint works, and nothing goes unsaid."""

from pathlib import Path

import pytest
import stories
from places import ROOT

pytestmark = [pytest.mark.data, pytest.mark.slow]


def test_five_people_get_what_they_came_for(data_folder, tmp_path):
    emodb, out = data_folder / "emodb", tmp_path / "stories"
    if not emodb.is_dir():
        pytest.skip(f"no EMO-DB in {data_folder}")
    places = {"--emodb": emodb, "--reference": ROOT / "tests/reference", "--out": out}
    ended = stories.main([str(word) for pair in places.items() for word in pair])
    told = Path(out, "transcript.md").read_text(encoding="utf-8")
    assert ended == 0
    assert "Traceback" not in told
    assert "the text cannot tell: each of 10 texts occurs with 4 labels" in told
    assert "test speakers: too few for an interval (5 are needed)" in told
    assert "it uses the audio" in told  # over ten speakers in five folds
    assert "unsure: no known word and no audio" in told
    assert told.count("next: ") > 8
