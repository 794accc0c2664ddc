"""What the agency may say and must do: packs as data, their schema and loader, segmentation. No I/O but reading a pack."""
