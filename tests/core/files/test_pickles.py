"""The restricted unpickler reads plain data and numpy arrays of every protocol, and runs nothing."""

import collections
import datetime
import decimal
import io
import os
import pickle
import pickletools
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from places import REFERENCE

from sertool.core.errors import DataError
from sertool.core.files.pickles import MAX_DEPTH, load_pickle

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=10)
    | st.binary(max_size=300),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=4)
        | st.sets(st.integers(), max_size=4)
    ),
    max_leaves=12,
)
ARRAYS = [
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    np.arange(4, dtype=">i2"),
    np.array([True, False]),
    np.array(["a", "bcd", "é"]),
    np.array([b"ab", b"c"]),
    np.array(3.5, np.float16),
    np.zeros((0, 80), np.float32),
    np.float32(3.25),
    np.str_("hé"),
    np.int64(-7),
]


def load(content: bytes, folder: Path):
    path = folder / "x.p"
    path.write_bytes(content)
    return load_pickle(path)


def refusal(content: bytes, folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        load(content, folder)
    return str(caught.value).removeprefix(f"{folder / 'x.p'}: ")


def ends_well(content: bytes, folder: Path) -> bool:
    """Check whether it is read, or refused by a message that names the file."""
    try:
        load(content, folder)
    except DataError as error:
        return str(folder / "x.p") in str(error)
    return True


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=plain, protocol=st.integers(0, 5))
def test_plain_data_come_back_as_they_were(value, protocol, tmp_path):
    assert load(pickle.dumps(value, protocol), tmp_path) == value


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", ARRAYS, ids=lambda value: f"{value.dtype}-{value.shape}")
def test_arrays_and_scalars_come_back_as_they_were(value, protocol, tmp_path):
    read = load(pickle.dumps({"key": [value, value]}, protocol), tmp_path)["key"]
    assert read[0] is read[1]
    assert type(read[0]) is type(value)
    assert read[0].dtype == value.dtype
    assert read[0].shape == value.shape
    np.testing.assert_array_equal(read[0], value)


@pytest.mark.parametrize("protocol", range(6))
def test_object_arrays_hold_allowed_content_only(protocol, tmp_path):
    value = np.array([["x", None], [[1], {"a": np.arange(3)}]], object)
    read = load(pickle.dumps(value, protocol), tmp_path)
    assert read.shape == (2, 2)
    assert read[0].tolist() == ["x", None]
    assert read[1, 0] == [1]
    np.testing.assert_array_equal(read[1, 1]["a"], np.arange(3))
    hostile = pickle.dumps(np.array([decimal.Decimal(1)], object), protocol)
    assert "names decimal.Decimal, which is not allowed" in refusal(hostile, tmp_path)


def test_names_of_numpy_1_are_those_of_numpy_2(tmp_path):
    content = pickle.dumps([np.arange(3), np.str_("ab")], 2)
    assert b"numpy._core" in content
    read = load(content.replace(b"numpy._core", b"numpy.core"), tmp_path)
    assert (read[0].tolist(), read[1]) == ([0, 1, 2], "ab")


def test_python_2_texts_are_latin_1(tmp_path):
    # {'k\xe9y': ['word', u'\u2019']} and an int32 array, as Python 2 writes them under protocol 0.
    texts = b"(dp0\nS'k\\xe9y'\np1\n(lp2\nS'word'\np3\naV\\u2019\np4\nas."
    assert load(texts, tmp_path) == {"kéy": ["word", "\u2019"]}
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\np0\n(cnumpy\nndarray\np1\n(I0\ntp2\nS'b'\np3\ntp4\nRp5\n"
        b"(I1\n(I2\ntp6\ncnumpy\ndtype\np7\n(S'i4'\np8\nI0\nI1\ntp9\nRp10\n"
        b"(I3\nS'<'\np11\nNNNI-1\nI-1\nI0\ntp12\nbI00\nS'\\x01\\x00\\x00\\x00\\xff\\x00\\x00\\x00'\np13\ntp14\nb."
    )
    assert load(array, tmp_path).tolist() == [1, 255]


@pytest.mark.parametrize("path", sorted(REFERENCE.glob("*/data/*/*.p")), ids=lambda path: "/".join(path.parts[-4:]))
def test_reference_files_agree_with_the_plain_unpickler(path):
    expected = pickle.loads(path.read_bytes(), encoding="latin1")
    read = load_pickle(path)
    assert list(read) == list(expected)
    for key, value in expected.items():
        assert type(read[key]) is type(value)
        np.testing.assert_array_equal(read[key], value)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_large_arrays_may_stay_in_the_file(protocol, tmp_path):
    numbers, texts = np.arange(2**19, dtype=np.float32), np.full(2**17, "é" * 3)
    content = {"n": numbers.reshape(2, -1), "small": numbers[:3], "t": texts, "text": "é" * 2**20, "end": 5}
    path = tmp_path / "x.p"
    path.write_bytes(pickle.dumps(content, protocol))
    read = load_pickle(path, in_place=True)
    assert (read["text"], read["end"]) == (content["text"], 5)
    for name in ("n", "small", "t"):
        np.testing.assert_array_equal(read[name], content[name])
    assert not read["n"].flags.writeable
    short = tmp_path / "short.p"
    short.write_bytes(path.read_bytes()[: 2**20])
    with pytest.raises(DataError, match="ends too early"):
        load_pickle(short, in_place=True)


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments, state=None):
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.reduced


