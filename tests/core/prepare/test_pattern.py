"""Facts in the names of recordings: what is read is what was written, or the name is refused."""

import shutil
from contextlib import suppress

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from recorded_tables import SETTINGS, run, write

from sertool.core.errors import DataError, UsageError
from sertool.core.files import artifacts
from sertool.core.prepare.choices import parse_choices
from sertool.core.prepare.folder import read_folder
from sertool.core.prepare.layout import parse_layout
from sertool.core.prepare.pattern import parse_pattern
from sertool.core.prepare.table import read_table

VALUES = st.text(alphabet="ab1_-. ö", min_size=1, max_size=5)
FACTS = st.fixed_dictionaries(dict.fromkeys(("speaker", "label", "utterance"), VALUES))
PATTERNS = [
    "{speaker}_{label}_{utterance}.wav",
    "{label}/{speaker}_{utterance}.wav",
    "{speaker:2}{label:1}_{utterance}",
    "x{speaker}__{label}-{utterance}.flac",
    "{label}{speaker:3}.{utterance}.wav",
]


def written(text, facts):
    """The name that facts have by a pattern."""
    for name, value in facts.items():
        for part in (f"{{{name}}}", *(f"{{{name}:{length}}}" for length in range(1, 9))):
            text = text.replace(part, value)
    return text


@given(text=st.sampled_from(PATTERNS), facts=FACTS)
def test_what_is_read_is_what_was_written_or_the_name_is_refused(text, facts):
    pattern = parse_pattern(text)
    assume(all(f"{{{name}:" not in text or f"{{{name}:{len(value)}}}" in text for name, value in facts.items()))
    name = f"some/folder/{written(text, facts)}" + ("" if pattern.suffix else ".ogg")
    with suppress(ValueError):  # it is refused
        assert pattern.facts(name) == facts


@given(
    speaker=st.text(alphabet="ab1", min_size=1),
    label=st.text(alphabet="ab1", min_size=1),
    rest=VALUES,
    order=st.permutations(["{speaker}", "{label}", "{utterance:*}"]),
)
def test_the_rest_of_a_name_may_hold_what_separates_the_others(speaker, label, rest, order):
    assume(not set(rest) & {"/"})
    values = {"{speaker}": speaker, "{label}": label, "{utterance:*}": rest}
    name = "_".join(values[part] for part in order)
    found = parse_pattern("_".join(order)).facts(f"{name}.ogg")
    assert found == {"speaker": speaker, "label": label, "utterance": rest}


@given(st.text(alphabet="{}speakrlb:*2!_-/.[]0", max_size=30))
def test_any_pattern_is_parsed_or_refused(text):
    with suppress(UsageError):
        assert parse_pattern(text).columns


def test_a_name_of_many_separators_is_judged_at_once():
    pattern = parse_pattern("_".join(["{-}"] * 12) + "_{speaker}_x.wav")
    with pytest.raises(ValueError, match="does not fit"):
        pattern.facts("a_" * 120 + ".wav")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{speeker}_{label}.wav", "no part is called 'speeker', did you mean 'speaker'?"),
        ("{speaker}{label}.wav", "nothing stands between {speaker} and {label}: give one its length, as {speaker:2}"),
        ("{label}_{label}.wav", "{label} is given twice"),
        ("{label}_{class}.wav", "{label} is given twice"),
        ("{id}_{utterance}_{emotion}.wav", "{id} is given twice"),
        ("{score}_{sentiment}.wav", "{score} is given twice"),
        ("{-}.wav", "names no fact"),
        ("all.wav", "names no fact"),
        ("{label", "expected '}' before end of string"),
        ("{label:0}", "has no length"),
        ("{label!r}", "no part is called 'label!r'"),
        ("{label:*}_{speaker:*}", "only one part may be"),
        ("{label}" + "_{-}" * 40, "has more than 40 parts"),
    ],
)
def test_patterns_that_are_refused(text, said):
    with pytest.raises(UsageError) as caught:
        parse_pattern(text)
    assert said in str(caught.value)


@pytest.fixture
def named(folder):
    """A flat folder whose names hold speaker, class and take."""
    flat = folder / "flat"
    flat.mkdir()
    for number, speaker in enumerate(("01", "02", "03")):
        for label in ("happy", "sad"):
            for take in "12":
                shutil.copy(folder / "wav" / f"{'abc'[number]}.wav", flat / f"{speaker}_{label}_{take}.wav")
    return flat


