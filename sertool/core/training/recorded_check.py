"""Comparison of recorded steps with the same operations launched one by one, from the same state and seed.

A recorded step that is wrong on some card, such as one that reads an old batch, would train to wrong numbers without a
word. So the first steps of a training are done both ways. Nothing of it remains: weights and moments are put back.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sertool.core.training.graph_steps import StaticForward, StaticSteps, UnrecordedError
from sertool.core.training.schedule import Schedule

STEPS = 2  # one step cannot show a counter that stands still
MEMBERS = 4  # members whose weights and moments are compared, since copies of all may not fit into memory
# Both ways do the same operations, so they differ only by sums in another order. bf16 rounds such a difference up.
ALLOWED = {"fp32": 1e-3, "tf32": 1e-3, "bf16": 2e-2}
WEIGHTS = 10  # times as much for the weights: Adam divides small gradients by their own size
# Gradients below this part of the mean one count as rounding, which Adam turns into whole steps.
ROUNDING = 1e-3
SHARE = 0.01  # of the norm over all tensors: a tensor with less is measured against this


@dataclass(frozen=True)
class _Outcome:
    """Numbers after some steps; weights and moments of the first members, where copies of them have room."""

    total: Tensor
    updates: Tensor
    counter: int
    weights: list[Tensor]
    first: list[Tensor]
    second: list[Tensor]


def check_steps(static: StaticSteps, schedule: Schedule, seed: int) -> None:
    """Compare recorded training steps with plain ones.

    Args:
        static: the recorded steps; weights and moments of its stack are the same afterwards.
        schedule: schedule of the epoch that is about to begin.
        seed: seed of its dropout.

    Raises:
        UnrecordedError: they differ.
    """
    adam = static.stack.adam
    tensors = [*(parameter.detach() for parameter in adam.parameters), *adam.first, *adam.second]
    place = _place_for(tensors)
    before = _copies(tensors, place)
    number = len(adam.parameters)

    def run(step: Callable[[], None]) -> _Outcome:
        static.load(schedule, seed)
        for _ in range(min(STEPS, len(schedule))):
            step()
        after = _copies([tensor[:MEMBERS] for tensor in tensors], place)
        _restore(tensors, before)
        weights, first, second = after[:number], after[number : 2 * number], after[2 * number :]
        total, updates = static.total.cpu().clone(), static.updates.cpu().clone()
        return _Outcome(total, updates, int(static.counter), weights, first, second)

    try:
        plain = run(static.plain_step)
        recorded = run(static.step)
    finally:
        _restore(tensors, before)
        static.working.zero_grad()
    start = [tensor[:MEMBERS] for tensor in before[:number]]
    wrong = _difference(recorded, plain, start, ALLOWED[static.stack.precision.name])
    if wrong is not None:
        raise UnrecordedError(f"the recorded training step differs from plain operations ({wrong})")


def check_evaluation(forward: StaticForward) -> None:
    """Compare recorded forward passes with plain ones, on the first batches of the evaluation.

    Raises:
        UnrecordedError: they differ.
    """
    results = []
    forward.working.refresh()
    for step in (forward.plain_step, forward.step):
        forward.counter.zero_()
        forward.logits.fill_(float("nan"))  # neither may find what the other left
        for _ in range(min(STEPS, len(forward.logits))):
            step()
        results.append(forward.logits[:STEPS].clone())
    plain, replayed = results
    allowed = ALLOWED[forward.stack.precision.name]
    # Logits that are no numbers are the training's own failure, which the loss tells.
    if plain.isfinite().all() and not _near(replayed, plain, allowed, float(plain.double().norm())):
        raise UnrecordedError("the recorded evaluation differs from plain operations")


def _place_for(tensors: Sequence[Tensor]) -> torch.device:
    """Return the device for copies: the tensors' own if up to three copies leave memory for a step, else the host."""
    device = tensors[0].device
    if device.type != "cuda":
        return device
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    free, _ = torch.cuda.mem_get_info(device)
    return device if free > 4 * size else torch.device("cpu")


def _copies(tensors: Sequence[Tensor], place: torch.device) -> list[Tensor]:
    return [tensor.to(place, copy=True) for tensor in tensors]


def _restore(tensors: Sequence[Tensor], saved: Sequence[Tensor]) -> None:
    for tensor, kept in zip(tensors, saved, strict=True):
        tensor.copy_(kept)


def _difference(ours: _Outcome, plain: _Outcome, before: Sequence[Tensor], allowed: float) -> str | None:
    """Name the first number in which recorded steps differ from plain ones, or return None."""
    if ours.counter != plain.counter or not torch.equal(ours.updates, plain.updates):
        return f"{ours.counter} steps, not {plain.counter}"
    if not torch.allclose(ours.total, plain.total, rtol=allowed, atol=0, equal_nan=True):
        worst = float(((ours.total - plain.total) / plain.total).abs().max())
        return f"loss by {worst:.1g}"
    if not plain.total.isfinite().all():  # the training itself has failed, and says so
        return None
    for name, own, wanted in (("gradients", ours.first, plain.first), ("moments", ours.second, plain.second)):
        whole = math.sqrt(sum(float(tensor.double().square().sum()) for tensor in wanted))
        if not all(_near(one, other, allowed, whole) for one, other in zip(own, wanted, strict=True)):
            return name
    return None if _moved_alike(ours, plain, before, WEIGHTS * allowed) else "weights"


def _near(ours: Tensor, wanted: Tensor, allowed: float, whole: float) -> bool:
    """Compare by norm; NaN is near to nothing."""
    distance = float((ours.double() - wanted.double()).norm())
    return distance <= allowed * max(float(wanted.double().norm()), SHARE * whole)


def _moved_alike(ours: _Outcome, plain: _Outcome, before: Sequence[Tensor], allowed: float) -> bool:
    """Compare the changes of the weights whose gradient is more than rounding."""
    values = sum(second.numel() for second in plain.second)
    mean = sum(float(second.double().sum()) for second in plain.second) / values
    apart = moved = 0.0
    for own, wanted, start, second in zip(ours.weights, plain.weights, before, plain.second, strict=True):
        counted = second > ROUNDING**2 * mean
        apart += float(((own - wanted).double() * counted).square().sum())
        moved += float(((wanted - start).double() * counted).square().sum())
    return math.sqrt(apart) <= allowed * math.sqrt(moved)
