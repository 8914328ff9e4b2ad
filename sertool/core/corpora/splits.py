"""Divide a corpus into train, valid and test: by its own splits, by cutting off groups, or into folds of groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from sertool.core.corpora.corpus import Corpus, Utterance
from sertool.core.corpora.names import normal
from sertool.core.corpora.tasks import Target, Votes
from sertool.core.errors import DataError, UsageError
from sertool.core.formatting import names_of, plural
from sertool.core.recipe.schema import Splits


@dataclass(frozen=True)
class Fold:
    """Division of a corpus into sets.

    Attributes:
        name: the test groups, or ``all`` if there is a single fold.
        sets: positions of the utterances in the corpus, by ``train``, ``valid``, ``test`` and perhaps ``private``.
    """

    name: str
    sets: Mapping[str, tuple[int, ...]]

    @property
    def selected_on_test(self) -> bool:
        """True if validation and test share an utterance, so that figures on the test set are optimistic."""
        return not set(self.sets["valid"]).isdisjoint(self.sets.get("test", ()))


def make_folds(corpus: Corpus, targets: Sequence[Target | None], splits: Splits) -> list[Fold]:
    """Divide a corpus as a recipe says; utterances without a target are left out, except the private ones.

    Raises:
        UsageError: a group or a split that the recipe names does not exist.
        DataError: a set would be empty, or an utterance has no group.
    """
    labelled = [index for index, target in enumerate(targets) if target is not None]
    by_split: dict[str, list[int]] = {}
    for index in labelled:
        by_split.setdefault(corpus.utterances[index].split, []).append(index)
    if splits.scheme == "folds":
        folds = _folds(corpus, labelled, splits)
    elif splits.scheme == "holdout":
        folds = [_holdout(corpus, by_split, splits)]
    else:
        sets = {"train": "train", "valid": splits.valid, "test": splits.test}
        folds = [Fold("all", {name: tuple(by_split.get(split, ())) for name, split in sets.items()})]
    folds = [_without_ties(fold, targets) for fold in folds]
    private = tuple(index for index, u in enumerate(corpus.utterances) if u.split == "private")
    for fold in folds:
        _check(corpus, fold, splits)
    return [Fold(fold.name, {**fold.sets, "private": private}) if private else fold for fold in folds]


def _without_ties(fold: Fold, targets: Sequence[Target | None]) -> Fold:
    """Leave utterances whose raters tie out of validation and test, where decisions are compared with labels."""
    tied = {index for index, target in enumerate(targets) if isinstance(target, Votes) and target.label is None}
    judged = {name: tuple(row for row in fold.sets[name] if row not in tied) for name in ("valid", "test")}
    return Fold(fold.name, {**fold.sets, **judged}) if tied else fold


def _check(corpus: Corpus, fold: Fold, splits: Splits) -> None:
    for name in ("train", "valid", "test"):
        if fold.sets[name]:
            continue
        if name == "test" and splits.scheme == "holdout":
            continue  # a corpus may have no test split; then there is nothing to protect
        there = ", ".join(f"{split} {number}" for split, number in corpus.counts().items()) or "nothing"
        hints = {
            "valid": "splits.scheme=holdout cuts validation from training by group, folds cross-validates",
            "test": "splits.scheme=folds tests all utterances in cross-validation",
        }
        raise DataError(
            f"{corpus.name}: no labelled utterance for {name} (the corpus holds {there})", hint=hints.get(name)
        )


def group_of(utterance: Utterance, group: str) -> str | None:
    """Return an utterance's speaker, session, video, dialogue, corpus or fold; for ``utterance`` its split and id."""
    if group == "utterance":
        return f"{utterance.split}/{utterance.id}"
    name: str | None = getattr(utterance, group)
    return name


def _groups(corpus: Corpus, indices: Sequence[int], group: str) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for index in indices:
        name = group_of(corpus.utterances[index], group)
        if name is None and group == "corpus":
            raise DataError(
                f"{corpus.name}: was not joined of several corpora, and splits.group is corpus",
                hint="`sertool prepare --join A B C --out DIR` joins them",
            )
        if name is None:
            raise DataError(
                f"{corpus.name}: utterance {corpus.utterances[index].id!r} has no {group}, and splits.group is {group}",
                hint="name another group (--set splits.group=utterance divides single utterances)",
            )
        groups.setdefault(name, []).append(index)
    return dict(sorted(groups.items()))


def _shuffled(groups: Mapping[str, list[int]], seed: int) -> list[str]:
    return [str(name) for name in np.random.default_rng(seed).permutation(sorted(groups))]


