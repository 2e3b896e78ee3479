"""For classes: checking machines and labs, students' copies, grading, and setting up with no network."""
