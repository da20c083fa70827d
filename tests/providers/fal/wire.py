"""fal's wire format, replayed.

Queue: https://docs.fal.ai/model-endpoints/queue
Arguments: https://docs.fal.ai/documentation/model-apis/model-arguments
Errors: https://docs.fal.ai/model-apis/errors
"""

from __future__ import annotations

from tests.providers.replay import Replay, Scripted, answer, raw

MODEL_ID = "fal-ai/flux/schnell"
SUBMIT = f"POST /{MODEL_ID}"
QUEUE = "https://queue.fal.run/fal-ai/flux/requests"  # progress is asked of the app, not of the path below it
ID = "80e732af-660e-45cd-bd63-580e4f2a94cc"
STATUS = f"GET /fal-ai/flux/requests/{ID}/status"
RESULT = f"GET /fal-ai/flux/requests/{ID}"
CANCEL = f"PUT /fal-ai/flux/requests/{ID}/cancel"
IN_QUEUE = answer({"status": "IN_QUEUE", "queue_position": 0}, status=202)
IN_PROGRESS = answer({"status": "IN_PROGRESS", "logs": None}, status=202)
COMPLETED = answer({"status": "COMPLETED", "logs": None, "metrics": {"inference_time": 0.1}})


def submitted(request_id: str = ID) -> dict[str, object]:
    """The answer to a request that starts a generation."""
    base = f"{QUEUE}/{request_id}"
    return {
        "request_id": request_id,
        "response_url": base,
        "status_url": f"{base}/status",
        "cancel_url": f"{base}/cancel",
        "status": "IN_QUEUE",
        "queue_position": 0,
    }


def result(*addresses: str, flagged: bool = False, content_type: str | None = "image/png") -> dict[str, object]:
    """What a generation brought."""
    images = [{"url": address, "width": 1, "height": 1, "content_type": content_type} for address in addresses]
    return {
        "images": images,
        "timings": {"inference": 0.1},
        "seed": 42,
        "has_nsfw_concepts": [flagged for _ in addresses],
        "prompt": "A cat",
    }


def script(replay: Replay, *outcome: Scripted, image: bytes = b"") -> Replay:
    """Script a generation that is queued, begins, ends, and has this outcome."""
    replay.on(SUBMIT, answer(submitted())).on(STATUS, IN_QUEUE, IN_PROGRESS, COMPLETED).on(RESULT, *outcome)
    return replay.on("GET /files/cat.png", raw(image, content_type="image/png")).on(CANCEL, answer({"status": "OK"}))


def problem(kind: str, said: str) -> dict[str, object]:
    """The body of an error about the input, as FastAPI writes it; it repeats the input."""
    return {"detail": [{"loc": ["body", "prompt"], "msg": said, "type": kind, "input": {"prompt": "my secret plan"}}]}
