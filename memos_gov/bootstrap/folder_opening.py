"""What a data folder has in every set-up, opened for an examination: all but its stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from memos_gov import settings as settings_module
from memos_gov.backends.files import FilePolicyBundles
from memos_gov.backends.keyfiles import KeyFiles
from memos_gov.backends.tiles import FileTileStore
from memos_gov.bootstrap.embedders import model_of
from memos_gov.bootstrap.opening import TILES
from memos_gov.errors import SettingsError, UnavailableError, remedy_of
from memos_gov.fsck import CertificateFile, Examined, Findings, SmallFiles
from memos_gov.fsck.report import BRING_KEY, CERTIFY, CORRECT
from memos_gov.ports import CubeIndex, EventLog, KeyStore, Tables
from memos_gov.proving import CERTIFICATE
from memos_gov.transparency.tlog_proof import SUFFIX

CERTIFICATES = "certificates"
SIGNED = frozenset({"folder", "tiles", "erasures"})


class FolderOpening:
    """Opens what any data folder has; each part that cannot be opened is a finding."""

    def __init__(
        self, folder: Path, stack: ExitStack, findings: Findings, parts: frozenset[str]
    ) -> None:
        self._folder = folder
        self._stack = stack
        self._findings = findings
        self._parts = parts

    def _examined(
        self,
        log: EventLog | None,
        keys: KeyStore | None,
        live: Tables | None,
        fresh: Callable[[], Tables],
        index: CubeIndex | None,
        *,
        at_work: bool = False,
    ) -> Examined:
        """Return stores with everything else that the parts need."""
        return Examined(
            log=log,
            keys=keys,
            live=live,
            fresh=fresh,
            index=index,
            tiles=FileTileStore(self._folder / TILES),
            bundles=FilePolicyBundles(self._folder / "policies"),
            files=self._small_files() if self._parts & SIGNED else SmallFiles(),
            certificates=self._certificates(),
            model=self._model(),
            at_work=at_work,
        )

    def _model(self) -> str:
        """Return the model whose vectors are expected; a file of settings is another's finding."""
        with suppress(SettingsError):
            return model_of(settings_module.load(self._folder))
        return ""

    def _certificates(self) -> Iterator[CertificateFile]:
        """Yield every certificate that `forget` left in the folder, with its proof."""
        for path in sorted((self._folder / CERTIFICATES).glob(f"*/{CERTIFICATE}.json")):
            place = str(path.relative_to(self._folder))
            with self._findings.guarded(place, "certificate_file", CERTIFY):
                try:
                    proof = path.with_suffix(SUFFIX).read_bytes()
                    yield CertificateFile(place, path.read_bytes(), proof)
                except OSError as error:
                    msg = f"{place} or its proof cannot be read"
                    raise UnavailableError(msg, remedy=remedy_of(error)) from error

    def _small_files(self) -> SmallFiles:
        """Read the key files and the defaults; each that cannot be read is a finding."""
        files, public = KeyFiles(self._folder / "keys"), dict[str, str]()
        guarded = self._findings.guarded
        with guarded("keys/verifier", "key_file", BRING_KEY):
            public["verifier"] = files.public("verifier")
        if "folder" not in self._parts:
            return SmallFiles(public=public)
        with guarded("keys/recovery.pub", "key_file", BRING_KEY):
            public["recovery.pub"] = files.recovery_public()
        if (self._folder / "keys" / "recovery").exists():  # it may have been carried away
            with guarded("keys/recovery", "key_file", BRING_KEY):
                public["recovery"] = files.public("recovery")
        operator, defaults = None, dict[str, str]()
        with guarded("keys/operator", "key_file", BRING_KEY):
            operator = files.operator()
        with guarded(settings_module.FILE_NAME, "settings", CORRECT):
            defaults = settings_module.defaults_of(self._folder)
        return SmallFiles(public=public, operator=operator, defaults=defaults)
