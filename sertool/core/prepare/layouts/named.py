"""The value of ``--layout``: the name of a published corpus, or the levels of a folder."""

from sertool.core.errors import UsageError, did_you_mean
from sertool.core.prepare.layout import ROLES
from sertool.core.prepare.layouts.corpus_layout import CorpusLayout
from sertool.core.prepare.layouts.registry import LAYOUTS


def named(text: str) -> CorpusLayout | None:
    """Return the layout of the published corpus that a text names; None if it names levels of folders.

    Raises:
        UsageError: it is one word, and neither a corpus nor a level.
    """
    name = text.strip("/ ").lower().replace("_", "-")
    if name in LAYOUTS or "/" in name or name in ROLES:
        return LAYOUTS.get(name)
    raise UsageError(
        f"--layout {text}: no published corpus or level is called {name!r}{did_you_mean(name, [*LAYOUTS, *ROLES])}",
        hint=f"corpora: {', '.join(LAYOUTS)}; levels of a folder, separated by /: {', '.join(ROLES)}",
    )
