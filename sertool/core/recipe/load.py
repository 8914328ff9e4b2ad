"""Recipes: a YAML file becomes one typed, frozen object; all its problems are reported at once.

A recipe is data, settings and what is known of its result. ``extends: NAME`` takes another recipe and changes
the keys that are given; ``--set section.key=value`` changes one from the command line.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from sertool.core.errors import UsageError, did_you_mean
from sertool.core.files.artifacts import read_text
from sertool.core.files.outputs import write_output
from sertool.core.files.yaml_file import dump_yaml, parse_yaml, read_yaml
from sertool.core.recipe.frontends import Frontend, OpenSmile, SpeechEncoder
from sertool.core.recipe.problems import problem_message
from sertool.core.recipe.schema import Recipe

SUFFIXES = (".yaml", ".yml")
# Placeholder for the folder in recipes that leave it to the user (custom), wherever they are only shown.
USERS_PATH = "data/MYSET"
# Sections of frontends by the key that tells them from log-mels.
_OTHERS: dict[str, type[BaseModel]] = {"model": SpeechEncoder, "opensmile": OpenSmile}
# Keys by section that came with later versions, see :func:`resolved`.
_LATER = {"dataset": ("words", "target", "labels", "clip", "map"), "training": ("balance", "loss")}


def folder() -> Path:
    """Return the folder of the shipped recipes: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parent.parent.parent
    inside = package / "recipes"
    return inside if inside.is_dir() else package.parent / "recipes"


def names() -> list[str]:
    """List the names of the shipped recipes."""
    return sorted(path.stem for path in folder().glob("*.yaml"))


def find(name_or_path: str) -> Path:
    """Find the file of a recipe that is given by name or by path.

    Raises:
        UsageError: there is none; the message suggests the nearest name.
    """
    if name_or_path.endswith(SUFFIXES):
        path = Path(name_or_path)
        if _is_file(path):
            return path
        near = did_you_mean(path.stem, names())
        raise UsageError(
            f"{name_or_path}: no such recipe file{near}", hint="`sertool recipes list` shows the shipped ones"
        )
    if name_or_path in names():
        return folder() / f"{name_or_path}.yaml"
    raise UsageError(
        f"no recipe {name_or_path!r}{did_you_mean(name_or_path, names())}",
        hint="`sertool recipes list` shows the shipped ones; a path must end in .yaml",
    )


def load(name_or_path: str, overrides: list[str] | None = None, *, users_path: str | None = None) -> Recipe:
    """Read a recipe over the one it extends, and apply ``section.key=value`` overrides.

    Args:
        name_or_path: a shipped recipe, or a path that ends in .yaml.
        overrides: applied in order, so the last one wins.
        users_path: used as ``dataset.path`` where the recipe leaves that to the user; None: a missing path is an error.

    Raises:
        UsageError: the recipe is wrong; one message lists every unknown key and wrong value.
    """
    path = find(name_or_path)
    content = _with_base(path, [])
    for override in overrides or []:
        _apply(content, override)
    dataset = content.get("dataset")
    if users_path is not None and isinstance(dataset, dict):
        content["dataset"] = {"path": users_path, **dataset}
    return validate(content, str(path))


def sources(name_or_path: str) -> list[Path]:
    """List the files of a recipe that can be loaded: its own, and those that it extends.

    Raises:
        UsageError: there is no such recipe.
    """
    files = [find(name_or_path)]
    while base := read_yaml(files[-1]).get("extends"):
        files.append(_base_path(base, files[-1]))
    return files


def validate(content: dict[str, Any], origin: str) -> Recipe:
    """Check parsed content; ``origin`` names it in errors.

    Raises:
        UsageError: the content is wrong; one message lists every unknown key and wrong value.
    """
    try:
        # Through JSON: strict validation of Python objects refuses what JSON spells otherwise (tuples).
        return Recipe.model_validate_json(json.dumps(content))
    except ValidationError as error:
        raise UsageError(problem_message(origin, error, Recipe)) from error
    except (TypeError, ValueError, RecursionError) as error:  # such as a date, which JSON does not know
        raise UsageError(f"{origin}: holds something that is not text, number, list or table ({error})") from error


def resolved(recipe: Recipe) -> str:
    """Write out the whole recipe as YAML: every key, in the schema's order. Loading that gives an equal recipe.

    Keys that earlier versions did not have are left out where they have their default, so that recipes of those
    versions keep their bytes and hashes.
    """
    content = recipe.model_dump(mode="json")
    for section, keys in _LATER.items():
        fields = type(getattr(recipe, section)).model_fields
        for key in keys:
            if getattr(getattr(recipe, section), key) == fields[key].default:
                del content[section][key]
    if recipe.text_frontend == "words":
        del content["text_frontend"]
    if recipe.context is None:
        del content["context"]
    return dump_yaml(content)


