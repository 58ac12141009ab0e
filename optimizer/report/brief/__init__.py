"""The brief: the answer on one A4 page where it fits. The HTML page and all other forms draw the same frames."""
