"""Made-up rigs, seeded, in the layout that all commands read. One number was tuned on them: see docs/adr/0026."""
