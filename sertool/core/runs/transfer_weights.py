"""``train --from``: weights of an earlier run as the start of new members, across vocabularies and classes.

The weights are copied into the training's folder before the first epoch, so that the earlier run may change or be
deleted afterwards::

    ckpt/<name>/
      start.json                 the earlier run, hashes of its weights and of the utterances it has seen
      state/start.safetensors    weights and vocabularies of the members in use; removed when training has finished
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field

from sertool.core.corpora.fingerprints import overlaps, pack, unpack
from sertool.core.corpora.names import normal
from sertool.core.corpora.tasks import NOT_NEGATIVE, SIGN, Task
from sertool.core.corpora.vocabulary import PADDING_INDEX, UNKNOWN, UNKNOWN_INDEX, Vocabulary
from sertool.core.errors import DataError, UsageError
from sertool.core.files import artifacts
from sertool.core.files.typed_json import RootContent, parse_typed, read_typed
from sertool.core.models.build import StackModel
from sertool.core.runs.contents import START_FORMAT, StartContent, VocabularyContent
from sertool.core.runs.experiment import Experiment, FoldInputs
from sertool.core.training.loop import Member

Place = Annotated[str, Field(pattern=r"^\d{1,6}$")]
CONTEXT = "context."  # begins the names of the weights of a context
NOTE, WEIGHTS = "start.json", Path("state", "start.safetensors")


@dataclass(frozen=True)
class StartSource:
    """The run that a training starts from.

    Attributes:
        name: name or path that ``--from`` gave.
        first_seed: seed of the new member that starts from the best one; see :meth:`Start.place`.
        task, classes: task and classes that it predicts.
        modalities: modalities that it was trained on.
        members: name of each member and hash of its weights, best validation score first, over all folds.
        seen: hashes of the utterances that it was trained or selected on, or any run that it started from.
    """

    name: str
    first_seed: int
    task: str
    classes: tuple[str, ...]
    modalities: tuple[str, ...]
    members: tuple[tuple[str, str], ...]
    seen: frozenset[bytes]


@dataclass(frozen=True)
class StartingMember:
    """Weights by name, without the member axis, and the vocabulary of their embedding."""

    weights: Mapping[str, Any]
    vocabulary: Vocabulary


@dataclass(frozen=True)
class Start:
    """A source with the weights of the members in use, by their position in ``source.members``.

    Seed ``first_seed + i`` starts from the source's i-th best member in every fold; where the source has fewer members,
    counting starts again at the best. ``stored``: the training's folder holds a copy already.
    """

    source: StartSource
    members: Mapping[int, StartingMember]
    stored: bool = False

    def place(self, seed: int) -> int:
        """Return the position of the source's member that a seed starts from."""
        return (seed - self.source.first_seed) % len(self.source.members)

    def record(self, seed: int) -> dict[str, str]:
        """Describe the start of a member, for its run.json."""
        name, weights = self.source.members[self.place(seed)]
        return {"from": self.source.name, "member": name, "weights": weights}


def check_seen(experiment: Experiment, source: StartSource) -> dict[str, tuple[int, int]]:
    """Count the utterances of test and valid that the source has seen; returns (seen, all) for each set.

    Raises:
        UsageError: the source has seen some of the test set, and the recipe's protocol is honest.
    """
    shared = overlaps(experiment.corpus, experiment.folds, source.seen)
    seen, of = shared["test"]
    if seen and experiment.recipe.protocol == "honest":
        raise UsageError(
            f"--from {source.name}: was trained or selected on {seen} of the {of} test utterances of "
            f"{experiment.corpus.name}: no figure on them would be honest",
            hint="start from a run that has not seen them; only recipes of `protocol: paper` may use this one",
        )
    return shared


