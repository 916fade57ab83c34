package memos_gov.erasure_test

import data.memos_gov.erasure

year := 31557600

now := 100 * year

plain := {
	"id": "c1", "retention_class": "general", "state": "activated", "created_at": now - 10, "changed_at": now - 10,
	"last_used_at": null, "triggered_at": null, "expires_at": null, "held": false, "restricted": true,
	"erasure_requested": true, "approved": false, "others": 0,
}

subject := {"kind": "subject", "id": "s1", "held": false, "kept": 0, "last": true}

asked(target, cubes) := answer if {
	question := {
		"now": now, "tenant": "t1",
		"target": object.union(subject, target),
		"cubes": [object.union(plain, facts) | some facts in cubes],
	}
	answer := erasure.plan with input as question
}

of(facts) := asked({}, [facts]).cubes.c1

cases := {
	"nothing keeps it": [{}, "erase", ["erasure_requested"], "retention/erasure"],
	"about others too": [{"others": 2}, "erase", ["erased_for_all", "erasure_requested"], "retention/erasure"],
	"held": [{"held": true}, "keep", ["legal_hold"], "retention/hold"],
	"held, about others too": [{"held": true, "others": 1}, "keep", ["legal_hold"], "retention/hold"],
	"held within the minimum": [
		{"held": true, "retention_class": "loan"},
		"keep",
		["legal_hold"],
		"retention/hold",
	],
	"within the law's minimum": [{"retention_class": "loan"}, "keep", ["statutory_minimum"], "retention/statutory"],
	"within the class's minimum": [
		{"retention_class": "account", "triggered_at": now - 10},
		"keep",
		["class_minimum"],
		"retention/minimum",
	],
	"within a minimum that waits": [
		{"retention_class": "mortgage"},
		"keep",
		["statutory_minimum"],
		"retention/statutory",
	],
	"expired, in its days of grace": [{"state": "expired"}, "erase", ["erasure_requested"], "retention/erasure"],
	"after the minimum": [
		{"retention_class": "loan", "created_at": now - (6 * year)},
		"erase",
		["erasure_requested"],
		"retention/erasure",
	],
	"a class nobody scheduled": [{"retention_class": "odd"}, "keep", ["class_not_scheduled"], "retention/unscheduled"],
}

test_answer[name] if {
	some name, [facts, action, codes, rule] in cases
	answer := of(facts)
	answer.action == action
	[r.code | some r in answer.reasons] == codes
	every r in answer.reasons {
		r.public
	}
	concat("/", ["erasure", action]) in answer.rules
	rule in answer.rules
	count(answer.steps) > 0
}

test_every_cube_has_an_answer if {
	answer := asked({}, [{"id": "c1"}, {"id": "c2", "held": true}, {"id": "c3", "retention_class": "odd"}])
	object.keys(answer.cubes) == {"c1", "c2", "c3"}
	{id | some id, cube in answer.cubes; cube.action == "erase"} == {"c1"}
}

ends := {
	"all of it": [{}, [{}], "erase"],
	"no cubes at all": [{}, [], "erase"],
	"more pages": [{"last": false}, [{}], "keep"],
	"a cube kept here": [{}, [{}, {"id": "c2", "held": true}], "keep"],
	"a cube kept before": [{"kept": 1}, [{}], "keep"],
	"the person is held": [{"held": true}, [], "keep"],
	"a cube was asked for": [{"kind": "cube"}, [{}], "keep"],
}

test_subject_ends[name] if {
	some name, [target, cubes, expected] in ends
	answer := asked(target, cubes)
	answer.subject == expected
	ended := {"erase": "subject", "keep": "cube"}[expected]
	answer.custodians == data.memos_gov.erasure.custodians[ended]
}

test_answer_holds_for_a_minute if asked({}, []).valid_until == now + 60
