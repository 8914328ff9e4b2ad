"""`make reproduce-all`: done ones are skipped, missing data is told, a failure does not stop the next."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Stands for sertool: the real list of recipes, trainings that only leave a mark; MOSI's fails.
FAKE = """
import json, sys
from pathlib import Path
arguments = sys.argv[1:]
if arguments[0] == "recipes":
    from sertool.cli import app
    app(arguments)
option = lambda name: arguments[arguments.index(name) + 1]
with (Path(option("--output")) / "calls.txt").open("a") as file:
    file.write(" ".join(arguments[:3]) + "\\n")
if arguments[:3] == ["train", "--recipe", "mosi"]:
    sys.exit(1)
if arguments[0] == "ensemble":
    path = Path(option("--json"))
    path.parent.mkdir()
    path.write_text(json.dumps({"sets": {"test": {"ensemble": [{"members": 10, "accuracy": 0.71}]}}}))
"""


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location("reproduce_all", ROOT / "tools" / "reproduce_all.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_are_told(tool, tmp_path, capsys):
    data, output = tmp_path / "data", tmp_path / "ckpt"
    (data / "MOSI").mkdir(parents=True)
    (data / "IEMOCAP").mkdir()
    (output / "iemocap").mkdir(parents=True)
    result = {"sets": {"test": {"ensemble": [{"members": 10, "accuracy": 0.7}]}}}
    (output / "iemocap" / "ensemble.json").write_text(json.dumps(result))
    (tmp_path / "fake.py").write_text(FAKE)
    sertool = [sys.executable, str(tmp_path / "fake.py")]

    assert tool.main(["--data", str(data), "--output", str(output)], sertool) == 1

    table = capsys.readouterr().out.split("missing\n")[-1].rstrip("\n").split("\n")
    needs = {name: f"needs {data / name}: sertool fetch-data data" for name in ("MELD", "MOSEI", "VGAF")}
    assert table == [
        "iemocap          0.7000 (10 members, the paper's protocol)",
        "iemocap-mnt      0.7100 (10 members, the paper's protocol)",
        f"meld             {needs['MELD']}",
        f"meld-sentiment   {needs['MELD']}",
        f"mosei-2          {needs['MOSEI']}",
        f"mosei-7          {needs['MOSEI']}",
        f"mosei-emotion    {needs['MOSEI']}",
        "mosi             failed: sertool train --recipe mosi (its message is above)",
        "mosi-7           0.7100 (10 members, the paper's protocol)",
        f"vgaf             {needs['VGAF']}",
        "3 of 10 done",
    ]
    assert (output / "calls.txt").read_text().split("\n")[:-1] == [
        "train --recipe iemocap-mnt",
        "ensemble --name iemocap-mnt",
        "train --recipe mosi",
        "train --recipe mosi-7",
        "ensemble --name mosi-7",
    ]


def test_nothing_there_is_no_failure(tool, tmp_path, capsys):
    assert (
        tool.main(["--data", str(tmp_path), "--output", str(tmp_path)], [sys.executable, "-m", "sertool"])
        == 0
    )
    assert capsys.readouterr().out.endswith("0 of 10 done\n")
