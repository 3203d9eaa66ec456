"""Model families, one a file, each a plain torch module with normalisation inside."""
