"""What a detector is worth on recordings of any rig: whether its alarms keep their promise, and what it finds."""
