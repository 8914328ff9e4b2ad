"""A joined corpus of tiny ones, whose frames differ in mean and deviation as those of two microphones do."""

from dataclasses import replace
from pathlib import Path

from builders import make_corpus

from sertool.core.corpora.corpus import Corpus
from sertool.core.prepare.joined import Part, join_parts

SIZES = {"A": (20, 6, 6), "B": (7, 6, 6), "C": (4, 6, 6)}


def part(name: str, seed: int = 0, sizes: tuple[int, ...] | None = None) -> Corpus:
    """Return one of them; the frames of later ones are larger."""
    made = make_corpus(dict(zip(("train", "valid", "test"), sizes or SIZES[name], strict=True)), seed=seed)
    shifted = replace(made.audio, flat=made.audio.flat * (1 + seed) + 10 * seed)
    return replace(made, name=name, audio=shifted, source=f"random numbers {name}")


def joined(names: str = "ABC") -> Corpus:
    """Join the corpora of these names."""
    parts = [Part(Path(name), part(name, "ABC".index(name))) for name in names]
    return replace(join_parts(parts, "TINY").corpus, name="TINY")
