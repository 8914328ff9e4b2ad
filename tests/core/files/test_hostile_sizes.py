"""Pickles that would fill the memory or a message are refused before they do."""

import io
import pickle
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from hostile_files import (
    ARRAY,
    ENDING,
    NAME,
    OBJECTS,
    WRAPPERS,
    call,
    read_as,
    refusal,
    stream_checkpoint,
)
from peak_memory import PEAK
from seeds import zip_of

from sertool.core.files import pickles as safe_pickle
from sertool.core.files import torch_files
from sertool.core.files.reference_checkpoints import read_reference_checkpoint


def text(size: int) -> bytes:
    return b"X" + struct.pack("<I", size) + b"x" * size


def again(callee: bytes, arguments: bytes, times: int = 2000) -> bytes:
    """Repeat one call with the same arguments, at five bytes each."""
    return callee + b"q\x00(" + arguments + b"tq\x010" + b"h\x00h\x01R" * times


BOMBS = {
    "places on the stack": b"N" * 300_000,
    "marks": b"(" * 100_000,
    "copies of a place": b"N" + b"2" * 300_000,
    "lists": b"]" * 50_000,
    "tables": b"}" * 50_000,
    "sets": b"\x8f" * 50_000,
    "frozen sets": b"(\x91" * 50_000,
    "tuples in tuples": b"N" + b"\x85" * 50_000,
    "memory": b"N" + b"\x94" * 50_000,
    "memory by number": b"N" + b"".join(b"r" + struct.pack("<I", number) for number in range(50_000)),
    "numbers": b"M\xff\xff" * 50_000,
    "copies of a text": again(b"c_codecs\nencode\n", text(10_000) + b"S'latin1'\n"),
    "sets of a list": again(
        b"c__builtin__\nset\n", b"(" + b"".join(b"M" + struct.pack("<H", n) for n in range(999)) + b"l"
    ),
    "scalars": again(
        b"cnumpy.core.multiarray\nscalar\n",
        b"cnumpy\ndtype\n(S'S9999'\ntR" + b"B" + struct.pack("<I", 9999) + b"x" * 9999,
    ),
    "arrays over one list": b"(I1\n(I999\nt" + OBJECTS + b"I00\n(" + b"N" * 999 + b"ltq\x050" + ARRAY + b"h\x05b" * 500,
}


@pytest.mark.parametrize("wrapper", ["data", "stream", "zip"])
@pytest.mark.parametrize("name", BOMBS)
def test_memory_for_objects_is_bounded(name, wrapper, tmp_path, monkeypatch):
    monkeypatch.setattr(safe_pickle, "MEMORY", 1 << 20)
    monkeypatch.setattr(torch_files, "_MEMORY", 1 << 20)
    message = refusal(WRAPPERS[wrapper](BOMBS[name]), tmp_path, read_as(wrapper))
    assert message == f"holds more objects than fit into 1 MiB{ENDING}"


def test_the_bound_leaves_room_for_real_files():
    """310,000 words, the most that any file here has, each a numpy scalar as protocol 2 writes it."""
    words = {f"key {row}": [np.str_(f"word{row}-{column}") for column in range(20)] for row in range(100)}
    content = pickle.dumps(words, 2)
    reader = safe_pickle.RestrictedUnpickler(io.BytesIO(content), safe_pickle.NUMPY_AND_PLAIN, memory=1 << 40)
    assert len(reader.load()) == 100
    assert ((1 << 40) - reader._left) * 310_000 / 2000 < 0.65 * safe_pickle.MEMORY


@pytest.mark.slow
@pytest.mark.parametrize("step", [b"\x8f", b"\x94", b"("], ids=["sets", "memory", "marks"])
def test_real_bombs_stay_below_the_real_bound(step, tmp_path):
    path = tmp_path / NAME
    path.write_bytes(b"N" + step * 25_000_000)
    script = PEAK + (
        "import sys\n"
        "from sertool.core.errors import DataError\n"
        "from sertool.core.files.pickles import load_pickle\n"
        "try: load_pickle(Path(sys.argv[1]))\n"
        "except DataError as error: print(peak(), error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    peak, _, message = done.stdout.partition(" ")
    assert "holds more objects than fit into" in message
    assert int(peak) < 2_000_000  # kilobytes; a reader without the bound takes up to 6 GB


def shared_lists(depth: int = 60) -> bytes:
    """Lists that hold the one before twice: 2**60 leaves, and a text as long."""
    steps = (b"0(h%ch%clq%c" % (number, number, number + 1) for number in range(depth))
    return b"]q\x00" + b"".join(steps)


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize(
    ("around", "message"),
    [
        (lambda value: call("numpy", "dtype", value), "holds numpy.dtype(of type list)"),
        (
            lambda value: call("_codecs", "encode", b"Vx\n" + value),
            "holds _codecs.encode with encoding of type list",
        ),
        (lambda value: call("builtins", "set", b"(" + value + b"l"), "holds a key of type list"),
    ],
)
def test_no_message_unrolls_lists_that_share_parts(around, message, wrapper, tmp_path):
    assert refusal(WRAPPERS[wrapper](around(shared_lists())), tmp_path, read_as(wrapper)).startswith(message)


def test_keys_of_storages_that_share_parts(tmp_path):
    content = stream_checkpoint(b"(d.", b"(" + shared_lists() + b"l.")
    assert refusal(content, tmp_path, read_reference_checkpoint) == "its list of storages does not fit its tensors"


def test_many_names_for_one_tensor_are_no_copies(tmp_path):
    """Weights get their own memory; a hundred names for the same numbers would take a hundred times the file."""
    weights = torch.ones(1000)
    content = {"state_dict": {str(number): weights for number in range(100)}}
    space = b"cargparse\nNamespace\n(tR(dS'x'\nI1\nsb"
    stream = io.BytesIO()
    torch.save(content, stream)
    with zipfile.ZipFile(stream) as packed:
        records = {name: packed.read(name) for name in packed.namelist()}
    (name,) = (name for name in records if name.endswith("/data.pkl"))
    records[name] = records[name][:-1] + b"S'args'\n" + space + b"s."
    message = refusal(zip_of(records, zipfile.ZIP_STORED), tmp_path, read_reference_checkpoint)
    assert message == "its weights have more numbers than the file has bytes"
