"""
Card numbers, IBANs, e-mail addresses and phone numbers in free text, found by form.

This room promises pure functions whose time is linear in the text, hostile or
not, and whose checksums (Luhn, ISO 7064 mod 97) are tested, never guessed.
Every Unicode decimal digit counts as a digit, every Unicode space and dash as
one, NFKC look-alikes as what they look like; format characters (zero-width,
soft hyphen, direction marks) and combining marks count as absent.

Deliberately not covered: numbers broken over lines or by other punctuation,
written in words, superscript or circled digits, control characters between
digits, homoglyphs across scripts; cards inside a longer unbroken run of
digits; quoted local parts, IP-literal domains and "at"/"dot" spelling; phone
numbers without area code, and national ones that begin neither with 0 nor in
the North American form. Found does not mean real, and not found means nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import accumulate

import msgspec

from memos_gov.domain.verdicts import FindingKind

CARD_DIGITS = range(13, 20)  # ISO/IEC 7812-1
PHONE_DIGITS = range(7, 16)  # ITU-T E.164

Span = tuple[int, int]


class Finding(msgspec.Struct, frozen=True):
    """`kind` was found in characters `start` to `end` (exclusive) of the text."""

    kind: FindingKind
    start: int
    end: int


def find(text: str) -> tuple[Finding, ...]:
    """
    Return what was found in `text`, in order, without overlaps.

    Where two kinds claim the same characters the checksum wins: IBAN, card,
    e-mail, phone. Offsets count characters of `text` as given.
    """
    if not _TRIGGER.search(text):
        return ()
    plain, offsets = _plain(text)
    found: list[Finding] = []
    for kind, spans_in in _DETECTORS.items():
        spans = list(spans_in(plain))
        found += [Finding(kind, offsets[a], offsets[b - 1] + 1) for a, b in spans]
        plain = _blanked(plain, spans)
    return tuple(sorted(found, key=lambda f: f.start))


def mask(text: str, kinds: Collection[FindingKind]) -> tuple[str, dict[FindingKind, int]]:
    """
    Return `text` with each finding of `kinds` replaced by `[kind]`, and how many there were.

    Afterwards `find` finds none of `kinds`: what only shows once its neighbour
    is masked is masked too. A kind without a finding is absent from the counts.
    """
    counts: dict[FindingKind, int] = {}
    while found := [f for f in find(text) if f.kind in kinds]:
        parts, at = [], 0
        for f in found:
            parts += [text[at : f.start], f"[{f.kind}]"]
            at = f.end
            counts[f.kind] = counts.get(f.kind, 0) + 1
        text = "".join([*parts, text[at:]])
    return text, counts


# Text as it looks: one plain character for each that shows.

_TRIGGER = re.compile(r"[\d@\uff20\ufe6b]")


class _Fold(dict[int, int | None]):
    """A `str.translate` table; only what changes is kept, so it stays small."""

    def __missing__(self, code: int) -> int | None:
        char = chr(code)
        category = unicodedata.category(char)
        folded: int | None = code
        if category in {"Cf", "Mn", "Me"}:
            folded = None
        elif category == "Nd":
            folded = ord(str(unicodedata.decimal(char)))
        elif category == "Pd" or char == "\u2212":
            folded = ord("-")
        elif category == "Zs":
            folded = ord(" ")
        elif len(compatible := unicodedata.normalize("NFKC", char)) == 1:
            folded = ord(compatible)
        if folded != code:
            self[code] = folded
        return folded


_FOLD = _Fold({code: code for code in range(128)} | {ord("\t"): ord(" ")})


def _plain(text: str) -> tuple[str, range | list[int]]:
    """Return the text as it looks, and where in `text` each of its characters stands."""
    if text.isascii():
        return text.replace("\t", " "), range(len(text))
    plain = text.translate(_FOLD)
    if len(plain) == len(text):
        return plain, range(len(text))
    return plain, [i for i, char in enumerate(text) if _FOLD[ord(char)] is not None]


def _blanked(plain: str, spans: list[Span]) -> str:
    if not spans:
        return plain
    parts, at = [], 0
    for start, end in spans:
        parts += [plain[at:start], "\0" * (end - start)]
        at = end
    return "".join([*parts, plain[at:]])


def _merged(spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


# IBAN: ISO 13616, lengths as in the SWIFT registry.

_IBAN_CHARS = range(15, 35)
_IBAN_LENGTHS = {
    country: int(length)
    for country, length in re.findall(
        r"([A-Z]{2})(\d{2})",
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 "
        "DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 "
        "HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 "
        "MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 "
        "RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 "
        "VA22 VG24 XK20 YE30",
    )
}
_IBAN = re.compile(  # begins at the first check digit, as digits are rarer than letters
    r"\d(?:(?<=[A-Za-z]{2}\d)|(?<=[A-Za-z]{2}[ -]\d))"
    r"(?=([ -]{0,2}\d(?:[ -]{0,2}[A-Za-z0-9]){11,30}))"
)
_IBAN_ELSEWHERE = re.compile(  # a country not listed: only as one word
    r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}[A-Z0-9]{11,30}(?![A-Za-z0-9])"
)


def _ibans(plain: str) -> Iterator[Span]:
    spans = [_iban_at(plain, match) for match in _IBAN.finditer(plain)]
    yield from _merged([span for span in spans if span])


def _iban_at(plain: str, match: re.Match[str]) -> Span | None:
    start = match.start() - (2 if plain[match.start() - 1].isalpha() else 3)
    length = _IBAN_LENGTHS.get(plain[start : start + 2].upper())
    if length is None:
        generic = _IBAN_ELSEWHERE.match(plain, start)
        return generic.span() if generic and _is_iban(generic[0]) else None
    places = [i for i in range(start, match.end(1)) if plain[i] not in " -"][:length]
    if len(places) < length or not _is_iban("".join(plain[i] for i in places)):
        return None
    return start, places[-1] + 1


def _is_iban(iban: str) -> bool:
    """ISO 7064 MOD 97-10; check digits 00, 01 and 99 are never issued."""
    if len(iban) not in _IBAN_CHARS or not "02" <= iban[2:4] <= "98":
        return False
    return int("".join(str(int(char, 36)) for char in iban[4:] + iban[:4])) % 97 == 1


# Cards: ISO/IEC 7812-1, the check digit by Luhn.

_DIGIT_RUN = re.compile(r"\d(?:[ -]{0,3}\d){12,}")
_GROUP = re.compile(r"\d+")
_GROUP_DIGITS_MIN = 3
_LUHN_TWICE = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def _cards(plain: str) -> Iterator[Span]:
    spans: list[Span] = []
    for run in _DIGIT_RUN.finditer(plain):
        spans += _cards_in([g.span() for g in _GROUP.finditer(plain, *run.span())], plain)
    yield from _merged(spans)


def _cards_in(groups: list[Span], plain: str) -> Iterator[Span]:
    """
    Yield each stretch of whole groups that is a card, overlapping ones too.

    A stretch is the whole run, or part of one with groups of three digits and
    more (the last may be shorter), or any list of small numbers would hold one.
    """
    digits = [int(char) for start, end in groups for char in plain[start:end]]
    edges = [0, *accumulate(end - start for start, end in groups)]
    # Luhn sums of all prefixes, doubling the even or the odd places: a stretch costs O(1).
    sums = [
        [0, *accumulate(_LUHN_TWICE[d] if i % 2 == odd else d for i, d in enumerate(digits))]
        for odd in (0, 1)
    ]

    def is_card(first: int, last: int) -> bool:
        a, b = edges[first], edges[last + 1]
        luhn = sums[b % 2]
        return b - a in CARD_DIGITS and digits[a] != 0 and (luhn[b] - luhn[a]) % 10 == 0

    if is_card(0, len(groups) - 1):
        yield groups[0][0], groups[-1][1]
    for first, (start, _) in enumerate(groups):
        for last in range(first, len(groups)):
            if is_card(first, last):
                yield start, groups[last][1]
            length = edges[last + 1] - edges[first]
            if length >= CARD_DIGITS[-1] or edges[last + 1] - edges[last] < _GROUP_DIGITS_MIN:
                break


# E-mail: RFC 5321 limits; the local part is read backwards from the sign.

_LOCAL_PART = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+\Z")
_MAIL_DOMAIN = re.compile(r"(?:[\w-]+\.)+(?:xn--[\w-]+|[^\W\d_]{2,})")
_LOCAL_CHARS_MAX, _DOMAIN_CHARS_MAX = 64, 253


def _emails(plain: str) -> Iterator[Span]:
    at, free = plain.find("@"), 0
    while at >= 0:
        local = _LOCAL_PART.search(plain[max(free, at - _LOCAL_CHARS_MAX) : at])
        domain = _MAIL_DOMAIN.match(plain, at + 1, at + 1 + _DOMAIN_CHARS_MAX)
        if local and domain:
            yield at - len(local[0]), domain.end()
            free = domain.end()
        at = plain.find("@", at + 1)


# A left boundary has its mirror on the right, or a chain of numbers would show link by
# link, each only once its neighbour is masked, and `mask` would take quadratic time.
# Phones: ITU-T E.164 for what begins with + or 00, else the area code must show.

_INTERNATIONAL = re.compile(
    r"(?:\+ ?|(?<![\w.,+-])00 ?)(?:\(0\) ?)?[1-9](?:[ ().\/-]{0,2}\d){6,14}(?!\d)"
)
_DATE = re.compile(
    r"(?<!\d)(?<!\d[./-])(?:\d{1,2}([./-])\d{1,2}\1(?:\d{4}|\d{2}(?!\1\d))"
    r"|(?:19|20)\d\d([./-])\d{1,2}\2\d{1,2})(?!\d)"
)
_NATIONAL = re.compile(
    r"(?<![\w+$€£¥])(?<![$€£¥] )(?<!\d[.,-])"
    r"(?:(?:1[ .-]?)?(?:\([2-9]\d\d\) ?|[2-9]\d\d[ .-]?)[2-9]\d\d[ .-]?\d{4}"  # NANP 3-3-4
    r"|\(0?\d{2,4}\)[ -]?\d{2,8}(?:[ .-]\d{2,4}){0,3}"  # (area) number
    r"|0[1-9]\d{0,4}(?:[ ./-]{1,2}\d{2,8}){1,4}|0[1-9]\d{8,9})"  # trunk prefix 0
    r"(?!\w|[.,-]\d)"
)
_TRUNK_DIGITS_MIN = 9


def _phones(plain: str) -> Iterator[Span]:
    spans: list[Span] = []
    if "+" in plain or "00" in plain:
        spans = _numbers(_INTERNATIONAL, plain)
    rest = _blanked(plain, spans)
    if _NATIONAL.search(rest):
        rest = _blanked(rest, [m.span() for m in _DATE.finditer(rest)])
        spans += _numbers(_NATIONAL, rest)
    yield from sorted(spans)


def _numbers(pattern: re.Pattern[str], plain: str) -> list[Span]:
    return [m.span() for m in pattern.finditer(plain) if _has_phone_length(m[0])]


def _has_phone_length(number: str) -> bool:
    digits = sum(map(str.isdigit, number))
    if number[0] == "0":  # two side by side are one finding
        return digits >= _TRUNK_DIGITS_MIN
    return digits in PHONE_DIGITS


_DETECTORS: Mapping[FindingKind, Callable[[str], Iterator[Span]]] = {
    "iban": _ibans,
    "card": _cards,
    "email": _emails,
    "phone": _phones,
}
