"""Pickles and checkpoints that try to run something are refused by name, and nothing of them runs."""

import struct
import subprocess
import sys

import pytest
from hostile_files import (
    ARRAY,
    ENDING,
    NAME,
    SYSTEM,
    WRAPPERS,
    call,
    read_as,
    refusal,
    stream_checkpoint,
    zip_checkpoint,
)
from places import TESTS

from sertool.core.files.reference_checkpoints import read_reference_checkpoint

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
    """Read the programs in a process whose audit hook fails on any attempt to run, import or write."""
    folders = [str(TESTS / name) for name in ("core/files", "fuzzing", "support")]
    script = (
        f"import sys; sys.path[:0] = {folders!r}\n"
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
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.stderr == ""
    assert int(done.stdout) == 2 * len(PROGRAMS) * len(WRAPPERS)
    assert not list(tmp_path.iterdir())


def test_the_watch_sees_what_it_is_for(tmp_path):
    script = (
        f"import sys; sys.path.insert(0, {str(TESTS / 'fuzzing')!r})\n"
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
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.split() == list("0123456")


def test_states_that_torch_sets_have_no_effect(tmp_path):
    """A checkpoint may build a table, whose attributes are dropped, and a namespace, whose state is only kept."""
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
