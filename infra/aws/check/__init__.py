"""Holds the templates of infra/aws against what must be true of any deployment that they describe.

`python -m check DIR` evaluates DIR/template.yaml and all that it nests, once for each of a set of
parameters, as CloudFormation would; and asks each invariant of what came out.
"""
