"""Names of classes, speakers and other groups that look like another one, or stand for a missing value.

``sertool prepare`` stores none such. Corpora of earlier versions, and those that other programs wrote, may hold them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from sertool.core.corpora.corpus import GROUPS
from sertool.core.corpora.names import is_missing, normal, visible
from sertool.core.doctor.findings import Finding, found
from sertool.core.doctor.subject import Subject
from sertool.core.formatting import plural


def check(subject: Subject) -> Iterator[Finding]:
    """Report names that count as different ones but look alike, and those that are none."""
    examples = list(_doubtful("class", subject.task.classes))
    for group in GROUPS:
        names = {getattr(utterance, group) for utterance in subject.corpus.utterances} - {None}
        examples += _doubtful(group, sorted(names))
    if examples:
        text = f"{plural(len(examples), 'name')} that look like another one or stand for a missing value"
        yield found("names", len(examples), text, examples)


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
