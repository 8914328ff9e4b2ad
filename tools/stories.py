"""Five people use sertool, and a transcript shows all that they type and see: `make stories`.

    python tools/stories.py --emodb FOLDER --reference tests/reference --out stories

A newcomer runs the demo. A researcher reads released checkpoints. A student brings recordings of her own, here EMO-DB
in a table as people have it. An engineer ships a model. A reviewer opens a report. Every hint that begins with `next:`
is pasted and has to work. The script ends with 1 if a command does not end as expected.
"""

import argparse
import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

HINT = re.compile(r"^next: (.*)$", re.MULTILINE)
# Models of a size that trains in a minute; their figures say nothing about what the recipes reach.
SMALL = {
    "model.hidden_size": 32,
    "model.ffn_size": 64,
    "model.num_heads": 2,
    "model.num_layers": 1,
    "training.max_epochs": 8,
    "training.runs": 3,
}
COLUMNS = 80  # of the terminal that people have


class Transcript:
    """Commands that ran in a folder, with all that they printed.

    Args:
        folder: the working folder of all commands.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.failures: list[str] = []
        self._env = {**os.environ, "COLUMNS": str(COLUMNS), "NO_COLOR": "1"}

    def chapter(self, title: str, wants: str) -> None:
        """Begin the part of a person, who wants something."""
        self.lines += ["", f"## {title}", "", wants]
        print(title, flush=True)

    def type(self, command: str, *, code: int = 0) -> str:
        """Run a command as a person types it; return what it printed, and note if it ends with another exit code."""
        words = shlex.split(command)
        run = [sys.executable, "-m", "sertool", *words[1:]] if words[0] == "sertool" else words
        run = [sys.executable if word == "python" else word for word in run]
        done = subprocess.run(run, cwd=self.folder, env=self._env, capture_output=True, text=True)
        printed = done.stderr + done.stdout
        ending = "" if done.returncode == 0 else f"\n[exit code {done.returncode}]"
        self.lines += ["", "```console", f"$ {command}", printed.rstrip() + ending, "```"]
        if done.returncode != code:
            self.failures.append(f"{command}: ended with {done.returncode}, expected {code}")
        return printed

    def paste_hints(self, printed: str) -> None:
        """Run every command that the output hints at, as someone who pastes it."""
        for command in hinted(printed):
            self.type(command)


def hinted(printed: str) -> Iterator[str]:
    """Return the commands of the lines that begin with `next:`."""
    for line in HINT.findall(printed):
        yield from (part.strip() for part in line.split(" · ") if part.strip().startswith("sertool "))


def newcomer(own: Transcript) -> None:
    """Run the demo, and follow its hints."""
    own.chapter("A newcomer with ten minutes", "He wants to see whether it works.")
    own.type("sertool --version")
    own.paste_hints(own.type("sertool demo"))
    own.type('sertool predict --name demo --text "hello"')


def researcher(own: Transcript, reference: Path) -> None:
    """Read checkpoints of the reference and report on them."""
    own.chapter("A researcher who wants the paper's row", "She has the authors' files and checkpoints.")
    shutil.copytree(reference / "iemocap-mat", own.folder / "paper")
    own.type("sertool doctor --recipe iemocap --data paper/data", code=1)  # the case is cut down, so that counts differ
    own.type("sertool ensemble --name ref --output paper/ckpt --data paper/data --split test --members 1")
    own.type("sertool ensemble --name ref --output paper/ckpt --data paper/data --split valid,test --probe")
    own.paste_hints(own.type("sertool report --name ref --output paper/ckpt --data paper/data"))


def student(own: Transcript, emodb: Path) -> None:
    """Prepare a table with mistakes, train twice, probe and compare."""
    own.chapter("A student with her own recordings", "A spreadsheet with file, text, emotion and speaker.")
    write_table(emodb, own.folder / "calls.csv")
    own.type("sertool prepare calls.csv --out data/CALLS")  # two labels are suspected
    own.type("sertool prepare calls.csv --out data/CALLS --force --map-labels Neutral=neutral,angr=anger")
    own.type("sertool doctor --data data/CALLS")
    changes = " ".join(f"--set {key}={value}" for key, value in SMALL.items())
    train = f"sertool train --recipe custom --set dataset.path=CALLS {changes}"
    for name, more in (("calls-v1", ""), ("calls-v2", "--set model.architecture=mnt")):
        own.type(f"{train} --name {name} {more}".strip())
        own.type(f"sertool ensemble --name {name} --split valid,test --probe")
    own.type("sertool compare calls-v1 calls-v2")
    own.type(f"{train} --name folds --set splits.scheme=folds --set splits.folds=5")
    own.paste_hints(own.type("sertool ensemble --name folds --split valid,test --probe"))


def engineer(own: Transcript) -> None:
    """Export a model and use it without sertool."""
    own.chapter("An engineer who ships", "He wants a folder that runs without PyTorch.")
    own.paste_hints(own.type("sertool export --name calls-v1 --out bundle --with-frontend"))
    recording = next(path for path in sorted((own.folder / "audio").iterdir()))
    own.type(f"python bundle/run.py audio/{recording.name} --text 'Der Lappen liegt auf dem Eisschrank.'")
    own.type("cat bundle/README.md")


def reviewer(own: Transcript) -> None:
    """Read the report, and take figures and tables into a paper."""
    own.chapter("A reviewer, or the same researcher a year later", "She opens one file and believes nothing.")
    own.type("sertool report --name folds --name calls-v1 --html report.html --recordings audio")
    own.type("sertool report --name folds --figures paper-figures --latex paper-tables")
    own.type("sertool report --name folds")


def write_table(emodb: Path, table: Path) -> None:
    """Write EMO-DB's table as people have it: other column names, no ids, some labels spelled two ways."""
    with (emodb / "utterances.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    shutil.copytree(emodb / "audio", table.parent / "audio")
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "text", "emotion", "speaker"])
        for place, row in enumerate(rows):
            label = {5: "angr"}.get(place, row["emotion"])
            label = label.capitalize() if place % 60 == 1 and label == "neutral" else label
            writer.writerow([row["audio"], row["text"], label, row["speaker"]])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stories and write the transcript."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--emodb", type=Path, required=True, help="folder with EMO-DB's utterances.csv and audio/")
    parser.add_argument("--reference", type=Path, default=Path("tests/reference"), help="cases of the reference")
    parser.add_argument("--out", type=Path, default=Path("stories"), help="working folder; must not exist")
    own = parser.parse_args(arguments)
    own.out.mkdir(parents=True)
    transcript = Transcript(own.out)
    newcomer(transcript)
    researcher(transcript, own.reference.resolve())
    student(transcript, own.emodb.resolve())
    engineer(transcript)
    reviewer(transcript)
    (own.out / "transcript.md").write_text("\n".join(["# Five stories", *transcript.lines]) + "\n", encoding="utf-8")
    for failure in transcript.failures:
        print(failure, file=sys.stderr)
    return 1 if transcript.failures else 0


if __name__ == "__main__":
    sys.exit(main())
