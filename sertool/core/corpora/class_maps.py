"""Classes of corpora and of models under the common names of a label map, and what falls out.

Names are compared in their normal form (:func:`~sertool.core.corpora.names.normal`), whatever their case.
"""

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.corpus import Corpus, Rating, Utterance
from sertool.core.corpora.names import normal
from sertool.core.corpora.score_tasks import ranges_in
from sertool.core.errors import UsageError, did_you_mean
from sertool.core.formatting import first_few, names_of, plural

# Hint where a corpus has other classes than a model or another corpus.
MAP_HINT = "--map four (or big-six, ekman-seven, polarity, quadrants, FILE) names what both have in common"
MIDDLE = "in the middle of a score"  # utterances that are neither low nor high
NO_SCORE = "without one of the scores"
_NEAR = 0.75  # similarity from which a name that nobody has is taken for a misspelt one
# Other names of the two scores that corpora have, by the field's usual ones.
_SCORE_NAMES = {"arousal": ("activation", "act", "emoact"), "valence": ("pleasure", "val", "emoval")}


def compared(name: str) -> str:
    """Return the form in which two names are compared.

    >>> compared(" Angry ") == compared("angry")
    True
    """
    return normal(normal(name).casefold())


@dataclass(frozen=True)
class MapNote:
    """Facts on a map that was applied; every figure that rests on it is shown with them.

    Attributes:
        map: name of a shipped map, or path of a user's file.
        sha256: hexadecimal hash of the map's contents.
        classes: the classes that remain, in the map's order.
        fell_out: number of utterances that have a label and none of the classes, by their own class, most first.
        utterances: number of utterances with a label before any fell out.
        left_out: classes of the model that are not among the classes, so that its answers are without them.
        absent: names of a user's map that neither the corpus nor the model has.
    """

    map: str
    sha256: str
    classes: tuple[str, ...]
    fell_out: Mapping[str, int]
    utterances: int
    left_out: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the note as plain data for a JSON file."""
        return {**asdict(self), **{key: list(getattr(self, key)) for key in ("classes", "left_out", "absent")}}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "MapNote":
        """Read what :meth:`to_json` returned.

        Raises:
            KeyError, TypeError: the content is of another form.
        """
        lists = {key: tuple(content[key]) for key in ("classes", "left_out", "absent")}
        return cls(content["map"], content["sha256"], fell_out=dict(content["fell_out"]), **lists,
                   utterances=content["utterances"])  # fmt: skip

    @property
    def lines(self) -> list[str]:
        """Lines that tell a reader of figures what was mapped and what fell out."""
        told = [f"label map {self.map}: {plural(len(self.classes), 'class', 'classes')}: {names_of(self.classes)}"]
        if number := sum(self.fell_out.values()):
            each = first_few([f"{count:,} {name}" for name, count in self.fell_out.items()], 10)
            told.append(f"fell out: {number:,} of {plural(self.utterances, 'utterance')}: {each}")
        if self.left_out:
            told.append(f"classes of the model left out: {names_of(self.left_out)}")
        if self.absent:
            told.append(f"names of the map that are not there: {names_of(self.absent)}")
        return told


@dataclass(frozen=True)
class Columns:
    """Answers of a model under the classes of a map.

    Attributes:
        classes: C judged classes.
        columns: for each of them, the positions of the model's classes that count for it; at least one.
        left_out: classes of the model that count for none.
    """

    classes: tuple[str, ...]
    columns: tuple[tuple[int, ...], ...]
    left_out: tuple[str, ...]

    def apply(self, logits: NDArray[Any]) -> NDArray[np.float32]:
        """Return the logits (..., C) of the judged classes from those of the model (..., M).

        Probabilities of several classes of the model add up, so the logits are the logarithm of the sum of their
        exponentials; classes that are left out leave the softmax.
        """
        own = np.asarray(logits, np.float64)
        joined = [np.logaddexp.reduce(own[..., list(places)], axis=-1) for places in self.columns]
        return np.stack(joined, axis=-1).astype(np.float32)


@dataclass(frozen=True)
class ClassMap:
    """Label map; :mod:`~sertool.core.corpora.label_maps` reads them.

    Attributes:
        name: name of a shipped map, or path of a user's file.
        sha256: hexadecimal hash of the contents; comments and the order of names do not change it.
        about: a sentence for people.
        classes: the classes, in the map's order.
        of_corpora, of_models: class by name, in the form that names are compared in.
        dropped: names that fall out on purpose, in that form.
        scores: by class, whether each score is ``low`` or ``high``; empty for maps of names alone.
        written: names as the file has them, by the form that they are compared in.
        shipped: the map came with sertool.
    """

    name: str
    sha256: str
    about: str
    classes: tuple[str, ...]
    of_corpora: Mapping[str, str]
    of_models: Mapping[str, str]
    dropped: frozenset[str]
    scores: Mapping[str, Mapping[str, str]]
    written: Mapping[str, str]
    shipped: bool

    @property
    def files(self) -> list[Path]:
        """Return the user's file that it was read from; none for a shipped map."""
        return [] if self.shipped else [Path(self.name)]

    def corpus_class(self, label: str) -> str | None:
        """Return the class that a label of a corpus counts for; None if it falls out."""
        return self.of_corpora.get(compared(label))

    def model_class(self, answer: str) -> str | None:
        """Return the class that a class of a model counts for; None if the map does not hold it."""
        return self.of_models.get(compared(answer))

    def map_labels(self, corpus: Corpus, task: str, answers: Sequence[str] | None = None) -> tuple[Corpus, MapNote]:
        """Replace the labels of a task by the classes of the map.

        Utterances of other classes stay in the corpus without a label, as context for others, and are counted.

        Args:
            corpus: the corpus, with its labels.
            task: name of a task of classes; for maps with scores also a new name, whose classes come from the scores.
            answers: classes of the model that is judged; the classes that it cannot answer fall out too. None where
                there is no model.

        Raises:
            UsageError: the task is none that can be mapped, fewer than two classes remain, or a user's map has a name
                that looks like a misspelt class.
        """
        known = None if answers is None else {one for name in answers if (one := self.model_class(name))}
        by_scores = task not in corpus.classes and bool(self.scores)
        given = self._by_scores(corpus) if by_scores else self._by_names(corpus, task)
        held = [self.corpus_class(name) for name in corpus.classes.get(task, ())] if not by_scores else self.scores
        classes = tuple(name for name in self.classes if name in held and (known is None or name in known))
        absent = () if by_scores else self._absent([*corpus.classes[task], *(answers or ())])
        if len(classes) < 2:
            raise self._too_few(corpus, task, classes, answers)
        kept = [(own if own in classes else None, raw) for own, raw in given]
        fell = Counter(raw for own, raw in kept if raw is not None and own is None)
        utterances = tuple(
            self._relabelled(one, task, own) for one, (own, _) in zip(corpus.utterances, kept, strict=True)
        )
        left_out = self.model_columns(answers, classes).left_out if answers is not None else ()
        labelled = sum(raw is not None for _, raw in given)
        note = MapNote(self.name, self.sha256, classes, dict(fell.most_common()), labelled, left_out, absent)
        return replace(corpus, utterances=utterances, classes={**corpus.classes, task: classes}), note

    def model_columns(self, answers: Sequence[str], classes: Sequence[str] | None = None) -> Columns:
        """Return which classes of a model count for which classes of the map.

        Args:
            answers: classes of the model, in the order of its logits.
            classes: judged classes; by default those of the map that the model has.

        Raises:
            UsageError: the model lacks one of the classes, or has fewer than two of the map's.
        """
        own = [self.model_class(name) for name in answers]
        wanted = tuple(classes if classes is not None else (name for name in self.classes if name in own))
        lacking = [name for name in wanted if name not in own]
        if lacking or len(wanted) < 2:
            what = f"no class for {names_of(lacking)}" if lacking else "fewer than two of its classes"
            raise UsageError(
                f"label map {self.name}: the model has {what}; it has {names_of(answers)}",
                hint="name the model's classes under `classes` or `model` of a map of your own",
            )
        columns = tuple(tuple(place for place, one in enumerate(own) if one == name) for name in wanted)
        left_out = tuple(name for name, one in zip(answers, own, strict=True) if one not in wanted)
        return Columns(wanted, columns, left_out)

    def _by_names(self, corpus: Corpus, task: str) -> list[tuple[str | None, str | None]]:
        """Return the class and the raw label of each utterance; None where there is none."""
        if task not in corpus.classes:
            scored = f", and no scores {names_of(self._wanted_scores)}" if self.scores else ""
            raise UsageError(
                f"label map {self.name}: {corpus.name} has no task of classes {task!r}{scored}"
                f"{did_you_mean(task, list(corpus.classes))}",
                hint=f"its tasks of classes: {names_of(corpus.classes)}",
            )
        raws = [utterance.labels.get(task) for utterance in corpus.utterances]
        if any(raw is not None and not isinstance(raw, str) for raw in raws):
            raise UsageError(
                f"label map {self.name}: {corpus.name}'s {task} has no name of one class for each utterance",
                hint="maps are for tasks with one class per utterance, in corpora that `sertool prepare` made",
            )
        found = {raw: self.corpus_class(raw) for raw in set(raws) if raw is not None}
        return [(None, None) if raw is None else (found[raw], raw) for raw in raws]

    def _by_scores(self, corpus: Corpus) -> list[tuple[str | None, str | None]]:
        """Return the class of each utterance by its scores, and the name that it is counted by."""
        ranges, names = ranges_in(corpus), dict[str, str]()
        for wanted in self._wanted_scores:
            same = {compared(wanted), *_SCORE_NAMES.get(compared(wanted), ())}
            found = next((name for name in ranges if compared(name) in same), None)
            if found is None:
                raise UsageError(
                    f"label map {self.name}: {corpus.name} has no score {wanted!r}{did_you_mean(wanted, list(ranges))}",
                    hint=f"its scores: {names_of(ranges)}; its tasks of classes: {names_of(corpus.classes)}",
                )
            names[wanted] = found
        middles = {wanted: sum(ranges[name]) / 2 for wanted, name in names.items()}
        return [self._quadrant(utterance, names, middles) for utterance in corpus.utterances]

    def _quadrant(
        self, utterance: Utterance, names: Mapping[str, str], middles: Mapping[str, float]
    ) -> tuple[str | None, str | None]:
        own = {wanted: utterance.labels.get(name) for wanted, name in names.items()}
        if all(value is None for value in own.values()):
            return None, None
        sides = {
            wanted: "high" if value > middles[wanted] else "low" if value < middles[wanted] else ""
            for wanted, value in own.items()
            if value is not None
        }
        for name, rule in self.scores.items():
            if all(sides.get(wanted) == side for wanted, side in rule.items()):
                return name, name
        if len(sides) < len(own):
            return None, NO_SCORE
        return None, MIDDLE if "" in sides.values() else ", ".join(f"{side} {one}" for one, side in sides.items())

    def _relabelled(self, utterance: Utterance, task: str, own: str | None) -> Utterance:
        labels = {key: raw for key, raw in utterance.labels.items() if key != task}
        ratings = utterance.ratings
        if own is not None:
            labels[task] = own
        if ratings and task in ratings:
            dropped = own is None and task in utterance.labels  # its raters would make it a part of the task again
            said = {} if dropped else {rater: self._rating(one) for rater, one in ratings[task].items()}
            ratings = {**{key: one for key, one in ratings.items() if key != task}, **({task: said} if said else {})}
        return replace(utterance, labels=labels, ratings=ratings or None)

    def _rating(self, said: Rating) -> Rating:
        """Map what a rater said; a class that falls out keeps its name, and so counts for none of the classes."""
        if isinstance(said, str):
            return self.corpus_class(said) or said
        if isinstance(said, tuple):
            names = tuple(dict.fromkeys(self.corpus_class(name) or name for name in said))
            return names if len(names) > 1 else names[0]
        return said

    @cached_property
    def _wanted_scores(self) -> list[str]:
        return list(dict.fromkeys(name for rule in self.scores.values() for name in rule))

    def _too_few(self, corpus: Corpus, task: str, classes: Sequence[str], answers: Sequence[str] | None) -> UsageError:
        has = f"of the map's classes {names_of(self.classes)}, "
        who = f"{corpus.name}'s {task}" if answers is None else f"{corpus.name}'s {task} and the model together"
        told = f"only {classes[0]}" if classes else "none"
        of = f"; the model has {names_of(answers)}" if answers is not None else ""
        return UsageError(
            f"label map {self.name}: {has}{who} have {told}, expected at least two",
            hint=f"the corpus has {names_of(corpus.classes.get(task, ()))}{of}; choose another map, or write your own "
            "(docs/cross.md)",
        )

    def _absent(self, there: Iterable[str]) -> tuple[str, ...]:
        """Return the names of a user's map that nobody has.

        Raises:
            UsageError: one of them is nearly a class that the map does not hold.
        """
        if self.shipped:
            return ()
        have = {compared(name): name for name in there}
        unknown = [name for key, name in have.items() if key not in self.written]
        own = {compared(name) for name in self.classes}
        absent = [name for key, name in self.written.items() if key not in have and key not in own]
        for name in absent:
            if near := difflib.get_close_matches(name, unknown, n=1, cutoff=_NEAR):
                raise UsageError(
                    f"{self.name}: nothing has the class {name!r}, did you mean {near[0]!r}?",
                    hint=f"correct the name, or put {near[0]!r} under `drop`",
                )
        return tuple(absent)