def summary(name_or_path: str) -> dict[str, Any]:
    """Summarise a recipe for the list of recipes.

    Its keys are name, dataset, task, protocol, architecture, encoders, runs, folds, path (null where the recipe
    leaves it to the user) and about.
    """
    recipe = load(name_or_path, users_path=USERS_PATH)
    dataset, folds = recipe.dataset, recipe.splits.folds
    path = None if dataset.path == USERS_PATH else dataset.path
    own = path.removeprefix("packaged:") if path else "yours"
    return {
        "name": recipe.name,
        "dataset": own if dataset.reader == "corpus" else dataset.reader.upper(),
        "task": dataset.task,
        "protocol": recipe.protocol,
        "architecture": recipe.model.architecture,
        "encoders": recipe.encoders,
        "runs": recipe.training.runs,
        "folds": len(folds) if isinstance(folds, list) else folds or 1,
        "path": path,
        "about": recipe.about,
    }


def copy(name_or_path: str, destination: Path, *, force: bool = False) -> None:
    """Copy a recipe's file as it is, comments and ``extends`` included.

    Args:
        name_or_path: a shipped recipe, or a path that ends in .yaml.
        destination: path that ends in .yaml; its name becomes the recipe's.
        force: replace an existing file.

    Raises:
        UsageError: the copy could not be loaded, or the destination already exists.
    """
    source = find(name_or_path)
    if destination.suffix not in SUFFIXES:
        raise UsageError(f"{destination}: a recipe's file ends in .yaml")
    # exists() alone is False for a link whose target is gone.
    if not force and (destination.exists() or destination.is_symlink()):
        raise UsageError(f"{destination}: already exists", hint="--force replaces it")
    content = read_yaml(source)
    base = content.get("extends") if isinstance(content, dict) else None
    if isinstance(base, str) and base.endswith(SUFFIXES) and destination.resolve().parent != source.resolve().parent:
        raise UsageError(
            f"{source}: extends {base}, which lies beside it and would not lie beside {destination}",
            hint="copy it to the same folder, or copy the other one too and edit `extends`",
        )
    merged = _with_base(source, [])
    if "name" not in content:
        merged["name"] = destination.stem
    merged["dataset"] = {"path": USERS_PATH, **merged["dataset"]} if isinstance(merged.get("dataset"), dict) else {}
    validate(merged, str(destination))
    write_output(destination, read_text(source).encode())  # the text itself, so that comments survive


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, a folder that may not be entered
        return False


def _with_base(path: Path, seen: list[Path]) -> dict[str, Any]:
    """Read a recipe file over the recipe it extends; ``name`` is never inherited."""
    # Resolved, so that a recipe cannot reach itself under ever longer names of the same file.
    path_seen = path.resolve()
    if path_seen in seen:
        raise UsageError(f"{path}: extends itself through {' -> '.join(item.stem for item in [*seen, path_seen])}")
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise UsageError(f"{path}: a recipe is a table of keys, this is {_kind(content)}")
    content = {"name": path.stem, **content}  # set before the merge, so that no base gives its name
    base = content.pop("extends", None)
    if base is None:
        return content
    if not isinstance(base, str):
        raise UsageError(f"{path}: extends: expected the name of a recipe, got {base!r}")
    return _merge(_with_base(_base_path(base, path), [*seen, path_seen]), content)


def _base_path(base: str, path: Path) -> Path:
    """Find the recipe that ``extends`` names: a path is relative to the file, a bare name is a shipped recipe."""
    try:
        return find(str(path.parent / base)) if base.endswith(SUFFIXES) else find(base)
    except UsageError as error:
        raise UsageError(f"{path}: extends: {error}", hint=error.hint) from error


def _kind(content: Any) -> str:
    kinds = {type(None): "empty", list: "a list", str: "text", bool: "true or false"}
    return kinds.get(type(content), "a number")


def _merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Merge tables key by key; anything else, lists included, is replaced."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        if key == "frontend" and isinstance(old, dict) and isinstance(value, dict):
            old = _of_kind(old, value)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _of_kind(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of an earlier frontend that the kind of a later one has: an encoder has none of log-mels."""
    settings = old if not set(new) & {*_OTHERS, *Frontend.model_fields} else new
    section = next((section for key, section in _OTHERS.items() if key in settings), Frontend)
    return {key: value for key, value in old.items() if key in section.model_fields}


def _apply(content: dict[str, Any], override: str) -> None:
    """Set one key of ``content``; the tables on the way are copied, so that a base recipe stays as it is."""
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise UsageError(f"--set {override}: expected section.key=value, for example training.batch_size=64")
    if parts == ["extends"]:
        raise UsageError(f"--set {override}: a recipe file names what it extends; copy it with `sertool recipes copy`")
    value = parse_yaml(text, f"--set {override}")
    section = content
    for depth, part in enumerate(parts[:-1], start=1):
        inner = section.get(part, {})
        if not isinstance(inner, dict):
            raise UsageError(f"--set {override}: {'.'.join(parts[:depth])} holds no keys")
        section[part] = section = dict(inner)
    if parts[:-1] == ["frontend"] and parts[-1] in _OTHERS:
        kept = _of_kind(section, {parts[-1]: value})
        section.clear()
        section.update(kept)
    section[parts[-1]] = value
