"""Shapes in the signatures of models, training and inference hold: a process of its own checks every call."""

import os
import subprocess
import sys

import pytest
from places import ROOT

# jaxtyping's pytest plugin checks the annotations of every call in these packages, and refuses to start if one of them
# is imported already; so the tests run in a process of their own.
CHECKED = "--jaxtyping-packages=sertool.core.models,sertool.core.training,sertool.core.inference,beartype.beartype"
ONE_OF_EACH = [
    "tests/core/models/test_models.py::test_a_stack_is_each_of_its_members_alone",
    "tests/core/training/test_logits.py",
    "tests/core/training/test_optimizer.py",
    "tests/core/training/test_loop.py::test_a_first_step_is_adams_on_the_summed_loss",
]
ROOMS = [
    *("tests/core/models", "--ignore=tests/core/models/kernels", "tests/core/training", "tests/core/inference"),
    # No tensors there, but whole numbers of seconds and stand-ins for a model, which beartype refuses.
    *("--ignore=tests/core/inference/timeline", "--ignore=tests/core/inference/test_live.py"),
    *(f"tests/commands/predict/test_{name}.py" for name in ("encoders", "numbers", "scores", "windows")),
]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", CHECKED, *arguments],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if not key.startswith("PYTEST")},
        capture_output=True,
        text=True,
        check=False,
    )


WRONG = """
import jaxtyping, pytest, torch
from sertool.core.models.kernels.norm import normalise

def test_a_wrong_shape_is_refused():
    with pytest.raises(jaxtyping.TypeCheckError):
        normalise(torch.ones(1, 2, 3), torch.ones(1, 1, 3), torch.ones(1, 1, 4))
"""


@pytest.mark.slow
def test_the_rooms_keep_the_shapes_of_their_signatures(tmp_path):
    """Run one test of each kind, and one that shows that the checks are on; a process takes seconds to start."""
    (tmp_path / "test_wrong.py").write_text(WRONG)
    done = run(*ONE_OF_EACH, str(tmp_path / "test_wrong.py"))
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_all_tests_of_the_rooms_keep_the_shapes_of_their_signatures():
    done = run("-m", "not slow", f"--ignore={__file__}", *ROOMS)
    assert done.returncode == 0, done.stdout
