"""What of the Helm chart (`deploy/chart`) is made from the code: the schema of its values."""
