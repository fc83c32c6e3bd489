"""From a YAML file to a scenario, and from a scenario and a seed to a site."""
