"""Training steps of two commits, side by side."""

import json

import pytest

from benchmarks.against import ROOT, AgainstError, main, opened

TASK = {"recipe": "demo", "members": 1, "precision": "fp32", "threads": 1, "steps": 1, "settings": []}
needs_git = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git repository")


@pytest.mark.slow
@needs_git
def test_the_last_commit_and_the_working_tree_take_turns(tmp_path, capsys):
    target = tmp_path / "against.json"
    small = ["--members", "2", "--hidden-size", "16", "--steps", "1", "--turns", "2"]
    main(["HEAD", *small, "--json", str(target)])
    result = json.loads(target.read_text())
    assert result["task"]["settings"] == ["model.hidden_size=16", "model.ffn_size=32"]
    for side in ("HEAD", "working tree"):
        assert result[side]["utterances_s"]["min"] > 0
        assert result[side]["cpu_ms_a_step"]["min"] > 0
    assert result["cpu_ratio"]["min"] <= result["cpu_ratio"]["median"] <= result["cpu_ratio"]["max"]
    told = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in told] == ["HEAD", "working tree", "times as fast"]


@needs_git
def test_a_commit_that_git_does_not_know(capsys):
    with pytest.raises(SystemExit) as left:
        main(["no-such-commit"])
    assert left.value.code == 1
    assert capsys.readouterr().err.startswith("no-such-commit: git knows no such commit here")


@pytest.mark.slow
def test_a_commit_whose_modules_do_not_fit(tmp_path):
    with opened("old", tmp_path, TASK) as side, pytest.raises(AgainstError, match=r"^old: this commit cannot train"):
        side.answer()


def test_a_process_that_ends(tmp_path):
    with opened("old", tmp_path, TASK) as side:
        side.process.kill()
        side.process.wait()
        with pytest.raises(AgainstError, match=r"^old: the process ended, exit code -9"):
            side.answer()
