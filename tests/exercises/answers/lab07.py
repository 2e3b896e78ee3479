"""Lab 07 has questions only."""

RIGHT: dict = {}
WRONG: dict = {}
