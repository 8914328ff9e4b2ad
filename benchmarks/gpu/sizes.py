"""Recipes at the size that trying the script out needs."""

from collections.abc import Callable

from benchmarks.gpu.child import Settings
from sertool.core.recipe.schema import Recipe

MODEL = {"hidden_size": 16, "ffn_size": 16, "num_heads": 2, "num_layers": 1, "embedding_size": 16}
TRAINING = {"batch_size": 8, "max_epochs": 2}
UTTERANCES = 48  # in each split


def fit(settings: Settings) -> Callable[[Recipe], Recipe]:
    """Return a function that shrinks a recipe if tiny sizes are wanted; its random corpus shrinks with it."""
    return _shrunk if settings.tiny else lambda recipe: recipe


def members_of(settings: Settings, members: int) -> int:
    """Return the number of members to train: at most two if tiny sizes are wanted."""
    return min(members, 2) if settings.tiny else members


def _shrunk(recipe: Recipe) -> Recipe:
    expected = {
        split: own.model_copy(update={"utterances": UTTERANCES, "classes": None})
        for split, own in recipe.expected.items()
    }
    model, training = recipe.model.model_copy(update=MODEL), recipe.training.model_copy(update=TRAINING)
    return recipe.model_copy(update={"expected": expected, "model": model, "training": training})
