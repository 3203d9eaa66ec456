"""The pages of the console, one a file; each has ``ROUTES``, and ``ground.console.app`` lists them."""
