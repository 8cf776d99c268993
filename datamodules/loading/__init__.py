"""What every data module needs: which sample comes when, from file to batch, resuming in mid-epoch."""
