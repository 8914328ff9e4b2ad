"""Hostile pickles, and the files that wrap them."""

import pickle
import zipfile
from pathlib import Path

import pytest
from seeds import zip_of

from sertool.core.errors import DataError
from sertool.core.files import torch_files
from sertool.core.files.pickles import load_pickle
from sertool.core.files.reference_checkpoints import read_reference_checkpoint

NAME = "best50.0_1.pkl"
ENDING = ", which is not allowed in a data file; nothing of it was run"


def call(module: str, name: str, arguments: bytes = b"S'touch ran'\n") -> bytes:
    return f"c{module}\n{name}\n".encode() + b"(" + arguments + b"tR"


SYSTEM = call("os", "system")
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
OBJECTS = b"cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI63\ntb"
WRAPPERS = {
    "data": lambda program: b"(dS'key'\n" + program + b"s.",
    "array": lambda program: ARRAY + b"(I1\n(I1\nt" + OBJECTS + b"I00\n(" + program + b"ltb.",
    "stream": lambda program: stream_checkpoint(b"(dS'args'\n" + program + b"s."),
    "zip": lambda program: zip_checkpoint(b"(dS'args'\n" + program + b"s."),
}


def stream_checkpoint(program: bytes, keys: object = (), data: bytes = b"") -> bytes:
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    before = b"".join(pickle.dumps(part, 2) for part in (torch_files._MAGIC, 1001, system))
    return before + program + (keys if isinstance(keys, bytes) else pickle.dumps(list(keys), 2)) + data


def zip_checkpoint(program: bytes, method: int = zipfile.ZIP_STORED, **records: bytes) -> bytes:
    named = {"archive/data.pkl": program} | {
        f"archive/{name.replace('_', '/')}": content for name, content in records.items()
    }
    return zip_of(named, method)


def read_as(wrapper: str):
    return load_pickle if wrapper in ("data", "array") else read_reference_checkpoint


def refusal(content: bytes, folder: Path, read) -> str:
    path = folder / NAME
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read(path)
    return str(caught.value).removeprefix(f"{path}: ")
