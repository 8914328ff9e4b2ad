"""Commands that prepare the paper's corpora from their owners' copies, where the paper's archive cannot be had."""

from typing import TYPE_CHECKING

from sertool.core.command_line import command_line

if TYPE_CHECKING:
    from pathlib import Path

    from sertool.core.fetch.sources import Source

# By reader, which is the layout's name too: the folder as its owner names it, or as users do, and the paper's recipe.
_ORIGINALS = {
    "iemocap": ("IEMOCAP_full_release", "iemocap"),
    "mosi": ("CMU_MOSI", "mosi"),
    "mosei": ("CMU_MOSEI", "mosei-2"),
    "meld": ("MELD.Raw", "meld"),
}


def from_originals(source: "Source", dest: "Path") -> str:
    """Return a sentence and the commands that prepare a source's corpora from their owners' copies; empty without any.

    Args:
        source: the source whose archive cannot be had.
        dest: folder that the archive would be unpacked into.
    """
    lines = [
        command_line(
            "prepare", _ORIGINALS[kind][0], "--layout", kind, "--recipe", _ORIGINALS[kind][1], "--out", dest / name
        )
        for name, kind in source.unpacks_to.items()
        if kind in _ORIGINALS
    ]
    return "\n  ".join(["\n  the corpora from their owners serve as well (docs/corpora.md):", *lines]) if lines else ""
