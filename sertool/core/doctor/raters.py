"""Raters who hardly agree, so that a label is mostly the chance of who was asked."""

from collections.abc import Iterator

from sertool.core.corpora.agreement import Agreement
from sertool.core.doctor.findings import Finding, found
from sertool.core.doctor.subject import Subject

# Below this alpha agreement is slight at best, by the scale of J. Landis and G. Koch, "The Measurement of Observer
# Agreement for Categorical Data", Biometrics 33, 1977.
LEAST = 0.2
OF_SCORES = "let more people rate each utterance, and compare CCC with the ceiling of the raters"


def check(subject: Subject) -> Iterator[Finding]:
    """Report tasks and scores whose raters agree hardly more than by chance."""
    for task, agreement in subject.agreement.items():
        alpha = agreement.alpha.value
        if alpha < LEAST:
            text = (
                f"raters hardly agree on {task}: Krippendorff's alpha is {alpha:.2f}, where 1 is perfect agreement "
                "and 0 that of chance"
            )
            # Votes can be learned as they are; of scores the mean is.
            advice = "" if agreement.classes else OF_SCORES
            yield found("raters-disagree", agreement.raters.utterances, text, _weakest(agreement), advice)


def _weakest(agreement: Agreement) -> list[str]:
    """Name the classes, or else the speakers, on which raters agree least, with alpha."""
    parts = agreement.by_class or agreement.by_speaker
    defined = {name: part.alpha.value for name, part in parts.items() if part.alpha.value == part.alpha.value}
    return [f"{name}: alpha {defined[name]:.2f}" for name in sorted(defined, key=lambda name: defined[name])]
