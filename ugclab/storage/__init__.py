"""Where bytes live: the store and its paths."""
