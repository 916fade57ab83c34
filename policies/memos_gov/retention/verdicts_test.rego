package memos_gov.retention_test

import data.memos_gov.retention

year := 31557600

born := 1000

grace := 2592000

# Classes for these cases alone, each with another combination of periods.
schedule := {
	"plain": {"statutory_s": 0, "min_s": 0, "max_s": 7 * year, "trigger": "creation", "then": "expire", "review": false},
	"kept": {"statutory_s": 3 * year, "min_s": 5 * year, "max_s": 7 * year, "trigger": "creation", "then": "expire", "review": false},
	"legal": {"statutory_s": 3 * year, "min_s": year, "max_s": 7 * year, "trigger": "creation", "then": "expire", "review": false},
	"shelf": {"statutory_s": 0, "min_s": 0, "max_s": 7 * year, "trigger": "creation", "then": "archive", "review": false},
	"changing": {"statutory_s": 0, "min_s": 0, "max_s": 7 * year, "trigger": "change", "then": "expire", "review": false},
	"used": {"statutory_s": 0, "min_s": 0, "max_s": year, "trigger": "last_use", "then": "expire", "review": false},
	"contract": {"statutory_s": 3 * year, "min_s": 3 * year, "max_s": 7 * year, "trigger": "event", "then": "expire", "review": false},
	"loose": {"statutory_s": 0, "min_s": 0, "max_s": 7 * year, "trigger": "event", "then": "expire", "review": false},
	"record": {"statutory_s": 3 * year, "min_s": 3 * year, "max_s": 7 * year, "trigger": "creation", "then": "erase", "review": true},
}

answer(facts) := found.c1 if {
	plain := {
		"id": "c1",
		"retention_class": "plain",
		"state": "activated",
		"created_at": born,
		"changed_at": born,
		"last_used_at": null,
		"triggered_at": null,
		"expires_at": null,
		"expired_at": null,
		"held": false,
		"restricted": false,
		"erasure_requested": false,
		"approved": false,
	}
	question := {"now": born, "tenant": "t1", "cubes": [object.union(plain, facts)]}
	found := retention.verdicts with input as question with data.memos_gov.retention.schedule as schedule
}

# Facts, then what is done, when, and by which rules.
cases := {
	"a maximum": [{}, "expire", born + (7 * year), ["schedule"]],
	"a maximum that ends in the archive": [{"retention_class": "shelf"}, "archive", born + (7 * year), ["schedule"]],
	"archived for good": [{"retention_class": "shelf", "state": "archived"}, "keep", null, ["schedule"]],
	"archived, of a class that ends": [{"state": "archived"}, "expire", born + (7 * year), ["schedule"]],
	"in quarantine, of a class that ends in the archive": [{"retention_class": "shelf", "state": "generated"}, "keep", null, ["schedule"]],
	"counted from a change": [{"retention_class": "changing", "changed_at": born + 9}, "expire", (born + 9) + (7 * year), ["schedule"]],
	"counted from the last use": [{"retention_class": "used", "last_used_at": born + 5}, "expire", (born + 5) + year, ["schedule"]],
	"never used": [{"retention_class": "used"}, "expire", born + year, ["schedule"]],
	"counted from an event": [{"retention_class": "contract", "triggered_at": born + 70}, "expire", (born + 70) + (7 * year), ["schedule"]],
	"an event that did not happen": [{"retention_class": "loose"}, "keep", null, ["schedule"]],
	"a minimum that waits for an event": [{"retention_class": "contract"}, "keep", null, ["statutory"]],
	"a minimum that waits, against an erasure": [{"retention_class": "contract", "erasure_requested": true}, "keep", null, ["statutory"]],
	"a cap, before an event": [{"retention_class": "loose", "expires_at": born + year}, "expire", born + year, ["expiry"]],
	"a cap before the maximum": [{"expires_at": born + year}, "expire", born + year, ["expiry"]],
	"a cap after the maximum": [{"expires_at": born + (8 * year)}, "expire", born + (7 * year), ["schedule"]],
	"a cap on what ends in the archive": [{"retention_class": "shelf", "expires_at": born + year}, "expire", born + year, ["expiry"]],
	"a cap on what was archived": [{"retention_class": "shelf", "state": "archived", "expires_at": born + year}, "expire", born + year, ["expiry"]],
	"a cap before the minimum": [{"retention_class": "kept", "expires_at": born + year}, "expire", born + (5 * year), ["minimum", "expiry"]],
	"a cap on a record": [{"retention_class": "record", "expires_at": born + (4 * year)}, "erase", born + (4 * year), ["expiry"]],
	"an erasure": [{"erasure_requested": true, "restricted": true}, "erase", born, ["erasure"]],
	"an erasure before an event": [{"retention_class": "loose", "erasure_requested": true}, "erase", born, ["erasure"]],
	"an erasure before the class's minimum": [{"retention_class": "kept", "erasure_requested": true}, "erase", born + (5 * year), ["minimum", "erasure"]],
	"an erasure before the law's minimum": [{"retention_class": "legal", "erasure_requested": true}, "erase", born + (3 * year), ["statutory", "erasure"]],
	"an erasure of what expired": [{"state": "expired", "expired_at": born + 9, "erasure_requested": true}, "erase", born, ["erasure"]],
	"an erasure and a cap at one moment": [{"retention_class": "legal", "erasure_requested": true, "expires_at": born}, "erase", born + (3 * year), ["statutory", "erasure"]],
	"expired": [{"state": "expired", "expired_at": born + (8 * year)}, "erase", (born + (8 * year)) + grace, ["grace"]],
	"expired, in a class that waits now": [{"state": "expired", "expired_at": born, "retention_class": "loose"}, "erase", born + grace, ["grace"]],
	"expired, within a minimum": [{"state": "expired", "expired_at": born + year, "retention_class": "kept"}, "erase", born + (5 * year), ["minimum", "grace"]],
	"expired, nobody knows when": [{"state": "expired"}, "keep", null, ["schedule"]],
	"expired, of no class": [{"state": "expired", "expired_at": born, "retention_class": "odd"}, "keep", null, ["unscheduled"]],
	"erased": [{"state": "erased", "held": true}, "keep", null, ["erased"]],
	"of no class": [{"retention_class": "odd"}, "keep", null, ["unscheduled"]],
	"of no class, against an erasure": [{"retention_class": "odd", "erasure_requested": true, "expires_at": born}, "keep", null, ["unscheduled"]],
	"of no class, held": [{"retention_class": "odd", "held": true}, "keep", null, ["unscheduled"]],
	"a hold against the maximum": [{"held": true}, "keep", null, ["hold", "schedule"]],
	"a hold against an erasure": [{"held": true, "erasure_requested": true}, "keep", null, ["hold", "erasure"]],
	"a hold against an erasure before a minimum": [{"held": true, "erasure_requested": true, "retention_class": "legal"}, "keep", null, ["hold", "statutory", "erasure"]],
	"a hold on what waits": [{"held": true, "retention_class": "contract"}, "keep", null, ["hold", "statutory"]],
	"a record": [{"retention_class": "record"}, "erase", born + (7 * year), ["schedule"]],
}

