"""The connected set-up as a whole: made, refused, removed, and told by the demo."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import memos_gov
from memos_gov.bootstrap import fsck, rebuild
from memos_gov.engines import Engines, lines_of
from memos_gov.errors import SettingsError
from tests.connected_folders import own_engines, removed_afterwards

pytestmark = pytest.mark.connected
PROGRAM = (sys.executable, "-c", "from memos_gov.cli import main; main()")


def test_folder_on_engines_is_opened_from_its_settings(tmp_path: Path) -> None:
    """In a topic of three partitions, with a second tenant in another one."""
    with removed_afterwards(tmp_path / "data") as folder:
        with memos_gov.init(folder, engines=own_engines(partitions=3)) as gov:
            gov.add_tenant("other", principal="eve")
            for tenant, principal in (("default", "owner"), ("other", "eve")):
                gov.acting_as(principal, tenant=tenant).remember(f"The parcel of {tenant}")

        assert fsck(folder).clean
        assert rebuild(folder).compared
        with memos_gov.open(folder) as gov:
            hits = gov.acting_as("eve", tenant="other").recall("parcel").hits
            assert ["The parcel of other"] == [hit.content for hit in hits]
        assert not list(folder.glob("*.db"))


def test_names_that_hold_a_log_are_refused_to_a_second_folder(tmp_path: Path) -> None:
    """Nothing of the first is touched, and nothing of the second is left."""
    with removed_afterwards(tmp_path / "first") as first:
        engines = own_engines()
        with memos_gov.init(first, engines=engines) as gov:
            gov.acting_as("owner").remember("a shop")

        with pytest.raises(SettingsError, match="in use by another data folder"):
            memos_gov.init(tmp_path / "second", engines=engines)

        assert not (tmp_path / "second").exists()
        assert fsck(first).clean
        with memos_gov.open(first) as gov:
            assert 1 == len(gov.acting_as("owner").recall("shop").hits)


def test_folder_that_could_not_be_founded_leaves_nothing_on_engines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that it can be made again under the same names."""
    engines = own_engines()

    def die(*_: object, **__: object) -> None:
        raise SettingsError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr("memos_gov.bootstrap.making.found_tenant", die)
        with pytest.raises(SettingsError, match="disk is full"):
            memos_gov.init(tmp_path / "data", engines=engines)

    with removed_afterwards(tmp_path / "data") as folder:
        memos_gov.init(folder, engines=engines).close()
        assert fsck(folder).clean


def test_file_of_engines_is_what_the_command_line_takes(tmp_path: Path) -> None:
    """And what a new folder remembers."""
    path = tmp_path / "engines.toml"
    path.write_text("\n".join(lines_of(Engines(**own_engines()))) + "\n")
    with removed_afterwards(tmp_path / "data") as folder:
        for words in (["init", "--engines", str(path)], ["remember", "a shop"], ["fsck"]):
            command = [*PROGRAM, "--data", str(folder), *words]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert 0 == done.returncode, done.stderr


@pytest.mark.slow
def test_demo_on_engines_tells_the_whole_story() -> None:
    """The same commands as on files, and nothing is left of it."""
    command = [*PROGRAM, "demo", "--connected"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)

    assert 0 == done.returncode, done.stderr
    assert "same roots as before  yes" in done.stdout
