"""Texts are split into words: at spaces, into the characters of scripts without spaces, or by spaCy's tokenizers."""

import re
import time
import unicodedata

import pytest
from fake_tokenizers import installed
from hypothesis import given
from hypothesis import strategies as st

from sertool.core.corpora import words
from sertool.core.corpora.words import SCRIPTS, characters, clean_words, split_words

CHINESE = "我今天非常高兴见到你。你好,世界!"
REFERENCE = str.maketrans(dict.fromkeys(".,'!?\"()*#:;", "") | dict.fromkeys("-/", " "))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CHINESE, "我 今 天 非 常 高 兴 见 到 你 你 好 世 界"),
        ("我爱你❤️love you2次👍👍🏽", "我 爱 你 ❤️ love you2 次 👍 👍🏽"),
        ("《骆驼祥子》——老舍……「好」", "骆 驼 祥 子 老 舍 好"),
        ("COVID疫情,3.5元", "covid 疫 情 35 元"),
        ("ＯＫ！１２３～", "ok 123"),
        ("-你好 - 你-我 -- 好", "你 好 你 我 好"),
        ("一家👨‍👩‍👧和🇨🇳🇯🇵！️", "一 家 👨‍👩‍👧 和 🇨🇳 🇯🇵"),
        ("時々、ラーメンをﾀﾞﾝｽ", "時 々 ラ ー メ ン を ﾀﾞ ﾝ ｽ"),
        ("か\u3099ジョン・スミス", "が ジ ョ ン ス ミ ス"),
        ("葛\U000e0100飾", "葛\U000e0100 飾"),
        ("ทำไมเธอทำแบบนี้ เกาะต่างๆ กรุงเทพฯ ๒๕๖๗", "ทำ ไม เธ อ ทำ แบ บ นี้ เกาะ ต่า ง ๆ ก รุ ง เท พ ๒๕๖๗"),
        ("ຂ້ອຍບໍ່ເປັນຫຍັງ", "ຂ້ ອ ຍ ບໍ່ ເປັ ນ ຫ ຍັ ງ"),
        ("ខ្ញុំសប្បាយចិត្ត។ ភ្នំពេញ", "ខ្ញុំ ស ប្បា យ ចិ ត្ត ភ្នំ ពេ ញ"),
        ("မြန်မာနိုင်ငံ၊ ကျွန်တော်ဝမ်းသာပါတယ်။", "မြန် မာ နိုင် ငံ ကျွန် တော် ဝမ်း သာ ပါ တယ်"),
        ("သတ္တဝါ ၎င်း", "သတ္တ ဝါ ၎င်း"),
        ("བཀྲ་ཤིས་བདེ་ལེགས།", "བཀྲ ཤིས བདེ ལེགས"),
        ("大韓民國은 美國과 좋아요。", "大韓民國은 美國과 좋아요"),
        ("他说한국어很难学真的很难", "他 说 한국어 很 难 学 真 的 很 难"),
    ],
)
def test_scripts_without_spaces_become_characters_and_all_else_stays_words(text, expected):
    assert split_words(text, "characters") == tuple(expected.split(" "))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("今天 很 高兴 。 你呢？", "今天 很 高兴 你呢"),
        ("¿Qué tal? ¡Hola! col·lecció", "qué tal hola collecció"),
        ("नमस्ते। कैसे हो?", "नमस्ते कैसे हो"),
        ("مرحبا، كيف حالك؟", "مرحبا كيف حالك"),
        ("צה״ל אמר", "צהל אמר"),
        ("안녕하세요. 반가워요!", "안녕하세요 반가워요"),
        ("ខ្ញុំ\u200bសប្បាយ soft\u200bly", "ខ្ញុំ សប្បាយ softly"),
        ("“Well” – it’s…", "well its"),
        ("૧૦ ১০", "૧૦ ১০"),
    ],
)
def test_spaces_divide_words_and_the_punctuation_of_every_script_goes(text, expected):
    assert split_words(text, "spaces") == tuple(expected.split(" "))


def test_without_a_splitting_words_are_the_references():
    assert split_words(CHINESE, None) == ("我今天非常高兴见到你。你好世界",)


@given(st.text(st.characters(max_codepoint=127)), st.sampled_from([None, "spaces", "characters"]))
def test_ascii_follows_the_reference_in_every_splitting(text, splitting):
    expected = (word.lower().translate(REFERENCE) for word in text.replace("`", "'").split())
    assert split_words(text, splitting) == tuple(word for word in expected if word)


