"""The instance: its fields, how plain data are read and checked, and changed copies of it.

schema, questions              fields of an instance, from which `io.json_schema` makes the JSON Schema; questions whose
                               answers distinguish its futures
operation_paths                conditions of operation: the baseline, and each shock
text, document, ranges         a file as plain data with line numbers; ranges of its uncertain numbers
reading, derived, validation   construction of an instance from data, quantities derived from it, and its checks
overrides                      values put at dotted paths of the file, by `--set`, a scenario or a branch
edits, removal, altered        changed copies: by values of the file and without some objects, both checked like a file;
                               with other shocks, floors, dates or policy, valid as they are and not checked
"""
