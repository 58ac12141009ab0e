"""Checks of an instance made of well-formed objects, one module for each subject.

A check takes an `Unchecked` and yields problems. It never raises, and never stops at the first problem. `reading` lists
the checks in the order in which they run.
"""