def letters(text: str) -> str:
    """Letters, marks and digits, but for what is invisible and the two letters that stand for an abbreviation."""
    cleaned = re.sub("[\u0e2f\u0eaf\ufe00-\ufe0f]", "", unicodedata.normalize("NFC", text).lower())
    return "".join(sign for sign in cleaned if unicodedata.category(sign)[0] in "LMN")


def signs_of(letters: str) -> list[str]:
    """The characters of a set of a regular expression; of a long range its first ones."""
    ranges = re.findall("(.)-(.)|(.)", letters)
    return [
        chr(code) for a, b, one in ranges for code in range(ord(a or one), min(ord(b or one), ord(a or one) + 200) + 1)
    ]


runs = {script: st.text(signs_of(own), min_size=1, max_size=9) for script, own in SCRIPTS.items()}
unspaced = st.one_of(*runs.values())
other = st.text("abcXYZ129äéжщ가나كتاب .,!?'\"-/。、！？「」។၊་❤👍 \u200b", max_size=8)
mixed = st.lists(unspaced | other, max_size=8).map("".join)


@given(mixed, st.sampled_from(["spaces", "characters"]))
def test_the_letters_of_a_text_are_those_of_its_words(text, splitting):
    assert letters("".join(split_words(text, splitting))) == letters(text)


@given(mixed)
def test_words_hold_no_punctuation_and_are_not_empty(text):
    for splitting in ("spaces", "characters"):
        for word in split_words(text, splitting):
            assert word
            assert not set(word) & set(".,'!?\"()*#:;-/。、！？「」។၊་\u200b")


@pytest.mark.parametrize("script", SCRIPTS)
@given(st.data())
def test_characters_divide_a_run_wholly_and_no_mark_stands_alone(script, data):
    run = data.draw(runs[script])
    parts = characters(run, script)
    assert "".join(parts) == run
    assert not [part for part in parts[1:] if unicodedata.combining(part[0])]


def test_no_script_lists_punctuation():
    for own in SCRIPTS.values():
        for sign in map(chr, range(0x2000, 0x10000)):
            if re.fullmatch(f"[{own}]", sign) and unicodedata.category(sign)[0] == "P":
                assert sign in "\u104c\u104d\u104e\u104f"


@pytest.mark.parametrize(
    "sign", ["เ", "ັ", "\u17d2", "\u1039", "က", "好", "👍\u200d", "\u200b", "…", "\ufe0f", "ກ\u200b"]
)
def test_the_time_grows_with_the_length_of_a_text_and_no_faster(sign):
    begun = time.perf_counter()
    split_words("ก" + sign * 50_000, "characters")
    assert time.perf_counter() - begun < 5  # a tenth of a second; with the square of the length, minutes


def test_an_unknown_splitting_is_refused():
    with pytest.raises(ValueError, match="split by 'klingon', expected spaces, characters, zh, ja, th"):
        split_words("a", "klingon")


def test_the_tokenizer_of_a_language_is_given_its_own_script_only(tmp_path, monkeypatch):
    with installed(tmp_path, monkeypatch, "jieba", "pythainlp"):
        assert split_words("我今天很OK，你好吗 ทำไม", "zh") == ("我今", "天很", "ok", "你好", "吗", "ทำ", "ไม")
        assert split_words("ทำไม你好", "th") == ("ทำ", "ไม", "你", "好")


def test_long_texts_are_given_to_a_tokenizer_in_pieces(tmp_path, monkeypatch):
    with installed(tmp_path, monkeypatch, "jieba"):
        monkeypatch.setattr(words, "LONGEST_RUN", 4)
        assert split_words("一二三四五六七", "zh") == ("一二", "三四", "五六", "七")


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(words, "find_spec", lambda name: None if name == "jieba" else name)
    words.tokenizer.cache_clear()
    with pytest.raises(ValueError, match="Chinese texts are split into words by jieba, not installed: pip install"):
        split_words("你好", "zh")
    assert split_words("plain", "zh") == ("plain",)


@pytest.mark.parametrize(
    ("language", "module", "text", "expected"),
    [
        ("zh", "jieba", "我今天非常高兴见到你，T恤", "我 今天 非常高兴 见到 你 t 恤"),
        ("ja", "sudachipy", "今日はとても嬉しいです！ラーメン", "今日 は とても 嬉しい です ラーメン"),
        ("th", "pythainlp", "ทำไมเธอทำแบบนี้", "ทำไม เธอ ทำ แบบนี้"),
    ],
)
def test_words_of_the_real_tokenizers(language, module, text, expected):
    pytest.importorskip(module)
    words.tokenizer.cache_clear()
    assert split_words(text, language) == tuple(expected.split(" "))
    assert split_words("Plain English, too.", language) == clean_words("Plain English, too.")
