"""The pooling kernel against its plain definition; prints the worst differences as JSON."""

import json

import torch

from sertool.core.models.kernels.pool import pool, pool_plain

torch.manual_seed(1)


def inputs(members, batch, length, width, dtype):
    mask = torch.rand(members, batch, length) < 0.6
    mask[0, 0] = True
    mask[-1, -1] = False
    scores = torch.randn(members, length * batch, 1).to(dtype)
    rows = torch.randn(members, length * batch, width).to(dtype)
    return scores.requires_grad_(), rows.requires_grad_(), mask


def passed(function, scores, rows, mask, up):
    scores.grad = rows.grad = None
    pooled = function(scores, rows, mask)
    pooled.backward(up)
    return pooled.detach(), scores.grad, rows.grad


worst = {}
for dtype in (torch.float32, torch.bfloat16):
    for sizes in (
        (1, 1, 1, 1),
        (2, 3, 5, 6),
        (3, 2, 40, 12),
        (1, 2, 15, 700),
        (2, 2, 128, 33),
        (1, 1, 3, 5000),
    ):
        scores, rows, mask = inputs(*sizes, dtype)
        up = torch.randn(*mask.shape[:2], rows.shape[-1]).to(dtype)
        ours = passed(pool, scores, rows, mask, up)
        exact = [part.detach().float().requires_grad_() for part in (scores, rows)]
        theirs = passed(pool_plain, *exact, mask, up.float())
        assert [part.dtype for part in ours] == [dtype] * 3
        assert [part.shape for part in ours] == [part.shape for part in theirs]
        off = max(float((a.float() - b).abs().max()) for a, b in zip(ours, theirs, strict=True))
        worst[str(dtype)] = max(worst.get(str(dtype), 0), off)
        masked = ~mask.transpose(1, 2).reshape(scores.shape)
        assert not ours[1][masked].any()
        mean = rows.detach().float().view(sizes[0], sizes[2], sizes[1], -1)[-1, :, -1].mean(0)
        torch.testing.assert_close(ours[0][-1, -1].float(), mean, atol=1e-6, rtol=1e-2)

scores, rows, mask = inputs(2, 3, 5, 6, torch.float32)
flat = passed(pool, scores.detach()[..., 0].requires_grad_(), rows, mask, torch.ones(2, 3, 6))
assert flat[1].shape == (2, 15)
print(json.dumps(worst))
