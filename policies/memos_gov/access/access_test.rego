package memos_gov.access_test

import data.memos_gov.access

plain := {
	"id": "c1", "tenant": "t1", "form": "plaintext", "label": "internal", "state": "activated",
	"frozen": false, "quarantined": false, "held": false, "restricted": false, "erasing": false, "owner": "o",
	"purposes": ["complaint-handling"], "basis": "legitimate-interest", "region": "global",
	"retention_class": "complaint", "semantic_type": "episode", "priority": "normal",
	"findings": [], "grants": [], "consent": {"given": [], "withdrawn": []},
	"recorded_at": 1, "valid_from": 1, "valid_to": null,
}

analyst := {
	"id": "a", "roles": ["analyst"], "clearance": "internal",
	"purposes": ["complaint-handling", "research", "quality-assurance"], "regions": [],
}

asked := {
	"now": 1000, "tenant": "t1", "actor": analyst, "action": "read", "purpose": "complaint-handling",
	"context": {"session": null, "channel": null, "region": null, "approved": false},
	"becomes": {"label": null, "basis": null},
}

by(role) := object.union(asked, {"actor": {"roles": [role]}})

relabel(role, label) := object.union(doing(role, "relabel"), {"becomes": {"label": label}})

rebase(role, basis) := object.union(doing(role, "rebase"), {"becomes": {"basis": basis}})

approved(question) := object.union(question, {"context": {"approved": true}})

both(action) := object.union(asked, {"actor": {"roles": ["dpo", "steward"]}, "action": action})

doing(role, action) := object.union(by(role), {"action": action})

verdict(question, facts) := answer.c1 if {
	cube := object.union(plain, facts)
	answer := access.verdicts with input as object.union(question, {"cubes": [cube]})
}

codes(question, facts) := [r.code | some r in verdict(question, facts).reasons]

act(question, target) := answer if {
	base := {
		"kind": "principal", "id": "p", "name": null, "roles": [], "clearance": "public", "purposes": [],
		"own": false, "held": false, "restricted": false,
	}
	answer := access.action with input as object.union(question, {"target": object.union(base, target)})
}

seen(question) := answer if {
	answer := access.scope with input as question
}

