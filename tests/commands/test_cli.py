"""The command line: help, exit codes, the exact text of every mistake, and nothing half-written."""

import errno
import json
import os
import pickle
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import REFERENCE, copy_case, make_corpus, tiny_recipe, write_tiny
from typer.testing import CliRunner

from sertool import __version__
from sertool.cli import app
from sertool.core.corpora.corpus_files import write_corpus
from sertool.core.files import artifacts
from sertool.core.recipe.load import resolved

COMMANDS = [
    "demo",
    "doctor",
    "prepare",
    "train",
    "ensemble",
    "predict",
    "report",
    "compare",
    "bench",
    "recipes",
    "recipes list",
    "recipes show",
    "recipes copy",
    "recipes check",
]
MAT = "iemocap-mat"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working folder of a command."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def refusal(*arguments: str, code: int) -> str:
    """What stderr holds of a command that fails with ``code``; stdout must hold nothing."""
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr


def tiny(folder: Path, **sections) -> None:
    """A corpus below data and the recipe tiny.yaml."""
    write_tiny(folder / "data")
    artifacts.write_text(folder / "tiny.yaml", resolved(tiny_recipe(**sections)))


def train(*extra: str) -> list[str]:
    return ["train", "--recipe", "tiny.yaml", "--runs", "1", *extra]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


# Help


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(command):
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Usage: " in result.stdout
    assert run(*command.split(), "-h").stdout == result.stdout
    assert result.stderr == ""


def test_every_command_is_in_the_help():
    listed = run("--help").stdout
    for command in COMMANDS:
        assert command.split()[0] in listed


def test_version():
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"sertool {__version__}\n")


