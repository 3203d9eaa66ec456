"""The on-board agent: a signed detector, MQTT in, assessments out."""
