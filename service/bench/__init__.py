"""`floorwalker bench`: what this machine does, against the usual way and against the least possible."""
