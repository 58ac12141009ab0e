"""The checks of an instance whose objects are each well formed: one module a subject.

A check takes an `Unchecked` and yields problems. It never raises, and never stops at the first problem. `reading` lists
them in the order in which they run.
"""
