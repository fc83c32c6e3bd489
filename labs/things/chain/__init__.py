"""The measuring chain: from a physical quantity to the number that a thing tells, as stages that compose."""
