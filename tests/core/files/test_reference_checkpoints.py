"""The reference's checkpoints load in both formats, and nothing in them is ever run."""

import argparse
import io
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from places import REFERENCE

from sertool.core.errors import DataError
from sertool.core.files.reference_checkpoints import list_checkpoints, read_reference_checkpoint

CHECKPOINTS = sorted(REFERENCE.glob("*/ckpt/ref/best*.pkl"))
LEGACY = REFERENCE / "iemocap-mat/ckpt/ref/best78.26086956521739_8682907.pkl"
ZIP = REFERENCE / "iemocap-mat/ckpt/ref/best73.91304347826086_93324.pkl"
MAGIC = 0x1950A86A20F9469CFC6C


def content(**changes):
    args = argparse.Namespace(model="Model_MAT", hidden_size=4, loss_fn=torch.nn.CrossEntropyLoss(), extra=[1])
    weights = OrderedDict(a=torch.arange(6.0).reshape(2, 3), b=torch.ones(2, dtype=torch.float64))
    return {"state_dict": weights, "optimizer": {}, "args": args} | changes


def save(value, folder: Path, *, legacy: bool) -> Path:
    path = folder / "best50.0_1.pkl"
    torch.save(value, path, _use_new_zipfile_serialization=not legacy)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_reference_checkpoint(path)
    return str(caught.value).removeprefix(f"{path}: ")


def test_there_are_eighteen_in_two_formats():
    assert len(CHECKPOINTS) == 18
    assert sum(zipfile.is_zipfile(path) for path in CHECKPOINTS) == 9


@pytest.mark.filterwarnings("ignore::torch.serialization.SourceChangeWarning")
@pytest.mark.parametrize("path", CHECKPOINTS, ids=lambda path: f"{path.parts[-4]}-{path.stem}")
def test_every_checkpoint_of_the_reference_loads(path):
    checkpoint = read_reference_checkpoint(path)
    accuracy, seed = path.stem.removeprefix("best").split("_")
    assert checkpoint.validation_accuracy == float(accuracy) / 100
    assert checkpoint.seed == int(seed) == checkpoint.settings["seed"]
    # The oracle: torch's own loader, trusted for these files, which this repository holds.
    oracle = torch.load(path, map_location="cpu", weights_only=False)
    assert list(checkpoint.state_dict) == list(oracle["state_dict"])
    for name, tensor in oracle["state_dict"].items():
        assert torch.equal(checkpoint.state_dict[name], tensor)
        assert checkpoint.state_dict[name].dtype == torch.float32
    plain = {key: value for key, value in vars(oracle["args"]).items() if key != "loss_fn"}
    assert checkpoint.settings == plain
    weight = oracle["args"].loss_fn.weight
    assert checkpoint.class_weights == (None if weight is None else tuple(weight.tolist()))


def test_checkpoints_are_ordered_by_accuracy_as_a_number(tmp_path):
    for name in (
        "best9.5_1.pkl",
        "best80.1_7.pkl",
        "best80.1_3.pkl",
        "best100.0_2.pkl",
        "best0.0_5.pkl",
        "other.pkl",
    ):
        (tmp_path / name).touch()
    names = [path.name for path in list_checkpoints(tmp_path)]
    assert names == ["best100.0_2.pkl", "best80.1_3.pkl", "best80.1_7.pkl", "best9.5_1.pkl", "best0.0_5.pkl"]
    assert list_checkpoints(tmp_path / "nothing") == []


@pytest.mark.parametrize("name", ["best.pkl", "bestnan_1.pkl", "best80.pkl", "best101.0_1.pkl", "best80.1_x.pkl"])
def test_a_name_without_accuracy_and_seed_is_an_error(name, tmp_path):
    (tmp_path / name).touch()
    expected = "expected a name like best72.5_1234.pkl (accuracy from 0 to 100, seed)"
    with pytest.raises(DataError) as caught:
        list_checkpoints(tmp_path)
    assert str(caught.value) == f"{tmp_path / name}: {expected}"
    assert refusal(tmp_path / name) == expected


