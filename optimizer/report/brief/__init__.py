"""The brief: the answer on one page of A4. The page, and files of other forms, draw the same frames."""
