"""Headers of a tar: damaged, hostile, and read as tarfile reads them."""

import gzip
import io
import tarfile
import tracemalloc

import pytest
from archive_making import DAMAGED, raw_tar, refusal, take, tar_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sertool.core.files.tar_stream import TarStream


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_headers_of_gigabytes_are_not_read(kind, tmp_path):
    plain = raw_tar(b"first", size=b"%011o" % 3, content=b"abc") + raw_tar(b"x", kind=kind, size=b"77777777777")
    content = gzip.compress(plain + bytes(3 << 20), mtime=0)
    tracemalloc.start()
    message = refusal(content, tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert message == f"{DAMAGED} (an extended header of {8**11 - 1:,} bytes)"
    assert peak < 4 << 20


def test_a_chain_of_long_names_is_no_recursion(tmp_path):
    chain = raw_tar(b"x", kind=b"L", size=b"%011o" % 4, content=b"abc\0") * 5000
    content = gzip.compress(chain + raw_tar(b"y", size=b"%011o" % 1, content=b"1") + bytes(1024))
    assert take(content, tmp_path) == ("abc",)


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        (raw_tar(b"x", size=b"\x80" + b"\xff" * 11), DAMAGED),
        (raw_tar(b"x", size=b"\xff" * 12), f"{DAMAGED} (a negative size)"),
        (raw_tar(b"x", size=b"-0000000001"), f"{DAMAGED} (a number that is not octal)"),
        (
            raw_tar(b"x", kind=b"x", size=b"%011o" % 8, content=b"9999 a=b"),
            f"{DAMAGED} (an extended header whose",
        ),
        (
            raw_tar(b"x", kind=b"x", size=b"%011o" % 8, content=b"-1 a=b\nc"),
            f"{DAMAGED} (an extended header whose",
        ),
        (
            raw_tar(b"x", kind=b"x", size=b"%011o" % 8, content=b"0 a=b\ncd"),
            f"{DAMAGED} (an extended header whose",
        ),
        (raw_tar(b"x", kind=b"x", size=b"%011o" % 9, content=b"abcdefghi"), DAMAGED),
        (raw_tar(b"x", kind=b"x", size=b"%011o" % 11, content=b"11 size=-5\n") + raw_tar(b"y"), DAMAGED),
        (raw_tar(b"x") + b"\1" * 512, f"{DAMAGED} (a header has a wrong checksum)"),
    ],
)
def test_damaged_headers_of_a_tar(plain, message, tmp_path):
    assert refusal(gzip.compress(plain, mtime=0), tmp_path).startswith(message)


names = st.lists(st.sampled_from(["a", "bc", "d e", "é", "x" * 90]), min_size=1, max_size=4).map("/".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.dictionaries(names, st.binary(max_size=1500), min_size=1, max_size=5),
    form=st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
def test_a_tar_is_read_as_tarfile_reads_it(files, form, tmp_path_factory):
    content = gzip.decompress(tar_of(files, form=form))
    stream = TarStream(io.BytesIO(content).read)
    read = [(member.name, member.kind, b"".join(stream.content())) for member in stream.members()]
    assert read == [(name, "a file", value) for name, value in files.items()]
    stream = TarStream(io.BytesIO(content).read)  # what is not read is skipped
    assert [member.name for member in stream.members()] == list(files)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=2000), st.data())
def test_any_bytes_behind_a_header_end_in_a_message(content, data):
    whole = raw_tar(b"x", kind=data.draw(st.sampled_from([b"0", b"x", b"L"])), size=b"%011o" % len(content)) + content
    try:
        for member in TarStream(io.BytesIO(whole).read).members():
            assert member.size == len(content)
    except (ValueError, EOFError):
        pass