test_verdict[name] if {
	some name, [facts, action, due, rules] in cases
	verdict := answer(facts)
	verdict.action == action
	verdict.due == due
	verdict.rules == [concat("/", ["retention", rule]) | some rule in rules]
	count(verdict.steps) > 0
}

test_steps_say_every_moment_in_the_order_of_the_resolver if {
	verdict := answer({"retention_class": "kept", "erasure_requested": true, "expires_at": born + 7})
	verdict.steps == [
		{"code": "not_held"},
		{"code": "counted_from_creation", "at": born},
		{"code": "statutory_until", "at": born + (3 * year)},
		{"code": "minimum_until", "at": born + (5 * year)},
		{"code": "erasure_requested", "at": born},
		{"code": "expires_at", "at": born + 7},
		{"code": "maximum_at", "at": born + (7 * year)},
		{"code": "erase", "at": born + (5 * year)},
	]
}

test_steps_of_what_is_held_end_with_what_would_be_without if {
	answer({"held": true}).steps == [
		{"code": "held"},
		{"code": "counted_from_creation", "at": born},
		{"code": "maximum_at", "at": born + (7 * year)},
		{"code": "expire", "at": born + (7 * year)},
	]
}

test_steps_of_what_waits_say_so if {
	answer({"retention_class": "contract"}).steps == [
		{"code": "not_held"},
		{"code": "awaits_event"},
		{"code": "keep"},
	]
}

# Facts of a record, then whether a second person is needed.
reviews := {
	"due by its class": [{}, true],
	"approved": [{"approved": true}, false],
	"held": [{"held": true}, false],
	"asked to be erased": [{"erasure_requested": true}, false],
	"expired": [{"state": "expired", "expired_at": born}, false],
	"of another class": [{"retention_class": "plain"}, false],
	"put into the archive": [{"retention_class": "shelf"}, false],
}

test_review[name] if {
	some name, [facts, needed] in reviews
	answer(object.union({"retention_class": "record"}, facts)).review == needed
}

test_step_of_a_review_says_whether_it_stands if {
	[step | some step in answer({"retention_class": "record"}).steps; step.code == "review_required"]
	{"code": "review_approved"} in answer({"retention_class": "record", "approved": true}).steps
}

test_shipped_schedule_contradicts_nothing if {
	every _, class in data.memos_gov.retention.schedule {
		class.statutory_s <= class.max_s
		class.min_s <= class.max_s
		class.then in ["archive", "expire", "erase"]
		class.trigger in ["creation", "change", "event", "last_use"]
	}
}

test_every_class_is_scheduled if {
	classes := {class | some class in data.memos_gov.vocabulary.retention_classes}
	object.keys(data.memos_gov.retention.schedule) == classes
}
