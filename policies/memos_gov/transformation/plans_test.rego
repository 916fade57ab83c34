package memos_gov.transformation_test

import data.memos_gov.transformation

index(facts) := answer.c1.index if {
	plain := {"id": "c1", "form": "plaintext", "label": "internal", "semantic_type": "fact", "quarantined": false, "findings": []}
	question := {"now": 1, "tenant": "t1", "cubes": [object.union(plain, facts)]}
	answer := transformation.plans with input as question
}

cases := {
	"plain": [{}, "full"],
	"confidential": [{"label": "confidential"}, "full"],
	"an e-mail address": [{"findings": ["email"]}, "full"],
	"a card": [{"label": "confidential", "findings": ["card"]}, "vector_only"],
	"restricted": [{"label": "restricted"}, "none"],
	"unknown label": [{"label": "odd"}, "none"],
	"quarantined": [{"quarantined": true}, "none"],
}

test_index[name] if {
	some name, [facts, expected] in cases
	index(facts) == expected
}
