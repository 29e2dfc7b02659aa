"""The pure core: values in, values out. No clock, no log, no I/O; standard library and msgspec only."""
