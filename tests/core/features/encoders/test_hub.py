"""Models of the hub, by its own client from a hub on this machine."""

import errno
import shutil

import pytest
from fake_hub import COMMIT, GATED, serve_hub
from tiny_encoders import save_speech_encoder

from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.features.encoders.hub import download
from sertool.core.features.encoders.source import find_model

constants = pytest.importorskip("huggingface_hub.constants")
pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_speech_encoder("hubert", tmp_path_factory.mktemp("hub") / "model")


@pytest.fixture
def hub(model, tmp_path, monkeypatch):
    """Serve ``someone/tiny``, and ``someone/pickled`` with pickled weights; yield the paths that were asked for."""
    shutil.copytree(model, tmp_path / "tiny")
    (tmp_path / "tiny" / "README.md").write_text("---\nlicense: other\nlicense_name: for-research\n---\n")
    (tmp_path / "tiny" / "pytorch_model.bin").write_bytes(b"a pickle")
    shutil.copytree(tmp_path / "tiny", tmp_path / "pickled", ignore=shutil.ignore_patterns("*.safetensors"))
    shutil.copytree(model, tmp_path / "gated")
    requested = []
    with serve_hub({f"someone/{name}": tmp_path / name for name in ("tiny", "pickled", "gated")}, requested) as address:
        point_to(address, monkeypatch)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        yield requested


def point_to(address, monkeypatch):
    download.cache_clear()
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")


def refused(name, revision=None, error=DataError):
    with pytest.raises(error) as caught:
        find_model(name, revision, "speech")
    return f"{caught.value}\n{caught.value.hint}"


def test_a_model_is_downloaded_once_without_pickles(hub, model, capfd):
    found = find_model("someone/tiny", None, "speech")
    assert (found.name, found.revision, found.licence) == ("someone/tiny", COMMIT, "for-research")
    assert found.weights == find_model(str(model), None, "speech").weights
    assert sorted(path.name for path in found.folder.iterdir()) == sorted(
        ["README.md", "config.json", "model.safetensors", "preprocessor_config.json"]
    )
    asked = len(hub)
    assert find_model("someone/tiny", None, "speech") == found
    assert hub[asked:] == []
    assert find_model("someone/tiny", COMMIT, "speech") == found
    assert not [path for path in hub[asked:] if path.endswith("safetensors")]
    assert capfd.readouterr() == ("", "")
    assert "pickled weights" not in refused("someone/pickled")  # nobody downloads them to say so
    assert "no weights" in refused("someone/pickled")


def test_what_the_hub_refuses_is_one_message(hub):
    message = refused(GATED)
    assert "only to those who have accepted its terms" in message
    assert f"https://huggingface.co/{GATED}" in message
    assert "HF_TOKEN" in message
    assert "no such folder, and the hub has no such model" in refused("someone/else")
    assert "the hub has no revision v9 of this model" in refused("someone/tiny", "v9")
    assert "no such folder, and no name of a model" in refused("some one", error=UsageError)


def test_without_a_network_the_cache_is_enough(hub, monkeypatch):
    found = find_model("someone/tiny", None, "speech")
    point_to("http://127.0.0.1:1", monkeypatch)
    assert find_model("someone/tiny", None, "speech") == found
    expected = "not in the hub's cache on this machine, and the hub cannot be reached"
    assert f"someone/pickled: {expected}" in refused("someone/pickled", error=SertoolError)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    download.cache_clear()
    assert find_model("someone/tiny", None, "speech") == found
    assert f"someone/pickled at revision v1: {expected}" in refused("someone/pickled", "v1", error=SertoolError)


def test_a_full_disk_is_one_message(hub, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    assert "someone/tiny: no space left on the disk" in refused("someone/tiny", error=SertoolError)
