"""Coverage-guided fuzzing of every reader of foreign files (`make fuzz`); the first byte of an input picks the reader.

Options are libFuzzer's. What it learns is kept in ``.fuzz/``; an input that breaks a reader is written there too, and
``python tests/fuzzing/fuzz_readers.py .fuzz/crash-...`` reads it again.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["sertool", "pickle", "zipfile", "gzip"], enable_loader_override=False):
    from guarded import READERS, Guard

from seeds import PIECES, SEEDS

KINDS = list(READERS)
FOLDER = Path(".fuzz")


def main() -> None:
    """Write the seeds and run."""
    corpus = FOLDER / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    guard = Guard()
    for kind, contents in SEEDS.items():
        for number, content in enumerate(contents):
            (corpus / f"{kind}-{number}").write_bytes(bytes([KINDS.index(kind)]) + content)
            guard.read(kind, content)
            guard.read(kind, content[:-20])
    guard.warm = True
    words = FOLDER / "words.dict"
    escaped = ["".join(f"\\x{byte:02x}" for byte in piece) for piece in PIECES if len(piece) > 1]
    words.write_text("".join(f'"{word}"\n' for word in escaped))

    def one(content: bytes) -> None:
        if content:
            guard.read(KINDS[content[0] % len(KINDS)], content[1:])

    given = sys.argv[1:]
    inputs = [] if any(not option.startswith("-") for option in given) else [str(corpus)]
    atheris.Setup([sys.argv[0], f"-artifact_prefix={FOLDER}/", f"-dict={words}", *given, *inputs], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
