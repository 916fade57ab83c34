"""The words of policy: closed, explained, and the same in data, Rego and docs."""

import re
from pathlib import Path

import msgspec
import pytest

from memos_gov.backends.files import shipped_bundle
from memos_gov.domain.policy_inputs import ENTRYPOINTS
from memos_gov.domain.verdicts import FAILED_CLOSED
from memos_gov.schema_files import policy_schemas
from tests.policies.facts import one_of_each

BUNDLE = shipped_bundle()
DATA = msgspec.json.decode(BUNDLE.data)["memos_gov"]


def given_codes() -> set[str]:
    """Return every reason code that a rule gives."""
    rego = "\n".join(b.decode() for p, b in BUNDLE.files.items() if p.endswith(".rego"))
    constants = re.findall(
        r'(?:reasons\[c\.id\]|reviews\[c\.id\]|reasons|refusals) contains "(\w+)"', rego
    )
    unlinking = re.findall(r'"kind": "unlink", "reason": "(\w+)"', rego)
    return {*constants, *unlinking, *re.findall(r'^\t"(\w+)": "\1",$', rego, re.MULTILINE)}


def test_vocabulary_of_the_bundle_decodes_closed() -> None:
    """The bundle's words fit the type that commands are checked against."""
    words = BUNDLE.vocabulary

    assert sorted(words.labels.values()) == [0, 1, 2, 3]
    assert set(words.roles) == set(DATA["roles"])
    assert {p for compatible in words.purposes.values() for p in compatible} <= set(words.purposes)


def test_reason_of_any_rule_has_its_text() -> None:
    """A code without words explains nothing; words without a rule are dead."""
    assert given_codes() | FAILED_CLOSED == set(BUNDLE.vocabulary.reasons)


def test_public_reason_of_any_package_is_in_the_vocabulary() -> None:
    """A list of public codes names no code that does not exist."""
    access, admission = DATA["access"], DATA["admission"]
    public = access["public_reasons"] + access["public_without_hidden"]

    assert set(public + admission["public_reasons"]) <= set(BUNDLE.vocabulary.reasons)


def test_page_about_policies_lists_every_reason(checkout: Path) -> None:
    """The table in docs/policies.md has the codes and texts of the vocabulary."""
    page = (checkout / "docs" / "policies.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| (.+) \|$", page, re.MULTILINE)

    assert sorted(BUNDLE.vocabulary.reasons.items()) == rows


def test_committed_schemas_are_those_of_the_models(checkout: Path) -> None:
    """The schemas that policies are checked against are current (regenerate: make schemas)."""
    folder = checkout / "schemas" / "policy"
    committed = {path.name: path.read_bytes() for path in folder.iterdir()}

    assert policy_schemas() == committed


@pytest.mark.parametrize("entrypoint", ENTRYPOINTS)
def test_question_of_the_tests_fits_its_model(entrypoint: str) -> None:
    """What the tables ask is what the model allows, no more and no less."""
    question = one_of_each()[entrypoint]

    assert question == ENTRYPOINTS[entrypoint].model_validate(question).model_dump()
