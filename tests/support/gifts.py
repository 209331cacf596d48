"""A gift that waits for its payment."""

from __future__ import annotations

from datetime import UTC, datetime

from signaling.gift_model import GiftRecord

GIFT = GiftRecord(
    id="5f0c3b1e-0000-4000-8000-000000000001",
    session_id="5f0c3b1e-0000-4000-8000-000000000002",
    participant_id="p",
    user_id="vera",
    name="Vera",
    gift_id="cake",
    gift_name="Cake",
    icon="🎂",
    quantity=2,
    value=40,
    created_at=datetime(2026, 1, 2, tzinfo=UTC),
    host_user_id="hana",
    key="secret of the giver",
    status="pending",
    settled_at=None,
)
