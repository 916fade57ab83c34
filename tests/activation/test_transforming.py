"""Memories kept as activation: under policy, found by other processes, gone with any of them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import memos_gov
from memos_gov.activation.sealed_file import header_of
from memos_gov.bootstrap import fsck, rebuild
from memos_gov.cli.program import command_line
from memos_gov.errors import (
    ConflictError,
    DeniedError,
    InvalidCommandError,
    NotFoundError,
    UnavailableError,
)
from memos_gov.service import Actor
from tests.base_models import TEXTS, tiny

pytestmark = pytest.mark.models
PURPOSE = "complaint-handling"


@pytest.fixture
def cubes(owner: Actor) -> list[str]:
    """Return three memories about two persons."""
    people = ("c-1", "c-1", "c-2")
    return [
        str(owner.remember(text, subjects=[person], purposes=[PURPOSE]).cube_id)
        for text, person in zip(TEXTS[1:], people, strict=True)
    ]


def files(folder: Path) -> list[Path]:
    """Return the files of tensors."""
    return sorted((folder / "tensors").rglob("*.kv"))


def again(folder: Path) -> memos_gov.Service:
    """Return another service, as another process would open the folder."""
    return memos_gov.open(folder)


def test_memories_transformed_are_found_by_another_process(
    folder: Path, owner: Actor, cubes: list[str]
) -> None:
    """It computes nothing, whatever order it names them in."""
    made = owner.transform(cubes)

    with again(folder) as other:
        injection = other.acting_as("owner", purpose=PURPOSE).inject(cubes[::-1])

    assert (True, True) == (made.built, injection.restored)
    assert made.tokens == len(injection.tokens) == injection.reused
    assert 1 == len(files(folder))


def test_transformation_is_an_event_and_a_read_that_an_auditor_finds(
    owner: Actor, cubes: list[str]
) -> None:
    """Which memories, by which base model, asked for by whom, and whether it stands."""
    made = owner.transform(cubes)

    answer = owner.audit("artefacts", cube=cubes[0])

    (row,) = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    assert (made.artefact, "activation", "owner", True, made.receipt.index) == tuple(
        row[name] for name in ("artefact", "form", "requested_by", "stands", "index")
    )
    assert set(cubes) == set(row["cubes"])
    assert made.read_index is not None
    assert made.read_index > made.receipt.index


def test_transformation_again_makes_no_second_file(
    folder: Path, owner: Actor, cubes: list[str]
) -> None:
    """What is there is used."""
    first, second = owner.transform(cubes), owner.transform(cubes)

    assert (True, False) == (first.built, second.built)
    assert 1 == len(files(folder))


def test_transformation_of_what_was_injected_before_writes_the_file(
    folder: Path, owner: Actor, cubes: list[str]
) -> None:
    """What the process keeps spares the computing, not the file."""
    owner.inject(cubes)

    assert owner.transform(cubes).built
    assert 1 == len(files(folder))


def test_transformation_by_way_of_a_dry_run_reads_and_writes_nothing(
    folder: Path, owner: Actor, cubes: list[str]
) -> None:
    """Policy is asked."""
    made = owner.transform(cubes, dry_run=True)

    assert (None, False) == (made.read_index, made.built)
    assert [] == files(folder)
    assert () == owner.audit("artefacts").rows


def test_transformation_of_memories_of_which_one_is_refused_leaves_nothing(
    folder: Path, gov: memos_gov.Service, owner: Actor, cubes: list[str]
) -> None:
    """A card number, a label above one's clearance, a role that may not."""
    card = str(owner.remember("4111 1111 1111 1111", purposes=[PURPOSE]).cube_id)
    owner.add_principal("tom", roles=["auditor"], purposes=[PURPOSE])
    tom = gov.acting_as("tom", purpose=PURPOSE)

    with pytest.raises((DeniedError, NotFoundError)):
        owner.transform([*cubes, card])
    with pytest.raises(DeniedError):
        tom.transform(cubes)

    assert [] == files(folder)
    assert () == owner.audit("artefacts").rows