allowed_cases := {
	"analyst reads for complaint handling": [by("analyst"), {}],
	"analyst reads for a compatible purpose": [object.union(asked, {"purpose": "quality-assurance"}), {}],
	"consent opens research": [
		object.union(asked, {"purpose": "research"}),
		{"consent": {"given": ["research"]}},
	],
	"consent given where it is the basis": [
		by("analyst"),
		{"basis": "consent", "consent": {"given": ["complaint-handling"]}},
	],
	"agent reads its own": [by("agent"), {"owner": "a"}],
	"agent reads what is shared": [by("agent"), {"grants": [{"principal": "a", "scope": "read"}]}],
	"agent reads what is public": [by("agent"), {"label": "public"}],
	"agent revises with a write share": [
		doing("agent", "revise"),
		{"grants": [{"principal": "a", "scope": "write"}]},
	],
	"worker does what is due, whatever else": [
		doing("worker", "dispose"),
		{"frozen": true, "quarantined": true, "restricted": true, "label": "restricted"},
	],
	"worker dates what is held": [doing("worker", "schedule"), {"held": true}],
	"steward dates an event of an expired cube": [doing("steward", "retention_trigger"), {"state": "expired"}],
	"agent rolls back with a write share": [
		doing("agent", "roll_back"),
		{"grants": [{"principal": "a", "scope": "write"}]},
	],
	"agent merges its own": [doing("agent", "merge"), {"owner": "a"}],
	"agent splits its own": [doing("agent", "split"), {"owner": "a"}],
	"agent summarises what is shared": [
		doing("agent", "summarise"),
		{"grants": [{"principal": "a", "scope": "read"}]},
	],
	"analyst transforms what is internal": [doing("analyst", "transform"), {}],
	"analyst transforms what holds an address": [doing("analyst", "transform"), {"findings": ["email"]}],
	"analyst summarises what is archived": [doing("analyst", "summarise"), {"state": "archived"}],
	"steward restores what was merged": [doing("steward", "restore"), {"state": "merged"}],
	"agent shares its own": [doing("agent", "share"), {"owner": "a"}],
	"agent shares a confidential one once approved": [
		object.union(doing("agent", "share"), {"actor": {"clearance": "confidential"}, "context": {"approved": true}}),
		{"owner": "a", "label": "confidential"},
	],
	"steward shares without review": [
		object.union(doing("steward", "share"), {"actor": {"clearance": "confidential"}}),
		{"label": "confidential"},
	],
	"steward holds without purpose, clearance or consent": [
		object.union(doing("steward", "hold"), {"purpose": "general"}),
		{"label": "restricted", "basis": "consent", "held": true},
	],
	"steward releases a hold on what has expired": [doing("steward", "release"), {"held": true, "state": "expired"}],
	"steward thaws": [doing("steward", "thaw"), {"frozen": true}],
	"steward restores": [doing("steward", "restore"), {"state": "archived"}],
	"steward reads in quarantine": [by("steward"), {"quarantined": true}],
	"dpo reads whatever stands in the way": [
		object.union(by("dpo"), {"actor": {"clearance": "public", "purposes": []}}),
		{
			"label": "restricted", "restricted": true, "quarantined": true, "region": "eu", "basis": "consent",
			"consent": {"withdrawn": ["complaint-handling"]}, "purposes": ["marketing"], "held": true, "frozen": true,
		},
	],
	"auditor reads the history of what was erased": [
		doing("auditor", "history"),
		{"state": "erased", "purposes": ["marketing"]},
	],
	"steward erases what is held, frozen, restricted and expired": [
		doing("steward", "erase"),
		{"held": true, "frozen": true, "restricted": true, "state": "expired", "label": "restricted"},
	],
	"dpo erases without the purpose": [doing("dpo", "erase"), {"purposes": ["marketing"]}],
	"dpo lists what was erased": [doing("dpo", "list"), {"state": "erased", "restricted": true}],
	"auditor reads the history of what is being erased": [doing("auditor", "history"), {"restricted": true, "erasing": true}],
	"steward raises a label beyond the own clearance": [relabel("steward", "restricted"), {"held": true, "frozen": true}],
	"steward raises an own label again": [relabel("steward", "internal"), {"quarantined": true, "restricted": true}],
	"steward lowers a low label": [relabel("steward", "public"), {}],
	"dpo lowers a high label once approved": [approved(relabel("dpo", "internal")), {"label": "restricted"}],
	"steward changes the basis": [rebase("steward", "contract"), {}],
	"steward leaves consent once approved": [
		approved(rebase("steward", "contract")),
		{"basis": "consent", "consent": {"given": ["complaint-handling"]}},
	],
	"steward puts a cube on consent that was given": [
		rebase("steward", "consent"),
		{"consent": {"given": ["complaint-handling"]}},
	],
	"anybody reads what is archived": [by("analyst"), {"state": "archived"}],
	"own region": [object.union(asked, {"actor": {"regions": ["eu"]}}), {"region": "eu"}],
	"every region": [object.union(asked, {"actor": {"regions": ["*"]}, "context": {"region": "us"}}), {"region": "eu"}],
}

test_allowed[name] if {
	some name, [question, facts] in allowed_cases
	verdict(question, facts).effect == "allow"
	codes(question, facts) == []
}

