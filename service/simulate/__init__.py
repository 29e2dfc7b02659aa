"""A simulated contact centre: a believable day as canonical events, and the load mix of the bench."""
