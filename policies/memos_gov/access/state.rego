package memos_gov.access

import data.memos_gov.actor

# METADATA
# title: Reasons by state
# description: Why nobody, or hardly anybody, may do this to the cube now.
reasons[c.id] contains "legal_hold" if {
	changes
	input.action != "share"
	some c in input.cubes
	c.held
}

reasons[c.id] contains "legal_hold" if {
	input.action in data.memos_gov.access.actions.disposals
	some c in input.cubes
	c.held
}

reasons[c.id] contains "frozen" if {
	changes
	some c in input.cubes
	c.frozen
}

reasons[c.id] contains "quarantined" if {
	quarantine_counts
	some c in input.cubes
	c.quarantined
}

reasons[c.id] contains "restricted" if {
	restriction_counts
	some c in input.cubes
	c.restricted
}

reasons[c.id] contains "restricted" if {
	input.action in data.memos_gov.access.actions.content
	some c in input.cubes
	c.erasing
}

reasons[c.id] contains code if {
	open := data.memos_gov.access.open_states[input.action]
	some c in input.cubes
	not c.state in open
	code := object.get(state_codes, c.state, "erased")
}

reasons[c.id] contains "not_yet_valid" if {
	input.action == "recall"
	some c in input.cubes
	input.now < c.valid_from
}

reasons[c.id] contains "no_longer_valid" if {
	input.action == "recall"
	some c in input.cubes
	c.valid_to != null
	input.now >= c.valid_to
}

# METADATA
# title: Codes of states
# description: The reason that a closed state gives; an unknown state is as closed as can be.
state_codes := {
	"archived": "archived",
	"erased": "erased",
	"expired": "expired",
	"merged": "merged",
}

# METADATA
# title: Quarantine counts
# description: >-
#   Nothing in quarantine changes or reaches a model's context; only roles that
#   review may read it.
default quarantine_counts := false

quarantine_counts if changes

quarantine_counts if input.action == "recall"

quarantine_counts if {
	reads
	not "quarantine" in actor.exempt
}

# METADATA
# title: Restriction counts
# description: Restricted processing leaves storing and governing only.
default restriction_counts := false

restriction_counts if changes

restriction_counts if {
	reads
	not "restriction" in actor.exempt
}

# METADATA
# title: Ends of an answer
# description: The moments within the horizon at which the cube's validity changes the answer.
ends[c.id] contains c.valid_from if {
	input.action == "recall"
	some c in input.cubes
	c.valid_from > input.now
	c.valid_from < horizon
}

ends[c.id] contains c.valid_to if {
	input.action == "recall"
	some c in input.cubes
	c.valid_to != null
	c.valid_to > input.now
	c.valid_to < horizon
}

# METADATA
# title: Masks
# description: The personal numbers in the cube that the actor's role does not see.
masks[c.id] contains kind if {
	reads
	count(actor.masked) > 0
	some c in input.cubes
	some kind in c.findings
	kind in actor.masked
}