def test_a_flat_folder_is_read(named):
    table = read_folder(named, choices=parse_choices("{speaker}_{label}_{utterance}.wav", None, None))
    assert {row.id for row in table.rows} >= {"01_happy_1", "03_sad_2"}
    assert len(table.rows) == 12
    assert {(row.groups["speaker"], row.labels["emotion"]) for row in table.rows} == {
        (speaker, label) for speaker in ("01", "02", "03") for label in ("happy", "sad")
    }
    assert table.drawn == "speaker"
    assert table.warnings[:2] == (
        "names of recordings are read as {speaker}_{label}_{utterance}.wav: speaker 01, 02, 03; label happy, sad",
        "{utterance} is the same in several names, so the id is the whole name of the file",
    )
    assert not [line for line in table.warnings if "speaker'" in line]


def test_a_name_adds_the_speaker_to_a_folder_of_classes(named):
    classes = named.parent / "classes"
    for path in named.iterdir():
        label = path.stem.split("_")[1]
        (classes / label).mkdir(parents=True, exist_ok=True)
        path.rename(classes / label / path.name)
    for text in ("{speaker}_{-}_{-}", "{label}/{speaker}_{-}_{-}.wav"):
        table = read_folder(classes, choices=parse_choices(text, None, None))
        assert {(row.groups["speaker"], row.labels["emotion"]) for row in table.rows} == {
            (speaker, label) for speaker in ("01", "02", "03") for label in ("happy", "sad")
        }
        assert table.drawn == "speaker"
    with pytest.raises(UsageError, match="names folders, but none that holds the label"):
        read_folder(classes, choices=parse_choices("{speaker}/{utterance}", None, None))
    with pytest.raises(UsageError, match="--layout: --pattern gives the label already"):
        read_folder(classes, layout=parse_layout("class"), choices=parse_choices("{label}/{utterance}", None, None))
    with pytest.raises(UsageError, match="speaker is known already from the table or the folders"):
        read_folder(
            classes.parent, layout=parse_layout("speaker/class"), choices=parse_choices("{speaker}_{-}_{-}", None, None)
        )


def test_names_that_do_not_fit_are_listed(named):
    shutil.copy(named / "01_sad_1.wav", named / "04.wav")
    shutil.copy(named / "01_sad_1.wav", named / "04_very_sad_1.wav")
    with pytest.raises(DataError) as caught:
        read_folder(named, choices=parse_choices("{speaker}_{label}_{utterance}.wav", None, None))
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{named}: 2 problems"
    assert lines[1].endswith("does not fit --pattern {speaker}_{label}_{utterance}.wav: 04.wav")
    assert "in several ways: give a part its length, as {speaker:2}" in lines[2]
    assert lines[2].endswith(": 04_very_sad_1.wav")


def test_a_table_takes_facts_from_names(named):
    paths = sorted(path.relative_to(named.parent) for path in named.iterdir())
    path = write(named.parent, "file,text\n" + "".join(f"{own},hi\n" for own in paths))
    table = read_table(path, choices=parse_choices("{speaker}_{label}_{-}.wav", "sad=sadness", None))
    assert {(row.id, row.groups["speaker"], row.labels["emotion"]) for row in table.rows} >= {
        ("01_happy_1", "01", "happy"),
        ("03_sad_2", "03", "sadness"),
    }
    for column in ("label", "emotion"):
        path = write(named.parent, f"audio,{column}\n{paths[0]},x\n")
        with pytest.raises(UsageError, match="label is known already from the table"):
            read_table(path, choices=parse_choices("{-}_{label}_{-}", None, None))


def test_the_choices_are_kept_with_the_corpus(named):
    out, counts = named.parent / "OUT", named.parent / "counts.json"
    options = ("--pattern", "{speaker}_{label}_{-}.wav", "--map-labels", "happy=joy,sad=sorrow")
    result = run(named, "--out", out, *SETTINGS, *options, "--json", counts)
    assert result.exit_code == 0, result.output
    kept = {"pattern": "{speaker}_{label}_{-}.wav", "map_labels": {"happy": "joy", "sad": "sorrow"}}
    assert artifacts.read_json(counts)["choices"] == artifacts.read_json(out / "corpus.json")["choices"] == kept
    assert artifacts.read_json(counts)["tasks"]["emotion"]["classes"] == ["joy", "sorrow"]
