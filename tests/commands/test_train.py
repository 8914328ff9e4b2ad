"""``sertool train``: a whole small run, mistakes in a recipe or an option, and a disk that is full."""

import errno
import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders import make_corpus
from commands_run import files, refusal, run, tiny, train
from machines import PROBLEMS, T4, machine_with

from sertool.core.corpora.corpus_files import write_corpus


def test_a_linear_probe_is_trained_beside_its_recipe_and_found_by_the_report(here):
    tiny(here)
    for name, words in {"tiny": [], "tiny-linear": ["--set", "model.architecture=linear"]}.items():
        for command in (["train", "--recipe", "tiny.yaml", *words], ["ensemble", "--name", name]):
            result = run(*command)
            assert result.exit_code == 0, result.output
    assert run("report", "--name", "tiny", "--json", "report.json").exit_code == 0
    (told,) = json.loads(Path("report.json").read_text())["runs"]
    assert (told["architecture"], told["linear"]["name"], told["linear"]["notes"]) == ("mat", "tiny-linear", [])


def test_a_run_from_recipe_to_result(here):
    tiny(here)
    result = run(*["train", "--recipe", "tiny.yaml", "--name", "mine", "--seeds", "3,5", "--json", "out/train.json"])
    assert result.exit_code == 0, result.stderr
    scores = [100 * member["score"] for member in json.loads((here / "out/train.json").read_text())["members"]]
    assert result.stdout.splitlines()[0] == (
        f"mine · 2 members · valid accuracy {np.mean(scores):.2f} (sd {np.std(scores, ddof=1):.2f}), "
        f"best {max(scores):.2f}"
    )
    assert result.stdout.splitlines()[-1] == "next: sertool ensemble --name mine --split valid,test --probe"
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
    log = [json.loads(line) for line in (here / "ckpt/mine/log.jsonl").read_text().splitlines()]
    assert [entry["asked"] for entry in log if "asked" in entry] == [2]

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
    assert [member["accuracy"] for member in table["sets"]["valid"]["members"]] == [scores[name] for name in members]
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
    assert {member["checkpoint"] for member in own["members"]} == {f"run-{s}-{f}" for s in (1, 2) for f in range(3)}
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
            "error: --members and --seeds: give only one of them\n",
        ),
        (
            train("--devices", "0,one"),
            "error: --devices 0,one: expected all, or numbers of CUDA devices, like 0,1\n",
        ),
        (
            train("--devices", "1,1"),
            "error: --devices 1,1: expected each device once\n",
        ),
        (
            train("--devices", "all", "--device", "cpu"),
            "error: --devices all: --device cpu uses no GPU; give only one of them\n",
        ),
        (
            train("--devices", "0", "--launcher", "ray"),
            "error: --devices 0: only with --launcher local\n"
            "  try: a Ray worker takes one card, or --gpus-each of it\n",
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
            "error: --precision tf32: only a CUDA device has it; the CPU (as requested) takes fp32 or bf16\n",
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


@pytest.mark.parametrize("machine", PROBLEMS, ids=list(PROBLEMS))
def test_cuda_that_cannot_be_used_is_one_message(machine, here, monkeypatch):
    tiny(here)
    found, problem = PROBLEMS[machine]
    monkeypatch.setattr("sertool.core.compute.device.find_cards", lambda: found)
    expected = f"error: --device cuda: {problem.text}\n  try: {problem.hint}\n"
    assert refusal(*train("--device", "cuda"), code=2) == expected


def test_bf16_on_a_card_without_it(here, monkeypatch):
    tiny(here)
    monkeypatch.setattr("sertool.core.compute.device.find_cards", lambda: machine_with(T4))
    assert refusal(*train("--set", "training.precision=bf16"), code=2) == (
        "error: --precision bf16: Tesla T4 (capability 7.5) has no bf16; it needs capability 8.0\n"
        "  try: --precision fp32, or training.precision=fp32 in the recipe\n"
    )


def test_a_missing_data_folder(here):
    assert refusal("train", "--recipe", "iemocap", "--data", "elsewhere", code=1) == (
        "error: elsewhere/IEMOCAP: no such corpus\n"
        "  try: --data names the folder that holds the data sets; `sertool prepare` makes one of recordings, or of a "
        "published corpus (docs/corpora.md)\n"
    )
    (here / "data/IEMOCAP").mkdir(parents=True)
    text = refusal("train", "--recipe", "iemocap", code=1)
    assert text.startswith("error: data/IEMOCAP: no IEMOCAP data there, expected the files of at least one split:\n")
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


@pytest.mark.slow
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


def test_a_full_disk_is_told_and_the_same_command_goes_on(here, monkeypatch):
    """Every write in turn meets a full disk."""
    tiny(here, training={"max_epochs": 2})
    whole = run(*train("--name", "whole"))
    assert whole.exit_code == 0
    write_bytes, met = Path.write_bytes, set()
    for fails_at in range(1, 15):
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
        if calls < fails_at:  # a busy machine writes a state less often, so the number of writes may vary
            assert result.exit_code == 0
            continue
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


@pytest.mark.slow
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


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--members", "99999999"], "Invalid value for '--members' / '--runs':"),
        (["--group-size", "99999999"], "Invalid value for '--group-size':"),
        (["--gpus-each", "nan"], "Invalid value for '--gpus-each':"),
        (["--seeds", "9" * 5000], f"error: --seeds {'9' * 59}…: expected different whole numbers from 0 to 2147483647"),
        (["--seeds", ",".join(map(str, range(10_001)))], "error: --seeds: 10,001 seeds, at most 10,000 are taken"),
        (
            ["--runs", "9", "--set", "training.seed=2147483646", "--set", "training.runs=1"],
            "error: --members 9: the last member's seed would be above 2147483647",
        ),
    ],
)
def test_numbers_of_options_are_held_to_the_bounds_of_the_recipe(here, options, text):
    tiny(here)
    result = run("train", "--recipe", "tiny.yaml", *options)
    assert result.exit_code == 2
    assert text in " ".join(result.stderr.split())
    assert not files(here / "ckpt")
