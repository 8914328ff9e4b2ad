"""Options of ``sertool prepare``."""

from pathlib import Path
from typing import Annotated

import typer

from sertool.commands._options import option
from sertool.core.recipe.bounds import MAX_SEED

Tables = Annotated[
    list[Path],
    typer.Argument(
        metavar="TABLE|FOLDER",
        help="CSV, Excel or JSON table with one row per utterance (- for standard input), a folder with one "
        "sub-folder per class, a published corpus as its owner hands it out, a folder with one table per split, or a "
        "prepared corpus. With --join, the folders of several prepared corpora.",
    ),
]
Out = Annotated[Path | None, option("--out", "Folder of the new corpus, such as data/MYSET.", "DIR")]
Join = Annotated[bool, option("--join", "Make one corpus of several prepared ones, in which each keeps its name.")]
Frontend = Annotated[str, option("--recipe", "Recipe whose frontends compute the frames.", "NAME|FILE")]
AudioRoot = Annotated[
    Path | None,
    option("--audio-root", "Folder that audio paths start from. Default: the table's.", "DIR"),
]
Layout = Annotated[
    str | None,
    option(
        "--layout",
        "Published corpus that a folder holds (iemocap, msp-podcast, meld, mosi, mosei, ravdess, crema-d, emodb, tess, "
        "savee, nemo, emov-db, esd), or its levels, such as split/class. Default: read from the names.",
        "NAME|LEVELS",
    ),
]
Splits = Annotated[
    str,
    option(
        "--splits",
        "Shares of train, valid and test, if there are no splits; or emobox:FOLDER with EmoBox's fold files.",
        "A,B,C|emobox:FOLDER",
    ),
]
Seed = Annotated[int, option("--seed", "Seed for splits that are drawn at random.", "N", min=0, max=MAX_SEED)]
Pattern = Annotated[
    str | None,
    option("--pattern", "Facts in the names of recordings, such as '{speaker}_{label}_{utterance}.wav'.", "PATTERN"),
]
MapLabels = Annotated[
    str | None,
    option("--map-labels", "Rename and merge classes: old=new,..., or a file with a line old=new each.", "FILE|LIST"),
]
MapTexts = Annotated[
    str | None,
    option("--map-texts", "Sentences by the codes that {text} in --pattern reads: a file of lines code=text.", "FILE"),
]
Rescale = Annotated[
    str | None,
    option("--rescale", "Lowest and highest score of the table, such as 1:5. Default: -3:3.", "LOW:HIGH"),
]
Range = Annotated[
    str | None,
    option(
        "--range",
        "Lowest and highest score, which keep their scale: 1:5 for all scores, or arousal=1:5,valence=-1:1.",
        "LOW:HIGH|LIST",
    ),
]
Transcribe = Annotated[
    str | None,
    option("--transcribe", "faster-whisper model (small, or a folder) for recordings without text.", "MODEL"),
]
Language = Annotated[
    str | None,
    option("--language", "Language of the recordings, such as de. Default: detected.", "CODE"),
]
Workers = Annotated[
    int | None,
    option(
        "--workers",
        "Processes that decode audio, with an encoder threads. Default: depends on cores and table.",
        "N",
        min=1,
        max=1024,
    ),
]
DryRun = Annotated[bool, option("--dry-run", "Show how the first ten files are read, and write nothing.")]
Skip = Annotated[bool, option("--skip-bad", "Leave out and list recordings that cannot be used.")]
Force = Annotated[bool, option("--force", "Replace a corpus that is already there.")]
