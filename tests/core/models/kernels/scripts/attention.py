"""Attention's kernels against their definition; prints the worst differences as JSON."""

import json

import torch
import triton
from comparing import OneKey, factors
from interpreter import let_dot_take_bfloat16

from sertool.core.models.kernels.attention import attends, attention, attention_plain
from sertool.core.models.kernels.attention_triton import SMALLEST
from sertool.core.models.kernels.noise import dropped_steps

DROPOUT = 0.3
NOISE = OneKey(7)


def weight_factors(members, batch, heads, length, keys):
    rows, columns = (max(SMALLEST, triton.next_power_of_2(n)) for n in (length, keys))
    tiles = factors(NOISE.key(), members * batch * heads * rows, columns, dropped_steps(DROPOUT))
    return tiles.view(members, batch, heads, rows, columns)[..., :length, :keys]


def given(members, batch, heads, length, keys, width, dtype):
    whole = heads * width
    rows = [torch.randn(members, n * batch, whole).to(dtype) for n in (length, keys, keys)]
    biases = [torch.randn(members, whole) for _ in range(3)]
    mask = torch.rand(members, batch, keys) < 0.6
    mask[:, :, 0] = True
    mask[0, 0] = False
    return [part.requires_grad_() for part in (*rows, *biases)], mask


def run(function, leaves, up):
    result = function(*leaves[:3], tuple(leaves[3:]))
    return [result.detach(), *torch.autograd.grad(result, leaves, up)]


def difference(ours, theirs):
    return max(float((a.float() - b.float()).abs().max()) for a, b in zip(ours, theirs, strict=True))


def compare(members, batch, heads, length, keys, width, dtype, dropout):
    """Return the largest difference of values and gradients, in parts of the largest value."""
    leaves, mask = given(members, batch, heads, length, keys, width, dtype)
    assert attends(leaves[0], mask, heads)
    up = torch.randn(leaves[0].shape).to(dtype)
    ours = run(lambda *of: attention(*of, mask, heads, dropout, NOISE if dropout else None), leaves, up)
    kept = weight_factors(members, batch, heads, length, keys) if dropout else None
    precise = [leaf.detach().float().requires_grad_() for leaf in leaves]
    theirs = run(lambda *of: attention_plain(*of, mask, heads, kept), precise, up.float())
    assert [part.dtype for part in ours] == [dtype] * 4 + [torch.float32] * 3
    return difference(ours, theirs) / max(1.0, *(float(part.abs().max()) for part in theirs))


def all_masked():
    """Member 0's first utterance: means of the values, and no gradient of its queries and keys."""
    leaves, mask = given(2, 2, 2, 5, 3, 3, torch.float32)
    up = torch.ones(leaves[0].shape)
    result, d_query, d_key, d_value, *_ = run(lambda *of: attention(*of, mask, 2, 0.0, None), leaves, up)
    value = leaves[2].detach() + leaves[5].detach().unsqueeze(1)
    mean = value[0, 0::2].mean(0).expand(5, -1)
    assert not d_query[0, 0::2].any()
    assert not d_key[0, 0::2].any()
    assert d_query[0, 1::2].any()
    assert len(d_value[0, 0::2].unique()) == 1  # exactly uniform
    return difference([result[0, 0::2], d_value[0, 0::2]], [mean, torch.full((3, 6), 5 / 3)])


torch.manual_seed(1)
let_dot_take_bfloat16()
odd, wide = (2, 2, 2, 5, 3, 3), (1, 1, 1, 17, 40, 72)
worst = {}
for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
    worst[name] = max(compare(*sizes, dtype, 0.0) for sizes in (odd, wide, (1, 1, 1, 1, 1, 1)))
    worst[f"{name} dropout"] = max(compare(*sizes, dtype, DROPOUT) for sizes in (odd, wide))
torch.set_float32_matmul_precision("high")
worst["tf32"] = compare(*wide, torch.float32, 0.0)
worst["all masked"] = all_masked()
print(json.dumps(worst))
