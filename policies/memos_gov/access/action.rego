package memos_gov.access

# METADATA
# title: Action
# description: The verdict on the act; refused where any reason stands.
# entrypoint: true
# scope: document
# schemas:
#   - input: schema.access_action
action := verdict_for(action_reasons | refusals, set(), set(), set())

# METADATA
# title: Reasons by target
# description: Why this actor may not do this to this target.
# scope: document
# schemas:
#   - input: schema.access_action
action_reasons contains "own_role" if {
	input.action in ["role_grant", "role_revoke"]
	input.target.id == input.actor.id
}

action_reasons contains "own_case" if {
	input.action in ["review_approve", "review_reject"]
	input.target.own
}

action_reasons contains "beyond_own_rights" if {
	input.action == "principal_add"
	not input.target.clearance in own_labels
}

action_reasons contains "beyond_own_rights" if {
	input.action == "principal_add"
	some purpose in input.target.purposes
	not purpose in input.actor.purposes
}

action_reasons contains "beyond_own_rights" if {
	input.action in ["principal_add", "role_grant"]
	some role in input.target.roles
	not role in givable
}

# METADATA
# title: Own labels
# description: The labels at or below the actor's own clearance, whatever a role lifts.
own_labels contains label if {
	labels := data.memos_gov.vocabulary.labels
	some label, rank in labels
	rank <= labels[input.actor.clearance]
}

# METADATA
# title: Roles that the actor may give
# description: The roles that name one of the actor's own roles as their giver.
givable contains role if {
	some role, facts in data.memos_gov.roles
	some giver in facts.given_by
	giver in input.actor.roles
}