refused_cases := {
	"role": [doing("analyst", "freeze"), {"owner": "a"}, ["role_lacks_action"]],
	"no role": [object.union(asked, {"actor": {"roles": []}}), {"owner": "a"}, ["role_lacks_action"]],
	"release by an agent": [doing("agent", "release"), {"owner": "a", "held": true}, ["role_lacks_action"]],
	"tenant": [asked, {"tenant": "t2"}, ["foreign_tenant"]],
	"tenant for dpo": [by("dpo"), {"tenant": "t2"}, ["foreign_tenant"]],
	"label": [asked, {"label": "confidential"}, ["label_above_clearance"]],
	"unknown label": [by("dpo"), {"label": "odd"}, ["label_above_clearance"]],
	"label of a steward": [by("steward"), {"label": "restricted"}, ["label_above_clearance"]],
	"unknown clearance": [object.union(asked, {"actor": {"clearance": "odd"}}), {}, ["label_above_clearance"]],
	"purpose not granted": [
		object.union(asked, {"purpose": "marketing"}),
		{"purposes": ["marketing"]},
		["purpose_not_granted"],
	],
	"purpose incompatible": [object.union(asked, {"purpose": "research"}), {}, ["purpose_incompatible"]],
	"compatible one way only": [asked, {"purposes": ["quality-assurance"]}, ["purpose_incompatible"]],
	"consent withdrawn": [by("steward"), {"consent": {"withdrawn": ["complaint-handling"]}}, ["consent_withdrawn"]],
	"consent missing": [asked, {"basis": "consent"}, ["consent_missing"]],
	"not shared": [by("agent"), {}, ["not_owner_or_shared"]],
	"read share only": [
		doing("agent", "revise"),
		{"grants": [{"principal": "a", "scope": "read"}]},
		["not_owner_or_shared"],
	],
	"sharing on": [
		doing("agent", "share"),
		{"grants": [{"principal": "a", "scope": "write"}]},
		["not_owner_or_shared"],
	],
	"region": [object.union(asked, {"actor": {"regions": ["us"]}}), {"region": "eu"}, ["region_mismatch"]],
	"session elsewhere": [
		object.union(asked, {"actor": {"regions": ["eu", "us"]}, "context": {"region": "us"}}),
		{"region": "eu"},
		["region_mismatch"],
	],
	"hold": [doing("steward", "archive"), {"held": true}, ["legal_hold"]],
	"hold against what is due": [doing("worker", "dispose"), {"held": true}, ["legal_hold"]],
	"what is due, by a person": [doing("steward", "dispose"), {"owner": "a"}, ["role_lacks_action"]],
	"hold on a source": [doing("steward", "merge"), {"held": true}, ["legal_hold"]],
	"frozen in a split": [doing("steward", "split"), {"frozen": true}, ["frozen"]],
	"frozen on the way back": [doing("steward", "roll_back"), {"frozen": true}, ["frozen"]],
	"archived on the way back": [doing("steward", "roll_back"), {"state": "archived"}, ["archived"]],
	"archived in a merge": [doing("steward", "merge"), {"state": "archived"}, ["archived"]],
	"merged already": [doing("steward", "merge"), {"state": "merged"}, ["merged"]],
	"label of a transformation": [doing("steward", "transform"), {"label": "restricted"}, ["label_above_clearance", "not_transformable"]],
	"card in a transformation": [doing("analyst", "transform"), {"findings": ["card"]}, ["not_transformable"]],
	"adapter in a transformation": [doing("analyst", "transform"), {"form": "parametric"}, ["not_transformable"]],
	"archived in a transformation": [doing("analyst", "transform"), {"state": "archived"}, ["archived"]],
	"label of a summary": [doing("analyst", "summarise"), {"label": "confidential"}, ["label_above_clearance"]],
	"purpose of a merge": [
		object.union(doing("steward", "merge"), {"purpose": "marketing"}),
		{"purposes": ["marketing"]},
		["purpose_not_granted"],
	],
	"read share in a merge": [
		doing("agent", "merge"),
		{"grants": [{"principal": "a", "scope": "read"}]},
		["not_owner_or_shared"],
	],
	"summary in quarantine": [doing("analyst", "summarise"), {"quarantined": true}, ["quarantined"]],
	"frozen": [doing("steward", "revise"), {"frozen": true}, ["frozen"]],
	"quarantined": [asked, {"quarantined": true}, ["quarantined"]],
	"quarantined in recall": [doing("dpo", "recall"), {"quarantined": true}, ["quarantined"]],
	"quarantined for a change": [doing("steward", "revise"), {"quarantined": true}, ["quarantined"]],
	"restricted": [by("steward"), {"restricted": true}, ["restricted"]],
	"restricted for a change": [doing("steward", "revise"), {"restricted": true}, ["restricted"]],
	"being erased, for a dpo too": [by("dpo"), {"restricted": true, "erasing": true}, ["restricted"]],
	"being erased, in a list": [doing("dpo", "list"), {"restricted": true, "erasing": true}, ["restricted"]],
	"erasing by an analyst": [doing("analyst", "erase"), {"owner": "a"}, ["role_lacks_action"]],
	"erasing by an agent": [doing("agent", "erase"), {"owner": "a"}, ["role_lacks_action"]],
	"erasing what was erased": [doing("steward", "erase"), {"state": "erased"}, ["erased"]],
	"expired": [by("dpo"), {"state": "expired"}, ["expired"]],
	"erased": [by("dpo"), {"state": "erased"}, ["erased"]],
	"merged": [asked, {"state": "merged"}, ["merged"]],
	"unknown state": [asked, {"state": "odd"}, ["erased"]],
	"archived in recall": [doing("analyst", "recall"), {"state": "archived"}, ["archived"]],
	"archived for a change": [doing("steward", "revise"), {"state": "archived"}, ["archived"]],
	"not yet valid": [doing("analyst", "recall"), {"valid_from": 1001}, ["not_yet_valid"]],
	"no longer valid": [doing("analyst", "recall"), {"valid_to": 1000}, ["no_longer_valid"]],
	"label by an analyst": [relabel("analyst", "restricted"), {"owner": "a"}, ["role_lacks_action"]],
	"basis by an agent": [rebase("agent", "contract"), {"owner": "a"}, ["role_lacks_action"]],
	"lowering above the own clearance": [
		approved(relabel("steward", "internal")),
		{"label": "confidential"},
		["label_above_clearance"],
	],
	"lowering to an unknown label": [relabel("steward", "odd"), {"label": "internal", "held": true}, ["legal_hold"]],
	"lowering of what is held": [relabel("dpo", "public"), {"held": true}, ["legal_hold"]],
	"lowering of what is frozen": [relabel("dpo", "public"), {"frozen": true}, ["frozen"]],
	"lowering in quarantine": [relabel("dpo", "public"), {"quarantined": true}, ["quarantined"]],
	"lowering of what is restricted": [relabel("dpo", "public"), {"restricted": true}, ["restricted"]],
	"label of what was erased": [relabel("dpo", "restricted"), {"state": "erased"}, ["erased"]],
	"basis of what is held": [rebase("steward", "contract"), {"held": true}, ["legal_hold"]],
	"basis that nobody consented to": [rebase("steward", "consent"), {}, ["basis_needs_consent"]],
	"basis that one purpose lacks": [
		rebase("steward", "consent"),
		{"purposes": ["complaint-handling", "research"], "consent": {"given": ["research"]}},
		["basis_needs_consent"],
	],
	"basis in place of a withdrawn one": [
		approved(rebase("dpo", "legitimate-interest")),
		{"basis": "consent", "consent": {"withdrawn": ["complaint-handling"]}},
		["basis_was_withdrawn"],
	],
	"auditor": [by("auditor"), {"owner": "a"}, ["content_not_for_auditors", "role_lacks_action"]],
	"auditor with another role": [
		object.union(asked, {"actor": {"roles": ["auditor", "analyst"]}}),
		{},
		["content_not_for_auditors"],
	],
}

