"""OpaPolicyEngine keeps the contract on a real server, and what only a server can get wrong."""

import json
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from memos_gov.backends.files import FilePolicyBundles, shipped_bundle
from memos_gov.backends.opa import OpaPolicyEngine, OpaServer
from memos_gov.backends.opa_tool import OpaTool
from memos_gov.backends.wasm import WasmPolicyEngine
from memos_gov.domain.bundle import PolicyBundle
from memos_gov.domain.policy_inputs import ENTRYPOINTS
from memos_gov.domain.verdicts import ERROR, TIMED_OUT, UNDEFINED
from memos_gov.errors import InvalidCommandError, PolicyUnavailableError, SettingsError
from memos_gov.parity import canonical_answer, require_parity
from tests.contracts.policy_engine import VERDICTS, PolicyEngineContract
from tests.engines import OPA
from tests.policies.facts import an_actor, asked, one_of_each
from tests.policies.generated import a_question

pytestmark = pytest.mark.connected
SERVER = OpaServer(url=OPA)
NOBODY = "http://127.0.0.1:1"
X = "memos_gov/x/answer"


def own(bundle: PolicyBundle) -> PolicyBundle:
    """Return the bundle under a digest that nobody else asks for."""
    return PolicyBundle({**bundle.files, "run.txt": secrets.token_bytes(16)})


def small(rego: str, *, opa: str = "1.22.0", **data: Any) -> PolicyBundle:
    """Return a bundle of one module in the package `memos_gov.x`."""
    manifest = {"entrypoints": [X], "opa": opa}
    return own(
        PolicyBundle(
            {
                "manifest.json": json.dumps(manifest).encode(),
                "data.json": json.dumps({"memos_gov": data}).encode(),
                "rego/x.rego": f"package memos_gov.x\n\n{rego}\n".encode(),
            }
        )
    )


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilePolicyBundles]:
    """Return the store of the bundles of this file; the server keeps none of them afterwards."""
    bundles = FilePolicyBundles(tmp_path_factory.mktemp("bundles"))
    yield bundles
    with closing(OpaPolicyEngine(bundles, SERVER)) as engine:
        for digest in bundles.digests():
            try:
                engine.withdraw(digest)
            except PolicyUnavailableError:
                continue  # a bundle that no server can keep


@pytest.fixture(scope="module")
def opa(bundles: FilePolicyBundles) -> Iterator[OpaPolicyEngine]:
    """Return an engine that waits long enough."""
    with closing(OpaPolicyEngine(bundles, SERVER, deadline_s=30)) as engine:
        yield engine


@pytest.fixture(scope="module")
def shipped(bundles: FilePolicyBundles) -> str:
    """Return the digest of a bundle that is the shipped one, for these tests alone."""
    return bundles.put(own(shipped_bundle()))


@pytest.fixture(scope="module")
def wasm(bundles: FilePolicyBundles, tmp_path_factory: pytest.TempPathFactory) -> WasmPolicyEngine:
    """Return the engine within the process."""
    return WasmPolicyEngine(bundles, tmp_path_factory.mktemp("cache"), deadline_s=30)


class TestOpaPolicyEngine(PolicyEngineContract):
    """The contract, on the shipped bundle."""

    @pytest.fixture
    def engine(self, opa: OpaPolicyEngine) -> OpaPolicyEngine:
        """Return the engine under test."""
        return opa

    @pytest.fixture
    def digest(self, shipped: str) -> str:
        """Return the digest of the shipped bundle."""
        return shipped

    @pytest.fixture
    def broken(self, bundles: FilePolicyBundles) -> str:
        """Return the digest of a bundle whose Rego is none."""
        wrong = b"package memos_gov.wrong\n\nanswer := nothing_of_this_name\n"
        return bundles.put(own(PolicyBundle({**shipped_bundle().files, "rego/w.rego": wrong})))


def root_of(digest: str) -> str:
    """Return where the server keeps a bundle."""
    return f"{OPA}/v1/data/memos_gov_{digest}"


def places_of(digest: str) -> list[str]:
    """Return the ids of the modules that the server keeps of a bundle."""
    kept = requests.get(f"{OPA}/v1/policies", timeout=5).json()["result"]
    return [each["id"] for each in kept if each["id"].startswith(f"memos_gov_{digest}.")]


