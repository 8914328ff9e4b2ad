"""The plan of a training: members, groups and workers; and the check that the folder holds no other run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sertool.core.compute.device import Precision
from sertool.core.compute.shortage import check_memory
from sertool.core.corpora.tasks import current_names
from sertool.core.errors import UsageError
from sertool.core.files import artifacts
from sertool.core.files.reference_checkpoints import is_reference_folder
from sertool.core.models.build import outline
from sertool.core.recipe.bounds import MAX_MEMBERS
from sertool.core.recipe.differences import INPUT, differences
from sertool.core.recipe.load import load
from sertool.core.recipe.schema import Model, Training
from sertool.core.runs import checkpoint
from sertool.core.runs.experiment import Experiment, corpus_note
from sertool.core.runs.folder import is_done
from sertool.core.runs.imported import refuse_imported
from sertool.core.runs.members import sizes_for
from sertool.core.runs.transfer_weights import check_seen, read_source
from sertool.core.training.logits import is_small
from sertool.core.training.loop import Member

# Memory of all members that train at the same time on a CPU: 4 GiB, half of a small machine. It is fixed rather than
# measured, so that the groups, and with them every byte of the result, depend on recipe and cores alone.
CPU_BYTES = 2**32
# Share of a CUDA device's memory. member_bytes is an estimate, and the corpus and a recorded graph need room as well.
CUDA_SHARE = 0.7
# Costs of small members on one core of a CPU (docs/performance.md, "Stacked or side by side"). They are constants,
# because measured times would make the groups, and with them every byte of the result, a matter of chance.
CALL_SECONDS = 0.006  # of a step, for each layer and one more: calling the operations, whatever the number of members
STEP_BYTES = 1.4e9  # of member_bytes, that a step works through in a second
START_SECONDS = 3.0  # until a new process trains
LEAST_GAIN = 1.5  # of the whole training's time; below it a stack on one core leaves the others to other work
PROCESS_BYTES = 2**28  # memory of a process besides its members
PART_UTTERANCES = 8  # of a lone member's batch, at least; smaller parts cost more than they save
STACK_BYTES = 2**24  # largest intermediate result of a stack on a CPU; a larger one falls out of the cache


@dataclass(frozen=True)
class Plan:
    """Members, groups and workers of a training.

    Attributes:
        experiment: recipe and corpus.
        folder: folder of the run.
        members: all members, in order.
        groups: positions of the members that train together as one stack, for each group.
        workers: number of groups that train at the same time, each in a thread or a process of its own.
        threads: threads of a worker's operations on the CPU.
        done: positions of the members that have finished.
        source: run whose weights members start from, as ``--from`` names it; None: weights are drawn at random.
        processes: workers are processes rather than threads.
    """

    experiment: Experiment
    folder: Path
    members: tuple[Member, ...]
    groups: tuple[tuple[int, ...], ...]
    workers: int
    threads: int
    done: frozenset[int]
    source: str | None = None
    processes: bool = False

    @property
    def unfinished(self) -> bool:
        """True if any member is left to train."""
        return len(self.done) < len(self.members)


def plan_training(
    experiment: Experiment,
    folder: Path,
    seeds: Sequence[int],
    group_size: int | None,
    precision: Precision,
    source: str | None = None,
    *,
    processes: bool = False,
) -> Plan:
    """Plan members and groups, and find the members that have finished.

    Args:
        experiment: recipe and corpus.
        folder: folder of the run.
        seeds: seeds of the members; in cross-validation each has a member for every fold.
        group_size: members per group. Default: depends on memory and cores.
        precision: device and number format.
        source: run whose weights members start from.
        processes: groups of small members may train in processes of their own on a CPU, where that pays.

    Raises:
        UsageError: the folder holds a run with another recipe, other data or another ``--from``.
    """
    folds = experiment.folds
    if len(seeds) * len(folds) > MAX_MEMBERS:
        raise UsageError(f"{len(seeds):,} runs of {len(folds):,} folds: more than {MAX_MEMBERS:,} members")
    sets = [(torch.tensor(fold.sets["train"]), torch.tensor(fold.sets["valid"])) for fold in folds]
    members = tuple(Member(seed, number, *own) for seed in seeds for number, own in enumerate(sets))
    division = divide_among_processes(experiment, len(members), group_size, precision) if processes else None
    size, workers, threads = division or divide(experiment, len(members), group_size, precision)
    groups = tuple(tuple(range(first, min(first + size, len(members)))) for first in range(0, len(members), size))
    check_same_run(experiment, folder, source)
    done = frozenset(
        place for place, member in enumerate(members) if is_done(checkpoint.run_folder(folder, member, len(folds)))
    )
    return Plan(experiment, folder, members, groups, workers, threads, done, source, division is not None)


def divide(experiment: Experiment, members: int, group_size: int | None, precision: Precision) -> tuple[int, int, int]:
    """Choose the members per group, the groups that train at the same time, and the threads of each.

    ``group_size`` is the user's choice, or None. On a CUDA device all members that fit train as one stack; they are
    divided among several devices. On a CPU small members train as stacks, and large ones side by side.
    """
    each = member_bytes(experiment)
    if precision.device.type == "cuda":
        budget = int(precision.memory * CUDA_SHARE)
        size = group_size or max(1, min(-(-members // precision.cards), budget // each))
        # One group at a time on a device, because a stack fills it.
        workers = min(precision.cards, -(-members // size))
        return size, workers, max(1, precision.cores // workers)
    if is_small(experiment.recipe.model.hidden_width):
        # Side by side, small members would spend their time waiting for Python's global lock.
        return group_size or min(members, _largest_stack(experiment)), 1, 1
    size = group_size or 1  # alone, a member's intermediate results stay in the cache
    cores, groups = precision.cores, -(-members // size)
    workers = max(1, min(cores, groups, CPU_BYTES // (size * each)))
    return size, workers, max(1, cores // workers)


def divide_among_processes(
    experiment: Experiment, members: int, group_size: int | None, precision: Precision
) -> tuple[int, int, int] | None:
    """Divide small members among processes on a CPU as :func:`divide` does among threads; None where it does not pay.

    The decision is an estimate from recipe, corpus and cores, so that an interrupted training finds its groups again.
    """
    if precision.device.type == "cuda" or not is_small(experiment.recipe.model.hidden_width):
        return None
    together = group_size or min(members, _largest_stack(experiment))
    each = member_bytes(experiment)
    most = max(1, min(precision.cores, CPU_BYTES // (each + PROCESS_BYTES)))
    size = group_size or min(together, -(-members // most))
    workers = max(1, min(most, -(-members // size), CPU_BYTES // (size * each + PROCESS_BYTES)))
    alone = training_seconds(experiment, members, together, 1)
    if alone < LEAST_GAIN * (START_SECONDS + training_seconds(experiment, members, size, workers)):
        return None
    return size, workers, 1


def training_seconds(experiment: Experiment, members: int, size: int, workers: int) -> float:
    """Estimate how long small members train on a CPU, ``size`` in a stack and ``workers`` stacks at a time."""
    recipe = experiment.recipe
    steps = max(-(-len(fold.sets["train"]) // recipe.training.batch_size) for fold in experiment.folds)
    step = CALL_SECONDS * (1 + _blocks(recipe.model)) + size * member_bytes(experiment) / STEP_BYTES
    rounds = -(-members // (size * workers))
    return recipe.training.max_epochs * steps * step * rounds


def parted(precision: Precision, settings: Training, size: int, threads: int) -> Precision:
    """Divide the batches of a lone member among the threads of its worker.

    Args:
        precision: device and number format.
        settings: training section of the recipe.
        size: members per group; batches of several members are not divided.
        threads: threads of a worker.
    """
    if precision.device.type == "cuda" or size > 1:
        return precision
    parts = max(1, min(threads, settings.batch_size // PART_UTTERANCES))
    if settings.needs_batches:
        parts = 1  # a correlation needs the whole batch
    return replace(precision, parts=parts, part_threads=threads // parts)


def _largest_stack(experiment: Experiment) -> int:
    """Compute the members of a stack whose largest intermediate result is within :data:`STACK_BYTES`."""
    recipe, model = experiment.recipe, experiment.recipe.model
    frames = max(recipe.dataset.max_audio_length, recipe.dataset.max_text_length)
    # Attention weights, or the feed-forward layer; the inputs of a linear probe.
    values = max(model.num_heads * frames, model.ffn_size) if _blocks(model) else _input_width(experiment)
    largest = 4 * recipe.training.batch_size * frames * values
    return max(1, STACK_BYTES // largest)


def member_bytes(experiment: Experiment) -> int:
    """Estimate the memory of one member in training: parameters, gradients, moments, best copies, activations."""
    recipe, sizes = experiment.recipe, experiment.recipe.dataset
    positions = recipe.training.batch_size * (sizes.max_text_length + sizes.max_audio_length)
    # float32: weights, gradient, two moments, and the best copies of weights and moments.
    return 4 * (7 * _parameters(experiment) + positions * _values_kept(experiment))


def check_fits(experiment: Experiment, precision: Precision) -> None:
    """Refuse a training of which not even one member fits into memory, before anything is built for it.

    Raises:
        UsageError: the estimate is larger than the memory of the device.
    """
    recipe, corpus = experiment.recipe, experiment.corpus
    model, settings = recipe.model, recipe.dataset
    number, width = len(corpus.utterances), corpus.audio.width
    # The corpus is padded to the longest that the recipe allows; ids of words are Python's integers first.
    text = 16 * len(experiment.folds) * settings.max_text_length
    if corpus.text_frames is not None:
        text = 4 * settings.max_text_length * corpus.text_frames.width
    tables = number * (text + 4 * settings.max_audio_length * width)
    # An estimate from below: utterances of mean length, without padding, and the optimizer without its best copies.
    batch = min(recipe.training.batch_size, max(len(fold.sets["train"]) for fold in experiment.folds))
    words = sum(min(len(own.words), settings.max_text_length) for own in corpus.utterances) / max(number, 1)
    frames = float(np.diff(corpus.audio.offsets).clip(max=settings.max_audio_length).mean()) if number else 0.0
    attention = _blocks(model) * model.num_heads * (words**2 + frames**2)
    activations = batch * ((words + frames) * _values_kept(experiment) + attention)
    member = 4 * int(5 * _parameters(experiment) + activations)
    hint = "a smaller training.batch_size, model.hidden_size, ffn_size or num_layers, or shorter dataset.max_*_length"
    check_memory("the corpus, padded to the recipe's lengths,", tables, hint)
    check_memory("training one member", member, hint, precision.memory or None)


def _parameters(experiment: Experiment) -> int:
    words = {word for utterance in experiment.corpus.utterances for word in utterance.words}
    recipe = experiment.recipe
    shape = outline(recipe.model, sizes_for(experiment, 1 + len(words)), recipe.context)
    return sum(parameter.numel() for parameter in shape.parameters())


def _values_kept(experiment: Experiment) -> int:
    """Estimate the values kept for each position: attention, norms, dropout (16), feed-forward (3); or frames (3)."""
    model, sizes = experiment.recipe.model, sizes_for(experiment, 1)
    if not _blocks(model):
        return 3 * _input_width(experiment)  # as they are, less their mean, and the square of that
    widths = (sizes.text_width, sizes.text_layers), (sizes.audio_width, sizes.audio_layers)
    mixed = max((width for width, layers in widths if layers > 1), default=0)
    return model.num_layers * (16 * model.hidden_size + 3 * model.ffn_size) + 10 * model.hidden_size + mixed


def _blocks(model: Model) -> int:
    """Return the number of blocks for each modality; a linear probe has none."""
    return 0 if model.architecture == "linear" else model.num_layers


def _input_width(experiment: Experiment) -> int:
    """Return the number of values of a frame or word vector, the larger of both modalities."""
    sizes = sizes_for(experiment, 1)
    return max(sizes.audio_width, sizes.text_width)


def check_same_run(experiment: Experiment, folder: Path, source: str | None = None) -> None:
    """Refuse a folder that holds a run with another recipe or other data, and a run that starts from itself.

    Args:
        experiment: what is to be trained.
        folder: folder of the run.
        source: run that it starts from; None without any.

    Raises:
        UsageError: the folder cannot take the run; the message says what differs.
        DataError: a file of the run that is there is damaged.
    """
    if source is not None and folder.resolve() in (
        (folder.parent / source).resolve(),
        Path(source).resolve(),
    ):
        raise UsageError(f"--from {source}: a run cannot start from itself", hint="choose another --name")
    refuse_imported(folder)
    if not is_started(folder):
        if is_reference_folder(folder):
            raise UsageError(f"{folder}: holds checkpoints of the reference; choose another --name")
        return
    before = load(str(folder / "recipe.yaml"))
    changed = differences(before, experiment.recipe, (*INPUT, "splits", "model", "context", "training"))
    earlier = read_source(folder)
    started = earlier.name if earlier is not None else None
    if started != source:
        changed.append(f"--from {started or 'nothing'} -> {source or 'nothing'}")
    if changed:
        raise UsageError(
            f"{folder}: holds a run of another recipe: " + "; ".join(changed),
            hint="choose another --name, or delete the folder",
        )
    if earlier is not None:
        check_seen(experiment, earlier)  # again: the protocol may have changed from paper to honest
    # Only the keys of the note are compared: corpus.json also holds the hashes of seen utterances.
    note = corpus_note(experiment)
    content: Any = artifacts.read_json(folder / "corpus.json") if (folder / "corpus.json").is_file() else note
    if isinstance(content, dict) and isinstance(content.get("classes"), list):
        content = {**content, "classes": list(current_names(str(content.get("rule")), content["classes"]))}
    if not isinstance(content, dict) or {key: content.get(key) for key in note} != note:
        raise UsageError(
            f"{folder}: holds a run on other data than {experiment.corpus.name} as it is now",
            hint="choose another --name, or delete the folder",
        )


def is_started(folder: Path) -> bool:
    """Check whether anything was trained in a folder; a recipe alone, of a command that failed, may be replaced."""
    trained = any(folder.glob("run-*/run.json")) or any(folder.glob("state/group-*.safetensors"))
    return trained and (folder / "recipe.yaml").is_file()
