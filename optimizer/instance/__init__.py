"""The instance: its fields, how plain data are read and checked, and changed copies of it.

schema, questions              fields of an instance; questions whose answers distinguish its futures
operation_paths                conditions of operation: the baseline, and each shock
text, document, ranges         a file as plain data with line numbers; ranges of its uncertain numbers
reading, derived, validation   construction of an instance from data, quantities derived from it, and its checks
overrides                      values put at dotted paths of the file, by `--set`, a scenario or a branch
edits, removal, variants       changed copies: by values of the file, without some objects, with other shocks
"""