def test_help_imports_nothing_heavy():
    code = (
        "import json, sys\nfrom sertool.cli import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'spacy', 'matplotlib', 'sklearn', 'scipy', 'numpy', 'pydantic', 'safetensors'}\n"
        "sys.stderr.write(json.dumps(sorted(heavy & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage: " in done.stdout
    assert json.loads(done.stderr) == []


def test_an_unknown_command_or_option_is_a_usage_error():
    assert "No such command 'trian'" in refusal("trian", code=2)
    assert "No such option" in refusal("train", "--recipe", "demo", "--sedes", "1", code=2)


# A whole small run


def test_a_run_from_recipe_to_result(here):
    tiny(here)
    result = run(
        *["train", "--recipe", "tiny.yaml", "--name", "mine", "--seeds", "3,5", "--json", "out/train.json"]
    )
    assert result.exit_code == 0, result.stderr
    scores = [
        100 * member["score"] for member in json.loads((here / "out/train.json").read_text())["members"]
    ]
    assert result.stdout.splitlines()[0] == (
        f"mine · 2 members · valid accuracy {np.mean(scores):.2f} (sd {np.std(scores, ddof=1):.2f}), "
        f"best {max(scores):.2f}"
    )
    assert result.stdout.splitlines()[-1] == "next: sertool ensemble --name mine"
    assert "TINY · emotion, 3 classes · train 24 · valid 12 · test 12 · 6 speakers" in result.stderr
    summary = json.loads((here / "out/train.json").read_text())
    assert {member["seed"] for member in summary["members"]} == {3, 5}
    assert summary["selected_on_test"] is False
    run_files = {"model.safetensors", "history.jsonl", "run.json"}
    expected = {f"run-{seed}/{name}" for seed in (3, 5) for name in run_files}
    assert files(here / "ckpt/mine") - {".lock"} == expected | {
        "recipe.yaml",
        "corpus.json",
        "vocabulary.json",
        "log.jsonl",
    }

    result = run(
        "ensemble",
        "--name",
        "mine",
        "--sets",
        "valid,test",
        "--json",
        "out/result.json",
        "--predictions",
        "out/p.csv",
    )
    assert result.exit_code == 0, result.stderr
    assert "selected on test" not in result.stdout
    table = json.loads((here / "out/result.json").read_text())
    members = [member["checkpoint"] for member in table["sets"]["valid"]["members"]]
    scores = {member["run"]: member["score"] for member in summary["members"]}
    assert [scores[name] for name in members] == sorted(scores.values(), reverse=True)
    # The score a member was selected by is what its weights have on the validation set.
    assert [member["accuracy"] for member in table["sets"]["valid"]["members"]] == [
        scores[name] for name in members
    ]
    assert [part["members"] for part in table["sets"]["test"]["ensemble"]] == [1, 2]
    assert len((here / "out/p.csv").read_text().splitlines()) == 1 + 24


def test_cross_validation_is_pooled_over_folds(here):
    tiny(here, splits={"scheme": "folds", "folds": 3, "group": "speaker"}, dataset={"standardize": "corpus"})
    assert run("train", "--recipe", "tiny.yaml", "--runs", "2").exit_code == 0
    result = run("ensemble", "--name", "tiny", "--json", "r.json", "--predictions", "p.csv")
    assert result.exit_code == 0, result.stderr
    own = json.loads((here / "r.json").read_text())["sets"]["test"]
    assert own["utterances"] == 48
    assert [part["members"] for part in own["ensemble"]] == [1, 2]
    assert {member["checkpoint"] for member in own["members"]} == {
        f"run-{s}-{f}" for s in (1, 2) for f in range(3)
    }
    rows = (here / "p.csv").read_text().splitlines()[1:]
    assert len({row.split(",")[1] for row in rows}) == 48


@pytest.mark.parametrize("architecture", ["mat", "mnt"])
@pytest.mark.parametrize("text_frames", [0, 7], ids=["words", "frames"])
@pytest.mark.parametrize("modalities", [["text", "audio"], ["text"], ["audio"]], ids="+".join)
def test_every_kind_of_input_trains_and_is_judged(here, modalities, text_frames, architecture):
    tiny(
        here,
        dataset={"modalities": modalities, "standardize": "corpus"},
        model={"architecture": architecture},
        training={"max_epochs": 2},
    )
    write_corpus(make_corpus(text_frames=text_frames), here / "data/TINY")
    assert run(*train("--json", "train.json")).exit_code == 0
    assert run("ensemble", "--name", "tiny", "--sets", "valid", "--json", "r.json").exit_code == 0
    (member,) = json.loads((here / "train.json").read_text())["members"]
    (judged,) = json.loads((here / "r.json").read_text())["sets"]["valid"]["members"]
    assert judged["accuracy"] == member["score"]


def test_bfloat16_trains_on_a_cpu(here):
    tiny(here)
    result = run(*train("--precision", "bf16"))
    assert result.exit_code == 0
    assert "bf16" in result.stderr


def test_a_recipe_that_does_not_fit_the_corpus_leaves_no_run_behind(here):
    tiny(here, training={"class_weights": [1.0, 2.0]})
    result = run(*train())
    assert result.exit_code == 2
    assert result.stderr.endswith("\nerror: training.class_weights: 2 weights for 3 classes\n")
    assert files(here / "ckpt") <= {"tiny/.lock"}
    assert run(*train("--set", "training.class_weights=[1,2,3]")).exit_code == 0


def test_after_a_first_epoch_that_failed_another_recipe_may_take_the_folder(here):
    tiny(here)
    result = run(*train("--set", "training.learning_rate=1e30"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith(
        "error: seed 1: the loss of epoch 1 is not a finite number\n"
        "  try: a lower training.learning_rate, or training.clip_norm=1.0\n"
    )
    assert run(*train()).exit_code == 0


# Mistakes in a recipe or an option


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ["train", "--recipe", "iemocp"],
            "error: no recipe 'iemocp', did you mean 'iemocap'?\n"
            "  try: `sertool recipes list` shows the shipped ones; a path must end in .yaml\n",
        ),
        (
            ["train", "--recipe", "nothing.yaml"],
            "error: nothing.yaml: no such recipe file\n  try: `sertool recipes list` shows the shipped ones\n",
        ),
        (
            train("--set", "training.batchsize=4"),
            "error: tiny.yaml: 1 problem\n  training.batchsize: unknown key, did you mean 'batch_size'?\n",
        ),
        (
            train("--set", "batch_size"),
            "error: --set batch_size: expected section.key=value, for example training.batch_size=64\n",
        ),
        (
            ["train", "--recipe", "tiny.yaml", "--seeds", "1,2,2"],
            "error: --seeds 1,2,2: expected different whole numbers from 0 to 2147483647, like 1,2,3\n",
        ),
        (
            ["train", "--recipe", "tiny.yaml", "--seeds", "1..3"],
            "error: --seeds 1..3: expected different whole numbers from 0 to 2147483647, like 1,2,3\n",
        ),
        (
            ["train", "--recipe", "tiny.yaml", "--seeds", ""],
            "error: --seeds : expected different whole numbers from 0 to 2147483647, like 1,2,3\n",
        ),
        (
            train("--seeds", "1"),
            "error: --runs and --seeds: give only one of them\n",
        ),
        (
            train("--name", "a/b"),
            "error: --name a/b: expected the name of a folder, not a path\n",
        ),
        (
            train("--name", ".."),
            "error: --name ..: expected the name of a folder, not a path\n",
        ),
        (
            train("--device", "cpu", "--precision", "tf32"),
            "error: --precision tf32: only a CUDA device has it; a CPU takes fp32 or bf16\n",
        ),
        (
            train("--set", "dataset.task=mood"),
            "error: dataset.task: TINY has no task 'mood'\n  try: its tasks: emotion\n",
        ),
        (
            train("--set", "splits.scheme=holdout", "--set", "splits.group=session"),
            "error: TINY: utterance 'train0' has no session, and splits.group is session\n"
            "  try: name another group (--set splits.group=utterance divides single utterances)\n",
        ),
    ],
)
def test_a_mistake_is_one_message(here, arguments, text):
    tiny(here)
    before = files(here)
    code = 1 if "has no session" in text else 2
    assert refusal(*arguments, code=code) == text
    assert files(here) == before


