# METADATA
# title: Transformation
# description: How deep the content of each cube is indexed.
# scope: package
# schemas:
#   - input: schema.transformation_plans
package memos_gov.transformation

# METADATA
# title: Plans
# description: A plan for each cube asked about; without a rule its content is not indexed.
# entrypoint: true
plans := {c.id: plan |
	some c in input.cubes
	plan := object.get(chosen, c.id, unindexed)
}

# METADATA
# title: Not indexed
# description: Restricted and quarantined cubes, and labels that the vocabulary does not know.
unindexed := {"index": "none", "rules": ["transformation/none"]}

# METADATA
# title: Chosen plans
# description: Words and vectors for most; numbers of cards and accounts leave no words behind.
chosen[c.id] := {"index": "full", "rules": ["transformation/full"]} if {
	some c in input.cubes
	open[c.id]
	not sensitive[c.id]
}

chosen[c.id] := {"index": "vector_only", "rules": ["transformation/vector_only"]} if {
	some c in input.cubes
	open[c.id]
	sensitive[c.id]
}

# METADATA
# title: Open cubes
# description: Cubes whose content may be indexed at all.
open contains c.id if {
	labels := data.memos_gov.vocabulary.labels
	some c in input.cubes
	not c.quarantined
	labels[c.label] <= labels[data.memos_gov.transformation.indexed_up_to]
}

# METADATA
# title: Sensitive cubes
# description: Cubes in which numbers of cards or accounts were found.
sensitive contains c.id if {
	some c in input.cubes
	some kind in c.findings
	kind in data.memos_gov.transformation.sensitive_findings
}
