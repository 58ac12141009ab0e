"""How a result looks: on the screen (`tables`), on pages, in briefs, workbooks and figures."""
