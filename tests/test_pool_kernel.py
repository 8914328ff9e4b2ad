"""The kernel of the attention pooling against its plain definition, in Triton's interpreter."""

import torch
from kernel_running import interpret, needs_triton

from sertool.core.models.kernels.pool import pool


@needs_triton
def test_the_kernel_is_its_definition():
    worst = interpret("pool.py")
    assert worst["torch.float32"] < 1e-5
    assert worst["torch.bfloat16"] < 5e-2


def test_only_real_positions_count_and_all_do_where_none_is_real():
    torch.manual_seed(1)
    scores, rows = torch.randn(2, 4 * 3), torch.randn(2, 4 * 3, 5)  # four positions, three utterances
    lengths = torch.tensor([[4, 2, 0], [1, 0, 3]])
    pooled = pool(scores, rows, torch.arange(4) < lengths.unsqueeze(-1))
    for member in range(2):
        for utterance in range(3):
            own_scores, own_rows = scores[member, utterance::3], rows[member, utterance::3]
            real = int(lengths[member, utterance])
            weights = own_scores[:real].softmax(0) if real else torch.full((4,), 0.25)
            wanted = weights @ own_rows[: len(weights)]
            torch.testing.assert_close(pooled[member, utterance], wanted)
