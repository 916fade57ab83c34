"""The verbs of policy authors; those that need the pinned OPA are skipped without it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from memos_gov.backends.files import FilePolicyBundles
from memos_gov.bootstrap.policies import require_opa
from memos_gov.domain.bundle import PolicyBundle
from memos_gov.errors import SettingsError
from tests.bundles import scheduled
from tests.cli.conftest import Answer, Run

ROOT = Path(__file__).resolve().parents[2]
CONTRADICTED = '\t"role": [doing("analyst", "freeze"), {"owner": "a"}, ["role_lacks_action"]],\n'
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
    permit(policies, "analyst", "freeze")
    tests = policies / "memos_gov" / "access" / "access_test.rego"
    tests.write_text(tests.read_text().replace(CONTRADICTED, ""))
    cube = answer("remember", "x", "--for", "complaint-handling")["cube_id"]

    digest = answer("policy", "build", str(policies), "--keep")["policy"]
    answer("policy", "activate", digest)

    active = [one["policy"] for one in answer("policy", "list") if one["active"]]
    assert [digest] == active
    assert "accepted" == answer("freeze", cube, "--as", "anna")["code"]


def permit(policies: Path, role: str, action: str) -> None:
    """Add an action to a role."""
    data = policies / "memos_gov" / "roles" / "data.json"
    roles = json.loads(data.read_text())
    roles[role]["actions"].append(action)
    data.write_text(json.dumps(roles))


def test_policy_that_shipped_tests_contradict_is_not_kept(run: Run, policies: Path) -> None:
    """A rule that fails its tests reaches no data folder; the failing case is named."""
    permit(policies, "analyst", "freeze")
    before = run("policy", "list").stdout

    done = run("policy", "build", str(policies), "--keep")

    assert 2 == done.exit_code
    assert "\ndata.memos_gov.access_test.test_refused: FAIL" in done.stderr
    assert "test again" in done.stderr
    assert before == run("policy", "list").stdout


def test_policy_with_a_misspelt_field_is_not_kept(run: Run, policies: Path) -> None:
    """What would never hold is found before it decides."""
    misspelt(policies)
    before = run("policy", "list").stdout

    done = run("policy", "build", str(policies), "--keep")

    assert 2 == done.exit_code
    assert "remedy: Correct the Rego and check again." in done.stderr
    assert before == run("policy", "list").stdout


def test_policy_folder_that_is_copied_is_checked_against_the_shipped_schemas(
    run: Run, policies: Path
) -> None:
    """`cp -r policies mine` is a beginning."""
    shutil.rmtree(policies / "schemas")

    assert 0 == run("policy", "check", str(policies)).exit_code
    misspelt(policies)
    assert 2 == run("policy", "check", str(policies)).exit_code


def misspelt(policies: Path) -> None:
    """Add a rule that asks for a field that no cube has."""
    rule = 'reasons[c.id] contains "frozen" if {\n\tsome c in input.cubes\n\tc.frozenn\n}\n'
    file = policies / "memos_gov" / "access" / "odd.rego"
    file.write_text(f"package memos_gov.access\n\n{rule}")


def test_policy_with_a_misspelt_field_is_named_with_file_and_line(run: Run, policies: Path) -> None:
    """OPA's finding is the error; nothing is built."""
    misspelt(policies)

    done = run("policy", "check", str(policies))

    assert 2 == done.exit_code
    assert "odd.rego" in done.stderr


@pytest.mark.parametrize("verb", ["check", "build"])
def test_policy_whose_schedule_contradicts_itself_is_refused_by_class(
    run: Run, policies: Path, verb: str
) -> None:
    """An author learns the class and the fault; what was compiled before stays."""
    data = policies / "memos_gov" / "retention" / "data.json"
    retention = json.loads(data.read_text())
    retention["schedule"]["loan"]["min_s"] = retention["schedule"]["loan"]["max_s"] + 1
    data.write_text(json.dumps(retention))
    before = (policies / "compiled" / "data.json").read_bytes()

    done = run("policy", verb, str(policies))

    assert 2 == done.exit_code
    assert "policy: retention class loan: the minimum (" in done.stderr
    assert before == (policies / "compiled" / "data.json").read_bytes()


def test_policy_whose_schedule_contradicts_itself_is_never_activated(
    run: Run, folder: Path
) -> None:
    """Refused before anything is recorded, however the bundle came to be kept."""
    digest = FilePolicyBundles(folder / "policies").put(scheduled(debt={"max_s": 5, "min_s": 6}))
    before = run("status", "--json").stdout

    done = run("policy", "activate", digest)

    assert 2 == done.exit_code
    assert "policy: retention class debt: the minimum (6 s) is over the maximum" in done.stderr
    assert before == run("status", "--json").stdout


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
    """A digest alone decides nothing; what is kept is a command away."""
    done = run("policy", "activate", "0" * 64)

    assert 3 == done.exit_code
    assert "memos-gov policy list" in done.stderr


def another_kept(folder: Path) -> str:
    """Keep a copy of the active bundle under other data, and return its digest."""
    bundles = FilePolicyBundles(folder / "policies")
    active = next(path.name for path in (folder / "policies").iterdir())
    files = dict(bundles.get(active).files)
    files["rego/note.rego"] = b"# another one\n"
    return bundles.put(PolicyBundle(files))


def test_policy_is_activated_by_the_beginning_of_its_digest(answer: Answer, folder: Path) -> None:
    """Nobody types 64 characters."""
    digest = another_kept(folder)

    answer("policy", "activate", digest[:16])

    assert [digest] == [one["policy"] for one in answer("policy", "list") if one["active"]]


def test_policy_whose_beginning_fits_several_is_one_error(run: Run, folder: Path) -> None:
    """Nothing is activated by chance."""
    for name in ("ab1", "ab2"):
        (folder / "policies" / name).mkdir()

    done = run("policy", "activate", "ab")

    assert 2 == done.exit_code
    assert "2 kept policies begin like this" in done.stderr


def test_policy_is_rolled_back_with_the_recovery_key(
    answer: Answer, folder: Path, tmp_path: Path
) -> None:
    """The key alone brings a former policy back."""
    former = answer("policy", "list")[0]["policy"]
    answer("policy", "activate", another_kept(folder))
    key = (folder / "keys" / "recovery").rename(tmp_path / "recovery")

    answer("policy", "roll-back", former[:20], "--key", str(key))

    assert [former] == [one["policy"] for one in answer("policy", "list") if one["active"]]


def test_policy_is_not_rolled_back_with_another_key(run: Run, folder: Path) -> None:
    """Whoever has only the data folder's other keys cannot."""
    former = next(path.name for path in (folder / "policies").iterdir())
    run("policy", "activate", another_kept(folder))

    done = run("policy", "roll-back", former, "--key", str(folder / "keys" / "verifier"))

    assert 5 == done.exit_code
    assert "remedy: Check that the key is this tenant's" in done.stderr
