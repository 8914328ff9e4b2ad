"""Leakage between train, valid and test: validation on the test split, shared speakers, videos and other groups."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import combinations

from sertool.core.corpora.corpus import GROUPS
from sertool.core.corpora.names import normal
from sertool.core.corpora.splits import Fold
from sertool.core.doctor.findings import Finding, found, place
from sertool.core.doctor.subject import Subject
from sertool.core.formatting import first_few, names_of, plural

_SETS = ("train", "valid", "test")


def check(subject: Subject) -> Iterator[Finding]:
    """Report validation on the test split, and groups that are in two sets of a fold."""
    shared = {row for fold in subject.folds for row in set(fold.sets["valid"]) & set(fold.sets.get("test", ()))}
    if shared:
        text = "validation is the test split in this data set: the paper's numbers are selected on test"
        yield found("selected-on-test", len(shared), text)
    if copied := subject.valid_is_test:
        rows = zip(*(subject.folds[0].sets[name] for name in ("valid", "test")), strict=True)
        text = f"the {plural(copied, 'utterance')} of valid have the words and audio of those of test"
        yield found("valid-is-test", copied, text, (_pair(subject, *pair) for pair in rows))
    for group in GROUPS:
        yield from _shared(subject, group)
    yield from _sharing_folds(subject)


def _pair(subject: Subject, valid: int, test: int) -> str:
    return f"{place(subject.corpus, valid)}, {place(subject.corpus, test)}"


def _shared(subject: Subject, group: str) -> Iterator[Finding]:
    """Report groups with utterances in two sets of a fold."""
    where: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for fold in subject.folds:
        for name, sets in _sets_of_groups(subject, fold, group).items():
            pairs = [pair for pair in combinations(_SETS, 2) if sets >= set(pair)]
            if fold.selected_on_test or subject.valid_is_test:
                pairs = [pair for pair in pairs if pair != ("valid", "test")]  # reported already
            where[name].update(pairs)
    shared = {name: pairs for name, pairs in sorted(where.items()) if pairs}  # by name: stable
    if shared:
        folds = f" of a fold (of {len(subject.folds)})" if len(subject.folds) > 1 else ""
        text = f"{plural(len(shared), group)} in two of train, valid and test{folds}"
        examples = (
            f"{name} ({', '.join(own for own in _SETS if any(own in pair for pair in pairs))})"
            for name, pairs in shared.items()
        )
        yield found(f"shared-{group}s", len(shared), text, examples)


def _sets_of_groups(subject: Subject, fold: Fold, group: str) -> dict[str, set[str]]:
    """Return the sets that hold each group, by its name's normal form."""
    sets: dict[str, set[str]] = defaultdict(set)
    for name in _SETS:
        for row in fold.sets.get(name, ()):  # a fold may have no test set
            value = getattr(subject.corpus.utterances[row], group)
            if value is not None:  # unknown, so it cannot be shared
                sets[normal(value)].add(name)
    return sets


def _sharing_folds(subject: Subject) -> Iterator[Finding]:
    """Report the folds that came with the corpus and test speakers that other folds test, too."""
    folds: dict[str, set[str]] = defaultdict(set)
    for utterance in subject.corpus.utterances:
        if utterance.fold is not None and utterance.speaker is not None:
            folds[normal(utterance.speaker)].add(utterance.fold)
    shared = {name: own for name, own in sorted(folds.items()) if len(own) > 1}
    if shared:
        counts = Counter(fold for own in shared.values() for fold in own)
        shown = first_few((f"{fold} ({plural(counts[fold], 'speaker')})" for fold in sorted(counts)), 20)
        text = f"folds that came with the corpus share speakers: {shown}"
        yield found(
            "shared-folds", len(shared), text, (f"{name} ({names_of(sorted(shared[name]))})" for name in shared)
        )
