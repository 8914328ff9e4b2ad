"""Stand-ins of the packages that spaCy's tokenizers need: they cut a text into pairs of characters."""

import sys
from contextlib import contextmanager
from pathlib import Path

from sertool.core.corpora import words

PAIRS = "[text[place : place + 2] for place in range(0, len(text), 2)]"
SOURCES = {
    "jieba": {"jieba.py": f"def cut(text, cut_all=False):\n    return {PAIRS}\n"},
    "pythainlp": {
        "pythainlp/__init__.py": "",
        "pythainlp/tokenize.py": f"def word_tokenize(text):\n    return {PAIRS}\n",
    },
}


def write_fakes(folder: Path, *names: str) -> None:
    """Write modules of these names into a folder."""
    for name in names:
        for path, source in SOURCES[name].items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(source)


@contextmanager
def installed(folder: Path, monkeypatch, *names: str):
    """Pretend that packages are installed."""
    write_fakes(folder, *names)
    before = set(sys.modules)
    with monkeypatch.context() as patch:
        for name in [own for own in sys.modules if own.partition(".")[0] in names]:
            patch.delitem(sys.modules, name)
        patch.syspath_prepend(str(folder))
        words.tokenizer.cache_clear()
        yield
        for name in set(sys.modules) - before:
            if name.partition(".")[0] in names:
                del sys.modules[name]
    words.tokenizer.cache_clear()