test_refused[name] if {
	some name, [question, facts, expected] in refused_cases
	verdict(question, facts).effect == "refuse"
	codes(question, facts) == expected
}

test_review_of_sharing if {
	question := object.union(doing("agent", "share"), {"actor": {"clearance": "confidential"}})
	answer := verdict(question, {"owner": "a", "label": "confidential"})
	answer.effect == "review"
	answer.reasons == [{"code": "review_required", "public": true}]
	answer.rules == ["access/review_required"]
}

test_review_of_lowering_binds_every_role if {
	every role in ["steward", "dpo"] {
		question := object.union(relabel(role, "internal"), {"actor": {"clearance": "restricted"}})
		answer := verdict(question, {"label": "confidential"})
		answer.effect == "review"
		answer.reasons == [{"code": "review_required", "public": true}]
	}
}

test_review_of_leaving_consent if {
	facts := {"basis": "consent", "consent": {"given": ["complaint-handling"]}}
	verdict(rebase("dpo", "contract"), facts).effect == "review"
	verdict(rebase("dpo", "consent"), facts).effect == "allow"
}

test_refusal_wins_over_review if {
	question := object.union(doing("agent", "share"), {"actor": {"clearance": "confidential"}})
	verdict(question, {"owner": "b", "label": "confidential"}).effect == "refuse"
}

test_hold_is_public_alone if {
	answer := verdict(doing("steward", "archive"), {"held": true})
	answer.reasons == [{"code": "legal_hold", "public": true}]
}

test_erased_and_restricted_are_public_alone if {
	answer := verdict(by("steward"), {"state": "erased", "restricted": true})
	answer.reasons == [{"code": "erased", "public": true}, {"code": "restricted", "public": true}]
}

test_erased_is_hidden_beside_a_hidden_reason if {
	answer := verdict(by("agent"), {"state": "erased"})
	answer.reasons == [{"code": "erased", "public": false}, {"code": "not_owner_or_shared", "public": false}]
}

test_hold_is_hidden_beside_a_hidden_reason if {
	answer := verdict(doing("agent", "revise"), {"held": true})
	answer.reasons == [
		{"code": "legal_hold", "public": false},
		{"code": "not_owner_or_shared", "public": false},
	]
}

test_masks_of_an_analyst if {
	answer := verdict(asked, {"findings": ["phone", "card", "name"]})
	answer.obligations == [{"kind": "mask", "what": ["card", "phone"]}]
	answer.rules == ["access/mask", "role/analyst"]
}

test_masks_of_an_agent if {
	answer := verdict(by("agent"), {"owner": "a", "findings": ["phone", "card"]})
	answer.obligations == [{"kind": "mask", "what": ["card"]}]
}

test_no_masks_for_a_steward if verdict(by("steward"), {"findings": ["card"]}).obligations == []

