"""Logits of a stack: forward passes over many utterances, for each member its own."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from sertool.core.compute.device import Precision
from sertool.core.compute.memory import out_of_memory, release_memory
from sertool.core.compute.shortage import ran_out_of_memory
from sertool.core.formatting import plural
from sertool.core.models.build import StackModel, member_view
from sertool.core.training.batches import Tables
from sertool.core.training.dialogues import Dialogues, Packed, pack_all

# Up to this hidden size a stack on a CPU is faster than its members one by one, and with one thread: an operation is
# so short that calling it costs more than doing it. Larger members are faster side by side (docs/performance.md).
SMALL_HIDDEN_SIZE = 128

# Utterances per batch over all members, and the fewest of each. They are sorted by length, so that little is padded.
# Larger batches are no faster: intermediate results no longer fit into the cache.
EVALUATION_ROWS = 128
LEAST_ROWS = 32
# Where every position is computed, a batch is large enough to keep a CUDA device busy: members x utterances x frames.
FULL_POSITIONS = 2**17


def is_small(hidden_size: int) -> bool:
    """Check whether members of this hidden size, 0 for linear probes, run fastest on a CPU as one stack, one thread."""
    return hidden_size <= SMALL_HIDDEN_SIZE


def logits_of(
    model: StackModel,
    tables: Tables,
    rows: Sequence[Int64[Tensor, "_"]],
    folds: Sequence[int],
    precision: Precision,
    *,
    side_by_side: bool | None = None,
) -> list[Float32[Tensor, "_ C"]]:
    """Compute the logits of member e for utterances ``rows[e]``.

    Args:
        model: a stack of E members.
        tables: the corpus.
        rows: (N_e,) positions of each member's utterances, on the CPU.
        folds: fold of each member; it selects the vocabulary and the statistics.
        precision: device and number format.
        side_by_side: run members in threads of their own (True), or as one stack in the threads that the caller has
            set (False). Default: whichever is faster for members of this size on this device.

    Returns:
        E tensors (N_e, C), float32, on the CPU.
    """
    if side_by_side is not None:
        compute = _run_side_by_side if side_by_side else _run_stack
        return compute(model, tables, rows, folds, precision)
    small = is_small(model.hidden_size)
    apart = precision.device.type == "cpu" and not small
    with precision.threaded(1 if small else precision.cores):
        return logits_of(model, tables, rows, folds, precision, side_by_side=apart)


@torch.no_grad()  # here, because the mode belongs to a thread
def _run_stack(
    model: StackModel, tables: Tables, rows: Sequence[Tensor], folds: Sequence[int], precision: Precision
) -> list[Tensor]:
    """Run all members as one stack; a batch that does not fit into memory is halved."""
    if tables.dialogues is not None:
        return _run_dialogues(model, tables, tables.dialogues, rows, folds, precision)
    order = [_by_length(tables, own) for own in rows]
    longest = max(len(own) for own in rows)
    batch = _batch(tables, len(rows), precision)
    each_fold = torch.tensor(folds, device=tables.device)

    def forward(start: int) -> Tensor:
        # A member with fewer utterances repeats its last one; the surplus logits are cut off below.
        places = torch.arange(start, start + batch)
        index = torch.stack([own[o[places.clamp(max=len(own) - 1)]] for own, o in zip(rows, order, strict=True)])
        if precision.graphs:  # nothing waits for the device, and the Triton kernels need full layouts
            inputs = tables.gather_full(index.to(tables.device), each_fold)
        else:
            inputs = tables.gather(index, folds)
        with precision.context():
            logits: Tensor = model(inputs)
        return logits.float()

    parts: list[Tensor] = []
    while (start := sum(part.shape[1] for part in parts)) < longest:
        batch = min(batch, longest - start)
        try:
            parts.append(forward(start))
            continue
        except Exception as error:
            if not ran_out_of_memory(error):
                raise
            if batch == 1:
                raise out_of_memory(f"one utterance of {plural(len(rows), 'member')}", error, precision) from error
        # After the handler nothing refers to the failed pass any more.
        release_memory(precision.device)
        batch //= 2
    joined = torch.cat(parts, dim=1).cpu()
    results = []
    for member, (own, o) in enumerate(zip(rows, order, strict=True)):
        logits = torch.empty(len(own), joined.shape[-1])
        logits[o] = joined[member, : len(own)]
        results.append(logits)
    return results


def _batch(tables: Tables, members: int, precision: Precision) -> int:
    """Return the number of utterances in a batch."""
    if precision.graphs:
        return max(1, min(EVALUATION_ROWS, FULL_POSITIONS // (members * tables.audio.shape[1])))
    return max(LEAST_ROWS, EVALUATION_ROWS // members)


def _run_dialogues(
    model: StackModel,
    tables: Tables,
    dialogues: Dialogues,
    rows: Sequence[Tensor],
    folds: Sequence[int],
    precision: Precision,
) -> list[Tensor]:
    """Run all members as one stack with whole dialogues in a batch, or pieces of long ones."""
    batch = _batch(tables, len(rows), precision)
    each_fold = torch.tensor(folds, device=tables.device)

    def forward(packed: Packed, step: int) -> Tensor:
        index, turns = packed.index[step], packed.turns[step]
        if precision.graphs:
            inputs = tables.gather_full(index.to(tables.device), each_fold, turns.to(tables.device))
        else:
            inputs = tables.gather(index, folds, turns)
        with precision.context():
            logits: Tensor = model(inputs)
        return logits.float().cpu()

    while True:
        packed = pack_all(dialogues, rows, batch)
        try:
            joined = torch.cat([forward(packed, step) for step in range(len(packed.index))], dim=1)
            return [own[places] for own, places in zip(joined, packed.places(), strict=True)]
        except Exception as error:
            if not ran_out_of_memory(error):
                raise
            if batch == 1:
                what = f"one utterance of {plural(len(rows), 'member')} with its context"
                raise out_of_memory(what, error, precision) from error
        # After the handler nothing refers to the failed pass any more.
        release_memory(precision.device)
        batch //= 2


def _run_side_by_side(
    model: StackModel, tables: Tables, rows: Sequence[Tensor], folds: Sequence[int], precision: Precision
) -> list[Tensor]:
    """Run each member, or a share of its utterances, in a thread of its own, on all cores.

    Faster for large members on a CPU: no thread waits for another, and intermediate results stay in the cache.
    """
    number = -(-precision.cores // len(rows))
    shares = [[own for own in _shares(tables, own, number) if len(own)] for own in rows]
    parts = [(member, share) for member, own in enumerate(shares) for share in range(len(own))]

    def one(part: tuple[int, int]) -> Tensor:
        member, share = part
        alone = member_view(model, member)
        return _run_stack(alone, tables, [rows[member][shares[member][share]]], [folds[member]], precision)[0]

    workers = min(precision.cores, len(parts))
    with precision.threaded(precision.cores // workers), ThreadPoolExecutor(workers) as pool:
        done = dict(zip(parts, pool.map(one, parts), strict=True))
    results = []
    for member, own in enumerate(rows):
        logits = torch.empty(len(own), done[member, 0].shape[-1])
        for share, places in enumerate(shares[member]):
            logits[places] = done[member, share]
        results.append(logits)
    return results


def _shares(tables: Tables, rows: Tensor, number: int) -> list[Tensor]:
    """Divide a member's utterances into ``number`` shares, which hold whole dialogues; returns places in ``rows``."""
    if tables.dialogues is None:
        return [torch.arange(len(rows))[first::number] for first in range(number)]
    dialogue = tables.dialogues.home[rows, 0]
    return [(dialogue % number == share).nonzero().squeeze(1) for share in range(number)]


def _by_length(tables: Tables, rows: Tensor) -> Tensor:
    """Sort utterances so that neighbours are of about equal length, in audio first."""
    longest_text = int(tables.text_lengths.max()) + 1
    return (tables.audio_lengths[rows] * longest_text + tables.text_lengths[rows]).argsort(stable=True)
