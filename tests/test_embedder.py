"""The setting `embedder`, and the table of akin words: what holds without any model."""

import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

import memos_gov
from memos_gov.backends.embedding import minilm
from memos_gov.backends.embedding.akin import made, table
from memos_gov.bootstrap import fsck, rebuild
from memos_gov.errors import SettingsError
from memos_gov.ports.embedding import AKIN_COSINE_MIN, AKIN_MAX, Akin
from memos_gov.relevance import rarity, terms_of, worth


@pytest.fixture
def without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for meaning where the package of the weights is not installed."""
    monkeypatch.setattr(minilm, "PACKAGE", "not_installed_here")
    monkeypatch.setenv("MEMOS_GOV_EMBEDDER", "minilm")


def test_embedder_that_there_is_not_is_refused_by_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelt one is an error, and not recall by words."""
    monkeypatch.setenv("MEMOS_GOV_EMBEDDER", "maxilm")

    with pytest.raises(SettingsError, match="setting embedder"):
        memos_gov.open(folder)


@pytest.mark.usefixtures("without_the_extra")
def test_embedder_that_is_not_installed_is_refused_before_anything_is_done(folder: Path) -> None:
    """By opening and by a rebuild, with what to type; the folder stays as it is."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    for act in (memos_gov.open, rebuild):
        with pytest.raises(SettingsError, match="setting embedder: minilm needs") as caught:
            act(folder)
        assert "memos-gov[models]" in (caught.value.remedy or "")

    now = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert before.keys() <= now.keys()
    kept = [path for path in before if path.name in {"log.db", "vault.db"}]
    assert [before[path] for path in kept] == [now[path] for path in kept]


def test_fsck_knows_what_vectors_are_missing_without_any_model(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It compares models and seals, and runs nothing."""
    with memos_gov.open(folder) as gov:
        owner = gov.acting_as("owner", purpose="complaint-handling")
        owner.remember("a kestrel")
        owner.recall("kestrel")
    assert fsck(folder).clean
    monkeypatch.setattr(minilm, "PACKAGE", "not_installed_here")
    monkeypatch.setenv("MEMOS_GOV_EMBEDDER", "minilm")

    assert {"index": 1} == fsck(folder).found


def test_table_of_akin_words_holds_what_the_port_promises() -> None:
    """Stems, each once, none its own, the nearest first, not too many and near enough."""
    whole = dict(table())

    assert 13_000 < len(whole) < 15_000
    for stem, akin in whole.items():
        cosines = [each.cosine for each in akin]
        assert 0 < len(akin) <= AKIN_MAX
        assert cosines == sorted(cosines, reverse=True)
        assert AKIN_COSINE_MIN <= min(cosines)
        assert max(cosines) <= 1
        assert stem not in {each.stem for each in akin}
        assert len(akin) == len({each.stem for each in akin})
    assert "physician" in {each.stem for each in whole["doctor"]}
    assert () == table().get("zzyzx", ())


def test_table_is_made_of_a_vocabulary_and_of_nothing_else() -> None:
    """Wordpieces, numbers, stop words and short words are left out; a stem has one line."""
    vectors = {"doctor": (1.0, 0.0), "physician": (0.8, 0.6), "cake": (0.0, 1.0)}

    def embed(words: Sequence[str]) -> list[bytes]:
        return [struct.pack("<2f", *vectors[word]) for word in words]

    text = made(["##ing", "the", "42", "ox", "doctor", "doctors", "physician", "cake"], embed)

    assert "cake physician:60\ndoctor physician:80\nphysician doctor:80 cake:60\n" == text


def test_akin_word_counts_no_more_than_the_word_it_stands_for() -> None:
    """By its cosine, and by the rarer of both capped at the word's own."""
    akin = {"cat": [Akin("dog", 0.5)], "fish": [Akin("cat", 1.0)]}
    terms = terms_of("fish and cats", akin)

    assert [("cat", 0), ("fish", 1), ("dog", 0), ("cat", 1)] == [term[:2] for term in terms]
    assert [1, 1, 0.8 * 0.25, 0.8] == [term.weight for term in terms]
    found = worth(terms, [10, 50, 2, 10], 100)
    rare = [rarity(100, having) for having in (10, 50)]
    assert [rare[0], rare[1], 0.2 * rare[0], 0.8 * rare[1]] == pytest.approx(found)
