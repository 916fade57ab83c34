package memos_gov.retention_test

import data.memos_gov.retention

year := 31557600

outcome(facts, age_s) := answer.c1 if {
	plain := {"id": "c1", "retention_class": "conversation", "state": "activated", "recorded_at": 1000, "held": false}
	question := {"now": 1000 + age_s, "tenant": "t1", "cubes": [object.union(plain, facts)]}
	answer := retention.verdicts with input as question
}

cases := {
	"young": [{}, 10, "keep", 1000 + year],
	"at the maximum": [{}, year, "expire", 1000 + year],
	"held": [{"held": true}, 9 * year, "keep", null],
	"held and expired": [{"held": true, "state": "expired"}, 9 * year, "keep", null],
	"erased": [{"state": "erased"}, 9 * year, "keep", null],
	"unscheduled": [{"retention_class": "odd"}, 9 * year, "keep", null],
	"expired, in grace": [{"state": "expired"}, year + 1, "keep", (1000 + year) + 2592000],
	"expired, grace over": [{"state": "expired"}, 2 * year, "erase", (1000 + year) + 2592000],
	"to the archive": [{"retention_class": "general"}, 11 * year, "archive", 1000 + (10 * year)],
	"archived for good": [{"retention_class": "general", "state": "archived"}, 20 * year, "keep", null],
}

test_outcome[name] if {
	some name, [facts, age_s, action, due] in cases
	verdict := outcome(facts, age_s)
	verdict.action == action
	verdict.due == due
	count(verdict.rules) == 1
	count(verdict.steps) > 0
}

test_schedule_keeps_at_least_the_minimum if {
	every _, class in data.memos_gov.retention.schedule {
		class.min_s < class.max_s
	}
}

test_every_class_is_scheduled if {
	classes := {class | some class in data.memos_gov.vocabulary.retention_classes}
	object.keys(data.memos_gov.retention.schedule) == classes
}