def test_cuda_where_there_is_none(here):
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    tiny(here)
    assert refusal(*train("--device", "cuda"), code=2) == (
        "error: --device cuda: torch sees no CUDA device\n  try: --device auto takes the CPU where there is no GPU\n"
    )


def test_a_missing_data_folder(here):
    assert refusal("train", "--recipe", "iemocap", "--data", "elsewhere", code=1) == (
        "error: elsewhere/IEMOCAP: no such corpus\n"
        "  try: --data names the folder that holds the data sets; "
        "recordings of your own become one by `sertool prepare`\n"
    )
    (here / "data/IEMOCAP").mkdir(parents=True)
    text = refusal("train", "--recipe", "iemocap", code=1)
    assert text.startswith(
        "error: data/IEMOCAP: no IEMOCAP data there, expected the files of at least one split:\n"
    )
    assert not (here / "ckpt").exists()


def test_debug_shows_the_traceback(here):
    result = run("--debug", "train", "--recipe", "iemocap", "--data", "elsewhere")
    assert result.exit_code == 1
    assert str(result.exception) == "elsewhere/IEMOCAP: no such corpus"
    done = subprocess.run(
        [sys.executable, "-m", "sertool", "--debug", "train", "--recipe", "nothing"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):\n")
    assert "UsageError: no recipe 'nothing'" in done.stderr


def test_a_mistake_in_a_process_of_its_own():
    """Through the real entry point: nothing but the message, and the exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "sertool", "ensemble", "--name", "x", "--output", "/nowhere"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: /nowhere/x: holds neither runs of sertool nor checkpoints of the reference (best*.pkl)\n"
        "  try: /nowhere is empty; `sertool train` fills it\n"
    )


# Mistakes with checkpoints of the reference


@pytest.fixture
def case(here):
    """A copy of a case; its data are in data/IEMOCAP."""
    copy_case(MAT, here)
    return here


def ensemble(*extra: str) -> list[str]:
    return ["ensemble", "--name", "ref", *extra]


@pytest.mark.parametrize(
    ("extra", "text"),
    [
        (
            ["--sets", "tset"],
            "error: --sets: no set 'tset', did you mean 'test'?; there are valid, test, private\n",
        ),
        (["--sets", "test,private"], "error: --sets: IEMOCAP has no private utterances\n"),
        (["--index", "3"], "error: --index 3: there are 2 members to average\n"),
        (["--index", "0"], "error: --index 0: there are 2 members to average\n"),
        (
            ["--name", "reff"],
            "error: ckpt/reff: holds neither runs of sertool nor checkpoints of the reference (best*.pkl), "
            "did you mean 'ref'?\n  try: ckpt holds: ref\n",
        ),
    ],
)
def test_a_mistake_of_ensemble(case, extra, text):
    result = run(*ensemble(*extra, "--json", "r.json", "--predictions", "p.csv"))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.endswith(text)
    assert result.stderr.count("\n") <= 3
    assert not list(case.glob("*.json"))
    assert not list(case.glob("*.csv"))


def test_other_formats_of_names_are_told(case):
    (case / "ckpt/ref/best_model.pkl").write_bytes(b"")
    assert refusal(*ensemble(), code=1) == (
        "error: ckpt/ref/best_model.pkl: expected a name like best72.5_1234.pkl (accuracy from 0 to 100, seed)\n"
    )


@pytest.mark.filterwarnings("ignore::torch.serialization.SourceChangeWarning")
def change_checkpoint(folder: Path, change) -> Path:
    """Apply ``change`` to the content of the case's zip checkpoint."""
    path = folder / "ckpt/ref/best73.91304347826086_93324.pkl"
    content = torch.load(path, map_location="cpu", weights_only=False)
    change(content)
    torch.save(content, path)
    return path.relative_to(folder)


def test_a_checkpoint_of_another_vocabulary(case):
    def change(content):
        weights = content["state_dict"]
        weights["embedding.weight"] = weights["embedding.weight"][:-2].clone()

    path = change_checkpoint(case, change)
    rows = len(np.load(case / "data/IEMOCAP/train_glove.npy"))
    text = refusal(*ensemble(), code=1)
    assert text.endswith(
        f"error: ref: {path.name} was trained with another vocabulary "
        f"({rows - 2} rows, the one here has {rows})\n"
    )


def test_a_checkpoint_of_another_architecture(case):
    shutil.copy(next((REFERENCE / "iemocap-mnt/ckpt/ref").glob("best60*.pkl")), case / "ckpt/ref")
    text = refusal(*ensemble(), code=1)
    assert text == (
        "error: ckpt/ref/best60.86956521739131_3422027.pkl: a checkpoint of another architecture "
        "than best78.26086956521739_8682907.pkl\n"
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda content: content["state_dict"].pop("proj.bias"),
            "error: {path}: weight 'proj.bias' is missing or unknown\n",
        ),
        (
            lambda content: content["state_dict"].update({"extra.weight": torch.zeros(2)}),
            "error: {path}: weight 'extra.weight' is missing or unknown\n",
        ),
        (
            lambda content: content["state_dict"].update({"proj.bias": torch.zeros(7)}),
            "error: ref: a checkpoint of another architecture: weight classifier.bias is (7,), expected (4,)\n",
        ),
        (
            lambda content: content["state_dict"]["proj.bias"].fill_(float("nan")),
            "error: {path}: its weights proj.bias hold NaN or infinite values\n",
        ),
        (
            lambda content: vars(content["args"]).update(dataset="RAVDESS"),
            "error: {path}: data set 'RAVDESS', task 'emotion', 4 outputs: not known\n",
        ),
        (
            lambda content: vars(content["args"]).pop("multi_head"),
            "error: {path}: its settings lack or misstate 'multi_head'\n",
        ),
    ],
    ids=["missing", "extra", "shape", "nan", "dataset", "settings"],
)
def test_a_damaged_checkpoint(case, change, text):
    path = change_checkpoint(case, change)
    assert refusal(*ensemble(), code=1).endswith(text.format(path=path))


