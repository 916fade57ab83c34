"""
The map file: which columns of a row become which fields of a cube.

Closed: an unknown field is an error that names the file and the field. A
field takes a fixed `value` or a `column`; `map` and `otherwise` translate
what the column holds, and `when` overrides both, the first rule that fits
first. Words are checked against the active policy later, by `run`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from memos_gov.domain.commands import Metadata, Word
from memos_gov.errors import InvalidCommandError

PLURAL = frozenset({"subjects", "purposes"})
TIMES = frozenset({"valid_from", "valid_to"})

_PART = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|[{}]|[^{}]+")
_METADATA = TypeAdapter(dict[str, str]), TypeAdapter(Metadata)

Words = str | tuple[str, ...]


class Part(NamedTuple):
    """A piece of a template line: literal text, or the name of a column."""

    text: str
    is_column: bool


def template_lines(template: str) -> tuple[tuple[Part, ...], ...]:
    """
    Return a template as lines of parts.

    Raises:
        ValueError: A brace stands alone; `{{` and `}}` are literal braces.
    """
    return tuple(tuple(_parts(line)) for line in template.split("\n"))


def _parts(line: str) -> Iterator[Part]:
    for match in _PART.finditer(line):
        if match[1]:
            yield Part(match[1].strip(), is_column=True)
        elif match[0] in {"{", "}"}:
            raise ValueError("a brace stands alone; write {{ or }} for a literal one")
        else:
            yield Part({"{{": "{", "}}": "}"}.get(match[0], match[0]), is_column=False)


def _template(text: str) -> str:
    if not any(part.is_column for line in template_lines(text) for part in line):
        raise ValueError("names no column in braces")
    return text


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise ValueError("is no time zone of the tz database") from None
    return name


class _Closed(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, coerce_numbers_to_str=True
    )


class Condition(_Closed):
    """Whether a column equals a text, contains it, or is one of several."""

    column: str
    equals: str | None = None
    contains: str | None = None
    in_: tuple[str, ...] | None = Field(None, alias="in")

    @model_validator(mode="after")
    def _one_test(self) -> Self:
        if [self.equals, self.contains, self.in_].count(None) != 2:  # noqa: PLR2004
            raise ValueError("takes one of `equals`, `contains` and `in`")
        return self

    def holds(self, text: str) -> bool:
        """Whether what the column holds fits."""
        if self.in_ is not None:
            return text in self.in_
        if self.contains is not None:
            return self.contains in text
        return text == self.equals


class Rule(Condition):
    """What a field becomes where a condition holds."""

    then: Words


class Source(_Closed):
    """
    Where a field comes from.

    An empty column says nothing: `otherwise`, or the default of the data
    folder. `split` makes several words out of one column.
    """

    value: Words | None = None
    column: str | None = None
    map: dict[str, Words] | None = None
    otherwise: Words | None = None
    split: str | None = Field(None, min_length=1)
    when: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.value is None) == (self.column is None):
            raise ValueError("takes `value` or `column`, one of the two")
        if self.column is None and (self.map or self.otherwise is not None or self.split):
            raise ValueError("`map`, `otherwise` and `split` go with a `column`")
        return self

    def columns(self) -> Iterator[str]:
        """Yield the columns this looks at."""
        if self.column is not None:
            yield self.column
        yield from (rule.column for rule in self.when)

    def fixed(self) -> Iterator[Words]:
        """Yield everything this can become whatever the row holds."""
        fixed = (self.value, self.otherwise, *(self.map or {}).values())
        yield from (words for words in fixed if words is not None)
        yield from (rule.then for rule in self.when)


class CubeFields(_Closed):
    """The governed fields of the cubes; what is absent takes the data folder's default."""

    subjects: Source | None = None
    label: Source | None = None
    purposes: Source | None = None
    basis: Source | None = None
    region: Source | None = None
    retention_class: Source | None = None
    semantic_type: Source | None = None
    priority: Source | None = None
    author: Source | None = None
    conversation: Source | None = None
    position: Source | None = None
    valid_from: Source | None = None
    valid_to: Source | None = None

    @model_validator(mode="after")
    def _single(self) -> Self:
        for field, source in self.sources():
            many = source.split or any(isinstance(words, tuple) for words in source.fixed())
            if many and field not in PLURAL:
                msg = f"{field}: takes one word, not several"
                raise ValueError(msg)
        return self

    def sources(self) -> Iterator[tuple[str, Source]]:
        """Yield field and source of those that are given."""
        for field in type(self).model_fields:
            source = getattr(self, field)
            if source is not None:
                yield field, source


