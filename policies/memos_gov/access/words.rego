package memos_gov.access

import data.memos_gov.actor

# METADATA
# title: Reasons by the label to come
# description: >-
#   A label is raised by whoever governs. To lower one opens the cube to more
#   people, so it counts as a change, and only who is cleared for it may.
reasons[c.id] contains "label_above_clearance" if {
	some c in input.cubes
	lowered[c.id]
	not c.label in actor.cleared
}

reasons[c.id] contains "legal_hold" if {
	some c in input.cubes
	lowered[c.id]
	c.held
}

reasons[c.id] contains "frozen" if {
	some c in input.cubes
	lowered[c.id]
	c.frozen
}

reasons[c.id] contains "quarantined" if {
	some c in input.cubes
	lowered[c.id]
	c.quarantined
}

reasons[c.id] contains "restricted" if {
	some c in input.cubes
	lowered[c.id]
	c.restricted
}

# METADATA
# title: Reasons by the basis to come
# description: >-
#   Consent as a basis needs the consent of every subject for what the cube is
#   for, and consent that was withdrawn is not replaced by another basis.
reasons[c.id] contains "basis_needs_consent" if {
	input.action == "rebase"
	input.becomes.basis == "consent"
	some c in input.cubes
	some purpose in c.purposes
	not purpose in c.consent.given
}

reasons[c.id] contains "basis_was_withdrawn" if {
	leaves_consent
	some c in input.cubes
	c.basis == "consent"
	some purpose in c.purposes
	purpose in c.consent.withdrawn
}

# METADATA
# title: Reviews of what opens a cube
# description: >-
#   A high label is lowered, and the need of consent lifted, only with a second
#   person's approval; no role is exempt.
reviews[c.id] contains "review_required" if {
	not input.context.approved
	some c in input.cubes
	lowered[c.id]
	not c.label in shared_freely
}

reviews[c.id] contains "review_required" if {
	not input.context.approved
	leaves_consent
	some c in input.cubes
	c.basis == "consent"
}

# METADATA
# title: Lowered cubes
# description: Cubes that would get a lower label; an unknown label is as high as can be.
lowered contains c.id if {
	input.action == "relabel"
	some c in input.cubes
	not at_least[c.id]
}

at_least contains c.id if {
	ranks := data.memos_gov.vocabulary.labels
	some c in input.cubes
	ranks[input.becomes.label] >= ranks[c.label]
}

# METADATA
# title: Leaves consent
# description: Whether the act puts cubes on another basis than consent.
default leaves_consent := false

leaves_consent if {
	input.action == "rebase"
	input.becomes.basis != "consent"
}