test_answer_ends_with_validity if {
	verdict(doing("analyst", "recall"), {"valid_to": 1010}).valid_until == 1010
	verdict(doing("analyst", "recall"), {"valid_to": 1010, "findings": ["card"]}).valid_until == 1010
	verdict(doing("analyst", "recall"), {"valid_from": 1020}).valid_until == 1020
	verdict(doing("analyst", "recall"), {"valid_to": 2000}).valid_until == 1060
}

test_no_cubes_no_verdicts if {
	answer := access.verdicts with input as object.union(asked, {"cubes": []})
	answer == {}
}

act_cases := {
	"steward grants a role": [doing("steward", "role_grant"), {}, []],
	"steward grants a role a steward may give": [doing("steward", "role_grant"), {"roles": ["agent", "steward"]}, []],
	"steward grants dpo": [doing("steward", "role_grant"), {"roles": ["agent", "dpo"]}, ["beyond_own_rights"]],
	"steward grants an unknown role": [doing("steward", "role_grant"), {"roles": ["odd"]}, ["beyond_own_rights"]],
	"steward and dpo grants dpo": [both("role_grant"), {"roles": ["dpo"]}, []],
	"dpo revokes dpo": [doing("dpo", "role_revoke"), {"roles": ["dpo"]}, []],
	"steward adds within own rights": [
		doing("steward", "principal_add"),
		{"roles": ["analyst"], "clearance": "internal", "purposes": ["research"]},
		[],
	],
	"steward adds a dpo": [doing("steward", "principal_add"), {"roles": ["dpo"]}, ["beyond_own_rights"]],
	"steward and dpo adds a dpo": [both("principal_add"), {"roles": ["dpo"]}, []],
	"clearance above own": [doing("steward", "principal_add"), {"clearance": "confidential"}, ["beyond_own_rights"]],
	"clearance above that of a dpo": [both("principal_add"), {"clearance": "confidential"}, ["beyond_own_rights"]],
	"unknown clearance to give": [doing("steward", "principal_add"), {"clearance": "odd"}, ["beyond_own_rights"]],
	"no clearance to give": [doing("steward", "principal_add"), {"clearance": null}, ["beyond_own_rights"]],
	"purpose beyond own": [
		doing("steward", "principal_add"),
		{"purposes": ["research", "marketing"]},
		["beyond_own_rights"],
	],
	"own role": [doing("steward", "role_grant"), {"id": "a"}, ["own_role"]],
	"own role of a dpo": [doing("dpo", "role_revoke"), {"id": "a"}, ["own_role"]],
	"dpo erases a subject that is held": [doing("dpo", "erase"), {"kind": "subject", "held": true}, []],
	"agent does not erase a subject": [doing("agent", "erase"), {"kind": "subject"}, ["role_lacks_action"]],
	"dpo approves": [doing("dpo", "review_approve"), {"kind": "case"}, []],
	"own case": [doing("steward", "review_approve"), {"kind": "case", "own": true}, ["own_case"]],
	"auditor audits": [doing("auditor", "audit"), {"kind": "audit"}, []],
	"analyst does not audit": [doing("analyst", "audit"), {"kind": "audit"}, ["role_lacks_action"]],
	"unknown act": [doing("steward", "odd"), {}, ["role_lacks_action"]],
}

test_act[name] if {
	some name, [question, target, expected] in act_cases
	answer := act(question, target)
	[r.code | some r in answer.reasons] == expected
	every r in answer.reasons {
		r.public
	}
}

test_scope_of_an_analyst if {
	seen(asked) == {"any": [{
		"labels": ["internal", "public"],
		"purposes": ["complaint-handling"],
		"regions": ["global"],
		"states": ["generated", "activated", "archived"],
	}]}
}

test_scope_of_an_agent if {
	ways := seen(object.union(by("agent"), {"purpose": "research"})).any
	bounds := {
		"labels": ["internal", "public"],
		"regions": ["global"],
		"states": ["generated", "activated", "archived"],
	}
	ways == [
		object.union(bounds, {"owners": ["a"]}),
		object.union(bounds, {"shared_with": ["a"]}),
		object.union(bounds, {"labels": ["public"]}),
	]
}

test_scope_of_a_dpo if {
	seen(by("dpo")) == {"any": [{
		"labels": ["confidential", "internal", "public", "restricted"],
		"states": ["generated", "activated", "archived"],
	}]}
}

test_scope_of_an_auditor if seen(by("auditor")) == {"any": []}

test_scope_of_a_purpose_not_granted if seen(object.union(asked, {"purpose": "marketing"})) == {"any": []}

test_scope_of_governing if seen(doing("steward", "freeze")) == {"any": []}
