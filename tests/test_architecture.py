"""Who imports whom, read from the source: the rules of docs and CONTRIBUTING.md hold by this."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import sertool

PACKAGE = Path(sertool.__file__).parent
FILES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")
}
MODULES = {name.removesuffix(".__init__"): path for name, path in FILES.items()}
CORE = [name for name in MODULES if name.startswith("sertool.core")]
COMMANDS = [name for name in MODULES if name.startswith("sertool.commands")]
NO_TORCH = [
    f"sertool.core.{name}"
    for name in (
        "errors",
        "labels",
        "metrics",
        "statistics",
        "scores",
        "reliability",
        "calibration",
        "recipe",
        "recipe_schema",
        "recipe_errors",
        "yaml_file",
        "text",
        "artifacts",
        "safe_pickle",
        "unpickler",
        "splitting",
        "sealing",
        "history",
        "predicted",
        "prediction_store",
        "run_files",
        "corpora.corpus",
        "corpora.corpus_files",
        "corpora.load",
        "corpora.emodb",
        "archives",
        "unpacking",
        "tar_stream",
    )
]
NO_TORCH += [
    name
    for name in CORE
    if name.startswith(
        tuple(
            f"sertool.core.{part}"
            for part in ("inspection", "environment", "downloads", "statistics", "reporting")
        )
    )
]
HEAVY = ("torch", "spacy", "matplotlib", "sklearn", "librosa", "scipy", "safetensors", "numpy", "pydantic")


def imports(name: str, *, everywhere: bool) -> set[str]:
    """What a module imports, as full names; ``everywhere``: inside functions and for type checkers too."""
    found: set[str] = set()

    def walk(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                found.update(alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{name}: a relative import"
                for alias in child.names:
                    inner = f"{child.module}.{alias.name}"
                    found.add(inner if inner in MODULES else str(child.module))
            elif everywhere or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                if (
                    not everywhere
                    and isinstance(child, ast.If)
                    and "TYPE_CHECKING" in ast.unparse(child.test)
                ):
                    continue
                walk(child)

    walk(ast.parse(MODULES[name].read_text()))
    return found


def top(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def closure(name: str) -> set[str]:
    """All that is imported by importing a module, its own package's modules followed."""
    seen, todo = set(), {name}
    while todo:
        module = todo.pop()
        seen.add(module)
        if module in MODULES:
            todo |= imports(module, everywhere=False) - seen
    return seen


def test_the_modules_are_found():
    assert {"sertool.cli", "sertool.core", "sertool.core.training.loop", "sertool.commands.train"} <= set(
        MODULES
    )
    assert len(CORE) > 30
    assert set(NO_TORCH) <= set(CORE)
    assert imports("sertool.core.models.build", everywhere=True) >= {"sertool.core.recipe.load", "torch"}


@pytest.mark.parametrize("name", CORE)
def test_the_core_knows_no_command_and_never_prints(name):
    found = imports(name, everywhere=True)
    assert not {module for module in found if module.startswith(("sertool.commands", "sertool.cli"))}
    assert not top(found) & {"typer", "click", "rich", "tqdm"}
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        assert called not in ("print", "input", "breakpoint", "eval", "exec", "exit", "sys.exit")
        assert not called.startswith(("sys.stdout", "sys.stderr"))


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_import_the_core_and_what_commands_share(name):
    own = {module for module in imports(name, everywhere=True) if module.startswith("sertool")}
    assert all(module.startswith(("sertool.core", "sertool.commands")) for module in own)
    heavy = top(closure(name)) & (set(HEAVY) - {"numpy"})
    assert not heavy, f"imported at the top: {heavy}"


@pytest.mark.parametrize("name", [name for name in CORE if name.startswith("sertool.core.models.")])
def test_models_know_no_recipe_and_no_files(name):
    own = {module for module in imports(name, everywhere=True) if module.startswith("sertool")}
    allowed = {"sertool.core.recipe.load"} if name.endswith(".build") else set()
    assert all(
        module.startswith(("sertool.core.models.", "sertool.core.models.kernels")) for module in own - allowed
    )
    assert not top(imports(name, everywhere=True)) & {"pathlib", "os", "json", "safetensors"}


@pytest.mark.parametrize(
    "name", ["training", "inference", "optim", "metrics", "statistics", "batches", "splitting"]
)
def test_what_computes_writes_no_files(name):
    found = imports(f"sertool.core.{name}", everywhere=True)
    assert not found & {
        f"sertool.core.{other}" for other in ("checkpoint", "artifacts", "runs", "ensembling")
    }
    assert not top(found) & {"pathlib", "os", "json", "safetensors", "shutil", "tempfile"}


def test_reports_run_no_model():
    for name in CORE:
        if name.startswith("sertool.core.report"):
            assert not {m for m in closure(name) if m.startswith("sertool.core.models")}, name


def test_the_core_has_no_circles():
    edges = {name: imports(name, everywhere=True) & set(CORE) - {name} for name in CORE}
    left = dict(edges)
    while free := [name for name, others in left.items() if not others & set(left)]:
        for name in free:
            del left[name]
    assert not left, f"these import each other: {sorted(left)}"


@pytest.mark.parametrize("name", NO_TORCH)
def test_these_need_no_torch(name):
    assert not top(closure(name)) & {"torch", "spacy", "sklearn", "matplotlib", "librosa"}


def test_importing_them_really_loads_no_torch():
    code = (
        f"import importlib, json, sys\nfor name in {NO_TORCH!r}: importlib.import_module(name)\n"
        "print(json.dumps(sorted(set(sys.modules) & {'torch', 'spacy', 'sklearn', 'matplotlib'})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize("name", MODULES)
def test_files_and_functions_are_short(name):
    text = MODULES[name].read_text()
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < 60, node.name


@pytest.mark.parametrize("name", MODULES)
def test_no_pickle_is_read_or_written_freely(name):
    """The restricted unpickler is the one place that knows pickle, for torch's files too."""
    found = imports(name, everywhere=True)
    if name not in ("sertool.core.files.unpickler", "sertool.core.files.pickles"):
        assert not top(found) & {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        assert called != "torch.load"
        if called in ("np.load", "numpy.load"):
            assert {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}[
                "allow_pickle"
            ] == "False"
