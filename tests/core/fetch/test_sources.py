"""The manifests: what comes with the package, users' own, and every mistake told at once."""

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from places import ROOT

from sertool.core.errors import UsageError
from sertool.core.fetch.sources import CORPORA, KINDS, checksum, find_sources, is_address, load_sources
from sertool.core.files.yaml_file import dump_yaml

OWN = {
    "about": "calls of our hotline",
    "archive": "calls.zip",
    "urls": ["https://example.org/calls.zip"],
    "licence": "ours",
    "terms": "Not to be passed on.",
    "unpacks_to": {"CALLS": "corpus"},
}


def manifest(folder: Path, **sources) -> Path:
    path = folder / "mine.yaml"
    path.write_text(dump_yaml({"format": "sertool-sources/1", "sources": sources}))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        load_sources([path])
    return str(caught.value).removeprefix(f"{path}: ")


def test_the_packaged_sources_are_all_there():
    sources = load_sources()
    assert list(sources) == [
        "data",
        "iemocap-models",
        "mosei-models",
        "mosi-models",
        "meld-models",
        "vectors",
        "emodb",
    ]
    assert list(sources["data"].unpacks_to) == ["IEMOCAP", "MOSI", "MOSEI", "MELD", "VGAF"]
    assert [name for name, source in sources.items() if source.holds_models] == [
        name for name in sources if name.endswith("-models")
    ]
    assert set(CORPORA) < set(KINDS)


def test_the_documentation_names_the_same_addresses():
    documented = re.findall(r"<(https?://[^>]+)>", (ROOT / "docs" / "data.md").read_text())
    assert set(documented) == {url for source in load_sources().values() for url in source.urls}


def test_a_users_manifest_adds_and_replaces(tmp_path):
    path = manifest(tmp_path, calls=OWN, emodb={**OWN, "unpacks_to": {"mine": "emodb"}})
    sources = load_sources([path])
    assert sources["calls"].unpacks_to == {"CALLS": "corpus"}
    assert sources["calls"].size is None
    assert sources["emodb"].unpacks_to == {"mine": "emodb"}
    assert "data" in sources


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"url": ["x"]}, "sources.calls.url: unknown key, did you mean 'urls'?"),
        ({"urls": []}, "sources.calls.urls: expected at least 1 entry (got [])"),
        (
            {"urls": ["ftp://example.org/x"]},
            "sources.calls.urls[0]: expected an address that starts with http:// or https:// "
            "(got 'ftp://example.org/x')",
        ),
        ({"sha256": "abc"}, "sources.calls.sha256: expected a SHA-256, 64 hexadecimal digits"),
        ({"size": 0}, "sources.calls.size: must be at least 1 (got 0)"),
        (
            {"archive": "../x.zip"},
            "sources.calls.archive: expected letters, digits, dots, dashes, underscores; a letter or digit "
            'first (got "../x.zip")',
        ),
        ({"unpacks_to": {}}, "sources.calls.unpacks_to: expected at least 1 entry (got {})"),
        ({"licence": ""}, 'sources.calls.licence: must not be empty (got "")'),
    ],
)
def test_a_wrong_manifest_is_told(changes, message, tmp_path):
    assert refusal(manifest(tmp_path, calls={**OWN, **changes})) == f"1 problem\n  {message}"


def test_every_problem_is_told_at_once(tmp_path):
    lines = refusal(manifest(tmp_path, calls={**OWN, "unpacks_to": {"X": "pickle", "../X": "corpus"}})).splitlines()
    assert lines[0] == "2 problems"
    assert "expected iemocap, mosi" in lines[1]
    assert "X" in lines[2]


def test_all_is_no_name_of_a_source(tmp_path):
    assert refusal(manifest(tmp_path, all=OWN)).startswith("sources.all: `all` means every source")


def test_names_are_found_or_the_nearest_is_told():
    sources = load_sources()
    assert list(find_sources(["emodb", "data", "emodb"], sources)) == ["emodb", "data"]
    assert find_sources(["all"], sources) == sources
    with pytest.raises(UsageError) as caught:
        find_sources(["iemocap-model"], sources)
    assert str(caught.value) == "no source is called 'iemocap-model', did you mean 'iemocap-models'?"
    assert caught.value.hint == f"there are {', '.join(sources)}, all"


@pytest.mark.parametrize("text", ["file:///etc/passwd", "ftp://x/y", "http://", "data.zip", "", "https:///x"])
def test_what_is_no_address(text):
    assert not is_address(text)


def test_a_checksum_is_compared_in_lower_case():
    assert checksum("AB" * 32) == "ab" * 32
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        checksum("ab" * 31)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(list(OWN.values())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*OWN, "x"]), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.dictionaries(st.sampled_from(["format", "sources", "x"]), values, max_size=3))
def test_any_manifest_is_read_or_refused(content, tmp_path):
    path = tmp_path / "any.yaml"
    try:
        path.write_text(dump_yaml(content))
    except UnicodeEncodeError:
        return
    with contextlib.suppress(UsageError):
        assert set(load_sources([path])) >= set(load_sources())
