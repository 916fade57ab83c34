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
