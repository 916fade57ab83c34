"""The tool for authors is found where it should be, and says how to get it where it is not."""

from pathlib import Path

import pytest

from memos_gov.backends.opa_tool import OPA_VERSION, OpaTool, write_compiled
from memos_gov.errors import SettingsError


def a_program(path: Path, says: str) -> Path:
    """Write a program that prints one line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def test_tool_that_is_nowhere_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remedy is a command that can be copied."""
    monkeypatch.delenv("MEMOS_GOV_OPA", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    with pytest.raises(SettingsError) as caught:
        OpaTool.find()

    assert f"go install github.com/open-policy-agent/opa@v{OPA_VERSION}" in caught.value.remedy


def test_tool_of_another_version_is_refused(tmp_path: Path) -> None:
    """Another OPA may answer differently, so it builds nothing."""
    program = a_program(tmp_path / "opa", "Version: 0.1.0")

    with pytest.raises(SettingsError, match=r"0\.1\.0"):
        OpaTool.find(program)


@pytest.mark.parametrize("where", ["setting", "variable", "cache", "path"])
def test_tool_in_any_of_its_places_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Setting, variable, services cache and PATH are searched."""
    places = {"cache": tmp_path / "memos-gov" / "services" / f"opa-{OPA_VERSION}" / "opa"}
    program = a_program(places.get(where, tmp_path / "opa"), f"Version: {OPA_VERSION}")
    monkeypatch.delenv("MEMOS_GOV_OPA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path if where == "cache" else tmp_path / "none"))
    if where == "variable":
        monkeypatch.setenv("MEMOS_GOV_OPA", str(program))
    if where == "path":
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    found = OpaTool.find(program if where == "setting" else None)

    assert program == found._program


def test_tool_that_was_named_is_the_only_one_tried(tmp_path: Path) -> None:
    """A typing error in the setting does not fall back to something else."""
    with pytest.raises(SettingsError, match="not installed"):
        OpaTool.find(tmp_path / "nothing")


def test_compiled_files_are_written_below_compiled(tmp_path: Path) -> None:
    """What `build` returned lies where a bundle is assembled from."""
    write_compiled({"data.json": b"{}"}, tmp_path)

    assert (tmp_path / "compiled" / "data.json").read_bytes() == b"{}"
