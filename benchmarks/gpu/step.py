"""Part 5: where the time of a recorded step goes, kernel by kernel, and the least time that a step needs."""

from typing import TYPE_CHECKING, Any

from benchmarks.gpu.child import Settings, serve

if TYPE_CHECKING:
    from sertool.core.compute.device import Precision

MEMBERS = (10, 1)
STEPS, TURNS = 40, 5
TINY_STEPS, TINY_TURNS = 3, 2


def work(settings: Settings) -> None:
    """Profile steps of ten members and of one; each is written as soon as it is there."""
    from benchmarks.gpu.fallback import recorded_or_plain
    from benchmarks.gpu.sizes import fit, members_of
    from benchmarks.step_profile import profile_step
    from sertool.core.recipe.load import load

    recipe = fit(settings)(load("iemocap"))
    steps, turns = (TINY_STEPS, TINY_TURNS) if settings.tiny else (STEPS, TURNS)
    tables: list[dict[str, Any]] = []
    for members in MEMBERS:

        def measure(precision: "Precision", members: int = members_of(settings, members)) -> dict[str, Any]:
            return profile_step(recipe, precision, members, steps, turns)

        found, note = recorded_or_plain(measure, settings.precision())
        tables.append({**found, "note": note})
        settings.write(tables)


if __name__ == "__main__":
    serve(work)
