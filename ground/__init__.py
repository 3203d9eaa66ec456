"""The ground: trains, gates, signs and replays detectors."""
