"""Verify a certificate by Python and openssl alone: verify_certificate.py CERTIFICATE.json VKEY."""

import json
import subprocess
import sys
import tempfile
from base64 import b64decode
from hashlib import sha256
from pathlib import Path

CANONICAL = {"sort_keys": True, "separators": (",", ":"), "ensure_ascii": False}
OPENSSL = "openssl pkeyutl -verify -rawin -pubin -keyform DER -inkey key -in text -sigfile sig"


def _sha(*parts):
    return sha256(b"".join(parts)).digest()


def _sha_json(value):
    return _sha(json.dumps(value, **CANONICAL).encode())


def _signed(text, line, vkey):
    (name, key_id, key), (dash, signer, raw) = vkey.split("+", 2), line.split(" ")
    der = bytes.fromhex("302a300506032b6570032100") + b64decode(key)[1:]  # RFC 8410
    with tempfile.TemporaryDirectory() as folder:
        for file, body in (("key", der), ("text", text.encode()), ("sig", b64decode(raw)[4:])):
            Path(folder, file).write_bytes(body)
        done = subprocess.run(OPENSSL.split(), cwd=folder, capture_output=True, check=False)
    return (dash, signer, b64decode(raw)[:4].hex(), done.returncode) == ("\u2014", name, key_id, 0)


path, vkey = Path(sys.argv[1]), sys.argv[2]
document = json.loads(raw := path.read_bytes())
one_form = _sha_json(document) == _sha(raw[:-1])
signature, origin, record = document.pop("signature"), document["origin"], document["record"]
proof, note = path.with_suffix(".tlog-proof").read_text("utf-8").split("\n\n", 1)
entry, index, *hashes = (line.split(" ")[-1] for line in proof.split("\n")[1:])
checkpoint, _, lines = note.rpartition("\n\n")
head, entry, index = checkpoint.split("\n"), b64decode(entry), int(index)
climbed, inner = _sha(b"\x00", entry), (index ^ int(head[1]) - 1).bit_length()
for level, sibling in enumerate(map(b64decode, hashes)):  # RFC 6962, section 2.1.1
    left = level >= inner or index >> level & 1
    climbed = _sha(b"\x01", *((sibling, climbed) if left else (climbed, sibling)))
length = inner + (index >> inner).bit_count() if index < int(head[1]) else -1
events = record["data"]["events"]
sealed = [_sha() if e["sealed"] is None else bytes.fromhex(e["sealed"]) for e in events]
about = f"{document['certificate']}\n{origin}\n{_sha_json(document).hex()}\n"
checks = {
    "the key signed the certificate": one_form and _signed(about, signature, vkey),
    "the record is about the statement": [_sha_json(document["statement"]).hex()]
    == [e["header"]["statement"] for e in events if "statement" in e["header"]],
    "the leaf entry is of the record": _sha_json(record) + _sha(*sealed) == entry[34:98],
    "the log accepted it": b"\0" + _sha_json(document["detail"]) == entry[25:26] + entry[98:130],
    "the log has the entry": (climbed, length) == (b64decode(head[2]), len(hashes)),
    "the log is the key's": {origin} == {head[0], vkey.split("+")[0]},
    "the key signed its head": any(_signed(f"{checkpoint}\n", x, vkey) for x in lines.splitlines()),
}
print("\n".join(f"{'ok  ' if holds else 'FAIL'} {what}" for what, holds in checks.items()))
sys.exit(0 if all(checks.values()) else 7)
