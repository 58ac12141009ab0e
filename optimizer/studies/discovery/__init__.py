"""Scenario discovery: under which few conditions a plan fails."""
