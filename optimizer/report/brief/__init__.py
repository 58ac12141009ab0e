"""The brief: the answer on one A4 page. The HTML page and all other forms draw the same frames."""
