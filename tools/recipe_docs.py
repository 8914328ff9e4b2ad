"""Write the tables of docs/recipes.md from the code: every recipe, every key; `make docs` checks them."""

import sys
from pathlib import Path
from typing import Any

from tables_in_docs import with_table

from sertool.core.files.yaml_file import dump_yaml
from sertool.core.recipe import load as recipes
from sertool.core.recipe.bounds import MAX_SEED

KINDS = ("", " of a pretrained encoder", " of openSMILE")  # titles of the kinds of a frontend
DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "recipes.md"


def main() -> None:
    """Put the current tables between the markers of the document."""
    DOCUMENT.write_text(updated(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{DOCUMENT}: written\n")


def updated(text: str) -> str:
    """Return the document with its generated parts written again."""
    text = with_table(text, "recipes", "recipe_docs", recipe_table())
    return with_table(text, "keys", "recipe_docs", key_tables())


def recipe_table() -> str:
    """One row a shipped recipe."""
    lines = ["| recipe | data set | protocol | model | members | about |", "|---|---|---|---|---|---|"]
    for name in recipes.names():
        row = recipes.summary(name)
        members = f"{row['folds']} x {row['runs']}" if row["folds"] > 1 else row["runs"]
        cells = (f"`{name}`", row["dataset"], row["protocol"], row["architecture"], members, row["about"])
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def key_tables() -> str:
    """One table a section of the recipe, one row a key."""
    schema = recipes.Recipe.model_json_schema()
    sections = {"": schema}
    for key, field in schema["properties"].items():
        for kind, reference in enumerate(_kinds(field)):
            inner = _section(reference, schema)
            if inner is not None:
                sections[f"{key}{KINDS[kind]}"] = inner
    return "\n".join(_table(key, section, schema) for key, section in sections.items())


def _kinds(field: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the sections that a field may be, or the field itself: a frontend has several, a context may be null."""
    if "anyOf" in field and any("$ref" in kind for kind in field["anyOf"]):
        return [kind for kind in field["anyOf"] if "$ref" in kind]
    return field.get("oneOf", [field])


def _section(field: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any] | None:
    """Return the section that a field refers to, itself or as the items of a list or a table."""
    items = field.get("items") or field.get("additionalProperties")
    reference = field.get("$ref") or (items.get("$ref") if isinstance(items, dict) else None)
    section: dict[str, Any] | None = schema["$defs"][reference.rpartition("/")[2]] if reference else None
    return section


def _table(key: str, section: dict[str, Any], schema: dict[str, Any]) -> str:
    lines = [f"### {key or 'top level'}", ""]
    if key:
        lines += [section["description"].replace("``", "`"), ""]
    lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
    for name, field in section["properties"].items():
        is_section = any(_section(kind, schema) is not None for kind in _kinds(field))
        optional = is_section and "anyOf" in field
        default = "" if is_section and not optional else _default(field, name in section.get("required", ()))
        if (key, name) == ("", "name"):
            default = "the file's name"
        single = optional or "$ref" in field or "oneOf" in field
        value = "section" if single else "sections" if is_section else _kind(field)
        cells = (f"`{name}`", value, default, field["description"])
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _default(field: dict[str, Any], required: bool) -> str:
    if required:
        return "must be given"
    text = dump_yaml({"": field["default"]}).partition(":")[2].strip()
    return f"`{text}`" if not isinstance(field["default"], list) else f"`[{', '.join(field['default'])}]`"


def _kind(field: dict[str, Any]) -> str:
    """Describe the allowed values in words."""
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_kind(part) for part in field["anyOf"]))
    if "enum" in field or "const" in field:
        return ", ".join(f"`{word}`" for word in field.get("enum", [field.get("const")]))
    kind = field["type"]
    if kind == "object":
        return f"table of {_kind(field['additionalProperties'])} by {_kind(field['propertyNames'])}"
    if kind == "array":
        inner = _kind(field["items"])
        return f"list of {inner}"
    if kind in ("integer", "number"):
        limits = [
            f"{sign} {field[limit]:,.12g}"
            for limit, sign in (
                ("minimum", "≥"),
                ("exclusiveMinimum", ">"),
                ("maximum", "≤"),
                ("exclusiveMaximum", "<"),
            )
            if limit in field and field[limit] != MAX_SEED
        ]
        return " ".join(["whole number" if kind == "integer" else "number", ", ".join(limits)]).strip()
    return {"string": "text", "null": "`null`", "boolean": "`true`, `false`"}[kind]


if __name__ == "__main__":
    main()