@pytest.mark.parametrize(
    "act",
    [
        lambda owner, cube: owner.revise(cube, "It was otherwise."),
        lambda owner, cube: owner.archive(cube),
        lambda owner, cube: owner.forget(cube=cube, reason="asked by letter"),
        lambda owner, _: owner.forget(subject="c-2", reason="asked by letter"),
    ],
    ids=["revised", "archived", "erased", "erased by person"],
)
def test_file_goes_when_one_of_its_memories_changes_or_ends(
    folder: Path,
    gov: memos_gov.Service,
    owner: Actor,
    cubes: list[str],
    act: Callable[[Actor, str], object],
) -> None:
    """Before the next use, and at every opening; a file of others stays."""
    owner.transform(cubes)
    owner.transform(cubes[:1])

    act(gov.acting_as("owner", purpose=PURPOSE), cubes[2])

    with again(folder) as other:
        other.acting_as("owner", purpose=PURPOSE).inject(cubes[:1])
    (left,) = files(folder)
    assert cubes[:1] == [m.cube for m in header_of(left.read_bytes(), "x").members]


def test_erasure_is_complete_when_no_file_is_of_the_erased(
    folder: Path, owner: Actor, cubes: list[str]
) -> None:
    """A custodian reads back, and the certificate says so."""
    owner.transform(cubes)

    forgotten = owner.forget(subject="c-1", reason="asked by letter")

    assert "completed" == forgotten.state
    assert [] == files(folder)
    answer = owner.audit("erasure", erasure=forgotten.id)
    custodians = [row for row in answer.rows if "tensors" in row]
    assert custodians


def test_copy_of_a_file_opens_no_more_after_any_of_its_memories_was_erased(
    folder: Path, owner: Actor, cubes: list[str], tmp_path: Path
) -> None:
    """There is no key but those of its memories: somebody who kept the file has nothing."""
    owner.transform(cubes)
    (file,) = files(folder)
    kept = Path(shutil.copy(file, tmp_path / "kept"))
    owner.forget(cube=cubes[1], reason="asked by letter")
    shutil.copy(kept, file)
    caches = owner.rooms.injector._kv_caches
    header = header_of(kept.read_bytes(), "x")

    with pytest.raises(NotFoundError, match=r"key of the KV cache .* was destroyed"):
        caches._unsealed(kept.read_bytes(), header)


def test_file_that_came_back_from_a_backup_is_removed_at_the_opening(
    folder: Path, owner: Actor, cubes: list[str], tmp_path: Path
) -> None:
    """An erasure holds whatever is copied into the folder."""
    owner.transform(cubes)
    (file,) = files(folder)
    kept = Path(shutil.copy(file, tmp_path / "kept"))
    owner.forget(cube=cubes[1], reason="asked by letter")
    shutil.copy(kept, file)

    again(folder).close()

    assert [] == files(folder)


def test_file_that_is_damaged_is_made_again(folder: Path, owner: Actor, cubes: list[str]) -> None:
    """An injection computes instead; transforming again puts the file right."""
    made = owner.transform(cubes)
    (file,) = files(folder)
    file.write_bytes(file.read_bytes()[:-1])

    with again(folder) as other:
        actor = other.acting_as("owner", purpose=PURPOSE)
        assert not actor.inject(cubes).restored
        assert 1 == other.rooms.injector._kv_caches.counts["refused_corrupt"]
        actor.transform(cubes)
    with again(folder) as third:
        assert third.acting_as("owner", purpose=PURPOSE).inject(cubes).restored
    assert made.tokens


