"""The architecture, read from the source: imports, sizes of files and functions, docstrings, pickles."""

import ast
import json
import subprocess
import sys
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

import pytest

import sertool

PACKAGE = Path(sertool.__file__).parent
FILES = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
MODULES = {name.removesuffix(".__init__"): path for name, path in FILES.items()}
CORE = [name for name in MODULES if name.startswith("sertool.core")]
COMMANDS = [name for name in MODULES if name.startswith("sertool.commands")]
# Each room of the core with those it may import from; every one of them stands above it, so imports run one way.
ROOMS = {
    "errors": "",
    "formatting": "",
    "command_line": "",
    "metrics": "errors formatting",
    "files": "errors formatting",
    "compute": "errors formatting files",
    "recipe": "errors formatting files metrics",
    "features": "errors formatting files compute recipe",
    "corpora": "errors formatting command_line metrics files recipe features",
    "prepare": "errors formatting metrics files compute recipe features corpora",
    "doctor": "errors formatting command_line metrics files recipe features corpora",
    "fetch": "errors formatting files recipe corpora prepare",
    "models": "errors compute recipe",
    "training": "errors formatting metrics compute recipe corpora models",
    "runs": "errors formatting command_line metrics files compute recipe features corpora models training",
    "inference": (
        "errors formatting command_line metrics files compute recipe features corpora prepare doctor models training "
        "runs"
    ),
    "bench": "errors formatting metrics files compute recipe corpora models training runs inference",
    "reports": "errors formatting command_line metrics files recipe features corpora prepare doctor training runs",
    "cross": (
        "errors formatting command_line metrics files compute recipe corpora prepare training runs inference reports"
    ),
    "export": "errors formatting metrics files compute recipe features corpora models training runs inference",
}
# All of a room, but for the modules behind the dash.
NO_TORCH_ROOMS = {
    "errors": (),
    "formatting": (),
    "command_line": (),
    "metrics": (),
    "files": ("torch_files", "reference_checkpoints"),
    "recipe": (),
    "corpora": (),
    "prepare": ("add_sets", "assemble", "extraction", "summary"),
    "doctor": (),
    "fetch": (),
    "reports": (),
}
NO_TORCH = [
    name
    for name in CORE
    if (parts := name.split(".")[2:]) and parts[0] in NO_TORCH_ROOMS and parts[-1] not in NO_TORCH_ROOMS[parts[0]]
]
NO_TORCH += [
    f"sertool.core.{name}"
    for name in (
        "compute.cards",
        "compute.environment",
        "features.audio",
        "features.frontend",
        "features.log_mel",
        "inference.imported",
        "inference.label_facts",
        "inference.subject",
        "runs.ensemble_size",
        "runs.folder",
        "runs.imported",
        "runs.predictions",
        "runs.prediction_files",
        "runs.score_intervals",
        "runs.temperature",
        "training.history",
    )
]
HEAVY = ("torch", "spacy", "matplotlib", "sklearn", "librosa", "scipy", "safetensors", "numpy", "pydantic")


@cache
def tree(name: str) -> ast.Module:
    """Parse a module, once for all tests."""
    return ast.parse(MODULES[name].read_text())


@cache
def imports(name: str, *, everywhere: bool) -> frozenset[str]:
    """Collect the full names of a module's imports; ``everywhere`` adds those in functions and for type checkers."""
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
                if not everywhere and isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                    continue
                walk(child)

    walk(tree(name))
    return frozenset(found)


