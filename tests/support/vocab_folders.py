"""Write word vectors in spaCy's layout on the disk."""

from pathlib import Path

import numpy as np
import srsly
from spacy.strings import hash_string

KNOWN = {"well": [1.0, 2.0], "known": [3.0, 6.0], "do": [0.5, 0.25], "nt": [1.5, 0.75], "happy": [-1.0, 4.0]}


def write_vocab(folder: Path) -> Path:
    """Write a vocab folder as spaCy 2 and 3 do; that of en_vectors_web_lg 2.x has no vectors.cfg."""
    folder.mkdir(parents=True)
    with (folder / "vectors").open("wb") as file:
        np.save(file, np.array(list(KNOWN.values()), np.float32))
    rows = {hash_string(word): row for row, word in enumerate(KNOWN)}
    (folder / "key2row").write_bytes(srsly.msgpack_dumps(rows))
    return folder