def test_bundles_of_two_digests_are_answered_beside_each_other(
    opa: OpaPolicyEngine, bundles: FilePolicyBundles
) -> None:
    """An old policy can be asked again while another one decides."""
    rego = "answer := data.memos_gov.x.word"
    old, new = (bundles.put(small(rego, x={"word": word})) for word in ("old", "new"))

    answers = [opa.ask(digest, X, {}) for digest in (old, new, old, new)]

    assert [b'"old"', b'"new"'] * 2 == answers


def test_threads_activating_and_asking_get_the_answer_of_their_own_digest(
    opa: OpaPolicyEngine, bundles: FilePolicyBundles
) -> None:
    """Whoever uploads or takes away meanwhile, another bundle never answers in the place of one."""
    rego = "answer := {data.memos_gov.x.word, two}\n\ntwo := data.memos_gov.x.word"
    words = [f"w{number}" for number in range(4)]
    digests = {word: bundles.put(small(rego, x={"word": word})) for word in words}

    def ask(number: int) -> tuple[str, str]:
        engine = OpaPolicyEngine(bundles, SERVER, deadline_s=30)
        word = words[number % 4]
        try:
            if number % 5 == 0:
                engine.withdraw(digests[word])
            return word, json.loads(engine.ask(digests[word], X, {}))[0]
        except PolicyUnavailableError as error:
            return word, error.reason
        finally:
            engine.close()

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(ask, range(80)))

    assert {answer for word, answer in answers if answer != word} <= {ERROR}
    assert sum(word == answer for word, answer in answers) > 40


@pytest.mark.parametrize("part", ["actor", "data", "answers"])
def test_bundle_of_which_a_part_is_gone_is_whole_again_before_it_answers(
    opa: OpaPolicyEngine, shipped: str, part: str
) -> None:
    """A rule that is missing would refuse less; so a part alone never answers."""
    question = asked(an_actor("dpo"), cubes=[])
    opa.ask(shipped, VERDICTS, question)
    place = f"{OPA}/v1/policies/memos_gov_{shipped}.{part}"
    done = requests.delete(root_of(shipped) if part == "data" else place, timeout=5)

    assert done.ok
    assert b"{}" == opa.ask(shipped, VERDICTS, question)
    assert f"memos_gov_{shipped}.{part if part != 'data' else 'actor'}" in places_of(shipped)


def test_module_changed_on_the_server_gives_no_answer_of_it(
    opa: OpaPolicyEngine, bundles: FilePolicyBundles
) -> None:
    """What somebody put in the place of a module is replaced before anything is answered."""
    digest = bundles.put(small('answer := "ours"'))
    opa.ask(digest, X, {})
    place = f"{OPA}/v1/policies/memos_gov_{digest}.x"
    other = f'package memos_gov_{digest}.x\n\nanswer := "another"\n'
    assert requests.put(place, data=other, timeout=5).ok

    assert b'"ours"' == opa.ask(digest, X, {})


def test_rule_without_an_answer_is_undefined_and_not_false(
    opa: OpaPolicyEngine, bundles: FilePolicyBundles
) -> None:
    """OPA answers 200 without a result; that is no answer."""
    digest = bundles.put(small("answer if input.no_such_thing"))

    with pytest.raises(PolicyUnavailableError) as caught:
        opa.ask(digest, X, {})

    assert UNDEFINED == caught.value.reason


def test_rule_with_two_answers_is_an_error_with_its_place(
    opa: OpaPolicyEngine, bundles: FilePolicyBundles
) -> None:
    """Who must mend the policy learns what and where, and nobody what was asked."""
    digest = bundles.put(small('answer := 1\n\nanswer := "secret" if input.b'))

    with pytest.raises(PolicyUnavailableError) as caught:
        opa.ask(digest, X, {"b": True})

    assert ERROR == caught.value.reason
    assert "OPA refused: eval_conflict_error at memos_gov.x:6" == str(caught.value)
    assert b"1" == opa.ask(digest, X, {"b": False})


def test_modules_that_call_each_other_are_uploaded_in_any_order(
    opa: OpaPolicyEngine, bundles: FilePolicyBundles
) -> None:
    """A function may stand in a module that comes later."""
    first = small("answer := data.memos_gov.y.twice(input.n)")
    later = b"package memos_gov.y\n\ntwice(n) := 2 * n\n"
    digest = bundles.put(PolicyBundle({**first.files, "rego/y.rego": later}))

    assert b"4" == opa.ask(digest, X, {"n": 2})
    opa.withdraw(digest)
    assert [] == places_of(digest)


