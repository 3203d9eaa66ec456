"""The console: what a fleet says, for people to look at and to judge, in a browser."""
