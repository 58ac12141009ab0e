"""Who pays what of a plan that several members make together: the game of their coalitions, and its solutions."""
