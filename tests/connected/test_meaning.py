"""Recall by meaning on real engines: the order of files, and vectors that end with their cube."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import memos_gov
from bench import locomo, vectors
from memos_gov.bootstrap import fsck, rebuild
from memos_gov.service import Actor
from tests.connected_folders import own_engines, removed_afterwards
from tests.engines import WEAVIATE
from tests.erasing import erase
from tests.models import require_models

pytestmark = [pytest.mark.connected, pytest.mark.models, pytest.mark.timeout(600)]
PURPOSE = "complaint-handling"
QUESTIONS = 25
WHOLE = {"purpose": PURPOSE, "retention_class": "complaint"}


@pytest.fixture(autouse=True)
def setting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Recall by meaning in every folder that a test opens."""
    require_models()
    monkeypatch.setenv("MEMOS_GOV_EMBEDDER", "minilm")
    with vectors.remembered():
        yield


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Return where a connected folder goes, whose stores are removed at the end."""
    with removed_afterwards(tmp_path / "connected") as folder:
        yield folder


def places(actor: Actor, query: str) -> list[tuple[str | None, int | None]]:
    """Return where the turns stand that a query finds, best first."""
    return [(hit.conversation, hit.position) for hit in actor.recall(query, k=10).hits]


def kept_vectors(folder: Path) -> list[list[float]]:
    """Return every vector that the server gives to whoever asks for all."""
    with memos_gov.open(folder) as gov:
        engines = gov.rooms.settings.engines
        assert engines is not None
        query = {"class": engines.weaviate.collection, "tenant": "default", "include": "vector"}
    found = httpx.get(f"{WEAVIATE}/v1/objects", params={**query, "limit": "100"}, timeout=30)
    return [each["vectors"]["content"] for each in found.json()["objects"] if each.get("vectors")]


def test_a_conversation_is_recalled_alike_on_both_set_ups(
    place: Path, tmp_path: Path, shared_data: Path
) -> None:
    """Two hundred turns, by words, akin words, neighbours, meaning: the same ten, one order."""
    turns, asked = locomo.conversations(shared_data / "locomo10.json")[0]
    with (
        memos_gov.init(tmp_path / "files", **WHOLE) as one,
        memos_gov.init(place, **WHOLE, engines=own_engines()) as other,
    ):
        actors = [locomo.remembered(gov, "talk", turns[:200]) for gov in (one, other)]
        for question in asked[:QUESTIONS]:
            expected, found = (places(actor, question.query) for actor in actors)
            assert expected == found, question.query


def test_vector_on_engines_ends_with_its_cube_and_is_made_again(place: Path) -> None:
    """Found by nothing and given to nobody once it is erased; a rebuild ranks as before."""
    with memos_gov.init(place, **WHOLE, engines=own_engines()) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        gone = owner.remember("She bought a new car").cube_id or ""
        for text in ("We baked a cake of apples", "Anna purchased an automobile"):
            owner.remember(text)
        card = "The holder of card 4111 1111 1111 1111 saw kestrels"
        owner.remember(card, label="confidential")
        gov.rooms.index_follower.catch_up()
        erase(owner, gone)
        before = [hit.cube_id for hit in owner.recall("vehicles", k=10).hits]
        assert gone not in before
        assert "kestrels" in (owner.recall("birds of prey", k=1).hits[0].content or "")
    assert 3 == len(kept_vectors(place))
    assert fsck(place).clean

    rebuild(place)

    assert fsck(place).clean
    with memos_gov.open(place) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        assert before == [hit.cube_id for hit in owner.recall("vehicles", k=10).hits]
