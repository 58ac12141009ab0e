"""Which attack of an adversary violates a plan most."""
