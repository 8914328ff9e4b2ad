"""Small valid files of every kind that the readers accept, as seeds for fuzzing."""

import argparse
import gzip
import io
import json
import pickle
import tarfile
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save

# Not from places in tests/support: the scripts of this folder run by themselves.
REFERENCE = Path(__file__).parents[1] / "reference"
FILES = {"MELD/train_mels.p": b"abc" * 400, "MELD/": b"", "read me.txt": b"hi\n", "__MACOSX/._x": b"1"}
# Pieces to insert, each meaningful to one of the readers.
PIECES = [
    *(bytes([code]) for code in b"()]}Nabdehijlopqrstu.0123\x85\x86\x87\x8f\x90\x91\x94\x81\x52\x51"),
    b"cnumpy\ndtype\n",
    b"cnumpy.core.multiarray\nscalar\n",
    b"cnumpy.core.multiarray\n_reconstruct\n",
    b"cnumpy\nndarray\n",
    b"c_codecs\nencode\n",
    b"cos\nsystem\n",
    b"cbuiltins\neval\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ccollections\nOrderedDict\n",
    b"S'touch ran'\n",
    b"X\x04\x00\x00\x00abcd",
    b"h\x00",
    b"h\x05",
    b"q\x00",
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x80",
    b"\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"PK\x03\x04",
    b"PK\x01\x02",
    b"../",
    b"\x00",
    b"\\ud800",
    b"1e999",
    b"NaN",
    b"[" * 50,
    b'{"a":',
    b'"F8_E4M3"',
    b'"BF16"',
    b"U0",
    b"GNU.sparse.major=1\n",
]


def _pickles() -> list[bytes]:
    values = [
        {"k1": ["the", "word", "é"], "k2": [np.str_("a")], "k3": np.array(["ab", "c"])},
        {"k1": np.arange(12, dtype=np.float32).reshape(3, 4), "k2": np.zeros((0, 80), ">f8")},
        {"k": np.array([["x", None], [[1], {"a": np.arange(3)}]], object), "s": {1, 2}, "f": frozenset("a")},
        {"k1": 3, "k2": np.int64(4), "k3": 1.5, "k4": 2**70, "k5": (True, None, b"bytes")},
    ]
    real = [
        REFERENCE / "iemocap-mat/data/IEMOCAP/test_emotions.p",
        REFERENCE / "mosi-mnt/data/MOSI/token_to_ix.pkl",
    ]
    return [
        *(pickle.dumps(value, protocol) for value in values for protocol in range(6)),
        *(path.read_bytes() for path in real),
    ]


def _arrays() -> list[bytes]:
    made = []
    for array in (
        np.arange(6.0).reshape(2, 3),
        np.array(["ab", "c"]),
        np.zeros((0, 3), ">i2"),
        np.asfortranarray(np.eye(3)),
    ):
        stream = io.BytesIO()
        np.save(stream, array)
        made.append(stream.getvalue())
    return made


def checkpoint(*, legacy: bool) -> bytes:
    """Make a small checkpoint in the reference's form."""
    weights = OrderedDict(
        a=torch.arange(6.0).reshape(2, 3), b=torch.ones(2, dtype=torch.float64), c=torch.ones(2).half()
    )
    args = argparse.Namespace(model="Model_MAT", hidden_size=4, loss_fn=torch.nn.CrossEntropyLoss(torch.ones(4)))
    content = {"state_dict": weights, "optimizer": {"step": np.float64(2)}, "args": args}
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=not legacy)
    return stream.getvalue()


def zip_of(members: dict[str, bytes], method: int) -> bytes:
    """Make a zip."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return stream.getvalue()


def tar_of(members: dict[str, bytes], form: int) -> bytes:
    """Make an uncompressed tar."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as packed:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.type, member.size = (tarfile.DIRTYPE, 0) if name.endswith("/") else (tarfile.REGTYPE, len(content))
            packed.addfile(member, io.BytesIO(content))
    return stream.getvalue()


TARS = [tar_of({**FILES, "long/" * 40 + "x": b"1"}, form) for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]
SEEDS: dict[str, list[bytes]] = {
    "pickle": _pickles(),
    "npy": _arrays(),
    "safetensors": [
        save({"a": np.arange(6.0).reshape(2, 3), "b": np.zeros((0, 4), np.float32)}),
        save({"a": np.ones(2, np.int16)}, metadata={"sertool": json.dumps({"fingerprint": "x"})}),
    ],
    "zip": [zip_of(FILES, zipfile.ZIP_DEFLATED), zip_of(FILES, zipfile.ZIP_STORED)],
    "tar.gz": [gzip.compress(tar, 1) for tar in TARS],
    "checkpoint": [checkpoint(legacy=True), checkpoint(legacy=False)],
    "json": [b'{"a": [1, 2.5e3, "\\u00e9", null, true], "b": {"c": {}}}'],
    "jsonl": [b'{"id": "x", "labels": {"emotion": 1}}\n\n{"id": "y", "text": "\\ud83d\\ude00"}\n'],
}
REAL_CHECKPOINTS = [
    REFERENCE / "iemocap-mat/ckpt/ref/best78.26086956521739_8682907.pkl",
    REFERENCE / "iemocap-mat/ckpt/ref/best73.91304347826086_93324.pkl",
]
