"""Routers in a row, each with a filter and its subnets: the problem that proofs and their rivals are given."""
