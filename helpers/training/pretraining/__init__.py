"""The shipped tiny models, trained from nothing: a Llama 2, a GPT-2, a T5 and a FLAN-T5."""
