"""Sources that can be fetched, from the packaged manifest and from users' own."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from sertool.core.corpora.readers.layouts import LAYOUTS
from sertool.core.errors import UsageError, did_you_mean
from sertool.core.files.yaml_file import read_yaml
from sertool.core.recipe.problems import problem_message

# The readers' names come from their table, so a new reader can be fetched without a change here.
CORPORA = (*LAYOUTS, "corpus")
KINDS = (*CORPORA, "models", "vectors", "emodb", "files")
Kind = Literal[KINDS]  # type: ignore[valid-type]  # a checker cannot know what the table holds
# Becomes the name of a file or folder, so it must not lead out of its parent.
_PLAIN_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
_PACKAGED = Path(__file__).resolve().parent / "sources.yaml"


def is_address(text: str) -> bool:
    """Check whether a text is an address that can be fetched from."""
    return re.fullmatch(r"https?://[^\s/]+(/\S*)?", text) is not None


def checksum(text: str) -> str:
    """Return a SHA-256 in lower case, the form in which checksums are compared.

    Raises:
        ValueError: the text is not a SHA-256.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", text.lower()):
        raise ValueError("expected a SHA-256, 64 hexadecimal digits")
    return text.lower()


def _address(text: str) -> str:
    if not is_address(text):
        raise ValueError(f"expected an address that starts with http:// or https:// (got {text!r:.60})")
    return text


FileName = Annotated[str, Field(pattern=_PLAIN_NAME, max_length=100)]
Address = Annotated[str, AfterValidator(_address)]
Checksum = Annotated[str, AfterValidator(checksum)]


class Source(BaseModel):
    """Archive that can be fetched."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    about: Annotated[str, Field(min_length=1)] = Field(description="what it is, in a sentence")
    archive: FileName = Field(description="name of the file while it is kept")
    urls: Annotated[list[Address], Field(min_length=1)] = Field(description="where it is; mirrors follow")
    size: Annotated[int, Field(ge=1)] | None = Field(None, description="bytes, where published")
    sha256: Checksum | None = Field(None, description="checksum, where published")
    licence: Annotated[str, Field(min_length=1)] = Field(description="of the content")
    terms: Annotated[str, Field(min_length=1)] = Field(description="what its user must know, in a sentence")
    unpacks_to: Annotated[dict[FileName, Kind], Field(min_length=1)] = Field(description="folder -> what it holds")

    @property
    def holds_models(self) -> bool:
        """True if it belongs to the trained models rather than to the data."""
        return "models" in self.unpacks_to.values()


class _Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal["sertool-sources/1"]
    sources: Annotated[dict[FileName, Source], Field(min_length=1)]


def load_sources(manifests: Sequence[Path] = ()) -> dict[str, Source]:
    """Read the packaged sources, and then users' manifests, which may replace them.

    Raises:
        UsageError: a manifest is missing or wrong; all its problems are reported at once.
    """
    sources: dict[str, Source] = {}
    for path in (_PACKAGED, *manifests):
        sources |= _read(path)
    return sources


def _read(path: Path) -> Mapping[str, Source]:
    content = read_yaml(path)
    try:
        # As JSON, for which pydantic's strict mode allows exactly the types that a file can hold.
        manifest = _Manifest.model_validate_json(json.dumps(content))
    except ValidationError as error:
        raise UsageError(problem_message(path, error, _Manifest)) from error
    if "all" in manifest.sources:
        raise UsageError(f"{path}: sources.all: `all` means every source, choose another name")
    return manifest.sources


def find_sources(names: Sequence[str], sources: Mapping[str, Source]) -> dict[str, Source]:
    """Look up sources by name; ``all`` selects every source.

    Raises:
        UsageError: there is no such source; the message suggests the nearest name.
    """
    found: dict[str, Source] = {}
    for name in names:
        if name != "all" and name not in sources:
            raise UsageError(
                f"no source is called {name!r}{did_you_mean(name, [*sources, 'all'])}",
                hint=f"there are {', '.join(sources)}, all",
            )
        found |= sources if name == "all" else {name: sources[name]}
    return found
