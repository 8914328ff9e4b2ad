"""Define the jobs that tests run on clusters."""

from importlib.util import find_spec

import pytest
from typer.testing import CliRunner

from sertool.cli import app

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs the package ray (make test-cluster)")


def invoke(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return done.exit_code, done.stderr
