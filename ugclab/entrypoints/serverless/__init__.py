"""Jobs done for a platform that keeps the queue itself: what `runpod_handler.py` is made of.

A worker here is a dumb executor: it has no database, no queue and no page. An order comes in, its result goes into the
store, the answer goes out.
"""
