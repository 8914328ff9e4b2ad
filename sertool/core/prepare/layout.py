"""The levels of a folder of recordings: splits, classes, speakers, sessions, genders.

``folder/happy/u1.wav`` has one level, the classes. ``folder/train/happy/u1.wav`` has two. The names tell which level
is what; where they do not, the user says it: ``--layout split/class``.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from sertool.core.corpora.corpus import GROUPS
from sertool.core.corpora.names import normal
from sertool.core.errors import DataError, UsageError, did_you_mean
from sertool.core.formatting import first_few
from sertool.core.prepare.split_names import is_split, split_word

CLASS, SPLIT, SPEAKER, SESSION, GENDER, UNUSED = "class", "split", "speaker", "session", "gender", "-"
ROLES = (CLASS, SPLIT, GENDER, *GROUPS, UNUSED)
NUMBER, UNKNOWN = "number", "unknown"  # what names look like that may be classes or speakers
_OPEN = (NUMBER, UNKNOWN)

Folders = Sequence[tuple[str, ...]]  # of each recording, the folders it lies in

# Names of emotions in the field's corpora. A level is one of classes if half of its names hold such a word; a level
# with other words is no error, but then the layout must be clear without them.
_EMOTIONS = """
    angry anger ang happy happiness hap joy joyful sad sadness neutral neu neutrality calm fear fearful fea afraid
    scared disgust disgusted dis surprise surprised sur contempt bored boredom excited excitement exc frustrated
    frustration fru anxious anxiety amused amusement sleepy sleepiness pleasant positive negative pos neg love pride
    shame relief hope confused sarcastic tired stressed relaxed emphatic motherese
    wut wütend ärger freude fröhlich glücklich trauer traurig angst ängstlich ekel überraschung überrascht langeweile
    enojo ira alegría feliz felicidad triste tristeza miedo asco sorpresa neutro neutra colère joie tristesse peur
    dégoût neutre rabbia gioia tristezza paura disgusto neutrale raiva alegria medo nojo surpresa kızgın mutlu üzgün
    злость гнев радость грусть печаль страх отвращение 怒り 喜び 悲しみ 분노 기쁨 슬픔 중립 공포 놀람 혐오
    愤怒 憤怒 生气 生氣 高兴 高興 快乐 快樂 开心 開心 悲伤 悲傷 难过 難過 中性 平静 平靜 恐惧 恐懼 害怕 惊讶 驚訝 厌恶
"""
_GENDERS = """
    male males female females m f man men woman women boy boys girl girls männlich weiblich masculino femenino
    feminino masculin féminin homme hommes femme femmes maschio femmina 男 女 男性 女性
