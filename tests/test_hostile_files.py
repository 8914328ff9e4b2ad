"""Files made to run code, to take all memory or to hang: refused by one message that names the file."""

import io
import json
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from fuzzing.seeds import checkpoint, zip_of
from safetensors.numpy import save

from sertool.core.errors import DataError
from sertool.core.files import pickles as safe_pickle
from sertool.core.files import torch_files
from sertool.core.files.artifacts import read_arrays, read_json, read_json_lines
from sertool.core.files.pickles import load_array, load_pickle
from sertool.core.files.reference_checkpoints import read_reference_checkpoint

NAME = "best50.0_1.pkl"
ENDING = ", which is not allowed in a data file; nothing of it was run"


def call(module: str, name: str, arguments: bytes = b"S'touch ran'\n") -> bytes:
    return f"c{module}\n{name}\n".encode() + b"(" + arguments + b"tR"


SYSTEM = call("os", "system")
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
OBJECTS = b"cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI63\ntb"
# Each leaves one object on the stack; what the message says of it.
PROGRAMS = {
    "os.system": (SYSTEM, "names os.system"),
    "posix.system": (call("posix", "system"), "names posix.system"),
    "subprocess": (call("subprocess", "check_call", b"(S'touch'\nS'ran'\nl"), "names subprocess.check_call"),
    "eval": (call("builtins", "eval", b'S\'open("ran", "w")\'\n'), "names builtins.eval"),
    "eval of Python 2": (call("__builtin__", "eval"), "names __builtin__.eval"),
    "exec": (call("builtins", "exec"), "names builtins.exec"),
    "compile": (call("builtins", "compile"), "names builtins.compile"),
    "import": (call("builtins", "__import__", b"S'os'\n"), "names builtins.__import__"),
    "open": (call("builtins", "open", b"S'ran'\nS'w'\n"), "names builtins.open"),
    "getattr": (call("builtins", "getattr", b"cnumpy\nndarray\nS'tofile'\n"), "names builtins.getattr"),
    "a method of an allowed class": (call("numpy", "ndarray.tofile"), "names numpy.ndarray.tofile"),
    "a path of names": (b"S'os'\nS'path.os.system'\n\x93(S'touch ran'\ntR", "names os.path.os.system"),
    "functools.partial": (call("functools", "partial", SYSTEM), "names functools.partial"),
    "functools.reduce": (call("functools", "reduce"), "names functools.reduce"),
    "operator.attrgetter": (
        call("operator", "attrgetter", b"S'system'\n") + b"(cos\npath\ntR",
        "names operator.attrgetter",
    ),
    "operator.methodcaller": (call("operator", "methodcaller", b"S'run'\n"), "names operator.methodcaller"),
    "map": (call("builtins", "map", b"cos\nsystem\n(S'touch ran'\nl"), "names builtins.map"),
    "pickle.loads": (call("pickle", "loads", b"S'cos\\nsystem\\n.'\n"), "names pickle.loads"),
    "marshal": (call("marshal", "loads"), "names marshal.loads"),
    "a function from code": (call("types", "FunctionType"), "names types.FunctionType"),
    "runpy": (call("runpy", "run_path", b"S'ran'\n"), "names runpy.run_path"),
    "pty": (call("pty", "spawn"), "names pty.spawn"),
    "shutil": (call("shutil", "rmtree", b"S'.'\n"), "names shutil.rmtree"),
    "numpy.load": (call("numpy", "load", b"S'ran'\n"), "names numpy.load"),
    "numpy's test runner": (
        call("numpy.testing._private.utils", "runstring", b"S'1'\n(d"),
        "names numpy.testing._private.utils.runstring",
    ),
    "copyreg": (call("copyreg", "_reconstructor"), "names copyreg._reconstructor"),
    "copy_reg": (call("copy_reg", "_reconstructor"), "names copy_reg._reconstructor"),
    "a codec": (
        call("_codecs", "encode", b"Vx\nS'bz2_codec'\n"),
        "holds _codecs.encode with encoding 'bz2_codec'",
    ),
    "a codec as a list": (
        call("_codecs", "encode", b"Vx\n]"),
        "holds _codecs.encode with encoding of type list",
    ),
    "codecs.decode": (call("_codecs", "decode", b"S'x'\nS'zip'\n"), "names _codecs.decode"),
    "joblib": (call("joblib", "load", b"S'ran'\n"), "names joblib.load"),
    "torch.load": (call("torch", "load", b"S'ran'\n"), "names torch.load"),
    "torch in torch": (call("torch.storage", "_load_from_bytes"), "names torch.storage._load_from_bytes"),
    "torch.jit": (call("torch.jit._pickle", "restore_type_tag"), "names torch.jit._pickle.restore_type_tag"),
    "torch.hub": (call("torch.hub", "load"), "names torch.hub.load"),
    "a module of torch": (call("torch.nn.modules.linear", "Linear"), "names torch.nn.modules.linear.Linear"),
    "INST": (b"(S'touch ran'\nios\nsystem\n", "names os.system"),
    "OBJ": (b"(cos\nsystem\nS'touch ran'\no", "names os.system"),
    "NEWOBJ": (b"cos\nsystem\n(S'touch ran'\nt\x81", "names os.system"),
    "NEWOBJ_EX": (b"cnumpy\nndarray\n(t}\x92", "holds an object made with keyword arguments"),
    "a registered extension": (b"\x82\x01", "holds a registered extension"),
    "a persistent id": (b"Pos.system\n", ("holds a persistent id", "holds an unknown persistent id")),
    "a persistent id from the stack": (b"N(tQ", ("holds a persistent id", "holds an unknown persistent id")),
    "an array of another class": (
        b"cnumpy.core.multiarray\n_reconstruct\n(c__builtin__\nset\n(I0\ntS'b'\ntR",
        "holds a numpy array of a foreign class",
    ),
    "a state on a function": (
        b"cnumpy.core.multiarray\n_reconstruct\n(dS'build'\nI1\nsb",
        "holds a state set on numpy.core.multiarray._reconstruct",
    ),
    "a state on a class": (b"cnumpy\nndarray\n(dS'__class__'\nI1\nsb", "holds a state set on numpy.ndarray"),
    "a state on a dtype": (b"cnumpy\ndtype\n(S'f4'\ntR(dS'__dict__'\n(dsb", "holds a bare dtype"),
    "slots of a dtype": (b"cnumpy\ndtype\n(S'f4'\ntR(N(dS'text'\nS'O'\nstb", "holds a bare dtype"),
    "a state on a list": (b"](dS'__class__'\nI1\nsb", "holds a state set on list"),
    "a bare class": (b"cnumpy\nndarray\n", "names numpy.ndarray"),
    "an array without data": (ARRAY, "holds a numpy array without data"),
    "a call of a text": (b"S'os.system'\n(S'touch ran'\ntR", "holds a call of str"),
    "a call of a call": (b"c_codecs\nencode\n(Vx\nS'latin1'\ntR(tR", "holds a call of bytes"),
    "a memory view": (b"\x96" + struct.pack("<Q", 1) + b"x\x98", "holds a bare memoryview"),
    "a name a terminal acts upon": (call("os", "\x1b[2J\x07"), "names 'os.\\x1b[2J\\x07'"),
    "an endless name": (call("o" * 100_000, "x"), f"names {'o' * 120!r}"),
    "a number without end": (b"I0x" + b"f" * 10_000 + b"\n", "holds a number of more than 2,048 bits"),
    "a long without end": (
        b"\x8b" + struct.pack("<i", 9000) + b"\x7f" * 9000,
        "holds a number of more than 2,048 bits",
    ),
    "half a character": (b"X\x03\x00\x00\x00\xed\xa0\x80", "not a readable pickle (UnicodeEncodeError"),
    "half a character as an escape": (b"V\\ud800\n", "not a readable pickle (UnicodeEncodeError"),
}
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


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_are_refused_and_leave_no_trace(name, wrapper, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program, expected = PROGRAMS[name]
    if isinstance(expected, tuple):
        expected = expected[wrapper in ("stream", "zip")]
    message = refusal(WRAPPERS[wrapper](program), tmp_path, read_as(wrapper))
    assert message.startswith(expected)
    assert message.isprintable()
    assert len(message) < 400
    if expected.startswith(("names", "holds")):
        assert message.endswith(ENDING)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_the_same_under_watch(tmp_path):
    """In a process that fails on any attempt to run, import or write, as Python itself reports it."""
    here = Path(__file__).parent
    script = (
        f"import sys; sys.path[:0] = [{str(here)!r}, {str(here / 'fuzzing')!r}]\n"
        "from guarded import Guard\n"
        "from test_hostile_files import PROGRAMS, WRAPPERS\n"
        "guard, refused = Guard(), 0\n"
        "for guard.warm in (False, True):\n"
        "    for program, _ in PROGRAMS.values():\n"
        "        for name, wrap in WRAPPERS.items():\n"
        "            kind = 'pickle' if name in ('data', 'array') else 'checkpoint'\n"
        "            refused += guard.read(kind, wrap(program)) is not None\n"
        "guard.close()\n"
        "print(refused)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.stderr == ""
    assert int(done.stdout) == 2 * len(PROGRAMS) * len(WRAPPERS)
    assert not list(tmp_path.iterdir())


def test_the_watch_sees_what_it_is_for(tmp_path):
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent / 'fuzzing')!r})\n"
        "import guarded, os, pickle, subprocess\n"
        "guard = guarded.Guard(); guard.warm = True\n"
        "tries = [lambda p, t: os.system('true'), lambda p, t: eval('1'), lambda p, t: open(p, 'w'),\n"
        "    lambda p, t: __import__('wave'), lambda p, t: pickle.loads(b'cos\\nsystem\\n.'),\n"
        "    lambda p, t: subprocess.run(['true']), lambda p, t: p.unlink()]\n"
        "for number, guarded.READERS['pickle'] in enumerate(tries):\n"
        "    try: guard.read('pickle', b'N.')\n"
        "    except guarded.Broken: print(number)\n"
        "    guard.seen.clear()\n"
        "guard.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.split() == list("0123456")


