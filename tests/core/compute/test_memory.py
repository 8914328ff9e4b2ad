"""Errors that say that memory ran out, and the messages that follow from them."""

from dataclasses import replace

import pytest
import torch
from builders import CPU

from sertool.core.compute.memory import card_shortage, out_of_memory, release_memory
from sertool.core.compute.shortage import ran_out_of_memory
from sertool.core.errors import SertoolError

CPU_TEXT = (
    "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
    "4398046511104 bytes. Error code 12 (Cannot allocate memory)"
)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 14 GiB"),
        MemoryError(),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
        RuntimeError("Triton Error [CUDA]: out of memory"),
        RuntimeError(CPU_TEXT),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
    ],
)
def test_errors_of_memory(error):
    assert ran_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"),
        RuntimeError("out of resource: shared memory, Required: 262144, Hardware limit: 166912"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        SertoolError("seed 3: the loss of epoch 2 is not a finite number"),
        ValueError("out of memory"),
    ],
)
def test_other_errors(error):
    assert not ran_out_of_memory(error)


def recording():
    try:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
    except RuntimeError as error:
        raise SertoolError("the training step cannot be recorded") from error


def ending_the_recording():
    """Raise the errors that torch raises where memory ends while it records a graph."""
    try:
        raise torch.OutOfMemoryError("CUDA out of memory")
    finally:
        raise RuntimeError("CUDA error: operation failed due to a previous error during capture")


def unrelated():
    try:
        raise MemoryError
    except MemoryError:
        raise ValueError("something else") from None


@pytest.mark.parametrize(("fails", "memory"), [(recording, True), (ending_the_recording, True), (unrelated, False)])
def test_an_error_that_follows_from_another(fails, memory):
    with pytest.raises((SertoolError, RuntimeError, ValueError)) as caught:
        fails()
    assert ran_out_of_memory(caught.value) is memory


def test_the_message_of_a_cpu():
    error = out_of_memory("seed 3", RuntimeError(CPU_TEXT), CPU)
    assert str(error) == "seed 3: out of memory, the system has no 4.4 TB to spare"
    assert error.hint == "use a smaller training.batch_size, or end other processes"
    assert str(out_of_memory("seed 3", MemoryError(), CPU)) == "seed 3: out of memory"
    with pytest.raises(SertoolError) as caught:
        recording()
    assert (
        str(out_of_memory("seed 3", caught.value, CPU)) == "seed 3: out of memory, the system has no 21.0 MB to spare"
    )
    # Of the host, although a card is used.
    with_card = replace(CPU, device=torch.device("cuda"))
    assert str(out_of_memory("seed 3", MemoryError(), with_card)) == "seed 3: out of memory"


def test_torch_s_own_words_on_a_cpu_are_recognised():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50, dtype=torch.float64)
    assert ran_out_of_memory(caught.value)
    assert str(out_of_memory("seed 3", caught.value, CPU)).startswith("seed 3: out of memory, the system has no ")
    release_memory(CPU.device)


def test_the_message_of_a_card():
    error = card_shortage("seed 3", "Tesla T4", needed=9 * 10**9, total=15_655_829_504, free=2 * 10**9, try_bf16=False)
    assert str(error) == (
        "seed 3: out of memory: it needs at least 9.0 GB; Tesla T4 has 15.7 GB, of which 2.0 GB are free"
    )
    assert error.hint == (
        "use a smaller training.batch_size or --device cpu, or end other processes on the card (nvidia-smi lists them)"
    )
    with_bf16 = card_shortage("seed 3", "NVIDIA A10", needed=1, total=1, free=1, try_bf16=True)
    assert with_bf16.hint.startswith("use a smaller training.batch_size, --precision bf16 or --device cpu, or end")