"""
_CONTAINERS = "audio audios wav wavs recordings data clips speech sounds files flac mp3"
_SESSIONS = re.compile(r"(session|sess|ses|fold|cv)[\W_]*\d\w*")
_SPEAKERS = re.compile(
    r"(speaker|spkr|spk|sp|actor|actress|subject|subj|sub|participant|person|child|patient|voice|user|id|p|s|m|f|vp"
    r"|male|female|man|woman|boy|girl|proband|sprecher|locuteur|hablante)[\W_]*\d+[a-z]?"
)
_WORDS = re.compile(r"[^\W\d_]+")


def parse_layout(text: str) -> tuple[str, ...]:
    """Parse the levels of a folder, such as ``split/speaker/class``; ``-`` is a level that is not used.

    Raises:
        UsageError: a level is unknown or given twice, or none is the class.
    """
    roles = tuple(part.strip().lower() for part in text.strip("/").split("/"))
    for role in roles:
        if role not in ROLES:
            expected = did_you_mean(role, list(ROLES)) or f", expected {', '.join(ROLES)}"
            raise UsageError(f"--layout {text}: no level is called {role!r}{expected}", hint="--layout split/class")
        if role != UNUSED and roles.count(role) > 1:
            raise UsageError(f"--layout {text}: {role} is given twice", hint="- is a level that is not used")
    if CLASS not in roles:
        raise UsageError(f"--layout {text}: no level is the class", hint="--layout split/class")
    return roles


def guess_layout(folder: object, paths: Folders) -> tuple[str, ...]:
    """Work out what each level of folders is.

    Args:
        folder: the folder of the recordings, for messages.
        paths: folders of each recording below it, at least one recording.

    Returns:
        Roles of the levels from the top, as from :func:`parse_layout`; deeper levels are not used.

    Raises:
        DataError: the names do not tell which level holds the classes; the hint says what to type.
    """
    depth = max(map(len, paths))
    levels = [sorted({normal(path[level]) for path in paths if len(path) > level}) for level in range(depth)]
    kinds = [_kind(names) for names in levels]
    for level, names in enumerate(levels):
        # A folder that holds all others, or that each of them repeats, is no class: data/wav/happy, train/wav/happy.
        if len(names) == 1 and kinds[level] in _OPEN and (level or min(map(len, paths)) > 1):
            kinds[level] = UNUSED
    repeated = [_are_repeated(paths, level) for level in range(depth)]
    chosen = _class_level(kinds, repeated)
    if chosen is None or kinds.count(SPLIT) > 1 or any(map(_is_mixed, levels)):
        raise _unclear(folder, levels, kinds)
    roles = [_role(kind, is_speaker=level < chosen or repeated[level] is True) for level, kind in enumerate(kinds)]
    roles[chosen] = CLASS
    roles = [UNUSED if role in roles[:level] else role for level, role in enumerate(roles)]
    return tuple(roles)


def same_emotions(names: Iterable[str]) -> list[list[str]]:
    """Return the classes that share the name of an emotion, such as ``OAF_angry`` and ``YAF_angry``."""
    sharing: dict[str, list[str]] = defaultdict(list)
    for name in names:
        for emotion in _emotions(name.casefold()):
            sharing[emotion].append(name)
    return [own for own in sharing.values() if len(own) > 1]


def _emotions(name: str) -> set[str]:
    return set(_EMOTIONS.split()).intersection(_WORDS.findall(name))


def _kind(names: Sequence[str]) -> str:
    """Return what the names of a level look like: a role, numbers, or unknown."""
    lower = [name.casefold() for name in names]
    if 2 * sum(map(bool, map(_emotions, lower))) >= len(lower):
        return CLASS
    looks = {
        SPLIT: all(map(split_word, lower)),
        GENDER: set(_GENDERS.split()).issuperset(lower),
        SESSION: all(map(_SESSIONS.fullmatch, lower)),
        SPEAKER: all(map(_SPEAKERS.fullmatch, lower)),
        NUMBER: all(map(str.isdecimal, lower)),
        UNUSED: set(_CONTAINERS.split()).issuperset(lower),
    }
    return next((kind for kind, fits in looks.items() if fits), UNKNOWN)


def _is_mixed(names: Sequence[str]) -> bool:
    """Check whether some folders of a level have the name of a split and others do not."""
    return any(map(is_split, names)) and not all(map(split_word, names))


def _are_repeated(paths: Folders, level: int) -> bool | None:
    """Check whether names of this level lie inside several folders of the levels above; None if there is only one."""
    folders = {path[: level + 1] for path in paths if len(path) > level}
    if len({path[:level] for path in folders}) == 1:
        return None
    return len({path[level] for path in folders}) < len(folders)


def _class_level(kinds: Sequence[str], repeated: Sequence[bool | None]) -> int | None:
    """Choose the level of the classes; None where that would be a guess."""
    known = [level for level, kind in enumerate(kinds) if kind == CLASS]
    if known:
        return known[0] if len(known) == 1 and UNKNOWN not in kinds[: known[0]] else None
    unsure = [level for level, kind in enumerate(kinds) if kind in _OPEN]
    # Speakers inside classes and classes inside speakers look alike where both are mere names.
    if not unsure or any(repeated[level] for level in unsure[1:]):
        return None
    chosen = unsure[0]
    above = {kind for kind in kinds[:chosen] if kind in ROLES} - {UNUSED}
    # Names that no two splits or sessions share are rather speakers, and so are numbers below a gender or a session.
    if (above and repeated[chosen] is False) or (above - {SPLIT} and kinds[chosen] == NUMBER):
        return None
    return chosen


def _role(kind: str, *, is_speaker: bool) -> str:
    if kind == NUMBER and is_speaker:
        return SPEAKER
    return kind if kind in ROLES else UNUSED


def _unclear(folder: object, levels: Sequence[Sequence[str]], kinds: Sequence[str]) -> DataError:
    """Make the error that shows the levels; its hint shows the layouts that they may have."""
    shown = "; ".join(f"level {number}: {first_few(names)}" for number, names in enumerate(levels, start=1))
    why = ": some folders name splits and others do not" if any(map(_is_mixed, levels)) else ""
    # What a level is that may hold the classes, where it does not.
    others = [
        SPLIT if _is_mixed(names) else SPEAKER if kind in (*_OPEN, CLASS) else kind
        for names, kind in zip(levels, kinds, strict=True)
    ]
    known = [level for level, kind in enumerate(kinds) if kind == CLASS]
    likely = known or [level for level, kind in enumerate(kinds) if kind in _OPEN]
    if not likely:
        return DataError(
            f"{folder}: no level of folders looks like classes ({shown})",
            hint="list the recordings in a table with their labels, or move them into folders of their classes; "
            f"only if the folders of level {len(kinds)} are the classes: --layout {'-/' * (len(kinds) - 1)}class",
        )
    layouts = []
    for chosen in likely[:2]:
        roles = [*others[:chosen], CLASS, *others[chosen + 1 :]]
        own = [UNUSED if role in roles[:level] else role for level, role in enumerate(roles)]
        layouts.append("--layout " + "/".join(own).rstrip(f"/{UNUSED}"))
    return DataError(
        f"{folder}: cannot tell which folders are the classes{why} ({shown})",
        hint=f"say what each level is: {' or '.join(layouts)} (levels: {', '.join(ROLES)} for one that is not used)",
    )
