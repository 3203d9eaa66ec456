"""What the pages show: the collector's dataset through DuckDB, one question a file, frozen dataclasses out."""
