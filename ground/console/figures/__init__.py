"""What pages draw, worked out from what was read: coordinates, levels and the same in words."""
