"""
The policy engine as a server of its own: OPA over REST, by its Python client.

OPA has one namespace, and takes a bundle's packages one by one. So a bundle is
kept below a root that names its digest (`memos_gov_<digest>`), where no other
bundle writes, and each question names that root: bundles of several digests
are answered beside each other, and two processes that upload one bundle write
the same. Each package and the data carry a mark of their bytes; an answer comes
with the digest only while all marks of the bundle are there, decided within
the very same evaluation. Without the digest, or by another OPA than the
bundle's, there is no answer.

What a server keeps is in its memory only: a bundle that is not there, or not
whole, is uploaded when it is asked for. Who may write to the server decides
what it answers; OPA's own authorisation is where that is restricted.
"""

from __future__ import annotations

import hashlib
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import orjson
import requests
from opa_client import OpaClient
from opa_client import errors as opa_errors

from memos_gov.domain.bundle import PolicyBundle
from memos_gov.domain.verdicts import ERROR, TIMED_OUT, UNDEFINED
from memos_gov.errors import PolicyUnavailableError, SettingsError
from memos_gov.ports import PolicyBundles

ROOT = "memos_gov"
_AWAY = (
    "Retry later; a command keeps its id, so a retry cannot act twice. If it never answers,"
    " check that OPA runs and that engines.opa.url names it."
)
_TRUST = (
    "Name the authority that signed OPA's certificate (engines.opa.ca_file), or http:// in"
    " engines.opa.url where it has none."
)
_KNOWN = (
    "Give the token of an identity that may upload and ask (MEMOS_GOV_ENGINES__OPA__TOKEN), and"
    " let OPA's own policy (system.authz) permit it."
)
_UNKNOWN = {requests.codes.unauthorized, requests.codes.forbidden}
_UPLOAD_S_MAX = 30.0
_WORDS_MAX = 300  # of an error of OPA that is passed on
_PORTS = {"http": 80, "https": 443}
# Strings, raw strings and comments are no references; what is left of them may be.
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|`[^`]*`|#[^\n]*|\$["`]|(?<![\w.])data\b(?:\.\w+)?')
_PACKAGE = re.compile(rf"^package[ \t]+{ROOT}((?:\.[A-Za-z_]\w*)+)[ \t]*$", re.MULTILINE)
_IMPORT = re.compile(r"^import[ \t]+([\w.]+?\.?(\w+))(?:[ \t]+as[ \t]+(\w+))?[ \t]*$", re.MULTILINE)
_STRING = re.compile(r'"(?:\\.|[^"\\])*"|`[^`]*`')
_ENTRYPOINT = re.compile(rf"{ROOT}((?:/[A-Za-z_]\w*)+)")
_DRIVER_ERRORS = (
    requests.RequestException,
    opa_errors.RegoParseError,
    opa_errors.PolicyNotFoundError,
    opa_errors.DeletePolicyError,
    opa_errors.DeleteDataError,
    ValueError,  # a body that is no JSON
    msgspec.MsgspecError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpaServer:
    """
    Where OPA answers, and how it is spoken to; the token shows in no `repr`.

    `url` is `http://host:port` or `https://host:port`. With `https` the
    server's certificate is checked against `ca_file`, or the public
    authorities without one; `client_certificate` is the files of ours and of
    its key. Proxies and .netrc of the environment are not looked at.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    client_certificate: tuple[Path, Path] | None = None


class OpaPolicyEngine:
    """
    Asks an OPA server, uploading bundles as they are needed; safe to use from many threads.

    A question waits for `deadline_s` at most, and again where the connection
    was lost; one that begins with an upload waits longer. A server that is
    away answers nothing, and is asked again by the next question.
    """

    def __init__(self, bundles: PolicyBundles, server: OpaServer, deadline_s: float = 1.0) -> None:
        self._bundles = bundles
        self._place = server.url
        self._client = _client(server, deadline_s)
        self._uploader = _client(server, _UPLOAD_S_MAX)
        self._uploading = threading.Lock()
        self._hosted: dict[str, _Hosted] = {}

    def ask(self, digest: str, entrypoint: str, question: Mapping[str, object]) -> bytes:
        """Answer as `PolicyEngine.ask` promises."""
        hosted = self._hosted.get(digest) or self._prepared(digest)
        path = hosted.answers.get(entrypoint)
        if path is None:
            raise PolicyUnavailableError(f"no entrypoint {entrypoint}", reason=UNDEFINED)
        body = orjson.dumps({"input": question})
        with _translated(self._place):
            found = self._client.answer(path, body)
            if found.result.revision != digest:
                self._upload(digest, hosted)
                found = self._client.answer(path, body)
        _require(found, digest, hosted.opa)
        if found.result.answer is msgspec.UNSET:
            raise PolicyUnavailableError(f"{entrypoint} is undefined", reason=UNDEFINED)
        return bytes(found.result.answer)

    def is_healthy(self) -> bool:
        """Whether the server says that it can answer."""
        return bool(self._client.check_health())

    def version(self) -> str:
        """
        Return the version of the server; no bundle is needed for it.

        Raises:
            PolicyUnavailableError: The server did not answer.
        """
        with _translated(self._place):
            return self._client.answer(f"{ROOT}_none", b"{}").provenance.version

    def withdraw(self, digest: str) -> None:
        """
        Take a bundle off the server; it is uploaded again when it is asked for.

        Raises:
            PolicyUnavailableError: The server did not do it; a part may be gone.
        """
        hosted = self._hosted.get(digest) or self._prepared(digest)
        with _translated(self._place):
            kept = {*self._uploader.get_policies_list()}
            # The answers go first, so that nothing answers in part.
            places = [place for place in reversed(hosted.modules) if place in kept]
            _in_passes(places, self._uploader.delete_policy, opa_errors.DeletePolicyError)
            if self._uploader.document(hosted.root) is not None:
                self._uploader.delete_data(hosted.root)

    def close(self) -> None:
        """Release the connections; bundles stay on the server."""
        self._client.close_connection()
        self._uploader.close_connection()

    def _prepared(self, digest: str) -> _Hosted:
        hosted = _hosted(digest, self._bundles.get(digest))
        self._hosted[digest] = hosted
        return hosted

    def _upload(self, digest: str, hosted: _Hosted) -> None:
        """Put the bundle on the server, what vouches for it last."""
        with self._uploading:
            if self._uploader.document(hosted.revision) == digest:
                return  # another thread, or process, was first
            put = self._uploader.update_policy_from_string
            self._uploader.update_or_create_data(hosted.data, hosted.root)
            _in_passes(
                [*hosted.modules],
                lambda place: put(hosted.modules[place], place, rego_compat=False),
                opa_errors.RegoParseError,
            )


class _Hosted(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle as a server keeps it: modules by place, the answers last, data, rules to ask."""

    root: str
    modules: dict[str, str]
    data: dict[str, Any]
    answers: dict[str, str]
    revision: str
    opa: str


class _Result(msgspec.Struct, frozen=True):
    """What one of our rules answers: the digest, if all of the bundle is there, and the answer."""

    revision: str | None = None
    answer: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Provenance(msgspec.Struct, frozen=True):
    """Who evaluated."""

    version: str = ""


class _Answer(msgspec.Struct, frozen=True):
    """OPA's answer; a rule that does not exist has no `result`."""

    result: _Result = _Result()
    provenance: _Provenance = _Provenance()


class _Client(OpaClient):  # type: ignore[misc] # a library without type information
    """The library's client: it asks with provenance, keeps OPA's words, and has no surroundings."""

    def _init_session(self) -> requests.Session:
        session: requests.Session = super()._init_session()
        session.trust_env = False  # a .netrc would replace the token
        return session

    def answer(self, path: str, body: bytes) -> _Answer:
        """Return what a rule answers; asked once more where the connection was lost."""
        try:
            response = self._asked(path, body)
        except requests.ConnectionError as error:
            if isinstance(error, requests.Timeout):
                raise
            response = self._asked(path, body)  # the server was restarted since the last question
        if response.status_code != requests.codes.ok:
            raise requests.HTTPError(_words(response), response=response)
        return msgspec.json.decode(response.content, type=_Answer)

    def document(self, path: str) -> object:
        """Return a document; None where there is none."""
        response = self._session.get(f"{self.root_url}/data/{path}", timeout=self.timeout)
        if response.status_code != requests.codes.ok:
            raise requests.HTTPError(_words(response), response=response)
        return response.json().get("result")

    def _asked(self, path: str, body: bytes) -> requests.Response:
        response: requests.Response = self._session.post(
            f"{self.root_url}/data/{path}?provenance=true",
            data=body,
            headers={"Content-Type": "application/json"},
            timeout=self.timeout,
            allow_redirects=False,
        )
        return response


def _in_passes(
    places: Sequence[str], act: Callable[[str], object], refusal: type[Exception]
) -> None:
    """
    Act on every package, whatever the order in which they call functions of each other.

    OPA compiles after each step and refuses a call of what is not there, so what
    it refuses is tried again as long as anything else gets on.
    """
    left = list(places)
    while left:
        refused: dict[str, Exception] = {}
        for place in left:
            try:
                act(place)
            except refusal as error:
                refused[place] = error
        if len(refused) == len(left):
            raise refused[left[0]]
        left = list(refused)


def _client(server: OpaServer, timeout_s: float) -> _Client:
    """
    Return a client that repeats nothing by itself.

    Raises:
        SettingsError: The address is none, or a certificate's file is missing.
    """
    scheme, host, port = _address(server.url)
    pair = server.client_certificate
    for file in (*([server.ca_file] if server.ca_file else []), *(pair or ())):
        if not file.is_file():
            raise SettingsError(f"opa: there is no file {file}", remedy=_TRUST)
    _check_authorities(server.ca_file)
    return _Client(
        host=host,
        port=port,
        ssl=(str(server.ca_file) if server.ca_file else True) if scheme == "https" else False,
        cert=tuple(map(str, pair)) if pair else None,
        token=server.token,
        retries=0,
        timeout=timeout_s,
    )


def _check_authorities(path: Path | None) -> None:
    """Refuse a file that holds no certificate of an authority."""
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:
        msg = f"opa: {path} holds no certificate (PEM)"
        raise SettingsError(msg, remedy=_TRUST) from error


def _address(url: str) -> tuple[str, str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or parts.scheme not in _PORTS or parts.path not in {"", "/"} or "@" in parts.netloc:
        msg = "opa: the address must be http://host:port or https://host:port"
        raise SettingsError(msg)
    return parts.scheme, f"[{host}]" if ":" in host else host, port or _PORTS[parts.scheme]


def _hosted(digest: str, bundle: PolicyBundle) -> _Hosted:
    """
    Return a bundle as a server keeps it.

    Raises:
        PolicyUnavailableError: It cannot be kept beside others; the message
            names the file.
    """
    root = f"{ROOT}_{digest}"
    try:
        entrypoints, opa = bundle.entrypoints, bundle.opa_version
        data = msgspec.json.decode(bundle.data, type=dict[str, dict[str, Any]])[ROOT]
    except (KeyError, msgspec.MsgspecError) as error:
        raise PolicyUnavailableError(
            "the bundle lacks its manifest or its data", reason=ERROR
        ) from error
    piece = hashlib.sha256(bundle.data).hexdigest()
    modules, marks = {}, [f'data.{root}.piece == "{piece}"']
    for package, text in _packages(bundle, root).items():
        mark = f"piece_{hashlib.sha256(text.encode()).hexdigest()}"
        modules[f"{root}{package}"] = f"package {root}{package}\n{text}\n{mark} := true\n"
        marks.append(f"data.{root}{package}.{mark}")
    rules = {name: f"answer_{at}" for at, name in enumerate(entrypoints)}
    modules[f"{root}.answers"] = "\n".join(_answers(digest, root, marks, rules))
    return _Hosted(
        root=root,
        modules=modules,
        data={**data, "piece": piece},
        answers={name: f"{root}/answers/{rule}" for name, rule in rules.items()},
        revision=f"{root}/answers/revision",
        opa=opa,
    )


def _answers(digest: str, root: str, marks: list[str], rules: Mapping[str, str]) -> Iterator[str]:
    """Yield the module that is asked: the digest while every mark is there, beside the answer."""
    yield f"package {root}.answers\n"
    yield "\n\t".join([f'revision := "{digest}" if {{', *marks]) + "\n}\n"
    for name, rule in rules.items():
        path = _ENTRYPOINT.fullmatch(name)
        if path is None:
            msg = f"the entrypoint {name} is not below {ROOT}"
            raise PolicyUnavailableError(msg, reason=ERROR)
        yield f'{rule}["revision"] := revision\n'
        yield f'{rule}["answer"] := data.{root}{path[1].replace("/", ".")}\n'


def _packages(bundle: PolicyBundle, root: str) -> dict[str, str]:
    """
    Return the Rego of each package, one module each, its references below `root`.

    Files of one package call each other's functions, which OPA would refuse
    while one of them is not there yet.
    """
    files: dict[str, dict[str, str]] = {}
    for path, body in bundle.files.items():
        if path.startswith("rego/"):
            package, text = _moved(path, body, root)
            files.setdefault(package, {})[path] = text
    return {package: _joined(texts) for package, texts in files.items()}


def _joined(texts: Mapping[str, str]) -> str:
    """Join the files of a package; what one of them imports must mean the same in all."""
    imports = {
        path: {found[3] or found[2]: found[1] for found in _IMPORT.finditer(text)}
        for path, text in texts.items()
    }
    whole = {name: target for named in imports.values() for name, target in named.items()}
    for path, text in texts.items():
        words = set(re.findall(r"(?<![\w.])\w+", _STRING.sub("", text)))
        for name in sorted(words & whole.keys()):
            if imports[path].get(name) != whole[name]:
                msg = f"{path} means another {name} than a file beside it imports"
                raise PolicyUnavailableError(msg, reason=ERROR)
    lines = [f"import {target} as {name}" for name, target in sorted(whole.items())]
    return "\n".join([*lines, *(_IMPORT.sub("", text) for text in texts.values())])


def _moved(path: str, body: bytes, root: str) -> tuple[str, str]:
    """Return the package of a file below ROOT, and its rules and imports, moved below `root`."""

    def move(token: re.Match[str]) -> str:
        word = token[0]
        if word[0] == "#":
            return "#"  # an annotation of a package stands above no package any more
        if word[0] in '"`':
            return word
        if word == f"data.{ROOT}":
            return f"data.{root}"
        msg = f"{path} refers to {word}, which is not below data.{ROOT}"
        raise PolicyUnavailableError(msg, reason=ERROR)

    try:
        text = _TOKEN.sub(move, body.decode())
    except UnicodeDecodeError as error:
        raise PolicyUnavailableError(f"{path} is not UTF-8", reason=ERROR) from error
    packages = _PACKAGE.findall(text)
    if len(packages) != 1:
        msg = f"{path} is in no package below {ROOT}"
        raise PolicyUnavailableError(msg, reason=ERROR)
    return packages[0], _PACKAGE.sub("", text) + "\n"


def _require(found: _Answer, digest: str, opa: str) -> None:
    """Refuse the answer of another bundle, of a part of one, or of another OPA."""
    if found.result.revision != digest:
        msg = "OPA does not keep the bundle, though it was uploaded"
        raise PolicyUnavailableError(msg, reason=ERROR)
    if found.provenance.version != opa:
        msg = f"OPA {found.provenance.version or '?'} answers, and the bundle is for OPA {opa}"
        raise PolicyUnavailableError(msg, reason=ERROR, remedy=f"Run OPA {opa} as the server.")


def _words(response: requests.Response) -> str:
    """Return what OPA says is wrong and where; its messages would hold values of the question."""
    try:
        said = response.json()
        wrong = said.get("errors", ())[:3]
        places = [f"{each['code']} at {_place(each.get('location'))}" for each in wrong]
        return ", ".join(places) or str(said["message"])[:_WORDS_MAX]
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"HTTP status {response.status_code}"


def _place(location: Mapping[str, object] | None) -> str:
    """Return package and line of an error, counted over the files of the package in order."""
    if not location:
        return "?"
    return f"{ROOT}.{str(location['file']).partition('.')[2]}:{location['row']}"


@contextmanager
def _translated(place: str) -> Iterator[None]:
    try:
        yield
    except requests.Timeout as error:
        raise PolicyUnavailableError("OPA took too long", reason=TIMED_OUT) from error
    except requests.exceptions.SSLError as error:
        msg = f"OPA at {place} and ca_file do not fit each other"
        raise PolicyUnavailableError(msg, reason=ERROR, remedy=_TRUST) from error
    except requests.ConnectionError as error:
        msg = f"OPA at {place} does not answer"
        raise PolicyUnavailableError(msg, reason=ERROR, remedy=_AWAY) from error
    except _DRIVER_ERRORS as error:
        if getattr(getattr(error, "response", None), "status_code", None) in _UNKNOWN:
            msg = f"OPA at {place} refuses the token"
            raise PolicyUnavailableError(msg, reason=ERROR, remedy=_KNOWN) from error
        raise PolicyUnavailableError(f"OPA refused: {error}"[:_WORDS_MAX], reason=ERROR) from error
