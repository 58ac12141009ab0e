"""Presentation of results: on the screen (`tables`), on pages, in briefs, workbooks and figures."""
