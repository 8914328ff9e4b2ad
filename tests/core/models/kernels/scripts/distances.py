"""Each kernel against its definition, in Triton's interpreter; prints the largest distances as JSON."""

import json

import torch

from sertool.core.models.kernels import forced
from sertool.core.models.kernels.attention import attention
from sertool.core.models.kernels.compare import differences
from sertool.core.models.kernels.interpreter import let_dot_take_bfloat16
from sertool.core.models.kernels.proof import comparisons


def attend_where_all_is_masked():
    """Return the result of member 0's first utterance, in which all keys are masked, its values and its gradients."""
    rows = [torch.randn(2, n * 2, 6).requires_grad_() for n in (5, 3, 3)]
    biases = [torch.randn(2, 6) for _ in range(3)]
    mask = torch.ones(2, 2, 3, dtype=torch.bool)
    mask[0, 0] = False
    with forced(True):
        result = attention(*rows, tuple(biases), mask, 2, 0.0, None)
        gradients = torch.autograd.grad(result, rows, torch.ones_like(result))
    values = rows[2].detach()[0, 0::2] + biases[2][0]
    return result.detach()[0, 0::2], values, *(gradient[0, 0::2] for gradient in gradients)


let_dot_take_bfloat16()
found = {}
for name in comparisons(bf16=True):
    parts = differences(name, "cpu")
    assert all(part.equal for part in parts), [part for part in parts if not part.equal]
    # The share of dropped values is no distance.
    found[name] = max(part.error for part in parts if not part.part.startswith("dropout"))
torch.manual_seed(1)
result, values, d_query, d_key, d_value = attend_where_all_is_masked()
found["all masked"] = float((result - values.mean(0)).abs().max())
assert not d_query.any()
assert not d_key.any()
assert len(d_value.unique()) == 1  # exactly uniform
print(json.dumps(found))
