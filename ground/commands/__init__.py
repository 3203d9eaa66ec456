"""Commands of ``ground`` that have no package of their own: thin, and light to import."""