@pytest.mark.parametrize("legacy", [True, False], ids=["legacy", "zip"])
class TestBothFormats:
    def test_plain_content(self, legacy, tmp_path):
        checkpoint = read_reference_checkpoint(save(content(), tmp_path, legacy=legacy))
        assert checkpoint.state_dict["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
        assert checkpoint.state_dict["b"].dtype == torch.float32
        assert checkpoint.settings == {"model": "Model_MAT", "hidden_size": 4}
        assert checkpoint.class_weights is None

    def test_class_weights_views_and_parameters(self, legacy, tmp_path):
        weight = torch.tensor([1.0, 2.0, 1.5])
        table = torch.arange(12.0).reshape(3, 4)
        weights = {
            "column": table[:, 1],
            "turned": table.T,
            "parameter": torch.nn.Parameter(table),
            "none": torch.zeros(0, 3),
            "half": torch.ones(2).half(),
        }
        args = argparse.Namespace(loss_fn=torch.nn.BCEWithLogitsLoss(weight=weight))
        path = save(content(state_dict=weights, args=args), tmp_path, legacy=legacy)
        checkpoint = read_reference_checkpoint(path)
        assert checkpoint.class_weights == (1.0, 2.0, 1.5)
        for name, tensor in weights.items():
            assert torch.equal(checkpoint.state_dict[name], tensor.float())
            assert checkpoint.state_dict[name].is_contiguous()
            assert not checkpoint.state_dict[name].requires_grad

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"state_dict": None}, "holds no state_dict, expected a checkpoint as the reference saves it"),
            ({"state_dict": {}}, "its state_dict is empty"),
            ({"state_dict": {"a": 1}}, "its state_dict's 'a' is not a tensor of floating-point numbers"),
            (
                {"state_dict": {"a": torch.ones(2).long()}},
                "its state_dict's 'a' is not a tensor of floating-point numbers",
            ),
            (
                {"state_dict": {"a": torch.tensor([1, float("nan")])}},
                "its weights a hold NaN or infinite values",
            ),
            ({"args": None}, "holds no args, expected a checkpoint as the reference saves it"),
        ],
    )
    def test_what_is_missing_is_said(self, changes, message, legacy, tmp_path):
        assert refusal(save(content(**changes), tmp_path, legacy=legacy)) == message

    def test_a_bare_tensor_is_no_checkpoint(self, legacy, tmp_path):
        path = save(torch.ones(3), tmp_path, legacy=legacy)
        assert refusal(path) == "holds no state_dict, expected a checkpoint as the reference saves it"

    @pytest.mark.parametrize(
        ("function", "arguments", "named"),
        [
            (os.system, ("touch ran",), "posix.system"),
            (eval, ("open('ran', 'w')",), "eval"),
            (torch.load, ("ran",), "torch.serialization.load"),
            (getattr, ("", "join"), "getattr"),
            (torch.nn.Linear, (1, 1), "torch.nn.modules.linear.Linear"),
        ],
    )
    @pytest.mark.parametrize("where", ["state_dict", "args", "optimizer"])
    def test_hostile_content_is_refused_by_name(self, function, arguments, named, where, legacy, tmp_path, monkeypatch):
        class Call:
            def __reduce__(self):
                return function, arguments

        monkeypatch.chdir(tmp_path)
        message = refusal(save(content(**{where: Call()}), tmp_path, legacy=legacy))
        assert message.startswith("names ")
        assert named in message
        assert message.endswith("which is not allowed in a data file; nothing of it was run")
        assert not (tmp_path / "ran").exists()


def test_a_state_on_a_stand_in_is_kept_and_not_interpreted(tmp_path):
    args = argparse.Namespace()
    vars(args).update({"__class__": "os", "__setstate__": "x", "__init__": 1, "build": 2})
    for legacy in (True, False):
        checkpoint = read_reference_checkpoint(save(content(args=args), tmp_path, legacy=legacy))
        assert checkpoint.settings == vars(args)
    # The stand-ins themselves are as they were.
    assert read_reference_checkpoint(LEGACY).settings["model"] == "Model_MAT"


def legacy_stream(program: bytes, keys: list[str], storages: bytes = b"", system: dict | None = None) -> bytes:
    system = {"protocol_version": 1001, "little_endian": True} if system is None else system
    return (
        b"".join(pickle.dumps(part, 2) for part in (MAGIC, 1001, system)) + program + pickle.dumps(keys, 2) + storages
    )