def test_a_truncated_checkpoint(case):
    path = case / "ckpt/ref/best78.26086956521739_8682907.pkl"
    path.write_bytes(path.read_bytes()[:-1000])
    text = refusal(*ensemble(), code=1)
    assert text.startswith(f"error: {path.relative_to(case)}: ")
    assert len(text.splitlines()) <= 2


# Mistakes in the data


def change_pickle(path: Path, change) -> None:
    table = pickle.loads(path.read_bytes())
    change(table)
    path.write_bytes(pickle.dumps(table))


def a_key(table) -> str:
    return sorted(table)[3]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda table, key: table[key].__setitem__((2, 5), np.nan),
            "utterance {key!r} holds NaN or infinite values in frame 2",
        ),
        (
            lambda table, key: table.update({key: table[key][:, :79]}),
            "utterance {key!r} is an array of shape ({frames}, 79), expected frames of shape (any, 80)",
        ),
        (
            lambda table, key: table.update({key: table[key][0]}),
            "utterance {key!r} is an array of shape (80,), expected frames of shape (any, 80)",
        ),
        (
            lambda table, key: table.update({key: "text"}),
            "utterance {key!r} is of type str, expected frames of shape (any, 80)",
        ),
    ],
    ids=["nan", "width", "rank", "type"],
)
def test_mels_that_cannot_be_used(case, change, text):
    path = case / "data/IEMOCAP/test_mels.p"
    table = pickle.loads(path.read_bytes())
    key, frames = a_key(table), len(table[a_key(table)])
    change_pickle(path, lambda own: change(own, key))
    before = files(case)
    wanted = f"error: {path.relative_to(case)}: {text.format(key=key, frames=frames)}\n"
    assert refusal(*ensemble("--json", "r.json"), code=1) == wanted
    assert refusal("train", "--recipe", "iemocap", code=1) == wanted
    assert files(case) == before


