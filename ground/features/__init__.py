"""Features for people: what they are, what one window of a recording looks like, what a bundle listens to."""