def tensor_program(
    shape: str, strides: str, *, offset: int = 0, count: int = 4, kind: str = "torch\nFloatStorage"
) -> bytes:
    """{'state_dict': {'a': a tensor}} with every number as given."""

    def numbers(text: str) -> str:
        return "(" + "".join(f"I{number}\n" for number in text.split()) + "t"

    return (
        "(S'state_dict'\n(S'a'\nctorch._utils\n_rebuild_tensor_v2\n"
        f"((S'storage'\nc{kind}\nS'0'\nS'cuda:0'\nI{count}\nNtQI{offset}\n{numbers(shape)}{numbers(strides)}I00\nNtRdd."
    ).encode()


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (tensor_program("5", "1"), "holds a tensor that reaches beyond its storage"),
        (tensor_program("2", "1", offset=3), "holds a tensor that reaches beyond its storage"),
        (tensor_program("2 2", "4 1"), "holds a tensor that reaches beyond its storage"),
        (tensor_program("1000000 1000000", "0 0"), "holds a tensor that reaches beyond its storage"),
        (tensor_program("2", "-1"), "holds a tensor of an unusual shape"),
        (tensor_program("-2", "1"), "holds a tensor of an unusual shape"),
        (tensor_program("2 2", "1"), "holds a tensor of an unusual shape"),
        (tensor_program("2", "1", count=10**15), "ends too early"),
        (tensor_program("2", "1", count=-1), "ends too early"),
        (tensor_program("2", "1", kind="torch\nQUInt8Storage"), "names torch.QUInt8Storage"),
        (tensor_program("2", "1", kind="argparse\nNamespace"), "holds an unusual storage"),
        (b"ctorch\nFloatStorage\n(I5\ntR.", "holds a call of a storage's type"),
        (b"(S'module'\nS'os.system'\nS''\nS''\ntQ.", "holds an unknown persistent id"),
        (b"(S'module'\ncos\nsystem\nS''\nS''\ntQ(S'touch ran'\ntR.", "names os.system"),
        (b"cargparse\nNamespace\n}S'x'\nI1\nsb.", "holds a state set on argparse.Namespace"),
        (b"ccollections\nOrderedDict\n(((I1\ntI2\ntlt.", "not a readable pickle"),
    ],
)
def test_hostile_streams_are_refused(program, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "best50.0_1.pkl"
    path.write_bytes(legacy_stream(program, ["0"], struct.pack("<q4f", 4, 1, 2, 3, 4)))
    assert refusal(path).startswith(message)
    assert not (tmp_path / "ran").exists()


def test_streams_whose_parts_do_not_fit(tmp_path):
    path = tmp_path / "best50.0_1.pkl"
    program = tensor_program("2 2", "2 1")
    data = struct.pack("<q4f", 4, 1, 2, 3, 4)
    for stream, message in [
        (legacy_stream(program, [], data), "its list of storages does not fit its tensors"),
        (legacy_stream(program, ["0", "1"], data), "its list of storages does not fit its tensors"),
        (legacy_stream(program, ["0"], data[:-1]), "ends too early, it is truncated or not a pickle"),
        (
            legacy_stream(program, ["0"], b"\x05" + data[1:]),
            "the storage 0 has another size than its tensors",
        ),
        (legacy_stream(program, ["0"], data, {"little_endian": False}), "written on a big-endian machine"),
        (pickle.dumps(1) + pickle.dumps(1001) + pickle.dumps({}), "not a checkpoint that torch wrote"),
        (pickle.dumps({"state_dict": {}}), "ends too early"),
        (b"", "is empty, expected a pickle"),
        (b"PK\x03\x04 half a zip file", "is damaged or truncated (File is not a zip file)"),
        (legacy_stream(program, ["0"], data), "holds no args"),
    ]:
        path.write_bytes(stream)
        assert refusal(path).startswith(message)


def test_a_missing_file(tmp_path):
    assert refusal(tmp_path / "best50.0_1.pkl") == "no such file"


@pytest.mark.parametrize("path", [LEGACY, ZIP], ids=["legacy", "zip"])
def test_every_truncation_is_one_message(path, tmp_path):
    whole = path.read_bytes()
    cut = tmp_path / "best50.0_1.pkl"
    for length in range(0, len(whole), len(whole) // 60):
        cut.write_bytes(whole[:length])
        refusal(cut)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 4000), value=st.integers(0, 255), legacy=st.booleans())
def test_a_flipped_byte_is_read_or_refused(position, value, legacy, tmp_path):
    stream = io.BytesIO()
    torch.save(content(), stream, _use_new_zipfile_serialization=not legacy)
    whole = bytearray(stream.getvalue())
    whole[position % len(whole)] = value
    path = tmp_path / "best50.0_1.pkl"
    path.write_bytes(whole)
    try:
        read_reference_checkpoint(path)
    except DataError as error:
        refused = str(error)
    else:
        refused = str(path)
    assert str(path) in refused
