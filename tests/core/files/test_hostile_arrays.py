"""Arrays and tensors whose headers do not fit their data: in pickles, checkpoints, .npy and safetensors."""

import io
import json
import pickle
import struct
import zipfile

import numpy as np
import pytest
from hostile_files import (
    ARRAY,
    NAME,
    SYSTEM,
    WRAPPERS,
    refusal,
    zip_checkpoint,
)
from safetensors.numpy import save
from seeds import checkpoint, zip_of

from sertool.core.errors import DataError
from sertool.core.files.artifacts import read_arrays
from sertool.core.files.pickles import load_array, load_pickle
from sertool.core.files.reference_checkpoints import read_reference_checkpoint


def typed_array(kind: str, shape: str, data: bytes) -> bytes:
    dtype = f"cnumpy\ndtype\n(S'{kind}'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb".encode()
    return ARRAY + f"(I1\n({shape}t".encode() + dtype + b"I00\n" + b"B" + struct.pack("<I", len(data)) + data + b"tb"


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (typed_array("S0", f"I{2**39}\n", b""), "holds a numpy array of items without size"),
        (typed_array("U0", "I1\n", b""), "holds a numpy array of items without size"),
        (typed_array("f4", f"I{2**39}\nI{2**39}\nI0\n", b""), "not a readable pickle (ValueError"),
        (
            typed_array("U1", "I1\n", b"\x00\x00\x11\x00"),
            "holds a numpy array of texts with invalid characters",
        ),
        (
            typed_array("U1", "I1\n", b"\x00\xd8\x00\x00"),
            "holds a numpy array of texts with invalid characters",
        ),
        (typed_array("U999999999", "I1\n", b"x"), "not a readable pickle"),
        (typed_array("f4", "I1\n" * 33, b"abcd"), "holds a numpy array of an unusual shape"),
    ],
)
def test_arrays_that_numpy_would_fail_on_later(program, message, tmp_path):
    assert refusal(WRAPPERS["data"](program), tmp_path, load_pickle).startswith(message)


def tensor(count: int, shape: str = "I4\n", strides: str = "I1\n", key: str = "0") -> bytes:
    return (
        f"ctorch._utils\n_rebuild_tensor_v2\n((S'storage'\nctorch\nFloatStorage\nS'{key}'\nS'cpu'\nI{count}\ntQ"
        f"I0\n({shape}t({strides}tI00\nNtR"
    ).encode()


def state(value: bytes) -> bytes:
    return b"(dS'state_dict'\n(dS'a'\n" + value + b"sS'b'\n" + value + b"ss."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zip_checkpoint(state(tensor(4))), "its records do not fit its tensors"),
        (
            zip_checkpoint(state(tensor(4)), data_0=bytes(16), data_1=b""),
            "its records do not fit its tensors",
        ),
        (
            zip_checkpoint(state(tensor(4)), data_0=bytes(12)),
            "the storage 0 has another size than its tensors",
        ),
        (
            zip_checkpoint(state(tensor(4)), data_0=bytes(20)),
            "the storage 0 has another size than its tensors",
        ),
        (zip_checkpoint(state(tensor(2**40)), data_0=bytes(16)), "ends too early"),
        (zip_checkpoint(state(tensor(4, "I5\n")), data_0=bytes(16)), "holds a tensor that reaches beyond"),
        (
            zip_checkpoint(state(tensor(1, "I1\n" * 17, "I1\n" * 17)), data_0=bytes(4)),
            "holds a tensor of an unusual",
        ),
        (
            zip_checkpoint(state(tensor(4)), data_0=bytes(16), byteorder=b"big"),
            "written on a big-endian machine",
        ),
        (zip_checkpoint(state(tensor(4)), data_0=bytes(16)), "holds no args"),
        (
            zip_checkpoint(state(tensor(2**24)), zipfile.ZIP_DEFLATED, data_0=bytes(2**26)),
            "its record data.pkl is compressed, which torch does not do",
        ),
        (
            zip_of({"archive/version": b"3"}, zipfile.ZIP_STORED),
            "a zip, but not a checkpoint that torch wrote",
        ),
        (
            zip_of({"archive/data.pkl": b"N.", "other/version": b"3"}, zipfile.ZIP_STORED),
            "a zip, but not a checkpoint that torch wrote",
        ),
        (
            zip_checkpoint(b"N.", code_x=b"def forward(self): pass"),
            "holds archive/code/x, expected the records of a checkpoint that torch wrote",
        ),
        (zip_of({"../data.pkl": b"N.", "a": b""}, zipfile.ZIP_STORED), "holds a, expected the records"),
        (zip_of({"x": b"1"}, zipfile.ZIP_BZIP2), "its member 'x' is packed by method 12"),
    ],
)
def test_records_of_a_zip_checkpoint_are_checked(content, message, tmp_path):
    assert refusal(content, tmp_path, read_reference_checkpoint).startswith(message)


