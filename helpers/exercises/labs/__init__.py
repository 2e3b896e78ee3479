"""The exercises and questions of each lab: a folder a lab, a module a subject, and `questions`."""