def test_file_of_another_base_model_goes(
    folder: Path, owner: Actor, cubes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the tenant has another one, nothing of the old one is kept."""
    owner.transform(cubes)
    monkeypatch.setenv("MEMOS_GOV_BASE_MODEL", str(tiny(tmp_path / "other", seed=8)))

    with again(folder) as other:
        actor = other.acting_as("owner", purpose=PURPOSE)
        with pytest.raises(ConflictError):
            actor.transform(cubes)
        actor.prepare_base_model()
        actor.inject(cubes)

    assert [] == files(folder)


def test_analyst_finds_no_file_that_holds_what_is_masked_for_her(
    gov: memos_gov.Service, owner: Actor
) -> None:
    """Her set is of other texts, so it is another set."""
    mail = str(owner.remember("Write to a@b.example.", purposes=[PURPOSE]).cube_id)
    owner.transform([mail])
    owner.add_principal("anna", roles=["analyst"], purposes=[PURPOSE])

    injection = gov.acting_as("anna", purpose=PURPOSE).inject([mail])

    assert not injection.restored
    assert "a@b.example" not in injection.text


def test_file_whose_write_fails_is_unavailable_and_the_memories_are_computed(
    folder: Path, owner: Actor, cubes: list[str]
) -> None:
    """The event stands; nothing half-written is there; transforming again mends it."""
    (folder / "tensors").mkdir()
    (folder / "tensors" / "default").write_text("in the way")

    with pytest.raises(UnavailableError):
        owner.transform(cubes)
    (folder / "tensors" / "default").unlink()

    assert owner.transform(cubes).tokens
    assert 1 == len(files(folder))


def test_files_that_cannot_be_looked_through_stop_nobody_but_erasures(
    folder: Path, owner: Actor, cubes: list[str]
) -> None:
    """Memories are remembered and read; an erasure stays open until it can be told."""
    (folder / "tensors").mkdir()
    (folder / "tensors" / "default").write_text("in the way")

    with again(folder) as other:
        actor = other.acting_as("owner", purpose=PURPOSE)
        actor.get(cubes[0])
        with pytest.raises(UnavailableError):
            actor.forget(cube=cubes[0], reason="asked by letter")
        (asked,) = actor.audit("requests").rows
    (folder / "tensors" / "default").unlink()

    assert "completed" == owner.rooms.eraser.go_on("default", asked[0]).state


def test_transformation_survives_a_rebuild_and_an_examination(
    folder: Path, owner: Actor, cubes: list[str], gov: memos_gov.Service
) -> None:
    """It follows from the log; the file is found afterwards."""
    owner.transform(cubes)
    gov.close()

    assert fsck(folder).clean
    rebuild(folder)

    with again(folder) as other:
        actor = other.acting_as("owner", purpose=PURPOSE)
        assert actor.inject(cubes).restored
        assert 1 == len(actor.audit("artefacts").rows)


@pytest.mark.parametrize("wrong", [[], ["c_a", "c_a"]])
def test_transformation_of_no_memories_or_of_one_twice_is_a_clear_error(
    owner: Actor, wrong: list[str]
) -> None:
    """The field is named."""
    with pytest.raises(InvalidCommandError, match="cubes"):
        owner.transform(wrong)


def test_transform_is_typed_and_answers_in_words_and_in_json(
    folder: Path, owner: Actor, cubes: list[str]
) -> None:
    """The command line says what was made."""
    from click.testing import CliRunner

    run = CliRunner()
    words = ["--data", str(folder), "--purpose", PURPOSE, "transform", *cubes, "--to", "activation"]

    shown = run.invoke(command_line, words)
    answer = json.loads(run.invoke(command_line, [*words, "--json"]).stdout)
    listed = run.invoke(command_line, ["--data", str(folder), "audit", "artefacts"])

    assert 0 == shown.exit_code, shown.stderr
    assert "transformed into f_" in shown.stdout
    assert (False, sorted(cubes)) == (answer["built"], sorted(answer["cubes"]))
    assert answer["artefact"] in listed.stdout
