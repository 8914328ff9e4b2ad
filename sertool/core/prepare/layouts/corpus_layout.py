"""The interface of a layout: how the folder of a published corpus, as its owner hands it out, becomes rows."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sertool.core.corpora.corpus import LeftOut
from sertool.core.formatting import first_few
from sertool.core.prepare.rows import Row


class Found:
    """Receives what a layout finds beside its rows.

    Attributes:
        notes: sentences for the user.
        left_out: utterances that are known to be broken, and after :meth:`skip` those that lack something.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.left_out: list[LeftOut] = []
        self._wrong: dict[str, list[str]] = defaultdict(list)
        self._lacking: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self._parts: dict[str, list[str]] = defaultdict(list)

    def wrong(self, what: str, example: str = "") -> None:
        """Add a problem with which nothing can be prepared; all of one kind become one line."""
        self._wrong[what].append(example)

    def lacks(self, what: str, id_: str, split: str = "train") -> None:
        """Add an utterance that cannot be used; ``--skip-bad`` leaves it out.

        Args:
            what: the reason, the same for all of one kind, such as ``no recording``.
            id_: id of the utterance.
            split: split of the utterance.
        """
        self._lacking[what].append((id_, split))

    def lacks_part(self, what: str, name: str) -> None:
        """Add a part of the corpus that is missing or broken, such as a session; ``--skip-bad`` goes on without it."""
        self._parts[what].append(name)

    def leave_out(self, id_: str, split: str, reason: str) -> None:
        """Leave out an utterance that is known to be broken in every copy of the corpus."""
        self.left_out.append(LeftOut(id_, split, reason))

    @property
    def refused(self) -> list[str]:
        """Return a line for each kind of problem with which nothing can be prepared."""
        return [_line(what, examples) for what, examples in self._wrong.items()]

    @property
    def lacking(self) -> list[str]:
        """Return a line for each kind of problem that ``--skip-bad`` leaves out."""
        return [*self._missing_parts(), *(_line(what, [id_ for id_, _ in own]) for what, own in self._lacking.items())]

    def skip(self) -> None:
        """Leave out the utterances that lack something, and note the parts, as ``--skip-bad`` asks for."""
        self.left_out += [LeftOut(id_, split, what) for what, own in self._lacking.items() for id_, split in own]
        self.notes += [f"left out: {line}" for line in self._missing_parts()]

    def _missing_parts(self) -> list[str]:
        return [_line(what, names) for what, names in self._parts.items()]


def _line(what: str, examples: list[str]) -> str:
    given = [example for example in examples if example]
    return f"{what} ({len(examples):,}): {first_few(given)}" if given else what


@dataclass(frozen=True)
class CorpusLayout:
    """The layout of a published corpus.

    Attributes:
        name: name for ``--layout``, such as ``iemocap``.
        title: name of the corpus, such as ``IEMOCAP``.
        expects: what the folder holds, for messages, such as ``Session1 to Session5``.
        is_there: checks by the names of a few files whether a folder can be nothing else; it is quick, and raises
            nothing but OSError.
        rows: yields a row for each utterance and tells :class:`Found` all else. The split of a row is empty where the
            corpus has no official ones. A row whose recording is missing is told by ``Found.lacks`` and not yielded.
        classes: classes by task in their usual order.
        ranges: lowest and highest score by task, for scores on another scale than -3 to 3.
    """

    name: str
    title: str
    expects: str
    is_there: Callable[[Path], bool]
    rows: Callable[[Path, Found], Iterable[Row]]
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
