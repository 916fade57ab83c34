package memos_gov.access

import data.memos_gov.actor

# METADATA
# title: Reasons by tenant, clearance, relation and place
# description: Why this actor may not do this to the cube.
reasons[c.id] contains "foreign_tenant" if {
	some c in input.cubes
	c.tenant != input.tenant
}

reasons[c.id] contains "label_above_clearance" if {
	needs_clearance
	some c in input.cubes
	not c.label in actor.cleared
}

reasons[c.id] contains "not_owner_or_shared" if {
	not "ownership" in actor.exempt
	some c in input.cubes
	not reachable[c.id]
}

reasons[c.id] contains "region_mismatch" if {
	region_counts
	some c in input.cubes
	not c.region in places
}

# METADATA
# title: Review of wide sharing
# description: A confidential cube leaves its owner's hands only with a second person's approval.
reviews[c.id] contains "review_required" if {
	input.action == "share"
	not input.context.approved
	not "review" in actor.exempt
	some c in input.cubes
	not c.label in shared_freely
}

# METADATA
# title: Labels shared without a review
# description: Labels below the one from which sharing needs approval.
shared_freely contains label if {
	labels := data.memos_gov.vocabulary.labels
	some label, rank in labels
	rank < labels[data.memos_gov.access.review_from_label]
}

# METADATA
# title: Clearance counts
# description: Who governs a cube need not be cleared to read it; who uses or shares it must.
default needs_clearance := false

needs_clearance if uses_content

needs_clearance if input.action == "share"

# METADATA
# title: Cubes within reach
# description: The actor's own cubes, those shared with the actor, and public ones to read.
reachable contains c.id if {
	some c in input.cubes
	c.owner == input.actor.id
}

reachable contains c.id if {
	some c in input.cubes
	some grant in c.grants
	grant.principal == input.actor.id
	grant.scope in enough
}

reachable contains c.id if {
	reads
	some c in input.cubes
	c.label == "public"
}

# METADATA
# title: Scopes that are enough
# description: A read share allows reading, a write share changing the content too; sharing on is the owner's.
enough contains scope if {
	reads
	some scope in ["read", "write"]
}

enough contains "write" if input.action in data.memos_gov.access.actions.writes

# METADATA
# title: Reading
# description: Whether the action reads content or evidence, or makes something of what it reads.
default reads := false

reads if input.action in data.memos_gov.access.actions.content

reads if input.action in data.memos_gov.access.actions.evidence

reads if input.action in data.memos_gov.access.actions.derives

# METADATA
# title: Region counts
# description: Whether regions bind this actor for this action.
default region_counts := false

region_counts if {
	uses_content
	not "region" in actor.exempt
	not "*" in input.actor.regions
}

# METADATA
# title: Places
# description: >-
#   Regions whose cubes the actor may use: the actor's own, narrowed to the
#   session's where it names one, and always the global one.
places contains "global"

places contains region if {
	some region in input.actor.regions
	not elsewhere(region)
}

# METADATA
# title: Elsewhere
# description: Whether the session takes place in another region than this.
elsewhere(region) if {
	input.context.region != null
	input.context.region != region
}
