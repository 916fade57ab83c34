package memos_gov.actor_test

import data.memos_gov.actor

having(roles) := {"actor": {"id": "a", "roles": roles, "clearance": "internal"}, "action": "read"}

test_roles_that_permit if {
	actor.roles == {"analyst", "agent"} with input as having(["analyst", "agent", "auditor", "odd"])
}

test_exemption_needs_a_permitting_role if {
	actor.exempt == {"ownership"} with input as having(["analyst", "auditor"])
}

test_masks_that_every_role_has if {
	actor.masked == {"card", "iban"} with input as having(["analyst", "agent"])
	actor.masked == set() with input as having(["analyst", "steward"])
}

test_supervised_only_where_every_role_is if {
	actor.supervised with input as having(["agent"])
	not actor.supervised with input as having(["agent", "analyst"])
	not actor.supervised with input as having([])
}

test_rules if actor.rules == {"role/agent"} with input as having(["agent"])

test_every_role_has_its_words if {
	object.keys(data.memos_gov.roles) == object.keys(data.memos_gov.vocabulary.roles)
}