def test_files_of_a_package_that_call_each_other_are_uploaded_as_one(
    opa: OpaPolicyEngine, bundles: FilePolicyBundles
) -> None:
    """Each needs a function of the other, and what both import they import once."""
    first = small("import data.memos_gov.y as z\n\nanswer := g(z.n)\n\nf(n) := n + 1", y={"n": 2})
    second = b"package memos_gov.x\n\nimport data.memos_gov.y as z\n\ng(n) := f(n) * z.n\n"
    digest = bundles.put(PolicyBundle({**first.files, "rego/y.rego": second}))

    assert b"6" == opa.ask(digest, X, {})


def test_name_that_one_file_imports_and_another_defines_is_not_uploaded(
    opa: OpaPolicyEngine, bundles: FilePolicyBundles
) -> None:
    """Joined they would mean one thing by it, so the file is refused and named."""
    first = small("import data.memos_gov.y\n\nanswer := y.n + other", y={"n": 2})
    second = b"package memos_gov.x\n\nother := y if y := 3\n"
    digest = bundles.put(PolicyBundle({**first.files, "rego/y.rego": second}))

    with pytest.raises(PolicyUnavailableError, match=r"rego/y\.rego means another y"):
        opa.ask(digest, X, {})


def test_bundle_that_opa_refuses_gives_no_answer_and_says_why(
    opa: OpaPolicyEngine, bundles: FilePolicyBundles
) -> None:
    """Who must mend the policy learns what OPA's compiler said."""
    digest = bundles.put(small("answer := nothing_of_this_name"))

    with pytest.raises(PolicyUnavailableError, match="var nothing_of_this_name is unsafe"):
        opa.ask(digest, X, {})


def test_policy_that_takes_too_long_is_given_up_at_the_deadline(
    bundles: FilePolicyBundles,
) -> None:
    """One runaway policy costs its own question only."""
    stuck = "numbers.range(1, 3000)"
    slow = f"answer := count([1 | some a in {stuck}; some b in {stuck}; a + b == input.n])"
    digest = bundles.put(small(f"default answer := 0\n\n{slow} if input.n > 0"))
    engine = OpaPolicyEngine(bundles, SERVER, deadline_s=0.5)
    assert b"0" == engine.ask(digest, X, {"n": 0})

    begun = time.monotonic()
    with pytest.raises(PolicyUnavailableError) as caught:
        engine.ask(digest, X, {"n": 1})

    assert TIMED_OUT == caught.value.reason
    assert time.monotonic() - begun < 3
    assert b"0" == engine.ask(digest, X, {"n": 0})
    engine.close()


def test_server_that_is_away_refuses_at_once(bundles: FilePolicyBundles, shipped: str) -> None:
    """Nobody listens: no answer, the driver's error as the cause, and no waiting."""
    engine = OpaPolicyEngine(bundles, OpaServer(url=NOBODY))
    begun = time.monotonic()

    with pytest.raises(PolicyUnavailableError) as caught:
        engine.ask(shipped, VERDICTS, asked(an_actor("dpo"), cubes=[]))

    assert ERROR == caught.value.reason
    assert isinstance(caught.value.__cause__, requests.ConnectionError)
    assert time.monotonic() - begun < 1
    assert not engine.is_healthy()
    engine.close()


def test_server_that_comes_back_empty_is_served_again(
    opa: OpaPolicyEngine, bundles: FilePolicyBundles
) -> None:
    """A restart loses every bundle; the next question brings its own back."""
    digest = bundles.put(small("answer := 1"))
    opa.ask(digest, X, {})
    opa.withdraw(digest)
    assert [] == places_of(digest)
    assert "result" not in requests.get(root_of(digest), timeout=5).json()

    assert b"1" == opa.ask(digest, X, {})
    assert opa.is_healthy()


def test_connection_lost_between_two_questions_is_opened_again(
    bundles: FilePolicyBundles,
) -> None:
    """The server, or something before it, closed a connection that was kept."""
    digest = bundles.put(small("answer := 1"))
    engine = OpaPolicyEngine(bundles, OpaServer(url=f"http://127.0.0.1:{_closing_proxy()}"))

    assert [b"1"] * 5 == [engine.ask(digest, X, {}) for _ in range(5)]
    engine.close()