def test_a_label_out_of_range(case):
    path = case / "data/IEMOCAP/test_emotions.p"
    key = a_key(pickle.loads(path.read_bytes()))
    change_pickle(path, lambda table: table.update({key: 4}))
    assert refusal(*ensemble(), code=1) == (
        f"error: data/IEMOCAP/test_emotions.p: utterance {key!r}: label 4 is out of range, expected 0 to 3\n"
    )


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_an_empty_or_truncated_pickle(case, cut):
    path = case / "data/IEMOCAP/test_mels.p"
    path.write_bytes(path.read_bytes()[:cut])
    before = files(case)
    text = refusal(*ensemble(), code=1)
    assert text.startswith("error: data/IEMOCAP/test_mels.p: ")
    assert "empty" in text or "truncated" in text
    assert files(case) == before


def test_a_pickle_that_names_a_class(case):
    class Evil:
        def __reduce__(self):
            return os.system, ("touch planted",)

    path = case / "data/IEMOCAP/test_mels.p"
    path.write_bytes(pickle.dumps({"a": Evil()}))
    text = refusal(*ensemble(), code=1)
    assert text.startswith("error: data/IEMOCAP/test_mels.p: ")
    assert "system" in text
    assert not (case / "planted").exists()


def test_a_missing_file(case):
    (case / "data/IEMOCAP/test_sentences.p").unlink()
    assert refusal(*ensemble(), code=1) == (
        "error: data/IEMOCAP: the test split lacks test_sentences.p (there: test_mels.p, test_emotions.p)\n"
    )


# Runs of ours that no longer fit


@pytest.fixture
def trained(here):
    tiny(here, dataset={"standardize": "corpus"})
    assert run(*train("--name", "mine")).exit_code == 0
    return here


