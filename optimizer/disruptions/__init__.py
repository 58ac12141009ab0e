"""Disruptions: shocks, families and ensembles, distributions, an adversary, and the conditions of operation in them."""