def called_in(name: str) -> Iterator[tuple[str, ast.Call]]:
    """Yield all calls in a module, each with the text of what is called."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def top(names: Collection[str]) -> set[str]:
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


def room_of(name: str) -> str:
    """The room of a core module; ``version`` and the package itself are none."""
    parts = name.split(".")
    return parts[2] if parts[:2] == ["sertool", "core"] and len(parts) > 2 else ""


def test_the_modules_are_found():
    assert {"sertool.cli", "sertool.core", "sertool.core.training.loop", "sertool.commands.train"} <= set(MODULES)
    assert len(CORE) > 150
    assert set(NO_TORCH) <= set(CORE)
    assert imports("sertool.core.models.build", everywhere=True) >= {"sertool.core.recipe.schema", "torch"}


def test_every_room_is_in_the_table_and_stands_below_those_it_imports():
    assert {room_of(name) for name in CORE} - {""} == set(ROOMS)
    above: set[str] = set()
    for room, allowed in ROOMS.items():
        assert set(allowed.split()) <= above, room
        above.add(room)


# A loop, and not a test for each module: thousands of tests take longer than what they check.
def test_imports_run_one_way():
    for name in CORE:
        own = {module for module in imports(name, everywhere=True) if module.startswith("sertool")}
        allowed = {room_of(name), *ROOMS.get(room_of(name), "").split()}
        outside = {module for module in own if room_of(module) not in allowed and module != "sertool.version"}
        assert not outside, name


def test_the_core_knows_no_command_and_never_prints():
    for name in CORE:
        found = imports(name, everywhere=True)
        assert not {module for module in found if module.startswith(("sertool.commands", "sertool.cli"))}, name
        assert not top(found) & {"typer", "click", "rich", "tqdm"}, name
        for called, _ in called_in(name):
            assert called not in ("print", "input", "breakpoint", "eval", "exec", "exit", "sys.exit"), name
            assert not called.startswith(("sys.stdout", "sys.stderr")), name


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_import_the_core_and_what_commands_share(name):
    own = {module for module in imports(name, everywhere=True) if module.startswith("sertool")}
    assert all(module.startswith(("sertool.core", "sertool.commands")) for module in own)
    heavy = top(closure(name)) & (set(HEAVY) - {"numpy"})
    assert not heavy, f"imported at the top: {heavy}"


@pytest.mark.parametrize("name", [name for name in CORE if room_of(name) == "models"])
def test_models_know_no_recipe_and_no_files(name):
    found = imports(name, everywhere=True)
    assert name.endswith(".build") or "recipe" not in {room_of(module) for module in found}
    assert not top(found) & {"pathlib", "json", "safetensors"}
    assert name.endswith(".kernels") or "os" not in top(found)  # a variable of the environment switches kernels off


@pytest.mark.parametrize("name", [name for name in CORE if room_of(name) in ("training", "metrics")])
def test_what_computes_writes_no_files(name):
    assert not top(imports(name, everywhere=True)) & {
        "pathlib",
        "os",
        "json",
        "safetensors",
        "shutil",
        "tempfile",
    }


def test_reports_run_no_model():
    for name in CORE:
        if room_of(name) == "reports":
            assert not {m for m in closure(name) if m.startswith("sertool.core.models")}, name


def test_the_core_has_no_circles():
    edges = {name: imports(name, everywhere=True) & set(CORE) - {name} for name in CORE}
    left = dict(edges)
    while free := [name for name, others in left.items() if not others & set(left)]:
        for name in free:
            del left[name]
    assert not left, f"these import each other: {sorted(left)}"


def test_these_need_no_torch():
    for name in NO_TORCH:
        assert not top(closure(name)) & {"torch", "spacy", "sklearn", "matplotlib", "librosa"}, name


def test_importing_them_really_loads_no_torch():
    code = (
        f"import importlib, json, sys\nfor name in {NO_TORCH!r}: importlib.import_module(name)\n"
        "print(json.dumps(sorted(set(sys.modules) & {'torch', 'spacy', 'sklearn', 'matplotlib'})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_files_and_functions_are_short():
    for name, path in MODULES.items():
        assert len(path.read_text().splitlines()) <= 400, name
        for node in ast.walk(tree(name)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno - node.lineno < 60, f"{name}: {node.name}"


def test_docstrings_stand_alone():
    """None begins with a word that makes sense beside the signature only, as in "Of each member"."""
    for name in MODULES:
        for node in ast.walk(tree(name)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node) or ""
                alone = ("What", "How", "Whether", "Of", "That", "Those", "Who", "Whose", "It", "Same")
                assert text.partition(" ")[0] not in alone, f"{name}: {text}"
                assert not text.startswith("The same "), f"{name}: {text}"


def test_no_pickle_is_read_or_written_freely():
    """The restricted unpickler is the one place that knows pickle, for torch's files too."""
    # process_worker reads what its own parent sent, through a socket or a file that no other process has.
    own = ("sertool.core.files.unpickler", "sertool.core.files.pickles", "sertool.core.compute.process_worker")
    for name in MODULES:
        if name not in own:
            found = top(imports(name, everywhere=True))
            assert not found & {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}, name
        for called, node in called_in(name):
            assert called != "torch.load", name
            if called in ("np.load", "numpy.load"):
                given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert given["allow_pickle"] == "False", name
