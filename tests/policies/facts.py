"""Questions to policy of which a test names only what it is about."""

from typing import Any

NOW = 1_700_000_000
STAYS = {"label": None, "basis": None}
LABELS = ("public", "internal", "confidential", "restricted")


def a_cube(cube_id: str = "c1", **facts: Any) -> dict[str, Any]:
    """Return the facts of a quiet cube that somebody else owns."""
    plain = {
        "id": cube_id,
        "tenant": "acme",
        "form": "plaintext",
        "label": "internal",
        "state": "activated",
        "frozen": False,
        "quarantined": False,
        "held": False,
        "restricted": False,
        "erasing": False,
        "owner": "olga",
        "purposes": ["complaint-handling"],
        "basis": "legitimate-interest",
        "region": "global",
        "retention_class": "complaint",
        "semantic_type": "episode",
        "priority": "normal",
        "findings": [],
        "grants": [],
        "consent": {"given": [], "withdrawn": []},
        "recorded_at": NOW - 1000,
        "valid_from": NOW - 1000,
        "valid_to": None,
    }
    return {**plain, **facts}


def an_actor(*roles: str, **attributes: Any) -> dict[str, Any]:
    """Return an actor named anna, cleared to internal, for complaints and research."""
    plain = {
        "id": "anna",
        "roles": list(roles),
        "clearance": "internal",
        "purposes": ["complaint-handling", "research"],
        "regions": [],
    }
    return {**plain, **attributes}


def asked(
    actor: dict[str, Any],
    action: str = "read",
    purpose: str = "complaint-handling",
    **more: Any,
) -> dict[str, Any]:
    """Return what every question about an act carries, and what is given beyond it."""
    context = {"session": None, "channel": None, "region": None, "approved": False}
    return {
        "now": NOW,
        "tenant": "acme",
        "actor": actor,
        "action": action,
        "purpose": purpose,
        "context": context,
        **more,
    }


def one_of_each() -> dict[str, dict[str, Any]]:
    """Return a question for every entrypoint."""
    cube = a_cube()
    anna = an_actor("steward")
    target: dict[str, Any] = {"kind": "tenant", "id": None, "name": None, "roles": []}
    target |= {"clearance": None, "purposes": []}
    candidate_fields = ("form", "label", "purposes", "basis", "region")
    candidate = {name: cube[name] for name in (*candidate_fields, "retention_class")}
    retained = {"id": "c1", "retention_class": "complaint", "state": "activated"}
    retained |= dict.fromkeys(("created_at", "changed_at"), NOW - 1000)
    retained |= dict.fromkeys(("last_used_at", "triggered_at", "expires_at", "expired_at"))
    retained |= dict.fromkeys(("held", "restricted", "erasure_requested", "approved"), False)
    planned = ("id", "form", "label", "semantic_type", "quarantined", "findings")
    about = {"now": NOW, "tenant": "acme"}
    return {
        "memos_gov/access/verdicts": asked(anna, cubes=[cube], becomes=STAYS),
        "memos_gov/access/scope": asked(anna),
        "memos_gov/access/action": asked(
            anna, "status", target={**target, "own": False, "held": False, "restricted": False}
        ),
        "memos_gov/admission/verdict": asked(
            anna,
            "remember",
            cube={
                **candidate,
                "semantic_type": "episode",
                "origin": "user",
                "size_bytes": 10,
                "session_reads": 0,
            },
            findings=[],
            consent=cube["consent"],
            restricted=False,
        ),
        "memos_gov/retention/verdicts": {**about, "cubes": [retained]},
        "memos_gov/erasure/plan": {
            **about,
            "target": {"kind": "subject", "id": "s1", "held": False, "kept": 0, "last": True},
            "cubes": [{**retained, "others": 0}],
        },
        "memos_gov/transformation/plans": {**about, "cubes": [{k: cube[k] for k in planned}]},
    }
