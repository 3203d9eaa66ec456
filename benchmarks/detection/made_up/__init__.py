"""Made-up rigs, seeded, in the layout that all commands read: nothing was tuned to any of them."""
