"""Disruptions: shocks, families and ensembles of shocks, and an adversary."""
