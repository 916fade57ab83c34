"""What was erased stands in no byte of the folder, in no form, and no key opens what is sealed."""

import base64
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import memos_gov
from memos_gov.bootstrap import fsck, rebuild
from memos_gov.domain import events as e
from memos_gov.service import Actor
from tests.erasing import (
    ERASURE,
    erase,
    erase_subject,
    keys_of,
    propose,
    rows_of_keys,
)
from tests.residue import every_byte, forms_of, found_in, places_of, tokens_of

PURPOSE = "complaint-handling"
LETTERS = "bcdfghjklmnpqrstvwz"


def a_word(number: int) -> str:
    """Return an invented word that occurs nowhere else and stems to another one."""
    chance = random.Random(number)
    middle = "".join(chance.choice(LETTERS) + chance.choice("aiou") for _ in range(4))
    return f"Qu{middle}xings"


def a_text(number: int) -> str:
    """Return a text whose every word is a canary."""
    return " ".join(a_word(number * 10 + n) for n in range(3))


CANARY, PERSON, AUTHOR, TALK, NOTE = (a_text(n) for n in range(1, 6))


def owner_of(gov: memos_gov.Service) -> Actor:
    """Return the first principal."""
    return gov.acting_as("owner", purpose=PURPOSE)


def remembered(actor: Actor, content: str, person: str = PERSON) -> str:
    """Remember a cube with everything that a caller can say of one."""
    cube = actor.remember(
        content, subjects=[person], author=AUTHOR, conversation=TALK, metadata={"note": NOTE}
    ).cube_id
    assert cube is not None
    return cube


def caught_up(gov: memos_gov.Service) -> None:
    """Bring every view and artefact to the end of the log."""
    gov.rooms.follower.catch_up()
    gov.rooms.index_follower.catch_up()
    gov.rooms.destroyer.settle()


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where temporary files of this process go."""
    place = tmp_path / "scratch"
    place.mkdir()
    for name in ("TMPDIR", "SQLITE_TMPDIR"):
        monkeypatch.setenv(name, str(place))
    return place


@pytest.mark.parametrize("form", forms_of(CANARY))
@pytest.mark.parametrize("before", range(3))
def test_scan_finds_a_text_in_every_form_wherever_it_begins(
    tmp_path: Path, form: str, before: int
) -> None:
    """A scan that finds nothing means that there is nothing."""
    raw = CANARY.lower() if "lower" in form else CANARY
    raw_bytes = raw.encode(
        next((code for code in ("utf-16-le", "utf-16-be") if code in form), "utf-8")
    )
    body = bytes(before) + raw_bytes + b"~"
    if "base64" in form:
        body = base64.b64encode(body)
    elif "hex" in form.lower():
        body = body.hex().encode()
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(b"\0" * 5 + body + b"\xff")

    assert ["deep/file"] == places_of(CANARY, tmp_path)
    assert [] == places_of(PERSON, tmp_path)


def test_cube_and_person_erased_leave_no_residue_in_any_form(
    gov: memos_gov.Service, folder: Path, scratch: Path
) -> None:
    """Not while the folder is open, not afterwards, not in what a rebuild makes."""
    owner = owner_of(gov)
    cube = remembered(owner, f"About {CANARY}")
    owner.revise(cube, f"Again about {CANARY}")
    owner.revise(cube, f"and {CANARY}", mode="append")
    owner.get(cube)
    assert owner.recall(CANARY).hits
    words = list(tokens_of(CANARY))
    assert 3 == len(words)
    assert not set(words) & set(CANARY.lower().split())
    caught_up(gov)
    files = every_byte(folder)
    assert {"index.db"} == {name.removesuffix("-wal") for name in found_in(files, words)}
    rows = [row[:24] for row in rows_of_keys(folder, keys_of(owner, cube)).values()]
    assert 3 == len(rows)
    assert found_in_bytes(files, rows)

    erase(owner, cube)
    subject = erase_subject(owner, PERSON)
    caught_up(gov)

    texts = [CANARY, PERSON, NOTE, *words]
    for _ in range(2):
        files = {**every_byte(folder), **every_byte(scratch)}
        assert [] == found_in(files, texts)
        assert [] == found_in_bytes(files, rows)
        directory = {name: body for name, body in files.items() if name.startswith("vault.db")}
        assert [] == found_in_bytes(directory, [subject.encode()])
        gov.close()
    assert fsck(folder).clean
    rebuild(folder)
    assert [] == found_in(every_byte(folder), texts)
    assert fsck(folder).clean


def found_in_bytes(files: dict[str, bytes], wanted: list[bytes]) -> list[str]:
    """Return the files that hold one of these bytes."""
    return [name for name, body in files.items() if any(one in body for one in wanted)]


def test_no_key_that_is_left_opens_what_was_erased(gov: memos_gov.Service, folder: Path) -> None:
    """The log keeps the ciphertext for ever; every key of the vault is tried on it."""
    owner = owner_of(gov)
    cube, stays = remembered(owner, CANARY), remembered(owner, "Something that stays.")
    sealed = {name: list(ciphertexts(folder, name)) for name in (cube, stays)}
    assert dict.fromkeys(sealed, True) == {n: opens(gov, folder, s) for n, s in sealed.items()}

    erase(owner, cube)

    assert {cube: False, stays: True} == {n: opens(gov, folder, s) for n, s in sealed.items()}


def ciphertexts(folder: Path, cube: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield nonce and ciphertext of a cube's contents, with what they are bound to."""
    with closing(sqlite3.connect(folder / "tables.db")) as tables:
        query = "SELECT sealed FROM events WHERE stream = ? AND sealed IS NOT NULL"
        for (sealed,) in tables.execute(query, (f"default/cube/{cube}",)):
            raw = base64.b64decode(sealed)
            yield raw[:12], raw[12:]


