"""Part 1: versions, card and driver; rates of matrix products and copies."""

from benchmarks.gpu.child import Settings, serve

ROUNDS = 3


def work(settings: Settings) -> None:
    """Describe the machine, then measure its rates."""
    from sertool.core.bench.device import Rates, describe_machine
    from sertool.core.bench.turns import Spread
    from sertool.core.compute.environment import environment
    from sertool.core.models.kernels.proof import triton_version

    precision = settings.precision()
    found = {
        "machine": describe_machine(precision.device),
        "environment": {**environment({}), "triton": triton_version() or "not installed"},
        "precision": precision.name,
        "chosen": precision.reason,
    }
    settings.write(found)  # before anything is computed
    rates, rounds = Rates(precision), range(1 if settings.tiny else ROUNDS)
    matrix, copy = [rates.matrix() for _ in rounds], [rates.copy() for _ in rounds]
    found["matrix_tflops"] = Spread.of(matrix).scaled(1e-12).to_json()
    found["copy_gb_per_second"] = Spread.of(copy).scaled(1e-9).to_json()
    settings.write(found)


if __name__ == "__main__":
    serve(work)
