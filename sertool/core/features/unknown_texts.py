"""Texts that a text encoder's tokenizer does not know, as those in a script that it was not made for."""

from collections.abc import Sequence

from sertool.core.features.frontend import TextFrameMaker
from sertool.core.formatting import first_few, plural

_MOST = 0.5  # share of a text's tokens; above it, the text is hardly in a language of the model


def unknown_warnings(maker: TextFrameMaker, names: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Warn of texts whose tokens are mostly unknown.

    Args:
        maker: the text encoder.
        names: name of each text in the warning.
        texts: the texts.

    Returns:
        One sentence, or none.

    Raises:
        DataError: the tokenizer cannot be loaded.
    """
    shares = maker.unknown(texts)
    mostly = [f"{name} ({share:.0%})" for name, share in zip(names, shares, strict=True) if share > _MOST]
    if not mostly:
        return []
    return [
        f"{maker.note['model']}: most tokens are unknown to its tokenizer in {plural(len(mostly), 'text')} of "
        f"{len(texts):,}: {first_few(mostly, 20)}; choose a model for their language, or leave them out"
    ]
