"""Recall by meaning, with the packaged model: what it finds, and what it must not tell or keep."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import memos_gov
from bench import locomo, vectors
from memos_gov.backends.embedding.minilm import MiniLmEmbedder
from memos_gov.bootstrap import fsck, rebuild
from memos_gov.fsck.report import REBUILD
from memos_gov.service import Actor, Service
from tests.erasing import erase
from tests.models import require_models
from tests.test_hidden import told

pytestmark = [pytest.mark.models, pytest.mark.timeout(300)]
PURPOSE = "complaint-handling"
CAR, CAKE = "Anna purchased an automobile", "We baked a cake of apples"


@pytest.fixture(autouse=True)
def setting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Recall by meaning in every folder that a test opens."""
    require_models()
    monkeypatch.setenv("MEMOS_GOV_EMBEDDER", "minilm")
    with vectors.remembered():
        yield


@pytest.fixture
def owner(gov: Service) -> Actor:
    """Return the tenant's first principal."""
    return gov.acting_as("owner", purpose=PURPOSE)


def best(actor: Actor, query: str, k: int = 10) -> list[str]:
    """Return the contents that a query finds, best first."""
    return [hit.content or "" for hit in actor.recall(query, k=k).hits]


def vector_of(text: str) -> bytes:
    """Return what the index keeps of a text's meaning."""
    (vector,) = MiniLmEmbedder().embed([text])
    return vector


def files_of(folder: Path) -> bytes:
    """Return every byte of the index."""
    return b"".join(path.read_bytes() for path in folder.glob("index.db*"))


def test_recall_by_meaning_finds_what_shares_no_word(owner: Actor) -> None:
    """Nearest first, and none of it by its words."""
    for text in (CAKE, "The meeting is on Tuesday", CAR):
        owner.remember(text)

    assert CAR == best(owner, "which cars were bought?")[0]
    assert CAKE == best(owner, "dessert")[0]


def test_recall_of_a_word_prefers_it_to_one_that_is_akin(owner: Actor) -> None:
    """The word itself counts more than what means nearly the same."""
    owner.remember("the physician was late")
    owner.remember("the doctor was late")

    assert ["the doctor was late", "the physician was late"] == best(owner, "doctor")


def test_memory_that_is_indexed_by_meaning_alone_is_found_by_it_alone(
    gov: Service, owner: Actor, folder: Path
) -> None:
    """Its plan says `vector_only`: no word of it is in the index, and its vector is."""
    text = "The holder of card 4111 1111 1111 1111 complained about kestrels"
    owner.remember(text, label="confidential")
    owner.remember(CAKE)

    assert any("kestrels" in hit for hit in best(owner, "complaints about birds of prey"))
    assert b"kestrel" not in files_of(folder)
    assert vector_of(text) in files_of(folder)


def test_vector_of_an_erased_or_revised_memory_leaves_no_byte(
    gov: Service, owner: Actor, folder: Path
) -> None:
    """Nor does what it stood beside in a conversation keep anything of its meaning."""
    cubes = {
        text: owner.remember(text, conversation="one", position=place).cube_id or ""
        for place, text in enumerate((CAR, CAKE, "That sounds lovely"), 1)
    }
    gov.rooms.index_follower.catch_up()
    assert all(vector_of(text) in files_of(folder) for text in cubes)

    erase(owner, cubes[CAR])
    owner.revise(cubes[CAKE], "We met on Tuesday")
    gov.rooms.index_follower.catch_up()

    kept = {text: vector_of(text) in files_of(folder) for text in (*cubes, "We met on Tuesday")}
    assert {CAR: False, CAKE: False, "That sounds lovely": True, "We met on Tuesday": True} == kept
    with closing(sqlite3.connect(folder / "index.db")) as db:
        assert [(2,)] == db.execute("SELECT count(*) FROM vector").fetchall()


def test_what_is_hidden_leaves_no_trace_in_recall_by_meaning(gov: Service, tmp_path: Path) -> None:
    """Neighbours, conversations, authors and words of what may not be seen move nothing."""
    with memos_gov.init(tmp_path / "other", purpose=PURPOSE) as other:
        assert told(other, hidden=False) == told(gov, hidden=True)


def test_fsck_finds_a_vector_that_changed_is_missing_or_of_another_model(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each by its cube, or as vectors that nothing accounts for; a rebuild mends it."""
    with memos_gov.open(folder) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        for text in (CAKE, CAR):
            owner.remember(text)
        before = best(owner, "vehicles")
    assert fsck(folder).clean

    for change in (
        "UPDATE vector SET numbers = zeroblob(1536) WHERE id = (SELECT min(id) FROM vector)",
        "UPDATE vector SET model = 'another' WHERE id = (SELECT min(id) FROM vector)",
        "DELETE FROM vector WHERE id = (SELECT min(id) FROM vector)",
        "INSERT INTO vector SELECT 99, 't', cube, facts, model, numbers, seal FROM vector LIMIT 1",
        "UPDATE vector SET cube = 'c_' || id",
    ):
        with closing(sqlite3.connect(folder / "index.db")) as db, db:
            db.execute(change)
        report = fsck(folder)
        assert {"index"} == report.found.keys(), change
        assert {REBUILD} == {finding.remedy for finding in report.findings}
        rebuild(folder)
        assert fsck(folder).clean

    with memos_gov.open(folder) as gov:
        assert before == best(gov.acting_as("owner", purpose=PURPOSE), "vehicles")
    monkeypatch.setenv("MEMOS_GOV_EMBEDDER", "")
    assert {"index"} == fsck(folder).found.keys()  # vectors that nobody asks for
    rebuild(folder)
    assert fsck(folder).clean
    assert vector_of(CAR) not in files_of(folder)


def test_folder_whose_embedder_is_set_later_has_its_vectors_after_a_rebuild(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then the new memories have them, and the old ones are found by their words."""
    monkeypatch.setenv("MEMOS_GOV_EMBEDDER", "")
    with memos_gov.open(folder) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        owner.remember(CAR)
        assert [] == best(owner, "vehicle")
    monkeypatch.setenv("MEMOS_GOV_EMBEDDER", "minilm")
    with memos_gov.open(folder) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        owner.remember(CAKE)
        assert {CAR, CAKE} == {*best(owner, "automobile")}
    assert {"index"} == fsck(folder).found.keys()

    rebuild(folder)

    assert fsck(folder).clean
    with memos_gov.open(folder) as gov:
        assert CAR == best(gov.acting_as("owner", purpose=PURPOSE), "transport")[0]


def test_recall_of_a_real_conversation_by_meaning_reaches_the_gates(
    gov: Service, shared_data: Path
) -> None:
    """Forty questions about one long conversation, with room for how few they are."""
    turns, asked = locomo.conversations(shared_data / "locomo10.json")[0]
    actor = locomo.remembered(gov, "talk", turns)
    rows = [locomo.marks(actor, question, []) for question in asked[:40]]
    any_ten, all_ten, any_packed, all_packed = (sum(c) / len(rows) for c in zip(*rows, strict=True))
    assert any_ten >= 0.8
    assert all_ten >= 0.6
    assert any_packed >= 0.85
    assert all_packed >= 0.7
