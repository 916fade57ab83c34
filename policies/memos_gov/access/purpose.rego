package memos_gov.access

import data.memos_gov.actor

# METADATA
# title: Reasons by purpose and consent
# description: Why the cube may not be used for this purpose.
reasons[c.id] contains "purpose_incompatible" if {
	uses_content
	not "purpose" in actor.exempt
	some c in input.cubes
	not fitting[c.id]
}

reasons[c.id] contains "consent_withdrawn" if {
	consent_counts
	some c in input.cubes
	input.purpose in c.consent.withdrawn
}

reasons[c.id] contains "consent_missing" if {
	consent_counts
	some c in input.cubes
	c.basis == "consent"
	not input.purpose in c.consent.given
}

# METADATA
# title: Consent counts
# description: Whether consent binds this actor for this action.
default consent_counts := false

consent_counts if {
	uses_content
	not "consent" in actor.exempt
}

# METADATA
# title: Fitting cubes
# description: >-
#   Cubes collected for the purpose or for one it is compatible with, and those
#   that every subject opened to it by consent. Whole sets: OPA's server would
#   look through all cubes again for each member of a partial one.
fitting := collected | opened

collected := {c.id |
	some c in input.cubes
	some purpose in c.purposes
	purpose in sources
}

opened := {c.id |
	input.purpose in data.memos_gov.access.opened_by_consent
	some c in input.cubes
	input.purpose in c.consent.given
}

# METADATA
# title: Sources
# description: The purposes of collection from which the asked purpose follows.
sources contains input.purpose

sources contains source if {
	some source, compatible in data.memos_gov.vocabulary.purposes
	input.purpose in compatible
}
