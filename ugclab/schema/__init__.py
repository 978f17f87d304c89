"""GROUND: frozen types without I/O. They travel as JSON through the queue, HTTP, the page and notebooks."""
