"""Where the real positions of a batch of sequences lie, so that nothing is computed on padding.

A modality arrives padded, ``(E, B, T, ...)`` with a mask. About a third of it is padding, and no position that is
masked ever reaches a logit, with one exception: where *everything* is masked the attention weights are uniform over
the whole padded length, so such an utterance counts as fully real. Inside the models a sequence is therefore packed
time-major, ``(E, P, D)``: first the first positions of all utterances, longest utterance first, then the second
positions of those that have one, and so on. Packed rows of one time step are a slice, which is what the LSTM's
recurrence wants; linear layers and norms do not care for the order; attention asks for ``pad`` and ``pack``.

The members of a stack see different utterances at the same place. The number of rows a step is the largest over
members, so a few rows of padding stay in.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """The packed order of one modality of a batch.

    Attributes:
        mask: (E, B, T) True where a position is real.
        step_sizes: rows of each time step; sums to P, never increases.
        packed_source: (E * P,) for each packed row its row in the padded tensor, flattened to (E * B * T).
        padded_source: (E * B * T,) for each padded row its packed row, flattened to (E * P); positions that were
            left out point at the member's first row, and their masks keep that from mattering.
        kept: (E * B * T, 1) True where a padded position has a packed row of its own.
        utterance: (E, P) which utterance of the batch a packed row belongs to.
    """

    mask: Tensor
    step_sizes: tuple[int, ...]
    packed_source: Tensor
    padded_source: Tensor
    kept: Tensor
    utterance: Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        """(E, B, T), T as far as the longest utterance reaches."""
        members, batch, length = self.mask.shape
        return members, batch, length

    def pack(self, padded: Tensor) -> Tensor:
        """(E, B, T or more, D) -> (E, P, D), and likewise without D."""
        members, batch, length = self.shape
        flat = padded[:, :, :length].reshape(members * batch * length, *padded.shape[3:])
        packed = _rearrange(flat, self.packed_source, self.padded_source, self.kept)
        return packed.view(members, -1, *padded.shape[3:])

    def pad(self, packed: Tensor) -> Tensor:
        """(E, P, D) -> (E, B, T, D); positions that were left out hold some finite row, not zero."""
        flat = packed.reshape(-1, *packed.shape[2:])
        padded = _rearrange(flat, self.padded_source, self.packed_source, None)
        return padded.view(*self.shape, *packed.shape[2:])

    def spread(self, values: Tensor) -> Tensor:
        """(E, B, D) -> (E, P, D): an utterance's vector on each of its rows."""
        index = self.utterance.unsqueeze(-1).expand(-1, -1, values.shape[-1])
        return values.gather(1, index)


class _Rearrange(torch.autograd.Function):
    """Gather rows; the gradient is gathered back with the inverse index instead of scattered row by row.

    ``kept`` (rows of the input, 1) zeroes the gradient of input rows that no output row took. Without it every
    input row was taken at least once, and a row taken for a left-out position brings no gradient of its own.
    """

    @staticmethod
    def forward(ctx, rows: Tensor, source: Tensor, inverse: Tensor, kept: Tensor | None) -> Tensor:  # type: ignore[no-untyped-def]  # noqa: ANN001
        ctx.save_for_backward(inverse, kept)
        return rows.index_select(0, source)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[no-untyped-def]  # noqa: ANN001
        inverse, kept = ctx.saved_tensors
        back = gradient.index_select(0, inverse)
        return (back if kept is None else back * kept), None, None, None


def _rearrange(rows: Tensor, source: Tensor, inverse: Tensor, kept: Tensor | None) -> Tensor:
    result: Tensor = _Rearrange.apply(rows, source, inverse, kept)  # type: ignore[no-untyped-call]
    return result


def packed_layout(mask: Tensor, lengths: Tensor) -> Layout:
    """The layout that leaves padding out.

    Args:
        mask: (E, B, T) True where a position is real.
        lengths: (E, B) on the CPU: one more than the last real position, or T where there is none.
    """
    members, batch, _ = mask.shape
    ordered, order = lengths.sort(dim=1, descending=True, stable=True)
    longest = ordered.amax(0)  # (B,) rows of rank r are kept up to the longest of any member
    length = int(longest[0])
    step_sizes = [int((longest > step).sum()) for step in range(length)]
    steps = torch.repeat_interleave(torch.arange(length), torch.tensor(step_sizes))  # (P,)
    starts = torch.tensor(step_sizes).cumsum(0) - torch.tensor(step_sizes)
    ranks = torch.arange(len(steps)) - starts[steps]  # (P,)
    utterance = order[:, ranks]  # (E, P)
    member = torch.arange(members).unsqueeze(1)
    packed_source = ((member * batch + utterance) * length + steps).flatten()
    # The inverse: a padded position that has no packed row of its own points at its member's first row.
    padded_source = (member * len(steps)).expand(members, batch * length).flatten().clone()
    padded_source[packed_source] = torch.arange(packed_source.numel())
    kept = torch.zeros(padded_source.numel(), 1, dtype=torch.bool)
    kept[packed_source] = True
    device = mask.device
    return Layout(
        mask=mask[:, :, :length],
        step_sizes=tuple(step_sizes),
        packed_source=packed_source.to(device),
        padded_source=padded_source.to(device),
        kept=kept.to(device),
        utterance=utterance.to(device),
    )
