"""Parts of an input that are lacking, against their definition."""

from hypothesis import given
from hypothesis import strategies as st

from sertool.core.inference.trust import lack_of

COUNTS = st.integers(0, 30).flatmap(lambda words: st.tuples(st.just(words), st.integers(0, words)))


@given(reads=st.booleans(), hears=st.booleans(), counts=COUNTS, audio=st.booleans(), silent=st.booleans())
def test_an_input_informs_a_model_by_known_words_or_by_sound(reads, hears, counts, audio, silent):
    words, unknown = counts
    share = unknown / max(words, 1)
    lack = lack_of(reads=reads, hears=hears, text=words > 0, unknown=share, audio=audio, silent=silent)
    by_text = reads and words > 0 and words - unknown >= unknown
    by_sound = hears and audio and not silent
    assert lack.uninformed == (not by_text and not by_sound)
    assert len(lack.parts) == (reads and not by_text) + (hears and not by_sound)


def test_a_model_of_a_corpus_without_texts_lacks_none():
    assert lack_of(reads=False, hears=True, text=False, unknown=0.0, audio=True, silent=False).parts == ()
