"""
Proofs for outsiders: that a record stands in the log, and certificates of what it states.

Each is computed out of tiles under the newest published head, which is signed
first where the record is younger, and verified like a stranger would before it
is handed out.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from memos_gov.certify import parse
from memos_gov.errors import CorruptionError, NotFoundError, UnavailableError, remedy_of
from memos_gov.notary import Notary
from memos_gov.ports import EventLog, Tables
from memos_gov.transparency import merkle
from memos_gov.transparency.certificate import build_certificate, verify_certificate
from memos_gov.transparency.checkpoints import TreeHead, head_in
from memos_gov.transparency.tlog_proof import SUFFIX, TlogProof, verify_tlog_proof

CERTIFICATE = "certificate"


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """
    That a tenant's log holds the record at `index`, and what became of it.

    `text` is the `.tlog-proof` file, under a head of `origin` over `size`
    records with `root` in hex; `leaf` is the record's hash in hex.
    """

    index: int
    leaf: str
    origin: str
    size: int
    root: str
    text: str

    def save(self, folder: Path | str) -> Path:
        """
        Write `<index>.tlog-proof` into a folder, made where absent, and return its path.

        Raises:
            UnavailableError: It cannot be written.
        """
        path = Path(folder) / f"{self.index}{SUFFIX}"
        _write(path, self.text.encode())
        return path


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """A signed statement, the record that it stands in, and the proof of that record."""

    kind: str
    statement: dict[str, Any]
    index: int
    origin: str
    document: str
    proof: str

    def save(self, folder: Path | str) -> Path:
        """
        Write `certificate.json` and `certificate.tlog-proof` into a folder; return the first.

        Raises:
            UnavailableError: They cannot be written.
        """
        path = Path(folder) / f"{CERTIFICATE}.json"
        _write(path.with_suffix(SUFFIX), self.proof.encode())
        _write(path, self.document.encode())
        return path


class Prover:
    """Makes proofs over the logs of one data folder."""

    def __init__(self, log: EventLog, tables: Tables, notary: Notary) -> None:
        self._log = log
        self._tables = tables
        self._notary = notary

    def prove(self, tenant: str, index: int) -> Proof:
        """
        Return the proof of a tenant's record, under a head that is signed if need be.

        Raises:
            NotFoundError: The tenant's history has no such index.
            CorruptionError: Tiles, tables and signed heads contradict each other.
        """
        proof, head = self._proven(tenant, index)
        return Proof(
            index=index,
            leaf=merkle.leaf_hash(proof.extra).hex(),
            origin=head.origin,
            size=head.size,
            root=head.root.hex(),
            text=proof.text,
        )

    def certificate(
        self, tenant: str, index: int, *, kind: str, statement: Mapping[str, Any]
    ) -> Certificate:
        """
        Return the certificate of a statement whose digest stands in the record at `index`.

        Args:
            kind: Such as `memos-gov/erasure/v1`.

        Raises:
            NotFoundError: The tenant's history has no such index.
            CorruptionError: The record does not state it, or as for `prove`.
        """
        proof, head = self._proven(tenant, index)
        with self._tables.snapshot() as snapshot:
            found = snapshot.decided(tenant, index)
        assert found is not None
        position, outcome = found
        record = parse(self._log.read(position.partition, position.offset, 1)[0]).record
        if record is None:
            place = position.place
            raise CorruptionError("a decided record does not decode", place=place)
        signer = self._notary.signer(tenant)
        document = build_certificate(
            kind, statement, record=record, detail=outcome.detail, signer=signer
        )
        verify_certificate(document, proof, signer.vkey)
        return Certificate(
            kind=kind,
            statement=dict(statement),
            index=index,
            origin=head.origin,
            document=document.decode(),
            proof=proof.text,
        )

    def _proven(self, tenant: str, index: int) -> tuple[TlogProof, TreeHead]:
        """Return the proof under the newest head that covers the record."""
        with self._tables.snapshot() as snapshot:
            if not 0 <= index < snapshot.tree(tenant).size:
                raise NotFoundError
        vkey, tiles = self._notary.signer(tenant).vkey, self._notary.tiles
        found = tiles.published(tenant, vkey)
        if found is None or found[0].size <= index:
            note = self._notary.checkpoint(tenant).note
            found = head_in(note), note
        head, note = found
        for remade in (False, True):
            if remade:
                tiles.remake(tenant, head.size, note)
            with contextlib.suppress(CorruptionError):
                tree = tiles.tree(tenant, head.size)
                hashes, entry = tuple(tree.inclusion(index)), tree.entry(index)
                proof = TlogProof(index=index, hashes=hashes, checkpoint=note, extra=entry)
                verify_tlog_proof(proof, entry, vkey)
                return proof, head
        msg = f"the leaf entries of {tenant} do not give the root that was signed"
        raise CorruptionError(msg, place=f"trees ({tenant})")


def _write(path: Path, body: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    except OSError as error:
        msg = f"{path} cannot be written ({os.strerror(error.errno or 0)})"
        raise UnavailableError(msg, backend="files", remedy=remedy_of(error)) from error
