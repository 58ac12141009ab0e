"""What may go wrong: shock scenarios, families and ensembles of them, and an adversary."""
