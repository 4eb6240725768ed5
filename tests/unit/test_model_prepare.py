"""Preparing the model: once, whole or not at all, whatever interrupts it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.model_at_hand import model, models_with_gguf
from stack.parts.disk import require_room
from stack.parts.model import embedded, identity, prepare
from stack.parts.model.embedded import WORKSHOP
from stack.parts.model.files import DRAFT
from stack.parts.model.stamp import STAMP, is_intact, seal
from stack.settings import ROOT
from stack.tools.errors import StackError
from stack.tools.progress import silent

PREPARE = """
import sys
from pathlib import Path
from stack.parts.model import prepare
prepare(Path(sys.argv[1]), lambda text, fraction=None: print(text, flush=True))
"""
LIMIT = 60  # seconds


class Told:
    """A Progress that remembers."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, text: str, fraction: float | None = None) -> None:
        assert fraction is None or 0 <= fraction <= 1
        self.texts.append(text)


def test_what_it_returns_is_what_stands_on_disk() -> None:
    ready = model()
    config = json.loads((ready.directory / "genai_config.json").read_text(encoding="utf-8"))
    named = json.loads((ready.directory / "inference_model.json").read_text(encoding="utf-8"))
    assert named == {"Name": ready.id} == {"Name": f"{ready.name}:{ready.version}"}
    assert (ready.directory.parent.name, ready.directory.name) == (ready.publisher, f"{ready.name}-{ready.version}")
    assert config["model"]["context_length"] == ready.context_length == 8192
    assert ready.size_bytes == sum(file.stat().st_size for file in ready.directory.iterdir())
    assert 100e6 < ready.size_bytes < identity.CONVERTED_BYTES * 1.02


def test_the_second_time_takes_no_time_and_tells_nothing() -> None:
    models = model().directory.parents[1]
    told = Told()
    before = time.monotonic()
    assert prepare(models, told) == model()
    assert time.monotonic() - before < 0.3
    assert told.texts == []


@pytest.mark.full
def test_an_altered_file_is_made_again_and_a_touched_one_is_not(tmp_path: Path) -> None:
    models = models_with_gguf(tmp_path)
    ready = prepare(models, silent)
    data = ready.directory / "model.onnx.data"

    os.utime(data, (1, 1))
    told = Told()
    prepare(models, told)
    assert told.texts == []

    with data.open("rb+") as stream:
        stream.seek(5_000_000)
        byte = stream.read(1)
        stream.seek(5_000_000)
        stream.write(bytes([byte[0] ^ 1]))
    prepare(models, told)
    assert "Converting the model" in told.texts
    assert data.read_bytes() == (model().directory / "model.onnx.data").read_bytes()
    assert [entry.name for entry in ready.directory.parent.iterdir()] == [ready.directory.name]
    assert not list((models / WORKSHOP).glob(f"{DRAFT}*"))


@pytest.mark.parametrize("missing", ["tokenizer.json", STAMP])
def test_a_missing_file_or_stamp_is_noticed(missing: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    seal(tmp_path, "recipe")
    assert is_intact(tmp_path, "recipe")
    (tmp_path / missing).unlink()
    assert not is_intact(tmp_path, "recipe")


def test_another_recipe_or_a_broken_stamp_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    seal(tmp_path, "recipe")
    assert not is_intact(tmp_path, "newer recipe")
    (tmp_path / STAMP).write_text('{"recipe": "recipe", "fi')
    assert not is_intact(tmp_path, "recipe")
    assert not is_intact(tmp_path / "absent", "recipe")


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
@pytest.mark.parametrize("megabytes", [1, 80])
@pytest.mark.full
def test_killed_midway_it_starts_over(megabytes: int, tmp_path: Path) -> None:
    models = models_with_gguf(tmp_path)
    workshop = models / WORKSHOP

    def far_enough() -> bool:
        return any(data.stat().st_size > megabytes * 1e6 for data in workshop.glob(f"{DRAFT}*/*.data"))

    with _preparing(models) as child:
        _wait_until(far_enough, child)
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    assert list(workshop.glob(f"{DRAFT}*"))
    assert not list(models.glob("*/*/genai_config.json"))

    ready = prepare(models, silent)

    assert not list(workshop.glob(f"{DRAFT}*"))
    assert (ready.directory / "model.onnx.data").stat().st_size == (
        model().directory / "model.onnx.data"
    ).stat().st_size


@pytest.mark.full
def test_two_at_once_make_it_once(tmp_path: Path) -> None:
    models = models_with_gguf(tmp_path)
    with _preparing(models) as first, _preparing(models) as second:
        said = [child.communicate(timeout=LIMIT)[0] for child in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0]
    converted = [text for text in said if "Converting" in text]
    waited = [text for text in said if "Waiting" in text]
    assert len(converted) == 1
    assert len(waited) == 1


def test_too_small_a_disk_is_told_with_both_numbers(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    require_room({tmp_path / "not" / "there": free // 2}, "a thing")
    with pytest.raises(StackError, match=r"a thing needs [\d,]+ MB in .*not.*there, and [\d,]+ MB are free") as told:
        require_room({tmp_path / "not" / "there": free}, "a thing")
    assert told.value.cause == "disk-full"
    assert "STATE_DIR" in told.value.fix


def test_on_a_small_disk_nothing_is_written(small_disk: Callable[[int], Path]) -> None:
    models = small_disk(150) / "models"
    with pytest.raises(StackError, match=r"needs 313 MB in .*, and 15. MB are free") as told:
        prepare(models, silent)
    assert told.value.cause == "disk-full"
    assert not models.exists()


def test_a_disk_that_fills_up_meanwhile_is_told_too(
    small_disk: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = small_disk(150)
    models = models_with_gguf(folder)
    monkeypatch.setattr(embedded, "require_room", lambda *_: None)  # as if another program wrote after the look
    with pytest.raises(StackError, match="the embedded model needs") as told:
        prepare(models, silent)
    assert told.value.cause == "disk-full"
    assert not list((models / WORKSHOP).glob(f"{DRAFT}*"))
    assert not list(models.glob("*/*/genai_config.json"))


def test_a_folder_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where the folder should be")
    with pytest.raises(StackError, match="can't be written to") as told:
        prepare(tmp_path / "models", silent)
    assert told.value.cause == "models-not-writable"


def test_weights_that_rotted_on_disk_are_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = models_with_gguf(tmp_path)
    gguf = models / WORKSHOP / identity.WEIGHTS.file_name
    gguf.unlink()
    gguf.write_bytes(b"rotten")
    asked: list[identity.Package] = []

    def unreachable(package: identity.Package, *_: object) -> Path:
        asked.append(package)
        raise StackError("no network", fix="", cause="package-unreachable")

    monkeypatch.setattr("stack.parts.model.package._download", unreachable)
    with pytest.raises(StackError, match="no network"):
        prepare(models, silent)
    assert asked == [identity.WEIGHTS]
    assert not list(models.glob("*/*/genai_config.json"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Makes a real file system of so many MB, below a folder of the test's own."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting needs root on Linux")
    mounted: list[Path] = []

    def mount(megabytes: int) -> Path:
        place = tmp_path / "disk"
        place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)], check=True)
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "--lazy", str(place)], check=True)  # a caught error may still map a file there


def _preparing(models: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PREPARE, str(models)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "scripts")},
        stdout=subprocess.PIPE,
        text=True,
    )


def _wait_until(condition: Callable[[], bool], child: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert child.poll() is None, "it ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