def test_states_that_torch_sets_have_no_effect(tmp_path):
    """What a checkpoint may build: a table whose attributes are dropped, a namespace whose state is only kept."""
    table = b"ccollections\nOrderedDict\n(tR(dS'__class__'\nS'x'\nsS'__setstate__'\nI1\nsb"
    space = b"cargparse\nNamespace\n(tR(dS'__dict__'\n(dsS'__class__'\nS'x'\nsS'hidden_size'\nI4\nsb"
    program = b"(dS'state_dict'\n" + table + b"sS'args'\n" + space + b"s."
    for content in (stream_checkpoint(program), zip_checkpoint(program)):
        assert refusal(content, tmp_path, read_reference_checkpoint) == "its state_dict is empty"


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (b"ccollections\nOrderedDict\n(Vab\ntR", "holds a table from str"),
        (b"ccollections\nOrderedDict\n((I1\nltR", "holds a table of something else than pairs"),
        (b"ccollections\nOrderedDict\n(((]I1\ntltR", "holds a key of type list"),
        (b"ctorch\nFloatStorage\n(I5\ntR", "holds a call of a storage's type"),
        (b"(S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI9\nNNtQ", "holds an unknown persistent id"),
        (b"(S'module'\ncos\nsystem\nS''\nS''\ntQ", "names os.system"),
    ],
)
@pytest.mark.parametrize("wrapper", ["stream", "zip"])
def test_what_a_checkpoint_may_name_is_checked_too(program, message, wrapper, tmp_path):
    assert refusal(WRAPPERS[wrapper](program), tmp_path, read_reference_checkpoint).startswith(message)


