"""The instance, how plain data become one, and its variants.

schema, questions              its fields; questions whose answers part futures
operation_paths                the conditions of operation: the baseline, and each shock
text, document, ranges         a file as plain data with lines; the ranges of its numbers
reading, derived, validation   data to an instance, what follows from it, and its checks
overrides                      values put at dotted paths of the file, by `--set`, a scenario or a branch
edits, removal, variants       the same instance changed: as a file would be, without some objects, with other shocks
"""
