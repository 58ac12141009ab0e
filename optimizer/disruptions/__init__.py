"""What may go wrong: shocks, families and ensembles of them, and an adversary."""
