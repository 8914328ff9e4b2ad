"""The section ``dataset`` of a recipe: the corpus, and what is predicted."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from sertool.core.recipe.sections import Length, Section

# Tasks of the published data sets with their numbers of classes; None: num_classes chooses. The readers define them
# (corpora/readers), which this room may not import; a test compares the two.
TASKS: dict[str, dict[str, int | None]] = {
    "iemocap": {"emotion": 4},
    "mosi": {"sentiment": None},
    "mosei": {"sentiment": None, "emotion": 6},
    "meld": {"emotion": 7, "sentiment": 3},
    "vgaf": {"emotion": 3},
}


ALL_SCORES = "all"  # as a task: every score of the corpus
# Names that no score has: tables of results have columns of these names beside those of the scores.
NO_SCORES = (ALL_SCORES, "set", "utterance", "id", "start", "end", "calibrated")


def _listed(task: Any) -> Any:
    """Write a YAML list of names as the text of the key."""
    return ", ".join(task) if isinstance(task, list) and task and all(isinstance(one, str) for one in task) else task


def score_names(task: str) -> tuple[str, ...]:
    """Split the name of a task of scores into the names of the scores.

    >>> score_names("arousal,valence")
    ('arousal', 'valence')
    """
    return tuple(name.strip() for name in task.split(","))


def is_score_name(name: str) -> bool:
    """Check whether the key ``task`` and tables of results can name a score so.

    >>> is_score_name("arousal"), is_score_name("a, b"), is_score_name("all")
    (True, False, False)
    """
    return name not in NO_SCORES and bool(name) and score_names(name) == (name,) and name.isprintable()


def no_repeats(names: list[str], key: str) -> None:
    """Refuse names of which one is given twice."""
    repeated = next((name for index, name in enumerate(names) if name in names[:index]), None)
    if repeated is not None:
        raise ValueError(f"{key}: {repeated!r} is given twice")


class Dataset(Section):
    """Corpus, task, and how much of an utterance the model is given."""

    reader: Literal["iemocap", "mosi", "mosei", "meld", "vgaf", "corpus"] = Field(
        "corpus",
        description="format of the data: the reference's pickles of a published set, or `corpus`, sertool's own",
    )
    path: Annotated[str, Field(min_length=1)] = Field(
        description="folder of the corpus: under --data, or any path; packaged:demo comes with sertool"
    )
    target: Literal["classes", "scores"] = Field(
        "classes", description="what the model predicts: classes, or scores such as arousal and sentiment"
    )
    task: Annotated[str, Field(min_length=1), BeforeValidator(_listed)] = Field(
        "emotion",
        description="label to predict, by its name in the corpus; target: scores takes several, such as `arousal, "
        "valence`, or `all` (the default there)",
    )
    map: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="label map that merges classes and leaves others out: four, big-six, ekman-seven, polarity, "
        "quadrants, or the path of a YAML file (docs/cross.md)",
    )
    labels: Literal["majority", "soft", "any"] = Field(
        "majority",
        description="labels of utterances with several raters: the class that most chose, the shares of the raters "
        "(soft), or every class that any rater chose (any)",
    )
    clip: bool = Field(False, description="target: scores: cut predictions to the range of the score")
    num_classes: Literal[2, 7] | None = Field(
        None, description="2 or 7 for scores from -3 to 3 (MOSI, MOSEI, your own); otherwise the task decides"
    )
    modalities: Annotated[list[Literal["text", "audio"]], Field(min_length=1, max_length=2)] = Field(
        ["text", "audio"], description="inputs of the model; one that is not listed is masked out"
    )
    words: Literal["auto", "spaces", "characters", "zh", "ja", "th"] = Field(
        "auto",
        description="how `sertool prepare` splits texts into words: at spaces, into the characters of scripts without "
        "spaces, or by spaCy's tokenizer of a language (zh, ja, th); auto: as the texts need it",
    )
    max_text_length: Length = Field(30, description="longest text in words, or in frames; longer ones are cut")
    max_audio_length: Length = Field(50, description="longest recording in frames; longer ones are cut")
    standardize: Literal["none", "corpus", "each-corpus", "utterance", "speaker"] = Field(
        "none",
        description="standardize each value of the audio frames over the training frames, over those of the same "
        "corpus where several were joined, over the utterance, or over all recordings of the same speaker, without "
        "their labels",
    )
    vectors: Annotated[str, Field(min_length=1)] = Field(
        "none", description="word vectors: a spaCy package or path, a vocab folder, a text file, or none"
    )

    @model_validator(mode="before")
    @classmethod
    def _all_scores(cls, given: Any) -> Any:
        scored = isinstance(given, dict) and given.get("target") == "scores" and "task" not in given
        return {**given, "task": ALL_SCORES} if scored else given

    # One message for each key that contradicts the target, so that no key is silently ignored.
    @model_validator(mode="after")
    def _fits_target(self) -> "Dataset":
        if self.target == "classes":
            if self.clip:
                raise ValueError("clip: only with target: scores")
            return self
        if self.num_classes is not None:
            raise ValueError("num_classes: only with target: classes")
        if self.map is not None:
            raise ValueError("map: only with target: classes")
        if self.labels != "majority":
            raise ValueError("labels: only with target: classes; the mean of several raters is the target of a score")
        names = score_names(self.task)
        if not all(names):
            raise ValueError(f"task: {self.task!r} holds an empty name between its commas")
        no_repeats(list(names), "task")
        return self

    @model_validator(mode="after")
    def _fits_reader(self) -> "Dataset":
        if len(set(self.modalities)) < len(self.modalities):
            raise ValueError(f"modalities: {self.modalities[0]} is given twice")
        if self.reader == "corpus":
            return self
        if self.words not in ("auto", "spaces"):
            raise ValueError(f"words: only with reader: corpus; the data of {self.reader} hold words, not texts")
        tasks = TASKS[self.reader]
        if self.target == "scores":
            scored = [name for name, number in tasks.items() if number is None]
            if not scored:
                raise ValueError(f"target: the files of reader {self.reader} hold no scores; prepare the owners' files")
            if self.task not in (*scored, ALL_SCORES):
                raise ValueError(f"task: reader {self.reader} has the score {scored[0]} (got {self.task!r})")
            return self
        if self.task not in tasks:
            raise ValueError(f"task: reader {self.reader} knows {' and '.join(tasks)} (got {self.task!r})")
        if tasks[self.task] is None and self.num_classes is None:
            raise ValueError(f"num_classes: {self.reader} {self.task} needs 2 or 7")
        if tasks[self.task] is not None and self.num_classes is not None:
            raise ValueError(
                f"num_classes: {self.reader} {self.task} always has {tasks[self.task]} classes; leave it out"
            )
        return self

    @property
    def by_training_frames(self) -> bool:
        """Check whether a fold's training frames standardise audio: all of it, or that of speakers without figures."""
        return self.standardize in ("corpus", "each-corpus", "speaker")

    @property
    def by_corpus(self) -> bool:
        """Check whether the frames of an utterance's own corpus standardise it, where several were joined."""
        return self.standardize == "each-corpus" and "audio" in self.modalities

    @property
    def by_speaker(self) -> bool:
        """Check whether the frames of a speaker's own recordings standardise them."""
        return self.standardize == "speaker" and "audio" in self.modalities

    def known_classes(self) -> int | None:
        """Return the number of classes of the task; None where only the corpus knows it."""
        return TASKS.get(self.reader, {}).get(self.task) or self.num_classes
