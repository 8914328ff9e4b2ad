"""Log-mel frames on a CUDA device. A file of its own: a GPU machine may lack soundfile, which the other tests need."""

import pytest
import torch
from waveforms import many

from sertool.core.features.log_mel import log_mels_batch
from sertool.core.recipe.frontends import Frontend


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
@pytest.mark.parametrize("frontend", [Frontend(), Frontend(frame_step=1)], ids=["every 16th", "every frame"])
def test_a_gpu_gives_the_frames_of_the_cpu(frontend):
    expected = log_mels_batch(many(), frontend)
    for found, one in zip(log_mels_batch(many(), frontend, "cuda"), expected, strict=True):
        assert found.device.type == "cpu"
        torch.testing.assert_close(found, one, atol=1e-5, rtol=0)
