"""People's labels: asking for them, keeping them, their worth; and verdicts of people and machines on models."""
