"""Part 4: training beside plain PyTorch at the sizes that have targets, and ten members to their natural end."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmarks.gpu.child import Settings, serve

if TYPE_CHECKING:
    from sertool.core.compute.device import Precision

ROUNDS, SECONDS = 3, 1.0
TINY_ROUNDS, TINY_SECONDS = 1, 0.05


def work(settings: Settings) -> None:
    """Measure the cases one by one; each is written as soon as it is there."""
    from benchmarks.gpu.fallback import recorded_or_plain
    from benchmarks.gpu.sizes import fit, members_of
    from benchmarks.speed import CASES, throughput

    cases = [replace(case, members=members_of(settings, case.members)) for case in CASES["cuda"]]
    rounds, seconds = (TINY_ROUNDS, TINY_SECONDS) if settings.tiny else (ROUNDS, SECONDS)
    rows: list[dict[str, Any]] = []
    for case in cases:

        def measure(precision: "Precision", case: Any = case) -> dict[str, Any]:
            return throughput([case], precision, rounds, seconds, lambda rows: None, fit(settings))[0]

        row, note = recorded_or_plain(measure, settings.precision())
        rows.append({**row, "note": note})
        settings.write(rows)


if __name__ == "__main__":
    serve(work)
