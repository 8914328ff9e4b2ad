"""Random sequences of server faults (hypothesis): the download ends in the right file or one message."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from bad_server import Act, BadServer
from downloads import CONTENT, OTHER, PAGE, SAME_LENGTH, digest, fetch, leftovers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sertool.core.errors import SertoolError
from sertool.core.fetch.download import Downloaded

lengths = st.integers(0, len(CONTENT))
ACTS = st.one_of(
    st.builds(Act, cut=lengths, reset=st.booleans(), ignore_range=st.booleans(), chunked=st.booleans()),
    st.builds(Act, cut=lengths, shift=st.integers(-5, 5), total=st.none() | st.integers(1, 400_000)),
    st.builds(Act, cut=lengths, new_content=st.sampled_from([CONTENT, OTHER, SAME_LENGTH])),
    st.builds(Act, at_most=st.integers(1, 200_000), length=st.none() | st.integers(300_004, 300_010)),
    st.builds(Act, status=st.sampled_from([403, 404, 408, 410, 416, 429, 500, 503])),
    st.builds(Act, location=st.sampled_from(["/file.zip", "/other.zip", "//127.0.0.1:1/x"])),
    st.builds(Act, page=st.sampled_from([PAGE, b"<html>"]), content_type=st.sampled_from(["text/html", "a/b"])),
    st.just(Act(hang_up=True)),
)
MISBEHAVIOUR = given(
    scripts=st.lists(st.lists(ACTS, max_size=6), min_size=1, max_size=3),
    validators=st.sampled_from(["etag", "date", "weak and date", "weak", "none"]),
    known=st.sampled_from([None, "size", "checksum"]),
)
SHARED = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


@settings(max_examples=25, **SHARED)
@MISBEHAVIOUR
def test_any_misbehaviour_ends_in_the_right_file_or_one_message(server, scripts, validators, known):
    right_or_one_message(server, scripts, validators, known)


@pytest.mark.slow
@settings(max_examples=600, **SHARED)
@MISBEHAVIOUR
def test_many_misbehaviours_end_in_the_right_file_or_one_message(server, scripts, validators, known):
    right_or_one_message(server, scripts, validators, known)


def right_or_one_message(server, scripts, validators, known):
    """Over several runs of the command; the last one meets a server that has come to its senses."""
    server.content, server.validators = CONTENT, validators
    with TemporaryDirectory() as folder:
        target = Path(folder, "file.zip")
        for script in [*scripts, []]:
            server.script = list(script)
            if not script and known:
                server.content = CONTENT
            wanted = {
                "size": len(CONTENT) if known == "size" else None,
                "sha256": digest(CONTENT) if known == "checksum" else None,
            }
            got = outcome(server, target, **wanted)
            if got is None:
                assert not target.exists()
                continue
            content = target.read_bytes()
            assert got.sha256 == digest(content)
            assert content == CONTENT or (known != "checksum" and content in (OTHER, SAME_LENGTH))
            assert leftovers(target) == [".file.zip.lock", "file.zip"]
            break
        else:
            pytest.fail("no file from a server that behaves")


def outcome(server: BadServer, target: Path, **wanted) -> Downloaded | None:
    try:
        return fetch(server, target, **wanted)
    except SertoolError:
        return None
