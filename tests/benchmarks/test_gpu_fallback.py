"""A step that cannot be recorded is measured without recording, and the result says so."""

from dataclasses import replace

from builders import CPU

from benchmarks.gpu.fallback import recorded_or_plain
from sertool.core.training.graph_steps import UnrecordedError


def test_plain_steps_are_measured_where_recorded_ones_fail():
    def measure(precision):
        if precision.graphs:
            raise UnrecordedError("the recorded training step differs")
        return "plain"

    recorded = replace(CPU, graphs=True)
    note = "the recorded training step differs: measured without recording"
    assert recorded_or_plain(measure, recorded) == ("plain", note)
    assert recorded_or_plain(lambda precision: precision.graphs, recorded) == (True, "")
