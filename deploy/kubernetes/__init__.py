"""The part of the Helm chart (`deploy/chart`) that is generated from the code: the schema of its values."""
