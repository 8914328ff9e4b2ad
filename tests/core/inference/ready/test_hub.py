"""Ready models of the hub, by its own client from a hub on this machine."""

import shutil

import pytest
from fake_hub import COMMIT, serve_hub
from tiny_ready import save_speech_classifier

from sertool.core.errors import DataError, SertoolError
from sertool.core.features.encoders.hub import download
from sertool.core.inference.ready.opening import open_ready

constants = pytest.importorskip("huggingface_hub.constants")
pytest.importorskip("transformers")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Serve ``superb/hubert-base-superb-er``, and ``someone/pickled`` with pickled weights alone."""
    model = save_speech_classifier("hubert", tmp_path / "model")
    (model / "README.md").write_text("---\nlicense: apache-2.0\ndatasets:\n- superb\n---\n")
    shutil.copytree(model, tmp_path / "pickled", ignore=shutil.ignore_patterns("*.safetensors"))
    (tmp_path / "pickled/pytorch_model.bin").write_bytes(b"a pickle")
    served = {"superb/hubert-base-superb-er": model, "someone/pickled": tmp_path / "pickled"}
    download.cache_clear()
    with serve_hub(served, []) as address:
        point_to(address, monkeypatch)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        yield
    download.cache_clear()


def point_to(address, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")


def test_a_model_of_the_hub_is_opened_and_found_again_without_a_network(hub, monkeypatch):
    facts = open_ready("superb/hubert-base-superb-er").facts
    assert (facts.revision, facts.card.licence) == (COMMIT, "apache-2.0")
    assert facts.title == f"superb/hubert-base-superb-er at {COMMIT[:12]}"
    download.cache_clear()
    point_to("http://127.0.0.1:1", monkeypatch)
    assert open_ready("superb/hubert-base-superb-er").facts == facts
    with pytest.raises(SertoolError, match="the hub cannot be reached"):
        open_ready("someone/else")


def test_pickled_weights_alone_are_refused(hub):
    with pytest.raises(DataError, match="no weights") as caught:
        open_ready("someone/pickled")
    assert "safetensors" in caught.value.hint