def weights_hash(weights: Mapping[str, Any]) -> str:
    """Hash named weights, as hexadecimal text; independent of the file they came from."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(weights):  # independent of their order in a file
        array = np.ascontiguousarray(weights[name])
        digest.update(json.dumps([name, str(array.dtype), array.shape]).encode())
        digest.update(array.data)
    return digest.hexdigest()


def take_over(
    model: StackModel, members: Sequence[Member], start: Start, inputs: Sequence[FoldInputs], task: Task
) -> None:
    """Replace initial weights by those of the source.

    Words and classes that both know take the source's rows. New ones keep their random rows; so do all words where the
    source was trained without text, and the context where it was trained without.

    Args:
        model: an initialised stack of the source's sizes.
        members: members of the stack.
        start: weights that they start from.
        inputs: vocabularies of the folds.
        task: task of the new members.

    Raises:
        DataError: the start names words or classes that its weights have no rows for.
    """
    classes = shared_classes(start.source, task)
    with torch.no_grad():
        for number, member in enumerate(members):
            own = start.members[start.place(member.seed)]
            words = shared_rows(inputs[member.fold].vocabulary, own.vocabulary, words="text" in start.source.modalities)
            for name, parameter in model.named_parameters():
                if name.startswith(CONTEXT) and name not in own.weights:
                    continue  # a source without context, or without speakers: what it lacks is learnt from the start
                value, target = torch.as_tensor(own.weights[name]), parameter[number]
                if name.endswith("embedding.weight"):
                    rows = words
                elif name.startswith("classifier."):
                    rows = classes
                else:
                    target.copy_(value)
                    continue
                if max(rows.values(), default=0) >= len(value):
                    raise DataError(
                        f"{start.source.name}: its {name} has {len(value)} rows, but more words or classes are named; "
                        f"{NOTE} or {WEIGHTS} is damaged"
                    )
                target[list(rows)] = value[list(rows.values())]


def shared_rows(new: Vocabulary, old: Vocabulary, *, words: bool) -> dict[int, int]:
    """Map each row of the new embedding that is taken over to its row in the old one.

    Padding and the unknown word are always taken over; other rows only with ``words``, and by word.
    """
    rows = {PADDING_INDEX: PADDING_INDEX, UNKNOWN_INDEX: UNKNOWN_INDEX}
    for row, word in enumerate(new.words_by_row()):
        if words and row not in rows and word != UNKNOWN and word in old.index:
            rows[row] = old.index[word]
    return rows


def shared_classes(source: StartSource, task: Task) -> dict[int, int]:
    """Return the source's number of each class that it knows, by the class's own number."""
    # Classes of two tasks may share a name, but not a meaning. Several scores together are a task, too.
    if source.task != task.name and task.kind != "scores":
        return {}
    theirs = {_meaning(name): row for row, name in enumerate(source.classes)}
    names = map(_meaning, task.classes)
    return {row: theirs[name] for row, name in enumerate(names) if name in theirs}


def _meaning(name: str) -> str:
    """Return the same text for names of one class: an older source may hold a name in another form."""
    # Scores with zeros have the class "not negative", those without zeros "positive": most of it is the same.
    return SIGN[1] if name == NOT_NEGATIVE[1] else normal(name)


def write_start(folder: Path, start: Start) -> None:
    """Write the weights that a training starts from, and the note that names them."""
    arrays = {
        f"{place}/{name}": np.asarray(weight)
        for place, member in start.members.items()
        for name, weight in member.weights.items()
    }
    vocabularies = {place: member.vocabulary.to_json() for place, member in start.members.items()}
    # Weights first: when the note is there, they are complete.
    artifacts.write_arrays(folder / WEIGHTS, arrays, {"vocabularies": json.dumps(vocabularies)})
    source = start.source
    content = {
        "format": START_FORMAT,
        "from": source.name,
        "first_seed": source.first_seed,
        "task": source.task,
        "classes": source.classes,
        "modalities": source.modalities,
        "members": [{"member": name, "weights": weights} for name, weights in source.members],
        "seen": pack(source.seen),
    }
    artifacts.write_json(folder / NOTE, content)


def forget_start(folder: Path) -> None:
    """Remove the start that an earlier command left when it failed before its first epoch."""
    for path in (folder / NOTE, folder / WEIGHTS):  # the note first, for the same reason
        path.unlink(missing_ok=True)


def read_source(folder: Path) -> StartSource | None:
    """Read which run the members in a folder started from; None where their weights were drawn at random.

    Raises:
        DataError: start.json is damaged.
    """
    path = folder / NOTE
    if not path.is_file():
        return None
    own = read_typed(path, StartContent)
    return StartSource(
        own.name,
        own.first_seed,
        own.task,
        tuple(own.classes),
        tuple(own.modalities),
        tuple((row.member, row.weights) for row in own.members),
        unpack(own.seen),
    )


def read_members(folder: Path) -> dict[int, StartingMember]:
    """Read the copied weights that a training starts from; an empty dict where the folder holds none.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        return {}
    arrays, metadata = artifacts.read_arrays(path)
    hint = "delete it: the weights are then read from the earlier run again"
    if "vocabularies" not in metadata:
        raise DataError(f"{path}: holds no vocabularies", hint=hint)
    vocabularies = parse_typed(
        metadata["vocabularies"], RootContent[dict[Place, VocabularyContent]], str(path), hint=hint
    )
    members = {}
    for place, content in vocabularies.root.items():
        weights = {name.partition("/")[2]: array for name, array in arrays.items() if name.startswith(f"{place}/")}
        members[int(place)] = StartingMember(weights, Vocabulary.from_json(dict(content), str(path)))
    return members
