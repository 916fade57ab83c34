"""Cards, IBANs, addresses and numbers are found by form, and nothing else is."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_gov.domain.detectors import Finding, find, mask
from memos_gov.domain.verdicts import FindingKind

KINDS: tuple[FindingKind, ...] = ("card", "iban", "email", "phone")
CARD = "4111 1111 1111 1111"
IBAN = "DE89 3704 0044 0532 0130 00"


def kinds_in(text: str) -> list[FindingKind]:
    """Return the kinds found, in order."""
    return [f.kind for f in find(text)]


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        (f"pay {CARD} now", 4, 23),
        ("4111111111111111", 0, 16),
        ("card4111-1111-1111-1111x", 4, 23),
        ("amex 3782 822463 10005", 5, 22),
        ("In 2023 4111 1111 1111 1111 2024", 8, 27),
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", 0, 31),
        ("6304 0000 0000 0000", 0, 19),
    ],
)
def test_card_in_any_grouping_is_found(text: str, start: int, end: int) -> None:
    """Spaces and dashes group a card as they like, years beside it do not hide it."""
    found = [f for f in find(text) if f.kind == "card"]
    assert any(f.start <= start and end <= f.end for f in found)


@pytest.mark.parametrize(
    "text",
    [
        "4111\u200b1111\u200d1111\ufeff1111",
        "4111\u00a01111\u20091111\u30001111",
        "4111\u20111111\u20131111\u22121111",
        "\uff14\uff11\uff11\uff11 1111 1111 1111",
        "\u0664\u0661\u0661\u0661 1111 1111 1111",
        "4111\t1111\u00ad1111\u202e1111",
        "4\ufe0f\u20e3111 1111 1111 1111",
    ],
)
def test_card_in_unicode_disguise_is_found_whole(text: str) -> None:
    """Offsets are those of the text as given, disguise included."""
    assert (Finding("card", 2, 2 + len(text)),) == find(f"\u00e9 {text} \u00e9")


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",
        "0000 0000 0000 0000",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
        "411111111111",
        "41111111111111111111111111111111",
    ],
)
def test_card_with_a_wrong_checksum_or_length_is_not_found(text: str) -> None:
    """Numbers that are not cards stay."""
    assert [] == kinds_in(text)


@pytest.mark.parametrize(
    "text",
    [
        IBAN,
        IBAN.lower().replace(" ", ""),
        "GB29-NWBK-6016-1331-9268-19",
        "NO93 8601 1117 947",
        "MT84MALT011000012345MTLCAST001S",
        "\uff24\uff25\uff18\uff19 3704 0044 0532 0130 00",
        "BR15 0000 0000 0000 1093 2840 814 P2",
    ],
)
def test_iban_of_a_listed_country_is_found_whole(text: str) -> None:
    """The country's length decides where it ends, whatever word comes next."""
    assert (Finding("iban", 3, 3 + len(text)),) == find(f"to {text} by May")


def test_iban_of_another_country_is_found_as_one_word() -> None:
    """ISO 13616 allows countries the table does not list."""
    words = [f"ZZ{n:02d}0123456789ABCDEF" for n in range(2, 99)]
    assert 1 == len([word for word in words if kinds_in(f"to {word}.") == ["iban"]])


def test_iban_glued_to_another_is_found_beside_it() -> None:
    """No boundary is asked for, so nothing hides behind its neighbour."""
    word = IBAN.replace(" ", "")
    assert ["iban", "iban", "card"] == kinds_in(f"{word}{word}{CARD}")


@pytest.mark.parametrize(
    "text",
    ["DE88 3704 0044 0532 0130 00", "DE89 3704 0044 0532 0130", "code de12 or fr34 words follow"],
)
def test_iban_with_a_wrong_checksum_or_length_is_not_found(text: str) -> None:
    """Two letters and digits are no account."""
    assert "iban" not in kinds_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "joe.doe+tag@example.co.uk",
        "j\u00f6rg@m\u00fcller.de",
        "x@xn--bcher-kva.xn--p1ai",
        "a_b-c@sub.example.com",
        "joe\uff20example.com",
        "jo\u200be@exam\u00adple.com",
    ],
)
def test_email_in_a_sentence_is_found_whole(text: str) -> None:
    """The full stop after it is not part of it."""
    assert (Finding("email", 6, 6 + len(text)),) == find(f"Write {text}.")


@pytest.mark.parametrize("text", ["a@b", "@example.com", "a @ b.com", "a@b.1", "@@@", "meet @ 5"])
def test_email_without_a_part_is_not_found(text: str) -> None:
    """A sign alone is no address."""
    assert [] == kinds_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "+49 30 123456",
        "+49 (0)30 1234567",
        "+12025550123",
        "0044 20 7946 0958",
        "(202) 555-0123",
        "202-555-0123",
        "1-202-555-0123",
        "2025550123",
        "06 12 34 56 78",
        "01.42.68.53.00",
        "030/12345678",
        "\uff0b49\u00a030\u2011123456",
    ],
)
def test_phone_with_country_or_area_code_is_found_whole(text: str) -> None:
    """International, North American, and national with a trunk prefix."""
    assert (Finding("phone", 5, 5 + len(text)),) == find(f"call {text}, please")


