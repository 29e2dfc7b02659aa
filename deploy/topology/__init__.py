"""What deploy/compose.yaml describes, started without containers: `make topology`."""
