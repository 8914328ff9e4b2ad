"""A folder of recordings as a table: its subfolders are the classes, and a file's name is the utterance's id."""

from collections import Counter
from pathlib import Path

from sertool.core.errors import DataError
from sertool.core.features.audio import Segment
from sertool.core.files import artifacts
from sertool.core.formatting import first_few, printable
from sertool.core.prepare.draw_splits import Draw
from sertool.core.prepare.rows import Row, Table, divided
from sertool.core.prepare.table import is_unicode

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc", ".au", ".w64", ".caf")
# The others cannot be read, but they are recordings: they are reported, not ignored.
_AUDIO = (*SUFFIXES, ".m4a", ".mp4", ".aac", ".wma", ".amr", ".webm", ".mkv", ".avi", ".mov")


def read_folder(folder: Path, draw: Draw | None = None, *, transcribe: bool = False) -> Table:
    """Make the table of a folder: ``folder/happy/u1.wav`` is the utterance ``u1`` of the class ``happy``.

    If two files have the same name, their ids are ``happy/u1.wav`` and ``sad/u1.wav``. Recordings are the files
    with a suffix of audio, at any depth in a class's folder.

    Args:
        folder: folder with one subfolder per class.
        draw: settings of the random splits.
        transcribe: texts are added later, so missing ones are not reported.

    Raises:
        DataError: the subfolders contain no recordings.
    """
    try:
        below = sorted(path for path in folder.rglob("*") if path.is_file())
    except OSError as error:
        raise artifacts.read_error(folder, error) from error
    # Hidden files and folders belong to the system or to an editor, also if they are named like recordings.
    files = [path for path in below if not any(p.startswith(".") for p in path.relative_to(folder).parts)]
    taken = [path for path in files if path.suffix.lower() in _AUDIO and path.parent != folder]
    if not taken:
        raise DataError(
            f"{folder}: no recordings in its subfolders, which are the classes",
            hint="folder/happy/u1.wav, folder/angry/u2.wav, ... or a table of the recordings",
        )
    names = Counter(path.stem for path in taken)
    rows = []
    for path in taken:
        relative = path.relative_to(folder)
        if not is_unicode(str(relative)):
            raise DataError(f"{folder}: the file name {str(relative)!a} is not Unicode text", hint="rename it")
        own = path.stem if names[path.stem] == 1 else relative.as_posix()
        rows.append(Row(None, own, "train", "", {"emotion": relative.parts[0]}, {}, Segment(path)))
    table = divided(folder, ("utterance", "audio", "label"), rows, draw or Draw(), transcribe=transcribe)
    others = [printable(str(path.relative_to(folder))) for path in sorted(set(files) - set(taken))]
    warnings = (f"ignored, not a recording in a subfolder: {first_few(others)}",) if others else ()
    return Table(folder, table.rows, (*warnings, *table.warnings), table.drawn)
