"""What every peer asks."""

MODEL = "bench"
TEXT = "Why is the sky blue?"
MESSAGES = [{"role": "user", "content": TEXT}]
