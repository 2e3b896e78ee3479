"""Training: every stage is a generator of records, a dict of floats a step; none knows of notebooks."""