def _holdout(corpus: Corpus, by_split: Mapping[str, list[int]], splits: Splits) -> Fold:
    train = by_split.get("train", [])
    groups = _groups(corpus, train, splits.group)
    test = list(by_split.get(splits.test, []))
    order = _shuffled(groups, splits.seed)
    if splits.test_fraction and not test:
        taken = _take(groups, order, splits.test_fraction * len(train), leave=2)
        test = [index for name in taken for index in groups[name]]
        order = [name for name in order if name not in taken]  # valid is taken from the rest
    if splits.valid_groups is not None:
        chosen = _known(splits.valid_groups, groups, splits.group)
    else:
        chosen = _take(groups, order, splits.valid_fraction * len(train), leave=1)
    valid = {index for name in chosen for index in groups[name]}
    kept_out = valid | set(test)  # test is from the training split where test_fraction took it
    rest = tuple(index for index in train if index not in kept_out)
    return Fold("all", {"train": rest, "valid": tuple(sorted(valid)), "test": tuple(sorted(test))})


def _take(groups: Mapping[str, list[int]], order: Sequence[str], wanted: float, *, leave: int) -> list[str]:
    """Take groups from the front of ``order`` until they hold as many utterances as wanted.

    It takes at least one, and at most so many that ``leave`` groups remain.
    """
    most = max(len(order) - leave, 1)
    taken: list[str] = []
    while order[len(taken) : most] and (not taken or sum(len(groups[name]) for name in taken) < wanted):
        taken.append(order[len(taken)])
    return taken


def _known(names: Sequence[str], groups: Mapping[str, list[int]], group: str) -> list[str]:
    """Return the names as the corpus writes them: older corpora may hold others than normal forms."""
    alike = {normal(name): name for name in groups} | {name: name for name in groups}
    found = {name: alike.get(name, alike.get(normal(name))) for name in names}
    missing = [name for name, own in found.items() if own is None]
    if missing:
        raise UsageError(f"splits: no {group} {', '.join(missing)} in the corpus; it has {', '.join(groups)}")
    return [own for own in found.values() if own is not None]


def _folds(corpus: Corpus, indices: Sequence[int], splits: Splits) -> list[Fold]:
    groups = _groups(corpus, indices, splits.group)
    if isinstance(splits.folds, list):
        dealt = [_known(names, groups, splits.group) for names in splits.folds]
        flat = [name for names in dealt for name in names]
        if len(set(flat)) < len(flat):
            raise UsageError(f"splits.folds: a {splits.group} is in two folds")
        if set(flat) != set(groups):
            raise UsageError(
                f"splits.folds: no fold tests {splits.group} {names_of(sorted(set(groups) - set(flat)))}",
                hint=f"--set splits.folds=5 draws five folds by {splits.group}, if the recipe's are of another corpus",
            )
    elif splits.folds is None:  # the folds that came with the corpus, or the corpora that were joined
        if len(groups) < 3 and splits.group == "corpus":
            raise UsageError(
                f"splits.group: at least 3 corpora are needed, one to test, one to validate and one to train on, and "
                f"{corpus.name} has {len(groups)}",
                hint="--set splits.scheme=holdout keeps a test split of several corpora; `sertool cross` trains on one "
                "and judges on the others",
            )
        if len(groups) < 3:
            raise UsageError(f"splits.group: at least 3 folds are needed, and {corpus.name} came with {len(groups)}")
        dealt = [[name] for name in groups]
    else:
        number = splits.folds
        if len(groups) < number:
            fewer = f"--set splits.folds={len(groups)}" if len(groups) > 2 else None
            raise UsageError(f"splits.folds: {number} folds from {plural(len(groups), splits.group)}", hint=fewer)
        # Deal out the largest groups first, each to the smallest fold so far, which makes folds of similar size.
        order = sorted(_shuffled(groups, splits.seed), key=lambda name: -len(groups[name]))
        dealt = [[] for _ in range(number)]
        for name in order:
            min(dealt, key=lambda fold: sum(len(groups[member]) for member in fold)).append(name)
    members = [tuple(sorted(index for name in names for index in groups[name])) for names in dealt]
    folds = []
    for number, names in enumerate(dealt):
        following = (number + 1) % len(dealt)  # each fold validates on the one that the next fold tests
        rest = chain(*(part for other, part in enumerate(members) if other not in (number, following)))
        sets = {"train": tuple(sorted(rest)), "valid": members[following], "test": members[number]}
        folds.append(Fold("+".join(names), sets))
    return folds
