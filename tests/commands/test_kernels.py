"""Check the lines that commands print about the Triton kernels of a CUDA device, and ``sertool doctor --device``."""

import json

import jsonschema
import pytest
import torch
from commands_run import refusal, run
from json_results import schemas
from kernel_running import needs_triton
from machines import H100, PROBLEMS, T4, machine_with

from sertool.commands._console import console
from sertool.commands._kernels import COMPARING, kernel_state, say_kernels, show
from sertool.core.compute import cards
from sertool.core.compute.device_checks import Report, Verdict
from sertool.core.models import kernels
from sertool.core.models.kernels import proof
from sertool.core.models.kernels.proof import Facts, Proof

LEFT_OUT = "kernels: relu is left out on Tesla T4 (differs by 0.3): plain operations take its place"
ON_T4 = Facts("Tesla T4", (7, 5), False, "3.6.0", "580.65.06")
REPORT = Report({"adam fp32": Verdict("", 1.25), "relu fp32": Verdict("differs by 0.3", 12.5)})


@pytest.fixture
def card(monkeypatch, tmp_path):
    """A machine with a T4, on which adam is equal and relu is not; the list of comparisons that were done."""
    done = []

    def compare(module, device, names):
        done.append((device, names))
        return REPORT

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.delenv(kernels.OFF, raising=False)
    monkeypatch.setattr(proof, "COMPARED", ("adam", "relu"))
    monkeypatch.setattr(proof, "compare", compare)
    monkeypatch.setattr(proof, "triton_version", lambda: "3.6.0")
    monkeypatch.setattr(proof, "_known", {})
    monkeypatch.setattr(kernels, "shown_lines", set())
    for module in (proof, cards):
        monkeypatch.setattr(module, "find_cards", lambda: machine_with(T4))
    return done


def test_the_first_command_on_a_card_compares_and_later_ones_read_the_result(card, capsys, monkeypatch):
    assert kernel_state() == {"kernels": "not compared yet on this card; sertool doctor --device compares them"}
    assert card == []
    device = torch.device("cuda:0")
    say_kernels(console(), device)
    assert capsys.readouterr().err.splitlines() == [COMPARING, LEFT_OUT]
    say_kernels(console(), device)
    assert capsys.readouterr().err.splitlines() == [LEFT_OUT]
    monkeypatch.setattr(proof, "_known", {})  # another process
    say_kernels(console(), device)
    assert capsys.readouterr().err.splitlines() == [LEFT_OUT]
    assert card == [("cuda:0", ["adam fp32", "relu fp32"])]
    assert kernel_state() == {"kernels": "left out on this card: relu (differs by 0.3)"}


def test_a_worker_tells_what_its_process_has_not_told(card):
    device = torch.device("cuda:0")
    assert kernels.new_kernel_lines(device) == [LEFT_OUT]
    assert kernels.new_kernel_lines(device) == []
    assert kernels.new_kernel_lines(torch.device("cpu")) == []


def test_where_no_kernel_would_run_nothing_is_compared(card, capsys, monkeypatch):
    say_kernels(console(), torch.device("cpu"))
    monkeypatch.setenv(kernels.OFF, "1")
    say_kernels(console(), torch.device("cuda:0"))
    assert capsys.readouterr().err == ""
    assert kernel_state() == {"kernels": "SERTOOL_PLAIN_KERNELS=1 switches off all"}
    monkeypatch.setenv(kernels.OFF, "relu,norm")
    assert kernel_state() == {"kernels": "SERTOOL_PLAIN_KERNELS=relu,norm switches off relu,norm"}
    assert card == []


def test_without_triton_one_line_says_so(card, capsys, monkeypatch):
    monkeypatch.setattr(proof, "triton_version", lambda: None)
    say_kernels(console(), torch.device("cuda:0"))
    assert capsys.readouterr().err == "kernels: Triton is not installed: plain operations (slower)\n"
    assert kernel_state() == {"kernels": "Triton is not installed: plain operations (slower)"}
    assert card == []


def test_the_environment_of_a_machine_without_a_card(monkeypatch):
    monkeypatch.setattr(cards, "find_cards", lambda: PROBLEMS["no card"][0])
    assert kernel_state() == {"kernels": "none without a CUDA device: plain operations"}


def test_all_equal_is_told(card):
    proof.store(proof.KIND, proof.key_of(ON_T4), {name: Verdict("", 1.0) for name in REPORT.verdicts})
    assert kernel_state() == {"kernels": "equal to plain operations on this card"}


def test_the_doctor_compares_anew_and_shows_a_table(card, tmp_path):
    for _ in range(2):
        result = run("doctor", "--device", "--json", str(tmp_path / "out.json"))
        assert result.exit_code == 1  # a kernel is left out
        assert result.stdout.splitlines() == [
            "Tesla T4 · Triton 3.6.0 · driver 580.65.06",
            "",
            "kernel  format  result          seconds",
            "adam    fp32    equal               1.2",
            "relu    fp32    differs by 0.3     12.5",
            "bf16 is not compared: the card has none",
            "",
            LEFT_OUT,
        ]
        assert result.stderr == "comparing the kernels on Tesla T4; this takes up to a minute\n"
    assert len(card) == 2
    found = json.loads((tmp_path / "out.json").read_text())
    jsonschema.validate(found, schemas()["sertool-kernels/1"])
    assert found == {
        "format": "sertool-kernels/1",
        "cards": [
            {
                "card": "Tesla T4",
                "capability": "7.5",
                "driver": "580.65.06",
                "triton": "3.6.0",
                "comparisons": [
                    {"kernel": "adam", "format": "fp32", "equal": True, "fault": "", "seconds": 1.25},
                    {"kernel": "relu", "format": "fp32", "equal": False, "fault": "differs by 0.3", "seconds": 12.5},
                ],
                "problem": None,
                "lines": [LEFT_OUT],
            }
        ],
    }
    assert kernel_state()["kernels"].startswith("left out on this card")


def test_the_doctor_compares_on_one_card_of_each_kind(card, monkeypatch):
    monkeypatch.setattr(cards, "find_cards", lambda: machine_with(T4, H100, T4))
    run("doctor", "--device")
    assert card == [
        ("cuda:0", ["adam fp32", "relu fp32"]),
        ("cuda:1", ["adam fp32", "adam bf16", "relu fp32", "relu bf16"]),
    ]


def test_a_comparison_that_could_not_be_done_is_shown_without_a_table():
    found = Proof(ON_T4, Report({}, "the comparison cannot start: no disk"))
    assert show(found) == [
        "Tesla T4 · Triton 3.6.0 · driver 580.65.06",
        "kernels: they cannot be compared on Tesla T4 (the comparison cannot start: no disk): "
        "plain operations (slower)",
    ]


def test_the_doctor_needs_a_card_and_no_corpus(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr(cards, "find_cards", lambda: PROBLEMS["no CUDA in torch"][0])
    assert refusal("doctor", "--device", code=1).splitlines() == [
        "error: --device: this torch is built without CUDA",
        "  try: sertool doctor shows what torch sees of this machine",
    ]
    message = "error: --device compares kernels: it takes no --data, --recipe, --against or --set\n"
    assert refusal("doctor", "--device", "--recipe", "meld", code=2) == message


@needs_triton
def test_the_interpreter_stands_for_a_card(monkeypatch, tmp_path):
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(proof, "COMPARED", ("adam",))
    result = run("doctor", "--device")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].startswith("Triton's interpreter · Triton 3.")
    assert result.stdout.splitlines()[-1] == "every kernel is equal to plain operations"
    assert not (tmp_path / "cache").exists()
