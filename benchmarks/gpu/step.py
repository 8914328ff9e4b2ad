"""Part 5: where the time of a recorded step goes, kernel by kernel, and the least time that a step needs."""

from typing import Any

from benchmarks.gpu.child import Settings, serve

MEMBERS = (10, 1)
STEPS, TURNS = 40, 5
TINY_STEPS, TINY_TURNS = 3, 2


def work(settings: Settings) -> None:
    """Profile steps of ten members and of one; each is written as soon as it is there."""
    from benchmarks.gpu.sizes import fit, members_of
    from benchmarks.step_profile import profile_step
    from sertool.core.recipe.load import load

    recipe = fit(settings)(load("iemocap"))
    steps, turns = (TINY_STEPS, TINY_TURNS) if settings.tiny else (STEPS, TURNS)
    tables: list[dict[str, Any]] = []
    for members in MEMBERS:
        tables.append(profile_step(recipe, settings.precision(), members_of(settings, members), steps, turns))
        settings.write(tables)


if __name__ == "__main__":
    serve(work)
