"""Ready models in commands: options, opening, and what is said about them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from sertool.commands._options import option

if TYPE_CHECKING:
    from sertool.core.inference.ready.facts import ReadyFacts, ReadyModel

RevisionOption = Annotated[
    str | None, option("--revision", "Branch, tag or commit of a model on the hub. Default: its main branch.", "NAME")
]
BatchOption = Annotated[
    int | None,
    option("--batch-size", "Inputs computed at a time. Default: as many as suit the device.", "N", min=1, max=4096),
]


def open_model(
    name: str, revision: str | None, device: Literal["auto", "cpu", "cuda"], batch: int | None
) -> "ReadyModel":
    """Open a ready model on the chosen device."""
    from sertool.core.compute.device import choose
    from sertool.core.inference.ready.opening import open_ready

    return open_ready(name, revision, str(choose(device, "fp32").device), batch)


def facts_table(facts: "ReadyFacts") -> dict[str, Any]:
    """Return what is known of a ready model as plain data, for JSON."""
    from sertool.core.inference.ready.known import training_of

    training = training_of(facts.name, facts.card)
    return {
        "model": facts.name,
        "revision": facts.revision,
        "weights": facts.weights,
        "architecture": facts.layout,
        "modality": facts.modality,
        "sample_rate": facts.sample_rate,
        "licence": facts.card.licence,
        "base_models": list(facts.card.base_models),
        "trained_on": [*training.corpora.values(), *training.others],
        "sources": list(training.sources),
    }


def input_files(name: str) -> list[Path]:
    """Return the folder or file of a model, which no result may replace; none for one on the hub."""
    path = Path(name).expanduser()
    return [path] if path.exists() else []