class Content(_Closed):
    """The text of the cubes: columns in braces; a line whose columns are all empty is dropped."""

    template: Annotated[str, AfterValidator(_template)]

    @cached_property
    def lines(self) -> tuple[tuple[Part, ...], ...]:
        """The template's lines."""
        return template_lines(self.template)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns of all lines."""
        return tuple(part.text for line in self.lines for part in line if part.is_column)


class ConsentRule(_Closed):
    """A word of the row's subjects about a purpose, where a condition holds."""

    purpose: Word
    given: bool
    when: Condition | None = None


class Mapping(_Closed):
    """A whole map; `map` is its id, and part of the identity of every row."""

    map: Word
    time_zone: Annotated[str, AfterValidator(_time_zone)] = "UTC"
    date_format: str | None = Field(None, min_length=1)
    row_key: tuple[str, ...] | None = Field(None, min_length=1)
    content: Content
    cube: CubeFields = CubeFields()
    consents: tuple[ConsentRule, ...] = ()
    metadata: dict[str, Source] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _metadata_names(self) -> Self:
        for name, source in self.metadata.items():
            if source.split or any(isinstance(words, tuple) for words in source.fixed()):
                msg = f"metadata.{name}: takes one text, not several"
                raise ValueError(msg)
            try:
                _METADATA[1].validate_python({name: ""})
            except ValidationError:
                msg = f"metadata.{name}: is not a name of lower-case letters, digits and _"
                raise ValueError(msg) from None
        return self

    @cached_property
    def zone(self) -> ZoneInfo:
        """The time zone in which dates without one are read."""
        return ZoneInfo(self.time_zone)

    @cached_property
    def columns(self) -> dict[str, str]:
        """Column -> the field of the map that names it first."""
        found: dict[str, str] = {}
        for place, column in self._named_columns():
            found.setdefault(column, place)
        return found

    def _named_columns(self) -> Iterator[tuple[str, str]]:
        yield from (("row_key", column) for column in self.row_key or ())
        yield from (("content.template", column) for column in self.content.columns)
        for field, source in self.cube.sources():
            yield from ((f"cube.{field}", column) for column in source.columns())
        for rule in self.consents:
            if rule.when is not None:
                yield "consents.when", rule.when.column
        for name, source in self.metadata.items():
            yield from ((f"metadata.{name}", column) for column in source.columns())


def load_map(path: Path | str) -> Mapping:
    """
    Return the map of a TOML file.

    Raises:
        InvalidCommandError: The file cannot be read, or is no map; names the
            file and the first field at fault.
    """
    path = Path(path)
    try:
        return Mapping.model_validate(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise _invalid(path, "map", error.strerror or "cannot be read") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise _invalid(path, *_explained(dict(first))) from None
    except ValueError as error:
        raise _invalid(path, "map", f"is not TOML ({error})") from error
    except RecursionError:
        raise _invalid(path, "map", "is nested too deeply") from None


_EXPLAINED = {"extra_forbidden": "unknown field", "missing": "is missing"}


def _explained(problem: dict[str, Any]) -> tuple[str, str]:
    """Return (field, message) of one problem, in the words of the map file."""
    place = [str(part) for part in problem["loc"] if part not in {"str", "tuple[str, ...]"}]
    message = _EXPLAINED.get(problem["type"], problem["msg"].removeprefix("Value error, "))
    name, found, rest = message.partition(": ")
    if found and (" " not in name or name.startswith("metadata.")):
        return ".".join([*place, name]), rest
    return ".".join(place), message


def _invalid(path: Path, field: str, message: str) -> InvalidCommandError:
    remedy = "Change the named field of the map and try again; nothing was written."
    text = f"{path.name}: {field}: {message}"
    return InvalidCommandError(text, field=field, remedy=remedy)