def _closing_proxy() -> int:
    """Return the port of a proxy that drops every second request after reading it."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            """Pass a request on, or drop a question that was read."""
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.append(self.path)
            if self.command == "POST" and len(seen) % 2:
                self.close_connection = True
                return
            done = requests.request(self.command, f"{OPA}{self.path}", data=body, timeout=5)
            self.send_response(done.status_code)
            self.send_header("Content-Length", str(len(done.content)))
            self.end_headers()
            self.wfile.write(done.content)

        do_GET = do_PUT = do_POST = answer  # noqa: N815 - the names of http.server

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def test_server_killed_and_started_again_answers_without_being_told(
    bundles: FilePolicyBundles, own_opa: Callable[[], subprocess.Popen[bytes]], port: int
) -> None:
    """While it is away every question is refused; afterwards the bundle comes back by itself."""
    digest = bundles.put(small("answer := 1"))
    engine = OpaPolicyEngine(bundles, OpaServer(url=f"http://127.0.0.1:{port}"))
    answers: list[bytes | str] = []
    for _ in range(2):
        server = own_opa()
        answers += [engine.ask(digest, X, {}), engine.ask(digest, X, {})]
        server.kill()
        server.wait()
        with pytest.raises(PolicyUnavailableError) as caught:
            engine.ask(digest, X, {})
        answers.append(caught.value.reason)
    engine.close()

    assert [b"1", b"1", ERROR] * 2 == answers


@pytest.fixture
def port() -> int:
    """Return a port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@pytest.fixture
def own_opa(port: int) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Return a function that starts a server of this test alone; skip where there is no `opa`."""
    try:
        program = OpaTool.find()._program
    except SettingsError as error:
        pytest.skip(str(error))
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        options = ("run", "--server", "--addr", f"127.0.0.1:{port}", "--log-level", "error")
        started.append(subprocess.Popen([program, *options], stdout=subprocess.DEVNULL))
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                if requests.get(f"http://127.0.0.1:{port}/health", timeout=1).ok:
                    return started[-1]
            except requests.ConnectionError:
                time.sleep(0.05)
        pytest.fail("opa did not start")

    yield start
    for each in started:
        each.kill()
        each.wait()


def test_server_of_another_version_than_the_bundle_demands_gives_no_answer(
    opa: OpaPolicyEngine, bundles: FilePolicyBundles
) -> None:
    """The digest covers OPA's version, because another OPA may answer differently."""
    digest = bundles.put(small("answer := 1", opa="1.21.0"))

    with pytest.raises(PolicyUnavailableError, match=r"for OPA 1\.21\.0") as caught:
        opa.ask(digest, X, {})

    assert ERROR == caught.value.reason


@pytest.mark.parametrize(
    "rego",
    [
        "answer := data[input.root]",
        "answer := data.elsewhere.x",
        'answer := $"{data.memos_gov.x.word}"',
        "answer := data",
    ],
)
def test_module_that_reaches_out_of_its_root_is_not_uploaded(
    opa: OpaPolicyEngine, bundles: FilePolicyBundles, rego: str
) -> None:
    """Below another root it would mean something else, so it is refused and named."""
    digest = bundles.put(small(rego, x={"word": "w"}))

    with pytest.raises(PolicyUnavailableError, match=r"rego/x\.rego refers to") as caught:
        opa.ask(digest, X, {})

    assert ERROR == caught.value.reason
    assert [] == places_of(digest)


def test_words_in_strings_and_comments_are_left_as_they_are(
    opa: OpaPolicyEngine, bundles: FilePolicyBundles
) -> None:
    """Only references move; what a rule says does not."""
    strings = '["data.memos_gov.x", `data.elsewhere`, "\\" data[0]", input.data.memos_gov]'
    digest = bundles.put(small(f'# data[x], $""\nanswer := {strings}'))

    answer = opa.ask(digest, X, {"data": {"memos_gov": 1}})

    assert ["data.memos_gov.x", "data.elsewhere", '" data[0]', 1] == json.loads(answer)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8181", "ftp://h:1", "http://h:x", "http://u:p@h:1", "http://h:1/v1"]
)
def test_address_that_is_none_is_one_clear_error(bundles: FilePolicyBundles, url: str) -> None:
    """The operator learns what the setting must look like, and no secret is repeated."""
    with pytest.raises(SettingsError, match="opa: the address must be"):
        OpaPolicyEngine(bundles, OpaServer(url=url))


