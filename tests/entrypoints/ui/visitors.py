"""What a visitor does without looking: submit a job with the cheap engine."""

from pathlib import Path
from typing import Any

PLAN = "0-1:swap,1-3:keep,3-4:swap,4-end:keep"


def submit(asker: Any, footage: Path, avatar: Path, *, name: str = "", **draft: Any) -> str:
    """Bring footage and a face and submit them by the cookie of a playwright context; the job's id."""
    brought = {
        role: asker.request.post(f"/desk/upload/{role}?name={shown}", data=path.read_bytes()).json()["id"]
        for role, path, shown in (("source", footage, name or footage.name), ("avatar", avatar, avatar.name))
    }
    wanted = brought | {"plan": PLAN, "engine": "ledger", "agreed": True} | draft
    answer = asker.request.post("/desk/submit", data=wanted)
    assert answer.ok, answer.text()
    return str(answer.json()["job_id"])
