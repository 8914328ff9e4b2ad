"""Part 4: training beside plain PyTorch at the sizes that have targets, and ten members to their natural end."""

from dataclasses import replace

from benchmarks.gpu.child import Settings, serve

ROUNDS, SECONDS = 3, 1.0
TINY_ROUNDS, TINY_SECONDS = 1, 0.05


def work(settings: Settings) -> None:
    """Measure the cases one by one; each is written as soon as it is there."""
    from benchmarks.gpu.sizes import fit, members_of
    from benchmarks.speed import CASES, throughput

    cases = [replace(case, members=members_of(settings, case.members)) for case in CASES["cuda"]]
    rounds, seconds = (TINY_ROUNDS, TINY_SECONDS) if settings.tiny else (ROUNDS, SECONDS)
    throughput(cases, settings.precision(), rounds, seconds, settings.write, fit(settings))


if __name__ == "__main__":
    serve(work)