def test_a_damaged_record_is_noticed(tmp_path):
    content = checkpoint(legacy=False)
    numbers = struct.pack("<6f", *range(6))
    assert content.count(numbers) == 1
    broken = content.replace(numbers, struct.pack("<6f", *range(1, 7)))
    message = refusal(broken, tmp_path, read_reference_checkpoint)
    assert message.startswith("is damaged or truncated (Bad CRC-32 for file 'archive/data/")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_record_that_comes_twice(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        packed.writestr("archive/data.pkl", b"N.")
        packed.writestr("archive/data.pkl", b"N.")
    message = refusal(stream.getvalue(), tmp_path, read_reference_checkpoint)
    assert message.startswith("holds archive/data.pkl twice, expected the records")


def npy(header: str, data: bytes = b"") -> bytes:
    content = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(content)) + content + data


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a readable array (it is not a .npy file)"),
        (pickle.dumps([1]), "not a readable array (it is not a .npy file)"),
        (SYSTEM + b".", "not a readable array (it is not a .npy file)"),
        (zip_of({"a.npy": npy("")}, zipfile.ZIP_STORED), "is a zip archive, expected a .npy file"),
        (
            npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", SYSTEM + b"."),
            "not a readable array",
        ),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}"), "not a readable array"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"), "not a readable array"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", b"1234"), "not a readable array"),
        (
            npy("{'descr': '<f4', 'fortran_order': __import__('os').system('touch ran')}"),
            "not a readable array",
        ),
        (npy("[" * 100), "not a readable array"),
        (
            npy("{'descr': '|S0', 'fortran_order': False, 'shape': (1000000000000,)}"),
            "an array of |S0, expected",
        ),
        (
            npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", b"1234"),
            "an array of [('a', '<f4')]",
        ),
        (
            npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", b"1234")[:60],
            "not a readable array",
        ),
    ],
)
def test_arrays_in_files(content, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refusal(content, tmp_path, load_array).startswith(message)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_an_array_in_a_file_is_read(tmp_path):
    for array in (np.arange(6.0).reshape(2, 3), np.array(["a", "é"]), np.zeros((0, 300), np.float32)):
        np.save(tmp_path / "x.npy", array)
        read = load_array(tmp_path / "x.npy")
        assert type(read) is np.ndarray
        assert not read.flags.writeable
        assert read.dtype == array.dtype
        np.testing.assert_array_equal(read, array)
    with pytest.raises(DataError, match=r"no\.npy: no such file$"):
        load_array(tmp_path / "no.npy")


def safetensors(header: object, data: bytes = b"") -> bytes:
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(content)) + content + data


def one(dtype: str, shape: list[int], end: int, metadata: object = None) -> bytes:
    table = {"a": {"dtype": dtype, "shape": shape, "data_offsets": [0, end]}}
    return safetensors(table | ({"__metadata__": metadata} if metadata else {}), bytes(end))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a readable safetensors file"),
        (struct.pack("<Q", 2**62), f"its header has {2**62:,} bytes, at most 16,777,216 are read"),
        (struct.pack("<Q", 17 << 20) + b" " * 100, "its header has 17,825,792 bytes"),
        (safetensors(b"[" * 100_000), "not a readable safetensors file"),
        (safetensors([]), "not a readable safetensors file"),
        (one("BF16", [2], 4), "not a readable safetensors file"),
        (one("F8_E4M3", [2], 2), "not a readable safetensors file"),
        (one("F8_E8M0", [2], 2), "not a readable safetensors file"),
        (one("F4", [4], 2), "not a readable safetensors file"),
        (one("C64", [2**62, 2**62], 8), "not a readable safetensors file"),
        (one("F32", [2**62, 0, 2**62], 0), "not a readable safetensors file"),
        (one("F32", [2], 4), "not a readable safetensors file"),
        (one("F32", [-1], 4), "not a readable safetensors file"),
        (one("F32", [1], 4, {"sertool": "[1]"}), "its metadata is not a table of texts"),
        (one("F32", [1], 4, {"sertool": '{"a": 1}'}), "its metadata is not a table of texts"),
        (one("F32", [1], 4, {"sertool": "not JSON"}), "not a readable safetensors file"),
        (one("F32", [1], 4, {"sertool": "[" * 50_000}), "not a readable safetensors file"),
        (one("F32", [1], 4, {"sertool": '{"a": "\\ud800"}'}), "not a readable safetensors file"),
        (one("F32", [1], 4, {"sertool": 1}), "not a readable safetensors file"),
        (save({"a": np.ones(100)})[:-1], "not a readable safetensors file"),
    ],
)
def test_safetensors(content, message, tmp_path):
    assert refusal(content, tmp_path, read_arrays).startswith(message)
