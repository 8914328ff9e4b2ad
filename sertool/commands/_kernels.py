"""State of the Triton kernels on a CUDA device: lines before a command computes, and ``sertool doctor --device``."""

from functools import partial
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from sertool.commands._console import console, say
from sertool.commands._outputs import Outputs
from sertool.core.formatting import padded

if TYPE_CHECKING:
    import torch

    from sertool.core.models.kernels.proof import Facts, Proof

COMPARING = "comparing the kernels with plain operations; this is done once on a card and takes up to a minute"
INTERPRETER = "Triton's interpreter"


def say_kernels(talk: Console, device: "torch.device") -> None:
    """Say which kernels are left out on a device and why, after comparing them if that was never done there."""
    from sertool.core.models.kernels import kernel_lines

    for line in kernel_lines(device, partial(say, talk, COMPARING)):
        say(talk, line)


def kernel_state() -> dict[str, str]:
    """Return the line about kernels in the environment; none where torch cannot be imported."""
    try:
        from sertool.core.compute.cards import find_cards
        from sertool.core.models.kernels import OFF, proof, switched_off
    except (ImportError, OSError):
        return {}
    off = ",".join(filter(None, switched_off()))
    if off:
        return {"kernels": f"{OFF}={off} switches off {'all' if '1' in switched_off() else off}"}
    found = find_cards()
    facts = proof.facts_of_cards(found, proof.triton_version()) if found.cards else []
    return {"kernels": proof.state(facts[0] if facts else None)}


def compare_kernels(files: Outputs) -> None:
    """Compare the kernels on one card of each kind, and show what was found; exit code 1 if any is left out."""
    from sertool.core.models.kernels import proof

    talk, found = console(), []
    for device, facts in _cards().items():
        say(talk, f"comparing the kernels on {facts.card}; this takes up to a minute")
        found.append(proof.prove(facts, device, keep=facts.card != INTERPRETER))
    files.write_json("--json", "kernels", {"cards": [_table(one) for one in found]})
    files.show(line for one in found for line in show(one))
    if any(proof.lines(one) for one in found):
        raise typer.Exit(1)


def _cards() -> "dict[str, Facts]":
    """Return the facts of each different card by its name for torch; with Triton's interpreter those of the CPU.

    Raises:
        SertoolError: torch can use no CUDA device.
    """
    from sertool.core.compute.cards import find_cards, find_problem
    from sertool.core.errors import SertoolError
    from sertool.core.models.kernels import interpreted, proof

    triton = proof.triton_version()
    if interpreted():
        return {"cpu": proof.Facts(INTERPRETER, proof.LEAST_CAPABILITY, True, triton, None)}
    found = find_cards()
    if (problem := find_problem(found)) is not None:
        raise SertoolError(f"--device: {problem.text}", hint="sertool doctor shows what torch sees of this machine")
    kinds: dict[Facts, str] = {}
    for number, facts in enumerate(proof.facts_of_cards(found, triton)):
        kinds.setdefault(facts, f"cuda:{number}")
    return {device: facts for facts, device in kinds.items()}


def show(proof: "Proof") -> list[str]:
    """Format the comparisons on a card as lines: a table, what is left out, and the summary."""
    from sertool.core.models.kernels.proof import lines

    facts, verdicts = proof.facts, proof.report.verdicts
    rows = [
        (*name.split(" "), verdict.fault or "equal", f"{verdict.seconds:.1f}") for name, verdict in verdicts.items()
    ]
    columns = [list(column) for column in zip(("kernel", "format", "result", "seconds"), *rows, strict=True)]
    about = [f"{facts.card} · Triton {facts.triton or 'not installed'} · driver {facts.driver or 'unknown'}"]
    table = ["", *padded(columns), ""] if rows else []
    if rows and not facts.bf16:
        table.insert(-1, "bf16 is not compared: the card has none")
    return [*about, *table, *(lines(proof) or ["every kernel is equal to plain operations"])]


def _table(proof: "Proof") -> dict[str, Any]:
    from sertool.core.compute.cards import dotted
    from sertool.core.models.kernels.proof import lines

    facts = proof.facts
    return {
        "card": facts.card,
        "capability": dotted(facts.capability),
        "driver": facts.driver,
        "triton": facts.triton,
        "comparisons": [
            {"kernel": name.split(" ")[0], "format": name.split(" ")[1], "equal": one.equal, "fault": one.fault}
            | {"seconds": round(one.seconds, 2)}
            for name, one in proof.report.verdicts.items()
        ],
        "problem": proof.report.problem,
        "lines": lines(proof),
    }
