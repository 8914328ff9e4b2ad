"""Norm and ReLU kernels, with and without dropout, against plain torch; prints the worst distances as JSON."""

import json

import torch
from comparing import OneKey, distance, factors, plainly

from sertool.core.models.kernels.noise import STEPS, dropped_steps
from sertool.core.models.kernels.norm import Branch, Modulation, residual_norm
from sertool.core.models.kernels.relu import relu_drop

worst: dict[str, float] = {}


def note(name, ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        worst[name] = max(worst.get(name, 0.0), distance(one, other))


def leaf(*shape, dtype=torch.float32):
    return torch.randn(shape).to(dtype).requires_grad_()


def grads(result, inputs):
    up = torch.linspace(-1, 1, result.numel()).view(result.shape).to(result.dtype)
    return [result.detach(), *torch.autograd.grad(result, inputs, up)]


def columns_of(width):
    return max(1 << (width - 1).bit_length(), 8)


def norms(dtype, members, utterances, length, width):
    size = utterances * length
    rows, values = (leaf(members, size, width, dtype=dtype) for _ in range(2))
    own, gain, bias = (leaf(members, width) for _ in range(3))
    piece = leaf(members, utterances, 4 * width, dtype=dtype)
    gamma, beta = piece.chunk(4, dim=-1)[1:3]
    utterance = (torch.arange(size) % utterances).expand(members, -1)
    modulation = Modulation(gamma, beta, utterance, full=True)
    name = str(dtype).removeprefix("torch.")
    for kind, spoken in (("norm", None), ("modulated norm", modulation)):
        inputs = [rows, values, own, gain, bias, *([piece] if spoken else [])]

        def run(spoken=spoken, inputs=inputs):
            result = residual_norm(rows, Branch(values, own), gain, bias, 0.0, None, spoken)
            return grads(result, inputs)

        note(f"{kind} {name}", run(), plainly(run))
    without = [rows, values, gain, bias]

    def unbiased():
        return grads(residual_norm(rows, Branch(values, None), gain, bias, 0.0, None), without)

    note(f"norm {name}", unbiased(), plainly(unbiased))
    # With dropout, against plain torch with the kernel's own mask.
    dropped, noise = dropped_steps(0.3), OneKey(-7)
    mask = factors(noise.key(), members * size, columns_of(width), dropped)[:, :width].view(rows.shape)
    inputs = [rows, values, own, gain, bias]
    ours = grads(residual_norm(rows, Branch(values, own), gain, bias, 0.3, noise), inputs)
    masked = Branch((values + own.unsqueeze(1)) * mask, None)
    theirs = grads(plainly(residual_norm, rows, masked, gain, bias, 0.0, None).to(dtype), inputs)
    note(f"norm with dropout {name}", ours, theirs)


def activations(dtype, members, size, width):
    name = str(dtype).removeprefix("torch.")
    values, bias = leaf(members, size, width, dtype=dtype), leaf(members, width)

    def run():
        return grads(relu_drop(values, bias, 0.0, None), [values, bias])

    note(f"relu {name}", run(), plainly(run))
    dropped, noise, blocks = dropped_steps(0.4), OneKey(11), -(-width // 128)
    mask = factors(noise.key(), members * size * blocks, 128, dropped).view(members, size, -1)[..., :width]
    ours = grads(relu_drop(values, bias, 0.4, noise), [values, bias])
    theirs = grads(((values + bias.unsqueeze(1)).relu() * mask).to(dtype), [values, bias])
    note(f"relu with dropout {name}", ours, theirs)
    assert abs(float((mask == 0).float().mean()) - 0.4) < 3 / (members * size * width) ** 0.5
    assert set(mask.unique().tolist()) == {0.0, torch.tensor(STEPS / (STEPS - dropped)).item()}


torch.manual_seed(1)
for number in (torch.float32, torch.bfloat16):
    norms(number, 2, 3, 5, 12)
    norms(number, 1, 2, 1, 7)
    norms(number, 2, 5, 9, 512)
    activations(number, 2, 33, 150)
    activations(number, 3, 1, 5)

# A row whose values are all the same has no deviation: it becomes the bias, and its gradient is finite.
still = torch.full((1, 2, 6), 3.0, requires_grad=True)
flat = residual_norm(still, Branch(torch.zeros(1, 2, 6), None), torch.ones(1, 6), torch.ones(1, 6), 0.0, None)
assert torch.equal(flat, torch.ones(1, 2, 6))
assert torch.autograd.grad(flat.sum(), still)[0].isfinite().all()
print(json.dumps(worst))
