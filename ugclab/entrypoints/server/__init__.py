"""`ugclab serve`: jobs over HTTP, for programs. The page may be mounted in the same server.

| module | what |
|---|---|
| server | the app put together, and served until it is told to stop |
| door | what every route needs: the queue, orders, who asks, whether it drains |
| callers | bearer keys: who asks, what they may, how often |
| job_routes, file_routes, owner_routes | the public API below /v1 |
| worker_routes | the worker contract: /execute and /health |
| runpod_routes | Runpod's own routes, at the root and below /v2/{endpoint} |
| events | a job's events as they happen, resumed where a connection broke |
| readiness, metrics | what those ask who run it |
| around | what surrounds every request: sizes, headers, counts |
| draining | how it ends |
"""
