"""Logits of a stack over any utterances, each member over its own."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from sertool.core.compute.device import Precision
from sertool.core.models.build import member_view
from sertool.core.models.mat import MAT
from sertool.core.models.mnt import MNT
from sertool.core.training.batches import Tables

# Utterances a batch over all members, and of each at least. They are sorted by length, so that little is padded.
# More would be no faster: intermediate results leave the cache, and memory that large is fetched anew each time.
EVALUATION_ROWS = 128
LEAST_ROWS = 32
# Where every position is computed a batch is as large as keeps a CUDA device busy: members x utterances x frames.
FULL_POSITIONS = 2**17


@torch.no_grad()
def compute_logits(
    model: MAT | MNT,
    tables: Tables,
    rows: Sequence[Tensor],
    folds: Sequence[int],
    precision: Precision,
) -> list[Tensor]:
    """Logits of member e for utterances ``rows[e]``: E tensors (N_e, C) on the CPU, float32.

    Args:
        model: E members.
        tables: the corpus.
        rows: for each member the positions (N_e,) of its utterances, on the CPU.
        folds: for each member the fold whose vocabulary and statistics it uses.
        precision: of the arithmetic.
    """
    order = [_by_length(tables, own) for own in rows]
    longest = max(len(own) for own in rows)
    batch = max(LEAST_ROWS, EVALUATION_ROWS // len(rows))
    if precision.graphs:
        batch = max(1, min(EVALUATION_ROWS, FULL_POSITIONS // (len(rows) * tables.audio.shape[1])))
    each_fold = torch.tensor(folds, device=tables.device)
    parts = []
    for start in range(0, longest, batch):
        # A member with fewer utterances repeats its last one; what comes of that is cut off below.
        places = torch.arange(start, min(start + batch, longest))
        index = torch.stack(
            [own[o[places.clamp(max=len(own) - 1)]] for own, o in zip(rows, order, strict=True)]
        )
        if precision.graphs:  # nothing waits for the device, and its kernels know these layouts
            inputs = tables.gather_full(index.to(tables.device), each_fold)
        else:
            inputs = tables.gather(index, folds)
        with precision.context():
            parts.append(model(inputs).float())
    joined = torch.cat(parts, dim=1).cpu()
    results = []
    for member, (own, o) in enumerate(zip(rows, order, strict=True)):
        logits = torch.empty(len(own), joined.shape[-1])
        logits[o] = joined[member, : len(own)]
        results.append(logits)
    return results


@torch.no_grad()
def compute_logits_apart(
    model: MAT | MNT,
    tables: Tables,
    rows: Sequence[Tensor],
    folds: Sequence[int],
    precision: Precision,
) -> list[Tensor]:
    """The same in parts, side by side on all cores, a member or a share of its utterances each.

    Faster for large members on a CPU: a part waits for nothing, and its intermediate results stay in the cache.
    """
    shares = -(-precision.cores // len(rows))
    parts = [(member, share) for member in range(len(rows)) for share in range(shares)]
    parts = [(member, share) for member, share in parts if len(rows[member]) > share]

    def one(part: tuple[int, int]) -> Tensor:
        member, share = part
        alone = member_view(model, member)
        return compute_logits(alone, tables, [rows[member][share::shares]], [folds[member]], precision)[0]

    workers = min(precision.cores, len(parts))
    with precision.threaded(precision.cores // workers), ThreadPoolExecutor(workers) as pool:
        done = dict(zip(parts, pool.map(one, parts), strict=True))
    results = []
    for member, own in enumerate(rows):
        logits = torch.empty(len(own), done[member, 0].shape[-1])
        for share in range(min(shares, len(own))):
            logits[share::shares] = done[member, share]
        results.append(logits)
    return results


def _by_length(tables: Tables, rows: Tensor) -> Tensor:
    """An order of rows in which neighbours are of about equal length, in audio first."""
    longest_text = int(tables.text_lengths.max()) + 1
    return (tables.audio_lengths[rows] * longest_text + tables.text_lengths[rows]).argsort(stable=True)


# Up to this hidden size a stack is faster than its members one by one: an operation is so short that calling it
# costs more than doing it, and a second thread more than it saves. Larger members are faster alone, side by side, see
# docs/performance.md.
SMALL_HIDDEN_SIZE = 128
