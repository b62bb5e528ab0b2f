"""Where entries live: one contract, several stores, one conformance suite."""
