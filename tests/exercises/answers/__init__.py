"""Right and wrong answers to the exercises, as students write them; tests/exercises/test_answers.py runs them all."""