def text(size: int) -> bytes:
    return b"X" + struct.pack("<I", size) + b"x" * size


def again(callee: bytes, arguments: bytes, times: int = 2000) -> bytes:
    """The same call with the same arguments, five bytes a time."""
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
    "arrays over one list": b"(I1\n(I999\nt"
    + OBJECTS
    + b"I00\n("
    + b"N" * 999
    + b"ltq\x050"
    + ARRAY
    + b"h\x05b" * 500,
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
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from sertool.core.errors import DataError\n"
        "from sertool.core.files.pickles import load_pickle\n"
        "try: load_pickle(Path(sys.argv[1]))\n"
        "except DataError as error: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
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
    assert (
        refusal(content, tmp_path, read_reference_checkpoint)
        == "its list of storages does not fit its tensors"
    )


def typed_array(kind: str, shape: str, data: bytes) -> bytes:
    dtype = f"cnumpy\ndtype\n(S'{kind}'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb".encode()
    return (
        ARRAY
        + f"(I1\n({shape}t".encode()
        + dtype
        + b"I00\n"
        + b"B"
        + struct.pack("<I", len(data))
        + data
        + b"tb"
    )


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (typed_array("S0", f"I{2**39}\n", b""), "holds a numpy array of items without size"),
        (typed_array("U0", "I1\n", b""), "holds a numpy array of items without size"),
        (typed_array("f4", f"I{2**39}\nI{2**39}\nI0\n", b""), "not a readable pickle (ValueError"),
        (
            typed_array("U1", "I1\n", b"\x00\x00\x11\x00"),
            "holds a numpy array of texts with what is no character",
        ),
        (
            typed_array("U1", "I1\n", b"\x00\xd8\x00\x00"),
            "holds a numpy array of texts with what is no character",
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


def test_many_names_for_one_tensor_are_no_copies(tmp_path):
    """Each weight gets memory of its own; a hundred names for the same numbers would take a hundred times the file."""
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


def npy(header: str, data: bytes = b"") -> bytes:
    content = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(content)) + content + data


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a readable array (it is no .npy file)"),
        (pickle.dumps([1]), "not a readable array (it is no .npy file)"),
        (SYSTEM + b".", "not a readable array (it is no .npy file)"),
        (zip_of({"a.npy": npy("")}, zipfile.ZIP_STORED), "not a readable array (it is no .npy file)"),
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
        (one("F32", [1], 4, {"sertool": "[1]"}), "its metadata are no table of texts"),
        (one("F32", [1], 4, {"sertool": '{"a": 1}'}), "its metadata are no table of texts"),
        (one("F32", [1], 4, {"sertool": "not JSON"}), "not a readable safetensors file"),
        (one("F32", [1], 4, {"sertool": "[" * 50_000}), "not a readable safetensors file"),
        (one("F32", [1], 4, {"sertool": '{"a": "\\ud800"}'}), "not a readable safetensors file"),
        (one("F32", [1], 4, {"sertool": 1}), "not a readable safetensors file"),
        (save({"a": np.ones(100)})[:-1], "not a readable safetensors file"),
    ],
)
def test_safetensors(content, message, tmp_path):
    assert refusal(content, tmp_path, read_arrays).startswith(message)


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000,
        '{"a":' * 5000,
        "1" * 5000,
        "NaN",
        "-Infinity",
        "1e400",
        '"\\ud800"',
        '{"\\udfff": 1}',
        "",
        "\ufeff{}",
    ],
)
def test_json_that_python_takes_and_no_standard_does(content, tmp_path):
    assert refusal(content.encode(), tmp_path, read_json).startswith("not valid JSON (")
    if content:
        lines = f'{{"a": 1}}\n{content}\n'.encode()
        assert refusal(lines, tmp_path, read_json_lines).startswith("line 2 is not valid JSON (")


def test_json_that_is_right(tmp_path):
    (tmp_path / "x").write_text('{"a": "\\ud83d\\ude00 \\u00e9", "b": [1e300, -0.5, 12345678901234567890]}')
    assert read_json(tmp_path / "x") == {"a": "😀 é", "b": [1e300, -0.5, 12345678901234567890]}
