"""Language models: profiles, loading in 4 bits, the roles on one base, generation, costs."""