def opens(gov: memos_gov.Service, folder: Path, sealed: list[tuple[bytes, bytes]]) -> bool:
    """Whether any key of the vault decrypts one of these, whatever it is bound to."""
    keys = gov.rooms.governor.keys
    with closing(sqlite3.connect(folder / "vault.db")) as vault:
        ids = [row[0] for row in vault.execute("SELECT key_id FROM content_keys")]
        names = [row[0] for row in vault.execute("SELECT name FROM secrets WHERE tenant='default'")]
    found = [*keys.open("default", ids).values(), *(keys.secret("default", n) for n in names)]
    return any(
        _begins_like_json(key, nonce, body) for key in found if key for nonce, body in sealed
    )


def _begins_like_json(key: bytes, nonce: bytes, body: bytes) -> bool:
    """Decrypt the way GCM does without its tag: what is bound to the text does not matter."""
    cipher = AESGCM(key)
    # In counter mode, sealing zeros under the nonce of a text gives its key stream.
    stream = cipher.encrypt(nonce, bytes(len(body) - 16), b"")
    plain = bytes(a ^ b for a, b in zip(stream, body[:-16], strict=False))
    with pytest.raises(InvalidTag):
        cipher.decrypt(nonce, body, b"")
    return plain.startswith(b'{"content":')


@pytest.mark.parametrize("how", ["restricted", "expired"])
def test_cube_set_aside_leaves_the_words_of_the_index(
    gov: memos_gov.Service, folder: Path, how: str
) -> None:
    """It has an entry still, which no word leads to; its words are in no byte."""
    owner = owner_of(gov)
    cube = remembered(owner, CANARY)
    assert owner.recall(CANARY).hits
    words = list(tokens_of(CANARY))
    assert found_in(every_byte(folder), words)
    event: e.Event = e.CubeExpired(cube=cube)
    if how == "restricted":
        event = e.CubeRestricted(cube=cube, erasure=ERASURE, reasons=("held",))

    assert "accepted" == propose(owner, event).code
    assert not owner.recall(CANARY).hits
    caught_up(gov)

    assert [] == found_in(every_byte(folder), words)
    assert [(cube, False)] == [(x.cube_id, x.findable) for x in gov.rooms.index.entries()]
    gov.close()
    assert fsck(folder).clean


def test_cubes_erased_among_many_leave_nothing_and_the_others_everything(
    gov: memos_gov.Service, folder: Path
) -> None:
    """Whatever SQLite moved between pages before, in several steps, with writing between."""
    owner, chance = owner_of(gov), random.Random(3)
    cubes = {
        n: owner.remember(a_text(1000 + n), subjects=[f"person {n}"]).cube_id or ""
        for n in range(150)
    }
    caught_up(gov)
    rows = {n: rows_of_keys(folder, keys_of(owner, cube)) for n, cube in cubes.items()}
    order = list(cubes)
    chance.shuffle(order)
    gone = order[:60]
    for start in range(0, 60, 20):
        step = gone[start : start + 20]
        erase(owner, *(cubes[n] for n in step[:15]))
        for n in step[15:]:
            erase(owner, cubes[n])
        for n in step:
            erase_subject(owner, f"person {n}")
        owner.remember(a_text(5000 + start), subjects=["somebody new"])
        caught_up(gov)

    files = every_byte(folder)
    words = [word for n in gone for word in tokens_of(a_text(1000 + n))]
    assert 180 == len(set(words))
    assert [] == found_in_bytes(files, [word.encode() for word in words])
    assert [] == found_in(files, [a_text(1000 + n) for n in gone[:3]])
    assert not {cubes[n] for n in gone} & {entry.cube_id for entry in gov.rooms.index.entries()}
    assert [] == found_in_bytes(files, [row[:24] for n in gone for row in rows[n].values()])
    stays = sorted(set(cubes) - set(gone))
    hits = {n: owner.recall(a_word((1000 + n) * 10), k=1).hits for n in stays[:10]}
    assert {n: (cubes[n],) for n in hits} == {n: tuple(h.cube_id for h in hits[n]) for n in hits}
    gov.close()
    assert fsck(folder).clean
