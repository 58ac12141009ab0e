"""The instance, how plain data become one, and its variants.

schema, questions, paths       its fields; questions whose answers part futures; the place of each field
text, document, ranges         a file as plain data with lines; the ranges of its numbers
reading, derived, validation   data to an instance, what follows from it, and its checks
overrides, edits, removal      values put at paths of the file; the same instance changed; without some of its objects
"""
