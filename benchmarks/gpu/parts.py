"""The parts in their order, the most telling ones first; a new one is a module beside this and a line here."""

from benchmarks.gpu.runner import Part

TOTAL = 450.0  # seconds for all parts, so that a card for ten minutes is enough
# Each limit is about twice what the part took on an H100, where it ran there; TOTAL holds for their sum.
PARTS = (
    Part("machine", "benchmarks.gpu.machine", 40),
    Part("kernels", "benchmarks.gpu.kernels", 110),
    Part("tests", "benchmarks.gpu.gpu_tests", 100),
    Part("throughput", "benchmarks.gpu.throughput", 170),
    Part("step", "benchmarks.gpu.step", 60),
    Part("without", "benchmarks.gpu.without", 100),
    Part("log-mel", "benchmarks.gpu.log_mel", 30),
    Part("commands", "benchmarks.gpu.commands", 75),
)
