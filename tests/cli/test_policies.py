"""The verbs of policy authors; those that need the pinned OPA are skipped without it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from memos_gov.bootstrap.policies import require_opa
from memos_gov.errors import SettingsError
from tests.cli.conftest import Answer, Run

ROOT = Path(__file__).resolve().parents[2]
PLANS = "memos_gov/transformation/plans"


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    """Return a copy of the shipped policies; skip where OPA is not installed."""
    try:
        require_opa()
    except SettingsError as error:
        pytest.skip(str(error))
    folder = Path(shutil.copytree(ROOT / "policies", tmp_path / "policies"))
    shutil.copytree(ROOT / "schemas" / "policy", folder / "schemas")
    return folder


def test_policy_that_is_built_and_activated_decides(answer: Answer, policies: Path) -> None:
    """From the author's folder to the verdict of the next command."""
    vocabulary = policies / "memos_gov" / "roles" / "data.json"
    roles = json.loads(vocabulary.read_text())
    roles["analyst"]["actions"].append("freeze")
    vocabulary.write_text(json.dumps(roles))
    cube = answer("remember", "x", "--for", "complaint-handling")["cube_id"]

    digest = answer("policy", "build", str(policies), "--keep")["policy"]
    answer("policy", "activate", digest)

    active = [one["policy"] for one in answer("policy", "list") if one["active"]]
    assert [digest] == active
    assert "accepted" == answer("freeze", cube, "--as", "anna")["code"]


def test_policy_with_a_misspelt_field_is_named_with_file_and_line(run: Run, policies: Path) -> None:
    """OPA's finding is the error; nothing is built."""
    rule = 'reasons[c.id] contains "frozen" if {\n\tsome c in input.cubes\n\tc.frozenn\n}\n'
    file = policies / "memos_gov" / "access" / "odd.rego"
    file.write_text(f"package memos_gov.access\n\n{rule}")

    done = run("policy", "check", str(policies))

    assert 2 == done.exit_code
    assert "odd.rego" in done.stderr


def test_policy_tests_say_what_they_cover(run: Run, policies: Path) -> None:
    """The figure the build is held to."""
    done = run("policy", "test", str(policies))

    assert 0 == done.exit_code, done.stderr
    assert "tests pass and cover" in done.stdout


@pytest.mark.parametrize("verb", ["check", "test", "build"])
def test_policy_verb_on_a_folder_that_is_not_there_is_one_error(run: Run, verb: str) -> None:
    """The folder is named before anything is started."""
    done = run("policy", verb, "nowhere")

    assert 2 == done.exit_code
    assert "nowhere" in done.stderr


def test_policy_verb_without_opa_says_how_to_get_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Authors need a program that nobody else does."""
    monkeypatch.setenv("MEMOS_GOV_OPA", str(tmp_path / "none"))

    done = run("policy", "check", str(ROOT / "policies"))

    assert 8 == done.exit_code
    assert "remedy: Put OPA" in done.stderr


def test_policy_eval_answers_a_question_without_a_folder(answer: Answer) -> None:
    """An author asks the shipped policies with facts of their own."""
    cube = {
        "id": "c_1",
        "form": "plaintext",
        "label": "restricted",
        "semantic_type": "fact",
        "quarantined": False,
        "findings": [],
    }
    question = json.dumps({"now": 1, "tenant": "t", "cubes": [cube]})

    found = answer("policy", "eval", PLANS, input=question)

    assert "full" != found["c_1"]["index"]


@pytest.mark.parametrize(
    ("entrypoint", "question", "said"),
    [
        ("memos_gov/nothing", "{}", PLANS),
        (PLANS, '{"now": 1, "tenant": "t", "cubess": []}', "cubess: unknown field"),
        (PLANS, '{"now": 1}', "tenant"),
        (PLANS, "{", "JSON"),
    ],
)
def test_policy_eval_of_a_wrong_question_says_what_is_wrong(
    run: Run, entrypoint: str, question: str, said: str
) -> None:
    """A misspelt field is an error, not an empty answer."""
    done = run("policy", "eval", entrypoint, input=question)

    assert 2 == done.exit_code
    assert said in done.stderr


def test_policy_that_is_not_kept_cannot_be_activated(run: Run) -> None:
    """A digest alone decides nothing."""
    assert 6 == run("policy", "activate", "0" * 64).exit_code
