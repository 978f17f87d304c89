"""The durable queue: what is submitted is done, once, whatever dies."""
