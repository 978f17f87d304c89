"""Data that ships with the package: the contract's snapshot, the checkpoint's manifest, GPUs and their rates."""