@pytest.mark.parametrize(
    "text",
    [
        "on 2023-05-08 at 10:30",
        "08.05.23 10.30",
        "from 12-10-2023 14-10-2023",
        "2024-01-31T10:15:30.123456Z",
        "{$350.00} paid, $1,234,567.89 due",
        "account 123456789",
        "call 555-1234",
        "at 1699999999",
        "order 20230508 123456",
        "0.123456789",
        "192.168.100.100",
        "550e8400-e29b-41d4-a716-446655440000",
        "\u20ac 2025550123",
    ],
)
def test_phone_like_date_amount_or_id_is_not_found(text: str) -> None:
    """What merely has digits stays."""
    assert [] == kinds_in(text)


def test_find_with_overlapping_forms_lets_the_checksum_win() -> None:
    """A card behind a plus is a card, and an IBAN's digits are no card."""
    assert ["card"] == kinds_in("+4111111111111111")
    assert ["iban", "phone"] == kinds_in(f"{IBAN}, +49 30 123456")


def test_mask_of_some_kinds_leaves_the_others() -> None:
    """Only what was asked for is replaced and counted."""
    text = f"{CARD}, a@b.de, c@d.de, +49 30 123456"
    only: tuple[FindingKind, ...] = ("email",)
    assert (f"{CARD}, [email], [email], +49 30 123456", {"email": 2}) == mask(text, only)
    assert ("[card], [email], [email], [phone]", {"card": 1, "email": 2, "phone": 1}) == mask(
        text, KINDS
    )


def test_mask_of_a_text_without_findings_returns_it() -> None:
    """Nothing found, nothing changed, nothing counted."""
    assert ("Anna said 3 words", {}) == mask("Anna said 3 words", KINDS)


pieces = st.sampled_from(
    [
        CARD,
        IBAN,
        "a@b.de",
        "+49 30 123456",
        "202-555-0123",
        "2023-05-08",
        "4111",
        "1",
        "00",
        "DE",
        *" -.()+@x\u200b\uff11\u00a0\u00e9",
    ]
)
texts = st.lists(pieces, max_size=25).map("".join) | st.text(max_size=60)


@given(texts, st.sets(st.sampled_from(KINDS)))
def test_mask_of_any_text_leaves_no_finding(text: str, kinds: set[FindingKind]) -> None:
    """What shows only once its neighbour is masked is masked too."""
    masked, counts = mask(text, kinds)
    assert not kinds.intersection(kinds_in(masked))
    assert counts.keys() <= kinds


@given(texts)
def test_find_in_any_text_returns_ordered_findings_that_do_not_overlap(text: str) -> None:
    """Every finding is a stretch of the text after the one before."""
    edges = [edge for f in find(text) for edge in (f.start, f.end)]
    assert sorted(edges) == edges
    assert all(f.start < f.end <= len(text) for f in find(text))


@given(st.integers(13, 19), st.randoms(use_true_random=False))
def test_card_with_a_right_check_digit_is_found_however_it_is_disguised(
    length: int, chance: random.Random
) -> None:
    """Any digits and the Luhn digit, in any script, with any separators between fours."""
    digits = [chance.randrange(1, 10) for _ in range(length - 1)]
    doubled = [sum(divmod(2 * d, 10)) if i % 2 == 0 else d for i, d in enumerate(digits[::-1])]
    digits.append(-sum(doubled) % 10)
    zero = ord(chance.choice("0\uff10\u0660"))
    between = chance.choice(["", " ", "\u00a0", "-", "\u2011", "\u200b"])
    text = "".join(
        f"{between if i and i % 4 == 0 else ''}{chr(zero + d)}" for i, d in enumerate(digits)
    )
    assert Finding("card", 0, len(text)) in find(text)


@pytest.mark.parametrize(
    "unit",
    [
        "1",
        "1 ",
        "4111 ",
        "1234 12 ",
        "a",
        "@",
        "a@",
        "a@a.",
        "AB12",
        "AB12 ",
        "DE89 ",
        "+1 ",
        "(",
        "00 ",
        "(202)",
        "202-",
        "12.",
        "01.01.",
        "0+1 ",
        "x@y.",
        "a@" + "!" * 62,
        "(" + "a" * 62 + "@",
        "\uff14",
        "4\u200b",
    ],
)
def test_find_in_hostile_text_takes_linear_time(unit: str) -> None:
    """A quarter of a megabyte of anything takes well under two seconds."""
    text = unit * (262_144 // len(unit))
    start = time.process_time()
    find(text)
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    "unit",
    [
        IBAN,
        IBAN.replace(" ", ""),
        IBAN.replace(" ", "") + CARD.replace(" ", ""),
        f"{CARD} 1 2 3 ",
        "202-555-0123-",
        "202-555-0123.",
        "202-555-0123 ",
        "030 123456 ",
        "+49 30 123456",
        "+49 30 123456202-555-0123-",
        "a@b.de@",
        "a@b.de",
        "01.01.2020-0301234567-",
        "202-555-0123-4111111111111111-",
        "2023-05-0812 4111 1111 1111 1111",
        "+4111 1111 1111 111100",
    ],
)
def test_mask_of_a_long_chain_takes_linear_time(unit: str) -> None:
    """Masking one link does not show the next alone: a few rounds do, however long the chain."""
    start = time.process_time()
    masked, _ = mask(unit * (65_536 // len(unit)), KINDS)
    assert time.process_time() - start < 2
    assert [] == kinds_in(masked)


def test_mask_of_what_hides_behind_a_neighbour_goes_on() -> None:
    """A number that shows only once the card before it is masked is masked too."""
    text = f"2023-05-0812 4111 1111 1111 1111{CARD}"
    assert 1 == len(find(text))
    masked, counts = mask(text, KINDS)
    assert [] == kinds_in(masked)
    assert {"card": 2} == counts
