"""``sertool export``: write a trained ensemble as a folder that runs without PyTorch and without sertool."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from sertool.commands import _options as options
from sertool.commands._console import console
from sertool.commands._options import option
from sertool.commands._outputs import Outputs
from sertool.core.formatting import readable_size

if TYPE_CHECKING:
    from sertool.core.export.export import Exported


def export(
    name: options.Run,
    out: Annotated[Path, option("--out", "Folder to write.", "BUNDLE")],
    members: options.Members = None,
    int8: Annotated[bool, option("--int8", "Also write the model with 8-bit weights.")] = False,
    with_frontend: Annotated[
        bool, option("--with-frontend", "Include the frontends, so that the inputs are a recording and a text.")
    ] = False,
    encoder: Annotated[
        Literal["fp32", "fp16", "int8"] | None,
        option("--encoder", "Include the pretrained encoders, with weights of this precision."),
    ] = None,
    force: Annotated[
        bool, option("--force", "Replace a bundle; write weights of fewer bits even if accuracy falls.")
    ] = False,
    accept_licence: Annotated[
        bool, option("--accept-licence", "Export a model that a licence binds to non-commercial use.")
    ] = False,
    data: options.Data = options.DEFAULT_DATA,
    output: options.Output = options.DEFAULT_OUTPUT,
    json: options.Json = None,
) -> None:
    """Export an ensemble as ONNX, checked against PyTorch.

    The bundle also holds a script that predicts with it, and a model card.
    """
    from sertool.core.export.export import export as write_bundle

    files = Outputs({"--json": json}, [output / name], {"--out": out})
    # A spinner, not a bar: the steps of the comparison cannot be counted.
    with console().status(f"{name}: writing the graph and comparing it with PyTorch"):
        done = write_bundle(
            name,
            out,
            output=output,
            data=data,
            index=members,
            int8=int8,
            with_frontend=with_frontend,
            encoder=encoder,
            force=force,
            accept_licence=accept_licence,
        )
    files.write_json("--json", "export", result_table(done))
    files.show(show(done))


def show(done: "Exported") -> list[str]:
    """Format what was written and checked as lines."""
    last = done.compared[-1]  # the model as it will be used: with the frontend, if it is included
    largest = max(own.largest for own in done.compared)
    frontend = "; with and without the frontend" * (len(done.compared) > 1)
    sizes = ", ".join(f"{name} {readable_size(size)}" for name, size in done.sizes.items())
    lines = [
        f"{done.folder} · {done.name}, {done.size}, {_sure(done)}",
        f"largest difference of {'scores' if last.scores else 'logits'} to PyTorch {largest:.1e}{_equal(done)} "
        f"({'; '.join(own.source for own in done.compared)})",
        f"one utterance: onnxruntime {last.onnx_ms:.1f} ms, PyTorch {last.torch_ms:.1f} ms (median, CPU{frontend})",
        f"holds {sizes}",
    ]
    for loss, weights in ((done.loss, "int8"), (done.encoder_loss, f"encoders in {done.encoder_bits}")):
        if loss is not None:
            # There may be no validation utterances to measure it on.
            on = f" on {loss.utterances} validation utterances" if loss.full else ""
            what = "change" if done.kind == "scores" else "loss of accuracy"
            lines.append(f"{what} by {weights}: {loss.short}{on}")
    example = ["--text", "good morning"] if done.words else ["--help"]  # there may be no recording at hand
    return [*lines, f"next: {shlex.join(['python', str(done.folder / 'run.py'), *example])}"]


def _sure(done: "Exported") -> str:
    """Say whether probabilities are calibrated, or scores have intervals."""
    if done.kind == "scores":
        return "without intervals" if done.uncalibrated else f"intervals of {100 * (done.intervals or 0):g} %"
    return "uncalibrated" if done.uncalibrated else f"temperature {done.temperature:.3g}"


def _equal(done: "Exported") -> str:
    """Say how many decisions are equal; scores are no decisions, and their difference is a share of their range."""
    if done.kind == "scores":
        return " of their range"
    count, differing = sum(own.utterances for own in done.compared), sum(own.differing for own in done.compared)
    # Encoders whose weights have less than 32 bits may change some.
    return f", {differing} of {count} decisions differ" if differing else f", all {count} decisions equal"


def result_table(done: "Exported") -> dict[str, Any]:
    """Return the content of :func:`show` as plain data."""
    return {
        "bundle": str(done.folder),
        "name": done.name,
        "dataset": done.dataset,
        "task": done.task,
        "kind": done.kind,
        "members": done.members,
        "size": done.size.table,
        "temperature": done.temperature,
        "intervals": done.intervals,
        "uncalibrated": done.uncalibrated,
        "checks": [
            {
                "on": own.source,
                "utterances": own.utterances,
                "largest_difference": own.largest,
                "differing_decisions": own.differing,
                "onnx_ms": own.onnx_ms,
                "torch_ms": own.torch_ms,
            }
            for own in done.compared
        ],
        "int8": None if done.loss is None else done.loss.table("int8"),
        "encoders": done.encoder_bits,
        "encoders_loss": None if done.encoder_loss is None else done.encoder_loss.table("encoders"),
        "bytes": done.sizes,
    }
