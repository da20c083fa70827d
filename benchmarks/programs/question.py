"""What every program asks, and the type that every structured answer has to fit."""

from pydantic import BaseModel

TEXT = "Why is the sky blue?"
MODEL = "bench"
TIMEOUT_S = 300.0


class Item(BaseModel):
    """A thing that was ordered."""

    name: str
    count: int
    price: float


class Order(BaseModel):
    """What somebody ordered."""

    customer: str
    items: list[Item]