def globals_call(module: str, name: str, arguments: bytes = b"(S'touch ran'\ntR") -> bytes:
    return f"c{module}\n{name}\n".encode() + arguments + b"."


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    ("value", "named"),
    [
        (Call(os.system, "touch ran"), "posix.system"),
        (Call(eval, "open('ran', 'w')"), "eval"),
        (Call(exec, "open('ran', 'w')"), "exec"),
        (Call(getattr, "", "join"), "getattr"),
        (Call(open, "ran", "w"), "open"),
        (Call(np.load, "ran"), "numpy.load"),
        (datetime.date(2020, 1, 1), "datetime.date"),
        (collections.OrderedDict(a=1), "collections.OrderedDict"),
        (complex(1, 2), "complex"),
        ({"a": [np.random.default_rng(1).bit_generator]}, "numpy.random"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_names_are_refused_and_never_run(value, named, protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = refusal(pickle.dumps(value, protocol), tmp_path)
    assert message.startswith("names ")
    assert named in message
    assert message.endswith(", which is not allowed in a data file; nothing of it was run")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (globals_call("os", "system"), "names os.system, which"),
        (b"(S'touch ran'\nios\nsystem\n.", "names os.system, which"),
        (b"(cos\nsystem\nS'touch ran'\no.", "names os.system, which"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "names os.system, which"),
        (b"\x80\x04\x8c\x05numpy\x8c\x0cdtype.mro.im\x93.", "names numpy.dtype.mro.im, which"),
        (b"\x80\x02\x82\x01.", "holds a registered extension, which"),
        (b"Pid\n.", "holds a persistent id, which"),
        (b"S'x'\nQ.", "holds a persistent id, which"),
        (b"cnumpy\nndarray\n.", "names numpy.ndarray, which"),
        (b"cnumpy\nndarray\n}S'shape'\nI1\nsb.", "holds a state set on numpy.ndarray, which"),
        (b"]}S'a'\nI1\nsb.", "holds a state set on list, which"),
        (b"S'x'\n(tR.", "holds a call of str, which"),
        (b"cnumpy\nndarray\n(t}\x92.", "holds an object made with keyword arguments, which"),
        (
            globals_call("_codecs", "encode", b"(V1+1\nS'unicode_escape'\ntR"),
            "holds _codecs.encode with encoding",
        ),
        (globals_call("builtins", "bytes", b"(I1000000000000\ntR"), "holds bytes with arguments, which"),
        (globals_call("numpy", "dtype", b"(S'f4,O'\ntR"), "holds numpy.dtype('f4,O')"),
        (globals_call("numpy", "dtype", b"(S'V8'\ntR"), "holds numpy.dtype('V8')"),
        (globals_call("numpy", "dtype", b"(S'f4'\ntR"), "holds a bare dtype, which"),
        (
            globals_call("numpy.core.multiarray", "_reconstruct", b"(cnumpy\ndtype\ntR"),
            "holds a numpy array of a foreign",
        ),
        (b"\x80\x02}(K\x01K\x02\x85K\x03K\x04\x85tbN.", "holds a state set on dict, which"),
        (b"}((tI1\ns.", "not a readable pickle"),
        (b"}()I1\ns.", "not a readable pickle"),
        (b"}(lI1\ns.", "holds a key of type list, which"),
        (b"}]I1\ns.", "holds a key of type list, which"),
    ],
)
def test_tricks_are_refused(content, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refusal(content, tmp_path).startswith(message)
    assert not (tmp_path / "ran").exists()


def array_pickle(shape: bytes, data: bytes, dtype: bytes = b"f4") -> bytes:
    return (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n"
        + shape
        + b"cnumpy\ndtype\n(S'"
        + dtype
        + b"'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\n"
        + data
        + b"tb."
    )


def test_array_states_are_checked(tmp_path):
    assert load(array_pickle(b"(I1\nt", b"S'\\x00\\x00\\x80?'\n"), tmp_path).tolist() == [1.0]
    for shape, data in [
        (b"(I1000000000\nI1000000000\nt", b"S'abcd'\n"),
        (b"(I2\nt", b"S'\\x00\\x00\\x80?'\n"),
        (b"(I2\nt", b"(I1\nI2\nl"),
    ]:
        assert "a numpy array whose data do not fill its shape" in refusal(array_pickle(shape, data), tmp_path)
    assert "a numpy array of an unusual shape" in refusal(array_pickle(b"(I-1\nt", b"S''\n"), tmp_path)
    assert "whose objects do not fill" in refusal(array_pickle(b"(I2\nt", b"(I1\nl", b"O8"), tmp_path)
    fields = array_pickle(b"(I1\nt", b"S'abcd'\n").replace(b"NNNI-1", b"N(S'f0'\ntNI-1")
    assert "a numpy dtype with fields or a subarray" in refusal(fields, tmp_path)


def test_a_hostile_dtype_state_leaves_numpys_own_dtypes_alone(tmp_path):
    content = globals_call("numpy", "dtype", b"(S'f4'\nI0\nI0\ntR(I3\nS'>'\nNNNI-1\nI-1\nI0\ntb")
    refusal(content, tmp_path)
    assert np.dtype("f4").byteorder == "="


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty, expected a pickle"),
        (b"\x80", "ends too early, it is truncated or not a pickle"),
        (b"\x80\x02}q\x00", "ends too early, it is truncated or not a pickle"),
        (b"\x80\x09N.", "not a readable pickle (ValueError: unsupported pickle protocol: 9)"),
        (b"PK\x03\x04", "is a zip archive, expected a pickle"),
        (b"x", "not a readable pickle (KeyError: 120)"),
        (b"hello, world", "not a readable pickle"),
        (b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x", "ends too early"),
        (b"\x80\x05\x96" + struct.pack("<Q", 2**62) + b"x", "ends too early"),
        (b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"N", "ends too early"),
        (b"\x80\x02Nr" + struct.pack("<I", 2**32 - 1) + b"N", "ends too early"),
        (b"(" * 10_000 + b"l", "ends too early"),
    ],
)
def test_damaged_files_are_named(content, message, tmp_path):
    assert refusal(content, tmp_path).startswith(message)


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(DataError, match=r"no\.p: no such file$"):
        load_pickle(tmp_path / "no.p")
    with pytest.raises(DataError, match="is a folder, expected a file"):
        load_pickle(tmp_path)


def test_depth_is_limited_and_sharing_is_not_unrolled(tmp_path):
    depth = 100_000
    assert f"nested more than {MAX_DEPTH} deep" in refusal(b"]" * depth + b"a" * (depth - 1) + b".", tmp_path)
    assert f"nested more than {MAX_DEPTH} deep" in refusal(b"\x80\x02N" + b"\x85" * depth + b".", tmp_path)
    assert "a key of type tuple" in refusal(b"\x80\x02}N" + b"\x85" * depth + b"Ns.", tmp_path)
    # 2**40 leaves in forty lists that each hold the next one twice.
    shared = []
    for _ in range(40):
        shared = [shared, shared]
    assert len(load(pickle.dumps(shared), tmp_path)) == 2
    itself = []
    itself.append(itself)
    read = load(pickle.dumps(itself), tmp_path)
    assert read[0] is read


@pytest.mark.parametrize("name", ["iemocap-mat/data/IEMOCAP/test_sentences.p", "mosi-mnt/data/MOSI/token_to_ix.pkl"])
def test_every_truncation_is_one_message(name, tmp_path):
    content = (REFERENCE / name).read_bytes()
    for length in range(0, len(content), max(1, len(content) // 100)):
        with pytest.raises(DataError):
            load(content[:length], tmp_path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.sampled_from([op.code.encode("latin1") for op in pickletools.opcodes])
        | st.sampled_from([b"cnumpy\ndtype\n", b"cnumpy.core.multiarray\nscalar\n", b"S'f4'\n", b"I3\n", b"K\x01"]),
        max_size=30,
    )
)
def test_any_program_ends_in_data_or_in_one_message(steps, tmp_path):
    assert ends_well(b"".join(steps) + b".", tmp_path)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_byte_ends_in_data_or_in_one_message(data, tmp_path):
    content = bytearray(pickle.dumps({"a": np.arange(3.0), "b": ["x", np.str_("y")]}, data.draw(st.integers(0, 5))))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    assert ends_well(bytes(content), tmp_path)


def test_what_stands_behind_the_pickle_is_not_read(tmp_path):
    stream = io.BytesIO()
    pickle.dump([1], stream)
    stream.write(b"cos\nsystem\n")
    assert load(stream.getvalue(), tmp_path) == [1]
