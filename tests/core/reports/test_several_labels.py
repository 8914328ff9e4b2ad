"""Every output of a multi-label run names its metrics for what they are: the accuracy is that of single labels."""

import re

import pytest
from commands_run import run
from stored_sets import changed, make_set, shuffled, write_run

from sertool.core.reports.probes import ORDER

# The settings of a training name the key of the recipe.
BARE = re.compile(r"(?<!label )(?<!best epoch by )\baccuracy\b|\bUAR\b", re.IGNORECASE)


@pytest.fixture(params=[2, 10], ids="{} speakers".format)
def outputs(request, here):
    """What each command prints and writes about a run, without its tags."""
    sets = [make_set(part, 300, kind="multi", speakers=request.param) for part in ("test", "valid")]
    others = [changed(one, logits=one.predictions.logits[:, ::-1].copy()) for one in sets]
    for name, own in (("a", sets), ("b", others)):
        write_run(here / "ckpt" / name, *own, probes=lambda stored: dict.fromkeys(ORDER, shuffled(stored)))
    shown = run("report", "--name", "a", "--name", "b", "--html", "r.html", "--markdown", "r.md", "--latex", "tables")
    compared = run("compare", "a", "b")
    assert (shown.exit_code, compared.exit_code) == (0, 0), shown.output + compared.output
    texts = {"report": shown.stdout, "compare": compared.stdout, "markdown": (here / "r.md").read_text()}
    page = (here / "r.html").read_text()
    texts["html"] = re.sub(r"<[^>]+>", " ", page[page.index("<main") : page.index("</main>")])
    texts |= {path.name: path.read_text() for path in (here / "tables").rglob("*.tex")}
    return texts


def test_no_output_has_the_bare_name(outputs):
    found = {
        name: [text[max(0, place.start() - 60) : place.end() + 20] for place in BARE.finditer(text)]
        for name, text in outputs.items()
    }
    assert {name: own for name, own in found.items() if own} == {}