def test_a_run_on_other_data(trained):
    write_corpus(make_corpus({"train": 10, "valid": 5, "test": 5}), trained / "data/TINY")
    assert refusal("ensemble", "--name", "mine", code=1) == (
        "error: ckpt/mine: was trained on other data than TINY as it is now (then {'train': 24, 'valid': 12, "
        "'test': 12}, now {'train': 10, 'valid': 5, 'test': 5})\n"
        "  try: --data names the folder that holds the data sets; train again if the data have changed\n"
    )


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("run-1/run.json", "{", "error: ckpt/mine/run-1/run.json: not valid JSON ("),
        ("run-1/run.json", "{}", "error: ckpt/mine/run-1/run.json: damaged (KeyError: 'format')\n"),
        ("run-1/run.json", "[]", "error: ckpt/mine/run-1/run.json: damaged (TypeError: "),
        (
            "run-1/model.safetensors",
            "x",
            "error: ckpt/mine/run-1/model.safetensors: not a readable safetensors file (",
        ),
        (
            "vocabulary.json",
            "{}",
            "error: ckpt/mine/vocabulary.json: not a vocabulary, expected the keys rows and index\n",
        ),
        ("standardization.json", "{}", "error: ckpt/mine/standardization.json: damaged (KeyError: 'mean')\n"),
        (
            "corpus.json",
            "[]",
            "error: ckpt/mine/corpus.json: damaged, or of an older sertool (TypeError: ",
        ),
    ],
)
def test_a_damaged_run(trained, name, content, text):
    (trained / "ckpt/mine" / name).write_text(content)
    assert refusal("ensemble", "--name", "mine", code=1).startswith(text)


def test_a_run_that_lacks_a_file(trained):
    (trained / "ckpt/mine/run-1/model.safetensors").unlink()
    assert refusal("ensemble", "--name", "mine", code=1) == (
        "error: ckpt/mine/run-1/model.safetensors: no such file\n"
    )
    (trained / "ckpt/mine/run-1/run.json").unlink()
    assert refusal("ensemble", "--name", "mine", code=2) == (
        "error: ckpt/mine: no run is finished\n  try: sertool train --recipe tiny --name mine goes on\n"
    )


def test_another_recipe_in_the_folder(trained):
    before = {name: (trained / name).read_bytes() for name in files(trained)}
    assert refusal(*train("--name", "mine", "--set", "model.num_heads=4"), code=2) == (
        "error: ckpt/mine: holds a run of another recipe: model.num_heads 2 -> 4\n"
        "  try: choose another --name, or delete the folder\n"
    )
    assert {name: (trained / name).read_bytes() for name in files(trained)} == before


# A disk that is full


def test_a_full_disk_is_told_and_the_same_command_goes_on(here, monkeypatch):
    """Every write in turn meets a full disk."""
    tiny(here, training={"max_epochs": 2})
    whole = run(*train("--name", "whole"))
    assert whole.exit_code == 0
    write_bytes, met = Path.write_bytes, set()
    for fails_at in range(1, 40):
        calls = 0

        def full(self, content, fails_at=fails_at):
            nonlocal calls
            calls += 1
            if calls == fails_at:
                write_bytes(self, content[: len(content) // 2])
                raise OSError(errno.ENOSPC, "No space left on device")
            return write_bytes(self, content)

        shutil.rmtree(here / "ckpt/full", ignore_errors=True)
        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_bytes", full)
            result = run(*train("--name", "full"))
        if result.exit_code == 0:
            break
        assert result.exit_code == 1
        last = result.stderr.splitlines()[-2:]
        assert last[0].startswith("error: ckpt/full/")
        assert last[0].endswith(": no space left on the disk; nothing was half-written")
        assert last[1] == "  try: free some space and run the same command again"
        met.add(Path(last[0].split(":")[1].strip()).name)
        assert not [name for name in files(here) if name.endswith(".part")]
        assert run(*train("--name", "full")).exit_code == 0
        for name in ("model.safetensors", "history.jsonl", "run.json"):
            wanted = (here / "ckpt/whole/run-1" / name).read_bytes()
            assert (here / "ckpt/full/run-1" / name).read_bytes() == wanted
    assert {"recipe.yaml", "corpus.json", "vocabulary.json", "model.safetensors", "run.json"} <= met


def test_files_that_may_not_grow(here):
    """A real limit of the system, in a process of its own: the weights cannot be written."""
    tiny(here)
    done = subprocess.run(
        [sys.executable, "-m", "sertool", *train("--name", "small")],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000)),
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: ckpt/small/")
    assert "cannot be written (File too large)" in done.stderr
    assert "Traceback" not in done.stderr
    assert not [name for name in files(here) if name.endswith(".part")]
    assert not (here / "ckpt/small/run-1/run.json").exists()
