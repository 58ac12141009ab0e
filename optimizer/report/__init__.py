"""How a result looks; `whole.show` prints all of it."""
