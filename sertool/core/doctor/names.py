"""Names of classes, speakers and other groups that look like another one, or stand for a missing value.

``sertool prepare`` stores none such. Corpora of earlier versions, and those that other programs wrote, may hold them.
Names that look different and are likely spellings of one ("Angry", "angry") are stored as they are, and suspected. So
are names of classes that look like several ("happy, sad").
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from sertool.core.corpora.corpus import GROUPS
from sertool.core.corpora.names import is_missing, likely_several, likely_spellings, normal, visible
from sertool.core.doctor.findings import Finding, found
from sertool.core.doctor.subject import Subject
from sertool.core.formatting import plural


def check(subject: Subject) -> Iterator[Finding]:
    """Report names that count as different ones but look alike, those that are none, and likely spellings of one."""
    names: dict[str, Sequence[str]] = {"class": subject.task.classes if subject.task.kind != "scores" else ()}
    for group in GROUPS:
        names[group] = sorted({getattr(utterance, group) for utterance in subject.corpus.utterances} - {None})
    if examples := [line for group, own in names.items() for line in _doubtful(group, own)]:
        text = f"{plural(len(examples), 'name')} that look like another one or stand for a missing value"
        yield found("names", len(examples), text, examples)
    if examples := [line for group in ("class", "speaker") for line in _spellings(group, names[group])]:
        text = f"{plural(len(examples), 'name')} with several likely spellings, which count as different names"
        yield found("spellings", len(examples), text, examples)
    if joined := likely_several(names["class"]):
        text = f"{plural(len(joined), 'class', 'classes')} that may be several labels, each counted as one class"
        yield found("joined-labels", len(joined), text, [f"class {visible(name)}" for name in joined])


def _spellings(group: str, names: Sequence[str]) -> Iterator[str]:
    """Yield the likely spellings of each name; those of one normal form are reported as names that look alike."""
    several = {normal(name): name for name in names}
    for own in likely_spellings(several.values(), classes=group == "class"):
        yield f"{group} {' = '.join(map(visible, own))}"


def _doubtful(group: str, names: Iterable[str]) -> Iterator[str]:
    alike: dict[str, list[str]] = defaultdict(list)
    for name in names:
        alike[normal(name)].append(name)
    for name, own in alike.items():
        # A minus is a class beside a plus.
        if is_missing(name) and not (name == "-" and "+" in alike):
            yield f"{group} {visible(own[0])} stands for a missing value"
        elif len(own) > 1:
            yield f"{group} {' = '.join(map(visible, own))}"
