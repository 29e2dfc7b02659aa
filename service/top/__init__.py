"""`floorwalker top`: queues, agents and alerts on a terminal, from the API of any machine."""
