"""Checks that corpora can stand in one matrix: the same label, classes and frames, and no utterance twice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

from sertool.core.corpora.class_maps import MAP_HINT
from sertool.core.corpora.fingerprints import content_hashes
from sertool.core.corpora.tasks import Task
from sertool.core.cross.contents import CorpusFacts
from sertool.core.errors import UsageError
from sertool.core.formatting import cut, first_few, names_of, plural
from sertool.core.runs.experiment import Experiment

FEWEST_CLASSES = 2
_SHOWN = 60  # characters of a setting in a message


@dataclass(frozen=True)
class Opened:
    """Facts on a corpus that are compared with the others, so that its frames need not stay in memory.

    Attributes:
        facts: facts for the reader of the matrix.
        task: its task.
        is_mapped: it was read through a label map.
        frontends: settings of the frames of sound and text; None where they are not known.
        widths: values of a frame of sound and of text; None without frames of text.
        trained: content hashes of the utterances that members are trained or selected on.
        tested: id by content hash of the utterances that they are tested on.
        tests_split: the tested utterances are those of the corpus's split ``test``.
    """

    facts: CorpusFacts
    task: Task
    is_mapped: bool
    frontends: tuple[Mapping[str, Any] | None, ...]
    widths: tuple[int | None, int | None]
    trained: frozenset[bytes]
    tested: Mapping[bytes, str]
    tests_split: bool


def opened_of(experiment: Experiment, facts: CorpusFacts) -> Opened:
    """Keep what is compared.

    Raises:
        UsageError: nothing is tested.
    """
    corpus, tested = experiment.corpus, experiment.tested
    if not tested:
        raise UsageError(
            f"{facts.folder}: has no test utterances with a label for {experiment.task.name}, and every corpus is a "
            "column of the matrix",
            hint="--set splits.scheme=folds tests all utterances in cross-validation",
        )
    hashes = content_hashes(corpus)
    trained = {row for fold in experiment.folds for name in ("train", "valid") for row in fold.sets.get(name, ())}
    if experiment.selected_on_test:
        trained -= tested  # its own stamp says so; models of others have not seen them
    splits = experiment.recipe.splits
    as_published = splits.scheme != "folds" and splits.test == "test"
    return Opened(
        facts=facts,
        task=experiment.task,
        is_mapped=experiment.map_note is not None,
        frontends=(corpus.frontend, corpus.text_frontend),
        widths=(corpus.audio.width, None if corpus.text_frames is None else corpus.text_frames.width),
        trained=frozenset(hashes[row] for row in trained),
        tested={hashes[row]: corpus.utterances[row].id for row in tested},
        tests_split=as_published and any(corpus.utterances[row].split == "test" for row in tested),
    )


def check_together(corpora: Sequence[Opened]) -> None:
    """Refuse corpora whose labels, classes, scores or frames differ.

    Raises:
        UsageError: names two of them and what differs.
    """
    for own, other in combinations(corpora, 2):
        _check_tasks(own, other)
        _check_frames(own, other)


def _check_tasks(own: Opened, other: Opened) -> None:
    names, tasks = (own.facts.name, other.facts.name), (own.task, other.task)
    kinds = [task.per_utterance for task in tasks]
    if kinds[0] != kinds[1]:
        raise UsageError(
            f"{names[0]} has {kinds[0]} for {tasks[0].name} per utterance, and {names[1]} has {kinds[1]}",
            hint="--set dataset.task=NAME names a label that all corpora have",
        )
    classes = [task.classes for task in tasks]
    if tasks[0].kind == "scores":
        ranges = [dict(zip(task.classes, task.ranges, strict=True)) for task in tasks]
        if ranges[0] != ranges[1]:
            told = [", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in one.items()) for one in ranges]
            raise UsageError(
                f"{names[0]} and {names[1]} have different scores: {told[0]} and {told[1]}",
                hint="--set dataset.task=NAME,... names scores that all have; prepare them on the same scale",
            )
    elif own.is_mapped:
        shared = [name for name in classes[0] if name in classes[1]]
        if len(shared) < FEWEST_CLASSES:
            raise UsageError(
                f"{names[0]} and {names[1]} share {plural(len(shared), 'class', 'classes')} of the label map, expected "
                f"two or more: {names_of(classes[0])} and {names_of(classes[1])}",
                hint="choose another --map, or add names to a map of your own",
            )
    elif set(classes[0]) != set(classes[1]):
        raise UsageError(
            f"{names[0]} and {names[1]} have different classes: {names_of(classes[0])} and {names_of(classes[1])}",
            hint=MAP_HINT,
        )


def _check_frames(own: Opened, other: Opened) -> None:
    names = f"{own.facts.name} and {other.facts.name}"
    again = "prepare one of them again, with the recipe of the other"
    for kind, ours, theirs in zip(("frontend", "text frontend"), own.frontends, other.frontends, strict=True):
        if ours is None or theirs is None:
            continue  # made by another program: the width alone can tell
        differing = [key for key in dict.fromkeys([*ours, *theirs]) if ours.get(key) != theirs.get(key)]
        if differing:
            told = ", ".join(
                f"{key} {cut(str(ours.get(key)), _SHOWN)} and {cut(str(theirs.get(key)), _SHOWN)}" for key in differing
            )
            raise UsageError(f"{names} were prepared with different settings of the {kind}: {told}", hint=again)
    for kind, *widths in zip(("frames of sound", "frames of text"), own.widths, other.widths, strict=True):
        if widths[0] != widths[1]:
            told = " and ".join("none" if width is None else f"{width} values" for width in widths)
            raise UsageError(f"{names}: their {kind} differ: {told}", hint=again)


def check_hashes(corpora: Sequence[Opened]) -> None:
    """Refuse corpora of which one trains on what another tests.

    Raises:
        UsageError: names the corpora, the number of such utterances, and the first of them.
    """
    for own, other in permutations(corpora, 2):
        if twice := [name for key, name in other.tested.items() if key in own.trained]:
            raise UsageError(
                f"{own.facts.name} trains on {plural(len(twice), 'utterance')} that {other.facts.name} tests: "
                f"{first_few(sorted(twice), 3)}; figures on them would be too good",
                hint="`sertool doctor --against` finds all of them; leave one of the corpora out",
            )
