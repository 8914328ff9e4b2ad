"""Was a test set in the training of a ready model? What its card states, and a table of well-known models."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from sertool.core.files.yaml_file import read_yaml
from sertool.core.inference.ready.card import Card

_FILE = Path(__file__).resolve().parent / "known_models.yaml"


class KnownModel(BaseModel):
    """A well-known model.

    Attributes:
        corpora: corpora that its owner says it was trained on, by their keys in the table of corpora.
        others: further data, in words.
        source: page that says so.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    corpora: list[str] = Field(default_factory=list)
    others: list[str] = Field(default_factory=list)
    source: str


class KnownCorpus(BaseModel):
    """A corpus of emotional speech or text.

    Attributes:
        title: its usual name.
        names: further names in cards, layouts and folders, besides its key.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    title: str
    names: list[str] = Field(default_factory=list)


class KnownTable(BaseModel):
    """The table: well-known models by name on the hub, and corpora by key."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    models: dict[str, KnownModel]
    corpora: dict[str, KnownCorpus]


@cache
def known_table() -> KnownTable:
    """Read the table that comes with sertool."""
    return KnownTable.model_validate(read_yaml(_FILE))


@dataclass(frozen=True)
class Training:
    """Training data of a model, as far as somebody states them.

    Attributes:
        corpora: titles of known corpora, by key.
        others: further data in the words of the card or the table.
        sources: pages or files that say so.
    """

    corpora: Mapping[str, str]
    others: tuple[str, ...]
    sources: tuple[str, ...]

    @property
    def stated(self) -> bool:
        """True if somebody states any data."""
        return bool(self.corpora or self.others)

    @property
    def sentence(self) -> str:
        """Data and sources in words; that nobody states them otherwise."""
        named = [*self.corpora.values(), *self.others]
        if not named:
            return "not stated"
        return f"{', '.join(named)} (as {' and '.join(self.sources)} state{'s' * (len(self.sources) == 1)})"


def training_of(name: str, card: Card) -> Training:
    """Collect what is known of a model's training data: its card, the table, and those of the models it was made from.

    Args:
        name: name on the hub, folder or file of the model.
        card: its card.
    """
    corpora: dict[str, str] = {}
    others: list[str] = []
    sources: list[str] = []
    table = known_table()
    for stated in card.datasets:
        if keys := corpus_keys([stated]):
            corpora |= {key: table.corpora[key].title for key in keys}
        else:
            others.append(stated)
    if card.datasets:
        sources.append("its card")
    for one in dict.fromkeys([_on_hub(name), *card.base_models]):
        known = next((own for other, own in table.models.items() if other.lower() == one.lower()), None)
        if known is not None:
            corpora |= {key: table.corpora[key].title for key in known.corpora}
            others += known.others
            sources.append(known.source)
    return Training(corpora, tuple(dict.fromkeys(others)), tuple(dict.fromkeys(sources)))


def _on_hub(name: str) -> str:
    """Return the last two parts of a path, which is the name on the hub where its folders are named so."""
    return "/".join([part for part in re.split(r"[/\\]", name) if part][-2:])


def corpus_keys(names: Iterable[str]) -> list[str]:
    """Return the keys of the known corpora that texts name, each once.

    >>> corpus_keys(["narad/ravdess", "EMO-DB, four classes", "unlike"])
    ['ravdess', 'emodb']
    """
    found: dict[str, None] = {}
    for name in names:
        words = [word for word in re.split(r"[^0-9a-z]+", name.lower()) if word]
        joined = {"".join(words[i:j]) for i in range(len(words)) for j in range(i + 1, min(i + 5, len(words)) + 1)}
        for key, corpus in known_table().corpora.items():
            if any(re.sub(r"[^0-9a-z]+", "", own.lower()) in joined for own in (key, corpus.title, *corpus.names)):
                found[key] = None
    return list(found)


def seen_in_training(training: Training, corpus: Iterable[str]) -> list[str]:
    """Return the titles of the corpora among a model's training data that a corpus is, or is made from.

    Args:
        training: what is known of the model.
        corpus: names of the corpus: its name, layout and folder.
    """
    return [training.corpora[key] for key in corpus_keys(corpus) if key in training.corpora]
