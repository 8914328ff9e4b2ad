"""Models that are trained once for all tests of `sertool predict`."""

import shutil

import pytest
import soundfile
from tones import CLASSES, RATE, RECIPE, RECIPES, TABLE, places, run, tone

from sertool.core.inference.shards import ShardPrediction


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Thirty short recordings, prepared and trained on: fused, in three folds, and each modality alone."""
    folder = tmp_path_factory.mktemp("tones")
    rows = []
    for number in range(30):
        high = number % 2 == 0
        soundfile.write(folder / f"{number:02}.wav", tone(0.4 + number % 4 * 0.2, high, number), RATE)
        words = f"{'sky' if high else 'sea'} is word{number % 7}, {'up' if number % 3 else 'down'}"
        rows.append(f'u{number:02},{number:02}.wav,"{words}",{CLASSES[number % 2 == 1]},s{number // 2 % 5}\n')
    (folder / "tones.csv").write_text(TABLE + "".join(rows))
    done = run("prepare", str(folder / "tones.csv"), "--out", str(folder / "data/TONES"))
    assert done.exit_code == 0, done.output
    for name, parts in RECIPES.items():
        (folder / f"{name}.yaml").write_text(RECIPE % parts)
        done = run("train", "--recipe", str(folder / f"{name}.yaml"), "--name", name, *places(folder))
        assert done.exit_code == 0, done.output
    (folder / "june.wav").write_bytes((folder / "00.wav").read_bytes())
    return folder


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    """A working folder of one test's own, with the models and two recordings."""
    for name in ("ckpt", "data"):
        (tmp_path / name).symlink_to(trained / name)
    for name in ("00", "01"):
        shutil.copy(trained / f"{name}.wav", tmp_path / f"{name}.wav")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cut(monkeypatch):
    """A function that ends a command, as Ctrl-C does, before a shard is predicted."""
    original = ShardPrediction.predict

    def end_before(first: int | None):
        def predict(self, opened, shard):
            if shard.first == first:
                raise KeyboardInterrupt
            return original(self, opened, shard)

        monkeypatch.setattr(ShardPrediction, "predict", predict)

    return end_before