def test_certificate_that_is_not_there_is_named(bundles: FilePolicyBundles, tmp_path: Path) -> None:
    """A wrong path is found at the start, not at the first question."""
    with pytest.raises(SettingsError, match=r"no file .*ca\.pem"):
        OpaPolicyEngine(bundles, OpaServer(url="https://h:1", ca_file=tmp_path / "ca.pem"))


def test_server_without_tls_where_tls_is_asked_for_gives_no_answer(
    bundles: FilePolicyBundles, shipped: str
) -> None:
    """Nothing falls back to plain text."""
    engine = OpaPolicyEngine(bundles, OpaServer(url=OPA.replace("http:", "https:")))

    with pytest.raises(PolicyUnavailableError) as caught:
        engine.ask(shipped, VERDICTS, asked(an_actor("dpo"), cubes=[]))

    assert isinstance(caught.value.__cause__, requests.exceptions.SSLError)
    engine.close()


def test_token_is_sent_and_shows_nowhere(bundles: FilePolicyBundles) -> None:
    """It travels in the header; no text about the server holds it."""
    server = OpaServer(url=NOBODY, token="secret-token")
    engine = OpaPolicyEngine(bundles, server)

    assert "secret-token" not in repr(server)
    assert "Bearer secret-token" == engine._client._session.headers["Authorization"]
    engine.close()


def test_server_that_is_no_opa_gives_no_answer(bundles: FilePolicyBundles, shipped: str) -> None:
    """Whatever else listens there, what it says is no verdict."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            for _ in range(2):
                connection, _ = listening.accept()
                connection.sendall(b"220 mail\r\n")
                connection.close()

        Thread(target=greet, daemon=True).start()
        port = listening.getsockname()[1]
        engine = OpaPolicyEngine(bundles, OpaServer(url=f"http://127.0.0.1:{port}"))
        with pytest.raises(PolicyUnavailableError) as caught:
            engine.ask(shipped, VERDICTS, asked(an_actor("dpo"), cubes=[]))
        engine.close()

    assert ERROR == caught.value.reason


class TestParity:
    """The server and Wasm give the same bytes, whatever is asked."""

    def test_golden_questions_are_answered_alike(
        self, opa: OpaPolicyEngine, wasm: WasmPolicyEngine, bundles: FilePolicyBundles, shipped: str
    ) -> None:
        """What an activation compares is equal for the shipped bundle."""
        bundle = bundles.get(shipped)

        assert len(bundle.golden) == require_parity(bundle, {"wasm": wasm, "opa": opa})

    @pytest.mark.parametrize("entrypoint", one_of_each())
    def test_plain_question_to_any_entrypoint_is_answered_alike(
        self, opa: OpaPolicyEngine, wasm: WasmPolicyEngine, shipped: str, entrypoint: str
    ) -> None:
        """The questions of the other tests of policy."""
        both = [each.ask(shipped, entrypoint, one_of_each()[entrypoint]) for each in (opa, wasm)]

        assert canonical_answer(both[0]) == canonical_answer(both[1])

    @pytest.mark.parametrize("entrypoint", ENTRYPOINTS)
    def test_generated_question_to_any_entrypoint_is_answered_alike(
        self, opa: OpaPolicyEngine, wasm: WasmPolicyEngine, shipped: str, entrypoint: str
    ) -> None:
        """Whatever the facts, two engines have one answer."""

        @settings(max_examples=150, deadline=None)
        @given(st.data())
        def compare(data: st.DataObject) -> None:
            question = a_question(entrypoint, lambda some: data.draw(st.sampled_from(some)))
            both = [each.ask(shipped, entrypoint, question) for each in (opa, wasm)]
            assert canonical_answer(both[0]) == canonical_answer(both[1])

        compare()

    def test_server_that_answers_otherwise_refuses_the_bundle(
        self, opa: OpaPolicyEngine, wasm: WasmPolicyEngine, bundles: FilePolicyBundles
    ) -> None:
        """Rego and Wasm of one bundle that do not belong together are found by its questions."""
        files = dict(shipped_bundle().files)
        path = "rego/memos_gov/transformation/plans.rego"
        files[path] = files[path].replace(b'"transformation/', b'"another/')
        bundle = own(PolicyBundle(files))
        bundles.put(bundle)

        with pytest.raises(InvalidCommandError, match="wasm and opa differ on golden question"):
            require_parity(bundle, {"wasm": wasm, "opa": opa})
