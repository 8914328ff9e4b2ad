"""Raters who hardly agree, so that a label is mostly chance, and settings that distort the shares of their votes."""

from collections.abc import Iterator

from sertool.core.corpora.agreement import Agreement
from sertool.core.doctor.findings import Finding, found
from sertool.core.doctor.subject import Subject
from sertool.core.recipe.schema import Training

# Below this alpha agreement is slight at best, by the scale of J. Landis and G. Koch, "The Measurement of Observer
# Agreement for Categorical Data", Biometrics 33, 1977.
LEAST = 0.2
OF_SCORES = "let more people rate each utterance, and compare CCC with the ceiling of the raters"


def check(subject: Subject) -> Iterator[Finding]:
    """Report raters who agree hardly more than by chance, and settings under which shares cannot be learned."""
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
    if subject.task.is_soft and (settings := _distorting(subject.recipe.training)):
        distort = "distorts" if len(settings) == 1 else "distort"
        text = f"{' and '.join(settings)} {distort} the shares of the raters that dataset.labels: soft is to teach"
        yield found("shares-distorted", len(settings), text)


def _distorting(training: Training) -> list[str]:
    """Name the settings that move the probabilities with the lowest loss away from the raters' shares.

    With weights w and smoothing e the loss is lowest where the probability of class c is proportional to
    ``w_c ((1 - e) s_c + e / C)``, which is the share s_c only for equal weights and e = 0.
    """
    weights, smoothing = training.class_weights, training.label_smoothing
    equal = weights == "none" or (isinstance(weights, list) and len(set(weights)) == 1)
    shown = weights if isinstance(weights, str) else "[...]"
    named = {f"training.class_weights: {shown}": not equal, f"training.label_smoothing: {smoothing:g}": smoothing > 0}
    return [name for name, there in named.items() if there]


def _weakest(agreement: Agreement) -> list[str]:
    """Name the classes, or else the speakers, on which raters agree least, with alpha."""
    parts = agreement.by_class or agreement.by_speaker
    defined = {name: part.alpha.value for name, part in parts.items() if part.alpha.value == part.alpha.value}
    return [f"{name}: alpha {defined[name]:.2f}" for name in sorted(defined, key=lambda name: defined[name])]
