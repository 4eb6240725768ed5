"""The one well-known door to Foundry Local: a host process that passes inference, and nothing else."""
