"""The bridge's configuration: one YAML file, read strictly."""
