"""What a rule says of itself: the METADATA beside it in a bundle's Rego sources."""

from __future__ import annotations

import re

import msgspec

from memos_gov.domain.bundle import PolicyBundle

_FIELD = re.compile(r"#\s+(title|description):\s*(.*)")


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that spoke, with the title and description its author gave it."""

    name: str
    title: str
    description: str


def rule(name: str, bundle: PolicyBundle | None) -> Rule:
    """Return what `bundle` says of the rule `<package>/<word>`; empty where it says nothing."""
    package, _, word = name.partition("/")
    if bundle is None:
        return Rule(name=name, title="", description="")
    if package == "role":
        text = bundle.vocabulary.roles.get(word, "")
        return Rule(name=name, title=f"Role {word}", description=text)
    folder = f"rego/memos_gov/{package}/"
    for path, body in bundle.files.items():
        if path.startswith(folder) and (found := _described(body.decode(), word)):
            return Rule(name=name, title=found[0], description=found[1])
    return Rule(name=name, title="", description="")


def _described(source: str, word: str) -> tuple[str, str] | None:
    """Return title and description of the METADATA above the first line that names `word`."""
    named = re.compile(rf'"(?:\w+/)?{re.escape(word)}"')
    block: list[str] = []
    latest: list[str] = []
    for line in source.splitlines():
        if line.startswith("#"):
            block.append(line)
            continue
        if block:
            latest, block = block, []
        if named.search(line):
            return _fields(latest)
    return None


def _fields(block: list[str]) -> tuple[str, str]:
    """Return title and description of a METADATA block, a folded text joined."""
    fields = {"title": "", "description": ""}
    current = ""
    for line in block:
        match = _FIELD.match(line)
        if match:
            current = match[1]
            fields[current] = match[2].removeprefix(">-").strip()
        elif current and re.match(r"#\s{2,}\S", line):
            fields[current] = f"{fields[current]} {line[1:].strip()}".strip()
        else:
            current = ""
    return fields["title"], fields["description"]
