package memos_gov.admission_test

import data.memos_gov.admission

candidate := {
	"form": "plaintext", "label": "internal", "purposes": ["complaint-handling"],
	"basis": "legitimate-interest", "region": "global", "retention_class": "complaint",
	"semantic_type": "episode", "origin": "user", "size_bytes": 10, "session_reads": 0,
}

asked(role) := {
	"now": 1000, "tenant": "t1", "action": "remember", "purpose": "complaint-handling",
	"actor": {"id": "a", "roles": [role], "clearance": "internal", "purposes": ["complaint-handling"], "regions": []},
	"context": {"session": null, "channel": null, "region": null, "approved": false},
	"cube": candidate, "findings": [], "restricted": false, "consent": {"given": [], "withdrawn": []},
}

answer(role, facts) := verdict if {
	verdict := admission.verdict with input as object.union(asked(role), facts)
}

refused_cases := {
	"role": ["auditor", {}, ["role_lacks_action"]],
	"label": ["agent", {"cube": {"label": "restricted"}}, ["label_above_clearance"]],
	"restricted": ["steward", {"restricted": true}, ["restricted"]],
	"purpose": ["agent", {"cube": {"purposes": ["complaint-handling", "marketing"]}}, ["purpose_not_granted"]],
	"consent": ["steward", {"cube": {"basis": "consent"}}, ["consent_missing"]],
	"withdrawn": [
		"steward",
		{"cube": {"basis": "consent"}, "consent": {"withdrawn": ["complaint-handling"]}},
		["consent_missing", "consent_withdrawn"],
	],
}

test_refused[name] if {
	some name, [role, facts, expected] in refused_cases
	verdict := answer(role, facts)
	verdict.effect == "refuse"
	[r.code | some r in verdict.reasons] == expected
}

obliged_cases := {
	"nothing found": ["agent", {}, []],
	"steward sets any purpose": ["steward", {"cube": {"purposes": ["marketing"]}}, []],
	"withdrawn where consent is not the basis": ["agent", {"consent": {"withdrawn": ["complaint-handling"]}}, []],
	"consent given": ["agent", {"cube": {"basis": "consent"}, "consent": {"given": ["complaint-handling"]}}, []],
	"label raised by a card": ["analyst", {"findings": ["card", "email"]}, [{"kind": "label", "label": "confidential"}]],
	"label raised by a phone": [
		"analyst",
		{"cube": {"label": "public"}, "findings": ["phone"]},
		[{"kind": "label", "label": "internal"}],
	],
	"label high enough": ["analyst", {"findings": ["email"]}, []],
	"agent stores no card": [
		"agent",
		{"findings": ["iban", "card"]},
		[{"kind": "label", "label": "confidential"}, {"kind": "mask", "what": ["card", "iban"]}],
	],
	"agent brings a public card": [
		"agent",
		{"cube": {"label": "public"}, "findings": ["card"]},
		[
			{"kind": "label", "label": "confidential"},
			{"kind": "mask", "what": ["card"]},
			{"kind": "quarantine"},
		],
	],
	"imported after reading": [
		"steward",
		{"cube": {"origin": "import", "session_reads": 3}},
		[{"kind": "unlink", "reason": "imported"}],
	],
	"called imported by a program": [
		"agent",
		{"cube": {"origin": "import", "session_reads": 3}},
		[],
	],
	"imported once and revised after reading": [
		"steward",
		{"action": "revise", "cube": {"origin": "import", "session_reads": 3}},
		[],
	],
	"imported before any reading": ["agent", {"cube": {"origin": "import"}}, []],
	"said after reading": ["agent", {"cube": {"session_reads": 3}}, []],
	"agent brings what is restricted": [
		"agent",
		{"actor": {"clearance": "restricted"}, "cube": {"label": "restricted"}},
		[{"kind": "quarantine"}],
	],
}

test_obliged[name] if {
	some name, [role, facts, expected] in obliged_cases
	verdict := answer(role, facts)
	verdict.effect == "allow"
	{o | some o in verdict.obligations} == {o | some o in expected}
}

test_rules if {
	answer("agent", {"findings": ["card"]}).rules == ["admission/label", "admission/mask", "role/agent"]
	answer("auditor", {}).rules == ["admission/role_lacks_action"]
}

test_public_reasons if {
	every r in answer("auditor", {}).reasons {
		r.public
	}
	every r in answer("steward", {"restricted": true}).reasons {
		r.public
	}
	every r in answer("agent", {"cube": {"label": "restricted"}, "restricted": true}).reasons {
		r.public
	}
	every r in answer("steward", {"cube": {"basis": "consent"}}).reasons {
		not r.public
	}
}
